//! Two-dimensional Fourier transforms of small planes.

use std::cell::RefCell;
use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftDirection, FftPlanner};

thread_local! {
    // A planner keeps what it has planned; a plan costs as much as the transform itself.
    static PLANNER: RefCell<FftPlanner<f32>> = RefCell::new(FftPlanner::new());
}

/// The plan of a transform of `length` values in one direction.
pub(super) fn plan(length: usize, direction: FftDirection) -> Arc<dyn Fft<f32>> {
    PLANNER.with_borrow_mut(|planner| planner.plan_fft(length, direction))
}

/// Transforms a plane of `height` rows of `width` values, without scaling. The result is transposed:
/// `width` rows (kx) of `height` values (ky).
pub(super) fn transform(
    mut plane: Vec<Complex32>,
    width: usize,
    height: usize,
    direction: FftDirection,
) -> Vec<Complex32> {
    if plane.is_empty() {
        return plane;
    }
    plan(width, direction).process(&mut plane);
    let mut turned = transpose(&plane, width, height);
    plan(height, direction).process(&mut turned);
    turned
}

/// `width` rows of `height` values from `height` rows of `width`.
fn transpose(plane: &[Complex32], width: usize, height: usize) -> Vec<Complex32> {
    // Tiles keep both sides in the cache's lines.
    const TILE: usize = 8;
    let mut turned = vec![Complex32::default(); plane.len()];
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for x in left..(left + TILE).min(width) {
                for y in top..(top + TILE).min(height) {
                    turned[x * height + y] = plane[y * width + x];
                }
            }
        }
    }
    turned
}

/// The signed frequency of bin `k` of a transform of `length`, cycles per sample, in [−½, ½).
pub(super) fn frequency(k: usize, length: usize) -> f32 {
    let k = if 2 * k >= length { k as f32 - length as f32 } else { k as f32 };
    k / length as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn it_is_the_fourier_sum_and_its_inverse() {
        let (width, height) = (12, 7);
        let value = |n: usize| ((n * n * 5 + 3 * n) % 17) as f32 / 17.0;
        let plane: Vec<Complex32> =
            (0..width * height).map(|n| Complex32::new(value(n), value(n + 40))).collect();
        let spectrum = transform(plane.clone(), width, height, FftDirection::Forward);
        for (at, found) in spectrum.iter().enumerate() {
            let (kx, ky) = (at / height, at % height);
            let (mut re, mut im) = (0.0, 0.0);
            for (n, v) in plane.iter().enumerate() {
                let (x, y) = (n % width, n / width);
                let turns = (kx * x) as f64 / width as f64 + (ky * y) as f64 / height as f64;
                let (sin, cos) = (-TAU * turns).sin_cos();
                re += f64::from(v.re) * cos - f64::from(v.im) * sin;
                im += f64::from(v.re) * sin + f64::from(v.im) * cos;
            }
            assert!((f64::from(found.re) - re).abs() < 2e-5, "{found} {re}");
            assert!((f64::from(found.im) - im).abs() < 2e-5, "{found} {im}");
        }
        // The spectrum is transposed, so its own sides are exchanged.
        let back = transform(spectrum, height, width, FftDirection::Inverse);
        for (a, b) in back.iter().zip(&plane) {
            assert!((a / (width * height) as f32 - b).norm() < 1e-6);
        }
    }

    #[test]
    fn frequencies_are_signed() {
        let of = |length| (0..length).map(|k| frequency(k, length)).collect::<Vec<_>>();
        assert_eq!(of(4), [0.0, 0.25, -0.5, -0.25]);
        assert_eq!(of(5), [0.0, 0.2, 0.4, -0.4, -0.2]);
    }
}
