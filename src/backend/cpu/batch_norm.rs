//! Batch normalisation (Ioffe & Szegedy, "Batch Normalization", 2015) with the channels innermost.
//!
//! A channel's sums run over every row (pixel) of the batch. They are taken in f64 and in two passes,
//! mean before variance, so that neither a large mean nor a tiny variance costs digits. Rows are cut
//! into chunks whose size depends on the shape alone and whose sums are added in order.

use super::activation::{self, Pointwise, PointwiseKernel};
use super::kept::Kept;
use super::simd::{Isa, LANES, Line, line};
use super::{CHUNK, Cpu};
use crate::backend::NormSaved;
use crate::backend::block::NormStats;
use crate::backend::ops::{Activation, BatchNorm};
use rayon::prelude::*;

/// Rows that one task takes.
fn chunk_rows(channels: usize) -> usize {
    (CHUNK / channels).max(1)
}

/// Per-channel sums over all `rows`: `add` adds the rows of a range to `quantities · channels` sums.
fn sums(
    rows: usize,
    channels: usize,
    quantities: usize,
    add: impl Fn(std::ops::Range<usize>, &mut [f64]) + Sync,
) -> Kept<f64> {
    let (chunk, len) = (chunk_rows(channels), quantities * channels);
    let mut partials = Kept::zeros(rows.div_ceil(chunk) * len);
    partials.par_chunks_mut(len).enumerate().for_each(|(index, sums)| {
        add(index * chunk..rows.min((index + 1) * chunk), sums);
    });
    total(&partials, len)
}

/// The sum of vectors of `len` numbers, in their order.
fn total(partials: &[f64], len: usize) -> Kept<f64> {
    let mut total = Kept::zeros(len);
    for partial in partials.chunks_exact(len) {
        total.iter_mut().zip(partial).for_each(|(t, p)| *t += p);
    }
    total
}

/// Mean and biased variance of every channel of `x`.
pub struct Moments {
    pub mean: Kept<f64>,
    pub var: Kept<f64>,
}

impl Moments {
    /// `μ = Σx/m`, then `σ² = Σ(x − μ)²/m`.
    pub fn of(p: BatchNorm, x: &[f32]) -> Self {
        let (channels, rows) = (p.shape.c as usize, p.count());
        let m = rows as f64;
        let mut mean = sums(rows, channels, 1, |range, sums| {
            for row in x[range.start * channels..range.end * channels].chunks_exact(channels) {
                sums.iter_mut().zip(row).for_each(|(s, &v)| *s += f64::from(v));
            }
        });
        mean.iter_mut().for_each(|s| *s /= m);
        let mut var = sums(rows, channels, 1, |range, sums| {
            for row in x[range.start * channels..range.end * channels].chunks_exact(channels) {
                for ((s, &v), mean) in sums.iter_mut().zip(row).zip(&mean) {
                    let deviation = f64::from(v) - mean;
                    *s += deviation * deviation;
                }
            }
        });
        var.iter_mut().for_each(|s| *s /= m);
        Self { mean, var }
    }

    /// Zeros.
    pub fn zeros(channels: usize) -> Self {
        Self { mean: Kept::zeros(channels), var: Kept::zeros(channels) }
    }

    /// Statistics that were kept: the running ones.
    pub fn kept(mean: &[f32], var: &[f32]) -> Self {
        let widen = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect();
        Self { mean: widen(mean), var: widen(var) }
    }

    /// `1/√(σ² + eps)`.
    pub fn inv_std(&self, p: BatchNorm) -> impl Iterator<Item = f64> {
        self.var.iter().map(move |v| 1.0 / (v + p.eps).sqrt())
    }

    /// Keeps the batch's statistics for the backward pass and moves the running ones.
    pub fn keep(&self, p: BatchNorm, saved: &mut NormSaved<Cpu>, running: &mut NormStats<Cpu>) {
        let means = saved.mean.data.iter_mut().zip(&self.mean);
        means.for_each(|(kept, &mean)| *kept = mean as f32);
        let inv_stds = saved.inv_std.data.iter_mut().zip(self.inv_std(p));
        inv_stds.for_each(|(kept, inv_std)| *kept = inv_std as f32);
        self.update_running(p, &mut running.mean.data, &mut running.var.data);
    }

