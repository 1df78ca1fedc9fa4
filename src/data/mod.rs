//! Pixels → batches.
//!
//! [`load`] gives the images of a run as one block of bytes in memory: SOCOFing or any other images,
//! from a folder or a zip, or prints drawn from a formula ([`procedural`]). [`source`] finds the
//! files, [`socofing`] reads their names, [`mod@decode`] and [`resize`] make pixels of them,
//! [`cache`] keeps those. [`mod@split`] holds subjects out for evaluation; [`loader`] says which
//! images make up a batch.
//!
//! Nothing here prints: progress and warnings go to a [`Reporter`].

mod archive;
pub mod cache;
pub mod dataset;
pub mod decode;
mod files;
mod formula;
pub mod loader;
pub mod procedural;
pub mod resize;
mod select;
pub mod socofing;
pub mod socofing_bmp;
pub mod source;
pub mod split;
#[cfg(test)]
mod tests;

pub use dataset::{Dataset, Entry};
pub use loader::BatchOrder;
pub use resize::Fit;
pub use socofing::AlteredLevel;

use crate::error::{Error, Result};
use cache::Cache;
use source::ReadLimits;
use std::path::PathBuf;

/// The largest image side that is accepted; beyond it a training step needs hundreds of gigabytes.
pub const MAX_SIZE: u32 = 4096;

/// What to train on.
#[derive(Clone, Debug, PartialEq)]
pub struct DataConfig {
    /// A folder or a zip; without one, prints are drawn from the formula.
    pub source: Option<PathBuf>,
    /// SOCOFing's altered prints to use beside the real ones.
    pub altered: Vec<AlteredLevel>,
    /// Height and width in pixels, 1 to [`MAX_SIZE`].
    pub size: u32,
    /// 1 (gray) or 3 (RGB).
    pub channels: u32,
    /// How images that are not square become so; prints from the formula are drawn square.
    pub fit: Fit,
    /// Fail on the first unusable image instead of skipping it.
    pub strict: bool,
    /// Fail if more than this share of the images is unusable, 0 to 1.
    pub max_bad_share: f64,
    /// Share of the subjects that is not trained on, from 0 to below 1.
    pub held_out: f64,
    /// Chooses the held-out subjects.
    pub seed: u64,
    /// Number of prints drawn when there is no source.
    pub procedural_count: u32,
    /// Read so many files at most, drawn by `seed`: memory does not grow with the source.
    pub at_most: Option<usize>,
    /// Where decoded images are kept; see [`Cache::default_folder`] if none is given.
    pub cache_dir: Option<PathBuf>,
    /// Neither read nor write a cache.
    pub no_cache: bool,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: None,
            altered: Vec::new(),
            size: 64,
            channels: 3,
            fit: Fit::Pad,
            strict: false,
            max_bad_share: 0.1,
            held_out: 0.1,
            seed: 0,
            procedural_count: 6_000,
            at_most: None,
            cache_dir: None,
            no_cache: false,
        }
    }
}

impl DataConfig {
    /// Whether every value can be used.
    ///
    /// # Errors
    /// The first that cannot, with what it may be.
    pub fn check(&self) -> Result<()> {
        let complaint = if !(1..=MAX_SIZE).contains(&self.size) {
            format!("the image size is {}; it must be from 1 to {MAX_SIZE}", self.size)
        } else if ![1, 3].contains(&self.channels) {
            format!("there cannot be {} channels; use 1 (gray) or 3 (colour)", self.channels)
        } else if !(0.0..=1.0).contains(&self.max_bad_share) {
            let share = self.max_bad_share;
            format!("the share of bad images allowed is {share}; it must be from 0 to 1")
        } else if !(0.0..1.0).contains(&self.held_out) {
            format!("the held-out share is {}; it must be from 0 to below 1", self.held_out)
        } else {
            return Ok(());
        };
        Err(Error::Config(complaint))
    }

    fn cache(&self) -> Option<Cache> {
        let folder = || self.cache_dir.clone().or_else(Cache::default_folder);
        (!self.no_cache).then(folder)?.map(Cache::new)
    }
}

/// Hears what happens while images are loaded. `()` hears nothing.
pub trait Reporter {
    /// `done` of `total` units of `what` are finished.
    fn progress(&mut self, what: &str, done: usize, total: usize);
    /// Something the user should know that does not stop the run: one line.
    fn warn(&mut self, message: &str);
}

impl Reporter for () {
    fn progress(&mut self, _: &str, _: usize, _: usize) {}
    fn warn(&mut self, _: &str) {}
}

/// Loads, resizes and splits the images that `config` names.
///
/// # Errors
/// If a value of `config` is out of range, if the source cannot be opened or holds no images, or if
/// more of them are unusable than allowed. A cache that cannot be used is a warning.
pub fn load(config: &DataConfig, reporter: &mut dyn Reporter) -> Result<Dataset> {
    config.check()?;
    let (images, label) = match &config.source {
        Some(root) => files::load_files(root, config, ReadLimits::default(), reporter)?,
        None => {
            let images = formula::load_formula(config, formula::SHARD, reporter)?;
            (images, format!("the formula (seed {})", config.seed))
        }
    };
    Ok(Dataset::new(images, config, label))
}
