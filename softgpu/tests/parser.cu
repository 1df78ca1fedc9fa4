// What the language can make nvcc write besides plain kernels; only parsed, never run.
#include <cassert>
#include <cstdio>

__device__ int table[4] = {1, -2, 3, 4};
__device__ int *pointers[3] = {table, table + 2, nullptr};
struct __attribute__((packed)) Packed {
    char letter;
    int *pointer;
    short number;
};
__device__ Packed packed[2] = {{'a', table + 1, 3}, {'b', table, -4}};
__constant__ double constants[2] = {1.5, -2e300};
extern __shared__ float dynamic[];

struct Shape {
    virtual __device__ float area(float x) = 0;
};
struct Line : Shape {
    float slope;
    __device__ float area(float x) override { return slope * x; }
};

__device__ float twice(float x) { return x * 2; }
__device__ float square(float x) { return x * x; }
typedef float (*Function)(float);
__device__ Function functions[2] = {twice, square};

struct Large {
    float values[5];
    char letter;
};
__device__ __noinline__ Large recurse(Large a, int n) {
    if (n > 0) return recurse(a, n - 1);
    a.values[0] += a.letter;
    return a;
}

__device__ __noinline__ int choose(int a, int x) {
    switch (a) {
    case 0: return x + 1;
    case 1: return x * 3;
    case 2: return x ^ 7;
    case 3: return x / 5;
    case 4: return x << 2;
    case 5: return x - 9;
    case 6: return __popc(x);
    default: return 0;
    }
}

__global__ void __launch_bounds__(96, 2) everything(float *out, Shape *shape, Large large, int n) {
    __shared__ __align__(128) short shared[5][7];
    int local[32];
    for (int i = 0; i < 32; i++) local[i] = out[i] > n;
    shared[threadIdx.y][threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[0] = shape->area(out[1]) + functions[n & 1](out[2]) + *pointers[n % 3];
    out[1] = packed[n & 1].number + *packed[n & 1].pointer + constants[n & 1] + dynamic[n];
    out[2] = recurse(large, n).values[n % 5] + choose(n, local[(n * 7) & 31]) + shared[0][n];
    if (n > 3) printf("%d \"%s\"\n", n, "text");
    assert(n < 1000);
    asm volatile("{.reg .pred p; .reg .b32 q<2>; setp.ne.b32 p, %1, 0; @!p bra L1; /* one\n"
                 " two */ mov.b32 %0, 16; L1:}" : "=f"(out[3]) : "r"(n));
    asm volatile("{ .reg .b32 a; // a name of its own\n mov.b32 a, 33;\n mov.b32 %0, a; }" : "=f"(out[4]));
}
