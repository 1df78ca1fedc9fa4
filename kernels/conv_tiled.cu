// Convolution, rung 2: implicit matrix products on f32 tiles in shared memory (tile.cuh).
//
// The three passes of a convolution are matrix products whose left side is never stored, only gathered:
//
//   forward          Y[m, o]      = Σ_k X[m, k]·W[k, o]     m = (n,i,j), k = (tap, c): what the taps read
//   data gradient    dX[m, c]     = Σ_k dY[m, k]·W[k, c]    for each phase, see below; k = (tap, o)
//   weight gradient  dW[(tap,c), o] = Σ_m X[m, (tap,c)]·dY[m, o]
//
// *Phases.* With stride s, pixel h of x meets only the taps k ≡ h + p (mod s). Pixels of one remainder are a
// phase: within it the data gradient is a plain stride-1 gather over ⌈k/s⌉ taps, without a single multiply by
// a structural zero. A transposed convolution's forward pass is this same pass. blockIdx.z is the phase.
//
// *Split sums.* A weight gradient is a small matrix and a long sum (n·y.h·y.w). blockIdx.z takes a part of
// the sum each and writes its own partial result; reduce_weights adds the parts in order. How many parts there
// are depends on the shape alone, so the bits do not depend on the card.
//
// Launch: blockIdx.x counts tiles of rows, blockIdx.y tiles of columns. Which tile a layer gets is decided in
// src/backend/cuda/conv.rs. Tiles read float4s and need channel counts that are multiples of four; `_any` takes
// every shape, one number at a time.
#include "tile.cuh"

using Wide = Tile<128, 128, 8, 8, 8>;   // 256 threads: many rows, many columns
using Tall = Tile<128, 64, 8, 8, 4>;    // 256 threads: 64 columns
using Square = Tile<64, 64, 16, 4, 4>;  // 256 threads: where Wide would leave multiprocessors idle
using Narrow = Tile<256, 4, 8, 4, 4>;   // 64 threads: a result of up to four channels

// ---- loaders ------------------------------------------------------------------------------------------

// V neighbouring numbers, or zeros where there are none.
template <int V>
__device__ __forceinline__ void read(float (&to)[V], const float* from, bool inside) {
#pragma unroll
    for (int i = 0; i < V; ++i) to[i] = 0.0f;
    if (inside) load(to, from);
}

// How a block's threads share a slice [BK][SIDE] that lies in global memory with k innermost: V neighbouring
// k's a thread, the same for all of its loads; the loads are STEP rows apart.
template <class T, int SIDE, int V>
struct AlongK {
    static constexpr int ACROSS = T::BK / V, TOTAL = SIDE * ACROSS;
    static constexpr int LOADS = (TOTAL + T::THREADS - 1) / T::THREADS, STEP = T::THREADS / ACROSS;
    static_assert(T::THREADS % ACROSS == 0, "a thread keeps its k");
    static __device__ __forceinline__ int k() { return int(threadIdx.x) % ACROSS * V; }
    static __device__ __forceinline__ int row(int load) { return int(threadIdx.x) / ACROSS + load * STEP; }
    static __device__ __forceinline__ bool takes_part(int load) {
        return TOTAL % T::THREADS == 0 || row(load) < SIDE;
    }
    // Into shared memory with k outermost: V rows, one number each.
    template <int ROW>
    static __device__ __forceinline__ void store(float (&slice)[T::BK][ROW], const float (&v)[LOADS][V]) {
#pragma unroll
        for (int load = 0; load < LOADS; ++load)
            if (takes_part(load))
#pragma unroll
                for (int i = 0; i < V; ++i) slice[k() + i][row(load)] = v[load][i];
    }
};

