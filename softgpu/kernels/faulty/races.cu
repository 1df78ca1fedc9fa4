// Threads that do not wait for each other. Launch unless said otherwise: one block of 256.

// No barrier between writing the tile and reading a neighbour's part of it.
extern "C" __global__ void write_then_read(const float* x, float* y) {
    __shared__ float tile[256];
    tile[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = tile[255 - threadIdx.x];
}

// The second barrier of a loop is missing: the next tile overwrites what others still read.
// Launch: x holds 256 · tiles floats.
extern "C" __global__ void read_then_write(const float* x, float* y, int tiles) {
    __shared__ float tile[256];
    float sum = 0;
    for (int i = 0; i < tiles; ++i) {
        tile[threadIdx.x] = x[i * 256 + threadIdx.x];
        __syncthreads();
        sum += tile[255 - threadIdx.x];
    }
    y[threadIdx.x] = sum;
}

// Every warp's first lane puts its own number into the same word.
extern "C" __global__ void write_write(int* y) {
    __shared__ int last;
    if (threadIdx.x % 32 == 0) last = threadIdx.x / 32;
    __syncthreads();
    y[threadIdx.x] = last;
}

// Two lanes of one instruction write different values to one word.
extern "C" __global__ void write_write_in_warp(int* y) {
    __shared__ int slots[128];
    slots[threadIdx.x / 2] = threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = slots[threadIdx.x / 2];
}

// A histogram in shared memory with ++ instead of atomicAdd. Launch: bins of 16, keys below 16.
extern "C" __global__ void histogram_without_atomics(const int* keys, int* bins) {
    __shared__ int own[16];
    if (threadIdx.x < 16) own[threadIdx.x] = 0;
    __syncthreads();
    own[keys[threadIdx.x]]++;
    __syncthreads();
    if (threadIdx.x < 16) bins[threadIdx.x] = own[threadIdx.x];
}

// The counting begins before all bins are zero.
extern "C" __global__ void zero_without_barrier(const int* keys, int* bins) {
    __shared__ int own[256];
    own[threadIdx.x] = 0;
    atomicAdd(&own[255 - keys[threadIdx.x]], 1);
    __syncthreads();
    bins[threadIdx.x] = own[threadIdx.x];
}

// Reads the count without waiting for the atomics of the others.
extern "C" __global__ void read_while_counting(const int* keys, int* y) {
    __shared__ int count;
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
    if (keys[threadIdx.x] > 0) atomicAdd(&count, 1);
    y[threadIdx.x] = count;
}

// Two lanes of a warp exchange through shared memory: lockstep is an accident, not a promise.
// Launch: one block of 32.
extern "C" __global__ void exchange_without_syncwarp(const float* x, float* y) {
    __shared__ float slots[32];
    slots[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = slots[threadIdx.x ^ 1];
}

// The end of a reduction as it was written before 2017, when warps ran in lockstep.
// Launch: one block of 32.
extern "C" __global__ void reduction_without_syncwarp(const float* x, float* y) {
    __shared__ volatile float sums[64];
    sums[threadIdx.x] = x[threadIdx.x];
    sums[threadIdx.x + 32] = 0;
    __syncwarp();
    sums[threadIdx.x] += sums[threadIdx.x + 16];
    sums[threadIdx.x] += sums[threadIdx.x + 8];
    sums[threadIdx.x] += sums[threadIdx.x + 4];
    sums[threadIdx.x] += sums[threadIdx.x + 2];
    sums[threadIdx.x] += sums[threadIdx.x + 1];
    if (threadIdx.x == 0) *y = sums[0];
}

// Double buffering that always writes the buffer that is being read.
// Launch: x holds 256 · tiles floats.
extern "C" __global__ void wrong_buffer(const float* x, float* y, int tiles) {
    __shared__ float tile[2][256];
    tile[0][threadIdx.x] = x[threadIdx.x];
    tile[1][threadIdx.x] = 0;
    __syncthreads();
    float sum = 0;
    for (int i = 0; i < tiles; ++i) {
        if (i + 1 < tiles) tile[i % 2][threadIdx.x] = x[(i + 1) * 256 + threadIdx.x];
        sum += tile[i % 2][255 - threadIdx.x];
        __syncthreads();
    }
    y[threadIdx.x] = sum;
}

// A warp-level barrier does not reach the other warps.
extern "C" __global__ void syncwarp_for_the_block(const float* x, float* y) {
    __shared__ float tile[256];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncwarp();
    y[threadIdx.x] = tile[(threadIdx.x + 32) % 256];
}

// Each half of the block waits at a barrier of its own, then reads the other half's values.
extern "C" __global__ void barriers_of_their_own(const float* x, float* y) {
    __shared__ float tile[256];
    tile[threadIdx.x] = x[threadIdx.x];
    int half = threadIdx.x / 128;
    asm volatile("bar.sync %0, 128;" ::"r"(half + 1) : "memory");
    y[threadIdx.x] = tile[255 - threadIdx.x];
}

// A step of a stencil in place: a block's edge reads what its neighbour block may have written.
// Launch: several blocks of 64; x holds 64 · blocks + 2 floats.
extern "C" __global__ void stencil_in_place(float* x) {
    int i = blockIdx.x * 64 + threadIdx.x + 1;
    float sum = x[i - 1] + x[i + 1];
    __syncthreads();
    x[i] = 0.5f * sum;
}

// One thread of each block increments one counter, not atomically. Launch: several blocks; zeroed.
extern "C" __global__ void count_blocks(int* counter) {
    if (threadIdx.x == 0) *counter += 1;
}

// Blocks overlap by one element: blockDim − 1 where blockDim was meant. Launch: several blocks.
extern "C" __global__ void blocks_overlap(int* y) {
    y[blockIdx.x * (blockDim.x - 1) + threadIdx.x] = blockIdx.x;
}

// Block 0 reads the total that the others are still adding to. Launch: several blocks; total zeroed.
extern "C" __global__ void read_while_adding(int* total, int* y) {
    if (threadIdx.x == 0) {
        atomicAdd(total, 1);
        if (blockIdx.x == 0) *y = *total;
    }
}

__device__ unsigned blocks_done;

// The last block adds up what the others left, but nothing orders their stores before their tickets:
// __threadfence() is missing. Launch: several blocks; partial holds one int per block.
extern "C" __global__ void last_block_without_fence(int* partial, int* y) {
    if (threadIdx.x > 0) return;
    partial[blockIdx.x] = blockIdx.x + 1;
    if (atomicAdd(&blocks_done, 1u) == gridDim.x - 1) {
        int sum = 0;
        for (int i = 0; i < gridDim.x; ++i) sum += partial[i];
        *y = sum;
        blocks_done = 0;
    }
}

// One thread sets the counter back with a plain store while others add to it atomically.
extern "C" __global__ void store_beside_atomics(int* y) {
    __shared__ int count;
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
    if (threadIdx.x == 40) {
        count = 0;
    } else {
        atomicAdd(&count, 1);
    }
    __syncthreads();
    y[threadIdx.x] = count;
}

// Pairs of threads write one byte; the other bytes of the word are in order.
extern "C" __global__ void write_write_of_bytes(unsigned char* y) {
    __shared__ unsigned char bytes[256];
    bytes[threadIdx.x] = 0;
    __syncthreads();
    bytes[threadIdx.x == 77 ? 140 : threadIdx.x] = threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = bytes[threadIdx.x];
}

// A shuffle hands over registers; it does not order what lies in memory. Launch: one block of 32.
extern "C" __global__ void shuffle_for_a_barrier(const int* x, int* y) {
    __shared__ int slots[32];
    slots[threadIdx.x] = x[threadIdx.x];
    int other = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
    y[threadIdx.x] = slots[threadIdx.x ^ 1] - other;
}

// Every block adds atomically, and block 3 sets back plainly. Launch: several blocks; total zeroed.
extern "C" __global__ void reset_while_adding(int* total) {
    if (threadIdx.x > 0) return;
    if (blockIdx.x == 3) {
        *total = 0;
    } else {
        atomicAdd(total, 1);
    }
}

// Blocks of 33 bytes in a row, as clean/races.cu has them, but of 34. Launch: several blocks of 34.
extern "C" __global__ void blocks_overlap_in_a_byte(unsigned char* y) {
    y[blockIdx.x * 33 + threadIdx.x] = blockIdx.x;
}

// Each block waits for the flag of the block before it, but no fence orders the sums around the flags.
// Launch: several blocks of 32; flags and *next zeroed, sums hold one int per block.
extern "C" __global__ void chained_without_fences(unsigned* next, int* sums, volatile int* flags) {
    if (threadIdx.x > 0) return;
    unsigned number = atomicAdd(next, 1u);
    int sum = 1;
    if (number > 0) {
        while (flags[number - 1] == 0) {
        }
        sum += sums[number - 1];
    }
    sums[number] = sum;
    flags[number] = 1;
}

// The fence stands behind the flag, where the others have already gone on. Launch: as above.
extern "C" __global__ void fence_behind_the_flag(unsigned* next, int* sums, volatile int* flags) {
    if (threadIdx.x > 0) return;
    unsigned number = atomicAdd(next, 1u);
    int sum = 1;
    if (number > 0) {
        while (flags[number - 1] == 0) {
        }
        sum += sums[number - 1];
    }
    sums[number] = sum;
    flags[number] = 1;
    __threadfence();
}
