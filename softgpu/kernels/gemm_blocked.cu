// C = A · B, all row-major: A is m×k, B is k×n, C is m×n. The fast scalar one.
//
// A block computes a 128×128 tile of C in steps of 8 along k; a thread keeps 8×8 elements of it in
// registers. For each k it reads 8 + 8 floats from shared memory and does 64 fused multiply-adds.
//
// A thread's 8 rows are two groups of 4, 64 apart, and so are its columns: then one float4 read of 16
// neighbouring threads covers 64 consecutive floats, and no bank is asked for two different words.
// The tile of A is stored transposed, so that a thread's rows are neighbours; its rows are padded by
// 4 floats, or the two halves of a warp would store into the same 16 banks.
//
// Launch: grid (⌈n / 128⌉, ⌈m / 128⌉), block 256.

constexpr int BM = 128, BN = 128, BK = 8;
constexpr int TM = 8, TN = 8;
constexpr int GROUP = 4;           // a thread's neighbouring rows and columns
constexpr int BETWEEN = 64;        // distance of its two groups
constexpr int A_STRIDE = BM + 4;   // still a multiple of 16 bytes

// Four neighbouring elements of a row, zeros beyond the edge. One 16-byte load where the row length
// keeps it aligned (rows of 4·i floats), else one by one.
__device__ float4 load4(const float* __restrict__ matrix, int row, int column, int rows, int columns) {
    float4 v = make_float4(0, 0, 0, 0);
    if (row >= rows || column >= columns) return v;
    const float* at = matrix + (size_t)row * columns + column;
    if (columns % 4 == 0) return *reinterpret_cast<const float4*>(at);
    v.x = at[0];
    if (column + 1 < columns) v.y = at[1];
    if (column + 2 < columns) v.z = at[2];
    if (column + 3 < columns) v.w = at[3];
    return v;
}

__device__ void store4(float* __restrict__ matrix, int row, int column, int rows, int columns, const float* v) {
    if (row >= rows || column >= columns) return;
    float* at = matrix + (size_t)row * columns + column;
    if (columns % 4 == 0) {
        *reinterpret_cast<float4*>(at) = make_float4(v[0], v[1], v[2], v[3]);
        return;
    }
    for (int i = 0; i < 4; ++i) {
        if (column + i < columns) at[i] = v[i];
    }
}

extern "C" __global__ void __launch_bounds__(256) gemm_blocked(const float* __restrict__ a, const float* __restrict__ b,
                                                               float* __restrict__ c, int m, int n, int k) {
    __shared__ __align__(16) float a_tile[BK][A_STRIDE];  // [k][row]
    __shared__ __align__(16) float b_tile[BK][BN];        // [k][column]
    int thread = threadIdx.x;
    int thread_row = thread / 16 * GROUP, thread_column = thread % 16 * GROUP;
    int first_row = blockIdx.y * BM, first_column = blockIdx.x * BN;

    // Both tiles are 1024 floats: one float4 per thread.
    int a_row = thread / 2, a_column = thread % 2 * 4;
    int b_row = thread / 32, b_column = thread % 32 * 4;

    float sum[TM][TN] = {};
    for (int start = 0; start < k; start += BK) {
        float4 from_a = load4(a, first_row + a_row, start + a_column, m, k);
        float4 from_b = load4(b, start + b_row, first_column + b_column, k, n);
        __syncthreads();  // the tiles of the step before have been read
        a_tile[a_column + 0][a_row] = from_a.x;
        a_tile[a_column + 1][a_row] = from_a.y;
        a_tile[a_column + 2][a_row] = from_a.z;
        a_tile[a_column + 3][a_row] = from_a.w;
        *reinterpret_cast<float4*>(&b_tile[b_row][b_column]) = from_b;
        __syncthreads();

#pragma unroll
        for (int i = 0; i < BK; ++i) {
            float x[TM], y[TN];
            *reinterpret_cast<float4*>(&x[0]) = *reinterpret_cast<const float4*>(&a_tile[i][thread_row]);
            *reinterpret_cast<float4*>(&x[4]) = *reinterpret_cast<const float4*>(&a_tile[i][thread_row + BETWEEN]);
            *reinterpret_cast<float4*>(&y[0]) = *reinterpret_cast<const float4*>(&b_tile[i][thread_column]);
            *reinterpret_cast<float4*>(&y[4]) = *reinterpret_cast<const float4*>(&b_tile[i][thread_column + BETWEEN]);
#pragma unroll
            for (int r = 0; r < TM; ++r) {
#pragma unroll
                for (int q = 0; q < TN; ++q) sum[r][q] += x[r] * y[q];
            }
        }
    }

#pragma unroll
    for (int r = 0; r < TM; ++r) {
        int row = first_row + thread_row + r / GROUP * BETWEEN + r % GROUP;
        store4(c, row, first_column + thread_column, m, n, &sum[r][0]);
        store4(c, row, first_column + thread_column + BETWEEN, m, n, &sum[r][GROUP]);
    }
}
