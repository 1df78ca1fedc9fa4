// Kernels that do one thing many times, for the benches of the interpreter.
#include "tensor.cuh"

// Fused multiply-adds in registers only, 16 chains a thread.
extern "C" __global__ void fma_chains(float* out, float scale, float shift, int rounds) {
    float x[16];
    for (int i = 0; i < 16; ++i) x[i] = threadIdx.x + i;
    for (int r = 0; r < rounds; ++r) {
#pragma unroll
        for (int i = 0; i < 16; ++i) x[i] = x[i] * scale + shift;
    }
    float sum = 0;
    for (int i = 0; i < 16; ++i) sum += x[i];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// The same under a condition that half of each warp meets.
extern "C" __global__ void fma_divergent(float* out, float scale, float shift, int rounds) {
    float x[16];
    for (int i = 0; i < 16; ++i) x[i] = threadIdx.x + i;
    if (threadIdx.x % 2) {
        for (int r = 0; r < rounds; ++r) {
#pragma unroll
            for (int i = 0; i < 16; ++i) x[i] = x[i] * scale + shift;
        }
    }
    float sum = 0;
    for (int i = 0; i < 16; ++i) sum += x[i];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// A warp's 32×32 tile of C from fragments that stay in shared memory: 2×4 products per step, fed by
// ldmatrix as in a real kernel, without the traffic to global memory.
template <typename Mma>
__device__ void mma_loop(float* out, int rounds, Mma mma) {
    __shared__ __align__(16) unsigned tile[48 * 20];
    for (int i = threadIdx.x; i < 48 * 20; i += blockDim.x) tile[i] = 0x3c003c00u;
    __syncthreads();
    int lane = threadIdx.x % 32;
    float sums[2][4][4] = {};
    for (int r = 0; r < rounds; ++r) {
        unsigned a[2][4], b[2][4];
        for (int i = 0; i < 2; ++i) load_matrices(a[i], tile + (i * 16 + lane % 16) * 20 + lane / 16 * 4);
        for (int j = 0; j < 2; ++j) load_matrices(b[j], tile + (j * 16 + lane % 16) * 20 + 8 + lane / 16 * 4);
#pragma unroll
        for (int i = 0; i < 2; ++i) {
#pragma unroll
            for (int j = 0; j < 4; ++j) mma(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
    }
    float sum = 0;
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 4; ++j)
            for (int e = 0; e < 4; ++e) sum += sums[i][j][e];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
extern "C" __global__ void mma_tf32_loop(float* out, int rounds) {
    mma_loop(out, rounds, [](float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { mma_tf32(d, a, b0, b1); });
}
extern "C" __global__ void mma_bf16_loop(float* out, int rounds) {
    mma_loop(out, rounds, [](float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { mma_bf16(d, a, b0, b1); });
}

// Reads `rounds` words a thread, `stride` words between neighbouring lanes.
extern "C" __global__ void load_global(float* out, const float* in, int stride, int rounds, int size) {
    float sum = 0;
    int at = (blockIdx.x * blockDim.x + threadIdx.x) * stride;
    for (int r = 0; r < rounds; ++r) {
        sum += in[at % size];
        at += 32 * stride;
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// Reads shared memory with `stride` words between neighbouring lanes: 1 is free of conflicts, 32 the worst.
extern "C" __global__ void load_shared(float* out, int stride, int rounds) {
    __shared__ float tile[1024];
    for (int i = threadIdx.x; i < 1024; i += blockDim.x) tile[i] = i;
    __syncthreads();
    float sum = 0;
    for (int r = 0; r < rounds; ++r) sum += tile[(threadIdx.x % 32 * stride + r) % 1024];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
