// Wrong addresses, one plausible mistake per kernel. Each is launched as the comment says; n is the
// number of elements that the buffers hold.

// No `if (i < n)`: the last block writes past the end. Launch: more threads than n.
extern "C" __global__ void write_past_end(float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = i;
}

// The last element has no right neighbour.
extern "C" __global__ void read_past_end(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i + 1] - x[i];
}

// The first element has no left neighbour.
extern "C" __global__ void read_before_start(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] - x[i - 1];
}

// Shifts by one to the left, and element 0 falls out in front.
extern "C" __global__ void write_before_start(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i - 1] = x[i];
}

// `<=` where `<` was meant. One thread is enough to be found.
extern "C" __global__ void off_by_one_guard(float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) y[i] = 0;
}

// The last float4 of a row is only partly inside when n is not a multiple of 4.
extern "C" __global__ void vector_tail(const float4* x, float4* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (4 * i < n) y[i] = x[i];
}

// height where width belongs: rows of a wide matrix overlap, rows of a tall one run out of it.
// Launch: block (width, height).
extern "C" __global__ void wrong_pitch(float* y, int width, int height) {
    y[threadIdx.y * height + threadIdx.x] = 1;
}

// 32-bit arithmetic overflows before it is widened: row · pitch wraps to a negative
// offset. Launch: row · pitch between 2³¹ and 2³².
extern "C" __global__ void index_overflow(const float* x, float* y, int row, int pitch) {
    int i = row * pitch + (int)threadIdx.x;
    y[threadIdx.x] = x[i];
}

// Nobody allocated the buffer. Launch: x is a null pointer.
extern "C" __global__ void null_pointer(const float* x, float* y) {
    y[threadIdx.x] = x[threadIdx.x];
}

// x + 1 is no float4. Launch: one block, x and y hold 4 · threads + 4 floats.
extern "C" __global__ void misaligned_float4_load(const float* x, float* y) {
    float4 v = *reinterpret_cast<const float4*>(x + 1 + 4 * threadIdx.x);
    y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

// A 4-byte number after a 1-byte tag, not padded.
extern "C" __global__ void misaligned_store(unsigned char* packet) {
    packet[5 * threadIdx.x] = 1;
    *reinterpret_cast<int*>(packet + 5 * threadIdx.x + 1) = threadIdx.x;
}

// A double in a 4-byte aligned record.
extern "C" __global__ void misaligned_double(const float* records, double* y) {
    y[threadIdx.x] = *reinterpret_cast<const double*>(records + 3 * threadIdx.x + 1);
}

// The counter lies at byte 2 of a header.
extern "C" __global__ void misaligned_atomic(unsigned char* header) {
    atomicAdd(reinterpret_cast<unsigned*>(header + 2), 1u);
}

// Launched with x freed by the host.
extern "C" __global__ void read_freed(const float* x, float* y) {
    y[threadIdx.x] = x[threadIdx.x];
}

// Launched with y freed by the host.
extern "C" __global__ void write_freed(float* y) {
    y[threadIdx.x] = 1;
}

// The tile has one element per thread, and the last thread reads its right neighbour. Block: 256.
extern "C" __global__ void shared_past_end(const float* x, float* y) {
    __shared__ float tile[256];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x + 1] - tile[threadIdx.x];
}

// A rim of one cell on the left that the tile does not have.
extern "C" __global__ void shared_before_start(const float* x, float* y) {
    __shared__ float tile[256];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x] - tile[(int)threadIdx.x - 1];
}

