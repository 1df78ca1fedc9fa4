//! What can be measured on one gray print without NIST's tools, and a matcher of two prints.
//!
//! | file | what it measures |
//! |---|---|
//! | [`spectrum`] | share of the variance at each spatial frequency |
//! | [`orientation`] | direction of the ridges and how well defined it is |
//! | [`period`] | distance from ridge to ridge, in blocks |
//! | [`quality`] | foreground, contrast, ink, clarity |
//! | [`matcher`] | how alike two prints are, whatever their shift and turn |
//!
//! All of them start from a [`Print`]; [`Measures::of`] takes everything but the matcher at once.
//! Coordinates are those of the image: x to the right, y downward, in pixels. Lengths are pixels,
//! frequencies cycles per pixel, angles radians. A print without ridges has no figure: `None`, never
//! a NaN.

mod band;
mod fft;
pub mod matcher;
pub mod orientation;
pub mod period;
pub mod quality;
mod smooth;
pub mod spectrum;
#[cfg(test)]
mod testing;
mod turn;
mod wave;

use image::GrayImage;

pub use matcher::{Match, Matcher, Probe, Scratch, Template};
pub use orientation::OrientationField;
pub use period::PeriodMap;
pub use quality::Quality;
pub use spectrum::RadialSpectrum;

/// Standard deviation of the Gaussian window in which the local contrast is taken, pixels: about
/// one ridge period at 500 ppi, more at lower resolutions.
const FOREGROUND_SIGMA: f32 = 5.0;
/// A place belongs to the foreground if its local contrast is at least this share of the print's
/// highest.
const FOREGROUND_SHARE: f32 = 0.45;
/// … and at least this (8 grey levels): a blank sensor's speckle is not a print.
const FOREGROUND_MIN: f32 = 8.0 / 255.0;

/// One print as numbers: ink and foreground.
#[derive(Clone, Debug)]
pub struct Print {
    width: usize,
    height: usize,
    ink: Vec<f32>,
    mask: Vec<bool>,
    foreground: usize,
}

impl Print {
    /// Reads an image of dark ridges on a bright ground; any size, also empty or blank.
    ///
    /// The foreground is where the standard deviation in a Gaussian window (σ = 5 px) is at least
    /// 45 % of its maximum over the image and at least 8 grey levels, after the variance threshold
    /// of Hong, Wan & Jain, "Fingerprint image enhancement" (PAMI 1998), section 2.
    pub fn new(image: &GrayImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let ink: Vec<f32> =
            image.as_raw().iter().map(|&gray| (255.0 - f32::from(gray)) / 255.0).collect();
        let mask = foreground(&ink, width, height);
        let foreground = mask.iter().filter(|inside| **inside).count();
        Self { width, height, ink, mask, foreground }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Darkness, 0 (white) to 1 (black); `height` rows of `width` values.
    pub fn ink(&self) -> &[f32] {
        &self.ink
    }

    /// Whether each pixel belongs to the print rather than to the ground; laid out as [`Self::ink`].
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// Pixels in the foreground; 0 for a blank image.
    pub fn foreground(&self) -> usize {
        self.foreground
    }
}

fn foreground(ink: &[f32], width: usize, height: usize) -> Vec<bool> {
    let mean = smooth::gaussian(ink, width, height, FOREGROUND_SIGMA);
    let squares: Vec<f32> = ink.iter().map(|v| v * v).collect();
    let mut variance = smooth::gaussian(&squares, width, height, FOREGROUND_SIGMA);
    for (square, mean) in variance.iter_mut().zip(&mean) {
        *square -= mean * mean;
    }
    let highest = variance.iter().fold(0f32, |a, &b| a.max(b));
    let least = (FOREGROUND_SHARE.powi(2) * highest).max(FOREGROUND_MIN.powi(2));
    variance.iter().map(|&v| v >= least).collect()
}

/// Everything measured on one print but its matches.
#[derive(Clone, Debug)]
pub struct Measures {
    /// Share of the variance by frequency; `None` on a uniform image.
    pub spectrum: Option<RadialSpectrum>,
    /// Median ridge period in pixels; `None` without ridges.
    pub period: Option<f64>,
    /// Mean orientation coherence over the foreground, 0 to 1; `None` without a foreground.
    pub coherence: Option<f64>,
    /// Contrast, ink, clarity and foreground.
    pub quality: Quality,
}

impl Measures {
    /// Takes them all.
    pub fn of(image: &GrayImage) -> Self {
        let print = Print::new(image);
        let field = OrientationField::new(&print);
        let map = PeriodMap::new(&print, &field);
        Self {
            spectrum: RadialSpectrum::new(&print),
            period: map.median(),
            coherence: field.mean_coherence(&print),
            quality: Quality::new(&print, &map),
        }
    }
}
