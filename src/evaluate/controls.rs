//! Sets whose judgement is known beforehand: they show what a figure means.

use super::prints::{Draw, Prints};
use super::sources::resized;
use crate::data::procedural::Finger;
use crate::data::{self, DataConfig, Reporter};
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use image::{DynamicImage, imageops};
use rayon::prelude::*;

/// Prints of each control at most: half of 5,000, as the halves of the real prints have.
const COUNT: usize = 2500;
/// Standard deviation of the blur, in pixels of a print of 96.
const BLUR: f32 = 1.2;
/// Added to the seed, so that the control's fingers are not those of a procedural training set.
const OTHER_FINGERS: u64 = 0x5eed_0f0f;
/// Prints between two reports of progress.
const CHUNK: usize = 64;

/// One half of the real prints, and what it is compared with.
#[derive(Clone, Debug)]
pub struct Controls {
    pub half: Prints,
    /// The other half first: the floor.
    pub sets: Vec<(&'static str, Prints)>,
}

impl Controls {
    /// Makes them; `shape` is the width and height of the real prints before they were padded to squares.
    ///
    /// # Errors
    /// If prints cannot be drawn or kept.
    pub fn new(
        real: &Prints,
        shape: Option<(u32, u32)>,
        seed: u64,
        reporter: &mut dyn Reporter,
    ) -> Result<Self> {
        let [half, other] = real.halves(seed).map(|half| half.sample(COUNT, seed));
        let (count, size) = (half.len(), half.size);
        let drawn = procedural(count.max(1), size, shape, seed, reporter)?;
        let (blurred, noise) = (blurred(&other)?, noise(count, size, seed)?);
        let sets = vec![
            ("real, the other half", other),
            ("procedural prints", drawn),
            ("real, blurred", blurred),
            ("white noise", noise),
        ];
        Ok(Self { half, sets })
    }
}

/// The same prints out of focus.
///
/// # Errors
/// None in practice: sizes are those of `prints`.
pub fn blurred(prints: &Prints) -> Result<Prints> {
    let sigma = BLUR * prints.size as f32 / 96.0;
    let images: Vec<Vec<u8>> = (0..prints.len())
        .into_par_iter()
        .map(|index| imageops::blur(&prints.image(index), sigma).into_raw())
        .collect();
    named(prints.size, "blurred", images)
}

/// `count` images of independent uniform pixels.
///
/// # Errors
/// None in practice.
pub fn noise(count: usize, size: u32, seed: u64) -> Result<Prints> {
    let images = (0..count as u32).into_par_iter().map(|row| {
        let mut numbers = Sequence::new(seed, Stream::Evaluation, Draw::Noise as u32, row);
        (0..size * size).map(|_| numbers.next_u32() as u8).collect()
    });
    named(size, "noise", images.collect())
}

/// `count` prints from the formula, of fingers that are in no set of the same seed. Of another `shape` than a
/// square they are drawn in it and padded, as the real ones are.
///
/// # Errors
/// If they cannot be drawn or kept.
pub fn procedural(
    count: usize,
    size: u32,
    shape: Option<(u32, u32)>,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Prints> {
    let seed = seed.wrapping_add(OTHER_FINGERS);
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    if let Some(shape) = shape.filter(|(width, height)| width != height) {
        return drawn_in(count, size, shape, seed, reporter);
    }
    let config = DataConfig {
        size,
        channels: 1,
        held_out: 0.0,
        seed,
        procedural_count: count,
        ..DataConfig::default()
    };
    let set = data::load(&config, reporter)?;
    let images = (0..set.count).map(|index| set.image(index).to_vec()).collect();
    named(size, "procedural", images)
}

fn drawn_in(
    count: u32,
    size: u32,
    (width, height): (u32, u32),
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Prints> {
    // No smaller than at 200 ppi, as data/formula.rs draws.
    let scale = f64::from(size.max(96)) / f64::from(width.max(height));
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(16);
    let (width, height) = (side(width), side(height));
    let mut images = Vec::with_capacity(count as usize);
    let fingers: Vec<u32> = (0..count).collect();
    for chunk in fingers.chunks(CHUNK) {
        reporter.progress("drawing prints", images.len(), count as usize);
        let draw = |&index: &u32| -> Result<Vec<u8>> {
            let print = Finger::new(seed, index).grow().impression(1, width, height)?;
            Ok(resized(DynamicImage::ImageLuma8(print), size))
        };
        images.extend(chunk.par_iter().map(draw).collect::<Result<Vec<_>>>()?);
    }
    reporter.progress("drawing prints", images.len(), count as usize);
    named(size, "procedural", images)
}

fn named(size: u32, name: &str, images: Vec<Vec<u8>>) -> Result<Prints> {
    let mut prints = Prints::empty(size);
    for (index, pixels) in images.iter().enumerate() {
        prints.push(format!("{name} {index}"), None, pixels)?;
    }
    Ok(prints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_prints_have_the_shape_of_the_real_ones() {
        let drawn = |shape| procedural(6, 64, shape, 3, &mut ()).unwrap();
        let (high, again) = (drawn(Some((40, 80))), drawn(Some((40, 80))));
        assert_eq!((high.len(), high.size), (6, 64));
        for index in 0..6 {
            let pixels = high.pixels(index);
            assert_eq!(pixels, again.pixels(index));
            // 32 of 64 columns hold the print, the others are white.
            let dark = |low: usize, end: usize| {
                pixels.iter().enumerate().any(|(at, &v)| (low..end).contains(&(at % 64)) && v < 128)
            };
            assert!(!dark(0, 16) && !dark(48, 64) && dark(16, 32) && dark(32, 48), "{index}");
        }
        assert_ne!(high.pixels(0), high.pixels(1));
        let square = drawn(Some((90, 90)));
        assert_eq!(square.pixels(2), drawn(None).pixels(2));
    }

    #[test]
    fn every_control_is_as_large_as_the_half() {
        let real = noise(9, 96, 1).unwrap();
        let controls = Controls::new(&real, None, 2, &mut ()).unwrap();
        assert_eq!(controls.half.len(), 4);
        for (name, set) in &controls.sets {
            assert_eq!((set.len(), set.size), (4, 96), "{name}");
        }
        let other = &controls.sets[0].1;
        assert!(controls.half.names.iter().all(|name| !other.names.contains(name)));
        let blurred = &controls.sets[2].1;
        let spread =
            |set: &Prints| set.pixels(0).iter().map(|&v| u64::from(v.abs_diff(128))).sum::<u64>();
        assert!(2 * spread(blurred) < spread(other));
    }
}
