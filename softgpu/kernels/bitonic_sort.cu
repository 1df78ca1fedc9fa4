// Sorts n 32-bit keys in place, ascending, by a network of compare-and-swap of fixed shape.
//
// A sorted run of length 2k comes from two sorted runs of length k: "flip" compares element i of the
// first with element i from the end of the second, then "disperse" compares elements k/2 apart, then
// k/4 … All comparisons put the smaller key first, so a partner beyond the end acts as +∞ and is
// simply left out: any n works.
//
// Distances within 1024 keys run in shared memory (sort_tiles, merge_tiles), longer ones in global
// memory (flip, disperse). The host: sort_tiles; then for each run length 2048, 4096 … until it
// covers n: flip(run), disperse(run / 4 … 1024), merge_tiles.
//
// Launch, all: blocks of 512 threads, one thread per pair of keys: ⌈n / 1024⌉ blocks; flip and disperse
// ⌈n / run⌉ · run / 1024, for in a run that n cuts short the pairs that count are the last ones.

constexpr int BLOCK = 512;
constexpr int TILE = 2 * BLOCK;

__device__ void order(unsigned* keys, int low, int high, int n) {
    if (high >= n) return;
    unsigned a = keys[low], b = keys[high];
    if (a > b) {
        keys[low] = b;
        keys[high] = a;
    }
}

// Pair `t` of the comparisons that mirror each run of `run` keys at its middle.
__device__ void flip_pair(unsigned* keys, int t, int run, int n) {
    int half = run / 2;
    int start = t / half * run, at = t % half;
    order(keys, start + at, start + run - 1 - at, n);
}

// Pair `t` of the comparisons between keys `distance` apart.
__device__ void disperse_pair(unsigned* keys, int t, int distance, int n) {
    int low = t / distance * 2 * distance + t % distance;
    order(keys, low, low + distance, n);
}

// Copies the block's keys into the tile and gives how many there are.
__device__ int load_tile(const unsigned* keys, unsigned* tile, int n) {
    int start = blockIdx.x * TILE, count = min(n - start, TILE);
    for (int i = threadIdx.x; i < count; i += BLOCK) tile[i] = keys[start + i];
    __syncthreads();
    return count;
}

__device__ void store_tile(unsigned* keys, const unsigned* tile, int count) {
    for (int i = threadIdx.x; i < count; i += BLOCK) keys[blockIdx.x * TILE + i] = tile[i];
}

extern "C" __global__ void sort_tiles(unsigned* keys, int n) {
    __shared__ unsigned tile[TILE];
    int count = load_tile(keys, tile, n);
    for (int run = 2; run <= TILE; run *= 2) {
        flip_pair(tile, threadIdx.x, run, count);
        __syncthreads();
        for (int distance = run / 4; distance > 0; distance /= 2) {
            disperse_pair(tile, threadIdx.x, distance, count);
            __syncthreads();
        }
    }
    store_tile(keys, tile, count);
}

extern "C" __global__ void merge_tiles(unsigned* keys, int n) {
    __shared__ unsigned tile[TILE];
    int count = load_tile(keys, tile, n);
    for (int distance = BLOCK; distance > 0; distance /= 2) {
        disperse_pair(tile, threadIdx.x, distance, count);
        __syncthreads();
    }
    store_tile(keys, tile, count);
}

extern "C" __global__ void flip(unsigned* keys, int run, int n) {
    flip_pair(keys, blockIdx.x * BLOCK + threadIdx.x, run, n);
}

extern "C" __global__ void disperse(unsigned* keys, int distance, int n) {
    disperse_pair(keys, blockIdx.x * BLOCK + threadIdx.x, distance, n);
}
