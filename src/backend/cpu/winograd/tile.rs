//! The three matrices of a fast convolution with a two-tap filter, and their transposes.
//!
//! Winograd's F(n, 2) computes n outputs `yᵢ = w₀xᵢ + w₁xᵢ₊₁` from n + 1 inputs with n + 1 multiplications
//! instead of 2n: `y = Aᵀ[(G w) ⊙ (Bᵀ x)]` (Winograd 1980; Lavin & Gray, "Fast Algorithms for Convolutional
//! Neural Networks", 2015). It evaluates the polynomials that x, w and y stand for at n + 1 points; which
//! ones decides the rounding error. For F(4, 2) the points 1, −1, ½, −½, ∞ lose a third less than the
//! customary 0, 1, −1, 2, ∞:
//!
//! ```text
//!      | −¼ −¼  1  1  0 |       |  ⅔  ⅔ |
//!      |  ¼ −¼ −1  1  0 |       | −⅔  ⅔ |        | 1  1  1  1  0 |
//! Bᵀ = | −½ −1  ½  1  0 |   G = | −⁴⁄₃ −⅔ |   Aᵀ = | 1 −1  ½ −½  0 |
//!      |  ½ −1 −½  1  0 |       |  ⁴⁄₃ −⅔ |        | 1  1  ¼  ¼  0 |
//!      |  ¼  0 −⁵⁄₄ 0  1 |       |  0  1 |        | 1 −1  ⅛ −⅛  1 |
//! ```
//!
//! In two dimensions a transform is applied to the columns and then to the rows of a small square, for
//! sixteen channels at once.

use crate::backend::cpu::simd::Simd;

/// F(N, 2) in one dimension, with M = N + 1 points.
pub trait Tile<const N: usize, const M: usize>: Copy + Send + Sync {
    /// G
    const FILTER: [[f32; 2]; M];

    /// `Bᵀ x`
    fn input<S: Simd>(s: S, x: [S::V; M]) -> [S::V; M];
    /// `B m`
    fn input_transposed<S: Simd>(s: S, m: [S::V; M]) -> [S::V; M];
    /// `Aᵀ m`
    fn output<S: Simd>(s: S, m: [S::V; M]) -> [S::V; N];
    /// `A y`
    fn output_transposed<S: Simd>(s: S, y: [S::V; N]) -> [S::V; M];
    /// `G w`
    fn filter<S: Simd>(s: S, w: [S::V; 2]) -> [S::V; M];
    /// `Gᵀ u`
    fn filter_transposed<S: Simd>(s: S, u: [S::V; M]) -> [S::V; 2];
}

/// F(4, 2) on the points 1, −1, ½, −½, ∞.
#[derive(Clone, Copy, Debug)]
pub struct F4;

/// F(2, 2) on the points 1, −1, ∞.
#[derive(Clone, Copy, Debug)]
pub struct F2;

impl Tile<4, 5> for F4 {
    const FILTER: [[f32; 2]; 5] = [
        [2.0 / 3.0, 2.0 / 3.0],
        [-2.0 / 3.0, 2.0 / 3.0],
        [-4.0 / 3.0, -2.0 / 3.0],
        [4.0 / 3.0, -2.0 / 3.0],
        [0.0, 1.0],
    ];

    #[inline(always)]
    fn input<S: Simd>(s: S, [x0, x1, x2, x3, x4]: [S::V; 5]) -> [S::V; 5] {
        let (even, odd) = (s.axpy(-0.25, x0, x2), s.axpy(-0.25, x1, x3));
        let (even2, odd2) = (s.sub(x2, x0), s.sub(x3, x1));
        [
            s.add(odd, even),
            s.sub(odd, even),
            s.axpy(0.5, even2, odd2),
            s.axpy(-0.5, even2, odd2),
            s.axpy(-1.25, x2, s.axpy(0.25, x0, x4)),
        ]
    }

