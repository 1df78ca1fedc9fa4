//! The images of a run in memory, and what is known about each.

use super::DataConfig;
use super::socofing::{AlteredLevel, SocofingName};
use super::split::{Split, split};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What is known about one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path below the source, with `/` between folders.
    pub name: String,
    /// What the name says, if it is SOCOFing's.
    pub print: Option<SocofingName>,
    /// Strength of the alteration, if a folder states it.
    pub level: Option<AlteredLevel>,
    /// The first half of the SHA-256 of the pixels as they are trained on: equal for copies.
    pub digest: [u8; 16],
}

impl Entry {
    /// The person the print is of, where that is known.
    pub fn subject(&self) -> Option<u32> {
        self.print.map(|print| print.subject)
    }
}

/// The first half of the SHA-256 of an image.
pub(super) fn content_digest(pixels: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&Sha256::digest(pixels)[..16]);
    half
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Images of one size, before the split: what the cache keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Height and width.
    pub size: u32,
    /// 1 or 3.
    pub channels: u32,
    pub entries: Vec<Entry>,
    /// Images that could not be used, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// `[entries, size, size, channels]`, row by row.
    #[serde(skip)]
    pub pixels: Vec<u8>,
}

impl Images {
    /// No images yet.
    pub(super) fn empty(size: u32, channels: u32) -> Self {
        Self { size, channels, entries: vec![], skipped: vec![], pixels: vec![] }
    }

    /// Bytes of one image; 0 if that number does not fit.
    pub fn image_len(&self) -> usize {
        let sides = [self.size, self.size, self.channels];
        sides.iter().try_fold(1, |len: usize, &side| len.checked_mul(side as usize)).unwrap_or(0)
    }

    /// Whether there are as many pixels as the header says.
    pub(super) fn is_consistent(&self) -> bool {
        let length = self.image_len();
        length > 0 && self.entries.len().checked_mul(length) == Some(self.pixels.len())
    }

    /// A copy of everything but the pixels.
    pub(super) fn without_pixels(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            skipped: self.skipped.clone(),
            pixels: Vec::new(),
            ..*self
        }
    }
}

/// The images of a run, split into training and held-out ones.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// `[count, size, size, channels]`, row by row: the layout of
    /// [`crate::backend::Backend::upload_bytes`].
    pub pixels: Vec<u8>,
    /// Number of images.
    pub count: usize,
    /// Height and width.
    pub size: u32,
    /// 1 or 3.
    pub channels: u32,
    /// One per image.
    pub entries: Vec<Entry>,
    /// Indices of the training images, ascending.
    pub train: Vec<u32>,
    /// Indices of the images of held-out subjects, ascending.
    pub held_out: Vec<u32>,
    /// Indices of images in neither list: copies of training images among the held-out subjects.
    pub leaking: Vec<u32>,
    /// Images that could not be used, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// SHA-256 over sizes, names and pixels in hexadecimal digits: what a resumed run compares. Does
    /// not depend on where the images lie, nor on folder or zip if the names are SOCOFing's.
    pub fingerprint: String,
    label: String,
}

impl Dataset {
    /// Splits `images`; `label` says where they are from.
    pub(super) fn new(images: Images, config: &DataConfig, label: String) -> Self {
        let Split { train, held_out, leaking } =
            split(&images.entries, config.held_out, config.seed);
        Self {
            fingerprint: fingerprint(&images),
            count: images.entries.len(),
            size: images.size,
            channels: images.channels,
            train,
            held_out,
            leaking,
            entries: images.entries,
            skipped: images.skipped,
            pixels: images.pixels,
            label,
        }
    }

    /// Bytes of one image, `size²·channels`.
    pub fn image_len(&self) -> usize {
        self.pixels.len() / self.count.max(1)
    }

    /// The pixels of image `index`, `[size, size, channels]`; nothing beyond the last.
    pub fn image(&self, index: usize) -> &[u8] {
        let length = self.image_len();
        self.pixels.get(index * length..(index + 1) * length).unwrap_or_default()
    }

    /// Images whose pixels an earlier image has, too.
    pub fn copies(&self) -> usize {
        let distinct: BTreeSet<[u8; 16]> = self.entries.iter().map(|e| e.digest).collect();
        self.count - distinct.len()
    }

    fn subjects(&self, indices: impl Iterator<Item = usize>) -> usize {
        let subject = |index: usize| self.entries.get(index)?.subject();
        indices.filter_map(subject).collect::<BTreeSet<u32>>().len()
    }

    /// What it holds, such as "6,000 prints of 600 subjects from SOCOFing".
    pub fn contents(&self) -> String {
        let subjects = self.subjects(0..self.count);
        let count = thousands(self.count);
        if subjects > 0 {
            format!("{count} prints of {} subjects from {}", thousands(subjects), self.label)
        } else {
            format!("{count} images from {}", self.label)
        }
    }

    /// One line, such as "6,000 prints of 600 subjects from SOCOFing, 540 subjects for training".
    pub fn describe(&self) -> String {
        let trained = self.subjects(self.train.iter().map(|&index| index as usize));
        let mut line = self.contents();
        line += &if trained > 0 {
            format!(", {} subjects for training", thousands(trained))
        } else {
            format!(", {} for training", thousands(self.train.len()))
        };
        for (number, what) in [
            (self.copies(), "copies of others"),
            (self.leaking.len(), "left out of the held-out set as copies of training prints"),
            (self.skipped.len(), "unusable"),
        ] {
            if number > 0 {
                line += &format!("; {} {what}", thousands(number));
            }
        }
        line
    }
}

/// 6000 → "6,000".
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn fingerprint(images: &Images) -> String {
    let mut hash = Sha256::new();
    hash.update(images.size.to_le_bytes());
    hash.update(images.channels.to_le_bytes());
    for entry in &images.entries {
        let name = match (entry.print, entry.level) {
            (Some(print), Some(level)) => format!("{print} {level:?}"),
            (Some(print), None) => print.to_string(),
            _ => entry.name.clone(),
        };
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(entry.digest);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_from_the_right() {
        let texts = [0, 12, 999, 1_000, 60_000, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "12", "999", "1,000", "60,000", "1,234,567"]);
    }
}
