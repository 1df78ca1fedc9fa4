//! Images → the numbers that an Inception network was trained on.
//!
//! Figures depend on these details: FID changes by several points with the resampling alone (Parmar,
//! Zhang, Zhu: "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022). The
//! three ways here are those of the usual tools, so that figures can be set beside theirs, and the one
//! that was used belongs beside every figure.

use image::RgbImage;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bytes become the network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Preparation {
    /// As pytorch-fid: bilinear with half-pixel centres, values v/127.5 − 1.
    #[default]
    PytorchFid,
    /// As torch-fidelity and the first FID code: bilinear with corners at zero as in TensorFlow 1,
    /// values (v − 128)/128.
    TorchFidelity,
    /// As torchvision's classifiers: bilinear with half-pixel centres, ImageNet's mean and deviation.
    ImageNet,
}

impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PytorchFid => "bilinear (half-pixel centres), scaled to [-1, 1], as pytorch-fid",
            Self::TorchFidelity => "bilinear (TensorFlow 1), (v - 128)/128, as torch-fidelity",
            Self::ImageNet => {
                "bilinear (half-pixel centres), ImageNet mean and deviation, as torchvision"
            }
        })
    }
}

impl Preparation {
    /// Writes an image as `[3, side, side]`, planes red, green, blue, into `out`, which must hold
    /// `3·side²` numbers. The image must have at least one pixel; the sides are scaled on their own.
    ///
    /// Neither enlarging nor shrinking filters what lies between the sampled pixels, as in those
    /// tools.
    pub fn write(self, image: &RgbImage, side: usize, out: &mut [f32]) {
        let across = self.taps(image.width() as usize, side);
        let down = self.taps(image.height() as usize, side);
        let pixels = image.as_raw();
        let row = 3 * image.width() as usize;
        for (channel, plane) in out.chunks_exact_mut(side * side).enumerate() {
            let at = |y: usize, x: usize| f32::from(pixels[y * row + 3 * x + channel]);
            for (line, v) in plane.chunks_exact_mut(side).zip(&down) {
                for (number, h) in line.iter_mut().zip(&across) {
                    let mix = |y| (1.0 - h.share) * at(y, h.first) + h.share * at(y, h.second);
                    let value = (1.0 - v.share) * mix(v.first) + v.share * mix(v.second);
                    *number = self.scale(value, channel);
                }
            }
        }
    }

    /// The number for a value from 0 to 255.
    fn scale(self, value: f32, channel: usize) -> f32 {
        match self {
            Self::PytorchFid => value / 127.5 - 1.0,
            Self::TorchFidelity => (value - 128.0) / 128.0,
            Self::ImageNet => {
                let mean = [0.485, 0.456, 0.406][channel];
                let deviation = [0.229, 0.224, 0.225][channel];
                (value / 255.0 - mean) / deviation
            }
        }
    }

    /// For each of `to` places along a side of `from` pixels, the two pixels to mix.
    fn taps(self, from: usize, to: usize) -> Vec<Tap> {
        let step = from as f64 / to as f64;
        let last = from.saturating_sub(1);
        (0..to)
            .map(|place| {
                let position = match self {
                    Self::TorchFidelity => place as f64 * step,
                    Self::PytorchFid | Self::ImageNet => {
                        ((place as f64 + 0.5) * step - 0.5).max(0.0)
                    }
                };
                let first = (position as usize).min(last);
                let share = (position - first as f64).min(1.0) as f32;
                Tap { first, second: (first + 1).min(last), share }
            })
            .collect()
    }
}

/// Two neighbouring pixels and the share of the second.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    const ALL: [Preparation; 3] =
        [Preparation::PytorchFid, Preparation::TorchFidelity, Preparation::ImageNet];

    fn written(how: Preparation, image: &RgbImage, side: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; 3 * side * side];
        how.write(image, side, &mut out);
        out
    }

    fn byte(how: Preparation, number: f32) -> f32 {
        match how {
            Preparation::PytorchFid => (number + 1.0) * 127.5,
            Preparation::TorchFidelity => number * 128.0 + 128.0,
            Preparation::ImageNet => (number * 0.229 + 0.485) * 255.0,
        }
    }

    #[test]
    fn two_pixels_become_four_as_each_tool_does_it() {
        let image = RgbImage::from_fn(2, 1, |x, _| Rgb([if x == 0 { 40 } else { 200 }, 7, 99]));
        for (how, expected) in [
            (Preparation::PytorchFid, [40.0, 80.0, 160.0, 200.0]),
            (Preparation::TorchFidelity, [40.0, 120.0, 200.0, 200.0]),
            (Preparation::ImageNet, [40.0, 80.0, 160.0, 200.0]),
        ] {
            let out = written(how, &image, 4);
            for row in out[..16].chunks(4) {
                for (&number, wanted) in row.iter().zip(expected) {
                    assert!((byte(how, number) - wanted).abs() < 1e-4, "{how:?}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn an_image_of_the_right_size_is_only_scaled_and_split_into_planes() {
        let image = RgbImage::from_fn(3, 3, |x, y| Rgb([x as u8, 10 + y as u8, 255 - x as u8]));
        let out = written(Preparation::PytorchFid, &image, 3);
        for (x, y, pixel) in image.enumerate_pixels() {
            for channel in 0..3 {
                let number = out[channel * 9 + (3 * y + x) as usize];
                assert_eq!(number, f32::from(pixel[channel]) / 127.5 - 1.0);
            }
        }
        assert_eq!(Preparation::TorchFidelity.scale(0.0, 0), -1.0);
        assert_eq!(Preparation::TorchFidelity.scale(128.0, 2), 0.0);
        let white = [2.248_908_3, 2.428_571_4, 2.64];
        for (channel, expected) in white.into_iter().enumerate() {
            assert!((Preparation::ImageNet.scale(255.0, channel) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_ramp_stays_a_ramp_in_both_directions() {
        let image = RgbImage::from_fn(50, 20, |x, y| Rgb([(4 * x) as u8, (9 * y) as u8, 0]));
        for how in [Preparation::PytorchFid, Preparation::TorchFidelity] {
            let offset = if how == Preparation::TorchFidelity { 0.0 } else { 0.5 };
            let out = written(how, &image, 64);
            for (y, x) in (0..64).flat_map(|y| (0..64).map(move |x| (y, x))) {
                let at = |place: usize, pixels: f32| {
                    ((place as f32 + offset) * pixels / 64.0 - offset).clamp(0.0, pixels - 1.0)
                };
                let red = byte(how, out[64 * y + x]);
                let green = byte(how, out[64 * 64 + 64 * y + x]);
                assert!((red - 4.0 * at(x, 50.0)).abs() < 2e-4, "{how:?} {x} {red}");
                assert!((green - 9.0 * at(y, 20.0)).abs() < 2e-4, "{how:?} {y} {green}");
            }
        }
    }

    #[test]
    fn one_pixel_fills_the_plane() {
        let image = RgbImage::from_pixel(1, 1, Rgb([12, 0, 255]));
        for how in ALL {
            let out = written(how, &image, 5);
            for (channel, value) in [12.0, 0.0, 255.0].into_iter().enumerate() {
                assert!(out[25 * channel..][..25].iter().all(|&n| n == how.scale(value, channel)));
            }
        }
    }
}