// Launched with fewer bytes of dynamic shared memory than there are threads · 4.
extern "C" __global__ void dynamic_shared_too_small(const float* x, float* y) {
    extern __shared__ float dynamic[];
    dynamic[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = dynamic[blockDim.x - 1 - threadIdx.x];
}

// A histogram of 16 bins whose keys reach 16. Launch: keys hold 0 … 16.
extern "C" __global__ void shared_atomic_past_end(const int* keys, int* bins) {
    __shared__ int own[16];
    if (threadIdx.x < 16) own[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(&own[keys[threadIdx.x]], 1);
    __syncthreads();
    if (threadIdx.x < 16) bins[threadIdx.x] = own[threadIdx.x];
}

// A per-thread window of 8 values, read at an offset that the host gives. Launch: offset = 8.
extern "C" __global__ void local_past_end(const int* x, int* y, int offset) {
    int window[8];
    for (int i = 0; i < 8; ++i) window[x[i] & 7] = i;
    y[threadIdx.x] = window[offset];
}

// Launch: offset = −1.
extern "C" __global__ void local_before_start(const int* x, int* y, int offset) {
    int window[8];
    for (int i = 0; i < 8; ++i) window[x[i] & 7] = i;
    y[threadIdx.x] = window[offset];
}

// Leaves the address of a variable of its own behind …
extern "C" __global__ void leave_local_address(int** slot, int value) {
    int own[4];
    for (int i = 0; i < 4; ++i) own[(i + value) & 3] = i;
    *slot = own;
    asm volatile("" ::: "memory");
    (*slot)[value & 3] = 5;
}

// … and the next launch, which has no such variable, follows it.
extern "C" __global__ void follow_local_address(int** slot, int* y) {
    *y = **slot;
}

__constant__ float coefficients[4] = {1, 2, 3, 4};

// Casts the const away. `which` keeps the compiler from knowing the address space.
extern "C" __global__ void write_to_constant(float* y, int which) {
    float* target = which ? y : const_cast<float*>(coefficients);
    target[threadIdx.x] = 0;
}

// Reads one coefficient more than there are. Launch: one block of 5.
extern "C" __global__ void constant_past_end(float* y) {
    y[threadIdx.x] = coefficients[threadIdx.x];
}

// Two variables of shared memory: on hardware the end of the first is often the start of the second,
// and the fault shows as a wrong number far away. Launch: one block of 64.
extern "C" __global__ void into_the_next_variable(const float* x, float* y) {
    __shared__ float first[64], second[64];
    second[threadIdx.x] = x[threadIdx.x];
    first[threadIdx.x + 1] = x[threadIdx.x];
    if (threadIdx.x == 0) first[0] = 0;
    __syncthreads();
    y[threadIdx.x] = first[threadIdx.x] + second[63 - threadIdx.x];
}

// Writes behind its own array. Launch: offset = 8.
extern "C" __global__ void local_write_past_end(const int* x, int* y, int offset) {
    int window[8];
    for (int i = 0; i < 8; ++i) window[x[i] & 7] = i;
    window[offset] = 3;
    y[threadIdx.x] = window[x[threadIdx.x & 7]];
}

// Pairs of a tile of floats read as float2, the first at an odd place. Launch: one block of 32; x holds 66.
extern "C" __global__ void misaligned_in_shared(const float* x, float* y) {
    __shared__ float tile[66];
    tile[threadIdx.x] = x[threadIdx.x];
    tile[threadIdx.x + 32] = x[threadIdx.x + 32];
    if (threadIdx.x < 2) tile[threadIdx.x + 64] = x[threadIdx.x + 64];
    __syncthreads();
    float2 pair = *reinterpret_cast<const float2*>(&tile[2 * threadIdx.x + 1]);
    y[threadIdx.x] = pair.x + pair.y;
}

// A counter of 4 bytes at byte 2 of a record in shared memory. Launch: one block of 32.
extern "C" __global__ void misaligned_shared_atomic(int* y) {
    __shared__ __align__(4) unsigned char record[8];
    if (threadIdx.x < 8) record[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(reinterpret_cast<int*>(record + 2), 1);
    __syncthreads();
    y[threadIdx.x] = record[2];
}

// The compiler does not know which memory `from` points to; it is the tile, and its end is crossed.
// Launch: one block of 32, which = 1.
extern "C" __global__ void generic_past_end(const int* x, int* y, int which) {
    __shared__ int tile[32];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    const int* from = which ? tile : x;
    y[threadIdx.x] = from[threadIdx.x + 1];
}

// A buffer whose bytes are no multiple of 4, read by words. Launch: one block of 32; x holds 125 bytes.
extern "C" __global__ void half_a_word_at_the_end(const unsigned* x, unsigned* y) {
    y[threadIdx.x] = x[threadIdx.x];
}