    /// Moves the running statistics by `momentum` towards these, the variance unbiased
    /// (m − 1 in place of m).
    fn update_running(&self, p: BatchNorm, mean: &mut [f32], var: &mut [f32]) {
        let m = p.count() as f64;
        let towards = |old: &mut f32, new: f64| {
            *old = ((1.0 - p.momentum) * f64::from(*old) + p.momentum * new) as f32;
        };
        mean.iter_mut().zip(&self.mean).for_each(|(old, &new)| towards(old, new));
        var.iter_mut().zip(&self.var).for_each(|(old, &new)| towards(old, new * m / (m - 1.0)));
    }

    /// What normalises with these statistics and activates by `f`.
    pub fn normaliser<'a>(
        &self,
        p: BatchNorm,
        activation: Activation,
        gamma: &[f32],
        beta: &'a [f32],
    ) -> Normaliser<'a> {
        let mean: Kept<f32> = self.mean.iter().map(|&m| m as f32).collect();
        let rest = self.mean.iter().zip(&mean).map(|(m, &high)| (m - f64::from(high)) as f32);
        let scale = self.inv_std(p).zip(gamma).map(|(s, &g)| (f64::from(g) * s) as f32);
        Normaliser { activation, rest: rest.collect(), scale: scale.collect(), mean, beta }
    }
}

/// `y = f(γ·(x − μ)·inv_std + β)`.
///
/// μ comes as two f32, `μ₁ = f32(μ)` and `μ₂ = f32(μ − μ₁)`: where the mean is large beside the
/// deviation, `x − μ₁` is exact and μ₂ is what rounding the mean would have lost.
pub struct Normaliser<'a> {
    pub activation: Activation,
    pub mean: Kept<f32>,
    rest: Kept<f32>,
    scale: Kept<f32>,
    beta: &'a [f32],
}

impl Normaliser<'_> {
    /// `y` from `x`, all channels of all pixels.
    pub fn run(&self, isa: Isa, y: &mut [f32], x: &[f32]) {
        let channels = self.mean.len();
        let chunk = chunk_rows(channels) * channels;
        y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(y, x)| {
            activation::dispatch(isa, self.activation, Normalise { y, x, normaliser: self });
        });
    }

    /// `y` from `x` in place, sixteen channels from `channel` on.
    #[inline(always)]
    pub fn in_place<F: Pointwise>(&self, f: F, x_y: &mut Line, channel: usize) {
        let (mean, rest) = (line(&self.mean, channel), line(&self.rest, channel));
        let (scale, beta) = (line(&self.scale, channel), line(self.beta, channel));
        for lane in 0..LANES {
            x_y[lane] =
                f.forward(((x_y[lane] - mean[lane]) - rest[lane]) * scale[lane] + beta[lane]);
        }
    }
}

/// Some rows of a normalisation.
struct Normalise<'a> {
    y: &'a mut [f32],
    x: &'a [f32],
    normaliser: &'a Normaliser<'a>,
}

impl PointwiseKernel for Normalise<'_> {
    #[inline(always)]
    fn run<F: Pointwise>(self, f: F) {
        let Normaliser { mean, rest, scale, beta, .. } = self.normaliser;
        let channels = mean.len();
        let (mean, rest) = (&mean[..channels], &rest[..channels]);
        let (scale, beta) = (&scale[..channels], &beta[..channels]);
        for (y, x) in self.y.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)) {
            for c in 0..channels {
                y[c] = f.forward(((x[c] - mean[c]) - rest[c]) * scale[c] + beta[c]);
            }
        }
    }
}

/// `Σdy` and `Σ dy·x̂` of every channel.
pub struct Projections {
    pub dy: Kept<f64>,
    pub dy_xhat: Kept<f64>,
}

impl Projections {
    /// The sums for the gradient `dy_dx` of `y = f(batch norm of x)`; it becomes that of batch norm's
    /// output, `dy·f′`.
    pub fn behind(
        isa: Isa,
        p: BatchNorm,
        (f, y): (Activation, &[f32]),
        dy_dx: &mut [f32],
        x: &[f32],
        mean: &[f32],
        inv_std: &[f32],
    ) -> Self {
        let channels = p.shape.c as usize;
        let chunk = chunk_rows(channels) * channels;
        let len = 2 * channels;
        let mut partials = Kept::zeros(dy_dx.len().div_ceil(chunk) * len);
        let chunks = dy_dx.par_chunks_mut(chunk).zip(y.par_chunks(chunk)).zip(x.par_chunks(chunk));
        chunks.zip(partials.par_chunks_mut(len)).for_each(|(((dy, y), x), sums)| {
            activation::dispatch(isa, f, Project { dy, y, x, mean, sums });
        });
        let sums = total(&partials, len);
        let dy = sums[..channels].iter().copied().collect();
        let mut dy_xhat: Kept<f64> = sums[channels..].iter().copied().collect();
        dy_xhat.iter_mut().zip(inv_std).for_each(|(s, &i)| *s *= f64::from(i));
        Self { dy, dy_xhat }
    }

