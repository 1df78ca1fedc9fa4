//! NEON, four registers for sixteen lanes.

use super::{Kernel, Line, Simd};
use std::arch::aarch64::*;

/// Proof that this machine has NEON, as every 64-bit ARM has.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

// SAFETY of every block below: the value `self` exists only where the instructions were detected, and
// loads and stores go through references to sixteen numbers.

#[inline(always)]
fn each(f: impl Fn(usize) -> float32x4_t) -> [float32x4_t; 4] {
    [f(0), f(1), f(2), f(3)]
}

impl Simd for Neon {
    type V = [float32x4_t; 4];
    // 24 of 32 registers hold sums, four the vectors of B.
    const TILE_ROWS: [usize; 2] = [6, 4];
    const TILE_PANELS: usize = 1;

    #[inline(always)]
    fn splat(self, v: f32) -> Self::V {
        unsafe { [vdupq_n_f32(v); 4] }
    }
    #[inline(always)]
    fn load(self, line: &Line) -> Self::V {
        each(|i| unsafe { vld1q_f32(line.as_ptr().add(4 * i)) })
    }
    #[inline(always)]
    fn store(self, line: &mut Line, v: Self::V) {
        for (i, v) in v.into_iter().enumerate() {
            unsafe { vst1q_f32(line.as_mut_ptr().add(4 * i), v) }
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| unsafe { vaddq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| unsafe { vsubq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| unsafe { vmulq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|i| unsafe { vfmaq_f32(c[i], a[i], b[i]) })
    }
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}

    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn run<K: Kernel>(s: Neon, kernel: K) -> K::Output {
            kernel.run(s)
        }
        // SAFETY: the value `self` exists only where the feature was detected.
        unsafe { run(self, kernel) }
    }
}
