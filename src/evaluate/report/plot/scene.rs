//! What a plot consists of once its layout is made: a few kinds of shapes with places in pixels.
//! Both renderers, SVG and bitmap, know these shapes and nothing of plots.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont};
use image::DynamicImage;
use std::sync::OnceLock;

/// A place: to the right, downwards, in pixels.
pub type Point = (f64, f64);

/// Shapes in the order in which they are drawn.
#[derive(Clone, Debug)]
pub struct Scene {
    pub width: f64,
    pub height: f64,
    /// Empty room on all sides of a file; the page has its own.
    pub margin: f64,
    pub shapes: Vec<Shape>,
}

/// A thing to draw.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A path of straight lines.
    Line { points: Vec<Point>, ink: Ink, width: f64, dash: &'static [f64] },
    /// A filled polygon.
    Area { points: Vec<Point>, ink: Ink, opacity: f64 },
    /// The same small sign at many places.
    Markers { at: Vec<Point>, marker: Marker, ink: Ink, opacity: f64, radius: f64 },
    /// One line of text; `at` is on its base line.
    Text { text: String, at: Point, anchor: Anchor, ink: Ink, size: f64 },
    /// A picture stretched over a rectangle.
    Image { image: DynamicImage, at: Point, size: Point },
}

/// Colours by their meaning: the page has a light and a dark set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Text,
    Muted,
    Grid,
    /// The ground.
    Paper,
    /// The colour of a style, see [`Style`].
    Series(usize),
}

/// Signs for points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    Dot,
    Cross,
    Ring,
    Triangle,
    Square,
    Plus,
    Diamond,
}

/// Which end of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How the bars of a set are filled, to be told apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Solid,
    Rising,
    Light,
    Falling,
}

/// How many styles there are.
pub const STYLES: usize = 7;

/// The look of the sets of a plot.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub ink: Ink,
    pub dash: &'static [f64],
    pub marker: Marker,
    pub fill: Fill,
}

impl Style {
    /// The style of a number; they repeat.
    pub fn of(number: usize) -> Self {
        const DASHES: [&[f64]; STYLES] = [
            &[],
            &[7.0, 3.0],
            &[2.0, 2.5],
            &[9.0, 3.0, 2.0, 3.0],
            &[13.0, 4.0],
            &[4.0, 2.0],
            &[9.0, 2.5, 2.0, 2.5, 2.0, 2.5],
        ];
        const MARKERS: [Marker; STYLES] = [
            Marker::Dot,
            Marker::Cross,
            Marker::Ring,
            Marker::Triangle,
            Marker::Plus,
            Marker::Square,
            Marker::Diamond,
        ];
        const FILLS: [Fill; 4] = [Fill::Solid, Fill::Rising, Fill::Light, Fill::Falling];
        let number = number % STYLES;
        Self {
            ink: Ink::Series(number),
            dash: DASHES[number],
            marker: MARKERS[number],
            fill: FILLS[number % FILLS.len()],
        }
    }
}

impl Ink {
    /// The colour on white. The series have the colours of Okabe & Ito ("Color Universal Design",
    /// 2008) without the yellow, which white swallows; the last is a grey.
    pub fn on_white(self) -> [u8; 3] {
        const SERIES: [[u8; 3]; STYLES] = [
            [0, 114, 178],
            [213, 94, 0],
            [0, 158, 115],
            [204, 121, 167],
            [230, 159, 0],
            [86, 180, 233],
            [90, 90, 90],
        ];
        match self {
            Self::Text => [28, 30, 33],
            Self::Muted => [90, 97, 105],
            Self::Grid => [226, 228, 231],
            Self::Paper => [255, 255, 255],
            Self::Series(number) => SERIES[number % STYLES],
        }
    }
}

/// The font of the program: a machine without fonts draws the same.
///
/// # Errors
/// A sentence, if it cannot be read.
pub fn font() -> Result<&'static FontRef<'static>, String> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    let font = FONT.get_or_init(|| FontRef::try_from_slice(dejavu::sans::regular()).ok());
    font.as_ref().ok_or_else(|| "the built-in font cannot be read".into())
}

/// The scale at which the font has `size` pixels to the em.
pub fn em(font: &FontRef<'_>, size: f64) -> PxScale {
    let units = f64::from(font.units_per_em().unwrap_or(1000.0));
    PxScale::from((size * f64::from(font.height_unscaled()) / units) as f32)
}