    /// The sums for the gradient `dy` of batch norm's own output, which is left as it is.
    pub fn of(
        isa: Isa,
        p: BatchNorm,
        dy: &mut [f32],
        x: &[f32],
        mean: &[f32],
        inv_std: &[f32],
    ) -> Self {
        // The identity reads no output.
        Self::behind(isa, p, (Activation::Identity, x), dy, x, mean, inv_std)
    }
}

/// Some rows of the projections.
struct Project<'a> {
    dy: &'a mut [f32],
    y: &'a [f32],
    x: &'a [f32],
    mean: &'a [f32],
    /// `Σdy`, then `Σ dy·(x − μ)`.
    sums: &'a mut [f64],
}

impl PointwiseKernel for Project<'_> {
    #[inline(always)]
    fn run<F: Pointwise>(self, f: F) {
        let channels = self.mean.len();
        let mean = &self.mean[..channels];
        let (sum_dy, sum_dy_x) = self.sums.split_at_mut(channels);
        let (sum_dy, sum_dy_x) = (&mut sum_dy[..channels], &mut sum_dy_x[..channels]);
        let rows = self.dy.chunks_exact_mut(channels).zip(self.y.chunks_exact(channels));
        for ((dy, y), x) in rows.zip(self.x.chunks_exact(channels)) {
            for c in 0..channels {
                let d = f.backward(dy[c], y[c]);
                dy[c] = d;
                let d = f64::from(d);
                sum_dy[c] += d;
                sum_dy_x[c] += d * f64::from(x[c] - mean[c]);
            }
        }
    }
}

/// The terms of `dx = scale·(dy − offset − (x − mean)·slope)` in training mode, one for each channel.
pub struct Terms {
    /// γ·inv_std
    pub scale: Kept<f32>,
    /// Σdy/m
    pub offset: Kept<f32>,
    /// inv_std·Σ(dy·x̂)/m
    pub slope: Kept<f32>,
}

impl Terms {
    pub fn of(p: BatchNorm, sums: &Projections, gamma: &[f32], inv_std: &[f32]) -> Self {
        let m = p.count() as f64;
        let slopes = sums.dy_xhat.iter().zip(inv_std);
        Self {
            scale: gamma.iter().zip(inv_std).map(|(g, s)| g * s).collect(),
            offset: sums.dy.iter().map(|s| (s / m) as f32).collect(),
            slope: slopes.map(|(s, &i)| (s / m * f64::from(i)) as f32).collect(),
        }
    }
}

/// Training: `dx = γ·inv_std·(dy − Σdy/m − x̂·Σ(dy·x̂)/m)`.
pub fn backward(p: BatchNorm, dy_dx: &mut [f32], terms: &Terms, x: &[f32], mean: &[f32]) {
    let channels = p.shape.c as usize;
    let Terms { scale, offset, slope } = terms;
    let (mean, scale) = (&mean[..channels], &scale[..channels]);
    let (offset, slope) = (&offset[..channels], &slope[..channels]);
    let chunk = chunk_rows(channels) * channels;
    dy_dx.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(dy, x)| {
        for (dy, x) in dy.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                dy[c] = scale[c] * (dy[c] - offset[c] - (x[c] - mean[c]) * slope[c]);
            }
        }
    });
}

/// Evaluation, where the statistics are constants: `dx = γ·inv_std·dy`.
pub fn eval_backward(p: BatchNorm, dy_dx: &mut [f32], gamma: &[f32], inv_std: &[f32]) {
    let channels = p.shape.c as usize;
    let scale: Kept<f32> = gamma.iter().zip(inv_std).map(|(g, s)| g * s).collect();
    dy_dx.par_chunks_mut(chunk_rows(channels) * channels).for_each(|rows| {
        for row in rows.chunks_exact_mut(channels) {
            row.iter_mut().zip(&scale).for_each(|(d, s)| *d *= s);
        }
    });
}
