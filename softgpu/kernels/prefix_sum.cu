// Inclusive prefix sum of 32-bit integers, in three launches for any length:
//   1. scan_block: each block sums up its own 256 elements and writes its total;
//   2. scan_block again on the totals (recursively while there is more than one block of them);
//   3. add_offsets: each block adds the sum of all blocks before it.
// Integers wrap, so the answer does not depend on the order of the additions.

constexpr int WARP = 32;
constexpr int BLOCK = 256;
constexpr unsigned ALL = 0xffffffffu;

// After round r each lane holds the sum of itself and the 2^(r+1) − 1 lanes before it.
__device__ unsigned scan_warp(unsigned value) {
    int lane = threadIdx.x % WARP;
    for (int distance = 1; distance < WARP; distance *= 2) {
        unsigned before = __shfl_up_sync(ALL, value, distance);
        if (lane >= distance) value += before;
    }
    return value;
}

// Launch: ⌈n / 256⌉ blocks of 256 threads. `totals` holds one number per block.
// Shared memory: one partial sum per warp.
extern "C" __global__ void scan_block(const unsigned* __restrict__ in, unsigned* __restrict__ out,
                                      unsigned* __restrict__ totals, int n) {
    __shared__ unsigned warp_sums[BLOCK / WARP];
    int i = blockIdx.x * BLOCK + threadIdx.x;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;

    // No early return: threads beyond the end still take part in shuffles and barriers.
    unsigned sum = scan_warp(i < n ? in[i] : 0);
    if (lane == WARP - 1) warp_sums[warp] = sum;
    __syncthreads();
    if (warp == 0) {
        unsigned scanned = scan_warp(lane < BLOCK / WARP ? warp_sums[lane] : 0);
        if (lane < BLOCK / WARP) warp_sums[lane] = scanned;
    }
    __syncthreads();
    if (warp > 0) sum += warp_sums[warp - 1];
    if (i < n) out[i] = sum;
    if (threadIdx.x == BLOCK - 1) totals[blockIdx.x] = sum;
}

// Launch: as scan_block. `scanned_totals[b]` is the sum of blocks 0 to b.
extern "C" __global__ void add_offsets(unsigned* __restrict__ out, const unsigned* __restrict__ scanned_totals, int n) {
    int i = blockIdx.x * BLOCK + threadIdx.x;
    if (blockIdx.x > 0 && i < n) out[i] += scanned_totals[blockIdx.x - 1];
}
