// Batch normalisation (Ioffe & Szegedy 2015) over the rows (pixels of the batch) of a matrix [rows][channels].
//
// Rung 1, `_plain`: one thread a channel, three loops, sums in double precision.
//
// Rung 2 is a chain of kernels, for each direction
//   1. sums over chunks of rows: blocks of 32 channels × 8 rows, a warp reading 32 neighbouring channels;
//   2. one warp a channel joins the chunks in double precision, in a fixed order, and leaves what the last
//      step needs as one float4 a channel;
//   3. number by number, with the activation that follows or precedes.
// Rows are cut into chunks by the shape alone (src/backend/cuda/batch_norm.rs), so the bits are the same on
// every run and every card.
#include "common.cuh"

constexpr int CHANNELS = WARP, ROWS = 8;  // a block of the first step: threadIdx.x, threadIdx.y
constexpr int UNROLL = 8;                 // rows a thread has on their way at once

// Count, mean and sum of squared deviations of some numbers.
struct Moments {
    float n, mean, m2;
};

// The moments of two sets together (Chan, Golub & LeVeque 1979). No difference of large sums: a mean that is
// large beside the deviation costs no digits.
__device__ __forceinline__ Moments join(Moments a, Moments b) {
    if (a.n == 0.0f) return b;
    if (b.n == 0.0f) return a;
    const float n = a.n + b.n, share = b.n / n, delta = b.mean - a.mean;
    return {n, a.mean + delta * share, a.m2 + b.m2 + delta * delta * a.n * share};
}

// ---- forward, training --------------------------------------------------------------------------------

// partials[chunk·channels + c] = (mean, m2) of the chunk's rows.
//
// Launch: (32, 8) threads; blockIdx.x counts groups of 32 channels, blockIdx.y chunks.
extern "C" __global__ void __launch_bounds__(CHANNELS* ROWS)
    batch_norm_moments(float2* partials, const float* x, int channels, int rows, int chunk) {
    __shared__ Moments shared[ROWS][CHANNELS];
    const int c = blockIdx.x * CHANNELS + threadIdx.x;
    const int end = min_of(rows, (blockIdx.y + 1) * chunk);
    Moments total = {0.0f, 0.0f, 0.0f};
    if (c < channels) {
        for (int row = blockIdx.y * chunk + threadIdx.y; row < end; row += ROWS * UNROLL) {
            // Mean and deviations of up to eight numbers, exactly as written, then one join.
            float v[UNROLL];
            Moments few = {0.0f, 0.0f, 0.0f};
#pragma unroll
            for (int u = 0; u < UNROLL; ++u) {
                const int here = row + u * ROWS;
                v[u] = here < end ? x[here * channels + c] : 0.0f;
                few.mean += v[u];
                few.n += here < end ? 1.0f : 0.0f;
            }
            few.mean /= few.n;
#pragma unroll
            for (int u = 0; u < UNROLL; ++u) {
                const float deviation = row + u * ROWS < end ? v[u] - few.mean : 0.0f;
                few.m2 = fmaf(deviation, deviation, few.m2);
            }
            total = join(total, few);
        }
    }
    shared[threadIdx.y][threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.y > 0 || c >= channels) return;
#pragma unroll
    for (int y = 1; y < ROWS; ++y) total = join(total, shared[y][threadIdx.x]);
    partials[blockIdx.y * channels + c] = make_float2(total.mean, total.m2);
}

// What `apply` needs of a channel: the mean as two f32 (what rounding it to one would lose), the scale
// γ·inv_std, and β.
__device__ __forceinline__ float4 affine(double mean, double inv_std, float gamma, float beta) {
    const float high = float(mean);
    return make_float4(high, float(mean - high), float(gamma * inv_std), beta);
}

// Joins the chunks of a channel: the batch's mean and inv_std, the running statistics, the coefficients.
//
// Launch: 256 threads a block, one warp a channel.
extern "C" __global__ void batch_norm_statistics(float4* coefficients, float* mean, float* inv_std,
                                                 float* running_mean, float* running_var,
                                                 const float2* partials, const float* gamma,
                                                 const float* beta, int channels, int rows, int chunk,
                                                 int chunks, double eps, double momentum) {
    const int c = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
    if (c >= channels) return;
    double sum = 0.0;
    for (int i = lane; i < chunks; i += WARP)
        sum += double(partials[i * channels + c].x) * min_of(chunk, rows - i * chunk);
    const double mu = warp_sum(sum) / rows;
    double m2 = 0.0;
    for (int i = lane; i < chunks; i += WARP) {
        const float2 part = partials[i * channels + c];
        const double delta = part.x - mu;
        m2 += part.y + delta * delta * min_of(chunk, rows - i * chunk);
    }
    m2 = warp_sum(m2);
    if (lane != 0) return;
    const double inverse = 1.0 / sqrt(m2 / rows + eps);
    mean[c] = float(mu);
    inv_std[c] = float(inverse);
    running_mean[c] = float((1.0 - momentum) * running_mean[c] + momentum * mu);
    running_var[c] = float((1.0 - momentum) * running_var[c] + momentum * (m2 / (rows - 1)));
    coefficients[c] = affine(mu, inverse, gamma[c], beta[c]);
}

