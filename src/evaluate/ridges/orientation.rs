//! The direction of the ridges, from the structure tensor of the image.
//!
//! ```text
//! G = mean of ∇I ∇Iᵀ in a Gaussian window      2θ = arg(Gxx − Gyy + 2i·Gxy)     direction = θ + π/2
//! coherence = √((Gxx − Gyy)² + 4·Gxy²) / (Gxx + Gyy)
//! ```
//!
//! Kass & Witkin, "Analyzing oriented patterns" (CVGIP 1987); Bazen & Gerez, "Systematic methods for
//! the computation of the directional fields and singular points of fingerprints" (PAMI 2002),
//! equations 6–15.
//!
//! The gradient is taken in the frequency domain. Differences of neighbours are far off at three
//! pixels a ridge: a wave of period 2.5 px at 30° seems to stand at 49°.

use std::f32::consts::{PI, TAU};

use rustfft::FftDirection;
use rustfft::num_complex::Complex32;

use super::Print;
use super::fft::{frequency, transform};
use super::smooth::gaussian;

/// Width of the Gaussian whose derivative is the gradient, pixels. It answers most to ridges of
/// 2π·0.6 = 3.8 px and to all from 2 to 14 px.
const DERIVATIVE_SIGMA: f32 = 0.6;
/// Width of the window in which directions are averaged, pixels.
const WINDOW_SIGMA: f32 = 4.0;
/// Mirrored pixels beside the image, so that its edges are no ridges.
const MARGIN: usize = 16;

/// Direction and coherence at every pixel.
#[derive(Clone, Debug)]
pub struct OrientationField {
    width: usize,
    height: usize,
    /// Gxx − Gyy and 2·Gxy.
    double: Vec<[f32; 2]>,
    coherence: Vec<f32>,
}

impl OrientationField {
    /// Measures the whole image, ground included.
    pub fn new(print: &Print) -> Self {
        let (width, height) = (print.width, print.height);
        let gradient = gradient(print);
        let smooth = |of: fn(&Complex32) -> f32| {
            let plane: Vec<f32> = gradient.iter().map(of).collect();
            gaussian(&plane, width, height, WINDOW_SIGMA)
        };
        let difference = smooth(|g| g.re * g.re - g.im * g.im);
        let product = smooth(|g| 2.0 * g.re * g.im);
        let energy = smooth(Complex32::norm_sqr);
        let double: Vec<[f32; 2]> =
            difference.iter().zip(&product).map(|(&a, &b)| [a, b]).collect();
        // Below a thousandth of a grey level per pixel there is only rounding.
        let least = (1e-3f32 / 255.0).powi(2);
        let coherence = double.iter().zip(&energy).map(|(&[a, b], &energy)| {
            if energy > least { (a.hypot(b) / energy).min(1.0) } else { 0.0 }
        });
        Self { width, height, coherence: coherence.collect(), double }
    }

    /// The direction along the ridges at (x, y), radians in [0, π), y downward; 0 where there is no
    /// direction at all. A point outside the image reads the nearest pixel.
    pub fn angle(&self, x: usize, y: usize) -> f32 {
        let at =
            y.min(self.height.saturating_sub(1)) * self.width + x.min(self.width.saturating_sub(1));
        let [a, b] = self.double.get(at).copied().unwrap_or_default();
        if a == 0.0 && b == 0.0 {
            return 0.0;
        }
        let angle = 0.5 * b.atan2(a) + 0.5 * PI;
        if angle >= PI { 0.0 } else { angle.max(0.0) }
    }

    /// Coherence at every pixel: 1 where all gradients are parallel, 0 where they point everywhere
    /// or there are none; `height` rows of `width` values.
    pub fn coherence(&self) -> &[f32] {
        &self.coherence
    }

    /// Mean coherence over the print's foreground, 0 to 1; `None` without a foreground.
    pub fn mean_coherence(&self, print: &Print) -> Option<f64> {
        let inside = self.coherence.iter().zip(&print.mask).filter(|(_, inside)| **inside);
        let (sum, count) =
            inside.fold((0f64, 0usize), |(sum, n), (c, _)| (sum + f64::from(*c), n + 1));
        (count > 0).then(|| sum / count as f64)
    }
}

