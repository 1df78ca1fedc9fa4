// Filling a tensor, and looking for what is not a number.
#include "common.cuh"

// Launch: 256 threads a block, one number a thread.
extern "C" __global__ void fill(float* x, int len, float value) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) x[i] = value;
}

// *count += the numbers of x that are NaN or infinite. Launch: 256 threads a block, a few blocks that
// stride over the tensor. The counts are integers, so the order in which blocks add theirs does not matter.
extern "C" __global__ void count_non_finite(unsigned* count, const float* x, int len) {
    unsigned found = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < len; i += gridDim.x * blockDim.x)
        found += !isfinite(x[i]);
    found = warp_sum(found);
    if (threadIdx.x % WARP == 0 && found > 0) atomicAdd(count, found);
}
