//! The optimiser and the weight average: element by element, so in whatever order a tensor lies.

use super::CHUNK;
use super::simd::{Isa, Kernel, Simd};
use crate::backend::ops::{Adam, Ema};
use rayon::prelude::*;

/// One Adam update (Kingma & Ba 2015, algorithm 1, eps placed as in PyTorch). `finished` counts the
/// updates before this one. The bias corrections are computed in f64, once.
pub fn adam(isa: Isa, p: Adam, [param, m, v]: [&mut [f32]; 3], grad: &[f32], finished: f32) {
    let t = f64::from(finished) + 1.0;
    let terms = Terms {
        beta1: [p.beta1 as f32, (1.0 - p.beta1) as f32],
        beta2: [p.beta2 as f32, (1.0 - p.beta2) as f32],
        step_size: (p.lr / (1.0 - p.beta1.powf(t))) as f32,
        root_correction: (1.0 - p.beta2.powf(t)).sqrt() as f32,
        eps: p.eps as f32,
    };
    let chunks = param
        .par_chunks_mut(CHUNK)
        .zip(m.par_chunks_mut(CHUNK))
        .zip(v.par_chunks_mut(CHUNK))
        .zip(grad.par_chunks(CHUNK));
    chunks.for_each(|(((param, m), v), grad)| isa.run(Update { terms, param, m, v, grad }));
}

/// What is the same for every number.
#[derive(Clone, Copy)]
struct Terms {
    /// β₁ and 1 − β₁.
    beta1: [f32; 2],
    beta2: [f32; 2],
    /// The learning rate with the first moment's bias correction.
    step_size: f32,
    /// The root of the second moment's bias correction.
    root_correction: f32,
    eps: f32,
}

/// Some numbers of an update.
struct Update<'a> {
    terms: Terms,
    param: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    grad: &'a [f32],
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { terms, param, m, v, grad } = self;
        let Terms { beta1, beta2, step_size, root_correction, eps } = terms;
        for (((param, m), v), &g) in param.iter_mut().zip(m).zip(v).zip(grad) {
            *m = beta1[0] * *m + beta1[1] * g;
            *v = beta2[0] * *v + beta2[1] * g * g;
            *param -= step_size * (*m / (v.sqrt() / root_correction + eps));
        }
    }
}

/// `avg = d·avg + (1 − d)·x`.
pub fn ema(p: Ema, avg: &mut [f32], x: &[f32], finished: f32) {
    let decay = p.decay_at(f64::from(finished));
    let (decay, rest) = (decay as f32, (1.0 - decay) as f32);
    avg.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(avg, x)| {
        avg.iter_mut().zip(x).for_each(|(a, x)| *a = decay * *a + rest * x);
    });
}
