//! Ridge science: spectrum, traits, classes.

use super::cells::{p_value, together};
use super::histogram::{self, sample};
use super::{CONTROLS, REAL, SYNTHETIC, maps};
use crate::data::procedural::HenryClass;
use crate::evaluate::compare::{Distributions, QUANTILES};
use crate::evaluate::evaluation::{Evaluation, Material};
use crate::evaluate::measure::Trait;
use crate::evaluate::report::{
    Axis, Bars, Block, Cell, Column, Figure, Lines, Picture, Plot, Section, Series, Shares, Table,
};
use crate::evaluate::stats::scalar::quantiles;

/// The smallest share of the variance that is drawn.
const LEAST_SHARE: f64 = 1e-9;

pub fn spectrum(material: &Material) -> Section {
    let series =
        |name: &str, style, points| Series { name: name.into(), style, points, band: vec![] };
    let mut curves = Vec::new();
    curves.extend(material.real.spectrum().map(|s| series("real", REAL, s)));
    curves.extend(material.synthetic.spectrum().map(|s| series("synthetic", SYNTHETIC, s)));
    let controls = (CONTROLS..).zip(&material.control_spectra);
    curves.extend(controls.map(|(style, (name, s))| series(name, style, s.clone())));
    let blocks = if curves.is_empty() {
        vec![Block::Note("No print has any contrast, so there is no spectrum.".into())]
    } else {
        for curve in &mut curves {
            // The mean was removed: what rounding left of it would stretch the scale.
            curve.points.retain(|point| point.1 > LEAST_SHARE);
        }
        let y = Axis::log("share of the variance");
        let lines = Lines { x: Axis::new("cycles per pixel"), y, series: curves, marks: vec![] };
        vec![Block::Figure(Figure {
            id: "spectrum".into(),
            caption: "Mean radial power spectrum. Ridges are the hump; blur takes from its right, noise adds to it."
                .into(),
            alt: "Curves of the share of the variance at each spatial frequency for every set".into(),
            picture: Picture::Plot(Plot::Lines(lines)),
        })]
    };
    Section {
        id: "spectrum".to_owned() + "-section",
        title: "Radial power spectrum".into(),
        text: vec!["How much of a print's variance lies at each spatial frequency, in all directions together.".into()],
        blocks,
    }
}

pub fn section(evaluation: &Evaluation, material: &Material) -> Section {
    let caption = "Traits of single prints: 10th, 50th and 90th percentile, and how far the distributions are apart.";
    let traits = &evaluation.comparison.traits;
    let rows = traits.iter().map(|found| (found.quantity.name(), 2, &found.found));
    let mut blocks = vec![Block::Table(distributions(caption.into(), rows))];
    for quantity in [Trait::RidgePeriod, Trait::Coherence, Trait::Clarity, Trait::Ink] {
        blocks.extend(histogram(quantity, material).map(Block::Figure));
    }
    blocks.extend(maps::figure(material).map(Block::Figure));
    Section {
        id: "ridges".into(),
        title: "Ridges".into(),
        text: vec![
            "Each is measured print by print. Distance is Wasserstein-1, in the unit of the trait; p is that of a \
             permutation test. With thousands of prints the smallest difference is significant: look at the distance."
                .into(),
        ],
        blocks,
    }
}

/// Distributions of numbers of single prints, a row each, with so many digits.
pub fn distributions<'a>(
    caption: String,
    found: impl Iterator<Item = (&'a str, usize, &'a Distributions)>,
) -> Table {
    let mut columns = vec![Column::left("of a print")];
    columns.extend(
        [&quantile_names("real"), &quantile_names("synthetic"), "distance", "p", "measurable"]
            .map(Column::right),
    );
    let row = |(name, digits, found): (&str, usize, &Distributions)| {
        let mut cells = vec![Cell::text(name)];
        cells.extend([together(&found.real, digits), together(&found.other, digits)]);
        match found.distance.get() {
            Ok(comparison) => {
                cells.extend([Cell::number(comparison.distance, 3), p_value(comparison.p_value)]);
            }
            Err(reason) => cells.extend([Cell::missing(reason), Cell::missing(reason)]),
        }
        let [real, other] = found.measurable.map(|share| 100.0 * share);
        cells.push(Cell::text(format!("{real:.0} %, {other:.0} %")));
        cells
    };
    Table { caption, columns, rows: found.map(row).collect() }
}

/// The head of a column of [`together`] at the quantiles.
pub fn quantile_names(of: &str) -> String {
    let names = QUANTILES.map(|q| format!("p{:.0}", 100.0 * q));
    format!("{of} {}", names.join(" / "))
}

fn histogram(quantity: Trait, material: &Material) -> Option<Figure> {
    let name = quantity.name();
    let id = format!("trait-{}", name.split(',').next().unwrap_or(name).replace(' ', "-"));
    let caption = format!("Distribution of the {name}.");
    let alt = format!("Histograms of the {name} of real and synthetic prints");
    let samples = vec![
        sample("real", REAL, &material.real.values(quantity)),
        sample("synthetic", SYNTHETIC, &material.synthetic.values(quantity)),
    ];
    let range = usual(&samples.iter().flat_map(|s| s.values.clone()).collect::<Vec<f64>>());
    histogram::figure([&id, &caption, &alt], name, samples, vec![], range)
}

/// Where nearly all values lie, if a few far ones would make the picture mostly empty.
fn usual(values: &[f64]) -> Option<(f64, f64)> {
    let found = quantiles(values, &[0.0, 0.005, 0.995, 1.0]).ok()?;
    let [least, low, high, most] = found[..] else { return None };
    let width = high - low;
    let ends = ((low - 0.1 * width).max(least), (high + 0.1 * width).min(most));
    (width > 0.0 && most - least > 2.0 * (ends.1 - ends.0)).then_some(ends)
}

pub fn classes(evaluation: &Evaluation) -> Section {
    let sets = [("real", REAL), ("synthetic", SYNTHETIC)].into_iter().zip(evaluation.class_shares);
    let sets = sets.map(|((name, style), shares)| Shares {
        name: name.into(),
        style,
        values: shares.to_vec(),
        intervals: vec![],
    });
    let score = match evaluation.comparison.class_score.get() {
        Ok(score) => format!(
            "Inception Score over the five pattern classes, 10 parts: {:.2} ± {:.2}. It lies between 1 and 5 and \
             compares with no score of another network.",
            score.mean, score.deviation
        ),
        Err(reason) => format!("Inception Score over the pattern classes: {reason}."),
    };
    Section {
        id: "classes".into(),
        title: "Pattern classes".into(),
        text: vec![
            "The likeliest Henry class of each print, by the feature network.".into(),
            score,
        ],
        blocks: vec![Block::Figure(Figure {
            id: "class-shares".into(),
            caption: "Share of prints of each class.".into(),
            alt: "Bars: share of real and synthetic prints of each pattern class".into(),
            picture: Picture::Plot(Plot::Bars(Bars {
                categories: HenryClass::ALL.map(|class| class.name().to_owned()).to_vec(),
                y: Axis::new("share of prints"),
                sets: sets.collect(),
            })),
        })],
    }
}
