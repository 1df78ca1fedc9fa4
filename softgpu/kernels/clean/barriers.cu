// Barriers, masks and divergence that look dangerous and are in order.

// The two halves of a block go their own ways, each with a barrier of its own.
// Launch: one block of 128.
extern "C" __global__ void barrier_per_half(const float* x, float* y) {
    __shared__ float tile[128];
    int half = threadIdx.x / 64, first = half * 64;
    for (int round = 0; round < 3; ++round) {
        tile[threadIdx.x] = x[threadIdx.x] + round;
        asm volatile("bar.sync %0, 64;" ::"r"(half + 1) : "memory");
        y[threadIdx.x] = tile[first + (threadIdx.x + round) % 64];
        asm volatile("bar.sync %0, 64;" ::"r"(half + 1) : "memory");
    }
}

// One warp produces, one consumes. bar.arrive says "filled" or "free" and goes on; bar.sync waits for
// it. Barriers 1 and 2: tile 0 and 1 are filled; 3 and 4: they are free.
// Launch: one block of 64; x holds 32 · steps floats.
extern "C" __global__ void producer_and_consumer(const float* x, float* y, int steps) {
    __shared__ float tile[2][32];
    int lane = threadIdx.x % 32;
    if (threadIdx.x < 32) {
        for (int i = 0; i < steps; ++i) {
            if (i >= 2) asm volatile("bar.sync %0, 64;" ::"r"(3 + i % 2) : "memory");
            tile[i % 2][lane] = x[i * 32 + lane];
            asm volatile("bar.arrive %0, 64;" ::"r"(1 + i % 2) : "memory");
        }
    } else {
        float sum = 0;
        for (int i = 0; i < steps; ++i) {
            asm volatile("bar.sync %0, 64;" ::"r"(1 + i % 2) : "memory");
            sum += tile[i % 2][31 - lane];
            if (i + 2 < steps) asm volatile("bar.arrive %0, 64;" ::"r"(3 + i % 2) : "memory");
        }
        y[lane] = sum;
    }
}

// Both sides of a branch shuffle, each with the mask of its own lanes. Launch: one block of 32.
extern "C" __global__ void shuffle_in_both_branches(const int* x, int* y) {
    int v = x[threadIdx.x];
    if (threadIdx.x < 16) {
        v += __shfl_xor_sync(0x0000ffffu, v, 8);
    } else {
        v -= __shfl_down_sync(0xffff0000u, v, 1);
    }
    y[threadIdx.x] = v;
}

// Only every third lane is left, and the mask, from a vote before the branch, says so.
// Launch: one block of 32.
extern "C" __global__ void shuffle_among_voters(const int* x, int* y) {
    int v = x[threadIdx.x];
    bool in = threadIdx.x % 3 == 0;
    unsigned mask = __ballot_sync(0xffffffffu, in);
    if (in) v += __shfl_sync(mask, v, 30);
    y[threadIdx.x] = v;
}

// Lanes beyond the end have returned. The mask may still name them: it waits for the lanes that are left.
// Launch: one block of 32, n even.
extern "C" __global__ void full_mask_after_return(const int* x, int* y, int n) {
    if (threadIdx.x >= n) return;
    int neighbour = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
    unsigned odd = __ballot_sync(0xffffffffu, x[threadIdx.x] & 1);
    __syncwarp();
    y[threadIdx.x] = __all_sync(0xffffffffu, threadIdx.x < n) ? neighbour + __popc(odd) : -1;
}

// Lanes that meet in a branch add up first and then do one atomic for all of them.
// Launch: any; *count zeroed, order holds one int per thread.
extern "C" __global__ void aggregated_atomics(const int* x, unsigned* count, unsigned* order) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    order[i] = 0xffffffffu;
    if (x[i] > 0) {
        unsigned here = __activemask(), lane = threadIdx.x % 32, leader = __ffs(here) - 1;
        unsigned first = 0;
        if (lane == leader) first = atomicAdd(count, __popc(here));
        first = __shfl_sync(here, first, leader);
        order[i] = first + __popc(here & ((1u << lane) - 1));
    }
}

// Whole warps leave early; the others exchange among themselves without a block barrier.
// Launch: one block of 128, n = 64.
extern "C" __global__ void warps_leave(const int* x, int* y, int n) {
    if (threadIdx.x / 32 * 32 >= n) return;
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 3);
}

// The last warp has 16 threads, and the mask names just those. Launch: one block of 48.
extern "C" __global__ void short_warp(const int* x, int* y) {
    unsigned mask = threadIdx.x < 32 ? 0xffffffffu : 0x0000ffffu;
    int sum = x[threadIdx.x];
    for (int bit = 8; bit > 0; bit /= 2) sum += __shfl_xor_sync(mask, sum, bit);
    y[threadIdx.x] = sum;
}

// Threads go round a different number of times, and meet at the barrier behind the loop.
// Launch: one block of 64; counts hold 0 … 9.
extern "C" __global__ void uneven_loop_then_barrier(const int* counts, int* y) {
    __shared__ int found[64];
    int product = 1;
    for (int i = 0; i < counts[threadIdx.x]; ++i) product = product * 3 + i;
    found[threadIdx.x] = product;
    __syncthreads();
    y[threadIdx.x] = found[63 - threadIdx.x];
}

// All threads of the block decide together when to stop: the barrier inside the loop is reached by all.
// Launch: one block of 128.
extern "C" __global__ void until_all_agree(const int* x, int* rounds, int* y) {
    int v = x[threadIdx.x] & 1023, n = 0;
    while (__syncthreads_or(v > 0)) {
        v /= 2;
        ++n;
    }
    int zeros = __syncthreads_count(v == 0);
    y[threadIdx.x] = __syncthreads_and(v == 0) ? zeros : -1;
    if (threadIdx.x == 0) *rounds = n;
}

// The branch is the same for all threads of a block, so its barrier is in order.
// Launch: several blocks of 64.
extern "C" __global__ void barrier_in_uniform_branch(const float* x, float* y) {
    __shared__ float tile[64];
    int i = blockIdx.x * 64 + threadIdx.x;
    float v = x[i];
    if (blockIdx.x % 2) {
        tile[threadIdx.x] = v;
        __syncthreads();
        v = tile[63 - threadIdx.x];
    }
    y[i] = v;
}
