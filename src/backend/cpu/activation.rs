//! Activations, element by element. NaN stays NaN: every comparison is written so that it falls
//! through to the branch that keeps its argument.

use super::CHUNK;
use crate::backend::ops::Activation;
use rayon::prelude::*;

fn map(x_y: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    x_y.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|v| *v = f(*v)));
}

fn map_with(dy_dx: &mut [f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    dy_dx.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK)).for_each(|(dy_dx, y)| {
        dy_dx.iter_mut().zip(y).for_each(|(d, &y)| *d = f(*d, y));
    });
}

/// `1/(1 + e⁻ˣ)`, in f64 so that the result is the f32 nearest to it on both tails.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `x_y = f(x_y)`.
pub fn forward(f: Activation, x_y: &mut [f32]) {
    match f {
        Activation::Identity => {}
        Activation::Relu => map(x_y, |x| if x <= 0.0 { 0.0 } else { x }),
        Activation::LeakyRelu { slope } => {
            let slope = slope as f32;
            map(x_y, move |x| if x > 0.0 { x } else { slope * x });
        }
        Activation::Tanh => map(x_y, f32::tanh),
        Activation::Sigmoid => map(x_y, |x| sigmoid(f64::from(x)) as f32),
    }
}

/// `dy_dx *= f′`, through the output `y`.
pub fn backward(f: Activation, dy_dx: &mut [f32], y: &[f32]) {
    match f {
        Activation::Identity => {}
        Activation::Relu => map_with(dy_dx, y, |dy, y| if y <= 0.0 { 0.0 } else { dy }),
        Activation::LeakyRelu { slope } => {
            let slope = slope as f32;
            map_with(dy_dx, y, move |dy, y| if y > 0.0 { dy } else { slope * dy });
        }
        Activation::Tanh => map_with(dy_dx, y, |dy, y| dy * (1.0 - y * y)),
        Activation::Sigmoid => map_with(dy_dx, y, |dy, y| dy * ((1.0 - y) * y)),
    }
}
