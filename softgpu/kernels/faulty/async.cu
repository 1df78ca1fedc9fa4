// cp.async, ldmatrix and mma used wrongly. Launch unless said otherwise: one block of 32.
#include "tensor.cuh"

// The tile is read while it may still be on its way.
extern "C" __global__ void no_wait(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    y[threadIdx.x] = tile[threadIdx.x];
}

// Two groups are on their way; all but one are waited for; the younger one is read.
// Launch: x holds 64.
extern "C" __global__ void wait_for_the_wrong_group(const float4* x, float4* y) {
    __shared__ float4 tile[2][32];
    for (int i = 0; i < 2; ++i) {
        copy_async(&tile[i][threadIdx.x], &x[i * 32 + threadIdx.x], 16);
        commit_copies();
    }
    wait_copies<1>();
    y[threadIdx.x] = tile[1][threadIdx.x];
}

// wait_group waits for groups, and this copy was never put into one.
extern "C" __global__ void no_commit(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// The destination is overwritten before the copy has arrived: which one stays?
extern "C" __global__ void store_while_copying(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    tile[threadIdx.x] = make_float4(0, 0, 0, 0);
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// A thread waits for its own copies, not for those of its neighbour: the barrier is missing.
extern "C" __global__ void no_barrier_after_wait(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[31 - threadIdx.x];
}

// The barrier stands before the wait, where it orders nothing.
extern "C" __global__ void barrier_before_wait(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    __syncthreads();
    wait_copies<0>();
    y[threadIdx.x] = tile[31 - threadIdx.x];
}

// A ring of one stage: the next copy begins while others still read. Launch: x holds 32 · steps.
extern "C" __global__ void ring_without_second_barrier(const float4* x, float4* y, int steps) {
    __shared__ float4 tile[32];
    float sum = 0;
    for (int i = 0; i < steps; ++i) {
        copy_async(&tile[threadIdx.x], &x[i * 32 + threadIdx.x], 16);
        commit_copies();
        wait_copies<0>();
        __syncthreads();
        sum += tile[31 - threadIdx.x].x;
    }
    y[threadIdx.x].x = sum;
}

// 16 bytes from an address that is a multiple of 4 only.
extern "C" __global__ void copy_from_misaligned(const float* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], x + 4 * threadIdx.x + 1, 16);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// The tail is cut off by `bytes` in the source, but its first byte already lies beyond.
// Launch: x holds n floats, n < 128.
extern "C" __global__ void copy_past_end(const float* x, float4* y, int n) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], x + 4 * threadIdx.x, 16);
    commit_copies();
    wait_copies<0>();
    if (4 * threadIdx.x < n) y[threadIdx.x] = tile[threadIdx.x];
}

// One step more than the ring has stages.
extern "C" __global__ void copy_past_the_ring(const float4* x, float4* y, int stage) {
    __shared__ float4 ring[2][32];
    copy_async(&ring[stage][threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = ring[stage & 1][threadIdx.x];
}

__device__ void fill(unsigned short* tile, const unsigned short* x, int n) {
    for (int i = threadIdx.x; i < n; i += 32) tile[i] = x[i];
    __syncthreads();
}

// Rows of 68 bytes: from the second row on, ldmatrix addresses are not multiples of 16.
// Launch: x holds 32 · 34 values of 16 bits.
extern "C" __global__ void matrix_rows_misaligned(const unsigned short* x, uint4* y) {
    __shared__ __align__(16) unsigned short tile[32 * 34];
    fill(tile, x, 32 * 34);
    unsigned r[4];
    load_matrices(r, tile + threadIdx.x * 34);
    y[threadIdx.x] = make_uint4(r[0], r[1], r[2], r[3]);
}

// 32 row addresses into a tile of 16 rows.
extern "C" __global__ void matrix_rows_past_end(const unsigned short* x, uint4* y) {
    __shared__ __align__(16) unsigned short tile[16 * 8];
    fill(tile, x, 16 * 8);
    unsigned r[4];
    load_matrices(r, tile + threadIdx.x * 8);
    y[threadIdx.x] = make_uint4(r[0], r[1], r[2], r[3]);
}

// Read before the other lanes' stores are ordered: the barrier is missing.
extern "C" __global__ void matrix_without_barrier(const unsigned short* x, uint4* y) {
    __shared__ __align__(16) unsigned short tile[32 * 8];
    for (int i = threadIdx.x; i < 32 * 8; i += 32) tile[i] = x[i];
    unsigned r[4];
    load_matrices(r, tile + threadIdx.x * 8);
    y[threadIdx.x] = make_uint4(r[0], r[1], r[2], r[3]);
}

// ldmatrix is for whole warps; half of this one comes.
extern "C" __global__ void matrix_in_half_a_warp(const unsigned short* x, uint4* y) {
    __shared__ __align__(16) unsigned short tile[32 * 8];
    fill(tile, x, 32 * 8);
    y[threadIdx.x] = make_uint4(0, 0, 0, 0);
    if (threadIdx.x < 16) {
        unsigned r[4];
        load_matrices(r, tile + threadIdx.x * 8);
        y[threadIdx.x] = make_uint4(r[0], r[1], r[2], r[3]);
    }
}

// So is mma.
extern "C" __global__ void mma_in_half_a_warp(const uint4* a, float4* y) {
    uint4 v = a[threadIdx.x];
    unsigned fragment[4] = {v.x, v.y, v.z, v.w};
    float d[4] = {};
    if (threadIdx.x < 16) mma_f16(d, fragment, v.x, v.y);
    y[threadIdx.x] = make_float4(d[0], d[1], d[2], d[3]);
}

// The barrier is there, the wait is not. Launch: one block of 64.
extern "C" __global__ void barrier_without_wait(const float4* x, float4* y) {
    __shared__ float4 tile[64];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    __syncthreads();
    y[threadIdx.x] = tile[63 - threadIdx.x];
}

// Two copies into the same place are not ordered among themselves. Launch: x holds 64.
extern "C" __global__ void copy_over_a_copy(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    copy_async(&tile[threadIdx.x], &x[32 + threadIdx.x], 16);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// What is copied was never written. Launch: x allocated but never filled.
extern "C" __global__ void copy_of_unwritten(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// Launched with x freed by the host.
extern "C" __global__ void copy_from_freed(const float4* x, float4* y) {
    __shared__ float4 tile[32];
    copy_async(&tile[threadIdx.x], &x[threadIdx.x], 16);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[threadIdx.x];
}

// The tile has 32 rows, 16 of them were filled. Launch: x holds 16 · 8 values of 16 bits.
extern "C" __global__ void matrix_of_unwritten(const unsigned short* x, uint4* y) {
    __shared__ __align__(16) unsigned short tile[32 * 8];
    fill(tile, x, 16 * 8);
    unsigned r[4];
    load_matrices(r, tile + threadIdx.x * 8);
    y[threadIdx.x] = make_uint4(r[0], r[1], r[2], r[3]);
}
