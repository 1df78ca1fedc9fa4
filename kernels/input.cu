// What enters the network: pixels of the training set, and noise.
#include "common.cuh"

// y = b/127.5 − 1 for the bytes b of the chosen images, written as (2b − 255)/255, which rounds once.
// Images lie in `set` as they do in `y`: pixel by pixel, channels innermost.
//
// Launch: 256 threads a block, one number a thread; blockIdx.y is the image of the batch. The host has
// checked the indices.
extern "C" __global__ void gather(float* y, const unsigned char* set, const unsigned* indices, int image) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= image) return;
    const size_t first = size_t(indices[blockIdx.y]) * image;
    y[blockIdx.y * image + i] = float(2 * int(set[first + i]) - 255) / 255.0f;
}

// Philox4x32-10 (Salmon et al., SC 2011): four random words for one counter.
__device__ __forceinline__ uint4 philox(uint4 c, uint2 key) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned high0 = __umulhi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
        const unsigned high1 = __umulhi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
        c = make_uint4(high1 ^ c.y ^ key.x, low1, high0 ^ c.w ^ key.y, low0);
        key.x += 0x9E3779B9u;
        key.y += 0xBB67AE85u;
    }
    return c;
}

// Box–Muller: √(−2 ln u₁)·(cos 2πu₂, sin 2πu₂), with u₁ = (a + 1)/2³² in (0, 1] and u₂ = b/2³². In double
// precision, so that these are the CPU's numbers: there are some ten thousand a step, no matter for time.
__device__ __forceinline__ float2 normal_pair(unsigned a, unsigned b) {
    const double u1 = (double(a) + 1.0) * 0x1p-32, half_turns = double(b) * 0x1p-31;
    const double radius = sqrt(-2.0 * log(u1));
    double sine, cosine;
    sincospi(half_turns, &sine, &cosine);
    return make_float2(float(radius * cosine), float(radius * sine));
}

// Row r of z holds the normal numbers of the counters [block, r, step, stream] under the key `seed`, four a
// block: src/rng.rs's fill_normal.
//
// Launch: 128 threads a block, four numbers a thread; blockIdx.y is the row.
extern "C" __global__ void noise(float* z, const float* step, int len, unsigned seed_low,
                                 unsigned seed_high, unsigned stream) {
    const unsigned block = blockIdx.x * blockDim.x + threadIdx.x;
    const int first = 4 * block;
    if (first >= len) return;
    const uint4 words = philox(make_uint4(block, blockIdx.y, unsigned(*step), stream),
                               make_uint2(seed_low, seed_high));
    const float2 a = normal_pair(words.x, words.y), b = normal_pair(words.z, words.w);
    const float four[4] = {a.x, a.y, b.x, b.y};
    float* row = z + blockIdx.y * len;
#pragma unroll
    for (int i = 0; i < 4; ++i)
        if (first + i < len) row[first + i] = four[i];
}