// The same for a slice that lies in global memory as it will in shared memory, k outermost.
template <class T, int SIDE, int V>
struct AcrossK {
    static constexpr int ACROSS = SIDE / V, TOTAL = T::BK * ACROSS;
    static constexpr int LOADS = (TOTAL + T::THREADS - 1) / T::THREADS, STEP = T::THREADS / ACROSS;
    static_assert(T::THREADS % ACROSS == 0, "a thread keeps its column");
    static __device__ __forceinline__ int column() { return int(threadIdx.x) % ACROSS * V; }
    static __device__ __forceinline__ int k(int load) { return int(threadIdx.x) / ACROSS + load * STEP; }
    static __device__ __forceinline__ bool takes_part(int load) {
        return TOTAL % T::THREADS == 0 || k(load) < T::BK;
    }
    template <int ROW>
    static __device__ __forceinline__ void store(float (&slice)[T::BK][ROW], const float (&v)[LOADS][V]) {
#pragma unroll
        for (int load = 0; load < LOADS; ++load)
            if (takes_part(load)) ::store(&slice[k(load)][column()], v[load]);
    }
};

// Walks k = (tap row, tap column, channel), the channel innermost, without dividing.
struct TapWalk {
    int down = 0, right = 0, channel;
    __device__ __forceinline__ explicit TapWalk(int k) : channel(k) {}
    __device__ __forceinline__ void settle(int channels, int width) {
        while (channel >= channels) {
            channel -= channels;
            if (++right == width) right = 0, ++down;
        }
    }
};

// What the gather passes know about their side of the product: an image and the taps over it. The forward
// pass steps down the image with the tap, the data gradient up.
struct Gathered {
    const float* image;  // [n][h][w][channels]
    int h, w, channels;
    int taps_h, taps_w, direction;
};

// The gathered matrix [m, (tap, c)]. `corner(m, image, top, left)` gives where tap (0, 0) of row m lies.
template <class T, int V>
struct GatherRows {
    using Share = AlongK<T, T::BM, V>;
    Gathered from;
    TapWalk walk{Share::k()};
    int base[Share::LOADS], top[Share::LOADS], left[Share::LOADS];
    float v[Share::LOADS][V];

    template <class Corner>
    __device__ __forceinline__ GatherRows(Gathered from, int rows, Corner corner) : from(from) {
        const int first = blockIdx.x * T::BM;
#pragma unroll
        for (int load = 0; load < Share::LOADS; ++load) {
            const int m = first + Share::row(load);
            // Far outside every image, whatever the tap.
            base[load] = 0, top[load] = -(1 << 30), left[load] = 0;
            if (m < rows) corner(m, base[load], top[load], left[load]);
        }
        walk.settle(from.channels, from.taps_w);
    }
    __device__ __forceinline__ void load() {
        const int down = walk.down * from.direction, right = walk.right * from.direction;
#pragma unroll
        for (int load = 0; load < Share::LOADS; ++load) {
            const int h = top[load] + down, w = left[load] + right;
            const bool inside =
                unsigned(h) < unsigned(from.h) && unsigned(w) < unsigned(from.w) && walk.down < from.taps_h;
            read(v[load], from.image + ((base[load] + h) * from.w + w) * from.channels + walk.channel,
                 inside);
        }
    }
    __device__ __forceinline__ void advance() {
        walk.channel += T::BK;
        walk.settle(from.channels, from.taps_w);
    }
    __device__ __forceinline__ void store(float (&slice)[T::BK][T::ROW_A]) { Share::store(slice, v); }
};

// A stored matrix [k, columns] as it lies, from row `begin` to row `end`.
template <class T, int V>
struct MatrixRows {
    using Share = AcrossK<T, T::BN, V>;
    const float* matrix;
    int at, columns;
    int limit;  // where the rows end; 0 for a thread whose columns are outside
    float v[Share::LOADS][V];

    __device__ __forceinline__ MatrixRows(const float* matrix, int begin, int end, int columns)
        : matrix(matrix), columns(columns) {
        const int column = blockIdx.y * T::BN + Share::column();
        at = (begin + Share::k(0)) * columns + column;
        limit = column < columns ? end * columns : 0;
    }
    __device__ __forceinline__ void load() {
#pragma unroll
        for (int load = 0; load < Share::LOADS; ++load) {
            const int here = at + load * Share::STEP * columns;
            read(v[load], matrix + here, here < limit && Share::takes_part(load));
        }
    }
    __device__ __forceinline__ void advance() { at += T::BK * columns; }
    __device__ __forceinline__ void store(float (&slice)[T::BK][T::ROW_B]) { Share::store(slice, v); }
};

