// Sharing of memory that looks dangerous and is in order: the sanitizer must stay silent.

__device__ unsigned tickets;

// "Who comes last adds up": each block leaves a partial sum, and the block that draws the last ticket
// adds them all. The fence before the ticket orders the block's store before it; the fence behind the
// ticket orders the last block's reads after it.
// Launch: any number of blocks of 64; partial holds one int per block, x 64 per block.
extern "C" __global__ void last_block(const int* x, volatile int* partial, int* y) {
    __shared__ int sums[64];
    __shared__ bool last;
    sums[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
    __syncthreads();
    for (int half = 32; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sums[0];
        __threadfence();
        last = atomicInc(&tickets, gridDim.x - 1) == gridDim.x - 1;  // the last one resets the count
        __threadfence();
    }
    __syncthreads();
    if (!last) return;  // the same for all threads of a block
    if (threadIdx.x == 0) {
        int sum = 0;
        for (int i = 0; i < gridDim.x; ++i) sum += partial[i];
        *y = sum;
    }
}

// A lock taken by one lane per warp; the lanes of one warp would block each other.
// Launch: any; lock and *total zeroed.
extern "C" __global__ void spin_lock(int* lock, volatile int* total) {
    if (threadIdx.x % 32) return;
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    __threadfence();
    *total = *total + 1;
    __threadfence();
    atomicExch(lock, 0);
}

// Two tiles in turn: while one is read the other is filled, one barrier per step.
// Launch: one block of 256; x holds 256 · tiles floats.
extern "C" __global__ void double_buffer(const float* x, float* y, int tiles) {
    __shared__ float tile[2][256];
    tile[0][threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    float sum = 0;
    for (int i = 0; i < tiles; ++i) {
        if (i + 1 < tiles) tile[(i + 1) % 2][threadIdx.x] = x[(i + 1) * 256 + threadIdx.x];
        sum += tile[i % 2][255 - threadIdx.x];
        __syncthreads();
    }
    y[threadIdx.x] = sum;
}

// The end of a reduction, with the warp's barrier between reading and writing.
// Launch: one block of 32.
extern "C" __global__ void reduction_with_syncwarp(const float* x, float* y) {
    __shared__ float sums[32];
    sums[threadIdx.x] = x[threadIdx.x];
    for (int half = 16; half > 0; half /= 2) {
        __syncwarp();
        float other = sums[threadIdx.x ^ half];
        __syncwarp();
        sums[threadIdx.x] += other;
    }
    __syncwarp();
    y[threadIdx.x] = sums[31 - threadIdx.x];
}

// Each half of a warp exchanges under its own mask. Launch: one block of 32.
extern "C" __global__ void halves_of_a_warp(const float* x, float* y) {
    __shared__ float slots[32];
    unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
    slots[threadIdx.x] = x[threadIdx.x];
    if (threadIdx.x < 16) {
        __syncwarp(mask);
        y[threadIdx.x] = slots[15 - threadIdx.x];
    } else {
        __syncwarp(mask);
        y[threadIdx.x] = slots[47 - threadIdx.x];
    }
}

// A shuffle orders nothing but itself: values go through registers, and memory is not shared.
// Launch: one block of 64.
extern "C" __global__ void own_slot_only(const int* x, int* y) {
    __shared__ int slots[64];
    slots[threadIdx.x] = x[threadIdx.x];
    int mine = slots[threadIdx.x];
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, mine, 1);
}

// Four threads write the four bytes of one word: different bytes, so no race, in shared memory and in
// global memory. Launch: several blocks of 64; y holds one byte per thread and block, then the words.
extern "C" __global__ void bytes_of_a_word(unsigned char* y, unsigned* words) {
    __shared__ __align__(4) unsigned char bytes[64];
    bytes[threadIdx.x] = threadIdx.x;
    y[blockIdx.x * 64 + threadIdx.x] = blockIdx.x + threadIdx.x;
    __syncthreads();
    if (threadIdx.x < 16) words[blockIdx.x * 16 + threadIdx.x] = reinterpret_cast<unsigned*>(bytes)[threadIdx.x];
}

// Blocks whose shares meet in the middle of a 32-byte sector and of a word. Launch: several blocks of
// 33; y holds one byte per thread and block.
extern "C" __global__ void blocks_share_a_sector(unsigned char* y) {
    y[blockIdx.x * 33 + threadIdx.x] = threadIdx.x;
}

// Threads of one block talk through global memory, which __syncthreads orders as well.
// Launch: several blocks of 256; scratch holds 256 floats per block.
extern "C" __global__ void block_through_global(const float* x, float* scratch, float* y) {
    int start = blockIdx.x * 256;
    scratch[start + threadIdx.x] = 2 * x[start + threadIdx.x];
    __syncthreads();
    y[start + threadIdx.x] = scratch[start + 255 - threadIdx.x];
}

// Additions, maxima and a compare-and-swap loop on the same words from all blocks.
// Launch: several blocks; totals holds 2 ints and a float, set to 0, INT_MIN and 0.
extern "C" __global__ void atomics_only(const int* x, int* totals) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&totals[0], x[i]);
    atomicMax(&totals[1], x[i]);
    int* bits = &totals[2];
    int seen = atomicAdd(bits, 0), before;
    do {  // a float sum by compare-and-swap
        before = seen;
        seen = atomicCAS(bits, before, __float_as_int(__int_as_float(before) + 1));
    } while (seen != before);
}

// All blocks read the same table, nobody writes it. Launch: several blocks of 64; table of 64.
extern "C" __global__ void shared_table(const float* table, float* y) {
    y[blockIdx.x * 64 + threadIdx.x] = table[63 - threadIdx.x] + table[0];
}

// Dynamic shared memory used first as floats, then, after a barrier, as ints and bytes.
// Launch: one block of 64, 64 · 5 bytes of dynamic shared memory.
extern "C" __global__ void dynamic_in_parts(const float* x, int* y) {
    extern __shared__ __align__(16) unsigned char memory[];
    float* floats = reinterpret_cast<float*>(memory);
    int* ints = reinterpret_cast<int*>(memory);
    unsigned char* bytes = memory + 64 * 4;
    floats[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    float other = floats[63 - threadIdx.x];
    __syncthreads();
    ints[threadIdx.x] = (int)(other * 100);
    bytes[63 - threadIdx.x] = threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = ints[(threadIdx.x + 1) % 64] + bytes[threadIdx.x];
}
