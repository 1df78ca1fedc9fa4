//! Maps of single prints: how well defined the ridges' direction is, and how far they are apart.

use super::pictures::{ramp, thumb};
use crate::evaluate::evaluation::Material;
use crate::evaluate::prints::{Draw, Prints, choose};
use crate::evaluate::report::{Cell, Figure, Pair, Picture, Thumb};
use crate::evaluate::ridges::period::BLOCK;
use crate::evaluate::ridges::{OrientationField, PeriodMap, Print};
use image::{DynamicImage, GrayImage, Rgb, RgbImage};

/// Prints of each set whose maps are shown.
const SHOWN: usize = 3;
/// Ridge periods of the lightest and of the darkest shade, in pixels of a print of 96.
const PERIODS: (f64, f64) = (2.0, 6.0);
/// Where there is nothing to measure.
const GROUND: Rgb<u8> = Rgb([255, 255, 255]);

/// Maps of some prints of both sets; nothing without prints.
pub fn figure(material: &Material) -> Option<Figure> {
    let sets = [(&material.sets.real, "real"), (&material.sets.fake, "synthetic")];
    let rows: Vec<Pair> = sets.into_iter().flat_map(|(set, name)| rows(set, name)).collect();
    let scale = f64::from(material.sets.real.size) / 96.0;
    (!rows.is_empty()).then(|| Figure {
        id: "ridge-maps".into(),
        caption: format!(
            "Orientation coherence, white 0 to dark 1, with its mean over the print; ridge period in blocks of {BLOCK} \
             pixels, light {:.1} to dark {:.1} pixels and white where there are no ridges, with its median.",
            PERIODS.0 * scale,
            PERIODS.1 * scale
        ),
        alt: "Rows of pictures: a print, a map of its orientation coherence, a map of its ridge period".into(),
        picture: Picture::Pairs(rows),
    })
}

fn rows(set: &Prints, name: &str) -> impl Iterator<Item = Pair> {
    let shown = choose(set.len(), SHOWN, 0, Draw::Sample);
    shown.into_iter().map(move |index| row(set.image(index), name))
}

/// A print, its coherence and its ridge period.
fn row(image: GrayImage, name: &str) -> Pair {
    let print = Print::new(&image);
    let field = OrientationField::new(&print);
    let periods = PeriodMap::new(&print, &field);
    let (width, size) = (print.width(), image.width());
    let coherence = RgbImage::from_fn(size, size, |x, y| {
        let at = y as usize * width + x as usize;
        let inside = print.mask().get(at).copied().unwrap_or_default();
        let value = field.coherence().get(at).copied().unwrap_or_default();
        if inside { ramp(f64::from(value)) } else { GROUND }
    });
    let scale = f64::from(size) / 96.0;
    let period = RgbImage::from_fn(size, size, |x, y| {
        let block = y as usize / BLOCK * periods.columns() + x as usize / BLOCK;
        let found = periods.periods().get(block).copied().flatten();
        found.map_or(GROUND, |period| {
            let (light, dark) = (PERIODS.0 * scale, PERIODS.1 * scale);
            // A tenth of the shade sets the shortest period apart from the ground.
            ramp(0.1 + 0.9 * (f64::from(period) - light) / (dark - light))
        })
    });
    let map = |image, label: &str, value: Option<f64>, digits| Thumb {
        image: DynamicImage::ImageRgb8(image),
        label: label.into(),
        score: value.map(|value| Cell::number(value, digits)),
    };
    Pair {
        first: thumb(image, name, None),
        others: vec![
            map(coherence, "coherence", field.mean_coherence(&print), 2),
            map(period, "period, px", periods.median(), 2),
        ],
    }
}
