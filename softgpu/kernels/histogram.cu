// How often each of the 256 byte values occurs. Several threads may meet in one bin, so the
// additions are atomic. `bins` holds 256 counts, zero before the launch.
// Launch, both: any number of blocks of 256 threads.

constexpr int BINS = 256;

// Every element is an atomic addition in global memory.
extern "C" __global__ void histogram_global(const unsigned char* __restrict__ bytes, unsigned* __restrict__ bins, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        atomicAdd(&bins[bytes[i]], 1u);
    }
}

// A block counts in shared memory and adds its 256 counts to global memory once, at the end.
extern "C" __global__ void histogram_shared(const unsigned char* __restrict__ bytes, unsigned* __restrict__ bins, int n) {
    __shared__ unsigned own[BINS];
    own[threadIdx.x] = 0;
    __syncthreads();
    for (int i = blockIdx.x * BINS + threadIdx.x; i < n; i += gridDim.x * BINS) atomicAdd(&own[bytes[i]], 1u);
    __syncthreads();
    atomicAdd(&bins[threadIdx.x], own[threadIdx.x]);
}