// The filter of one phase as the matrix [(tap, o), c]: tap (u, v) of the phase is tap
// (first_h + u·s, first_w + v·s) of the filter, whose rows [c][o] are read along o. A thread's k is the
// gathered matrix's, and so is its walk.
template <class T, int V>
struct PhaseFilter {
    using Share = AlongK<T, T::BN, V>;
    const float* w;
    const ConvGeometry& g;
    int first_h, first_w, taps_h;
    const TapWalk& walk;
    float v[Share::LOADS][V];

    __device__ __forceinline__ PhaseFilter(const float* w, const ConvGeometry& g, int first_h, int first_w,
                                           int taps_h, const TapWalk& walk)
        : w(w), g(g), first_h(first_h), first_w(first_w), taps_h(taps_h), walk(walk) {}
    __device__ __forceinline__ void load() {
        const int down = first_h + walk.down * int(g.stride[0]);
        const int tap = down * int(g.kernel[1]) + first_w + walk.right * int(g.stride[1]);
#pragma unroll
        for (int load = 0; load < Share::LOADS; ++load) {
            const int c = blockIdx.y * T::BN + Share::row(load);
            read(v[load], w + (tap * int(g.x.c) + c) * int(g.y.c) + walk.channel,
                 c < int(g.x.c) && walk.down < taps_h && Share::takes_part(load));
        }
    }
    __device__ __forceinline__ void advance() {}
    __device__ __forceinline__ void store(float (&slice)[T::BK][T::ROW_B]) { Share::store(slice, v); }
};

// The gathered matrix transposed, [(tap, c), m]: a thread keeps its V channels of one tap and walks over the
// positions m = (n, i, j) from `begin` to `end`.
template <class T, int V>
struct GatherColumns {
    using Share = AcrossK<T, T::BM, V>;
    const float* x;
    const ConvGeometry& g;
    int channel, down, right, m, n, i, j;
    int end;  // 0 for a thread whose tap is outside
    float v[Share::LOADS][V];

    __device__ __forceinline__ GatherColumns(const float* x, const ConvGeometry& g, int begin, int end)
        : x(x), g(g) {
        const int row = blockIdx.x * T::BM + Share::column(), xc = g.x.c;
        const int tap = row / xc;
        channel = row % xc;
        down = tap / int(g.kernel[1]) - int(g.padding[0]);
        right = tap % int(g.kernel[1]) - int(g.padding[1]);
        this->end = tap < int(g.kernel[0] * g.kernel[1]) ? end : 0;
        m = begin + Share::k(0);
        n = m / int(g.y.h * g.y.w), i = m / int(g.y.w) % int(g.y.h), j = m % int(g.y.w);
    }
    // Reading and advancing are one: the loads of a slice are STEP positions apart, and so is the next slice's
    // first from this one's last.
    __device__ __forceinline__ void load() {
        static_assert(Share::LOADS * Share::STEP == T::BK, "a slice's loads walk over the slice");
#pragma unroll
        for (int load = 0; load < Share::LOADS; ++load) {
            const int h = i * int(g.stride[0]) + down, w = j * int(g.stride[1]) + right;
            const bool inside = m < end && unsigned(h) < g.x.h && unsigned(w) < g.x.w;
            read(v[load], x + ((n * int(g.x.h) + h) * int(g.x.w) + w) * int(g.x.c) + channel, inside);
            m += Share::STEP;
            j += Share::STEP;
            while (j >= int(g.y.w)) {
                j -= g.y.w;
                if (++i == int(g.y.h)) i = 0, ++n;
            }
        }
    }
    __device__ __forceinline__ void advance() {}
    __device__ __forceinline__ void store(float (&slice)[T::BK][T::ROW_A]) { Share::store(slice, v); }
};

// ---- the passes ---------------------------------------------------------------------------------------

