// C = A · B on the tensor cores, all row-major: A is m×k, B is k×n (both f16, bf16 or f32 rounded to
// tf32), C is m×n in f32.
//
// A block of 4 warps computes a 64×64 tile of C, each warp 32×32 of it as 2×4 tiles of 16×8. Along k
// it walks in steps of 64 bytes per row (32 elements of 16 bits, 16 of tf32) through a ring of three
// stages in shared memory: while one step is multiplied, the next two are on their way (cp.async).
// Rows are padded by 16 bytes: then the 8 rows of an ldmatrix begin 4 banks apart and do not collide.
//
// Launch: grid (⌈n / 64⌉, ⌈m / 64⌉), block 128.
#include "tensor.cuh"

constexpr int THREADS = 128;
constexpr int BM = 64, BN = 64, STAGES = 3;
constexpr int WM = 32, WN = 32;   // a warp's part of the tile
constexpr int MMA_M = 16, MMA_N = 8;
constexpr int TILES_M = WM / MMA_M, TILES_N = WN / MMA_N;

struct F16 {
    using Element = unsigned short;  // the bits; only the mma knows what they mean
    static __device__ void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { mma_f16(d, a, b0, b1); }
};
struct Bf16 {
    using Element = unsigned short;
    static __device__ void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { mma_bf16(d, a, b0, b1); }
};
struct Tf32 {
    using Element = float;
};

template <typename Element>
struct Shape {
    static constexpr int BK = 64 / sizeof(Element);
    static constexpr int PAD = 16 / sizeof(Element);
    static constexpr int A_STRIDE = BK + PAD;
    // tf32 reads B as 4 rows × 8 columns of floats at once: rows 8 banks apart, so twice the padding.
    static constexpr int B_STRIDE = BN + (sizeof(Element) == 4 ? 2 * PAD : PAD);
    static constexpr int A_SIZE = BM * A_STRIDE, B_SIZE = BK * B_STRIDE;
};

using Sums = float[TILES_M][TILES_N][4];

