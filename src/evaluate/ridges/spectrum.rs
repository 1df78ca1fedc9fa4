//! The radial power spectrum: how much of a print's variance lies at each spatial frequency.
//!
//! Ridges are a hump around one over their period; blur takes from its right, noise adds to it.
//! Generators are known to miss the right tail (Durall, Keuper & Keuper, "Watch your up-convolution",
//! CVPR 2020, whose azimuthal integral this is).

use std::f32::consts::PI;

use rustfft::FftDirection;
use rustfft::num_complex::Complex32;

use super::Print;
use super::fft::{frequency, transform};

/// Bins from 0 to ½ cycle per pixel.
pub const BINS: usize = 64;
/// Width of a bin, cycles per pixel.
pub const BIN_WIDTH: f64 = 0.5 / BINS as f64;
/// Where ridges are looked for: periods of 14 px down to the finest an image can hold.
const RIDGES_FROM: f64 = 1.0 / 14.0;
/// The smallest plane, so that the bins of small images are not empty in turn.
const MIN_PLANE: usize = 128;

/// Share of the windowed image's variance in rings of equal width, sum 1.
#[derive(Clone, Debug, PartialEq)]
pub struct RadialSpectrum {
    shares: Vec<f64>,
}

impl RadialSpectrum {
    /// Measures one print: mean removed, Hann window over the whole image, zero padding to at least
    /// 128 × 128, squared magnitude summed over rings of frequency. What lies beyond ½ cycle per
    /// pixel, in the corners, is left out.
    ///
    /// `None` for an image without variance.
    pub fn new(print: &Print) -> Option<Self> {
        let side = |length: usize| length.next_power_of_two().max(MIN_PLANE);
        let (width, height) = (side(print.width), side(print.height));
        let spectrum =
            transform(windowed(print, width, height), width, height, FftDirection::Forward);
        let mut shares = vec![0f64; BINS];
        let fy: Vec<f32> = (0..height).map(|k| frequency(k, height).powi(2)).collect();
        // A real image's other half is the mirror of this one.
        for (kx, column) in spectrum.chunks_exact(height).take(width / 2 + 1).enumerate() {
            let fx = frequency(kx, width).powi(2);
            let twice = if kx == 0 || 2 * kx == width { 1.0 } else { 2.0 };
            for (value, fy) in column.iter().zip(&fy) {
                let bin = ((fx + fy).sqrt() * (2 * BINS) as f32) as usize;
                if let Some(share) = shares.get_mut(bin) {
                    *share += twice * f64::from(value.norm_sqr());
                }
            }
        }
        let total: f64 = shares.iter().sum();
        // Rounding leaves a trace of power in a uniform image.
        if total <= 1e-6 * (print.width * print.height) as f64 {
            return None;
        }
        shares.iter_mut().for_each(|share| *share /= total);
        Some(Self { shares })
    }

    /// The shares, [`BINS`] of them; bin i covers i to i + 1 times [`BIN_WIDTH`].
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Frequency in the middle of bin `bin`, cycles per pixel.
    pub fn frequency(bin: usize) -> f64 {
        (bin as f64 + 0.5) * BIN_WIDTH
    }

    /// The highest peak between 1/14 and ½ cycle per pixel, its place refined by a parabola; `None`
    /// if the shares only fall or only rise there.
    pub fn peak(&self) -> Option<Peak> {
        let first = (RIDGES_FROM / BIN_WIDTH).ceil() as usize;
        let is_peak = |at: &usize| {
            let [left, middle, right] = self.around(*at);
            middle > left && middle >= right
        };
        let at = (first..BINS).filter(is_peak).max_by(|a, b| {
            // Of two equal ones the lower frequency.
            self.shares[*a].total_cmp(&self.shares[*b]).then(b.cmp(a))
        })?;
        let [left, middle, right] = self.around(at);
        let offset = 0.5 * (left - right) / (left - 2.0 * middle + right);
        Some(Peak { frequency: Self::frequency(at) + offset * BIN_WIDTH, share: middle })
    }

    fn around(&self, bin: usize) -> [f64; 3] {
        let at = |bin: usize| self.shares.get(bin).copied().unwrap_or(0.0);
        [bin.checked_sub(1).map_or(0.0, at), at(bin), at(bin + 1)]
    }
}

/// The peak of a radial spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Cycles per pixel; its inverse is the ridge period.
    pub frequency: f64,
    /// Share of the variance in its bin.
    pub share: f64,
}

