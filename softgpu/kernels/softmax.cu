// y = exp(x) / Σ exp(x) over each row of a rows×columns matrix, row-major.
//
// One warp per row, no shared memory. Each lane runs over its elements once and keeps the largest so
// far and the sum of exponentials relative to it; when a larger one comes, the sum is rescaled. Lanes
// then merge their pairs by the same rule.
// Launch: ⌈rows / 4⌉ blocks of (32, 4).

constexpr int WARP = 32;
constexpr unsigned ALL = 0xffffffffu;

extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int rows, int columns) {
    int row = blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;  // the whole warp leaves, so the masks below stay true
    x += (size_t)row * columns;
    y += (size_t)row * columns;

    float best = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < columns; i += WARP) {
        float v = x[i];
        if (v == -INFINITY) continue;  // a masked element adds nothing, and −∞ − (−∞) is no number
        if (v > best) {
            sum *= expf(best - v);  // exp(−∞) = 0 the first time
            best = v;
        }
        sum += expf(v - best);
    }
    for (int bit = WARP / 2; bit > 0; bit /= 2) {
        float other_best = __shfl_xor_sync(ALL, best, bit), other_sum = __shfl_xor_sync(ALL, sum, bit);
        float both = fmaxf(best, other_best);
        // A lane without elements brings −∞ and 0: two of those must not make −∞ − (−∞).
        sum = both == -INFINITY ? 0 : sum * expf(best - both) + other_sum * expf(other_best - both);
        best = both;
    }
    for (int i = threadIdx.x; i < columns; i += WARP) y[i] = expf(x[i] - best) / sum;
}