// y = f(((x − mean) − rest)·scale + β).
//
// Launch: 256 threads a block; each thread takes V neighbouring numbers, V = 4 where the channels allow it.
template <int V>
__device__ __forceinline__ void apply(float* y, const float* x, const float4* coefficients, int len,
                                      int channels, Activation f) {
    const int first = V * int(blockIdx.x * blockDim.x + threadIdx.x);
    if (first >= len) return;
    const int c = first % channels;
    float v[V];
    load(v, x + first);
#pragma unroll
    for (int i = 0; i < V; ++i) {
        const float4 k = coefficients[c + i];
        v[i] = activate(f, fmaf((v[i] - k.x) - k.y, k.z, k.w));
    }
    store(y + first, v);
}

extern "C" __global__ void batch_norm_apply(float* y, const float* x, const float4* coefficients, int len,
                                            int channels, Activation f) {
    apply<1>(y, x, coefficients, len, channels, f);
}
extern "C" __global__ void batch_norm_apply_4(float* y, const float* x, const float4* coefficients, int len,
                                              int channels, Activation f) {
    apply<4>(y, x, coefficients, len, channels, f);
}

// ---- forward, evaluation ------------------------------------------------------------------------------

// The running statistics in the batch's place; `inv_std`, if wanted, for the backward pass.
//
// Launch: 256 threads a block, one thread a channel.
extern "C" __global__ void batch_norm_eval_coefficients(float4* coefficients, float* inv_std,
                                                        const float* running_mean, const float* running_var,
                                                        const float* gamma, const float* beta, int channels,
                                                        double eps) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    const double inverse = 1.0 / sqrt(running_var[c] + eps);
    if (inv_std != nullptr) inv_std[c] = float(inverse);
    coefficients[c] = affine(running_mean[c], inverse, gamma[c], beta == nullptr ? 0.0f : beta[c]);
}

// ---- backward -----------------------------------------------------------------------------------------

// What the backward pass sums over a channel: dz, dz·(x − mean), x − mean.
struct Projections {
    float dz, dz_deviation, deviation;
};

__device__ __forceinline__ void operator+=(Projections& a, Projections b) {
    a.dz += b.dz;
    a.dz_deviation += b.dz_deviation;
    a.deviation += b.deviation;
}

// partials[chunk·channels + c] = the sums over the chunk's rows, where dz = dy·f'(y) is the gradient before
// the activation. With f the identity `y` is not read.
//
// The deviations would sum to zero, were `mean` not rounded to f32. What is left tells how much that lost, and
// the next kernel takes it into account.
//
// Launch: as batch_norm_moments.
extern "C" __global__ void __launch_bounds__(CHANNELS* ROWS)
    batch_norm_projections(Projections* partials, const float* dy, const float* y, const float* x,
                           const float* mean, int channels, int rows, int chunk, Activation f) {
    __shared__ Projections shared[ROWS][CHANNELS];
    const int c = blockIdx.x * CHANNELS + threadIdx.x;
    const int end = min_of(rows, (blockIdx.y + 1) * chunk);
    Projections total = {};
    if (c < channels) {
        const float mu = mean[c];
        for (int row = blockIdx.y * chunk + threadIdx.y; row < end; row += ROWS * UNROLL) {
            // Sums of eight are added to the total: eight times fewer roundings of a large number.
            Projections few = {};
#pragma unroll
            for (int u = 0; u < UNROLL; ++u) {
                const int at = (row + u * ROWS) * channels + c;
                if (row + u * ROWS >= end) continue;
                const float dz = activation_gradient(f, dy[at], f.kind == 0 ? 0.0f : y[at]);
                const float deviation = x[at] - mu;
                few.dz += dz;
                few.dz_deviation = fmaf(dz, deviation, few.dz_deviation);
                few.deviation += deviation;
            }
            total += few;
        }
    }
    shared[threadIdx.y][threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.y > 0 || c >= channels) return;
#pragma unroll
    for (int row = 1; row < ROWS; ++row) total += shared[row][threadIdx.x];
    partials[blockIdx.y * channels + c] = total;
}

// Joins the chunks: dβ += Σdz and dγ += Σ dz·x̂, where they are wanted; the coefficients of the last step.
// With `mean` off by δ = Σ(x − mean)/m, the true Σ dz·x̂ is inv_std·(Σ dz·(x − mean) − δ·Σdz); in evaluation
// mode (`exact`) `mean` is the running one, from which deviations need not cancel.
//
// coefficients[c] = (γ·inv_std, mean, offset, slope).
//
// Launch: 256 threads a block, one warp a channel.
extern "C" __global__ void batch_norm_gradients(float4* coefficients, float* dgamma, float* dbeta,
                                                const Projections* partials, const float* gamma,
                                                const float* mean, const float* inv_std, int channels,
                                                int rows, int chunks, int exact) {
    const int c = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
    if (c >= channels) return;
    double dz = 0.0, dz_deviation = 0.0, deviation = 0.0;
    for (int i = lane; i < chunks; i += WARP) {
        const Projections part = partials[i * channels + c];
        dz += part.dz;
        dz_deviation += part.dz_deviation;
        deviation += part.deviation;
    }
    dz = warp_sum(dz);
    const double delta = exact ? 0.0 : warp_sum(deviation) / rows;
    const double dz_xhat = (warp_sum(dz_deviation) - delta * dz) * inv_std[c];
    if (lane != 0) return;
    if (dgamma != nullptr) dgamma[c] += float(dz_xhat);
    if (dbeta != nullptr) dbeta[c] += float(dz);
    const double slope = dz_xhat / rows * inv_std[c], offset = dz / rows - delta * slope;
    coefficients[c] = make_float4(gamma[c] * inv_std[c], mean[c], float(offset), float(slope));
}

