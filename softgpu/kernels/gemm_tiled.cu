// C = A · B, all row-major: A is m×k, B is k×n, C is m×n.
//
// A block computes a 16×16 tile of C, one element per thread. It walks along k in steps of 16: both
// tiles are brought to shared memory once and read 16 times from there.
// Launch: grid (⌈n / 16⌉, ⌈m / 16⌉), block (16, 16).

constexpr int TILE = 16;

extern "C" __global__ void gemm_tiled(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c,
                                      int m, int n, int k) {
    __shared__ float a_tile[TILE][TILE], b_tile[TILE][TILE];
    int column = blockIdx.x * TILE + threadIdx.x, row = blockIdx.y * TILE + threadIdx.y;
    float sum = 0;
    for (int start = 0; start < k; start += TILE) {
        // Beyond the edge a zero stands in, which adds nothing: no branch in the inner loop.
        int a_column = start + threadIdx.x, b_row = start + threadIdx.y;
        a_tile[threadIdx.y][threadIdx.x] = row < m && a_column < k ? a[(size_t)row * k + a_column] : 0;
        b_tile[threadIdx.y][threadIdx.x] = b_row < k && column < n ? b[(size_t)b_row * n + column] : 0;
        __syncthreads();
        for (int i = 0; i < TILE; ++i) sum += a_tile[threadIdx.y][i] * b_tile[i][threadIdx.x];
        __syncthreads();  // nobody may overwrite a tile that somebody still reads
    }
    if (row < m && column < n) c[(size_t)row * n + column] = sum;
}
