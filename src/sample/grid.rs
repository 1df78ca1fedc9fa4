//! Many small images on one sheet.

use crate::error::{Error, Result};
use ::image::{DynamicImage, GenericImage, GrayImage, ImageBuffer, Pixel, RgbImage};
use std::fmt;
use std::str::FromStr;

/// The gap around images, as in torchvision's `make_grid`.
const PADDING: u32 = 2;
/// Mid-grey: prints are white at their edges and dark inside, so the gap shows against both.
const BACKGROUND: u8 = 128;
/// A sheet larger than this is a slip of the keyboard.
const MOST_PIXELS: u64 = 1 << 28;
/// All images of a sheet are in memory at once.
const MOST_CELLS: u64 = 4096;

/// A sheet of `columns` × `rows` images of equal size, filled row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub columns: u32,
    pub rows: u32,
}

impl Grid {
    /// The nearly square sheet that holds `count` images: ⌈√count⌉ columns.
    pub fn for_count(count: u32) -> Self {
        let root = count.isqrt();
        let columns = if root * root == count { root.max(1) } else { root + 1 };
        Self { columns, rows: count.div_ceil(columns).max(1) }
    }

    /// How many images fit.
    pub fn cells(self) -> u64 {
        u64::from(self.columns) * u64::from(self.rows)
    }

    /// Width and height in pixels of the sheet for images of this size: a gap of 2 pixels around
    /// every image.
    ///
    /// # Errors
    /// [`Error::Config`] for a sheet without cells or of more than 2²⁸ pixels.
    pub fn size(self, (width, height): (u32, u32)) -> Result<(u32, u32)> {
        let side = |cells: u32, image: u32| {
            image.checked_add(PADDING)?.checked_mul(cells)?.checked_add(PADDING)
        };
        side(self.columns, width)
            .zip(side(self.rows, height))
            .filter(|&(w, h)| self.cells() > 0 && u64::from(w) * u64::from(h) <= MOST_PIXELS)
            .ok_or_else(|| {
                Error::Config(format!(
                    "a grid of {}x{} images of {width}x{height} pixels cannot be drawn: it needs \
                     at least one cell and at most {MOST_PIXELS} pixels",
                    self.columns, self.rows
                ))
            })
    }

    /// Puts the images on a sheet; cells without an image stay grey.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no image, there are more than cells, they differ in size, or
    /// they are neither all 8-bit grey nor all 8-bit RGB; [`Error::Config`] as [`size`](Self::size).
    pub fn compose(self, images: &[DynamicImage]) -> Result<DynamicImage> {
        let first = images.first().ok_or_else(|| Error::shape("grid", "there is no image"))?;
        if images.len() as u64 > self.cells() {
            let (columns, rows, count) = (self.columns, self.rows, images.len());
            let reason = format!("{count} images do not fit into {columns}x{rows} cells");
            return Err(Error::shape("grid", reason));
        }
        let image_size = (first.width(), first.height());
        let (width, height) = self.size(image_size)?;
        let blank_grey = || GrayImage::from_pixel(width, height, [BACKGROUND].into());
        let blank_rgb = || RgbImage::from_pixel(width, height, [BACKGROUND; 3].into());
        match first {
            DynamicImage::ImageLuma8(_) => self
                .paste(blank_grey(), images.iter().map(DynamicImage::as_luma8), image_size)
                .map(DynamicImage::ImageLuma8),
            DynamicImage::ImageRgb8(_) => self
                .paste(blank_rgb(), images.iter().map(DynamicImage::as_rgb8), image_size)
                .map(DynamicImage::ImageRgb8),
            _ => None,
        }
        .ok_or_else(|| {
            Error::shape("grid", "the images differ in size or are neither all grey nor all RGB")
        })
    }

    fn paste<'a, P: Pixel<Subpixel = u8> + 'a>(
        self,
        mut sheet: ImageBuffer<P, Vec<u8>>,
        images: impl Iterator<Item = Option<&'a ImageBuffer<P, Vec<u8>>>>,
        (width, height): (u32, u32),
    ) -> Option<ImageBuffer<P, Vec<u8>>> {
        for (cell, image) in (0..).zip(images) {
            let image = image.filter(|image| image.dimensions() == (width, height))?;
            let x = PADDING + cell % self.columns * (width + PADDING);
            let y = PADDING + cell / self.columns * (height + PADDING);
            sheet.copy_from(image, x, y).ok()?;
        }
        Some(sheet)
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.columns, self.rows)
    }
}