// One step along k for 16-bit elements: a and b are the stage's tiles at this warp's corner.
template <typename Type>
struct Multiply {
    using Element = typename Type::Element;
    using S = Shape<Element>;
    static __device__ void step(Sums& sums, const Element* a, const Element* b) {
        int lane = threadIdx.x % 32;
#pragma unroll
        for (int k = 0; k < S::BK; k += 16) {
            unsigned fa[TILES_M][4], fb[TILES_N / 2][4];
            // Lanes 0–15 name rows 0–15 of the left 8 columns, lanes 16–31 of the right ones: the four
            // matrices land in the order of mma's A registers.
            for (int i = 0; i < TILES_M; ++i) {
                load_matrices(fa[i], a + (i * MMA_M + lane % 16) * S::A_STRIDE + k + lane / 16 * 8);
            }
            // B lies with k along the rows, and mma wants it along the columns: transposed on the way.
            // Registers 0, 1 are k 0–7 and 8–15 of the left 8 columns, 2, 3 of the right ones.
            for (int j = 0; j < TILES_N / 2; ++j) {
                load_matrices_transposed(fb[j], b + (k + lane % 16) * S::B_STRIDE + j * 16 + lane / 16 * 8);
            }
            for (int i = 0; i < TILES_M; ++i) {
                for (int j = 0; j < TILES_N; ++j) Type::mma(sums[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
            }
        }
    }
};

// tf32: A by ldmatrix too (8 rows of 16 bytes are 8×4 floats, and a lane's two 16-bit elements are one
// float); B by plain loads, for ldmatrix transposes only 16-bit elements.
template <>
struct Multiply<Tf32> {
    using S = Shape<float>;
    static __device__ void step(Sums& sums, const float* a, const float* b) {
        int lane = threadIdx.x % 32;
#pragma unroll
        for (int k = 0; k < S::BK; k += 8) {
            unsigned fa[TILES_M][4], fb[TILES_N][2];
            for (int i = 0; i < TILES_M; ++i) {
                load_matrices(fa[i], a + (i * MMA_M + lane % 16) * S::A_STRIDE + k + lane / 16 * 4);
                for (unsigned& r : fa[i]) r = to_tf32(r);
            }
            for (int j = 0; j < TILES_N; ++j) {
                const float* at = b + (k + lane % 4) * S::B_STRIDE + j * MMA_N + lane / 4;
                fb[j][0] = to_tf32(__float_as_uint(at[0]));
                fb[j][1] = to_tf32(__float_as_uint(at[4 * S::B_STRIDE]));
            }
            for (int i = 0; i < TILES_M; ++i) {
                for (int j = 0; j < TILES_N; ++j) mma_tf32(sums[i][j], fa[i], fb[j][0], fb[j][1]);
            }
        }
    }
};

// A lane holds (row, column) and its right neighbour in d[0], d[1], and the same 8 rows below.
__device__ void store_tile(float* __restrict__ c, const float (&d)[4], int row, int column, int m, int n) {
    for (int half = 0; half < 2; ++half, row += 8) {
        if (row >= m || column >= n) continue;
        float* at = c + (size_t)row * n + column;
        if (n % 2 == 0) {
            *reinterpret_cast<float2*>(at) = make_float2(d[2 * half], d[2 * half + 1]);
        } else {
            at[0] = d[2 * half];
            if (column + 1 < n) at[1] = d[2 * half + 1];
        }
    }
}

template <typename Type>
__device__ void gemm(const typename Type::Element* __restrict__ a, const typename Type::Element* __restrict__ b,
                     float* __restrict__ c, int m, int n, int k) {
    using Element = typename Type::Element;
    using S = Shape<Element>;
    __shared__ __align__(16) Element a_ring[STAGES][S::A_SIZE], b_ring[STAGES][S::B_SIZE];
    int row = blockIdx.y * BM, column = blockIdx.x * BN;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int warp_row = warp / 2 * WM, warp_column = warp % 2 * WN;
    int steps = (k + S::BK - 1) / S::BK;

    auto fetch = [&](int step) {
        if (step < steps) {
            copy_tile<THREADS, BM, S::BK, S::A_STRIDE>(a_ring[step % STAGES], a, row, step * S::BK, m, k);
            copy_tile<THREADS, S::BK, BN, S::B_STRIDE>(b_ring[step % STAGES], b, step * S::BK, column, k, n);
        }
        commit_copies();  // an empty group at the end keeps the count of groups equal to the steps
    };

    for (int step = 0; step < STAGES - 1; ++step) fetch(step);
    Sums sums = {};
    for (int step = 0; step < steps; ++step) {
        wait_copies<STAGES - 2>();  // my part of this step is here
        __syncthreads();            // everybody's is, and everybody has left the stage to be filled next
        fetch(step + STAGES - 1);
        Multiply<Type>::step(sums, a_ring[step % STAGES] + warp_row * S::A_STRIDE, b_ring[step % STAGES] + warp_column);
    }

    for (int i = 0; i < TILES_M; ++i) {
        for (int j = 0; j < TILES_N; ++j) {
            store_tile(c, sums[i][j], row + warp_row + i * MMA_M + lane / 4,
                       column + warp_column + j * MMA_N + lane % 4 * 2, m, n);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) gemm_f16(const unsigned short* __restrict__ a, const unsigned short* __restrict__ b,
                                                               float* __restrict__ c, int m, int n, int k) {
    gemm<F16>(a, b, c, m, n, k);
}

extern "C" __global__ void __launch_bounds__(THREADS) gemm_bf16(const unsigned short* __restrict__ a, const unsigned short* __restrict__ b,
                                                                float* __restrict__ c, int m, int n, int k) {
    gemm<Bf16>(a, b, c, m, n, k);
}

extern "C" __global__ void __launch_bounds__(THREADS) gemm_tf32(const float* __restrict__ a, const float* __restrict__ b,
                                                                float* __restrict__ c, int m, int n, int k) {
    gemm<Tf32>(a, b, c, m, n, k);
}
