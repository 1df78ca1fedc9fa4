// Binary cross-entropy against one target for the whole batch: the mean loss, the mean probability and
// every gradient.
//
// Launch: one block of 256 threads. A batch is a few hundred numbers: one block strides over them and adds
// up in one fixed order.
#include "common.cuh"

constexpr int THREADS = 256;

struct Terms {
    float loss, gradient, probability;
};

// Writes each number's gradient over n; stats[0] = the mean loss, stats[1] = the mean probability.
template <class F>
__device__ __forceinline__ void mean_over_batch(float* gradient, float* stats, const float* input, int n,
                                                F terms) {
    float loss = 0.0f, probability = 0.0f;
    for (int i = threadIdx.x; i < n; i += THREADS) {
        const Terms t = terms(input[i]);
        gradient[i] = t.gradient / n;
        loss += t.loss;
        probability += t.probability;
    }
    loss = block_sum<THREADS>(loss);
    __syncthreads();
    probability = block_sum<THREADS>(probability);
    if (threadIdx.x == 0) {
        stats[0] = loss / n;
        stats[1] = probability / n;
    }
}

// `v` unless it is below `floor`; NaN stays NaN, which fmaxf would hide.
__device__ __forceinline__ float at_least(float v, float floor) { return v < floor ? floor : v; }

// On probabilities, as PyTorch's BCELoss: −t·ln p − (1 − t)·ln(1 − p), each logarithm at least −100;
// (p − t)/max(p(1 − p), 1e-12).
extern "C" __global__ void __launch_bounds__(THREADS)
    bce(float* dp, float* stats, const float* prob, int n, float target, float rest) {
    mean_over_batch(dp, stats, prob, n, [=](float p) {
        const float log_p = at_least(logf(p), -100.0f), log_q = at_least(log1pf(-p), -100.0f);
        return Terms{-target * log_p - rest * log_q, (p - target) / at_least(p * (1.0f - p), 1e-12f), p};
    });
}

// weight·ln(1 + e^z). A weight of 0 drops the term even where it is infinite; the other keeps a NaN.
__device__ __forceinline__ float weighted_softplus(float weight, float z) {
    return weight == 0.0f ? 0.0f : weight * (at_least(z, 0.0f) + log1pf(expf(-fabsf(z))));
}

// From logits: t·ln(1 + e^-z) + (1 − t)·ln(1 + e^z), and its derivative σ(z) − t written as
// (1 − t)·σ(z) − t·σ(−z): no difference of nearly equal numbers where the sigmoid saturates.
extern "C" __global__ void __launch_bounds__(THREADS)
    bce_with_logits(float* dz, float* stats, const float* logit, int n, float target, float rest) {
    mean_over_batch(dz, stats, logit, n, [=](float z) {
        const float p = sigmoid(z);
        const float loss = weighted_softplus(target, -z) + weighted_softplus(rest, z);
        return Terms{loss, rest * p - target * sigmoid(-z), p};
    });
}
