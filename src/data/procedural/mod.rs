//! Fingerprints from a formula, after SFinGe (Cappelli, Maio & Maltoni, ICPR 2000; Maltoni et al.,
//! "Handbook of Fingerprint Recognition", chapter 6).
//!
//! 1. The class: arch, tented arch, left loop, right loop or whorl.
//! 2. [`orientation`]: the direction of the ridges, from cores and deltas.
//! 3. [`ridges`]: Gabor filters grow ridges along that direction.
//! 4. `marks`: creases, scars and pores.
//! 5. `impression`: the finger on the glass. Only this step differs between two impressions.
//!
//! Steps 1–4 are a [`Master`] at 500 ppi; step 5 renders it at any size. Every number is drawn from
//! (seed, finger, impression) alone, so a print is the same whatever is rendered before or beside
//! it. Nothing comes from any person's finger.
//!
//! What is published is the method; sizes, rates and placements are this project's choices, made by
//! looking at prints and by measuring them. With NIST's tools (NBIS, NFIQ 2) on 80 prints of 90 × 97
//! pixels, enlarged 2.5 times: minutiae 32/49/63 at the 10th, 50th and 90th percentile (SOCOFing:
//! 33/43/56), NFIQ 2 score 26/36/45 (21/35/46), bifurcations 37 % (40 %), scores of different
//! fingers 9 at the median and 32 at the 99th percentile (9 and 24).

pub(crate) mod field;
mod impression;
mod label;
mod marks;
pub mod orientation;
pub mod ridges;
mod set;
#[cfg(test)]
mod tests;
mod truth;

use image::GrayImage;

pub use label::{HenryClass, SynthLabel};
pub use set::{SynthPrint, SynthSet};
pub use truth::{Ridge, Truth};

use crate::data::socofing::{Alteration, Gender, SocofingName};
use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use field::Field;
use orientation::Orientation;

/// Columns of the sensor's view at 500 ppi.
pub const VIEW_WIDTH: usize = 240;
/// Rows of the sensor's view at 500 ppi.
pub const VIEW_HEIGHT: usize = 258;
/// Smallest and largest side of a rendered print, pixels.
pub const SIDES: std::ops::RangeInclusive<u32> = 16..=1024;

/// What is drawn for a finger, each from its own row of [`Stream::Finger`].
#[derive(Clone, Copy)]
#[repr(u32)]
enum Part {
    Identity,
    Orientation,
    Period,
    Ridges,
    Marks,
}

/// One finger: who it belongs to and which class it is. Cheap; [`Finger::grow`] makes its skin.
#[derive(Clone, Debug)]
pub struct Finger {
    seed: u64,
    index: u32,
    class: HenryClass,
    gender: Gender,
    period: f64,
}

impl Finger {
    /// Finger number `index` of the population `seed`, its class drawn by natural frequency.
    ///
    /// Fingers 10·i … 10·i + 9 are the hands of one subject, left then right, thumb to little finger.
    pub fn new(seed: u64, index: u32) -> Self {
        let (hand, _) = label::place(index);
        let mut rng = Self::rng(seed, index, Part::Identity);
        let class = HenryClass::draw(hand, &mut rng);
        Self::with_class(seed, index, class)
    }

    /// The same finger with a class of the caller's choice.
    pub fn with_class(seed: u64, index: u32, class: HenryClass) -> Self {
        // The subject's own row: one gender for ten fingers.
        let mut subject = Sequence::new(seed, Stream::Finger, index / 10, u32::MAX);
        let gender = label::draw_gender(&mut subject);
        let build = subject.normal(0.0, 0.5);
        let own = Self::rng(seed, index, Part::Period).normal(0.0, 0.5);
        let mean = if gender == Gender::Female { 7.75 } else { 8.1 };
        Self { seed, index, class, gender, period: mean + build + own }
    }

    fn rng(seed: u64, index: u32, part: Part) -> Sequence {
        Sequence::new(seed, Stream::Finger, index, part as u32)
    }

    /// Its class.
    pub fn class(&self) -> HenryClass {
        self.class
    }

    /// Mean ridge period in pixels at 500 ppi, before local variation.
    pub fn period(&self) -> f64 {
        self.period
    }

    /// Whose finger it is, and which impression of it, from 1.
    pub fn label(&self, impression: u32) -> SynthLabel {
        let (hand, finger) = label::place(self.index);
        let name = SocofingName {
            subject: self.index / 10 + 1,
            gender: self.gender,
            hand,
            finger,
            alteration: Alteration::None,
            impression,
        };
        SynthLabel { name, class: self.class }
    }

    /// The directions of its ridges.
    pub fn orientation(&self) -> Orientation {
        let mut rng = Self::rng(self.seed, self.index, Part::Orientation);
        Orientation::draw(self.class, &mut rng)
    }

    /// Grows its ridges and marks.
    pub fn grow(&self) -> Master {
        let rng = |part| Self::rng(self.seed, self.index, part);
        let orientation = self.orientation();
        let mut period_rng = rng(Part::Period);
        let period = ridges::period_grid(self.period, &orientation, &mut period_rng);
        let mut ridges = ridges::grow(&orientation.grid(), &period, &mut rng(Part::Ridges));
        let marks = marks::mark(&mut ridges, &mut rng(Part::Marks));
        Master { finger: self.clone(), ridges, marks }
    }
}

/// The skin of one finger at 500 ppi, ready for any number of impressions.
#[derive(Clone, Debug)]
pub struct Master {
    finger: Finger,
    /// 1 on a crest, −1 in a valley, 0 where there is no skin.
    ridges: Field,
    /// 0 on whole skin, about 1 where a crease or pore takes no ink.
    marks: Field,
}

impl Master {
    /// The finger.
    pub fn finger(&self) -> &Finger {
        &self.finger
    }

    /// The ridges' height, `ridges::MASTER_HEIGHT` rows of `ridges::MASTER_WIDTH` values at
    /// 500 ppi: 1 on a crest, −1 in a valley.
    pub fn heights(&self) -> &[f32] {
        &self.ridges.data
    }

    /// Renders impression `number`, from 1 as in file names, as dark ridges on a bright ground.
    ///
    /// The view is 240 × 258 pixels at 500 ppi; another aspect sees the largest part of it that
    /// fits. Errors when a side lies outside [`SIDES`] or one is more than twice the other.
    pub fn impression(&self, number: u32, width: u32, height: u32) -> Result<GrayImage> {
        check_size(width, height)?;
        let Finger { seed, index, .. } = self.finger;
        let mut rng = Sequence::new(seed, Stream::Impression, index, number);
        Ok(impression::render(self, width, height, &mut rng))
    }
}

/// Whether prints can be rendered at this size.
pub fn check_size(width: u32, height: u32) -> Result<()> {
    if !SIDES.contains(&width) || !SIDES.contains(&height) {
        return Err(Error::Config(format!(
            "a print of {width}x{height} pixels: each side must be {} to {}",
            SIDES.start(),
            SIDES.end()
        )));
    }
    if width > 2 * height || height > 2 * width {
        return Err(Error::Config(format!(
            "a print of {width}x{height} pixels: one side is more than twice the other; \
             a fingertip is about as wide as it is high (96x103 for SOCOFing)"
        )));
    }
    Ok(())
}
