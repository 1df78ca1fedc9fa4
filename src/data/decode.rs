//! Image bytes → pixels, within limits.

use super::socofing::frame_crop;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Pixels that an image may have: larger ones are no training images but mistakes or bombs.
pub const MAX_PIXELS: u64 = 64 << 20;
/// Pixels of one side: resampling works on a strip as long as the image in 32-bit floats.
pub const MAX_SIDE: u32 = 16_384;
/// Bytes a decoder may allocate.
const MAX_ALLOC: u64 = 768 << 20;
/// Images above this many pixels are worked on one at a time, so that memory does not grow with the
/// number of threads.
const LARGE_PIXELS: u64 = 4 << 20;
static LARGE: Mutex<()> = Mutex::new(());

/// A decoded image, 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raster {
    /// One channel. Images whose colours are all gray come as this, too.
    Gray(GrayImage),
    /// Red, green, blue.
    Rgb(RgbImage),
}

/// Decodes PNG, JPEG, BMP or TIFF, by content and not by file name.
///
/// The frame of a SOCOFing file is cut off; other images with an alpha channel are laid on white,
/// the background of a print. Colour becomes gray (Rec. 709 luma) where `gray` asks for it or every
/// pixel is gray anyway.
///
/// # Errors
/// A phrase that follows the file's name: what is wrong with it.
pub fn decode(bytes: &[u8], gray: bool) -> Result<Raster, String> {
    decode_then(bytes, gray, |raster| raster)
}

/// [`decode`], then `then` on the pixels. Of large images there is one at a time, from decoding to
/// the end of `then`.
///
/// # Errors
/// As for [`decode`].
pub fn decode_then<T>(
    bytes: &[u8],
    gray: bool,
    then: impl FnOnce(Raster) -> T,
) -> Result<T, String> {
    // The decoders are other people's code on other people's bytes: a bug there costs one file.
    catch_unwind(AssertUnwindSafe(|| decode_checked(bytes, gray, then)))
        .unwrap_or_else(|_| Err("makes the image decoder fail".into()))
}

fn decode_checked<T>(
    bytes: &[u8],
    gray: bool,
    then: impl FnOnce(Raster) -> T,
) -> Result<T, String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|e| format!("cannot be read: {e}"))?;
    let format = match reader.format() {
        Some(
            format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp | ImageFormat::Tiff),
        ) => format,
        _ => return Err("is not a PNG, JPEG, BMP or TIFF image".into()),
    };
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err("is truncated: the JPEG's end marker is missing".into());
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits.clone());
    let failed = |e| format!("cannot be decoded: {e}");
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err("has no pixels".into());
    }
    if pixels > MAX_PIXELS {
        return Err(format!("has {width}×{height} pixels, more than the {MAX_PIXELS} allowed"));
    }
    limits.reserve(decoder.total_bytes()).map_err(failed)?;
    decoder.set_limits(limits).map_err(failed)?;
    let _turn =
        (pixels > LARGE_PIXELS).then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    let orientation = decoder.orientation().map_err(failed)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    Ok(then(flatten(image, gray)))
}

/// Cuts the frame off or composites over white, then drops what is not needed.
fn flatten(image: DynamicImage, gray: bool) -> Raster {
    let image = match frame_crop(&image) {
        Some((x, y, width, height)) => image.crop_imm(x, y, width, height),
        None => image,
    };
    let image = if image.color().has_alpha() { over_white(image) } else { image };
    if gray || !image.color().has_color() {
        return Raster::Gray(image.into_luma8());
    }
    let rgb = image.into_rgb8();
    if rgb.pixels().all(|p| p[0] == p[1] && p[1] == p[2]) {
        return Raster::Gray(DynamicImage::ImageRgb8(rgb).into_luma8());
    }
    Raster::Rgb(rgb)
}

/// `c·α + 255·(1 − α)` with α = a/255, rounded to the nearest.
fn over_white(image: DynamicImage) -> DynamicImage {
    let mut rgba = image.into_rgba8();
    for pixel in rgba.pixels_mut() {
        let alpha = u32::from(pixel[3]);
        for channel in 0..3 {
            let value = u32::from(pixel[channel]) * alpha + 255 * (255 - alpha);
            pixel[channel] = ((value + 127) / 255) as u8;
        }
        pixel[3] = 255;
    }
    DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(rgba).into_rgb8())
}

/// Walks a JPEG's segments to its end marker (ITU-T T.81, annex B): the decoder fills what is
/// missing from a cut file with gray, which would be trained on.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // Entropy-coded data and fill bytes: skip to the next marker that is one. After 0xFF, 0x00
        // stands for a data byte 0xFF and 0xD0–0xD7 restart the coding.
        let Some(&[first, second]) = bytes.get(at..at + 2) else { return false };
        if first != 0xFF || matches!(second, 0x00 | 0xFF | 0x01 | 0xD0..=0xD7) {
            at += 1;
            continue;
        }
        if second == 0xD9 {
            return true;
        }
        let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
}
