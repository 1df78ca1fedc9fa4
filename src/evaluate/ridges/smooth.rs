//! Gaussian means that end at the image's edge instead of reaching beyond it.

/// The Gaussian-weighted mean around every pixel of a `height` × `width` plane, `sigma` in pixels.
///
/// Near the edge the weights inside the image are scaled to sum to 1, so a constant stays itself.
pub(super) fn gaussian(plane: &[f32], width: usize, height: usize, sigma: f32) -> Vec<f32> {
    if plane.is_empty() {
        return Vec::new();
    }
    let kernel = kernel(sigma);
    let rows = along_rows(plane, width, &kernel);
    let mut out = vec![0f32; plane.len()];
    let reach = kernel.len() - 1;
    for (y, line) in out.chunks_exact_mut(width).enumerate() {
        let mut total = 0.0;
        for from in y.saturating_sub(reach)..(y + reach + 1).min(height) {
            let weight = kernel[from.abs_diff(y)];
            total += weight;
            add_scaled(line, &rows[from * width..][..width], weight);
        }
        line.iter_mut().for_each(|v| *v /= total);
    }
    out
}

/// Half of the kernel, from its centre to 3 σ.
fn kernel(sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    (0..=reach).map(|at| (-0.5 * (at as f32 / sigma).powi(2)).exp()).collect()
}

fn along_rows(plane: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    let reach = (kernel.len() - 1).min(width - 1);
    let mut totals = vec![0f32; width];
    let ones = vec![1f32; width];
    shifted_sum(&mut totals, &ones, &kernel[..=reach]);
    let mut out = vec![0f32; plane.len()];
    for (line, source) in out.chunks_exact_mut(width).zip(plane.chunks_exact(width)) {
        shifted_sum(line, source, &kernel[..=reach]);
        line.iter_mut().zip(&totals).for_each(|(v, total)| *v /= total);
    }
    out
}

/// Adds `source`, shifted each way by 0, 1, 2 … and weighted by the half kernel, to `line`.
fn shifted_sum(line: &mut [f32], source: &[f32], kernel: &[f32]) {
    let width = line.len();
    add_scaled(line, source, kernel[0]);
    for (shift, &weight) in kernel.iter().enumerate().skip(1) {
        add_scaled(&mut line[shift..], &source[..width - shift], weight);
        add_scaled(&mut line[..width - shift], &source[shift..], weight);
    }
}

fn add_scaled(line: &mut [f32], source: &[f32], weight: f32) {
    for (v, s) in line.iter_mut().zip(source) {
        *v += weight * s;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in f64: both directions at once, weights divided by what lies inside.
    fn by_definition(plane: &[f32], width: usize, height: usize, sigma: f64) -> Vec<f64> {
        let reach = (3.0 * sigma).ceil() as i64;
        let at = |n: usize| (n % width, n / width);
        let mean = |n: usize| {
            let (x, y) = at(n);
            let (mut sum, mut total) = (0.0, 0.0);
            for (m, value) in plane.iter().enumerate() {
                let (dx, dy) = (at(m).0 as i64 - x as i64, at(m).1 as i64 - y as i64);
                if dx.abs() <= reach && dy.abs() <= reach {
                    let weight = (-0.5 * ((dx * dx + dy * dy) as f64) / (sigma * sigma)).exp();
                    sum += weight * f64::from(*value);
                    total += weight;
                }
            }
            sum / total
        };
        (0..width * height).map(mean).collect()
    }

    #[test]
    fn it_is_the_weighted_mean_of_what_lies_inside() {
        // The kernel is wider than the plane in the first case and in one direction of the second.
        for (width, height, sigma) in [(5, 3, 2.0f32), (31, 4, 1.5), (1, 9, 1.0), (20, 23, 2.5)] {
            let plane: Vec<f32> =
                (0..width * height).map(|n| ((n * n * 7 + n) % 13) as f32 - 4.0).collect();
            let found = gaussian(&plane, width, height, sigma);
            let known = by_definition(&plane, width, height, f64::from(sigma));
            for (a, b) in found.iter().zip(&known) {
                assert!((f64::from(*a) - b).abs() < 5e-6, "{a} {b}");
            }
        }
        assert!(gaussian(&[], 0, 0, 2.0).is_empty());
    }
}