/// The print without its mean, under a Hann window, in the corner of a
/// plane of `height` rows of `width` values.
fn windowed(print: &Print, width: usize, height: usize) -> Vec<Complex32> {
    let (across, down) = (hann(print.width), hann(print.height));
    let weights = || down.iter().flat_map(|wy| across.iter().map(move |wx| wx * wy));
    // The mean under the window, so that nothing is left at frequency 0.
    let (mut sum, mut total) = (0f64, 0f64);
    for (ink, weight) in print.ink.iter().zip(weights()) {
        sum += f64::from(ink * weight);
        total += f64::from(weight);
    }
    let mean = if total > 0.0 { (sum / total) as f32 } else { 0.0 };
    let mut plane = vec![Complex32::default(); width * height];
    for (at, (ink, weight)) in print.ink.iter().zip(weights()).enumerate() {
        let (x, y) = (at % print.width, at / print.width);
        plane[y * width + x].re = (ink - mean) * weight;
    }
    plane
}

/// Hann's window over `length` samples, none of them 0.
fn hann(length: usize) -> Vec<f32> {
    (0..length).map(|at| (PI * (at as f32 + 0.5) / length as f32).sin().powi(2)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hopeless, noise, noisy, prints, wave};
    use super::*;
    use image::GrayImage;
    use std::f64::consts::{PI, TAU};

    fn of(image: &GrayImage) -> RadialSpectrum {
        RadialSpectrum::new(&Print::new(image)).unwrap()
    }

    fn above(spectrum: &RadialSpectrum, frequency: f64) -> f64 {
        spectrum.shares()[(frequency / BIN_WIDTH) as usize..].iter().sum()
    }

    /// The definition in f64, one Fourier sum for each frequency.
    #[test]
    fn it_is_the_power_in_rings() {
        let (width, height) = (16usize, 23usize);
        let image = noisy(&wave(16, 23, 4.3, 0.7), 25.0, 3);
        let hann = |at: usize, n: usize| (PI * (at as f64 + 0.5) / n as f64).sin().powi(2);
        let pixels: Vec<(f64, f64, f64, f64)> = (0..width * height)
            .map(|n| {
                let (x, y) = (n % width, n / width);
                let ink = 1.0 - f64::from(image.as_raw()[n]) / 255.0;
                (x as f64, y as f64, ink, hann(x, width) * hann(y, height))
            })
            .collect();
        let total: f64 = pixels.iter().map(|p| p.3).sum();
        let mean = pixels.iter().map(|p| p.2 * p.3).sum::<f64>() / total;
        let mut rings = vec![0.0; BINS];
        for k in 0..128 * 128 {
            let (kx, ky) = (f64::from(k % 128 - 64), f64::from(k / 128 - 64));
            let (mut re, mut im) = (0.0, 0.0);
            for (x, y, ink, weight) in &pixels {
                let (sin, cos) = (TAU * (kx * x + ky * y) / 128.0).sin_cos();
                re += weight * (ink - mean) * cos;
                im += weight * (ink - mean) * sin;
            }
            if let Some(ring) = rings.get_mut(kx.hypot(ky) as usize) {
                *ring += re * re + im * im;
            }
        }
        let all: f64 = rings.iter().sum();
        for (found, ring) in of(&image).shares().iter().zip(&rings) {
            assert!((found - ring / all).abs() < 1e-6, "{found} {}", ring / all);
        }
    }

    #[test]
    fn a_wave_peaks_at_its_frequency_on_images_of_any_size() {
        for (width, height) in [(96, 103), (64, 64), (128, 150), (240, 258)] {
            for period in [2.5, 3.2, 5.1, 8.3] {
                let spectrum = of(&wave(width, height, period, 0.6));
                let peak = spectrum.peak().unwrap();
                assert!(
                    (peak.frequency - 1.0 / period).abs() < 0.5 * BIN_WIDTH,
                    "{period} {peak:?}"
                );
                assert!((spectrum.shares().iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn white_noise_has_power_in_proportion_to_the_rings_area() {
        let spectrum = of(&noise(128, 128, 40.0, 8));
        let half = above(&spectrum, 0.25);
        // ¾ of the disc's area, from some 10,000 independent frequencies under the window.
        assert!((half - 0.75).abs() < 0.02, "{half}");
    }

    #[test]
    fn blur_takes_the_fine_part_and_noise_adds_to_it() {
        for print in prints(3, 96, 103, 1) {
            let blurred = |sigma| above(&of(&image::imageops::blur(&print, sigma)), 0.25);
            let noised = |sigma| above(&of(&noisy(&print, sigma, 4)), 0.4);
            assert!(above(&of(&print), 0.25) > blurred(0.6));
            assert!(blurred(0.6) > blurred(1.0) && blurred(1.0) > blurred(2.0));
            assert!(noised(0.0) < noised(20.0) && noised(20.0) < noised(60.0));
        }
    }

    #[test]
    fn a_uniform_image_has_none() {
        for image in hopeless() {
            assert!(RadialSpectrum::new(&Print::new(&image)).is_none(), "{:?}", image.dimensions());
        }
    }
}
