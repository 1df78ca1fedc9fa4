// Kernels that do not end as they should.
#include <cassert>

// Waits for a flag that nobody sets. Launch: flag zeroed.
extern "C" __global__ void wait_for_ever(volatile int* flag) {
    while (*flag == 0) {
    }
}

// The step of a halving loop rounds to zero and stays there. Launch: start = 5.
extern "C" __global__ void loop_without_progress(volatile int* y, int start) {
    for (int i = start; i >= 0; i /= 2) *y = i;
}

// A lock that is never given back. Launch: two warps at least, lock zeroed.
extern "C" __global__ void lock_not_released(int* lock, volatile int* y) {
    if (threadIdx.x % 32) return;
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    *y = 1;
}

// Launch: values hold one that is negative.
extern "C" __global__ void assertion(const int* values, int* y) {
    assert(values[threadIdx.x] >= 0);
    y[threadIdx.x] = values[threadIdx.x];
}

// Launch: values hold one that is 3.
extern "C" __global__ void trap_on_impossible_value(const int* values, int* y) {
    switch (values[threadIdx.x]) {
        case 0: y[threadIdx.x] = 10; break;
        case 1: y[threadIdx.x] = 20; break;
        case 2: y[threadIdx.x] = 30; break;
        default: __trap();
    }
}
