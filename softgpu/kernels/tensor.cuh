// The three families of instructions behind a tensor-core kernel, each as one small function
// (PTX ISA: "Data Movement: cp.async", "Warp-level Matrix Instructions": ldmatrix, mma).
#pragma once

__device__ inline unsigned shared_address(const void* p) {
    return (unsigned)__cvta_generic_to_shared(p);
}

// Copies 16 bytes to shared memory without passing through registers. Only the first `bytes` are
// read; the rest becomes zero. The bytes arrive by the wait_copies of the thread that issued them.
__device__ inline void copy_async(void* to, const void* from, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}

// Closes a group over all copies since the last one. An empty group is fine.
__device__ inline void commit_copies() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until at most PENDING of this thread's youngest groups are still on their way.
template <int PENDING>
__device__ inline void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Four 8×8 matrices of 16-bit elements. Lanes 8i to 8i+7 give the row addresses (16 bytes each) of
// matrix i; lane l gets elements 2(l mod 4) and 2(l mod 4) + 1 of row l / 4 of each.
__device__ inline void load_matrices(unsigned (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}

// The same, each matrix transposed on the way.
__device__ inline void load_matrices_transposed(unsigned (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}

// d ← a · b + d of a warp: a is 16×16 (tf32: 16×8), b is 16×8 (tf32: 8×8), d is 16×8 in f32.
#define WARP_MMA(NAME, SHAPE_AND_TYPES)                                                                          \
    __device__ inline void NAME(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {              \
        asm volatile("mma.sync.aligned." SHAPE_AND_TYPES                                                         \
                     " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                          \
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                            \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                            \
    }
WARP_MMA(mma_f16, "m16n8k16.row.col.f32.f16.f16.f32")
WARP_MMA(mma_bf16, "m16n8k16.row.col.f32.bf16.bf16.f32")
WARP_MMA(mma_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef WARP_MMA

// f32 rounded to the 10 mantissa bits that tf32 keeps.
__device__ inline unsigned to_tf32(unsigned f32_bits) {
    unsigned out;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(out) : "f"(__uint_as_float(f32_bits)));
    return out;
}

// Copies a tile of ROWS×COLUMNS elements of a row-major matrix (rows×columns) that begins at
// (row, column), zeros beyond the edge, into shared memory with rows STRIDE elements apart. Chunks of
// 16 bytes; where a chunk is not aligned (row length not a multiple of 16 bytes), element by element,
// which needs no wait, only the barrier.
template <int THREADS, int ROWS, int COLUMNS, int STRIDE, typename T>
__device__ void copy_tile(T* tile, const T* __restrict__ matrix, int row, int column, int rows, int columns) {
    constexpr int CHUNK = 16 / sizeof(T), PER_ROW = COLUMNS / CHUNK;
    for (int i = threadIdx.x; i < ROWS * PER_ROW; i += THREADS) {
        int r = i / PER_ROW, c = i % PER_ROW * CHUNK;
        T* to = tile + r * STRIDE + c;
        int valid = row + r < rows ? min(max(columns - (column + c), 0), CHUNK) : 0;
        // With nothing to read any readable address will do: the matrix itself.
        const T* from = valid > 0 ? matrix + (size_t)(row + r) * columns + (column + c) : matrix;
        if (columns % CHUNK == 0) {
            copy_async(to, from, valid * (int)sizeof(T));
        } else {
            for (int e = 0; e < CHUNK; ++e) to[e] = e < valid ? from[e] : T{};
        }
    }
}
