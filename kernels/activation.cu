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
            float4 v = *reinterpret_cast<float4*>(x_y + i);
            v.x = activate(f, v.x), v.y = activate(f, v.y);
            v.z = activate(f, v.z), v.w = activate(f, v.w);
            *reinterpret_cast<float4*>(x_y + i) = v;
        } else {
            for (; i < len; ++i) x_y[i] = activate(f, x_y[i]);
        }
    });
}

// dy_dx *= f', through the output y.
extern "C" __global__ void activation_backward(float* dy_dx, const float* y, int len, Activation f) {
    each(len, [=](int i) {
        if (i + 4 <= len) {
            float4 d = *reinterpret_cast<float4*>(dy_dx + i);
            const float4 v = *reinterpret_cast<const float4*>(y + i);
            d.x = activation_gradient(f, d.x, v.x), d.y = activation_gradient(f, d.y, v.y);
            d.z = activation_gradient(f, d.z, v.z), d.w = activation_gradient(f, d.w, v.w);
            *reinterpret_cast<float4*>(dy_dx + i) = d;
        } else {
            for (; i < len; ++i) dy_dx[i] = activation_gradient(f, dy_dx[i], y[i]);
        }
    });
}
