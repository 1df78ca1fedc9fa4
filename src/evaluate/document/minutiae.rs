//! Minutiae by NIST's algorithms.

use super::cells::{interval, nth, number, p_value, percent, together};
use super::histogram::{self, sample};
use super::pictures::ramp;
use super::traits::{distributions, quantile_names};
use super::{REAL, SYNTHETIC};
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::minutiae::judge::{CELLS, Control, Figures, NIST_MATCH, Quantity};
use crate::evaluate::minutiae::points::DIRECTIONS;
use crate::evaluate::outcome::Outcome;
use crate::evaluate::report::{
    Axis, Block, Cell, Column, Figure, Lines, Pair, Picture, Plot, Section, Series, Table, Thumb,
};
use crate::evaluate::stats::scalar::Comparison;
use crate::evaluate::variety;
use image::{DynamicImage, RgbImage};

/// Side of a cell of the map of minutiae, in pixels.
const CELL: u32 = 12;

pub fn section(evaluation: &Evaluation) -> Section {
    let mut section = Section {
        id: "minutiae".into(),
        title: "Minutiae".into(),
        text: vec![
            "Where ridges end or fork, as MINDTCT finds them and BOZORTH3 matches them (NIST Biometric Image \
             Software). White noise is full of minutiae: their number alone shows no realism, so look at the controls."
                .into(),
        ],
        blocks: Vec::new(),
    };
    let figures = match evaluation.minutiae.get() {
        Ok(figures) => figures,
        Err(reason) => {
            section.blocks.push(Block::Note(format!("No figures: {reason}.")));
            return section;
        }
    };
    let rows = figures.quantities.iter().map(|found| {
        let digits =
            if matches!(found.quantity, Quantity::Count | Quantity::Quality) { 0 } else { 2 };
        (found.quantity.name(), digits, &found.found)
    });
    let caption = format!(
        "Minutiae of {} real and {} synthetic prints, enlarged {:.2} times: 10th, 50th and 90th percentile, and how far \
         the distributions are apart.",
        figures.prints[0], figures.prints[1], figures.scale
    );
    section.blocks.push(Block::Table(distributions(caption, rows)));
    section.blocks.extend(counts(figures).map(Block::Figure));
    section.blocks.push(Block::Table(arrangement(figures)));
    section.blocks.extend(directions(figures).map(Block::Figure));
    section.blocks.push(Block::Figure(density(figures)));
    section.blocks.push(Block::Table(scores(figures)));
    section.blocks.push(Block::Table(controls(figures)));
    section
}

fn counts(figures: &Figures) -> Option<Figure> {
    let [real, synthetic] = &figures.counts;
    let words = [
        "minutiae-count",
        "Number of minutiae of a print.",
        "Histograms of the number of minutiae of real and synthetic prints",
    ];
    let samples = vec![sample("real", REAL, real), sample("synthetic", SYNTHETIC, synthetic)];
    histogram::figure(words, "minutiae", samples, vec![], None)
}

fn arrangement(figures: &Figures) -> Table {
    let row = |name: &str, what: &str, outcome: &Outcome<Comparison>, digits| {
        let found = match outcome.get() {
            Ok(found) => [Cell::number(found.distance, digits), p_value(found.p_value)],
            Err(reason) => [Cell::missing(reason), Cell::missing(reason)],
        };
        [vec![Cell::text(name), Cell::text(what)], found.to_vec()].concat()
    };
    Table {
        caption:
            "Where minutiae lie and whither they point. For the p-value whole prints are exchanged."
                .into(),
        columns: vec![
            Column::left("distribution"),
            Column::left("distance"),
            Column::right("figure"),
            Column::right("p"),
        ],
        rows: vec![
            row("direction", "Wasserstein-1 on the circle, degrees", &figures.directions, 2),
            row("place in the print", "total variation", &figures.places, 3),
        ],
    }
}

