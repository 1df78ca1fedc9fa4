/* Computes in C under a rounding direction: reference OPERATION DIRECTION < operands > results.
 * Operands are three 64-bit words each, results one; floats lie in the low half of a word. */
#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#pragma STDC FENV_ACCESS ON

static float f32(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, 4);
    return x;
}

static double f64(uint64_t bits) {
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

static uint64_t bits32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static uint64_t bits64(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits;
}

#define OF(NAME, EXPRESSION) \
    if (strcmp(argv[1], NAME) == 0) { \
        while (fread(w, 8, 3, stdin) == 3) { \
            volatile float a = f32(w[0]), b = f32(w[1]), c = f32(w[2]); \
            volatile double x = f64(w[0]), y = f64(w[1]), z = f64(w[2]); \
            volatile int64_t i = (int64_t)w[0]; \
            volatile uint64_t u = w[0]; \
            (void)a, (void)b, (void)c, (void)x, (void)y, (void)z, (void)i, (void)u; \
            uint64_t result = EXPRESSION; \
            fwrite(&result, 8, 1, stdout); \
        } \
        return 0; \
    }

int main(int argc, char **argv) {
    uint64_t w[3];
    if (argc != 3) return 2;
    switch (argv[2][1]) {
    case 'n': fesetround(FE_TONEAREST); break;
    case 'z': fesetround(FE_TOWARDZERO); break;
    case 'm': fesetround(FE_DOWNWARD); break;
    case 'p': fesetround(FE_UPWARD); break;
    default: return 2;
    }
    OF("add.f32", bits32(a + b))
    OF("sub.f32", bits32(a - b))
    OF("mul.f32", bits32(a * b))
    OF("div.f32", bits32(a / b))
    OF("fma.f32", bits32(fmaf(a, b, c)))
    OF("rcp.f32", bits32(1.0f / a))
    OF("sqrt.f32", bits32(sqrtf(a)))
    OF("add.f64", bits64(x + y))
    OF("sub.f64", bits64(x - y))
    OF("mul.f64", bits64(x * y))
    OF("div.f64", bits64(x / y))
    OF("fma.f64", bits64(fma(x, y, z)))
    OF("rcp.f64", bits64(1.0 / x))
    OF("sqrt.f64", bits64(sqrt(x)))
    OF("f32.s64", bits32((float)i))
    OF("f32.u64", bits32((float)u))
    OF("f64.s64", bits64((double)i))
    OF("f64.u64", bits64((double)u))
    OF("f32.f64", bits32((float)x))
    OF("rint.f32", bits32(rintf(a)))
    OF("rint.f64", bits64(rint(x)))
    OF("sin", bits64(sinl(x)))
    OF("cos", bits64(cosl(x)))
    OF("lg2", bits64(log2l(x)))
    OF("ex2", bits64(exp2l(x)))
    OF("tanh", bits64(tanhl(x)))
    OF("rsqrt", bits64(1.0L / sqrtl(x)))
    OF("sqrt", bits64(sqrtl(x)))
    OF("rcp", bits64(1.0L / x))
    OF("div", bits64((long double)x / y))
    return 2;
}
