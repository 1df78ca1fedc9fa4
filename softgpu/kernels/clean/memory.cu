// Addresses and lifetimes that look dangerous and are in order.

// An insertion sort in local memory, indexed by data. Launch: one block; 8 keys per thread.
extern "C" __global__ void sort_in_local(const int* x, int* y) {
    int own[8];
    for (int i = 0; i < 8; ++i) {
        int key = x[threadIdx.x * 8 + i], at = i;
        for (; at > 0 && own[at - 1] > key; --at) own[at] = own[at - 1];
        own[at] = key;
    }
    for (int i = 0; i < 8; ++i) y[threadIdx.x * 8 + i] = own[i];
}

// The last element of the buffer, and a pointer one past it that is only compared.
// Launch: one block; x and y hold n floats.
extern "C" __global__ void pointer_past_end(const float* x, float* y, int n) {
    const float* end = x + n;
    for (const float* p = x + threadIdx.x; p != end && p < end; p += blockDim.x) y[p - x] = *p;
}

// A value is written as a float and read as bytes and halves. Launch: one block; words unwritten.
extern "C" __global__ void bytes_of_own_float(float* words, unsigned* y) {
    words[threadIdx.x] = threadIdx.x + 0.5f;
    const unsigned char* bytes = reinterpret_cast<unsigned char*>(&words[threadIdx.x]);
    const unsigned short* halves = reinterpret_cast<unsigned short*>(&words[threadIdx.x]);
    y[threadIdx.x] = (bytes[3] << 24 | bytes[2] << 16) ^ (halves[1] << 16) ^ halves[0];
}

// A guarded address that would lie outside is computed but not used.
// Launch: one block of 64; x holds 64 floats.
extern "C" __global__ void guarded_neighbours(const float* x, float* y) {
    const float* left = &x[(int)threadIdx.x - 1];
    const float* right = &x[threadIdx.x + 1];
    y[threadIdx.x] = (threadIdx.x > 0 ? *left : 0) + (threadIdx.x < 63 ? *right : 0);
}

__constant__ int table[16] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};

struct Settings {
    int scale;
    signed char shift[3];
    long long offset;
};

// A structure by value and constant memory at an index of the thread's own.
// Launch: one block; x holds indices.
extern "C" __global__ void parameters_and_constants(const int* x, long long* y, Settings s) {
    y[threadIdx.x] = (long long)table[x[threadIdx.x] & 15] * s.scale + s.shift[threadIdx.x % 3] + s.offset;
}

__device__ __noinline__ int through_generic(const int* p, int i) {
    return p[i];
}

// One function reads global, shared and local memory through generic pointers.
// Launch: one block of 32.
extern "C" __global__ void generic_pointers(const int* x, int* y) {
    __shared__ int shared[32];
    int local[4];
    shared[threadIdx.x] = 10 * x[threadIdx.x];
    for (int i = 0; i < 4; ++i) local[(i + x[0]) & 3] = x[i] + threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = through_generic(x, threadIdx.x) + through_generic(shared, 31 - threadIdx.x)
                   + through_generic(local, threadIdx.x & 3);
}
