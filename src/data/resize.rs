//! Any raster → one square of a given size and channel count.

use super::decode::Raster;
use image::imageops::{self, FilterType};
use image::{GenericImageView, GrayImage, ImageBuffer, Pixel};
use serde::{Deserialize, Serialize};

/// How an image that is not square becomes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Shrink or enlarge until the longer side fits, then add white on both sides. Ridges keep their
    /// shape and nothing is lost.
    #[default]
    Pad,
    /// Cut the largest centred square out. Ridges keep their shape.
    Crop,
    /// Scale both sides on their own.
    Stretch,
}

/// Writes the raster as `[size, size, channels]` into `out`.
///
/// Resampling is by a Lanczos kernel of radius 3, stretched by the scale when shrinking, so that it
/// also removes the frequencies the smaller image cannot hold. Gray is resampled once and copied to
/// each channel. `out` must hold `size²·channels` bytes, `channels` being 1 or 3; a colour raster
/// with one channel is turned to gray.
pub fn resize_into(raster: &Raster, size: u32, channels: u32, fit: Fit, out: &mut [u8]) {
    match (raster, channels) {
        (Raster::Gray(image), 1) => out.copy_from_slice(&squared(image, size, fit)),
        (Raster::Rgb(image), 3) => out.copy_from_slice(&squared(image, size, fit)),
        (Raster::Gray(image), _) => expand(&squared(image, size, fit), out),
        (Raster::Rgb(image), _) => {
            let gray: GrayImage = imageops::grayscale(image);
            out.copy_from_slice(&squared(&gray, size, fit));
        }
    }
}

fn expand(gray: &[u8], out: &mut [u8]) {
    for (pixel, &value) in out.chunks_exact_mut(3).zip(gray) {
        pixel.fill(value);
    }
}

/// The size² pixels of one image, row by row.
fn squared<P>(image: &ImageBuffer<P, Vec<u8>>, size: u32, fit: Fit) -> Vec<u8>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (width, height) = image.dimensions();
    match fit {
        Fit::Stretch => scaled(image, size, size).into_raw(),
        Fit::Crop => {
            let side = width.min(height);
            let (x, y) = ((width - side) / 2, (height - side) / 2);
            scaled(&*image.view(x, y, side, side), size, size).into_raw()
        }
        Fit::Pad => {
            let longer = f64::from(width.max(height));
            let side = |s: u32| ((f64::from(s) * f64::from(size) / longer).round() as u32).max(1);
            let (w, h) = (side(width), side(height));
            let print = scaled(image, w, h);
            let white = *P::from_slice(&[255; 4][..usize::from(P::CHANNEL_COUNT)]);
            let mut page = ImageBuffer::from_pixel(size, size, white);
            imageops::replace(
                &mut page,
                &print,
                i64::from((size - w) / 2),
                i64::from((size - h) / 2),
            );
            page.into_raw()
        }
    }
}

fn scaled<I, P>(image: &I, width: u32, height: u32) -> ImageBuffer<P, Vec<u8>>
where
    I: GenericImageView<Pixel = P>,
    P: Pixel<Subpixel = u8> + 'static,
{
    imageops::resize(image, width, height, FilterType::Lanczos3)
}
