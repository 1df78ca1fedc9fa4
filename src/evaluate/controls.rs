//! Sets whose judgement is known beforehand: they show what a figure means.

use super::prints::{Draw, Prints};
use crate::data::{self, DataConfig, Reporter};
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use image::imageops;
use rayon::prelude::*;

/// Standard deviation of the blur, in pixels of a print of 96.
const BLUR: f32 = 1.2;
/// Added to the seed, so that the control's fingers are not those of a procedural training set.
const OTHER_FINGERS: u64 = 0x5eed_0f0f;

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

/// `count` prints from the formula, of fingers that are in no set of the same seed.
///
/// # Errors
/// If they cannot be drawn or kept.
pub fn procedural(
    count: usize,
    size: u32,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Prints> {
    let config = DataConfig {
        size,
        channels: 1,
        held_out: 0.0,
        seed: seed.wrapping_add(OTHER_FINGERS),
        procedural_count: u32::try_from(count).unwrap_or(u32::MAX),
        ..DataConfig::default()
    };
    let set = data::load(&config, reporter)?;
    let images = (0..set.count).map(|index| set.image(index).to_vec()).collect();
    named(size, "procedural", images)
}

fn named(size: u32, name: &str, images: Vec<Vec<u8>>) -> Result<Prints> {
    let mut prints = Prints::empty(size);
    for (index, pixels) in images.iter().enumerate() {
        prints.push(format!("{name} {index}"), None, pixels)?;
    }
    Ok(prints)
}