impl FromStr for Grid {
    type Err = Error;

    /// Reads columns and rows as in `8x4`.
    ///
    /// # Errors
    /// [`Error::Config`] for any other text, and for a sheet of none or more than 4096 images.
    fn from_str(text: &str) -> Result<Self> {
        text.split_once(['x', 'X'])
            .and_then(|(columns, rows)| {
                Some(Self { columns: columns.parse().ok()?, rows: rows.parse().ok()? })
            })
            .filter(|grid| (1..=MOST_CELLS).contains(&grid.cells()))
            .ok_or_else(|| {
                Error::Config(format!(
                    "grid {text:?}: use COLUMNSxROWS such as 8x4, at most {MOST_CELLS} images in all"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, value: u8) -> DynamicImage {
        GrayImage::from_pixel(width, height, [value].into()).into()
    }

    #[test]
    fn cells_are_filled_row_by_row_with_gaps() {
        let images = [grey(2, 1, 10), grey(2, 1, 20), grey(2, 1, 30)];
        let sheet = Grid { columns: 2, rows: 2 }.compose(&images).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (10, 8));
        let g = 128;
        #[rustfmt::skip]
        let drawn_by_hand = [
            g, g,  g,  g, g, g,  g,  g, g, g,
            g, g,  g,  g, g, g,  g,  g, g, g,
            g, g, 10, 10, g, g, 20, 20, g, g,
            g, g,  g,  g, g, g,  g,  g, g, g,
            g, g,  g,  g, g, g,  g,  g, g, g,
            g, g, 30, 30, g, g,  g,  g, g, g,
            g, g,  g,  g, g, g,  g,  g, g, g,
            g, g,  g,  g, g, g,  g,  g, g, g,
        ];
        assert_eq!(sheet.as_bytes(), drawn_by_hand);
    }

    #[test]
    fn colours_and_their_places_survive() {
        let image = |k: u8| RgbImage::from_fn(3, 4, |x, y| [k, x as u8, y as u8].into()).into();
        let images: Vec<DynamicImage> = (0..6).map(image).collect();
        let sheet = Grid { columns: 3, rows: 2 }.compose(&images).unwrap().into_rgb8();
        assert_eq!(sheet.dimensions(), (17, 14));
        assert_eq!(sheet.get_pixel(2, 2).0, [0, 0, 0]);
        assert_eq!(sheet.get_pixel(2 + 2 * 5 + 1, 2 + 3).0, [2, 1, 3]);
        assert_eq!(sheet.get_pixel(2 + 5 + 2, 2 + 6 + 1).0, [4, 2, 1]);
        assert_eq!(sheet.get_pixel(16, 13).0, [128; 3]);
    }

    #[test]
    fn the_sheet_for_a_count_is_nearly_square() {
        for (count, columns, rows) in
            [(0, 1, 1), (1, 1, 1), (2, 2, 1), (3, 2, 2), (64, 8, 8), (65, 9, 8), (10, 4, 3)]
        {
            assert_eq!(Grid::for_count(count), Grid { columns, rows }, "{count}");
        }
        assert!(Grid::for_count(u32::MAX).cells() >= u64::from(u32::MAX));
    }

    #[test]
    fn sizes_are_read_as_they_are_written() {
        let grid: Grid = "8x4".parse().unwrap();
        assert_eq!(grid, Grid { columns: 8, rows: 4 });
        assert_eq!(grid.to_string(), "8x4");
        for text in ["", "8", "x", "8x", "0x4", "4x0", "-1x4", "8x4x2", "4294967295x4294967295"] {
            assert!(matches!(text.parse::<Grid>(), Err(Error::Config(_))), "{text}");
        }
    }

    #[test]
    fn misfits_are_errors() {
        let grid = Grid { columns: 2, rows: 1 };
        let rgb: DynamicImage = RgbImage::new(2, 2).into();
        for images in [
            vec![],
            vec![grey(2, 2, 0); 3],
            vec![grey(2, 2, 0), grey(2, 3, 0)],
            vec![grey(2, 2, 0), rgb],
            vec![grey(2, 2, 0).to_rgba8().into()],
        ] {
            assert!(matches!(grid.compose(&images), Err(Error::Shape { .. })));
        }
        for (columns, rows) in [(0, 1), (1, 0), (u32::MAX, u32::MAX), (100_000, 100_000)] {
            let grid = Grid { columns, rows };
            assert!(matches!(grid.size((64, 64)), Err(Error::Config(_))), "{grid:?}");
        }
    }
}