template <class T, int V>
__device__ __forceinline__ void forward(float* y, const float* x, const float* w, const ConvGeometry& g) {
    const int rows = g.y.n * g.y.h * g.y.w, yc = g.y.c;
    const int depth = g.kernel[0] * g.kernel[1] * g.x.c;
    const Gathered from{x, int(g.x.h), int(g.x.w), int(g.x.c), int(g.kernel[0]), int(g.kernel[1]), 1};
    GatherRows<T, V> a(from, rows, [&](int m, int& base, int& top, int& left) {
        base = m / int(g.y.h * g.y.w) * int(g.x.h);
        top = m / int(g.y.w) % int(g.y.h) * int(g.stride[0]) - int(g.padding[0]);
        left = m % int(g.y.w) * int(g.stride[1]) - int(g.padding[1]);
    });
    MatrixRows<T, V> b(w, 0, depth, yc);
    float sums[T::TM][T::TN] = {};
    multiply<T>(sums, a, b, (depth + T::BK - 1) / T::BK);
    const int column = blockIdx.y * T::BN;
#pragma unroll
    for (int i = 0; i < T::TM; ++i) {
        const int m = blockIdx.x * T::BM + T::row(i);
        if (m < rows) write_row<T>(y + m * yc + column, sums[i], yc - column, V == 4);
    }
}

// One axis of a phase: its pixels are remainder + r·stride, its taps first + t·stride; pixel r meets tap t
// of output position shift + r − t.
struct PhaseAxis {
    int remainder, pixels, first, taps, shift;
    __device__ __forceinline__ PhaseAxis(int remainder, int size, int kernel, int stride, int padding)
        : remainder(remainder) {
        pixels = remainder < size ? (size - remainder + stride - 1) / stride : 0;
        first = (remainder + padding) % stride;
        taps = first < kernel ? (kernel - first + stride - 1) / stride : 0;
        shift = (remainder + padding) / stride;
    }
};

template <class T, int V>
__device__ __forceinline__ void backward_data(float* dx, const float* dy, const float* w,
                                              const ConvGeometry& g) {
    const int phase = blockIdx.z;
    const PhaseAxis down(phase / int(g.stride[1]), g.x.h, g.kernel[0], g.stride[0], g.padding[0]);
    const PhaseAxis right(phase % int(g.stride[1]), g.x.w, g.kernel[1], g.stride[1], g.padding[1]);
    const int rows = g.x.n * down.pixels * right.pixels, xc = g.x.c, yc = g.y.c;
    if (int(blockIdx.x * T::BM) >= rows) return;
    const int depth = down.taps * right.taps * yc;
    const Gathered from{dy, int(g.y.h), int(g.y.w), yc, down.taps, right.taps, -1};
    GatherRows<T, V> a(from, rows, [&](int m, int& base, int& top, int& left) {
        base = m / (down.pixels * right.pixels) * int(g.y.h);
        top = m / right.pixels % down.pixels + down.shift;
        left = m % right.pixels + right.shift;
    });
    PhaseFilter<T, V> b(w, g, down.first, right.first, down.taps, a.walk);
    float sums[T::TM][T::TN] = {};
    multiply<T>(sums, a, b, (depth + T::BK - 1) / T::BK);
    const int column = blockIdx.y * T::BN;
#pragma unroll
    for (int i = 0; i < T::TM; ++i) {
        const int m = blockIdx.x * T::BM + T::row(i);
        if (m >= rows) continue;
        const int n = m / (down.pixels * right.pixels);
        const int h = down.remainder + m / right.pixels % down.pixels * int(g.stride[0]);
        const int v = right.remainder + m % right.pixels * int(g.stride[1]);
        const int pixel = (n * int(g.x.h) + h) * int(g.x.w) + v;
        write_row<T>(dx + pixel * xc + column, sums[i], xc - column, xc % 4 == 0);
    }
}

// partial[blockIdx.z] = the part of the sum over the positions from z·part to (z + 1)·part.
template <class T, int V>
__device__ __forceinline__ void backward_weights(float* partial, const float* x, const float* dy,
                                                 const ConvGeometry& g, int part) {
    const int positions = g.y.n * g.y.h * g.y.w, yc = g.y.c;
    const int rows = g.kernel[0] * g.kernel[1] * g.x.c;
    const int begin = blockIdx.z * part, end = min_of(begin + part, positions);
    GatherColumns<T, V> a(x, g, begin, end);
    MatrixRows<T, V> b(dy, begin, end, yc);
    float sums[T::TM][T::TN] = {};
    multiply<T>(sums, a, b, (end - begin + T::BK - 1) / T::BK);
    const int column = blockIdx.y * T::BN;
    float* to = partial + blockIdx.z * rows * yc;
#pragma unroll
    for (int i = 0; i < T::TM; ++i) {
        const int row = blockIdx.x * T::BM + T::row(i);
        if (row < rows) write_row<T>(to + row * yc + column, sums[i], yc - column, V == 4);
    }
}

