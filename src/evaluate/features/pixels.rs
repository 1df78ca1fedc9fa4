//! Any image → the network's square, and what training does to a square.

use super::network::{PIXELS, SIDE};
use crate::data::decode::Raster;
use crate::data::procedural::field::quick_normal;
use crate::data::resize::{Fit, resize_into};
use crate::error::{Error, Result};
use crate::rng::Sequence;
use image::GrayImage;

/// The image's pixels in the network's square: scaled until the longer side fits, white added on both
/// sides, as the data room prepares training images ([`Fit::Pad`]). A square of the right size is taken as
/// it is.
///
/// # Errors
/// [`Error::Shape`] for an image without pixels.
pub(super) fn squared(image: &GrayImage) -> Result<Vec<u8>> {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        let reason = format!("an image of {width}x{height} pixels has no features");
        return Err(Error::shape("print features", reason));
    }
    if (width as usize, height as usize) == (SIDE, SIDE) {
        return Ok(image.as_raw().clone());
    }
    let mut out = vec![0; PIXELS];
    resize_into(&Raster::Gray(image.clone()), SIDE as u32, 1, Fit::Pad, &mut out);
    Ok(out)
}

/// Grey levels → the network's input in [−1, 1], the normalisation of
/// [`Backend::gather`](crate::backend::Backend::gather).
pub(super) fn normalise(grey: f32) -> f32 {
    grey / 127.5 - 1.0
}

/// A square in grey levels, 0 to 255, between augmentations.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Square(pub Vec<f32>);

impl Square {
    /// The pixels of a square.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|&b| f32::from(b)).collect())
    }

    /// A square computed from the pixel's column and row.
    pub fn from_fn(mut value: impl FnMut(usize, usize) -> f32) -> Self {
        Self((0..PIXELS).map(|i| value(i % SIDE, i / SIDE)).collect())
    }

    /// The left-hand print becomes a right-hand one.
    pub fn mirror(&mut self) {
        self.0.chunks_exact_mut(SIDE).for_each(<[f32]>::reverse);
    }

    /// Moved by whole pixels, right and down; white comes in.
    pub fn shifted(&self, dx: i32, dy: i32) -> Self {
        Self::from_fn(|x, y| {
            let (x, y) = (x as i32 - dx, y as i32 - dy);
            let inside = (0..SIDE as i32).contains(&x) && (0..SIDE as i32).contains(&y);
            if inside { self.0[y as usize * SIDE + x as usize] } else { 255.0 }
        })
    }

    /// Convolved with a Gaussian of standard deviation `sigma` pixels, cut at 3 σ; the border is repeated
    /// outward. A sigma of 0 changes nothing.
    pub fn blur(&mut self, sigma: f64) {
        let taps = gaussian(sigma);
        let reach = taps.len() / 2;
        let mut padded = vec![0.0; SIDE + 2 * reach];
        for line in self.0.chunks_exact_mut(SIDE) {
            padded[..reach].fill(line[0]);
            padded[reach..reach + SIDE].copy_from_slice(line);
            padded[reach + SIDE..].fill(line[SIDE - 1]);
            for (x, out) in line.iter_mut().enumerate() {
                *out = taps.iter().zip(&padded[x..]).map(|(w, v)| w * v).sum();
            }
        }
        let source = std::mem::replace(&mut self.0, vec![0.0; PIXELS]);
        for (y, out) in self.0.chunks_exact_mut(SIDE).enumerate() {
            for (k, weight) in taps.iter().enumerate() {
                let row = (y + k).saturating_sub(reach).min(SIDE - 1);
                let line = &source[row * SIDE..(row + 1) * SIDE];
                out.iter_mut().zip(line).for_each(|(o, v)| *o += weight * v);
            }
        }
    }

    /// Adds white noise of standard deviation `sigma` grey levels.
    pub fn add_noise(&mut self, sigma: f64, rng: &mut Sequence) {
        for value in &mut self.0 {
            *value += sigma as f32 * quick_normal(rng);
        }
    }

    /// Less contrast and darker paper: v → `paper` − `gain`·(255 − v).
    pub fn fade(&mut self, gain: f64, paper: f64) {
        self.0.iter_mut().for_each(|v| *v = paper as f32 - gain as f32 * (255.0 - *v));
    }

    /// Writes the network's input: grey levels are rounded and clamped as in any image file.
    pub fn write_to(&self, out: &mut [f32]) {
        for (out, v) in out.iter_mut().zip(&self.0) {
            *out = normalise(v.round().clamp(0.0, 255.0));
        }
    }
}

