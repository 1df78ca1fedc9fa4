//! SOCOFing, the Sokoto Coventry Fingerprint Dataset (Shehu, Ruiz-Garcia, Palade & James, 2018): its
//! file names and the frame around its prints.
//!
//! A real print is called `100__M_Left_index_finger.BMP`: subject, gender, hand, finger. An altered
//! one has a suffix (`_CR`, `_Obl`, `_Zcut`) and lies in `Altered-Easy`, `-Medium` or `-Hard`. Prints
//! made by this program use the same names; a further impression of a finger ends in `_imp2`,
//! `_imp3` and so on, after the alteration.

use image::{DynamicImage, GenericImageView, Rgba};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Sex as the data set records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Gender {
    Male,
    Female,
}

/// Which hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hand {
    Left,
    Right,
}

/// Which finger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Finger {
    Thumb,
    Index,
    Middle,
    Ring,
    Little,
}

/// How a print was altered by the STRANGE toolbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Alteration {
    /// The print as it was taken.
    None,
    /// `_CR`
    CentralRotation,
    /// `_Obl`
    Obliteration,
    /// `_Zcut`
    ZCut,
}

/// How strongly the altered prints of a folder were altered.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum AlteredLevel {
    Easy,
    Medium,
    Hard,
}

impl AlteredLevel {
    /// The level that a path states by a folder named `Altered-Easy`, `Altered-Medium` or
    /// `Altered-Hard`; the innermost one counts.
    pub fn from_path(path: &str) -> Option<Self> {
        path.rsplit(['/', '\\']).find_map(|part| match part.to_ascii_lowercase().as_str() {
            "altered-easy" => Some(Self::Easy),
            "altered-medium" => Some(Self::Medium),
            "altered-hard" => Some(Self::Hard),
            _ => None,
        })
    }
}

/// What a SOCOFing file name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SocofingName {
    pub subject: u32,
    pub gender: Gender,
    pub hand: Hand,
    pub finger: Finger,
    pub alteration: Alteration,
    /// 1 for the only or first impression, which has no suffix; real prints always have 1.
    pub impression: u32,
}

impl SocofingName {
    /// Reads a file name with or without its extension; letters may be of either case.
    ///
    /// ```
    /// use dermaglyph::data::socofing::{Alteration, Finger, SocofingName};
    /// let name = SocofingName::parse("100__M_Left_index_finger_Obl.BMP").unwrap();
    /// assert_eq!((name.subject, name.finger), (100, Finger::Index));
    /// assert_eq!(name.alteration, Alteration::Obliteration);
    /// assert!(SocofingName::parse("holiday.jpg").is_none());
    /// ```
    pub fn parse(file_name: &str) -> Option<Self> {
        let stem = file_name.split_once('.').map_or(file_name, |(stem, _)| stem);
        let lower = stem.to_ascii_lowercase();
        let (subject, rest) = lower.split_once("__")?;
        let mut parts = rest.split('_');
        let gender = match parts.next()? {
            "m" => Gender::Male,
            "f" => Gender::Female,
            _ => return None,
        };
        let hand = match parts.next()? {
            "left" => Hand::Left,
            "right" => Hand::Right,
            _ => return None,
        };
        let finger = match parts.next()? {
            "thumb" => Finger::Thumb,
            "index" => Finger::Index,
            "middle" => Finger::Middle,
            "ring" => Finger::Ring,
            "little" => Finger::Little,
            _ => return None,
        };
        if parts.next()? != "finger" {
            return None;
        }
        let (mut alteration, mut next) = (Alteration::None, parts.next());
        if let Some(found) = next.and_then(alteration_of) {
            (alteration, next) = (found, parts.next());
        }
        let impression = match next {
            None => 1,
            Some(part) => number(part.strip_prefix("imp")?).filter(|&k| k > 0)?,
        };
        let name = Self { subject: number(subject)?, gender, hand, finger, alteration, impression };
        parts.next().is_none().then_some(name)
    }
}

fn alteration_of(part: &str) -> Option<Alteration> {
    match part {
        "cr" => Some(Alteration::CentralRotation),
        "obl" => Some(Alteration::Obliteration),
        "zcut" => Some(Alteration::ZCut),
        _ => None,
    }
}

/// Digits only: `u32::from_str` alone would take a plus sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The name without extension, as SOCOFing writes it.
impl fmt::Display for SocofingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gender = match self.gender {
            Gender::Male => "M",
            Gender::Female => "F",
        };
        let finger = match self.finger {
            Finger::Thumb => "thumb",
            Finger::Index => "index",
            Finger::Middle => "middle",
            Finger::Ring => "ring",
            Finger::Little => "little",
        };
        write!(f, "{}__{gender}_{:?}_{finger}_finger", self.subject, self.hand)?;
        match self.alteration {
            Alteration::None => {}
            Alteration::CentralRotation => f.write_str("_CR")?,
            Alteration::Obliteration => f.write_str("_Obl")?,
            Alteration::ZCut => f.write_str("_Zcut")?,
        }
        match self.impression {
            1 => Ok(()),
            k => write!(f, "_imp{k}"),
        }
    }
}

/// Width of the frame at the left and the top: one line of 160, one of 105.
const FRAME_LINES: [u8; 2] = [160, 105];
/// Width of the transparent black margin at the right and the bottom.
const MARGIN: u32 = 4;

/// Where the print lies inside a framed image, as `(x, y, width, height)`; none without a frame.
///
/// The frame is recognised by its pixels, not by the size of the image: 44 files of the real set are
/// of another size and have none. In a 96×103 file the print is the 90×97 pixels from (2, 2) to
/// (92, 99). A margin whose alpha an editor dropped is black. The corners are not looked at.
pub fn frame_crop(image: &DynamicImage) -> Option<(u32, u32, u32, u32)> {
    let lines = FRAME_LINES.len() as u32;
    let (right, bottom) = (image.width().checked_sub(MARGIN)?, image.height().checked_sub(MARGIN)?);
    let (width, height) = (right.checked_sub(lines)?, bottom.checked_sub(lines)?);
    if width == 0 || height == 0 {
        return None;
    }
    let line = |x, y, value| image.get_pixel(x, y) == Rgba([value, value, value, 255]);
    let margin = |x, y| {
        let Rgba([r, g, b, a]) = image.get_pixel(x, y);
        a == 0 || (r, g, b) == (0, 0, 0)
    };
    let framed = (0..lines).zip(FRAME_LINES).all(|(at, value)| {
        (lines..right).all(|x| line(x, at, value)) && (lines..bottom).all(|y| line(at, y, value))
    });
    let bordered = (0..MARGIN).all(|step| {
        (lines..bottom).all(|y| margin(right + step, y))
            && (lines..right).all(|x| margin(x, bottom + step))
    });
    (framed && bordered).then_some((lines, lines, width, height))
}
