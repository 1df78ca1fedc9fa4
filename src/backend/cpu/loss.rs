//! Binary cross-entropy: a handful of numbers per step, so in f64 on the calling thread.

use super::activation::sigmoid;
use crate::backend::ops::Bce;

/// Writes each element's gradient and returns the mean loss and the mean probability. `terms` gives
/// an element's loss, its gradient and its probability.
fn mean(p: Bce, gradient: &mut [f32], input: &[f32], terms: impl Fn(f64) -> [f64; 3]) -> [f32; 2] {
    let n = p.n as f64;
    let (mut loss, mut probability) = (0.0, 0.0);
    for (g, &v) in gradient.iter_mut().zip(input) {
        let [l, d, prob] = terms(f64::from(v));
        *g = (d / n) as f32;
        loss += l;
        probability += prob;
    }
    [(loss / n) as f32, (probability / n) as f32]
}

/// `v` unless it is below `floor`; NaN stays NaN, which `f64::max` would hide.
fn at_least(v: f64, floor: f64) -> f64 {
    if v < floor { floor } else { v }
}

/// On probabilities: `−t·ln p − (1 − t)·ln(1 − p)`, each logarithm at least −100, and
/// `(p − t)/max(p(1 − p), 1e-12)`.
pub fn bce(p: Bce, dp: &mut [f32], prob: &[f32]) -> [f32; 2] {
    let t = p.target;
    mean(p, dp, prob, |prob| {
        let (log, log_rest) = (at_least(prob.ln(), -100.0), at_least((-prob).ln_1p(), -100.0));
        let loss = -t * log - (1.0 - t) * log_rest;
        [loss, (prob - t) / at_least(prob * (1.0 - prob), 1e-12), prob]
    })
}

/// On logits: `t·ln(1 + e⁻ᶻ) + (1 − t)·ln(1 + eᶻ)`, which is the trait's `max(z, 0) − t·z + …`
/// without the difference of two infinities at z = ±∞, and `σ(z) − t`.
pub fn bce_with_logits(p: Bce, dz: &mut [f32], logit: &[f32]) -> [f32; 2] {
    let t = p.target;
    // A weight of 0 drops its term even where that is infinite; the other term keeps a NaN.
    let weighted = |weight: f64, z: f64| if weight == 0.0 { 0.0 } else { weight * softplus(z) };
    mean(p, dz, logit, |z| {
        let prob = sigmoid(z);
        [weighted(t, -z) + weighted(1.0 - t, z), prob - t, prob]
    })
}

/// `ln(1 + eᶻ) = max(z, 0) + ln(1 + e^−|z|)`.
fn softplus(z: f64) -> f64 {
    at_least(z, 0.0) + (-z.abs()).exp().ln_1p()
}
