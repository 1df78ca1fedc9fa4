//! What happens element by element: activations, the loss, the optimiser.

use crate::backend::ops::{Activation, Adam, BCE_FLOOR, Bce};

/// `f(x)`.
pub fn activate(f: Activation, x: f64) -> f64 {
    match f {
        Activation::Identity => x,
        // Not `x.max(0.0)`, which would turn NaN into 0 and hide it.
        Activation::Relu => {
            if x <= 0.0 {
                0.0
            } else {
                x
            }
        }
        Activation::LeakyRelu { slope } => {
            if x > 0.0 {
                x
            } else {
                slope * x
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// `f′(x)` through the output `y = f(x)`.
pub fn derivative(f: Activation, y: f64) -> f64 {
    match f {
        Activation::Identity => 1.0,
        Activation::Relu => {
            if y <= 0.0 {
                0.0
            } else {
                1.0
            }
        }
        Activation::LeakyRelu { slope } => {
            if y > 0.0 {
                1.0
            } else {
                slope
            }
        }
        Activation::Tanh => 1.0 - y * y,
        Activation::Sigmoid => y * (1.0 - y),
    }
}

/// `1/(1 + e⁻ᶻ)`, from the side on which the exponential cannot overflow.
pub fn sigmoid(z: f64) -> f64 {
    if z < 0.0 { z.exp() / (1.0 + z.exp()) } else { 1.0 / (1.0 + (-z).exp()) }
}

/// `−[t ln p + (1 − t) ln(1 − p)]` with each logarithm clamped at −100, and its gradient.
pub fn bce(p: Bce, prob: f64) -> (f64, f64) {
    let clamped_ln = |v: f64| if v.ln() < -100.0 { -100.0 } else { v.ln() };
    let one_minus = if (1.0 - prob).ln() < -100.0 { -100.0 } else { (-prob).ln_1p() };
    let loss = (p.target - 1.0) * one_minus - p.target * clamped_ln(prob);
    let slope = prob * (1.0 - prob);
    let floor = f64::from(BCE_FLOOR);
    let divisor = if slope < floor { floor } else { slope };
    (loss, (prob - p.target) / divisor / p.n as f64)
}

/// The loss from a logit, `max(z, 0) − t·z + ln(1 + e^−|z|)`, and its gradient `(σ(z) − t)/n`.
pub fn bce_with_logits(p: Bce, z: f64) -> (f64, f64) {
    let positive = if z < 0.0 { 0.0 } else { z };
    let loss = positive - p.target * z + (-z.abs()).exp().ln_1p();
    (loss, (sigmoid(z) - p.target) / p.n as f64)
}

/// One parameter's Adam update (Kingma & Ba 2015, algorithm 1, with PyTorch's placing of eps:
/// added after the bias correction of √v). `t` counts from 1.
pub fn adam(p: Adam, t: f64, param: &mut f64, m: &mut f64, v: &mut f64, grad: f64) {
    *m = p.beta1 * *m + (1.0 - p.beta1) * grad;
    *v = p.beta2 * *v + (1.0 - p.beta2) * grad * grad;
    let step_size = p.lr / (1.0 - p.beta1.powf(t));
    let root = v.sqrt() / (1.0 - p.beta2.powf(t)).sqrt();
    *param -= step_size * *m / (root + p.eps);
}
