//! A folder or zip → images of one size: read, decode and resize on all cores, or take from the
//! cache.

use super::cache::{FORMAT_VERSION, cached};
use super::dataset::{Entry, Images, content_digest, hex};
use super::decode::decode_then;
use super::resize::resize_into;
use super::select::{Chosen, select};
use super::source::{ReadLimits, Source};
use super::{DataConfig, Reporter};
use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Images between two reports of progress, and the bytes they may take in resized form unless that
/// would leave a core idle.
const CHUNK: usize = 128;
const CHUNK_BYTES: usize = 32 << 20;
/// Encoded files above this size are read one at a time; see [`super::decode::decode_then`].
const LARGE_FILE: u64 = 16 << 20;
static LARGE: Mutex<()> = Mutex::new(());
/// Files that a message names before it only counts.
const NAMED: usize = 5;

/// Loads the images under `root`, and says where they are from.
///
/// # Errors
/// If `root` cannot be opened, holds no images, or more of them are unusable than `config` allows.
pub fn load_files(
    root: &Path,
    config: &DataConfig,
    limits: ReadLimits,
    reporter: &mut dyn Reporter,
) -> Result<(Images, String)> {
    let (source, mut listing) = Source::open(root, limits)?;
    let mut chosen = select(root, &mut listing, config)?;
    let mut label = root.display().to_string();
    if let Some(most) = config.at_most.filter(|&most| most < chosen.len()) {
        label += &format!(" ({most} of {} files, drawn by the seed)", chosen.len());
        let drawn = Sequence::new(config.seed, Stream::Evaluation, 0, 0).sample(chosen.len(), most);
        chosen = drawn.into_iter().map(|index| chosen[index].clone()).collect();
    }
    for note in &listing.notes {
        reporter.warn(note);
    }
    let tolerance = Tolerance::new(root, config, chosen.len() + listing.rejected.len());
    tolerance.check(&listing.rejected)?;
    let make = |_: &mut _, reporter: &mut dyn Reporter| {
        decode_all(&source, &chosen, config, limits, &tolerance, listing.rejected, reporter)
    };
    let key = cache_key(root, config, &chosen);
    let images = cached(&mut config.cache(), &key, reporter, make)?;
    tolerance.check(&images.skipped)?;
    if images.entries.is_empty() {
        return Err(tolerance.too_many(&images.skipped));
    }
    for (path, reason) in images.skipped.iter().take(NAMED) {
        reporter.warn(&format!("skipped {}: {reason}", path.display()));
    }
    if images.skipped.len() > NAMED {
        let (all, total) = (images.skipped.len(), tolerance.total);
        reporter
            .warn(&format!("skipped {all} of {total} images in all; the first are named above"));
    }
    Ok((images, label))
}

/// How many bad images are too many.
struct Tolerance<'a> {
    root: &'a Path,
    strict: bool,
    share: f64,
    total: usize,
}

impl<'a> Tolerance<'a> {
    fn new(root: &'a Path, config: &DataConfig, total: usize) -> Self {
        Self { root, strict: config.strict, share: config.max_bad_share, total }
    }

    fn check(&self, bad: &[(PathBuf, String)]) -> Result<()> {
        if let (true, Some((path, reason))) = (self.strict, bad.first()) {
            return Err(Error::data(path, reason));
        }
        if bad.len() as f64 > self.share * self.total as f64 {
            return Err(self.too_many(bad));
        }
        Ok(())
    }

    fn too_many(&self, bad: &[(PathBuf, String)]) -> Error {
        let named: Vec<String> = bad
            .iter()
            .take(NAMED)
            .map(|(path, reason)| format!("{}: {reason}", path.display()))
            .collect();
        Error::data(
            self.root,
            format!(
                "at least {} of {} images cannot be used, more than the share of {} allowed; \
                 repair or remove them, or allow a larger share. {}",
                bad.len(),
                self.total,
                self.share,
                named.join("; ")
            ),
        )
    }
}

fn decode_all(
    source: &Source,
    chosen: &[Chosen],
    config: &DataConfig,
    limits: ReadLimits,
    tolerance: &Tolerance<'_>,
    mut skipped: Vec<(PathBuf, String)>,
    reporter: &mut dyn Reporter,
) -> Result<Images> {
    let mut images = Images::empty(config.size, config.channels);
    let length = images.image_len();
    let bytes = length.checked_mul(chosen.len());
    if bytes.is_none_or(|bytes| images.pixels.try_reserve_exact(bytes).is_err()) {
        return Err(Error::data(
            tolerance.root,
            format!("{} images of {length} bytes do not fit into memory", chosen.len()),
        ));
    }
    let step = (CHUNK_BYTES / length).clamp(rayon::current_num_threads().min(CHUNK), CHUNK);
    let mut made = vec![0; step * length];
    for (done, chunk) in (0..).step_by(step).zip(chosen.chunks(step)) {
        reporter.progress("reading images", done, chosen.len());
        let results: Vec<Result<(), String>> = chunk
            .par_iter()
            .zip(made.par_chunks_mut(length))
            .map(|(chosen, out)| decode_one(source, chosen, config, limits, out))
            .collect();
        for ((chosen, result), pixels) in chunk.iter().zip(results).zip(made.chunks(length)) {
            let name = &chosen.candidate.name;
            if let Err(reason) = result {
                skipped.push((tolerance.root.join(name), reason));
                continue;
            }
            images.pixels.extend_from_slice(pixels);
            images.entries.push(Entry {
                name: name.clone(),
                print: chosen.print,
                level: chosen.level,
                digest: content_digest(pixels),
            });
        }
        tolerance.check(&skipped)?;
    }
    reporter.progress("reading images", chosen.len(), chosen.len());
    images.skipped = skipped;
    Ok(images)
}

fn decode_one(
    source: &Source,
    chosen: &Chosen,
    config: &DataConfig,
    limits: ReadLimits,
    out: &mut [u8],
) -> Result<(), String> {
    let _turn = (chosen.candidate.bytes > LARGE_FILE)
        .then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    let bytes = source.read(&chosen.candidate, limits)?;
    decode_then(&bytes, config.channels == 1, |raster| {
        resize_into(&raster, config.size, config.channels, config.fit, out);
    })
}

/// Changes when the files, the choice among them or the way to pixels changes.
fn cache_key(root: &Path, config: &DataConfig, chosen: &[Chosen]) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(&FORMAT_VERSION.to_le_bytes());
    add(format!("{} {} {:?}", config.size, config.channels, config.fit).as_bytes());
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    add(root.as_os_str().as_encoded_bytes());
    for Chosen { candidate, print, level } in chosen {
        add(candidate.name.as_bytes());
        add(format!("{} {} {print:?} {level:?}", candidate.bytes, candidate.stamp).as_bytes());
    }
    hex(&hash.finalize())
}