/// The derivative of a Gaussian in x (real part) and y (imaginary part), in one inverse transform.
fn gradient(print: &Print) -> Vec<Complex32> {
    let side = |length: usize| (length + MARGIN).next_multiple_of(32);
    let (width, height) = (side(print.width), side(print.height));
    let mut spectrum =
        transform(mirrored(print, width, height), width, height, FftDirection::Forward);
    let response = |k: usize, length: usize| {
        let omega = TAU * frequency(k, length);
        let blur = (-0.5 * (DERIVATIVE_SIGMA * omega).powi(2)).exp();
        // The highest frequency of an even length has no sign, so it has no derivative.
        let omega = if 2 * k == length { 0.0 } else { omega };
        (omega, blur)
    };
    let down: Vec<_> = (0..height).map(|k| response(k, height)).collect();
    for (kx, column) in spectrum.chunks_exact_mut(height).enumerate() {
        let (omega_x, blur_x) = response(kx, width);
        for (value, (omega_y, blur_y)) in column.iter_mut().zip(&down) {
            // i·ωx + i·(i·ωy)
            *value *= Complex32::new(-omega_y, omega_x) * (blur_x * blur_y);
        }
    }
    let plane = transform(spectrum, height, width, FftDirection::Inverse);
    let scale = 1.0 / (width * height) as f32;
    let rows = plane.chunks_exact(width).take(print.height);
    rows.flat_map(|row| &row[..print.width]).map(|g| g * scale).collect()
}

/// The print in the corner of a larger plane; around it, on a torus, its mirror image.
fn mirrored(print: &Print, width: usize, height: usize) -> Vec<Complex32> {
    let source = |at: usize, length: usize, plane: usize| {
        let beyond = at.checked_sub(length);
        let mirrored = match beyond {
            None => at,
            Some(d) if 2 * d < plane - length => length.saturating_sub(1 + d),
            Some(_) => plane - 1 - at,
        };
        mirrored.min(length.saturating_sub(1))
    };
    let columns: Vec<usize> = (0..width).map(|x| source(x, print.width, width)).collect();
    let mut plane = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = source(y, print.height, height) * print.width;
        let ink = columns.iter().map(|x| print.ink.get(row + x).copied().unwrap_or(0.0));
        plane.extend(ink.map(|v| Complex32::new(v, 0.0)));
    }
    plane
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hopeless, noise, noisy, prints, rings, wave};
    use super::*;

    /// The angle between two directions, degrees.
    fn between(a: f64, b: f64) -> f64 {
        let turn = (a - b).to_degrees().rem_euclid(180.0);
        turn.min(180.0 - turn)
    }

    #[test]
    fn waves_of_any_period_and_direction() {
        for period in [2.5, 3.2, 4.7, 8.0, 12.0] {
            for step in 0..24 {
                let angle = (7.5 * f64::from(step) + 1.0).to_radians();
                let print = Print::new(&wave(96, 103, period, angle));
                let field = OrientationField::new(&print);
                for (x, y) in [(48, 51), (30, 70), (60, 25)] {
                    let found = f64::from(field.angle(x, y));
                    assert!(between(found, angle) < 0.5, "{period} {angle} {found}");
                }
                // The mirrored margin bends the ridges near the edges.
                assert!(field.mean_coherence(&print).unwrap() > 0.9);
                assert!(field.coherence()[51 * 96 + 48] > 0.995);
            }
        }
    }

    #[test]
    fn rings_run_round() {
        let field = OrientationField::new(&Print::new(&rings(128, 100, 3.3, [40.0, 55.0])));
        for (x, y) in [(100, 50), (70, 80), (20, 30), (45, 85)] {
            let known = (y as f64 - 55.0).atan2(x as f64 - 40.0) + std::f64::consts::FRAC_PI_2;
            assert!(between(f64::from(field.angle(x, y)), known) < 1.5, "{x} {y}");
        }
        let at = |x: usize, y: usize| field.coherence()[y * 128 + x];
        assert!(at(40, 55) < 0.1, "all directions meet in the centre: {}", at(40, 55));
    }

    #[test]
    fn noise_lowers_coherence_down_to_that_of_noise_alone() {
        let mean = |image: &image::GrayImage| {
            let print = Print::new(image);
            OrientationField::new(&print).mean_coherence(&print).unwrap()
        };
        let floor = mean(&noise(96, 103, 60.0, 2));
        assert!(floor < 0.2, "{floor}");
        for print in prints(3, 96, 103, 1) {
            let of = |sigma| mean(&noisy(&print, sigma, 6));
            assert!(of(0.0) > of(30.0) && of(30.0) > of(80.0) && of(80.0) > floor);
            assert!(of(0.0) > 0.5);
        }
    }

    #[test]
    fn a_blank_image_has_no_direction() {
        for image in hopeless() {
            let print = Print::new(&image);
            let field = OrientationField::new(&print);
            assert_eq!(field.mean_coherence(&print), None);
            assert!(field.coherence().iter().all(|c| *c == 0.0));
            assert!(field.angle(500, 500).is_finite());
        }
    }
}
