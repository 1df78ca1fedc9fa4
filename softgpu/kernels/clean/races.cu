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

// The last block adds up, without volatile: fences and the atomic order plain stores and loads as well.
// Launch: any number of blocks of 32; partial holds one int per block; *count zeroed.
extern "C" __global__ void last_block_of_plain_stores(const int* x, int* partial, unsigned* count, int* y) {
    int sum = x[blockIdx.x * 32 + threadIdx.x];
    for (int bit = 16; bit > 0; bit /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bit);
    if (threadIdx.x > 0) return;
    partial[blockIdx.x] = sum;
    __threadfence();
    if (atomicAdd(count, 1u) != gridDim.x - 1) return;
    __threadfence();
    int whole = 0;
    for (int i = 0; i < gridDim.x; ++i) whole += partial[i];
    *y = whole;
}

// A prefix sum over blocks in one launch: each waits for the block before it. Numbers are drawn, so the
// one waited for has begun. Fences order the sums around flags that are only volatile.
// Launch: any number of blocks of 32; flags and *next zeroed, sums never filled, one int per block each.
extern "C" __global__ void chained_sums(const int* x, unsigned* next, int* sums, volatile int* flags, int* y) {
    unsigned number = 0;
    if (threadIdx.x == 0) number = atomicAdd(next, 1u);
    number = __shfl_sync(0xffffffffu, number, 0);
    int sum = x[number * 32 + threadIdx.x];
    for (int bit = 16; bit > 0; bit /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bit);
    if (threadIdx.x > 0) return;
    if (number > 0) {
        while (flags[number - 1] == 0) {
        }
        __threadfence();
        sum += sums[number - 1];
    }
    sums[number] = sum;
    __threadfence();
    flags[number] = 1;
    y[number] = sum;
}

// Blocks draw pieces of work until none is left; which block does which piece does not matter.
// Launch: any number of blocks of 32; *next zeroed; x and y hold 32 · pieces floats.
extern "C" __global__ void drawn_work(const float* x, float* y, int* next, int pieces) {
    __shared__ int piece;
    while (true) {
        if (threadIdx.x == 0) piece = atomicAdd(next, 1);
        __syncthreads();
        int mine = piece;
        __syncthreads();
        if (mine >= pieces) return;
        y[mine * 32 + threadIdx.x] = 2 * x[mine * 32 + threadIdx.x];
    }
}

// Places in shared memory given out by an atomic: each is written by one thread and read after the
// barrier. Launch: one block of 128.
extern "C" __global__ void places_drawn_in_shared(const int* x, int* y, int* count) {
    __shared__ int places[128], used;
    if (threadIdx.x == 0) used = 0;
    __syncthreads();
    if (x[threadIdx.x] % 3 == 0) places[atomicAdd(&used, 1)] = x[threadIdx.x];
    __syncthreads();
    if (threadIdx.x < used) y[threadIdx.x] = places[threadIdx.x];
    if (threadIdx.x == 0) *count = used;
}

// Value and index in one 64-bit word, so that one atomic compares both. Launch: any; *best zeroed.
extern "C" __global__ void largest_and_where(const unsigned* x, unsigned long long* best) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicMax(best, (unsigned long long)x[i] << 32 | i);
}

// Words handed from block to block by instructions that order what stands around them: a release by
// whoever has written, an acquire by whoever reads. Launch: as chained_sums.
extern "C" __global__ void chained_by_release(const int* x, unsigned* next, int* sums, int* flags, int* y) {
    if (threadIdx.x > 0) return;
    unsigned number = atomicAdd(next, 1u);
    int sum = x[number * 32];
    if (number > 0) {
        int flag;
        do {
            asm volatile("ld.acquire.gpu.s32 %0, [%1];" : "=r"(flag) : "l"(flags + number - 1) : "memory");
        } while (flag == 0);
        sum += sums[number - 1];
    }
    sums[number] = sum;
    asm volatile("st.release.gpu.s32 [%0], %1;" ::"l"(flags + number), "r"(1) : "memory");
    y[number] = sum;
}

// As above with read-modify-write instructions. Launch: as chained_sums.
extern "C" __global__ void chained_by_atomics(const int* x, unsigned* next, int* sums, int* flags, int* y) {
    if (threadIdx.x > 0) return;
    unsigned number = atomicAdd(next, 1u);
    int sum = x[number * 32];
    if (number > 0) {
        int flag;
        do {
            asm volatile("atom.acquire.gpu.global.or.b32 %0, [%1], 0;" : "=r"(flag) : "l"(flags + number - 1) : "memory");
        } while (flag == 0);
        sum += sums[number - 1];
    }
    sums[number] = sum;
    asm volatile("red.release.gpu.global.add.s32 [%0], 1;" ::"l"(flags + number) : "memory");
    y[number] = sum;
}
