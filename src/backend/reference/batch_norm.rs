//! Batch normalisation (Ioffe & Szegedy, "Batch Normalization", 2015), channel by channel.

use crate::backend::ops::BatchNorm;

/// Flat indices of all elements of channel `c`, over the batch and the image.
fn channel(p: BatchNorm, c: usize) -> impl Iterator<Item = usize> + Clone {
    let (channels, area) = (p.shape.c as usize, p.shape.area());
    (0..p.shape.n as usize).flat_map(move |n| {
        let start = (n * channels + c) * area;
        start..start + area
    })
}

/// The statistics of a batch, and the running ones they feed.
pub struct Statistics<'a> {
    pub mean: &'a mut [f64],
    pub inv_std: &'a mut [f64],
    pub running_mean: &'a mut [f64],
    pub running_var: &'a mut [f64],
}

/// `μ = Σx/m`, `σ² = Σ(x − μ)²/m`, then [`normalise`]. The running variance takes the unbiased
/// `Σ(x − μ)²/(m − 1)`, as an estimate of the population's.
pub fn forward(
    p: BatchNorm,
    y: &mut [f64],
    s: Statistics<'_>,
    x: &[f64],
    gamma: &[f64],
    beta: &[f64],
) {
    let m = p.count() as f64;
    for c in 0..p.shape.c as usize {
        let mean = channel(p, c).map(|i| x[i]).sum::<f64>() / m;
        let squares: f64 = channel(p, c).map(|i| (x[i] - mean).powi(2)).sum();
        s.mean[c] = mean;
        s.inv_std[c] = 1.0 / (squares / m + p.eps).sqrt();
        s.running_mean[c] += p.momentum * (mean - s.running_mean[c]);
        s.running_var[c] += p.momentum * (squares / (m - 1.0) - s.running_var[c]);
    }
    normalise(p, y, s.mean, s.inv_std, x, gamma, beta);
}

/// `y = γ·(x − μ)·inv_std + β`.
pub fn normalise(
    p: BatchNorm,
    y: &mut [f64],
    mean: &[f64],
    inv_std: &[f64],
    x: &[f64],
    gamma: &[f64],
    beta: &[f64],
) {
    for c in 0..p.shape.c as usize {
        for i in channel(p, c) {
            y[i] = gamma[c] * (x[i] - mean[c]) * inv_std[c] + beta[c];
        }
    }
}

/// `1/√(σ² + eps)` for running variances.
pub fn inverse_deviation(p: BatchNorm, var: &[f64]) -> Vec<f64> {
    var.iter().map(|v| 1.0 / (v + p.eps).sqrt()).collect()
}

/// Whether the statistics depend on the batch (training) or are constants (evaluation).
#[derive(Clone, Copy, PartialEq)]
pub enum StatisticsAre {
    OfTheBatch,
    Constant,
}

/// `dβ = Σdy`, `dγ = Σ dy·x̂`, and `dx = γ·inv_std·dy` along the direct path.
///
/// In training μ and σ² depend on `x` too. Differentiating through them subtracts from `dy` its mean
/// and its projection on `x̂`: `dx = γ·inv_std·(dy − Σdy/m − x̂·Σ(dy·x̂)/m)`.
pub fn backward(
    p: BatchNorm,
    statistics: StatisticsAre,
    dy_dx: &mut [f64],
    grads: Option<(&mut [f64], &mut [f64])>,
    x: &[f64],
    gamma: &[f64],
    mean: &[f64],
    inv_std: &[f64],
) {
    let m = p.count() as f64;
    let mut grads = grads;
    for c in 0..p.shape.c as usize {
        let normalised = |i: usize| (x[i] - mean[c]) * inv_std[c];
        let sum_dy: f64 = channel(p, c).map(|i| dy_dx[i]).sum();
        let sum_dy_xhat: f64 = channel(p, c).map(|i| dy_dx[i] * normalised(i)).sum();
        if let Some((dgamma, dbeta)) = &mut grads {
            dgamma[c] += sum_dy_xhat;
            dbeta[c] += sum_dy;
        }
        let (mean_dy, mean_dy_xhat) = match statistics {
            StatisticsAre::OfTheBatch => (sum_dy / m, sum_dy_xhat / m),
            StatisticsAre::Constant => (0.0, 0.0),
        };
        for i in channel(p, c) {
            dy_dx[i] = gamma[c] * inv_std[c] * (dy_dx[i] - mean_dy - normalised(i) * mean_dy_xhat);
        }
    }
}
