// Random numbers without state: Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel Random Numbers:
// As Easy as 1, 2, 3", SC 2011). Thread i encrypts the counter (i, 0, stream, 0) under the seed and
// owns the four words that come out, so any thread, device or order gives the same numbers.

__device__ uint4 philox(uint4 c, unsigned long long seed) {
    unsigned key0 = (unsigned)seed, key1 = (unsigned)(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        unsigned high0 = __umulhi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
        unsigned high1 = __umulhi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
        c = make_uint4(high1 ^ c.y ^ key0, low1, high0 ^ c.w ^ key1, low0);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}

// The bijection itself, for known answers. Launch: one thread per counter.
extern "C" __global__ void philox_words(const uint4* __restrict__ counters, uint4* __restrict__ words,
                                        unsigned long long seed, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) words[i] = philox(counters[i], seed);
}

// Box & Muller: two uniform numbers → two independent standard normal ones.
// u lies in (0, 1): (w + ½) / 2³², so that the logarithm exists. The angle is v · 2π.
__device__ float2 normal_pair(unsigned w0, unsigned w1) {
    float u = fmaf((float)w0, 0x1p-32f, 0x1p-33f);
    float v = (float)w1 * 0x1p-32f;
    float radius = sqrtf(-2 * logf(u));
    float sine, cosine;
    sincospif(2 * v, &sine, &cosine);
    return make_float2(radius * cosine, radius * sine);
}

// Standard normal noise. Launch: one thread per 4 numbers: ⌈n / 4⌉ threads; out holds n floats.
extern "C" __global__ void philox_normal(float* __restrict__ out, unsigned long long seed, unsigned stream, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (4 * i >= n) return;
    uint4 w = philox(make_uint4(i, 0, stream, 0), seed);
    float2 p = normal_pair(w.x, w.y), q = normal_pair(w.z, w.w);
    if (4 * i + 3 < n) {
        reinterpret_cast<float4*>(out)[i] = make_float4(p.x, p.y, q.x, q.y);
        return;
    }
    out[4 * i] = p.x;
    if (4 * i + 1 < n) out[4 * i + 1] = p.y;
    if (4 * i + 2 < n) out[4 * i + 2] = q.x;
}
