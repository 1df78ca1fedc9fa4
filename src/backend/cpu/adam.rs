//! The optimiser and the weight average: element by element, so in whatever order a tensor lies.

use super::CHUNK;
use crate::backend::ops::{Adam, Ema};
use rayon::prelude::*;

/// One Adam update (Kingma & Ba 2015, algorithm 1, eps placed as in PyTorch). `finished` counts the
/// updates before this one. The bias corrections are computed in f64, once.
pub fn adam(p: Adam, param: &mut [f32], m: &mut [f32], v: &mut [f32], grad: &[f32], finished: f32) {
    let t = f64::from(finished) + 1.0;
    let (beta1, rest1) = (p.beta1 as f32, (1.0 - p.beta1) as f32);
    let (beta2, rest2) = (p.beta2 as f32, (1.0 - p.beta2) as f32);
    let step_size = (p.lr / (1.0 - p.beta1.powf(t))) as f32;
    let root_correction = (1.0 - p.beta2.powf(t)).sqrt() as f32;
    let eps = p.eps as f32;
    let chunks = param
        .par_chunks_mut(CHUNK)
        .zip(m.par_chunks_mut(CHUNK))
        .zip(v.par_chunks_mut(CHUNK))
        .zip(grad.par_chunks(CHUNK));
    chunks.for_each(|(((param, m), v), grad)| {
        for (((param, m), v), &g) in param.iter_mut().zip(m).zip(v).zip(grad) {
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *param -= step_size * (*m / (v.sqrt() / root_correction + eps));
        }
    });
}

/// `avg = d·avg + (1 − d)·x`.
pub fn ema(p: Ema, avg: &mut [f32], x: &[f32], finished: f32) {
    let decay = p.decay_at(f64::from(finished));
    let (decay, rest) = (decay as f32, (1.0 - decay) as f32);
    avg.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(avg, x)| {
        avg.iter_mut().zip(x).for_each(|(a, x)| *a = decay * *a + rest * x);
    });
}
