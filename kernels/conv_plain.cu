// Convolution, rung 1: the formulas as they are written, one thread for each number of the result.
//
// Launch: 256 threads a block, as many blocks as cover the result. Neighbouring threads compute
// neighbouring channels of one pixel. Nothing is shared or reused on purpose; what speed there is comes
// from the caches. conv_tiled.cu is the rung to train with.
//
// Each tap (or row) is summed by itself and then added: rounding grows with the length of a sum, and two short
// ones lose fewer digits than one of thousands.
#include "common.cuh"

// y[n,i,j,o] = Σ_{k,l,c} w[k,l,c,o] · x[n, i·s + k − p, j·s + l − p, c], zero outside x.
extern "C" __global__ void conv_forward_plain(float* y, const float* x, const float* w, ConvGeometry g) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const int xc = g.x.c, yc = g.y.c, xh = g.x.h, xw = g.x.w;
    if (index >= int(g.y.n * g.y.h * g.y.w) * yc) return;
    const int o = index % yc, j = index / yc % int(g.y.w), i = index / yc / int(g.y.w) % int(g.y.h);
    const int n = index / yc / int(g.y.w * g.y.h);
    float sum = 0.0f;
    for (int k = 0; k < int(g.kernel[0]); ++k) {
        const int h = i * int(g.stride[0]) + k - int(g.padding[0]);
        if (h < 0 || h >= xh) continue;
        for (int l = 0; l < int(g.kernel[1]); ++l) {
            const int v = j * int(g.stride[1]) + l - int(g.padding[1]);
            if (v < 0 || v >= xw) continue;
            const float* pixel = x + ((n * xh + h) * xw + v) * xc;
            const float* tap = w + (k * int(g.kernel[1]) + l) * xc * yc + o;
            float part = 0.0f;
            for (int c = 0; c < xc; ++c) part += pixel[c] * tap[c * yc];
            sum += part;
        }
    }
    y[index] = sum;
}

// The transpose: dx[n,h,v,c] = Σ w[k,l,c,o] · dy[n,i,j,o] over the taps and positions that read this pixel,
// those with i·s + k − p = h and j·s + l − p = v.
extern "C" __global__ void conv_backward_data_plain(float* dx, const float* dy, const float* w,
                                                    ConvGeometry g) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const int xc = g.x.c, yc = g.y.c, yh = g.y.h, yw = g.y.w;
    if (index >= int(g.x.n * g.x.h * g.x.w) * xc) return;
    const int c = index % xc, v = index / xc % int(g.x.w), h = index / xc / int(g.x.w) % int(g.x.h);
    const int n = index / xc / int(g.x.w * g.x.h);
    float sum = 0.0f;
    for (int k = 0; k < int(g.kernel[0]); ++k) {
        const int down = h + int(g.padding[0]) - k, i = down / int(g.stride[0]);
        if (down < 0 || down % int(g.stride[0]) != 0 || i >= yh) continue;
        for (int l = 0; l < int(g.kernel[1]); ++l) {
            const int right = v + int(g.padding[1]) - l, j = right / int(g.stride[1]);
            if (right < 0 || right % int(g.stride[1]) != 0 || j >= yw) continue;
            const float* position = dy + ((n * yh + i) * yw + j) * yc;
            const float* tap = w + ((k * int(g.kernel[1]) + l) * xc + c) * yc;
            float part = 0.0f;
            for (int o = 0; o < yc; ++o) part += position[o] * tap[o];
            sum += part;
        }
    }
    dx[index] = sum;
}

// dw[k,l,c,o] += Σ_{n,i,j} dy[n,i,j,o] · x[n, i·s + k − p, j·s + l − p, c].
extern "C" __global__ void conv_backward_weights_plain(float* dw, const float* x, const float* dy,
                                                       ConvGeometry g) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const int xc = g.x.c, yc = g.y.c, xh = g.x.h, xw = g.x.w, yh = g.y.h, yw = g.y.w;
    if (index >= int(g.kernel[0] * g.kernel[1]) * xc * yc) return;
    const int o = index % yc, c = index / yc % xc;
    const int l = index / yc / xc % int(g.kernel[1]), k = index / yc / xc / int(g.kernel[1]);
    float sum = 0.0f;
    for (int n = 0; n < int(g.y.n); ++n) {
        for (int i = 0; i < yh; ++i) {
            const int h = i * int(g.stride[0]) + k - int(g.padding[0]);
            if (h < 0 || h >= xh) continue;
            float part = 0.0f;
            for (int j = 0; j < yw; ++j) {
                const int v = j * int(g.stride[1]) + l - int(g.padding[1]);
                if (v < 0 || v >= xw) continue;
                part += dy[((n * yh + i) * yw + j) * yc + o] * x[((n * xh + h) * xw + v) * xc + c];
            }
            sum += part;
        }
    }
    dw[index] += sum;
}
