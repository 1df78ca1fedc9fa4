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
        x.tanh()
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
