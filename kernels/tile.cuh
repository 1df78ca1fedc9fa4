// A tile of a matrix product C = A·B in f32, computed by one block: the inner loop of every fast convolution.
//
//   * a block computes BM×BN numbers of C, BK steps of the sum at a time;
//   * A's and B's slices lie in shared memory as [BK][BM] and [BK][BN]: a step of the sum is one row of each;
//   * a thread keeps TM×TN sums in registers, as groups of 4×4 that are BM/(TM/4) rows and BN/(TN/4) columns
//     apart, so that a warp's float4 reads of a row are of neighbouring addresses;
//   * slices are double-buffered: while a slice is multiplied, the next one is on its way from global memory
//     to registers; one barrier a slice.
//
// What A and B are is the business of the loaders in conv_tiled.cu. A loader has `load()`, which reads its
// share of the next slice into registers, `advance()` to the one after, and `store(slice)`, which puts what
// was read into shared memory.
#pragma once
#include "common.cuh"

template <int BM_, int BN_, int BK_, int TM_, int TN_>
struct Tile {
    static constexpr int BM = BM_, BN = BN_, BK = BK_, TM = TM_, TN = TN_;
    static constexpr int THREADS = (BM / TM) * (BN / TN);
    // Rows are four numbers longer than needed: stores that transpose then hit different banks (BK = 8) or
    // two by two the same one (BK = 16), and float4 reads stay aligned.
    static constexpr int ROW_A = BM + 4, ROW_B = BN + 4;
    static_assert(TM % 4 == 0 && TN % 4 == 0 && BM % TM == 0 && BN % TN == 0, "groups of 4×4");

    // First row and first column of the thread's sums in the tile.
    static __device__ __forceinline__ int row() { return int(threadIdx.x) / (BN / TN) * 4; }
    static __device__ __forceinline__ int column() { return int(threadIdx.x) % (BN / TN) * 4; }
    // The row of the thread's i-th sums, the column of its j-th.
    static __device__ __forceinline__ int row(int i) { return row() + i / 4 * (BM / (TM / 4)) + i % 4; }
    static __device__ __forceinline__ int column(int j) {
        return column() + j / 4 * (BN / (TN / 4)) + j % 4;
    }
};

template <int GROUPS, int APART>
__device__ __forceinline__ void read_groups(float (&to)[4 * GROUPS], const float* from) {
#pragma unroll
    for (int group = 0; group < GROUPS; ++group) {
        float four[4];
        load(four, from + group * APART);
#pragma unroll
        for (int i = 0; i < 4; ++i) to[4 * group + i] = four[i];
    }
}

// sums += the product of `slices` slices, which the loaders deliver one after the other.
template <class T, class A, class B>
__device__ __forceinline__ void multiply(float (&sums)[T::TM][T::TN], A& a, B& b, int slices) {
    __shared__ __align__(16) float shared_a[2][T::BK][T::ROW_A];
    __shared__ __align__(16) float shared_b[2][T::BK][T::ROW_B];
    if (slices == 0) return;
    a.load();
    b.load();
    a.advance();
    b.advance();
    a.store(shared_a[0]);
    b.store(shared_b[0]);
    __syncthreads();
    for (int slice = 0; slice < slices; ++slice) {
        const int here = slice % 2;
        const bool more = slice + 1 < slices;
        if (more) {
            a.load();
            b.load();
            a.advance();
            b.advance();
        }
// Two steps at a time: ptxas moves the reads of all eight to the front otherwise, and spills.
#pragma unroll 2
        for (int k = 0; k < T::BK; ++k) {
            float column[T::TM], row[T::TN];
            read_groups<T::TM / 4, T::BM / (T::TM / 4)>(column, &shared_a[here][k][T::row()]);
            read_groups<T::TN / 4, T::BN / (T::TN / 4)>(row, &shared_b[here][k][T::column()]);
#pragma unroll
            for (int i = 0; i < T::TM; ++i)
#pragma unroll
                for (int j = 0; j < T::TN; ++j) sums[i][j] = fmaf(column[i], row[j], sums[i][j]);
        }
        if (more) {
            a.store(shared_a[1 - here]);
            b.store(shared_b[1 - here]);
        }
        __syncthreads();
    }
}

// The thread's numbers of one row of the result: `to` points at the tile's first column, of which `width`
// lie inside the matrix.
template <class T>
__device__ __forceinline__ void write_row(float* to, const float (&sums)[T::TN], int width, bool aligned) {
#pragma unroll
    for (int j = 0; j < T::TN; j += 4) {
        const int column = T::column(j);
        if (aligned && column + 4 <= width) {
            const float four[4] = {sums[j], sums[j + 1], sums[j + 2], sums[j + 3]};
            store(to + column, four);
        } else {
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (column + i < width) to[column + i] = sums[j + i];
        }
    }
}
