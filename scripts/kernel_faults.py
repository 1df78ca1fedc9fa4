"""The faults that scripts/mutate-kernels plants, one at a time.

Each is an exact replacement in a file of kernels/; the old text stands there exactly once. `tests` are those
that should notice first, the quickest ones; `compile` the kernel files that a header's change reaches.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    file: str
    what: str
    old: str
    new: str
    tests: tuple = ()
    compile: tuple = ()


def golden(*names):
    return tuple(("golden", name) for name in names)


def parity(*names):
    return tuple(("parity", name) for name in names)


PLAIN = golden("cuda_plain::conv") + parity("cuda_plain::convolutions")
TILED = golden("cuda_tiled::conv") + parity("cuda_tiled::convolutions")
NORM = parity("cuda_tiled::batch_norm")
PLAIN_NORM = parity("cuda_plain::batch_norm")
FUSED = parity("cuda_tiled::fused_blocks_are_the_unfused_ones")
ACTIVATIONS = parity("cuda_tiled::activations", "cuda_tiled::nan_is_not_hidden")
LOSSES = parity("cuda_tiled::losses", "cuda_tiled::nan_is_not_hidden") + golden("cuda_tiled::bce", "cuda_tiled::bce_with_logits")
OPTIMISER = parity("cuda_tiled::optimiser") + golden("cuda_tiled::adam")
STORAGE = parity("cuda_tiled::storage")
INPUT = parity("cuda_tiled::input")
ATOMICS = (("kernels", "no_float_is_added_atomically"),)


def conv_plain(what, old, new):
    return Fault("conv_plain.cu", what, old, new, PLAIN)


def conv_tiled(what, old, new, tests=TILED):
    return Fault("conv_tiled.cu", what, old, new, tests)


def tile(what, old, new):
    return Fault("tile.cuh", what, old, new, TILED, ("conv_tiled",))


def batch_norm(what, old, new, tests=NORM):
    return Fault("batch_norm.cu", what, old, new, tests)


def loss(what, old, new):
    return Fault("loss.cu", what, old, new, LOSSES)


def common(what, old, new, tests, *files):
    return Fault("common.cuh", what, old, new, tests, files)


CONV_PLAIN = [
    conv_plain(
        "index off by one: the next column is read",
        "j = index / yc % int(g.y.w), i =",
        "j = (index / yc + 1) % int(g.y.w), i =",
    ),
    conv_plain(
        "padding with the wrong sign",
        "\n        const int h = i * int(g.stride[0]) + k - int(g.padding[0]);",
        "\n        const int h = i * int(g.stride[0]) + k + int(g.padding[0]);",
    ),
    conv_plain(
        "write past the end of the result",
        "if (index >= int(g.y.n * g.y.h * g.y.w) * yc) return;",
        "if (index > int(g.y.n * g.y.h * g.y.w) * yc) return;",
    ),
    conv_plain("last input channel left out", "for (int c = 0; c < xc; ++c)", "for (int c = 0; c < xc - 1; ++c)"),
    conv_plain(
        "stride ignored: positions between the taps are taken",
        "if (down < 0 || down % int(g.stride[0]) != 0 || i >= yh) continue;",
        "if (down < 0 || i >= yh) continue;",
    ),
    conv_plain(
        "filter read transposed",
        "w + ((k * int(g.kernel[1]) + l) * xc + c) * yc;",
        "w + ((l * int(g.kernel[0]) + k) * xc + c) * yc;",
    ),
    conv_plain(
        "last image of the batch unread",
        "for (int n = 0; n < int(g.y.n); ++n)",
        "for (int n = 0; n + 1 < int(g.y.n); ++n)",
    ),
    conv_plain("gradient overwritten, not added to", "dw[index] += sum;", "dw[index] = sum;"),
]

CONV_TILED = [
    conv_tiled(
        "unread batch items: every row gathers from the first image",
        "\n        base = m / int(g.y.h * g.y.w) * int(g.x.h);",
        "\n        base = 0;",
    ),
    conv_tiled(
        "filter's height and width swapped",
        "int(g.kernel[0]), int(g.kernel[1]), 1};",
        "int(g.kernel[1]), int(g.kernel[0]), 1};",
    ),
    conv_tiled(
        "read past the end of the matrix",
        "here < limit && Share::takes_part(load)",
        "here <= limit && Share::takes_part(load)",
    ),
    conv_tiled(
        "uninitialised shared memory: the last of V numbers is not stored",
        "for (int i = 0; i < V; ++i) slice[k() + i]",
        "for (int i = 0; i < V - 1; ++i) slice[k() + i]",
    ),
    conv_tiled(
        "wrong phase shift",
        "shift = (remainder + padding) / stride;",
        "shift = remainder / stride + padding / stride;",
    ),
    conv_tiled(
        "first tap of a phase without the padding",
        "first = (remainder + padding) % stride;",
        "first = remainder % stride;",
    ),
    conv_tiled(
        "last tap of a phase dropped",
        "(kernel - first + stride - 1) / stride : 0;",
        "(kernel - first) / stride : 0;",
    ),
    conv_tiled(
        "last pixel of a phase dropped",
        "(size - remainder + stride - 1) / stride : 0;",
        "(size - remainder) / stride : 0;",
    ),
    conv_tiled("data gradient walks down the taps", "down.taps, right.taps, -1};", "down.taps, right.taps, 1};"),
    conv_tiled(
        "wrong stride of a phase's pixels",
        "m / right.pixels % down.pixels * int(g.stride[0]);",
        "m / right.pixels % down.pixels;",
    ),
    conv_tiled("float4s stored where they are not aligned", "xc - column, xc % 4 == 0);", "xc - column, true);"),
    conv_tiled("wrong stride over the positions", "            j += Share::STEP;", "            j += 1;"),
    conv_tiled("walk stays in the first image", "i = 0, ++n;", "i = 0;"),
    conv_tiled(
        "a part of the sum is not cut at its end",
        "end = min_of(begin + part, positions);",
        "end = begin + part;",
    ),
    conv_tiled(
        "race of blocks: parts without their offset",
        "float* to = partial + blockIdx.z * rows * yc;",
        "float* to = partial;",
    ),
    conv_tiled("write below the tile's last row", "if (row < rows) write_row", "if (row <= rows) write_row"),
    conv_tiled("last partial sum left out", "part < parts; ++part", "part < parts - 1; ++part"),
    conv_tiled("gradient overwritten, not added to", "    dw[i] += sum;", "    dw[i] = sum;"),
    conv_tiled("a float atomic", "    dw[i] += sum;", "    atomicAdd(dw + i, sum);", ATOMICS),
    conv_tiled(
        "dropped tail of a dot product",
        "k < int(g.kernel[0] * g.kernel[1]) * xc; k += DOT_THREADS",
        "k < int(g.kernel[0] * g.kernel[1]) * xc / DOT_THREADS * DOT_THREADS; k += DOT_THREADS",
    ),
    conv_tiled("no barrier before a second block_sum", "if (o > 0) __syncthreads();", ""),
    conv_tiled(
        "half the columns of a wide tile, forward",
        "FORWARD(conv_forward_wide, Wide, 4)",
        "FORWARD(conv_forward_wide, Tall, 4)",
    ),
    conv_tiled(
        "half the rows of a tall tile, forward",
        "FORWARD(conv_forward_tall, Tall, 4)",
        "FORWARD(conv_forward_tall, Square, 4)",
    ),
    conv_tiled(
        "half the columns of a wide tile, data gradient",
        "BACKWARD_DATA(conv_backward_data_wide, Wide, 4)",
        "BACKWARD_DATA(conv_backward_data_wide, Tall, 4)",
    ),
    conv_tiled(
        "half the rows of a tall tile, data gradient",
        "BACKWARD_DATA(conv_backward_data_tall, Tall, 4)",
        "BACKWARD_DATA(conv_backward_data_tall, Square, 4)",
    ),
]

TILE = [
    tile("no barrier before the first slice", "    b.store(shared_b[0]);\n    __syncthreads();", "    b.store(shared_b[0]);"),
    tile("no barrier between slices", "        __syncthreads();\n    }\n}", "    }\n}"),
    tile("double buffer not flipped", "a.store(shared_a[1 - here]);", "a.store(shared_a[here]);"),
    tile("last slice not loaded", "const bool more = slice + 1 < slices;", "const bool more = slice + 2 < slices;"),
    tile("last step of a slice dropped", "k < T::BK; ++k", "k < T::BK - 1; ++k"),
    tile("groups of rows too close", "i / 4 * (BM / (TM / 4)) + i % 4", "i / 4 * 4 + i % 4"),
    tile("write behind the last column", "if (column + i < width)", "if (column + i <= width)"),
]

BATCH_NORM = [
    batch_norm(
        "no barrier before the rows are joined",
        "__syncthreads();\n    if (threadIdx.y > 0 || c >= channels) return;\n#pragma unroll\n    for (int y = 1",
        "if (threadIdx.y > 0 || c >= channels) return;\n#pragma unroll\n    for (int y = 1",
    ),
    batch_norm("last row of threads left out", "for (int y = 1; y < ROWS; ++y)", "for (int y = 1; y < ROWS - 1; ++y)"),
    batch_norm("variance between two sets left out", "a.m2 + b.m2 + delta * delta * a.n * share", "a.m2 + b.m2"),
    batch_norm(
        "a short last chunk weighs as much as the others",
        "sum += double(partials[i * channels + c].x) * min_of(chunk, rows - i * chunk);",
        "sum += double(partials[i * channels + c].x) * chunk;",
    ),
    batch_norm("running variance biased", "momentum * (m2 / (rows - 1))", "momentum * (m2 / rows)"),
    batch_norm("eps left out", "1.0 / sqrt(m2 / rows + eps)", "1.0 / sqrt(m2 / rows)"),
    batch_norm(
        "momentum and its rest swapped",
        "float((1.0 - momentum) * running_var[c] + momentum * (m2",
        "float(momentum * running_var[c] + (1.0 - momentum) * (m2",
    ),
    batch_norm("eps left out in evaluation", "1.0 / sqrt(running_var[c] + eps)", "1.0 / sqrt(double(running_var[c]))"),
    batch_norm(
        "last chunk of the gradients left out",
        "i < chunks; i += WARP) {\n        const Projections part",
        "i < chunks - 1; i += WARP) {\n        const Projections part",
    ),
    batch_norm("swapped gradients: dgamma is dbeta", "dgamma[c] += float(dz_xhat);", "dgamma[c] += float(dz);"),
    batch_norm("gradient overwritten, not added to", "dbeta[c] += float(dz);", "dbeta[c] = float(dz);"),
    batch_norm("gradient's mean not taken off", "float(offset), float(slope)", "0.0f, float(slope)"),
    batch_norm(
        "running mean taken for the batch's",
        "exact ? 0.0 : warp_sum(deviation) / rows",
        "warp_sum(deviation) / rows",
    ),
    batch_norm(
        "activation's gradient left out of the sums",
        "const float dz = activation_gradient(f, dy[at], f.kind == 0 ? 0.0f : y[at]);",
        "const float dz = dy[at];",
        FUSED,
    ),
    batch_norm("variance unbiased where it should not be", "sqrt(squares / rows + eps)", "sqrt(squares / (rows - 1) + eps)", PLAIN_NORM),
    batch_norm("wrong sign of the projection", "sum / rows - xhat", "sum / rows + xhat", PLAIN_NORM),
]

ACTIVATION = [
    Fault("activation.cu", "block offset forgotten", "int(blockIdx.x * blockDim.x + threadIdx.x)", "int(threadIdx.x)", ACTIVATIONS),
    Fault("activation.cu", "dropped tail", "i < len; ++i) x_y[i]", "i < len - 1; ++i) x_y[i]", ACTIVATIONS),
    Fault(
        "activation.cu",
        "float4 across the end",
        "x_y, int len, Activation f) {\n    each(len, [=](int i) {\n        if (i + 4 <= len)",
        "x_y, int len, Activation f) {\n    each(len, [=](int i) {\n        if (i + 3 <= len)",
        ACTIVATIONS,
    ),
    Fault(
        "activation.cu",
        "gradient and output swapped in the tail",
        "activation_gradient(f, dy_dx[i], y[i])",
        "activation_gradient(f, y[i], dy_dx[i])",
        ACTIVATIONS,
    ),
]

COMMON = [
    common("slope ignored", "x > 0.0f ? x : f.slope * x", "x > 0.0f ? x : 0.0f", ACTIVATIONS, "activation", "batch_norm"),
    common("slope ignored in the gradient", "y > 0.0f ? dy : f.slope * dy", "dy", ACTIVATIONS, "activation", "batch_norm"),
    common("NaN hidden by ReLU", "return x <= 0.0f ? 0.0f : x;", "return fmaxf(x, 0.0f);", ACTIVATIONS, "activation", "batch_norm"),
    common("tanh's gradient without the square", "dy * (1.0f - y * y)", "dy * (1.0f - y)", ACTIVATIONS, "activation", "batch_norm"),
    common("sigmoid of negative numbers", "(x < 0.0f ? e : 1.0f)", "1.0f", ACTIVATIONS, "activation", "loss"),
    common("lanes left out of a warp's sum", "bit > 0; bit /= 2", "bit > 1; bit /= 2", LOSSES, "loss", "batch_norm", "elementwise", "conv_tiled"),
    common("race in block_sum", "sums[warp] = value;\n    __syncthreads();", "sums[warp] = value;", LOSSES, "loss", "conv_tiled"),
    common("lanes without a warp add too", "lane < THREADS / WARP ? sums[lane] : 0.0f", "sums[lane]", LOSSES, "loss", "conv_tiled"),
]

LOSS = [
    loss("gradient of the sum, not of the mean", "gradient[i] = t.gradient / n;", "gradient[i] = t.gradient;"),
    loss("no barrier before a second block_sum", "(loss);\n    __syncthreads();", "(loss);"),
    loss("batch items behind the first 256 unread", "i < n; i += THREADS", "i < min_of(n, THREADS); i += THREADS"),
    loss("logarithm of 0 not bounded", "at_least(logf(p), -100.0f)", "logf(p)"),
    loss("NaN hidden by fmaxf", "return v < floor ? floor : v;", "return fmaxf(v, floor);"),
    loss("target and its rest swapped", "rest * p - target * sigmoid(-z)", "target * p - rest * sigmoid(-z)"),
    loss("digits lost where the sigmoid saturates", "rest * p - target * sigmoid(-z)", "p - target"),
]


def adam(what, old, new, tests=OPTIMISER):
    return Fault("adam.cu", what, old, new, tests)


ADAM = [
    adam("steps counted from 0", "double(*step) + 1.0", "double(*step)"),
    adam("bias correction with the wrong beta", "sqrt(-expm1(t * log_beta2))", "sqrt(-expm1(t * log_beta1))"),
    adam("eps under the correction", "sqrtf(second) / coefficients[1] + eps", "(sqrtf(second) + eps) / coefficients[1]"),
    adam("moment forgotten: not added to", "beta1 * m[i] + rest1 * g", "rest1 * g"),
    adam("write past the end", "if (i >= len) return;\n    const float g", "if (i > len) return;\n    const float g"),
    adam("average's warm-up one step late", "(1.0f + t) / (10.0f + t)", "t / (10.0f + t)"),
    adam("weights of the average do not add up", "warming ? 9.0f / (10.0f + t) : rest", "rest"),
]


def elementwise(what, old, new):
    return Fault("elementwise.cu", what, old, new, STORAGE)


ELEMENTWISE = [
    elementwise("last number not filled", "if (i < len) x[i]", "if (i + 1 < len) x[i]"),
    elementwise("infinity counts as a number", "!isfinite(x[i])", "isnan(x[i])"),
    elementwise("only the first lane's count", "    found = warp_sum(found);\n", ""),
    elementwise("numbers behind the first stride unread", "i < len; i += gridDim.x * blockDim.x", "i < len; i += len"),
]


def entering(what, old, new):
    return Fault("input.cu", what, old, new, INPUT)


ENTERING = [
    entering("scale of bytes off", "/ 255.0f;", "/ 256.0f;"),
    entering("indices of the batch unread", "size_t(indices[blockIdx.y])", "size_t(blockIdx.y)"),
    entering("wrong Philox multiplier", "low0 = 0xD2511F53u", "low0 = 0xD2511F43u"),
    entering("wrong Philox key step", "key.y += 0xBB67AE85u", "key.y += 0xBB67AE84u"),
    entering("a Philox round left out", "round < 10", "round < 9"),
    entering("half the angle", "double(b) * 0x1p-31", "double(b) * 0x1p-32"),
    entering("race of blocks: rows without their offset", "float* row = z + blockIdx.y * len;", "float* row = z;"),
    entering("write past the end of a row", "if (first + i < len) row", "if (first + i <= len) row"),
    entering("high half of the seed unread", "make_uint2(seed_low, seed_high)", "make_uint2(seed_low, 0u)"),
]

FAULTS = CONV_PLAIN + CONV_TILED + TILE + BATCH_NORM + ACTIVATION + COMMON + LOSS + ADAM + ELEMENTWISE + ENTERING