#define FORWARD(NAME, T, V)                                                              \
    extern "C" __global__ void __launch_bounds__(T::THREADS, 2)                          \
        NAME(float* y, const float* x, const float* w, ConvGeometry g) {                 \
        forward<T, V>(y, x, w, g);                                                       \
    }
#define BACKWARD_DATA(NAME, T, V)                                                        \
    extern "C" __global__ void __launch_bounds__(T::THREADS, 2)                          \
        NAME(float* dx, const float* dy, const float* w, ConvGeometry g) {               \
        backward_data<T, V>(dx, dy, w, g);                                               \
    }
#define BACKWARD_WEIGHTS(NAME, T, V)                                                     \
    extern "C" __global__ void __launch_bounds__(T::THREADS, 2)                          \
        NAME(float* partial, const float* x, const float* dy, ConvGeometry g, int part) { \
        backward_weights<T, V>(partial, x, dy, g, part);                                 \
    }

FORWARD(conv_forward_wide, Wide, 4)
FORWARD(conv_forward_tall, Tall, 4)
FORWARD(conv_forward_square, Square, 4)
FORWARD(conv_forward_any, Square, 1)
BACKWARD_DATA(conv_backward_data_wide, Wide, 4)
BACKWARD_DATA(conv_backward_data_tall, Tall, 4)
BACKWARD_DATA(conv_backward_data_square, Square, 4)
BACKWARD_DATA(conv_backward_data_narrow, Narrow, 4)
BACKWARD_DATA(conv_backward_data_any, Square, 1)
BACKWARD_WEIGHTS(conv_backward_weights_wide, Wide, 4)
BACKWARD_WEIGHTS(conv_backward_weights_tall, Tall, 4)
BACKWARD_WEIGHTS(conv_backward_weights_square, Square, 4)
BACKWARD_WEIGHTS(conv_backward_weights_any, Square, 1)

// dw += the partial sums, in order. Launch: 256 threads a block, one number a thread.
extern "C" __global__ void conv_reduce_weights(float* dw, const float* partial, int len, int parts) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    float sum = 0.0f;
    for (int part = 0; part < parts; ++part) sum += partial[part * len + i];
    dw[i] += sum;
}

// The forward pass to at most four channels, such as the discriminator's last layer: few results, each a sum
// of thousands. A tile would be empty; here a block of 256 threads shares one position's sum.
//
// Launch: blockIdx.x is the position.
constexpr int DOT_THREADS = 256;
extern "C" __global__ void __launch_bounds__(DOT_THREADS)
    conv_forward_dot(float* y, const float* x, const float* w, ConvGeometry g) {
    const int m = blockIdx.x, xc = g.x.c, yc = g.y.c;
    const int base = m / int(g.y.h * g.y.w) * int(g.x.h);
    const int top = m / int(g.y.w) % int(g.y.h) * int(g.stride[0]) - int(g.padding[0]);
    const int left = m % int(g.y.w) * int(g.stride[1]) - int(g.padding[1]);
    float sums[4] = {};
    for (int k = threadIdx.x; k < int(g.kernel[0] * g.kernel[1]) * xc; k += DOT_THREADS) {
        const int tap = k / xc;
        const int h = top + tap / int(g.kernel[1]), v = left + tap % int(g.kernel[1]);
        if (unsigned(h) >= g.x.h || unsigned(v) >= g.x.w) continue;
        const float value = x[((base + h) * int(g.x.w) + v) * xc + k % xc];
#pragma unroll
        for (int o = 0; o < 4; ++o)
            if (o < yc) sums[o] = fmaf(value, w[k * yc + o], sums[o]);
    }
    for (int o = 0; o < 4; ++o) {
        if (o >= yc) break;
        if (o > 0) __syncthreads();
        const float sum = block_sum<DOT_THREADS>(sums[o]);
        if (threadIdx.x == 0) y[m * yc + o] = sum;
    }
}
