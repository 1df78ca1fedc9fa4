// Reads of memory that nobody has written.

// Launched with x allocated but never filled.
extern "C" __global__ void read_unwritten(const float* x, float* y) {
    y[threadIdx.x] = 2 * x[threadIdx.x];
}

// Accumulates into an output that was never set to zero.
extern "C" __global__ void accumulate_into_unwritten(const float* x, float* y) {
    y[threadIdx.x] += x[threadIdx.x];
}

// As above, atomically. Launch: total never filled.
extern "C" __global__ void atomic_on_unwritten(const int* x, int* total) {
    atomicAdd(total, x[threadIdx.x]);
}

// Writes the even elements only …
extern "C" __global__ void write_even(float* y) {
    y[2 * threadIdx.x] = threadIdx.x;
}

// … and this reads them all.
extern "C" __global__ void read_all(const float* x, float* y) {
    y[threadIdx.x] = x[threadIdx.x];
}

// Only the threads inside fill the tile, all of it is added up. Launch: one block of 64, n < 64.
extern "C" __global__ void partly_filled_tile(const float* x, float* y, int n) {
    __shared__ float tile[64];
    if (threadIdx.x < n) tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    if (threadIdx.x > 0) return;
    float sum = 0;
    for (int i = 0; i < 64; ++i) sum += tile[i];
    *y = sum;
}

// A shared counter that nobody sets to zero.
extern "C" __global__ void shared_counter_not_reset(const int* x, int* y) {
    __shared__ int count;
    if (x[threadIdx.x] > 0) atomicAdd(&count, 1);
    __syncthreads();
    if (threadIdx.x == 0) *y = count;
}

// A small table per thread, filled where x points and read where the host points.
// Launch: x[0 … 3] = 0, 1, 2, 3 and which = 7.
extern "C" __global__ void read_unwritten_local(const int* x, int* y, int which) {
    int table[8];
    for (int i = 0; i < 4; ++i) table[x[i] & 7] = i;
    y[threadIdx.x] = table[which & 7];
}

struct Padded {
    char tag;
    int value;
};

// Copies records byte by byte, and with them the three bytes of padding that nobody writes: how
// leftovers of other data get into files and checksums.
// Launch: records never filled, bytes holds 8 per thread.
extern "C" __global__ void padding(Padded* records, unsigned char* bytes) {
    records[threadIdx.x].tag = 1;
    records[threadIdx.x].value = 2;
    __syncthreads();
    const unsigned char* from = reinterpret_cast<const unsigned char*>(&records[threadIdx.x]);
    for (int i = 0; i < (int)sizeof(Padded); ++i) bytes[threadIdx.x * sizeof(Padded) + i] = from[i];
}

// Only the first block fills its tile: the others' shared memory is their own. Launch: several blocks of 32.
extern "C" __global__ void filled_by_the_first_block(const float* x, float* y) {
    __shared__ float tile[32];
    if (blockIdx.x == 0) tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[blockIdx.x * 32 + threadIdx.x] = tile[31 - threadIdx.x];
}

// 4 bytes are read where one was written. Launch: one block of 32; records never filled, 4 bytes each.
extern "C" __global__ void one_byte_of_four(unsigned char* records, unsigned* y) {
    records[4 * threadIdx.x] = threadIdx.x;
    y[threadIdx.x] = reinterpret_cast<unsigned*>(records)[threadIdx.x];
}
