//! Activations, element by element. NaN stays NaN: every comparison is written so that it falls
//! through to the branch that keeps its argument.

use super::CHUNK;
use super::simd::{Isa, Kernel, Simd};
use crate::backend::ops::Activation;
use rayon::prelude::*;

/// One activation as a type, so that a loop over it is compiled without a choice inside.
pub trait Pointwise: Copy + Send + Sync {
    /// `f(x)`
    fn forward(self, x: f32) -> f32;
    /// `dy·f′`, through the output `y`.
    fn backward(self, dy: f32, y: f32) -> f32;
}

#[derive(Clone, Copy)]
struct Identity;
#[derive(Clone, Copy)]
struct Relu;
#[derive(Clone, Copy)]
struct LeakyRelu(f32);
#[derive(Clone, Copy)]
struct Tanh;
#[derive(Clone, Copy)]
struct Sigmoid;

impl Pointwise for Identity {
    #[inline(always)]
    fn forward(self, x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn backward(self, dy: f32, _: f32) -> f32 {
        dy
    }
}

impl Pointwise for Relu {
    #[inline(always)]
    fn forward(self, x: f32) -> f32 {
        if x <= 0.0 { 0.0 } else { x }
    }
    #[inline(always)]
    fn backward(self, dy: f32, y: f32) -> f32 {
        if y <= 0.0 { 0.0 } else { dy }
    }
}

impl Pointwise for LeakyRelu {
    #[inline(always)]
    fn forward(self, x: f32) -> f32 {
        if x > 0.0 { x } else { self.0 * x }
    }
    #[inline(always)]
    fn backward(self, dy: f32, y: f32) -> f32 {
        if y > 0.0 { dy } else { self.0 * dy }
    }
}

impl Pointwise for Tanh {
    #[inline(always)]
    fn forward(self, x: f32) -> f32 {
        tanh(x)
    }
    #[inline(always)]
    fn backward(self, dy: f32, y: f32) -> f32 {
        dy * (1.0 - y * y)
    }
}

impl Pointwise for Sigmoid {
    #[inline(always)]
    fn forward(self, x: f32) -> f32 {
        sigmoid(f64::from(x)) as f32
    }
    #[inline(always)]
    fn backward(self, dy: f32, y: f32) -> f32 {
        dy * ((1.0 - y) * y)
    }
}

/// The hyperbolic tangent to about two units in the last place, without a branch, so that a loop over it
/// becomes vector instructions: the system's function took a sixth of a generator's time.
///
/// Below 0.625 an odd polynomial, above it `1 − 2/(e²ˣ + 1)` (the ranges and coefficients of Cephes' `tanhf`
/// and `expf`, S. L. Moshier). Products and sums are rounded one by one, the same on every machine.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let series = ((((-5.704_988_7e-3 * square + 2.063_909e-2) * square - 5.373_971_6e-2) * square
        + 1.333_144_2e-1)
        * square
        - 3.333_328e-1)
        * square;
    let near = x + x * series;
    // From 10 on the result is 1; a NaN passes through every comparison.
    let far = 1.0 - 2.0 / (exp(2.0 * if size > 10.0 { 10.0 } else { size }) + 1.0);
    (if size < 0.625 { near } else { far }).copysign(x)
}

/// `eˣ` for |x| up to 80.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // 1.5·2²³: a sum with it is rounded to an integer, which its low bits then hold.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    // ln 2 in two parts, of which the first has few digits.
    let rest = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let series = ((((1.987_569_1e-4 * rest + 1.398_2e-3) * rest + 8.333_452e-3) * rest
        + 4.166_579_6e-2)
        * rest
        + 1.666_666_5e-1)
        * rest
        + 0.5;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    (series * rest * rest + rest + 1.0) * power
}

/// `1/(1 + e⁻ˣ)`, in f64 so that the result is the f32 nearest to it on both tails.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Work with an activation, compiled for each activation and each instruction set.
pub trait PointwiseKernel {
    /// `#[inline(always)]`, with loops in place of closures.
    fn run<F: Pointwise>(self, f: F);
}

