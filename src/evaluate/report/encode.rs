//! Pictures as bytes and as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, RgbImage};

/// A PNG file of a drawing.
///
/// # Errors
/// A sentence, if the encoder refuses.
pub fn png_of_drawing(drawing: &RgbImage) -> Result<Vec<u8>, String> {
    let (width, height) = drawing.dimensions();
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
        .write_image(drawing, width, height, ExtendedColorType::Rgb8)
        .map_err(|e| format!("cannot encode a PNG: {e}"))?;
    Ok(bytes)
}

/// A PNG file with the pixels and the channels of a picture.
///
/// # Errors
/// A sentence, if the encoder refuses, as it does a picture without pixels.
pub fn png_of_picture(picture: &DynamicImage) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(encoder).map_err(|e| format!("cannot encode a PNG: {e}"))?;
    Ok(bytes)
}

/// A picture as an address that holds it.
///
/// # Errors
/// As [`png_of_picture`].
pub fn data_url(picture: &DynamicImage) -> Result<String, String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png_of_picture(picture)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::GrayImage;

    #[test]
    fn an_address_holds_the_picture() {
        let picture = GrayImage::from_fn(13, 7, |x, y| image::Luma([(x * 19 + y * 3) as u8]));
        let picture = DynamicImage::ImageLuma8(picture);
        let url = data_url(&picture).unwrap();
        let bytes = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap(), picture);
    }
}
