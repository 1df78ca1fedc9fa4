//! Bytes → pixels: SOCOFing's two formats, the frame, alpha, resizing.

use super::*;
use crate::data::decode::{Raster, decode};
use crate::data::resize::{Fit, resize_into};
use image::{GrayImage, Luma, Rgba, RgbaImage};
use proptest::prelude::*;

fn gray_of(bytes: &[u8]) -> GrayImage {
    match decode(bytes, true).unwrap() {
        Raster::Gray(image) => image,
        Raster::Rgb(_) => panic!("gray was asked for"),
    }
}

#[test]
fn a_framed_file_has_the_documented_size_and_gives_exactly_the_print() {
    let print = stripes(3);
    let bytes = framed_bmp(&print);
    assert_eq!(bytes.len(), 39_690);
    let image = gray_of(&bytes);
    assert_eq!(image.dimensions(), (90, 97));
    for (x, y, pixel) in image.enumerate_pixels() {
        assert_eq!(pixel[0], print(x, y), "at {x}, {y}");
    }
    // Three channels asked for, but the file is gray.
    assert!(matches!(decode(&bytes, false).unwrap(), Raster::Gray(_)));
}

#[test]
fn the_unframed_format_is_read_whole() {
    let print = stripes(8);
    let image = gray_of(&plain_bmp(241, 298, |x, y| [print(x, y); 3]));
    assert_eq!(image.dimensions(), (241, 298));
    assert!(image.enumerate_pixels().all(|(x, y, pixel)| pixel[0] == print(x, y)));
}

#[test]
fn a_96_by_103_file_is_cropped_for_its_frame_and_not_for_its_size() {
    let print = stripes(1);
    let plain = v5_bmp(96, 103, |x, y| [print(x, y), print(x, y), print(x, y), 255]);
    assert_eq!(gray_of(&plain).dimensions(), (96, 103));
    // One pixel of the frame is off.
    let mut bytes = framed_bmp(&print);
    let top_row = 138 + 102 * 96 * 4;
    bytes[top_row + 50 * 4] = 161;
    assert_eq!(gray_of(&bytes).dimensions(), (96, 103));
    // The lines without the margin.
    let lines = v5_bmp(96, 103, |x, y| match (x, y) {
        (0, _) | (_, 0) => [160, 160, 160, 255],
        (1, _) | (_, 1) => [105, 105, 105, 255],
        _ => [print(x, y), print(x, y), print(x, y), 255],
    });
    assert_eq!(gray_of(&lines).dimensions(), (96, 103));
    // The frame without its alpha, as an editor would save it.
    let flat = plain_bmp(96, 103, |x, y| match (x, y) {
        (92.., _) | (_, 99..) => [0; 3],
        (0, _) | (_, 0) => [160; 3],
        (1, _) | (_, 1) => [105; 3],
        _ => [print(x - 2, y - 2); 3],
    });
    assert_eq!(gray_of(&flat).dimensions(), (90, 97));
}

#[test]
fn alpha_is_laid_on_white() {
    let ink = RgbaImage::from_fn(4, 1, |x, _| Rgba([0, 0, 0, [0, 51, 204, 255][x as usize]]));
    let image = gray_of(&encode(&ink.into(), ImageFormat::Png));
    assert_eq!(image.into_raw(), [255, 204, 51, 0]);
}

#[test]
fn every_format_is_read_by_content() {
    let original = picture(40, 30, 5);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff] {
        assert_eq!(gray_of(&encode(&original, format)), original.to_luma8(), "{format:?}");
    }
    let jpeg = gray_of(&encode(&original, ImageFormat::Jpeg));
    let error = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b));
    let total: f64 = jpeg.iter().zip(original.to_luma8().iter()).map(error).sum();
    assert!(total / f64::from(40 * 30) < 8.0, "JPEG differs by {total} in all");
}

#[test]
fn colour_is_kept_with_three_channels_and_weighed_with_one() {
    let green = image::RgbImage::from_pixel(3, 3, image::Rgb([0, 255, 0]));
    let bytes = encode(&green.into(), ImageFormat::Png);
    let Raster::Rgb(image) = decode(&bytes, false).unwrap() else { panic!("colour was lost") };
    assert_eq!(image.get_pixel(1, 1).0, [0, 255, 0]);
    // Rec. 709: 0.7152 · 255 = 182.4.
    assert_eq!(gray_of(&bytes).get_pixel(0, 0).0, [182]);
}