/// Weights of a Gaussian that sum to 1, an odd number of them.
fn gaussian(sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as i32;
    let at = |i: i32| if i == 0 { 1.0 } else { (-0.5 * (f64::from(i) / sigma).powi(2)).exp() };
    let raw: Vec<f64> = (-reach..=reach).map(at).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|w| (w / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// An impulse becomes a Gaussian: its sum stays, its variance is σ² (less what is cut beyond 3 σ), and it
    /// is the product of its rows and columns.
    #[test]
    fn an_impulse_spreads_to_its_sigma() {
        for sigma in [0.8, 1.7] {
            let mut square = Square::from_fn(|x, y| if (x, y) == (40, 51) { 1000.0 } else { 0.0 });
            square.blur(sigma);
            let sum: f64 = square.0.iter().map(|v| f64::from(*v)).sum();
            assert!((sum - 1000.0).abs() < 1e-2, "{sum}");
            let moment = |axis: usize| {
                let spread = |(i, v): (usize, &f32)| {
                    let at = [i % SIDE, i / SIDE][axis] as f64 - [40.0, 51.0][axis];
                    f64::from(*v) * at * at
                };
                square.0.iter().enumerate().map(spread).sum::<f64>() / sum
            };
            for axis in [0, 1] {
                let ratio = moment(axis) / (sigma * sigma);
                assert!((0.95..1.01).contains(&ratio), "sigma {sigma}: {ratio}");
            }
        }
    }

    #[test]
    fn no_blur_and_no_noise_change_nothing() {
        let mut rng = Sequence::new(1, Stream::FeatureAugment, 0, 0);
        let square = Square::from_fn(|x, y| (7 * x + 13 * y) as f32 % 251.0);
        let mut same = square.clone();
        same.blur(0.0);
        same.add_noise(0.0, &mut rng);
        same.fade(1.0, 255.0);
        assert_eq!(same, square);
        same.mirror();
        assert_ne!(same, square);
        same.mirror();
        assert_eq!(same.shifted(0, 0), square);
    }

    #[test]
    fn a_shift_moves_right_and_down_and_brings_white() {
        let square = Square::from_fn(|x, y| (x + 2 * y) as f32 % 200.0);
        let moved = square.shifted(3, -2);
        assert_eq!(moved.0[10 * SIDE + 20], square.0[12 * SIDE + 17]);
        assert_eq!(moved.0[10 * SIDE + 2], 255.0);
        assert_eq!(moved.0[95 * SIDE + 20], 255.0);
    }

    /// The sample deviation of 9,216 numbers is within 5 standard errors, 5/√(2·9216) = 3.7 %.
    #[test]
    fn noise_has_its_sigma() {
        let mut rng = Sequence::new(1, Stream::FeatureAugment, 0, 0);
        let mut square = Square::from_fn(|_, _| 0.0);
        square.add_noise(30.0, &mut rng);
        let mean_square =
            square.0.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / PIXELS as f64;
        assert!((mean_square.sqrt() / 30.0 - 1.0).abs() < 0.037, "{}", mean_square.sqrt());
    }

    #[test]
    fn inputs_are_the_pixels_of_an_image() {
        let mut out = vec![f32::NAN; PIXELS];
        Square::from_fn(|x, _| [-9.0, 0.4, 127.6, 300.0][x % 4]).write_to(&mut out);
        assert_eq!(out[..4], [-1.0, -1.0, 128.0 / 127.5 - 1.0, 1.0]);
    }

    #[test]
    fn images_become_squares_with_white_sides() {
        let black = GrayImage::new(48, 96);
        let square = squared(&black).unwrap();
        assert_eq!(square.len(), PIXELS);
        assert_eq!((square[23], square[24], square[71], square[72]), (255, 0, 0, 255));
        let exact = GrayImage::from_fn(96, 96, |x, y| image::Luma([(x * 3 + y * 5) as u8]));
        assert_eq!(&squared(&exact).unwrap(), exact.as_raw());
        let error = squared(&GrayImage::new(0, 7)).unwrap_err();
        assert!(error.to_string().contains("0x7"), "{error}");
    }
}
