//! A small print → an image on which NIST's algorithms work.
//!
//! MINDTCT expects 500 ppi, where ridges are 8 to 9 pixels apart, and looks for minutiae a block away
//! from the edge only. On a SOCOFing file as it is (96×103, ridges 3.2 px apart) it finds four.

use crate::error::{Error, Result};
use image::imageops::{self, FilterType};
use image::{GrayImage, Luma};

/// Enlargement that brings SOCOFing, about 200 ppi, to 500 ppi.
pub const SOCOFING_SCALE: f64 = 2.5;

/// White pixels added on each side after the enlargement.
pub const MARGIN: u32 = 16;

/// Ridge period in pixels that MINDTCT is tuned to.
pub const RIDGE_PERIOD: f64 = 8.0;

/// Largest side of a prepared image in pixels.
pub const MAX_SIDE: u32 = 4096;

/// Smallest and largest enlargement that is accepted.
pub const SCALES: std::ops::RangeInclusive<f64> = 0.25..=8.0;

/// The enlargement that brings ridges `period` pixels apart to [`RIDGE_PERIOD`].
///
/// # Errors
/// [`Error::Config`] if the period is not a number or would need a scale outside [`SCALES`].
pub fn scale_for_period(period: f64) -> Result<f64> {
    let scale = RIDGE_PERIOD / period;
    if period > 0.0 && SCALES.contains(&scale) {
        return Ok(scale);
    }
    Err(Error::Config(format!(
        "a ridge period of {period} px cannot be brought to {RIDGE_PERIOD} px: it must be from {} to \
         {} px; give the scale yourself, {SOCOFING_SCALE} for SOCOFing",
        RIDGE_PERIOD / SCALES.end(),
        RIDGE_PERIOD / SCALES.start(),
    )))
}

/// Enlarges a print (bicubic, Catmull–Rom: a = −½, as in Pillow) and lays it on white.
///
/// The result is round(`width`·`scale`) + 2·[`MARGIN`] wide, and as high accordingly.
///
/// # Errors
/// [`Error::Config`] for a scale outside [`SCALES`], [`Error::Shape`] for an image without pixels or
/// one whose enlargement has a side above [`MAX_SIDE`].
pub fn prepare(print: &GrayImage, scale: f64) -> Result<GrayImage> {
    if !SCALES.contains(&scale) {
        return Err(Error::Config(format!(
            "a print cannot be enlarged {scale} times; the scale must be from {} to {}",
            SCALES.start(),
            SCALES.end()
        )));
    }
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    let (width, height) = (side(print.width()), side(print.height()));
    if print.is_empty() || width.max(height) > MAX_SIDE - 2 * MARGIN {
        return Err(Error::shape(
            "minutiae",
            format!(
                "the print is {}x{} pixels; each side must be at least 1 and, enlarged {scale} times, \
                 at most {}",
                print.width(),
                print.height(),
                MAX_SIDE - 2 * MARGIN
            ),
        ));
    }
    let large = imageops::resize(print, width, height, FilterType::CatmullRom);
    let mut page = GrayImage::from_pixel(width + 2 * MARGIN, height + 2 * MARGIN, Luma([255]));
    imageops::replace(&mut page, &large, i64::from(MARGIN), i64::from(MARGIN));
    Ok(page)
}

/// Whether all pixels are alike: no ridges, whatever the shade.
pub fn is_blank(image: &GrayImage) -> bool {
    let pixels = image.as_raw();
    pixels.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_is_enlarged_and_laid_on_white() {
        let print = GrayImage::from_fn(96, 103, |x, y| Luma([(x + y) as u8]));
        let page = prepare(&print, SOCOFING_SCALE).unwrap();
        assert_eq!(page.dimensions(), (240 + 32, 258 + 32));
        for (x, y, pixel) in page.enumerate_pixels() {
            let inside = (16..256).contains(&x) && (16..274).contains(&y);
            if !inside {
                assert_eq!(pixel[0], 255);
            } else if (30..240).contains(&x) && (30..260).contains(&y) {
                // Cubic interpolation of a plane is that plane.
                let exact =
                    (f64::from(x - 16) + 0.5) / 2.5 + (f64::from(y - 16) + 0.5) * 103.0 / 258.0;
                assert!((f64::from(pixel[0]) - (exact - 1.0)).abs() <= 1.0, "{x} {y} {pixel:?}");
            }
        }
        let same = prepare(&print, 1.0).unwrap();
        assert_eq!(same.get_pixel(16 + 40, 16 + 50)[0], 90);
    }

    #[test]
    fn impossible_prints_and_scales_are_refused() {
        let print = GrayImage::new(96, 103);
        for scale in [f64::NAN, f64::INFINITY, 0.0, -2.5, 0.2, 8.1] {
            assert!(matches!(prepare(&print, scale), Err(Error::Config(_))), "{scale}");
        }
        for (width, height, scale) in [(0, 0, 1.0), (0, 9, 2.5), (4064, 5, 1.1), (9, 2000, 8.0)] {
            let print = GrayImage::new(width, height);
            assert!(matches!(prepare(&print, scale), Err(Error::Shape { .. })), "{width}x{height}");
        }
        assert_eq!(prepare(&GrayImage::new(4064, 1), 1.0).unwrap().dimensions(), (4096, 33));
        assert_eq!(prepare(&GrayImage::new(1, 1), 0.25).unwrap().dimensions(), (33, 33));
    }

    #[test]
    fn the_scale_follows_the_ridge_period() {
        assert_eq!(scale_for_period(3.2).unwrap(), 2.5);
        for period in [0.0, -3.0, f64::NAN, f64::INFINITY, 0.5, 40.0] {
            assert!(scale_for_period(period).is_err(), "{period}");
        }
    }

    #[test]
    fn only_one_shade_is_blank() {
        let mut print = GrayImage::from_pixel(5, 4, Luma([200]));
        assert!(is_blank(&print) && is_blank(&GrayImage::new(0, 0)));
        print.put_pixel(4, 3, Luma([201]));
        assert!(!is_blank(&print));
    }
}
