//! AVX-512F and AVX2 with FMA.

use super::{Kernel, LANES, Line, Simd};
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
    fn transpose(self, rows: [__m512; LANES]) -> [__m512; LANES] {
        let mut pairs = rows;
        let mut fours = rows;
        let mut columns = rows;
        unsafe {
            for i in (0..LANES).step_by(2) {
                pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
                pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
            }
            // Quarter q of fours[i + j] is column 4q + j of rows i to i + 3.
            for i in (0..LANES).step_by(4) {
                for half in 0..2 {
                    let (low, high) =
                        (_mm512_castps_pd(pairs[i + half]), _mm512_castps_pd(pairs[i + 2 + half]));
                    fours[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
                    fours[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
                }
            }
            for j in 0..4 {
                let (a, b, c, d) = (fours[j], fours[4 + j], fours[8 + j], fours[12 + j]);
                let even = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
                let odd = (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d));
                columns[j] = _mm512_shuffle_f32x4::<0x88>(even.0, even.1);
                columns[4 + j] = _mm512_shuffle_f32x4::<0x88>(odd.0, odd.1);
                columns[8 + j] = _mm512_shuffle_f32x4::<0xdd>(even.0, even.1);
                columns[12 + j] = _mm512_shuffle_f32x4::<0xdd>(odd.0, odd.1);
            }
        }
        columns
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
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let mut columns = rows;
        // Four squares of eight by eight.
        for (top, left) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let mut pairs = [rows[0][0]; 8];
            let mut fours = pairs;
            unsafe {
                for i in (0..8).step_by(2) {
                    let (a, b) = (rows[8 * top + i][left], rows[8 * top + i + 1][left]);
                    pairs[i] = _mm256_unpacklo_ps(a, b);
                    pairs[i + 1] = _mm256_unpackhi_ps(a, b);
                }
                // Half h of fours[i + j] is column 4h + j of rows i to i + 3.
                for i in [0, 4] {
                    for half in 0..2 {
                        let low = _mm256_castps_pd(pairs[i + half]);
                        let high = _mm256_castps_pd(pairs[i + 2 + half]);
                        fours[i + 2 * half] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
                        fours[i + 2 * half + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
                    }
                }
                for j in 0..4 {
                    let (a, b) = (fours[j], fours[4 + j]);
                    columns[8 * left + j][top] = _mm256_permute2f128_ps::<0x20>(a, b);
                    columns[8 * left + 4 + j][top] = _mm256_permute2f128_ps::<0x31>(a, b);
                }
            }
        }
        columns
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
