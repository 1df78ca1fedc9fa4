//! Numbers of the generator → pixels.

use crate::error::{Error, Result};
use ::image::{DynamicImage, GrayImage, RgbImage};
use std::fmt::Display;

/// One image of the generator's output as 8-bit pixels.
///
/// `values` is `[channels, height, width]` in row-major order with numbers in [−1, 1], the range of
/// tanh; a pixel is `127.5·(x + 1)` rounded to the nearest integer, the inverse of the normalisation
/// in [`Backend::gather`](crate::backend::Backend::gather). Numbers outside the range are clamped.
/// `name` is what an error calls the image, for example "the print of seed 5".
///
/// # Errors
/// [`Error::Shape`] if the sizes do not multiply to the number of values or there are neither 1 nor
/// 3 channels; [`Error::NonFinite`] if a value is NaN or infinite.
pub fn to_image(
    values: &[f32],
    [channels, height, width]: [usize; 3],
    name: impl Display,
) -> Result<DynamicImage> {
    if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
        let place = format!("{name}, value {bad} of {}", values.len());
        return Err(Error::NonFinite { place });
    }
    let mismatch = || {
        let count = values.len();
        Error::shape(
            "to_image",
            format!(
                "{name}: {count} values are no [{channels}, {height}, {width}] image of 1 or 3 channels"
            ),
        )
    };
    let area = height.checked_mul(width).ok_or_else(mismatch)?;
    if channels.checked_mul(area) != Some(values.len()) {
        return Err(mismatch());
    }
    let (w, h) = (
        u32::try_from(width).map_err(|_| mismatch())?,
        u32::try_from(height).map_err(|_| mismatch())?,
    );
    let mut pixels = vec![0; values.len()];
    for (channel, plane) in values.chunks_exact(area.max(1)).enumerate() {
        for (position, &value) in plane.iter().enumerate() {
            pixels[position * channels + channel] = to_pixel(value);
        }
    }
    match channels {
        1 => GrayImage::from_raw(w, h, pixels).map(DynamicImage::ImageLuma8),
        3 => RgbImage::from_raw(w, h, pixels).map(DynamicImage::ImageRgb8),
        _ => None,
    }
    .ok_or_else(mismatch)
}

/// `as` saturates, which is the clamp.
fn to_pixel(value: f32) -> u8 {
    (127.5 * (value + 1.0)).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_from_its_normalised_value() {
        for byte in 0..=255u8 {
            assert_eq!(to_pixel(f32::from(byte) / 127.5 - 1.0), byte);
        }
    }

    #[test]
    fn values_are_rounded_and_clamped() {
        let values = [-7.0, -1.0, -0.999, 0.0, 0.999, 1.0, 1e30];
        let image = to_image(&values, [1, 1, 7], "x").unwrap();
        // 127.5·0.001 = 0.1275 → 0; 127.5 → 128 (half away from zero); 254.8725 → 255.
        assert_eq!(image.as_bytes(), [0, 0, 0, 128, 255, 255, 255]);
    }

    #[test]
    fn planes_become_pixels() {
        // Each value says where it is: byte = 100·channel + 10·row + column.
        let values: Vec<f32> = (0..2 * 3 * 3)
            .map(|i| {
                let (channel, row, column) = (i / 6, i % 6 / 3, i % 3);
                (100 * channel + 10 * row + column) as f32 / 127.5 - 1.0
            })
            .collect();
        let image = to_image(&values, [3, 2, 3], "x").unwrap();
        let image = image.as_rgb8().unwrap();
        assert_eq!(image.dimensions(), (3, 2));
        for (x, y, pixel) in image.enumerate_pixels() {
            let at = (10 * y + x) as u8;
            assert_eq!(pixel.0, [at, 100 + at, 200 + at]);
        }
    }

    #[test]
    fn a_nan_names_the_image() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = to_image(&[0.0, bad], [1, 1, 2], "the print of seed 5").unwrap_err();
            assert!(matches!(error, Error::NonFinite { .. }));
            assert!(error.to_string().contains("the print of seed 5, value 1 of 2"), "{error}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        for dims in [[1, 2, 2], [2, 1, 1], [1, 0, 0], [3, usize::MAX, 2], [1, usize::MAX, 0]] {
            let error = to_image(&[0.0; 2], dims, "x").unwrap_err();
            assert!(matches!(error, Error::Shape { .. }), "{dims:?}: {error}");
        }
    }
}
