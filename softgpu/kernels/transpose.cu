// out[x][y] = in[y][x] for a row-major matrix of `height` rows and `width` columns.
// Launch, all: grid (⌈width / 32⌉, ⌈height / 32⌉), block (32, 8): a warp is one row of a 32×32 tile,
// and each thread moves 4 elements, 8 rows apart.

constexpr int TILE = 32;
constexpr int ROWS = 8;

// Straight from global to global: reads are contiguous, writes are `height` floats apart.
extern "C" __global__ void transpose_naive(const float* __restrict__ in, float* __restrict__ out, int width, int height) {
    int x = blockIdx.x * TILE + threadIdx.x;
    for (int i = 0; i < TILE; i += ROWS) {
        int row = threadIdx.y + i, y = blockIdx.y * TILE + row;
        if (x < width && y < height) out[(size_t)x * height + y] = in[(size_t)y * width + x];
    }
}

// Through a tile in shared memory, so that both sides are contiguous. STRIDE is the tile's row
// length: with 32 a column lies in one bank and its 32 elements are read one after the other; with
// 33 element (r, c) lies in bank (r + c) mod 32, and a column is spread over all banks.
template <int STRIDE>
__device__ void transpose_tile(const float* __restrict__ in, float* __restrict__ out, int width, int height) {
    __shared__ float tile[TILE * STRIDE];
    int x = blockIdx.x * TILE + threadIdx.x;
    for (int i = 0; i < TILE; i += ROWS) {
        int row = threadIdx.y + i, y = blockIdx.y * TILE + row;
        if (x < width && y < height) tile[row * STRIDE + threadIdx.x] = in[(size_t)y * width + x];
    }
    __syncthreads();
    int y = blockIdx.y * TILE + threadIdx.x;  // of the input: now the fast index of the output
    for (int i = 0; i < TILE; i += ROWS) {
        int column = threadIdx.y + i, x = blockIdx.x * TILE + column;
        if (x < width && y < height) out[(size_t)x * height + y] = tile[threadIdx.x * STRIDE + column];
    }
}

extern "C" __global__ void transpose_conflict(const float* __restrict__ in, float* __restrict__ out, int width, int height) {
    transpose_tile<TILE>(in, out, width, height);
}

extern "C" __global__ void transpose_padded(const float* __restrict__ in, float* __restrict__ out, int width, int height) {
    transpose_tile<TILE + 1>(in, out, width, height);
}