// dx = γ·inv_std·(dz − Σdz/m − x̂·Σ(dz·x̂)/m) = γ·inv_std·(dz − offset − (x − mean)·slope).
//
// Launch: as batch_norm_apply.
template <int V>
__device__ __forceinline__ void apply_backward(float* dy_dx, const float* y, const float* x,
                                               const float4* coefficients, int len, int channels,
                                               Activation f) {
    const int first = V * int(blockIdx.x * blockDim.x + threadIdx.x);
    if (first >= len) return;
    const int c = first % channels;
    float d[V], output[V] = {}, input[V];
    load(d, dy_dx + first);
    load(input, x + first);
    if (f.kind != 0) load(output, y + first);
#pragma unroll
    for (int i = 0; i < V; ++i) {
        const float4 k = coefficients[c + i];
        const float dz = activation_gradient(f, d[i], output[i]);
        d[i] = k.x * fmaf(k.y - input[i], k.w, dz - k.z);
    }
    store(dy_dx + first, d);
}

extern "C" __global__ void batch_norm_apply_backward(float* dy_dx, const float* y, const float* x,
                                                     const float4* coefficients, int len, int channels,
                                                     Activation f) {
    apply_backward<1>(dy_dx, y, x, coefficients, len, channels, f);
}
extern "C" __global__ void batch_norm_apply_backward_4(float* dy_dx, const float* y, const float* x,
                                                       const float4* coefficients, int len, int channels,
                                                       Activation f) {
    apply_backward<4>(dy_dx, y, x, coefficients, len, channels, f);
}

// Evaluation: the statistics are constants, dx = γ·inv_std·dy; coefficients as in the forward pass.
//
// Launch: 256 threads a block, one number a thread.
extern "C" __global__ void batch_norm_eval_backward(float* dy_dx, const float4* coefficients, int len,
                                                    int channels) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) dy_dx[i] *= coefficients[i % channels].z;
}

// ---- rung 1 -------------------------------------------------------------------------------------------

// Training, forward, all of it. Launch: 32 threads a block, one thread a channel.
extern "C" __global__ void batch_norm_forward_plain(float* y, float* mean, float* inv_std,
                                                    float* running_mean, float* running_var, const float* x,
                                                    const float* gamma, const float* beta, int channels,
                                                    int rows, double eps, double momentum) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    double sum = 0.0, squares = 0.0;
    for (int row = 0; row < rows; ++row) sum += x[row * channels + c];
    const double mu = sum / rows;
    for (int row = 0; row < rows; ++row) {
        const double deviation = x[row * channels + c] - mu;
        squares += deviation * deviation;
    }
    const double inverse = 1.0 / sqrt(squares / rows + eps);
    mean[c] = float(mu);
    inv_std[c] = float(inverse);
    running_mean[c] = float((1.0 - momentum) * running_mean[c] + momentum * mu);
    running_var[c] = float((1.0 - momentum) * running_var[c] + momentum * (squares / (rows - 1)));
    for (int row = 0; row < rows; ++row)
        y[row * channels + c] = float((x[row * channels + c] - mu) * inverse * gamma[c] + beta[c]);
}

// Training, backward, all of it; dγ and dβ only where they are wanted. Launch: as above.
extern "C" __global__ void batch_norm_backward_plain(float* dy_dx, float* dgamma, float* dbeta,
                                                     const float* x, const float* gamma, const float* mean,
                                                     const float* inv_std, int channels, int rows) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    // The kept mean is rounded to f32; the deviations from it say by how much.
    double mu = 0.0;
    for (int row = 0; row < rows; ++row) mu += double(x[row * channels + c]) - mean[c];
    mu = mean[c] + mu / rows;
    double sum = 0.0, sum_xhat = 0.0;
    for (int row = 0; row < rows; ++row) {
        const double dy = dy_dx[row * channels + c];
        sum += dy;
        sum_xhat += dy * (x[row * channels + c] - mu) * inv_std[c];
    }
    if (dgamma != nullptr) dgamma[c] += float(sum_xhat);
    if (dbeta != nullptr) dbeta[c] += float(sum);
    for (int row = 0; row < rows; ++row) {
        const int at = row * channels + c;
        const double xhat = (x[at] - mu) * inv_std[c];
        dy_dx[at] = float(gamma[c] * inv_std[c] * (dy_dx[at] - sum / rows - xhat * (sum_xhat / rows)));
    }
}
