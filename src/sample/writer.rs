//! Images → files.

use crate::error::{Error, Result};
use crate::fsx::{Aside, Survives};
use ::image::codecs::gif::{GifEncoder, Repeat};
use ::image::{Delay, DynamicImage, Frame, ImageError, ImageFormat};
use std::io;
use std::path::Path;
use std::str::FromStr;

/// How single images are written. Both are lossless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Png,
    Bmp,
}

impl Format {
    /// The end of the file name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Bmp => "bmp",
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    /// "png" or "bmp", in any case.
    fn from_str(name: &str) -> Result<Self> {
        [Self::Png, Self::Bmp]
            .into_iter()
            .find(|format| format.extension().eq_ignore_ascii_case(name))
            .ok_or_else(|| Error::Config(format!("image format {name:?}: use png or bmp")))
    }
}

/// Writes one image; a killed process leaves a whole file or none.
///
/// # Errors
/// [`Error::Io`] that names `path`.
pub fn write_image(path: impl AsRef<Path>, image: &DynamicImage, format: Format) -> Result<()> {
    let path = path.as_ref();
    let format = match format {
        Format::Png => ImageFormat::Png,
        Format::Bmp => ImageFormat::Bmp,
    };
    let mut file = Aside::create(path)?;
    image.write_to(&mut file, format).map_err(|e| failed(path, e))?;
    file.commit(Survives::Kill)
}

/// Writes an animation that repeats for ever, `delay_ms` per frame in steps of 10 ms. Frames are
/// taken one at a time: a long animation needs no more memory than a short one. Grey frames keep
/// every pixel; frames of more than 256 colours are quantised.
///
/// # Errors
/// [`Error::Io`] that names `path`, also when there is no frame, or whatever a frame failed with;
/// nothing is written then.
pub fn write_gif(
    path: impl AsRef<Path>,
    frames: impl IntoIterator<Item = Result<DynamicImage>>,
    delay_ms: u32,
) -> Result<()> {
    let path = path.as_ref();
    let mut frames = frames.into_iter().peekable();
    if frames.peek().is_none() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "an animation has no frame");
        return Err(Error::io("write", path, source));
    }
    let mut file = Aside::create(path)?;
    // The encoder writes the end of the file when it is dropped.
    {
        let mut encoder = GifEncoder::new(&mut file);
        encoder.set_repeat(Repeat::Infinite).map_err(|e| failed(path, e))?;
        for image in frames {
            let delay = Delay::from_numer_denom_ms(delay_ms, 1);
            let frame = Frame::from_parts(image?.into_rgba8(), 0, 0, delay);
            encoder.encode_frame(frame).map_err(|e| failed(path, e))?;
        }
    }
    file.commit(Survives::Kill)
}

fn failed(path: &Path, error: ImageError) -> Error {
    let source = match error {
        ImageError::IoError(source) => source,
        other => io::Error::other(other),
    };
    Error::io("write", path, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::codecs::gif::GifDecoder;
    use ::image::{AnimationDecoder, GrayImage, ImageReader, RgbImage};
    use std::fs::File;
    use std::io::BufReader;

    /// All 256 grey values, each frame in another order.
    fn grey(turn: u32) -> DynamicImage {
        GrayImage::from_fn(19, 16, |x, y| [((x + 19 * y) * (2 * turn + 1)) as u8].into()).into()
    }

    fn colour() -> DynamicImage {
        RgbImage::from_fn(7, 5, |x, y| [x as u8 * 30, y as u8 * 50, 200].into()).into()
    }

    #[test]
    fn files_hold_the_pixels() {
        let folder = tempfile::tempdir().unwrap();
        for (format, decoder) in [(Format::Png, ImageFormat::Png), (Format::Bmp, ImageFormat::Bmp)]
        {
            for image in [grey(0), colour()] {
                let path = folder.path().join("a").with_extension(format.extension());
                write_image(&path, &image, format).unwrap();
                let mut reader = ImageReader::open(&path).unwrap();
                reader.set_format(decoder);
                let read = reader.decode().unwrap();
                assert_eq!(read.to_rgb8(), image.to_rgb8(), "{format:?}");
            }
        }
        let png = ImageReader::open(folder.path().join("a.png")).unwrap().decode().unwrap();
        assert_eq!(png, colour());
    }

    #[test]
    fn a_grey_animation_is_exact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        write_gif(&path, (0..5).map(|turn| Ok(grey(turn))), 70).unwrap();
        let decoder = GifDecoder::new(BufReader::new(File::open(&path).unwrap())).unwrap();
        let frames = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(frames.len(), 5);
        for (turn, frame) in (0..).zip(frames) {
            assert_eq!(frame.delay().numer_denom_ms(), (70, 1));
            assert_eq!(*frame.buffer(), grey(turn).to_rgba8(), "frame {turn}");
        }
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.last(), Some(&0x3B), "the trailer of a GIF");
        assert!(bytes.windows(11).any(|w| w == b"NETSCAPE2.0"), "the loop extension");
    }

    #[test]
    fn a_failing_frame_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let frames = [Ok(grey(0)), Err(Error::NonFinite { place: "frame 1".into() })];
        assert!(matches!(write_gif(&path, frames, 50), Err(Error::NonFinite { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_below_a_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"x").unwrap();
        let path = file.join("a.png");
        let error = write_image(&path, &colour(), Format::Png).unwrap_err();
        assert!(matches!(error, Error::Io { path: ref named, .. } if *named == path), "{error}");
        let too_large = GrayImage::new(70_000, 1).into();
        assert!(write_gif(folder.path().join("a.gif"), [Ok(too_large)], 50).is_err());
        assert!(write_gif(folder.path().join("a.gif"), [], 50).is_err());
        assert!(!folder.path().join("a.gif").exists());
    }

    #[test]
    fn formats_are_known_by_name() {
        assert_eq!("PNG".parse::<Format>().unwrap(), Format::Png);
        assert_eq!("bmp".parse::<Format>().unwrap(), Format::Bmp);
        assert_eq!("tiff".parse::<Format>().unwrap_err().exit_code(), 2);
    }
}
