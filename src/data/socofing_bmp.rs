//! Writes BMP files laid out as SOCOFing's: a 124-byte V5 header, 32 bits a pixel with BITFIELDS
//! masks, rows bottom up, 3,779 pixels a metre, pixels from offset 138.
//!
//! SOCOFing's prints have a frame; [`framed`] draws it around a print. Readers that learn from
//! such files must cut it off again.

use std::io::{self, Write};

use image::{GrayAlphaImage, GrayImage, LumaA};

/// Bytes before the first pixel: the file header's 14 and the V5 header's 124.
const PIXEL_OFFSET: u32 = 138;
/// Pixels a metre that SOCOFing's files claim (96 dpi; the true resolution is about 200 ppi).
const PIXELS_PER_METRE: u32 = 3779;

/// Columns and rows that the frame adds: two on the left and top, four on the right and bottom.
pub const FRAME: u32 = 6;

/// Draws SOCOFing's frame around a print: the result is [`FRAME`] pixels wider and higher.
///
/// Row and column 0 are 160, row and column 1 are 105, and the right four columns and bottom four
/// rows are transparent black.
pub fn framed(print: &GrayImage) -> GrayAlphaImage {
    let (width, height) = (print.width() + FRAME, print.height() + FRAME);
    GrayAlphaImage::from_fn(width, height, |x, y| {
        if x >= width - 4 || y >= height - 4 {
            LumaA([0, 0])
        } else if x == 0 || y == 0 {
            LumaA([160, 255])
        } else if x == 1 || y == 1 {
            LumaA([105, 255])
        } else {
            LumaA([print.get_pixel(x - 2, y - 2).0[0], 255])
        }
    })
}

/// The print with every pixel opaque, for a file without a frame.
pub fn opaque(print: &GrayImage) -> GrayAlphaImage {
    GrayAlphaImage::from_fn(print.width(), print.height(), |x, y| {
        LumaA([print.get_pixel(x, y).0[0], 255])
    })
}

/// Writes a BMP file of 138 + 4 · width · height bytes: 39,690 for 96 × 103 pixels.
///
/// Errors are the writer's own, and [`io::ErrorKind::InvalidInput`] for an image whose file would
/// exceed the format's 4 GiB.
pub fn write_bmp(out: &mut impl Write, image: &GrayAlphaImage) -> io::Result<()> {
    let (width, height) = image.dimensions();
    let pixels = width.checked_mul(height).and_then(|n| n.checked_mul(4));
    let total = pixels.and_then(|n| n.checked_add(PIXEL_OFFSET));
    let (Some(pixels), Some(total)) = (pixels, total) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{width}x{height} pixels do not fit a BMP file"),
        ));
    };
    let mut file = Vec::with_capacity(total as usize);
    file.extend_from_slice(b"BM");
    for word in [total, 0, PIXEL_OFFSET] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    push_v5_header(&mut file, width, height, pixels);
    for row in (0..height).rev() {
        for x in 0..width {
            let LumaA([grey, alpha]) = *image.get_pixel(x, row);
            file.extend_from_slice(&[grey, grey, grey, alpha]);
        }
    }
    out.write_all(&file)
}

/// BITMAPV5HEADER: its fields in order, all little-endian.
fn push_v5_header(file: &mut Vec<u8>, width: u32, height: u32, pixels: u32) {
    const BITFIELDS: u32 = 3;
    const SRGB: u32 = u32::from_be_bytes(*b"sRGB");
    const GRAPHICS_INTENT: u32 = 2;
    // Size, width and height; then planes and bits a pixel share one word.
    let before_masks = [124, width, height, 1 | 32 << 16, BITFIELDS, pixels];
    let resolution_and_palette = [PIXELS_PER_METRE, PIXELS_PER_METRE, 0, 0];
    let masks = [0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0xFF00_0000, SRGB];
    // End points (9 words) and gamma (3) have no meaning under sRGB.
    let colour_space = [0; 12];
    let profile = [GRAPHICS_INTENT, 0, 0, 0];
    let words = before_masks
        .into_iter()
        .chain(resolution_and_palette)
        .chain(masks)
        .chain(colour_space)
        .chain(profile);
    words.for_each(|word| file.extend_from_slice(&u32::to_le_bytes(word)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    fn file_of(image: &GrayAlphaImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_bmp(&mut bytes, image).expect("writing to memory");
        bytes
    }

    /// Field by field at the offsets that the format's documentation gives.
    #[test]
    fn the_header_is_socofings() {
        let file = file_of(&framed(&GrayImage::from_pixel(90, 97, Luma([77]))));
        let word =
            |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
        assert_eq!(file.len(), 39_690);
        assert_eq!(&file[..2], b"BM");
        assert_eq!(word(2), 39_690);
        assert_eq!(word(10), 138);
        assert_eq!((word(14), word(18), word(22)), (124, 96, 103));
        assert_eq!((file[26], file[28]), (1, 32));
        assert_eq!(word(30), 3);
        assert_eq!(word(34), 96 * 103 * 4);
        assert_eq!((word(38), word(42)), (3779, 3779));
        assert_eq!(
            [word(54), word(58), word(62), word(66)],
            [0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0xFF00_0000]
        );
    }

    #[test]
    fn the_frame_is_exact_and_the_print_lies_inside() {
        let print = GrayImage::from_fn(90, 97, |x, y| Luma([(x * 3 + y * 5) as u8]));
        let framed = framed(&print);
        assert_eq!(framed.dimensions(), (96, 103));
        let at = |x, y| framed.get_pixel(x, y).0;
        for y in 0..99 {
            assert_eq!(at(0, y), [160, 255]);
            assert_eq!(at(1, y), if y == 0 { [160, 255] } else { [105, 255] });
            assert_eq!(at(92, y), [0, 0]);
            assert_eq!(at(95, y), [0, 0]);
        }
        for x in 2..92 {
            assert_eq!((at(x, 0), at(x, 1)), ([160, 255], [105, 255]));
            assert_eq!((at(x, 99), at(x, 102)), ([0, 0], [0, 0]));
        }
        let inside = image::imageops::crop_imm(&framed, 2, 2, 90, 97).to_image();
        assert!(inside.pixels().zip(print.pixels()).all(|(a, b)| a.0 == [b.0[0], 255]));
    }

    /// The image crate's decoder is another reading of the format.
    #[test]
    fn another_decoder_reads_the_same_pixels() {
        let print = GrayImage::from_fn(37, 21, |x, y| Luma([(x * 7 + y * 11) as u8]));
        for written in [opaque(&print), framed(&print)] {
            let read =
                image::load_from_memory_with_format(&file_of(&written), image::ImageFormat::Bmp)
                    .expect("a valid BMP")
                    .to_rgba8();
            assert_eq!(read.dimensions(), written.dimensions());
            for (read, LumaA([grey, alpha])) in read.pixels().zip(written.pixels()) {
                assert_eq!(read.0, [*grey, *grey, *grey, *alpha]);
            }
        }
    }
}