    #[inline(always)]
    fn input_transposed<S: Simd>(s: S, [m0, m1, m2, m3, m4]: [S::V; 5]) -> [S::V; 5] {
        let (sum, difference) = (s.add(m0, m1), s.sub(m0, m1));
        let (sum2, difference2) = (s.add(m2, m3), s.sub(m2, m3));
        [
            s.axpy(-0.5, difference2, s.scale(0.25, s.sub(m4, difference))),
            s.sub(s.scale(-0.25, sum), sum2),
            s.axpy(-1.25, m4, s.axpy(0.5, difference2, difference)),
            s.add(sum, sum2),
            m4,
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [m0, m1, m2, m3, m4]: [S::V; 5]) -> [S::V; 4] {
        let (sum, difference) = (s.add(m0, m1), s.sub(m0, m1));
        let (sum2, difference2) = (s.add(m2, m3), s.sub(m2, m3));
        [
            s.add(sum, sum2),
            s.axpy(0.5, difference2, difference),
            s.axpy(0.25, sum2, sum),
            s.axpy(0.125, difference2, s.add(difference, m4)),
        ]
    }

    #[inline(always)]
    fn output_transposed<S: Simd>(s: S, [y0, y1, y2, y3]: [S::V; 4]) -> [S::V; 5] {
        let (even, odd) = (s.add(y0, y2), s.add(y1, y3));
        let (even2, odd2) = (s.axpy(0.25, y2, y0), s.scale(0.5, s.axpy(0.25, y3, y1)));
        [s.add(even, odd), s.sub(even, odd), s.add(even2, odd2), s.sub(even2, odd2), y3]
    }

    #[inline(always)]
    fn filter<S: Simd>(s: S, [w0, w1]: [S::V; 2]) -> [S::V; 5] {
        let (a0, a1) = (s.scale(2.0 / 3.0, w0), s.scale(2.0 / 3.0, w1));
        let twice = s.add(a0, a0);
        [s.add(a1, a0), s.sub(a1, a0), s.sub(s.sub(s.zero(), twice), a1), s.sub(twice, a1), w1]
    }

    #[inline(always)]
    fn filter_transposed<S: Simd>(s: S, [u0, u1, u2, u3, u4]: [S::V; 5]) -> [S::V; 2] {
        let (third, far) = (2.0 / 3.0, s.sub(u3, u2));
        [
            s.scale(third, s.add(s.sub(u0, u1), s.add(far, far))),
            s.axpy(third, s.sub(s.add(u0, u1), s.add(u2, u3)), u4),
        ]
    }
}

impl Tile<2, 3> for F2 {
    const FILTER: [[f32; 2]; 3] = [[0.5, 0.5], [-0.5, 0.5], [0.0, 1.0]];

    #[inline(always)]
    fn input<S: Simd>(s: S, [x0, x1, x2]: [S::V; 3]) -> [S::V; 3] {
        [s.add(x0, x1), s.sub(x1, x0), s.sub(x2, x0)]
    }

    #[inline(always)]
    fn input_transposed<S: Simd>(s: S, [m0, m1, m2]: [S::V; 3]) -> [S::V; 3] {
        [s.sub(s.sub(m0, m1), m2), s.add(m0, m1), m2]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, [m0, m1, m2]: [S::V; 3]) -> [S::V; 2] {
        [s.add(m0, m1), s.add(s.sub(m0, m1), m2)]
    }

    #[inline(always)]
    fn output_transposed<S: Simd>(s: S, [y0, y1]: [S::V; 2]) -> [S::V; 3] {
        [s.add(y0, y1), s.sub(y0, y1), y1]
    }

    #[inline(always)]
    fn filter<S: Simd>(s: S, [w0, w1]: [S::V; 2]) -> [S::V; 3] {
        let (half0, half1) = (s.scale(0.5, w0), s.scale(0.5, w1));
        [s.add(half1, half0), s.sub(half1, half0), w1]
    }

    #[inline(always)]
    fn filter_transposed<S: Simd>(s: S, [u0, u1, u2]: [S::V; 3]) -> [S::V; 2] {
        [s.scale(0.5, s.sub(u0, u1)), s.axpy(0.5, s.add(u0, u1), u2)]
    }
}

/// A one-dimensional transform applied to the rows and then to the columns of a square:
/// `both!(s, square, F::input, from => to)` makes `[[V; to]; to]` of `[[V; from]; from]`.
///
/// A macro with loops, where a function of a function would be shorter: closures and `array::from_fn` are not
/// compiled for the instruction set unless the compiler happens to inline them.
macro_rules! both {
    ($s:expr, $square:expr, $transform:path, $from:expr => $to:expr) => {{
        let square = $square;
        let mut rows = [[$s.zero(); $to]; $from];
        for r in 0..$from {
            rows[r] = $transform($s, square[r]);
        }
        let mut result = [[$s.zero(); $to]; $to];
        for c in 0..$to {
            let mut column = [$s.zero(); $from];
            for r in 0..$from {
                column[r] = rows[r][c];
            }
            let column = $transform($s, column);
            for r in 0..$to {
                result[r][c] = column[r];
            }
        }
        result
    }};
}
pub(super) use both;