fn directions(figures: &Figures) -> Option<Figure> {
    let step = 360.0 / DIRECTIONS as f64;
    let sets =
        [("real", REAL), ("synthetic", SYNTHETIC)].into_iter().zip(&figures.direction_shares);
    let series: Vec<Series> = sets
        .filter_map(|((name, style), shares)| {
            let points = (0..).zip(shares.as_ref()?).map(|(i, &y)| (f64::from(i) * step, y));
            Some(Series { name: name.into(), style, points: points.collect(), band: vec![] })
        })
        .collect();
    (!series.is_empty()).then(|| Figure {
        id: "minutiae-direction".into(),
        caption: "Share of the minutiae of each direction, clockwise from straight up.".into(),
        alt: "Curves of the share of minutiae over their direction, real and synthetic".into(),
        picture: Picture::Plot(Plot::Lines(Lines {
            x: Axis::new("direction, degrees"),
            y: Axis::new("share of the minutiae").showing(0.0, 0.0),
            series,
            marks: vec![],
        })),
    })
}

/// How many minutiae lie in each part of a print, as shades.
fn density(figures: &Figures) -> Figure {
    let most = figures.density.iter().flatten().copied().fold(0.0, f64::max);
    let map = |density: &[f64]| {
        let side = CELLS as u32 * CELL;
        DynamicImage::ImageRgb8(RgbImage::from_fn(side, side, |x, y| {
            let cell = (y / CELL) as usize * CELLS + (x / CELL) as usize;
            ramp(density.get(cell).map_or(0.0, |mean| mean / most.max(f64::MIN_POSITIVE)))
        }))
    };
    let [real, synthetic] = &figures.density;
    let thumb = |density: &[f64], name: &str| Thumb {
        image: map(density),
        label: name.into(),
        score: Some(Cell::number(density.iter().sum(), 1)),
    };
    Figure {
        id: "minutiae-density".into(),
        caption: format!(
            "Where minutiae lie: the darkest cell holds {most:.2} of a print; below each map, minutiae of a print on \
             average."
        ),
        alt: "Two maps of the density of minutiae, real and synthetic".into(),
        picture: Picture::Pairs(vec![Pair {
            first: thumb(real, "real"),
            others: vec![thumb(synthetic, "synthetic")],
        }]),
    }
}

fn scores(figures: &Figures) -> Table {
    let scores = &figures.scores;
    let mut columns = vec![Column::left("pairs of"), Column::right("pairs")];
    columns.extend(["median", "99 %", "largest"].map(Column::right));
    columns.push(Column::right(format!("{NIST_MATCH} or more, %")));
    let row = |name: &str, set: usize, quantiles| {
        let mut cells = vec![Cell::text(name), Cell::count(scores.pairs[set])];
        cells.extend((0..variety::QUANTILES.len()).map(|at| nth(quantiles, at, 0)));
        cells.push(interval(&percent(&scores.matches[set]), 2));
        cells
    };
    Table {
        caption: format!(
            "BOZORTH3 scores inside each set. {NIST_MATCH} and more is a match by NIST's guide, at 500 ppi; these prints \
             are smaller, so compare the sets with each other."
        ),
        columns,
        rows: vec![
            row("different real fingers", 0, &scores.real),
            row("synthetic prints", 1, &scores.synthetic),
        ],
    }
}

fn controls(figures: &Figures) -> Table {
    let mut columns = vec![Column::left("set"), Column::right("prints")];
    columns.push(Column::right(quantile_names("minutiae")));
    columns.extend(["distance", "bifurcations", "quality, %"].map(Column::right));
    let row = |control: &Control| {
        let mut cells = vec![Cell::text(&control.name), Cell::count(control.prints)];
        cells.push(together(&control.counts, 0));
        cells.push(number(&control.count_distance, 2));
        cells.push(number(&control.bifurcations, 2));
        cells.push(number(&control.quality, 0));
        cells
    };
    Table {
        caption: "Controls: one half of the real prints against other sets. Distance is Wasserstein-1 of the numbers of \
                  minutiae; bifurcations and quality are medians."
            .into(),
        columns,
        rows: figures.controls.iter().map(row).collect(),
    }
}
