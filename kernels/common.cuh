// What every kernel file shares: the parameter structs, which mirror src/shape.rs and
// src/backend/cuda/args.rs field by field, and the reductions.
//
// Memory layout, everywhere: images are [n][h][w][c], filters [kh][kw][x.c][y.c], vectors [len]. With the
// channels innermost, neighbouring threads read neighbouring numbers. The host refuses tensors of 2^31
// numbers and more, so an index is an int.
//
// Every sum has one order, which depends on shapes alone: the same seed gives the same bits on every run.
// There are no float atomics.
#pragma once

struct Nchw {
    unsigned n, c, h, w;
};

// src/shape.rs: `x` is the side with the larger image, `y` the other one.
struct ConvGeometry {
    Nchw x, y;
    unsigned kernel[2], stride[2], padding[2];
};
static_assert(sizeof(ConvGeometry) == 14 * sizeof(unsigned), "as in shape.rs");

// An element-wise non-linearity: 0 identity, 1 ReLU, 2 LeakyReLU, 3 tanh, 4 sigmoid.
struct Activation {
    int kind;
    float slope;
};

constexpr int WARP = 32;
constexpr unsigned FULL_WARP = 0xffffffffu;

__device__ __forceinline__ int min_of(int a, int b) { return a < b ? a : b; }

// V neighbouring numbers: one float4, or one float.
template <int V>
__device__ __forceinline__ void load(float (&to)[V], const float* from) {
    static_assert(V == 4 || V == 1, "a float4 or a float");
    if constexpr (V == 4) {
        const float4 v = *reinterpret_cast<const float4*>(from);
        to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    } else {
        to[0] = *from;
    }
}
template <int V>
__device__ __forceinline__ void store(float* to, const float (&v)[V]) {
    static_assert(V == 4 || V == 1, "a float4 or a float");
    if constexpr (V == 4) {
        *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
    } else {
        *to = v[0];
    }
}

// The sum over a warp, in every lane: five exchanges with the lane whose number differs in one bit.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
    for (int bit = WARP / 2; bit > 0; bit /= 2) value += __shfl_xor_sync(FULL_WARP, value, bit);
    return value;
}

// The sum over a one-dimensional block of THREADS threads, in thread 0: within the warps, then over the
// warps' sums. Every thread of the block takes part. A second call needs a barrier before it.
template <int THREADS>
__device__ __forceinline__ float block_sum(float value) {
    static_assert(THREADS % WARP == 0 && THREADS <= WARP * WARP, "whole warps, one warp of sums");
    __shared__ float sums[THREADS / WARP];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    value = warp_sum(value);
    if (lane == 0) sums[warp] = value;
    __syncthreads();
    if (warp == 0) value = warp_sum(lane < THREADS / WARP ? sums[lane] : 0.0f);
    return value;
}

// 1/(1 + e^-x). For large negative x the exponential overflows to infinity and the result is 0, as it
// should be; e^x/(1 + e^x) keeps the digits there.
__device__ __forceinline__ float sigmoid(float x) {
    const float e = expf(-fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// f(x). Comparisons are written so that a NaN falls through to the branch that keeps it.
__device__ __forceinline__ float activate(Activation f, float x) {
    switch (f.kind) {
        case 1: return x <= 0.0f ? 0.0f : x;
        case 2: return x > 0.0f ? x : f.slope * x;
        case 3: return tanhf(x);
        case 4: return sigmoid(x);
        default: return x;
    }
}

// dy·f'(x), through the output y = f(x).
__device__ __forceinline__ float activation_gradient(Activation f, float dy, float y) {
    switch (f.kind) {
        case 1: return y <= 0.0f ? 0.0f : dy;
        case 2: return y > 0.0f ? dy : f.slope * dy;
        case 3: return dy * (1.0f - y * y);
        case 4: return dy * ((1.0f - y) * y);
        default: return dy;
    }
}
