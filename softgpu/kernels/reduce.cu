// Sum and maximum of n floats. Each launch leaves one number per block; a second launch of one block
// reduces those.

constexpr int WARP = 32;
constexpr int BLOCK = 256;
constexpr unsigned ALL = 0xffffffffu;

__device__ float sum_of_own(const float* __restrict__ x, int n) {
    float sum = 0;
    for (int i = blockIdx.x * BLOCK + threadIdx.x; i < n; i += gridDim.x * BLOCK) sum += x[i];
    return sum;
}

// A binary tree in shared memory: half of the threads add, then a quarter, an eighth …
// Launch: any number of blocks of 256 threads. `partial` holds one float per block.
extern "C" __global__ void reduce_block(const float* __restrict__ x, float* __restrict__ partial, int n) {
    __shared__ float sums[BLOCK];
    sums[threadIdx.x] = sum_of_own(x, n);
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        // The barrier stands outside the `if`: every thread must reach it.
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = sums[0];
}

// The same tree through registers: a warp adds by shuffles, without shared memory or barriers;
// one float per warp then goes through shared memory.
// Launch: as reduce_block.
extern "C" __global__ void reduce_warp(const float* __restrict__ x, float* __restrict__ partial, int n) {
    __shared__ float warp_sums[BLOCK / WARP];
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    float sum = sum_of_own(x, n);
    for (int distance = WARP / 2; distance > 0; distance /= 2) sum += __shfl_down_sync(ALL, sum, distance);
    if (lane == 0) warp_sums[warp] = sum;
    __syncthreads();
    if (warp > 0) return;
    sum = lane < BLOCK / WARP ? warp_sums[lane] : 0;
    for (int distance = BLOCK / WARP / 2; distance > 0; distance /= 2) sum += __shfl_down_sync(ALL, sum, distance);
    if (lane == 0) partial[blockIdx.x] = sum;
}

// The maximum by butterfly: with xor every lane ends with the answer.
// Launch: as reduce_block. n = 0 gives −∞.
extern "C" __global__ void reduce_max(const float* __restrict__ x, float* __restrict__ partial, int n) {
    __shared__ float warp_maxima[BLOCK / WARP];
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    float best = -INFINITY;
    for (int i = blockIdx.x * BLOCK + threadIdx.x; i < n; i += gridDim.x * BLOCK) best = fmaxf(best, x[i]);
    for (int bit = WARP / 2; bit > 0; bit /= 2) best = fmaxf(best, __shfl_xor_sync(ALL, best, bit));
    if (lane == 0) warp_maxima[warp] = best;
    __syncthreads();
    best = warp_maxima[lane % (BLOCK / WARP)];
    for (int bit = BLOCK / WARP / 2; bit > 0; bit /= 2) best = fmaxf(best, __shfl_xor_sync(ALL, best, bit));
    if (threadIdx.x == 0) partial[blockIdx.x] = best;
}
