// Barriers and warp-wide operations that not everybody reaches.

// Half of a warp. Launch: one block of 32.
extern "C" __global__ void barrier_in_half_a_warp(int* y) {
    if (threadIdx.x < 16) {
        y[threadIdx.x] = 1;
        __syncthreads();
        y[threadIdx.x] = 2;
    }
    y[threadIdx.x + 32] = 3;
}

// The threads beyond the end have left before the barrier. Launch: one block of 64, n = 50.
extern "C" __global__ void return_before_barrier(const float* x, float* y, int n) {
    __shared__ float tile[64];
    if (threadIdx.x >= n) return;
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[n - 1 - threadIdx.x];
}

// Different threads of a warp run the loop, and its barrier, different numbers of times.
// Launch: one block of 32; counts hold 1 or 2.
extern "C" __global__ void barrier_in_uneven_loop(const int* counts, volatile int* y) {
    for (int i = 0; i < counts[threadIdx.x]; ++i) {
        y[threadIdx.x] = i;
        __syncthreads();
    }
}

// Both branches have a barrier, but not the same one. Launch: one block of 32.
extern "C" __global__ void barrier_in_both_branches(int* y) {
    if (threadIdx.x % 2) {
        y[threadIdx.x] = 1;
        asm volatile("bar.sync 1;" ::: "memory");
    } else {
        y[threadIdx.x] = 2;
        asm volatile("bar.sync 2;" ::: "memory");
    }
}

// A barrier for 64 threads that only one warp comes to. Launch: one block of 64.
extern "C" __global__ void named_barrier_nobody_comes(int* y) {
    if (threadIdx.x < 32) asm volatile("bar.sync 1, 64;" ::: "memory");
    y[threadIdx.x] = 1;
}

// Each warp waits at the other's second barrier. Launch: one block of 64.
extern "C" __global__ void barriers_crossed(int* y) {
    int warp = threadIdx.x / 32;
    asm volatile("bar.sync %0, 64;" ::"r"(1 + warp) : "memory");
    asm volatile("bar.sync %0, 64;" ::"r"(2 - warp) : "memory");
    y[threadIdx.x] = 1;
}

// The mask names all 32 lanes, 16 of them never come: they wait for all 32 elsewhere. (Had they exited, the
// others would be right to go on without them.) Launch: one block of 32.
extern "C" __global__ void shuffle_in_half_a_warp(const int* x, int* y) {
    int v = x[threadIdx.x];
    if (threadIdx.x < 16) v += __shfl_xor_sync(0xffffffffu, v, 1);
    __syncwarp();
    y[threadIdx.x] = v;
}

// The mask does not name the caller: all call, half are in it. Launch: one block of 32.
extern "C" __global__ void shuffle_outside_its_mask(const int* x, int* y) {
    y[threadIdx.x] = __shfl_sync(0x0000ffffu, x[threadIdx.x], 0);
}

// Lanes 0–15 read lane 16 and beyond, which is not in the mask. Launch: one block of 32.
extern "C" __global__ void shuffle_from_outside(const int* x, int* y) {
    int v = x[threadIdx.x];
    if (threadIdx.x < 16) v += __shfl_down_sync(0x0000ffffu, v, 8);
    y[threadIdx.x] = v;
}

// A full-mask vote in a loop that lanes leave at different times. Launch: one block of 32.
extern "C" __global__ void vote_in_uneven_loop(const int* counts, int* y) {
    int votes = 0;
    for (int i = 0; i < counts[threadIdx.x]; ++i) votes += __popc(__ballot_sync(0xffffffffu, counts[i] > 1));
    __syncwarp();
    y[threadIdx.x] = votes;
}

// A full-mask __syncwarp that half of the warp skips. Launch: one block of 32.
extern "C" __global__ void syncwarp_in_half_a_warp(const int* x, int* y) {
    __shared__ int slots[32];
    slots[threadIdx.x] = x[threadIdx.x];
    if (threadIdx.x < 16) {
        __syncwarp();
        slots[threadIdx.x] = 1;
    }
    y[threadIdx.x] = slots[threadIdx.x] + __shfl_sync(0xffffffffu, x[threadIdx.x], 0);
}

// The last warp is not full: a mask may name threads that do not exist, but they have nothing to give.
// Launch: one block of 48.
extern "C" __global__ void full_mask_in_a_short_warp(const int* x, int* y) {
    int sum = x[threadIdx.x];
    for (int bit = 16; bit > 0; bit /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bit);
    y[threadIdx.x] = sum;
}

// A barrier that also counts is a barrier. Launch: one block of 32.
extern "C" __global__ void counting_barrier_in_half_a_warp(int* y) {
    int v = 0;
    if (threadIdx.x < 16) v = __syncthreads_count(threadIdx.x & 1);
    y[threadIdx.x] = v;
}

// Lanes beyond the end have returned, and the last one left reads one of them.
// Launch: one block of 32, n = 19.
extern "C" __global__ void return_before_shuffle(const int* x, int* y, int n) {
    if (threadIdx.x >= n) return;
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}

// Half of the warp looks for equal values among all. Launch: one block of 32.
extern "C" __global__ void match_in_half_a_warp(const int* x, unsigned* y) {
    unsigned same = 0;
    if (threadIdx.x < 16) same = __match_any_sync(0xffffffffu, x[threadIdx.x]);
    __syncwarp();
    y[threadIdx.x] = same;
}

// All come to the warp's barrier, the mask names half. Launch: one block of 32.
extern "C" __global__ void syncwarp_outside_its_mask(const int* x, int* y) {
    __shared__ int slots[32];
    slots[threadIdx.x] = x[threadIdx.x];
    __syncwarp(0x0000ffffu);
    y[threadIdx.x] = slots[threadIdx.x];
}
