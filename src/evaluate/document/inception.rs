//! The figures of the ImageNet network that a user supplied.

use super::cells::{interval, number};
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::inception::judge::{Figures, Row};
use crate::evaluate::outcome::Outcome;
use crate::evaluate::report::{Block, Cell, Column, Section, Table};
use crate::evaluate::stats::inception::Score;

pub fn section(evaluation: &Evaluation) -> Section {
    let mut section = Section {
        id: "inception".into(),
        title: "ImageNet figures: FID, KID, Inception Score".into(),
        text: vec![
            "What the literature prints, by a network that was trained to tell dogs from cars. They are sensitive to the \
             number of prints, the resizing and the file of weights, which all stand beside them; on images that are \
             not ImageNet's the Inception Score misleads (Barratt & Sharma 2018)."
                .into(),
        ],
        blocks: Vec::new(),
    };
    match evaluation.inception.get() {
        Ok(figures) => {
            section.text.push(format!("Network: {}.", figures.network));
            if figures.rows.is_empty() {
                let note = "The network gives no features, so there is no FID and no KID.";
                section.blocks.push(Block::Note(note.into()));
            } else {
                section.blocks.push(Block::Table(distances(figures)));
            }
            section.blocks.push(Block::Table(scores(figures)));
        }
        Err(reason) => section.blocks.push(Block::Note(format!("No figures: {reason}."))),
    }
    section
}

fn distances(figures: &Figures) -> Table {
    let columns = ["real prints", "against", "FID", "KID × 1000"].map(Column::right);
    let row = |row: &Row| {
        let scaled = row.kid.clone().map(|kid| kid.scaled(1000.0));
        vec![
            Cell::text(&row.name),
            Cell::count(row.prints[0]),
            Cell::count(row.prints[1]),
            number(&row.fid, 2),
            interval(&scaled, 2),
        ]
    };
    Table {
        caption: "FID falls with the number of prints, so compare equal numbers only: the last two rows. KID is the \
                  unbiased estimate from all prints, whose expectation is that of the usual mean over subsets."
            .into(),
        columns: [vec![Column::left("set")], columns.to_vec()].concat(),
        rows: figures.rows.iter().map(row).collect(),
    }
}

fn scores(figures: &Figures) -> Table {
    let row = |name: &str, score: &Outcome<Score>| {
        let cells = match score.get() {
            Ok(score) => vec![
                Cell::count(score.rows),
                Cell::count(score.classes),
                Cell::count(score.splits),
                Cell::number(score.mean, 3),
                Cell::number(score.deviation, 3),
            ],
            Err(reason) => vec![Cell::missing(reason); 5],
        };
        [vec![Cell::text(name)], cells].concat()
    };
    let columns = ["prints", "classes", "splits", "Inception Score", "± over the splits"];
    Table {
        caption: "Inception Score: of the real prints it is the ceiling of what a generator of them can reach."
            .into(),
        columns: [vec![Column::left("set")], columns.map(Column::right).to_vec()].concat(),
        rows: vec![row("real", &figures.scores[0]), row("synthetic", &figures.scores[1])],
    }
}
