//! AVX-512F and AVX2 with FMA.

use super::{Kernel, Line, Simd};
use std::arch::x86_64::*;

/// Proof that this machine has AVX-512F, AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

/// Proof that this machine has AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx512 {
    pub fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && Avx2::detect().is_some();
        has.then_some(Self(()))
    }
}

impl Avx2 {
    pub fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        has.then_some(Self(()))
    }
}

// SAFETY of every block below: the value `self` exists only where the instructions were detected, and
// loads and stores go through references to sixteen numbers.

impl Simd for Avx512 {
    type V = __m512;
    // 24 of 32 registers hold sums; every step of the depth loads 2 vectors and broadcasts 12 numbers for
    // 24 multiply-adds, so the loads (two a cycle) stay hidden.
    const TILE_ROWS: [usize; 2] = [12, 8];
    const TILE_PANELS: usize = 2;

    #[inline(always)]
    fn splat(self, v: f32) -> __m512 {
        unsafe { _mm512_set1_ps(v) }
    }
    #[inline(always)]
    fn load(self, line: &Line) -> __m512 {
        unsafe { _mm512_loadu_ps(line.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, line: &mut Line, v: __m512) {
        unsafe { _mm512_storeu_ps(line.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn run<K: Kernel>(s: Avx512, kernel: K) -> K::Output {
            kernel.run(s)
        }
        // SAFETY: the value `self` exists only where the features were detected.
        unsafe { run(self, kernel) }
    }
}

impl Simd for Avx2 {
    type V = [__m256; 2];
    // 12 of 16 registers hold sums, two the vectors of B and one the broadcast number.
    const TILE_ROWS: [usize; 2] = [6, 4];
    const TILE_PANELS: usize = 1;

    #[inline(always)]
    fn splat(self, v: f32) -> Self::V {
        unsafe { [_mm256_set1_ps(v); 2] }
    }
    #[inline(always)]
    fn load(self, line: &Line) -> Self::V {
        unsafe { [_mm256_loadu_ps(line.as_ptr()), _mm256_loadu_ps(line.as_ptr().add(8))] }
    }
    #[inline(always)]
    fn store(self, line: &mut Line, v: Self::V) {
        unsafe {
            _mm256_storeu_ps(line.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(line.as_mut_ptr().add(8), v[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn run<K: Kernel>(s: Avx2, kernel: K) -> K::Output {
            kernel.run(s)
        }
        // SAFETY: the value `self` exists only where the features were detected.
        unsafe { run(self, kernel) }
    }
}
