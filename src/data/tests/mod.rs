//! Files that the tests make, byte by byte where the format is the subject.

mod bad_input;
mod caching;
mod drawn;
mod formats;
mod names;
mod sources;

use super::{DataConfig, Dataset, Reporter, load};
use crate::error::Result;
use image::{DynamicImage, ImageFormat};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// What was reported.
#[derive(Default)]
struct Heard {
    progress: Vec<(usize, usize)>,
    warnings: Vec<String>,
}

impl Reporter for Heard {
    fn progress(&mut self, _: &str, done: usize, total: usize) {
        self.progress.push((done, total));
    }
    fn warn(&mut self, message: &str) {
        self.warnings.push(message.into());
    }
}

/// A configuration that reads `source`, gray, 32 pixels, without a cache.
fn config(source: &Path) -> DataConfig {
    DataConfig {
        source: Some(source.to_owned()),
        size: 32,
        channels: 1,
        no_cache: true,
        ..DataConfig::default()
    }
}

fn load_heard(config: &DataConfig) -> (Result<Dataset>, Vec<String>) {
    let mut heard = Heard::default();
    let result = load(config, &mut heard);
    (result, heard.warnings)
}

/// A 32-bit BMP with a 124-byte V5 header, bit fields and alpha, as SOCOFing's files are; `pixel`
/// gives blue, green, red and alpha at (x, y), y downward.
fn v5_bmp(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
    let image_bytes = width * height * 4;
    let mut file = b"BM".to_vec();
    let mut words = |values: &[u32]| {
        for value in values {
            file.extend(value.to_le_bytes());
        }
    };
    words(&[138 + image_bytes, 0, 138]);
    // Size of the header, width, height, one plane of 32 bits, BI_BITFIELDS.
    words(&[124, width, height, 1 | 32 << 16, 3, image_bytes, 3779, 3779, 0, 0]);
    words(&[0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0xFF00_0000]);
    // sRGB, nine end points, three gammas, the intent, no profile.
    words(&[0x7352_4742]);
    words(&[0; 12]);
    words(&[2, 0, 0, 0]);
    for y in (0..height).rev() {
        for x in 0..width {
            file.extend(pixel(x, y));
        }
    }
    file
}

/// A 24-bit BMP with a 40-byte header.
fn plain_bmp(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let row = (width * 3).next_multiple_of(4);
    let mut file = b"BM".to_vec();
    for value in [54 + row * height, 0, 54, 40, width, height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
        file.extend(value.to_le_bytes());
    }
    for y in (0..height).rev() {
        for x in 0..width {
            file.extend(pixel(x, y));
        }
        file.extend(vec![0; (row - width * 3) as usize]);
    }
    file
}

/// A 96×103 file with SOCOFing's frame around the 90×97 pixels of `print`.
fn framed_bmp(print: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    v5_bmp(96, 103, |x, y| match (x, y) {
        (92.., _) | (_, 99..) => [0; 4],
        (0, _) | (_, 0) => [160, 160, 160, 255],
        (1, _) | (_, 1) => [105, 105, 105, 255],
        _ => {
            let value = print(x - 2, y - 2);
            [value, value, value, 255]
        }
    })
}

/// Stripes that differ from finger to finger.
fn stripes(seed: u32) -> impl Fn(u32, u32) -> u8 {
    move |x, y| {
        let phase = f64::from(x * (seed % 7 + 1) + y * (seed % 5 + 1)) / 11.0 + f64::from(seed);
        (127.5 + 127.0 * phase.sin()) as u8
    }
}

const FINGERS: [&str; 5] = ["thumb", "index", "middle", "ring", "little"];

/// File names of all ten fingers of one subject.
fn ten_fingers(subject: u32, suffix: &str) -> Vec<String> {
    let sex = if subject.is_multiple_of(4) { "F" } else { "M" };
    ["Left", "Right"]
        .iter()
        .flat_map(|hand| FINGERS.map(|f| format!("{subject}__{sex}_{hand}_{f}_finger{suffix}.BMP")))
        .collect()
}

/// SOCOFing's folders with `subjects` real subjects and one altered set; every file differs.
fn write_socofing(root: &Path, subjects: u32) {
    let real = root.join("Real");
    let easy = root.join("Altered/Altered-Easy");
    fs::create_dir_all(&real).unwrap();
    fs::create_dir_all(&easy).unwrap();
    for subject in 1..=subjects {
        for (finger, name) in ten_fingers(subject, "").iter().enumerate() {
            let bytes = framed_bmp(stripes(subject * 10 + finger as u32));
            fs::write(real.join(name), bytes).unwrap();
        }
        for (finger, name) in ten_fingers(subject, "_CR").iter().enumerate() {
            let bytes = framed_bmp(stripes(subject * 10 + finger as u32 + 5000));
            fs::write(easy.join(name), bytes).unwrap();
        }
    }
}

/// The same files in a zip as Kaggle packs them.
fn zip_folder(folder: &Path, prefix: &str) -> Vec<u8> {
    let mut names: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file())
        .collect();
    // Not in the order of names, which an archive need not be in.
    names.sort();
    names.reverse();
    let files: Vec<(String, Vec<u8>)> = names
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(folder).unwrap().to_str().unwrap();
            (format!("{prefix}{relative}"), fs::read(path).unwrap())
        })
        .collect();
    zip_of(&files)
}

fn zip_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A gray picture in which every seed gives other pixels.
fn picture(width: u32, height: u32, seed: u32) -> DynamicImage {
    let stripe = stripes(seed);
    image::GrayImage::from_fn(width, height, |x, y| image::Luma([stripe(x, y)])).into()
}
