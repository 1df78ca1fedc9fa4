//! Maps of single prints: how well defined the ridges' direction is, and how far they are apart.

use super::pictures::{ramp, thumb};
use crate::evaluate::evaluation::Material;
use crate::evaluate::prints::{Draw, Prints, choose};
use crate::evaluate::report::{Cell, Figure, Pair, Picture, Thumb};
use crate::evaluate::ridges::period::BLOCK;
use crate::evaluate::ridges::{OrientationField, PeriodMap, Print};
use image::{DynamicImage, GrayImage, Rgb, RgbImage};

/// Prints of each set whose maps are shown.
const SHOWN: usize = 4;
/// Ridge periods of the lightest and of the darkest shade, in pixels of a print of 96.
const PERIODS: (f64, f64) = (2.0, 6.0);
/// Where there is nothing to measure.
const GROUND: Rgb<u8> = Rgb([255, 255, 255]);

/// Maps of some prints of both sets, a real one beside a synthetic one; nothing without prints.
pub fn figure(material: &Material) -> Option<Figure> {
    let real = some(&material.sets.real).map(|image| maps(image, "real"));
    let fake = some(&material.sets.fake).map(|image| maps(image, "synthetic"));
    let rows: Vec<Pair> = real
        .zip(fake)
        .map(|([first, coherence, period], fake)| Pair {
            first,
            others: [vec![coherence, period], fake.to_vec()].concat(),
        })
        .collect();
    let scale = f64::from(material.sets.real.size) / 96.0;
    (!rows.is_empty()).then(|| Figure {
        id: "ridge-maps".into(),
        caption: format!(
            "Orientation coherence, white 0 to dark 1, with its mean over the print; ridge period in blocks of {BLOCK} \
             pixels, light {:.1} to dark {:.1} pixels and white where there are no ridges, with its median.",
            PERIODS.0 * scale,
            PERIODS.1 * scale
        ),
        alt: "Rows of pictures: a real print with maps of its orientation coherence and ridge period, then a synthetic \
              one with its maps"
            .into(),
        picture: Picture::Pairs(rows),
    })
}

fn some(set: &Prints) -> impl Iterator<Item = GrayImage> {
    choose(set.len(), SHOWN, 0, Draw::Sample).into_iter().map(|index| set.image(index))
}

/// A print, its coherence and its ridge period.
fn maps(image: GrayImage, name: &str) -> [Thumb; 3] {
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
    [
        thumb(image, name, None),
        map(coherence, "coherence", field.mean_coherence(&print), 2),
        map(period, "period, px", periods.median(), 2),
    ]
}
