//! How far the sets are apart in feature space.

use super::cells::{interval, number};
use crate::evaluate::compare::Comparison;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::outcome::Outcome;
use crate::evaluate::report::{Block, Cell, Column, Section, State, Table, Verdict};
use crate::evaluate::stats::manifold::Manifold;

/// How many times the floor a kernel distance may be before it is called far.
const NEAR: f64 = 10.0;

pub fn section(evaluation: &Evaluation) -> Section {
    let network = &evaluation.features;
    let count = evaluation.controls.first().map_or(0, |control| control.prints[0]);
    Section {
        id: "distance".into(),
        title: "Realism: distance in feature space".into(),
        text: vec![
            format!(
                "Distances of the feature vectors of {network}, a network trained on prints from a formula. \
                 These are not the ImageNet figures FID and KID and compare with no published one."
            ),
            "Precision: share of synthetic prints that lie among real ones. Recall: share of real prints that lie \
             among synthetic ones. Density and coverage are their sturdier relatives; a perfect generator has a \
             density of 1 and, with five neighbours, a coverage of 0.97."
                .into(),
        ],
        blocks: vec![
            Block::Table(table(
                format!(
                    "The whole sets: {} real prints against {} synthetic ones.",
                    evaluation.comparison.prints[0], evaluation.comparison.prints[1]
                ),
                std::slice::from_ref(&evaluation.comparison),
            )),
            Block::Table(table(
                format!(
                    "Controls: one half of the real prints ({count}) against sets whose judgement is known, as \
                     many prints of each. The other half of the real prints is the floor: no generator can be nearer."
                ),
                &evaluation.controls,
            )),
        ],
    }
}

fn table(caption: String, comparisons: &[Comparison]) -> Table {
    let names = ["Fréchet", "kernel × 1000", "precision", "recall", "density", "coverage"];
    let mut columns = vec![Column::left("set")];
    columns.extend(names.map(Column::right));
    let row = |comparison: &Comparison| {
        let Comparison { name, frechet, kernel, manifold, .. } = comparison;
        let share = |of: fn(&Manifold) -> f64| {
            manifold.get().map_or_else(Cell::missing, |m| Cell::number(of(m), 2))
        };
        let scaled = kernel.clone().map(|kernel| kernel.scaled(1000.0));
        vec![
            Cell::text(name),
            number(frechet, 3),
            interval(&scaled, 2),
            share(|m| m.precision),
            share(|m| m.recall),
            share(|m| m.density),
            share(|m| m.coverage),
        ]
    };
    Table { caption, columns, rows: comparisons.iter().map(row).collect() }
}

/// One sentence: how near the synthetic prints are, measured by the controls.
pub fn verdict(evaluation: &Evaluation) -> Verdict {
    let of = |name: &str| {
        let found = evaluation.controls.iter().find(|control| control.name == name);
        found.map_or(Outcome::missing("there is no such control"), |found| found.frechet.clone())
    };
    let [own, floor, blurred] = ["synthetic", "real, the other half", "real, blurred"].map(of);
    let (Ok(&own), Ok(&floor), Ok(&blurred)) = (own.get(), floor.get(), blurred.get()) else {
        let reason = own.get().err().unwrap_or("a control is missing");
        return Verdict::new(State::Missing, format!("Realism: {reason}."));
    };
    let state = if own <= NEAR * floor {
        State::Good
    } else if own <= blurred {
        State::Warning
    } else {
        State::Bad
    };
    Verdict::new(
        state,
        format!(
            "Realism: Fréchet distance {own:.2} to one half of the real prints; the other half has {floor:.2}, \
             blurred real prints {blurred:.2}."
        ),
    )
}
