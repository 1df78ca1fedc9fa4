// y ← a·x + y. The smallest useful kernel: one thread per element, one fused multiply-add each.
//
// Launch: ⌈n / block⌉ blocks of any size; x and y hold n floats.
extern "C" __global__ void saxpy(const float* __restrict__ x, float* __restrict__ y, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

// The same with any number of threads: each takes every (threads in the grid)-th element, so
// neighbouring lanes still touch neighbouring addresses.
extern "C" __global__ void saxpy_grid_stride(const float* __restrict__ x, float* __restrict__ y, float a, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        y[i] = a * x[i] + y[i];
    }
}

// What not to do: neighbouring lanes 32 floats apart, so every lane of a request moves a 32-byte
// sector of its own and uses 4 bytes of it.
//
// Launch: threads for ⌈n / 32⌉ · 32 elements. Lane l of warp w takes element l · ⌈n / 32⌉ + w.
extern "C" __global__ void saxpy_uncoalesced(const float* __restrict__ x, float* __restrict__ y, float a, int n) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int per_lane = (n + 31) / 32;
    int i = thread % 32 * per_lane + thread / 32;
    if (thread / 32 < per_lane && i < n) y[i] = a * x[i] + y[i];
}
