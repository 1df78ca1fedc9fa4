// cp.async that looks dangerous and is in order.
#include "tensor.cuh"
#include <cuda_pipeline.h>

// Each thread reads only what it copied itself: its own wait is enough.
// Launch: one block of 64; x and y hold 64 float4.
extern "C" __global__ void own_copy(const float4* x, float4* y) {
    __shared__ float4 tile[64];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// The older of two groups is waited for, and only it is read. Launch: one block of 32; x holds 64.
extern "C" __global__ void older_group(const float4* x, float4* y) {
    __shared__ float4 tile[2][32];
    for (int i = 0; i < 2; ++i) {
        copy_async(&tile[i][threadIdx.x], &x[i * 32 + threadIdx.x], 16);
        commit_copies();
    }
    wait_copies<1>();
    __syncthreads();
    y[threadIdx.x] = tile[0][31 - threadIdx.x];
    wait_copies<0>();
    __syncthreads();
    y[32 + threadIdx.x] = tile[1][31 - threadIdx.x];
}

// Nothing is read beyond the end: 0 bytes of source, and the address is not looked at.
// Launch: one block of 32; x holds n floats, n ≤ 128.
extern "C" __global__ void copy_tail(const float* x, float4* y, int n) {
    __shared__ float4 tile[32];
    int left = min(max(n - 4 * (int)threadIdx.x, 0), 4);
    copy_async(&tile[threadIdx.x], x + 4 * threadIdx.x, 4 * left);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// Another part of the tile may be used while a copy is on its way.
// Launch: one block of 32; x holds 32 float4.
extern "C" __global__ void store_beside_a_copy(const float4* x, float4* y) {
    __shared__ float4 tile[2][32];
    copy_async(&tile[0][threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    tile[1][threadIdx.x] = make_float4(threadIdx.x, 0, 0, 0);
    __syncwarp();
    float other = tile[1][31 - threadIdx.x].x;
    wait_copies<0>();
    float4 v = tile[0][threadIdx.x];
    v.w = other;
    y[threadIdx.x] = v;
}

// A ring with one barrier per step: the stage that is filled was read a step ago.
// Launch: one block of 64; x holds 64 · steps float4.
extern "C" __global__ void ring(const float4* x, float4* y, int steps) {
    __shared__ float4 tile[3][64];
    auto fetch = [&](int i) {
        if (i < steps) copy_async(&tile[i % 3][threadIdx.x], &x[i * 64 + threadIdx.x], 16);
        commit_copies();
    };
    fetch(0);
    fetch(1);
    float4 sum = make_float4(0, 0, 0, 0);
    for (int i = 0; i < steps; ++i) {
        wait_copies<1>();
        __syncthreads();
        fetch(i + 2);
        float4 v = tile[i % 3][63 - threadIdx.x];
        sum = make_float4(sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w);
    }
    y[threadIdx.x] = sum;
}

// The same by the toolkit's functions, with copies of 4, 8 and 16 bytes.
// Launch: one block of 32; x and y hold 32 · 7 floats.
extern "C" __global__ void pipeline_of_the_toolkit(const float* x, float* y) {
    __shared__ __align__(16) float four[32], eight[64], sixteen[128];
    int i = threadIdx.x;
    __pipeline_memcpy_async(&four[i], &x[i], 4);
    __pipeline_commit();
    __pipeline_memcpy_async(&eight[2 * i], &x[32 + 2 * i], 8);
    __pipeline_commit();
    __pipeline_memcpy_async(&sixteen[4 * i], &x[96 + 4 * i], 16);
    __pipeline_commit();
    __pipeline_wait_prior(2);
    y[i] = four[i];
    __pipeline_wait_prior(1);
    __syncwarp();
    for (int j = 0; j < 2; ++j) y[32 + 32 * j + i] = eight[32 * j + i];
    __pipeline_wait_prior(0);
    __syncwarp();
    for (int j = 0; j < 4; ++j) y[96 + 32 * j + i] = sixteen[32 * j + i];
}
