// y = (x − mean) / √(variance + ε) · gamma + beta, mean and variance taken over each row.
//
// x and y are rows×columns, row-major; gamma and beta hold `columns` floats. Two passes over the row:
// the mean first, then the squares around it, which loses nothing when the mean is large.
// Launch: one block of 128 threads per row.

constexpr int WARP = 32;
constexpr int BLOCK = 128;
constexpr int WARPS = BLOCK / WARP;
constexpr unsigned ALL = 0xffffffffu;

// The sum over all threads of the block, in every thread.
__device__ float block_sum(float value, float* warp_sums) {
    for (int bit = WARP / 2; bit > 0; bit /= 2) value += __shfl_xor_sync(ALL, value, bit);
    if (threadIdx.x % WARP == 0) warp_sums[threadIdx.x / WARP] = value;
    __syncthreads();
    float sum = 0;
    for (int warp = 0; warp < WARPS; ++warp) sum += warp_sums[warp];
    __syncthreads();  // the caller may come again with the same shared memory
    return sum;
}

extern "C" __global__ void layer_norm(const float* __restrict__ x, const float* __restrict__ gamma,
                                      const float* __restrict__ beta, float* __restrict__ y, int columns, float epsilon) {
    __shared__ float warp_sums[WARPS];
    const float* row = x + (size_t)blockIdx.x * columns;
    float sum = 0;
    for (int i = threadIdx.x; i < columns; i += BLOCK) sum += row[i];
    float mean = block_sum(sum, warp_sums) / columns;

    float squares = 0;
    for (int i = threadIdx.x; i < columns; i += BLOCK) {
        float d = row[i] - mean;
        squares += d * d;
    }
    float scale = rsqrtf(block_sum(squares, warp_sums) / columns + epsilon);
    for (int i = threadIdx.x; i < columns; i += BLOCK) {
        y[(size_t)blockIdx.x * columns + i] = (row[i] - mean) * scale * gamma[i] + beta[i];
    }
}
