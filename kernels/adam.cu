// The optimiser and the weight average, number by number: the order in which a filter lies is no matter.
//
// The step's number lives on the device, so that a recorded step can be replayed. What depends on it alone
// is computed once per update by one thread (adam_coefficients), in double precision: 1 − β₂ᵗ is 0.001 at
// first, and f32 would keep four digits of it.
//
// Launch of adam and ema: 256 threads a block, one number a thread.
#include "common.cuh"

// coefficients[0] = lr/(1 − β₁ᵗ), coefficients[1] = √(1 − β₂ᵗ), with t = step + 1; the logarithms of the
// betas come from the host: 1 − βᵗ = −expm1(t·ln β).
extern "C" __global__ void adam_coefficients(float* coefficients, const float* step, double lr,
                                             double log_beta1, double log_beta2) {
    const double t = double(*step) + 1.0;
    coefficients[0] = float(lr / -expm1(t * log_beta1));
    coefficients[1] = float(sqrt(-expm1(t * log_beta2)));
}

// Kingma & Ba 2015, algorithm 1, eps placed as in PyTorch:
// m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; param −= lr/(1−β₁ᵗ) · m/(√v/√(1−β₂ᵗ) + eps).
extern "C" __global__ void adam(float* param, float* m, float* v, const float* grad,
                                const float* coefficients, int len, float beta1, float rest1, float beta2,
                                float rest2, float eps) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    const float g = grad[i];
    const float first = beta1 * m[i] + rest1 * g;
    const float second = beta2 * v[i] + rest2 * g * g;
    m[i] = first;
    v[i] = second;
    param[i] -= coefficients[0] * (first / (sqrtf(second) / coefficients[1] + eps));
}

// avg = d·avg + (1 − d)·x with d = min(decay, (1 + t)/(10 + t)) after t finished steps; 1 − d is then
// 9/(10 + t), which needs no difference.
extern "C" __global__ void ema(float* avg, const float* x, const float* step, int len, float decay,
                               float rest) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    const float t = *step, warm = (1.0f + t) / (10.0f + t);
    const bool warming = warm < decay;
    avg[i] = (warming ? warm : decay) * avg[i] + (warming ? 9.0f / (10.0f + t) : rest) * x[i];
}

// step += 1: one thread.
extern "C" __global__ void advance(float* step) { *step += 1.0f; }
