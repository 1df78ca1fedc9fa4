//! The fallback: arrays, left to the compiler.

use super::{Kernel, LANES, Line, Simd};

/// What every machine has.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

#[inline(always)]
fn zip(a: Line, b: Line, f: impl Fn(f32, f32) -> f32) -> Line {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

impl Simd for Portable {
    type V = Line;
    const TILE_ROWS: [usize; 2] = [2, 1];
    const TILE_PANELS: usize = 1;

    #[inline(always)]
    fn splat(self, v: f32) -> Line {
        [v; LANES]
    }
    #[inline(always)]
    fn load(self, line: &Line) -> Line {
        *line
    }
    #[inline(always)]
    fn store(self, line: &mut Line, v: Line) {
        *line = v;
    }
    #[inline(always)]
    fn add(self, a: Line, b: Line) -> Line {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Line, b: Line) -> Line {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Line, b: Line) -> Line {
        zip(a, b, |a, b| a * b)
    }
    /// Rounds twice: a fused multiply-add without the instruction is a slow library call.
    #[inline(always)]
    fn fma(self, a: Line, b: Line, c: Line) -> Line {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}