fn resized(image: GrayImage, size: u32, channels: u32, fit: Fit) -> Vec<u8> {
    let mut out = vec![7; (size * size * channels) as usize];
    resize_into(&Raster::Gray(image), size, channels, fit, &mut out);
    out
}

#[test]
fn each_fit_puts_a_wide_black_page_where_it_belongs() {
    let black = || GrayImage::new(20, 10);
    let padded = resized(black(), 8, 1, Fit::Pad);
    let (white, ink) = ([255; 16], [0; 32]);
    assert_eq!(padded, [&white[..], &ink, &white].concat());
    assert_eq!(resized(black(), 8, 1, Fit::Crop), [0; 64]);
    assert_eq!(resized(black(), 8, 1, Fit::Stretch), [0; 64]);

    // The left half of a wide page is white: cropping its centre keeps a quarter, stretching half.
    let half = || GrayImage::from_fn(400, 100, |x, _| Luma([if x < 200 { 255 } else { 0 }]));
    let row = |fit| resized(half(), 100, 1, fit)[..100].to_vec();
    for fit in [Fit::Crop, Fit::Stretch] {
        assert!(row(fit)[..45].iter().all(|&v| v > 240) && row(fit)[55..].iter().all(|&v| v < 15));
    }
    let line = GrayImage::from_fn(400, 100, |x, _| Luma([if x < 100 { 255 } else { 0 }]));
    assert!(resized(line, 100, 1, Fit::Crop).iter().all(|&v| v < 60));
}

#[test]
fn shrinking_removes_what_the_small_image_cannot_hold() {
    // Lines of one pixel, far beyond the Nyquist limit of the smaller image: without a prefilter
    // they would alias to bold stripes.
    let lines = GrayImage::from_fn(256, 256, |x, _| Luma([(x % 2 * 255) as u8]));
    let small = resized(lines, 48, 1, Fit::Stretch);
    let inner = (4..44).flat_map(|y| &small[y * 48 + 4..y * 48 + 44]);
    for &value in inner {
        assert!(value.abs_diff(128) < 12, "{value}");
    }
}

#[test]
fn three_channels_of_a_gray_image_are_equal_and_the_same_size_is_untouched() {
    let image = picture(16, 16, 9).to_luma8();
    assert_eq!(resized(image.clone(), 16, 1, Fit::Pad), image.as_raw().as_slice());
    let colour = resized(image.clone(), 16, 3, Fit::Pad);
    for (pixel, value) in colour.chunks(3).zip(image.iter()) {
        assert_eq!(pixel, [*value; 3]);
    }
}

#[test]
fn extreme_shapes_become_squares() {
    for (width, height) in [(1, 1), (1, 5000), (5000, 1), (3, 2)] {
        for fit in [Fit::Pad, Fit::Crop, Fit::Stretch] {
            let out = resized(GrayImage::new(width, height), 32, 1, fit);
            assert!(out.contains(&0), "{width}×{height} {fit:?} lost the ink");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Random bytes put into valid files, headers more often than pixels.
    #[test]
    fn mutated_files_never_panic(
        kind in 0usize..5,
        changes in prop::collection::vec((0usize..4000, any::<u8>()), 1..12),
        keep in 0.0..1.3f64,
    ) {
        let image = picture(24, 18, 2);
        let mut bytes = match kind {
            0 => framed_bmp(stripes(2)),
            1 => encode(&image, ImageFormat::Bmp),
            2 => encode(&image, ImageFormat::Png),
            3 => encode(&image, ImageFormat::Jpeg),
            _ => encode(&image, ImageFormat::Tiff),
        };
        for (at, value) in changes {
            // The square favours the first bytes, where the header is.
            let at = at * at / 4000 * bytes.len() / 4000;
            bytes[at] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        if let Ok(raster) = decode(&bytes, true) {
            let mut out = vec![0; 64];
            resize_into(&raster, 8, 1, Fit::Pad, &mut out);
        }
    }
}
