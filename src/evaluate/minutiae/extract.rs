//! An image → minutiae, by NIST's MINDTCT through the library `nbis-rs`.

use super::points::{Kind, Minutia, Minutiae};
use super::prepare::{self, MARGIN};
use crate::error::{Error, Result};
use image::GrayImage;
use nbis::MinutiaKind;

/// Resolution that the prepared image stands for, in pixels per inch.
const PPI: f64 = 500.0;

/// Finds the minutiae of a print, ridges dark on white, that is first enlarged `scale` times and laid
/// on a white margin ([`prepare::prepare`]). A blank print has none.
///
/// The C code underneath keeps no state, so prints can be handled on several threads. It reads outside
/// its memory on images narrower or lower than about 20 pixels (seen with an address sanitizer) and
/// leaves the process when memory runs out: the margin makes every image at least 33 pixels large, and
/// the limit on the size makes the second unlikely.
///
/// # Errors
/// Those of [`prepare::prepare`], and [`Error::Data`] if the library refuses the image.
pub fn extract(print: &GrayImage, scale: f64) -> Result<Minutiae> {
    let page = prepare::prepare(print, scale)?;
    let mut found = Minutiae {
        width: side(page.width())?,
        height: side(page.height())?,
        margin: side(MARGIN)?,
        points: Vec::new(),
    };
    if prepare::is_blank(print) {
        return Ok(found);
    }
    let raw = nbis::extract_minutiae(&pgm(&page), Some(PPI)).map_err(|error| {
        Error::data("(a print in memory)", format!("MINDTCT cannot find its minutiae: {error}"))
    })?;
    found.points = raw.get().iter().map(|minutia| convert(minutia)).collect::<Result<_>>()?;
    Ok(found)
}

/// The image as a PGM file, the plainest form that the library reads.
fn pgm(page: &GrayImage) -> Vec<u8> {
    let mut bytes = format!("P5\n{} {}\n255\n", page.width(), page.height()).into_bytes();
    bytes.extend_from_slice(page.as_raw());
    bytes
}

fn side(pixels: u32) -> Result<u16> {
    u16::try_from(pixels)
        .map_err(|_| Error::shape("minutiae", format!("a side of {pixels} pixels is too large")))
}

fn convert(minutia: &nbis::Minutia) -> Result<Minutia> {
    let coordinate = |value: i32| {
        u16::try_from(value).map_err(|_| {
            Error::data("(a print in memory)", format!("MINDTCT put a minutia at {value} px"))
        })
    };
    let reliability = minutia.reliability();
    if !(0.0..=1.0).contains(&reliability) {
        return Err(Error::NonFinite { place: format!("a minutia's reliability ({reliability})") });
    }
    let direction = ((90.0 - minutia.angle()) / 11.25).round().rem_euclid(32.0);
    Ok(Minutia {
        x: coordinate(minutia.x())?,
        y: coordinate(minutia.y())?,
        direction: direction as u8,
        kind: match minutia.kind() {
            MinutiaKind::RidgeEnding => Kind::Ending,
            MinutiaKind::Bifurcation => Kind::Bifurcation,
        },
        quality: (100.0 * reliability).round() as u8,
    })
}