struct With<F, K>(F, K);

impl<F: Pointwise, K: PointwiseKernel> Kernel for With<F, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.1.run(self.0);
    }
}

/// Runs `kernel` with the activation `f`.
pub fn dispatch<K: PointwiseKernel>(isa: Isa, f: Activation, kernel: K) {
    match f {
        Activation::Identity => isa.run(With(Identity, kernel)),
        Activation::Relu => isa.run(With(Relu, kernel)),
        Activation::LeakyRelu { slope } => isa.run(With(LeakyRelu(slope as f32), kernel)),
        Activation::Tanh => isa.run(With(Tanh, kernel)),
        Activation::Sigmoid => isa.run(With(Sigmoid, kernel)),
    }
}

/// The same inside a kernel.
#[inline(always)]
pub fn dispatch_in<S: Simd, K: PointwiseKernel>(s: S, f: Activation, kernel: K) {
    match f {
        Activation::Identity => s.enter(With(Identity, kernel)),
        Activation::Relu => s.enter(With(Relu, kernel)),
        Activation::LeakyRelu { slope } => s.enter(With(LeakyRelu(slope as f32), kernel)),
        Activation::Tanh => s.enter(With(Tanh, kernel)),
        Activation::Sigmoid => s.enter(With(Sigmoid, kernel)),
    }
}

struct Forward<'a>(&'a mut [f32]);

impl PointwiseKernel for Forward<'_> {
    #[inline(always)]
    fn run<F: Pointwise>(self, f: F) {
        for v in self.0 {
            *v = f.forward(*v);
        }
    }
}

struct Backward<'a>(&'a mut [f32], &'a [f32]);

impl PointwiseKernel for Backward<'_> {
    #[inline(always)]
    fn run<F: Pointwise>(self, f: F) {
        for (dy_dx, y) in self.0.iter_mut().zip(self.1) {
            *dy_dx = f.backward(*dy_dx, *y);
        }
    }
}

/// `x_y = f(x_y)` on the calling thread.
pub fn apply(isa: Isa, f: Activation, x_y: &mut [f32]) {
    if f != Activation::Identity {
        dispatch(isa, f, Forward(x_y));
    }
}

/// `dy_dx *= f′` on the calling thread, through the output `y`.
pub fn apply_derivative(isa: Isa, f: Activation, dy_dx: &mut [f32], y: &[f32]) {
    if f != Activation::Identity {
        dispatch(isa, f, Backward(dy_dx, y));
    }
}

/// `x_y = f(x_y)`.
pub fn forward(isa: Isa, f: Activation, x_y: &mut [f32]) {
    x_y.par_chunks_mut(CHUNK).for_each(|chunk| apply(isa, f, chunk));
}

/// `dy_dx *= f′`, through the output `y`.
pub fn backward(isa: Isa, f: Activation, dy_dx: &mut [f32], y: &[f32]) {
    let chunks = dy_dx.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK));
    chunks.for_each(|(dy_dx, y)| apply_derivative(isa, f, dy_dx, y));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against f64 all over the range, at both ends of it and where the formula changes.
    #[test]
    fn tanh_is_right_to_three_units_in_the_last_place() {
        let ends = [0.0, 1e-40, 1e-20, 0.624_999_9, 0.625, 9.0, 10.0, 10.1, 88.0, 1e30];
        let steps = (0..2_000_000).map(|i| i as f32 * 6.1e-6);
        for x in ends.into_iter().chain(steps) {
            for x in [x, -x] {
                let (found, wanted) = (tanh(x), f64::from(x).tanh());
                let unit =
                    f64::from((wanted as f32).abs().next_up()) - f64::from((wanted as f32).abs());
                let error = (f64::from(found) - wanted).abs() / unit;
                assert!(error <= 3.0, "tanh({x}): {found}, {error} units off");
                assert!(found.abs() <= 1.0 && found.is_sign_negative() == x.is_sign_negative());
            }
        }
        assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
        assert!(tanh(f32::NAN).is_nan());
    }
}