/// The letters of a text and where each begins, from 0, in pixels, with `size` pixels to the em; and
/// the width of all.
pub fn letters(font: &FontRef<'_>, text: &str, size: f64) -> (Vec<(GlyphId, f32)>, f32) {
    let scaled = font.as_scaled(em(font, size));
    let mut placed: Vec<(GlyphId, f32)> = Vec::new();
    let mut x = 0.0;
    for c in text.chars() {
        let glyph = font.glyph_id(c);
        if let Some((before, _)) = placed.last() {
            x += scaled.kern(*before, glyph);
        }
        placed.push((glyph, x));
        x += scaled.h_advance(glyph);
    }
    (placed, x)
}

/// The built-in font's width of a text, in pixels, with `size` pixels to the em. Fonts of browsers
/// are narrower.
///
/// # Errors
/// A sentence, if the font cannot be read.
pub fn text_width(text: &str, size: f64) -> Result<f64, String> {
    Ok(f64::from(letters(font()?, text, size).1))
}

/// Cuts a path into the strokes of a dash pattern: lengths of stroke and gap in turn. A path without
/// pattern is one stroke.
pub fn strokes(points: &[Point], dash: &[f64]) -> Vec<Vec<Point>> {
    // A pattern that does not advance would never end.
    if dash.iter().sum::<f64>() <= 0.0 || dash.iter().any(|length| *length <= 0.0) {
        return vec![points.to_vec()];
    }
    let mut done = Vec::new();
    let mut stroke: Vec<Point> = points.first().copied().into_iter().collect();
    let (mut part, mut left) = (0, dash[0]);
    for pair in points.windows(2) {
        let (mut at, to) = (pair[0], pair[1]);
        let mut rest = (to.0 - at.0).hypot(to.1 - at.1);
        while rest > left {
            let share = left / rest;
            at = (at.0 + (to.0 - at.0) * share, at.1 + (to.1 - at.1) * share);
            rest -= left;
            if part % 2 == 0 {
                stroke.push(at);
                done.push(std::mem::take(&mut stroke));
            } else {
                stroke = vec![at];
            }
            part = (part + 1) % (dash.len() + dash.len() % 2);
            left = dash[part % dash.len()];
        }
        left -= rest;
        if part % 2 == 0 {
            stroke.push(to);
        }
    }
    if stroke.len() > 1 {
        done.push(stroke);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_cover_the_share_of_the_path_that_the_pattern_says() {
        let path: Vec<Point> = (0..=400).map(|i| (f64::from(i) * 0.75, f64::from(i))).collect();
        // 400 steps of length 1.25 are 500 long: 50 times 6 of 10.
        let parts = strokes(&path, &[6.0, 4.0]);
        assert_eq!(parts.len(), 50);
        let length = |stroke: &Vec<Point>| {
            stroke.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum::<f64>()
        };
        for (k, stroke) in parts.iter().enumerate() {
            assert!((length(stroke) - 6.0).abs() < 1e-9, "{k}: {}", length(stroke));
            let from_start = stroke[0].0.hypot(stroke[0].1);
            assert!((from_start - 10.0 * k as f64).abs() < 1e-9, "{k}: {from_start}");
        }
        for none in [&[][..], &[0.0, 0.0]] {
            let whole = strokes(&path, none);
            assert!(whole.len() == 1 && whole[0] == path);
        }
        assert!(strokes(&[], &[1.0, 1.0]).is_empty());
    }

    #[test]
    fn text_is_as_wide_as_its_letters() {
        let width = |text| text_width(text, 12.0).unwrap();
        // Digits of the font have one width: 0.636 em.
        assert!((width("0123456789") - 12.0 * 6.36).abs() < 0.1, "{}", width("0123456789"));
        assert!(width("iii") < width("mmm"));
    }

    #[test]
    fn the_first_seven_styles_differ_without_colour() {
        for a in 0..STYLES {
            for b in 0..a {
                let (a, b) = (Style::of(a), Style::of(b));
                assert!(a.dash != b.dash && a.marker != b.marker && a.ink != b.ink);
            }
        }
        assert_eq!(Style::of(STYLES + 2).ink, Style::of(2).ink);
    }
}
