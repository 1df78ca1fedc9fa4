// Activations, number by number, in place.
//
// Launch: 256 threads a block; each thread takes four neighbouring numbers as one float4, or fewer at the
// end of the tensor.
#include "common.cuh"

template <class F>
__device__ __forceinline__ void each(int len, F f) {
    const int first = 4 * int(blockIdx.x * blockDim.x + threadIdx.x);
    if (first < len) f(first);
}

// x_y = f(x_y).
extern "C" __global__ void activation_forward(float* x_y, int len, Activation f) {
    each(len, [=](int i) {
        if (i + 4 <= len) {
            float v[4];
            load(v, x_y + i);
#pragma unroll
            for (int j = 0; j < 4; ++j) v[j] = activate(f, v[j]);
            store(x_y + i, v);
        } else {
            for (; i < len; ++i) x_y[i] = activate(f, x_y[i]);
        }
    });
}

// dy_dx *= f', through the output y.
extern "C" __global__ void activation_backward(float* dy_dx, const float* y, int len, Activation f) {
    each(len, [=](int i) {
        if (i + 4 <= len) {
            float d[4], v[4];
            load(d, dy_dx + i);
            load(v, y + i);
#pragma unroll
            for (int j = 0; j < 4; ++j) d[j] = activation_gradient(f, d[j], v[j]);
            store(dy_dx + i, d);
        } else {
            for (; i < len; ++i) dy_dx[i] = activation_gradient(f, dy_dx[i], y[i]);
        }
    });
}
