//! Prints from the formula as training images, drawn once and kept.

use super::cache::{FORMAT_VERSION, cached};
use super::dataset::{Entry, Images, content_digest, hex};
use super::decode::Raster;
use super::procedural::{Finger, HenryClass, SIDES};
use super::resize::{Fit, resize_into};
use super::socofing::SocofingName;
use super::{DataConfig, Reporter};
use crate::error::{Error, Result};
use image::GrayImage;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Prints of one cache file: all fingers of 25 subjects. A start that is broken off loses at most
/// one file's worth, and a larger set begins with what the smaller one drew.
pub const SHARD: u32 = 250;
/// Prints between two reports of progress.
const CHUNK: usize = 16;
/// The smallest side in pixels at which prints are drawn: 200 ppi, the resolution of SOCOFing's.
/// Smaller images are made from these by the same resampling as from real prints; larger ones are
/// drawn at their own size.
const SMALLEST: u32 = 96;

/// Draws `config.procedural_count` prints, one of each finger, or takes them from the cache, and
/// resizes them; a cache file holds `shard` prints.
///
/// # Errors
/// If the count is zero or the prints do not fit into memory.
pub fn load_formula(
    config: &DataConfig,
    shard: u32,
    reporter: &mut dyn Reporter,
) -> Result<Images> {
    let count = config.procedural_count;
    if count == 0 {
        return Err(Error::Config(
            "the number of prints to draw is 0; it must be at least 1".into(),
        ));
    }
    let mut cache = config.cache();
    let renderer = if cache.is_some() { renderer_digest()? } else { [0; 16] };
    let &DataConfig { size, channels, seed, .. } = config;
    let whole = key(&format!("formula {count} {seed} {size} {channels}"), renderer);
    cached(&mut cache, &whole, reporter, |cache, reporter| {
        let mut images = Images::empty(size, channels);
        let length = images.image_len();
        let bytes = (count as usize).checked_mul(length);
        if bytes.is_none_or(|bytes| images.pixels.try_reserve_exact(bytes).is_err()) {
            return Err(Error::Config(format!(
                "{count} prints of {length} bytes do not fit into memory; use fewer or smaller ones"
            )));
        }
        for first in (0..count).step_by(shard as usize) {
            let fingers = first..count.min(first.saturating_add(shard));
            let shard = Shard { fingers, size: size.clamp(SMALLEST, *SIDES.end()), count, seed };
            let drawn = cached(cache, &shard.key(renderer), reporter, |_, r| shard.draw(r))?;
            append_resized(&mut images, drawn);
        }
        Ok(images)
    })
}

/// A run of fingers that is drawn and kept together.
struct Shard {
    fingers: std::ops::Range<u32>,
    size: u32,
    /// Prints of the whole set, for the progress.
    count: u32,
    seed: u64,
}

impl Shard {
    fn draw(&self, reporter: &mut dyn Reporter) -> Result<Images> {
        let size = self.size;
        let mut images = Images::empty(size, 1);
        let fingers: Vec<u32> = self.fingers.clone().collect();
        let mut done = self.fingers.start as usize;
        for chunk in fingers.chunks(CHUNK * rayon::current_num_threads()) {
            reporter.progress("drawing prints", done, self.count as usize);
            let prints: Vec<Result<(SocofingName, GrayImage)>> = chunk
                .par_iter()
                .map(|&index| {
                    let finger = Finger::new(self.seed, index);
                    Ok((finger.label(1).name, finger.grow().impression(1, size, size)?))
                })
                .collect();
            for print in prints {
                let (name, print) = print?;
                images.pixels.extend_from_slice(&print);
                images.entries.push(Entry {
                    name: name.to_string(),
                    print: Some(name),
                    level: None,
                    digest: content_digest(&print),
                });
            }
            done += chunk.len();
        }
        reporter.progress("drawing prints", done, self.count as usize);
        Ok(images)
    }

    fn key(&self, renderer: [u8; 16]) -> String {
        let Self { fingers, size, seed, .. } = self;
        key(&format!("shard {fingers:?} {size} {seed}"), renderer)
    }
}

fn key(what: &str, renderer: [u8; 16]) -> String {
    hex(&Sha256::digest(format!("{FORMAT_VERSION} {what} {}", hex(&renderer))))
}

/// What the formula draws at present: one small print of each class. Prints kept by a version of the
/// program, or a mathematical library, that drew others are not used.
fn renderer_digest() -> Result<[u8; 16]> {
    let samples: Result<Vec<Vec<u8>>> = HenryClass::ALL
        .par_iter()
        .map(|&class| {
            let print = Finger::with_class(0, 0, class).grow().impression(1, 48, 48)?;
            Ok(print.into_raw())
        })
        .collect();
    Ok(content_digest(&samples?.concat()))
}

fn append_resized(images: &mut Images, drawn: Images) {
    let (size, channels) = (images.size, images.channels);
    let length = images.image_len();
    let start = images.pixels.len();
    images.pixels.resize(start + drawn.entries.len() * length, 0);
    let digests: Vec<[u8; 16]> = drawn
        .pixels
        .par_chunks_exact(drawn.image_len())
        .zip(images.pixels[start..].par_chunks_exact_mut(length))
        .map(|(print, out)| {
            if let Some(print) = GrayImage::from_raw(drawn.size, drawn.size, print.to_vec()) {
                resize_into(&Raster::Gray(print), size, channels, Fit::Pad, out);
            }
            content_digest(out)
        })
        .collect();
    let entries = drawn.entries.into_iter().zip(digests);
    images.entries.extend(entries.map(|(entry, digest)| Entry { digest, ..entry }));
}
