//! Variety and privacy.

use super::cells::{interval, nth, p_value, percent};
use super::histogram::{self, sample};
use super::pictures::thumb;
use super::{CONTROLS, REAL, SYNTHETIC};
use crate::evaluate::evaluation::{Evaluation, Material};
use crate::evaluate::privacy::{ALPHA, Match, Privacy, QUANTILES};
use crate::evaluate::report::{
    Block, Cell, Column, Figure, Mark, Pair, Picture, Section, State, Table, Verdict,
};
use crate::evaluate::variety::{self, Variety};

/// Synthetic prints that are shown beside their best matches.
const SHOWN: usize = 8;

pub fn variety_verdict(evaluation: &Evaluation) -> Verdict {
    let variety = match evaluation.variety.get() {
        Ok(variety) => variety,
        Err(reason) => return Verdict::new(State::Missing, format!("Variety: {reason}.")),
    };
    match (variety.above.get(), variety.threshold.get()) {
        (Ok(above), Ok(_)) => {
            let state = if above.low > 10.0 * variety::FALSE_MATCHES {
                State::Bad
            } else if above.low > variety::FALSE_MATCHES {
                State::Warning
            } else {
                State::Good
            };
            let text = format!(
                "Variety: {:.2} % ({:.2} to {:.2}) of pairs of synthetic prints match above the operational threshold, \
                 which 0.1 % of pairs of different real fingers pass.",
                100.0 * above.value,
                100.0 * above.low,
                100.0 * above.high
            );
            Verdict::new(state, text)
        }
        (Err(reason), _) | (_, Err(reason)) => {
            Verdict::new(State::Missing, format!("Variety: {reason}."))
        }
    }
}

pub fn variety(evaluation: &Evaluation) -> Section {
    let mut section = Section {
        id: "variety".into(),
        title: "Variety: do synthetic prints repeat each other?".into(),
        text: vec![
            "Pairs of prints matched by band-limited phase-only correlation over shifts and turns. A generator that \
             makes few different fingers has scores to the right of those of real people."
                .into(),
        ],
        blocks: vec![Block::Verdict(variety_verdict(evaluation))],
    };
    let Ok(variety) = evaluation.variety.get() else { return section };
    let mut columns = vec![Column::left("pairs of"), Column::right("pairs")];
    columns.extend(["median", "99 %", "largest", "MS-SSIM"].map(Column::right));
    let row = |name: &str, set: usize, scores| {
        let mut cells = vec![Cell::text(name), Cell::count(variety.pairs[set])];
        cells.extend((0..variety::QUANTILES.len()).map(|at| nth(scores, at, 3)));
        cells.push(interval(&variety.similarity[set], 3));
        cells
    };
    let table = Table {
        caption: "Match scores, 0 to 1, inside each set: of different real fingers, and of synthetic prints. MS-SSIM: how \
                  alike two prints are pixel by pixel, mean over pairs; higher than the real one where prints repeat."
            .into(),
        columns,
        rows: vec![
            row("different real fingers", 0, &variety.real),
            row("synthetic prints", 1, &variety.synthetic),
        ],
    };
    section.blocks.push(Block::Table(table));
    section.blocks.extend(scores_figure(variety).map(Block::Figure));
    section
}

fn scores_figure(variety: &Variety) -> Option<Figure> {
    let [real, synthetic] = &variety.scores;
    let words = [
        "variety-scores",
        "Match scores inside each set.",
        "Histograms of match scores inside the real and the synthetic set",
    ];
    let samples = vec![
        sample("different real fingers", REAL, real),
        sample("synthetic prints", SYNTHETIC, synthetic),
    ];
    histogram::figure(words, "match score", samples, threshold_mark(variety), None)
}

fn threshold_mark(variety: &Variety) -> Vec<Mark> {
    let mark = |&x: &f64| Mark { x, label: "threshold".into() };
    variety.threshold.get().map(mark).into_iter().collect()
}

pub fn verdict(evaluation: &Evaluation) -> Verdict {
    match evaluation.privacy.get() {
        Ok(privacy) => {
            let state = if privacy.verdict.leak { State::Bad } else { State::Good };
            Verdict::new(state, format!("Privacy: {}", privacy.verdict.sentence))
        }
        Err(reason) => Verdict::new(State::Missing, format!("Privacy is not judged: {reason}.")),
    }
}

pub fn section(evaluation: &Evaluation, material: &Material) -> Section {
    let mut section = Section {
        id: "privacy".into(),
        title: "Privacy: does it give away who was trained on?".into(),
        text: vec![format!(
            "Persons that the run has never seen are the yardstick. Each question is asked of training prints and of \
             equally many held-out ones; the three share a level of {:.0} %. Intervals resample persons.",
            100.0 * ALPHA
        )],
        blocks: vec![Block::Verdict(verdict(evaluation))],
    };
    if let Ok(privacy) = evaluation.privacy.get() {
        section.blocks.push(Block::Table(tests(privacy)));
        section.blocks.push(Block::Table(best(privacy)));
        section.blocks.extend(best_figure(privacy, evaluation).map(Block::Figure));
        section.blocks.extend(pairs(privacy, material).map(Block::Figure));
    }
    section
}

fn tests(privacy: &Privacy) -> Table {
    let row = |name: &str, outcome| {
        vec![Cell::text(name), interval(outcome, 3), Cell::number(0.5, 1), Cell::text("")]
    };
    let difference = &privacy.difference;
    Table {
        caption: format!(
            "{} training and {} held-out prints against the synthetic ones, {} synthetic prints against both; {} pairs \
             matched.",
            privacy.gallery[0], privacy.gallery[1], privacy.probes, privacy.pairs
        ),
        columns: vec![
            Column::left("question"),
            Column::right("figure"),
            Column::right("chance"),
            Column::right("p"),
        ],
        rows: vec![
            row("membership by match, AUC", &privacy.membership),
            row("membership by features, AUC", &privacy.membership_by_features),
            vec![
                Cell::text("best match: training less held-out"),
                Cell::number(difference.mean, 3),
                Cell::number(0.0, 1),
                p_value(difference.p_value),
            ],
        ],
    }
}

fn best(privacy: &Privacy) -> Table {
    let mut columns = vec![Column::left("best match of a synthetic print among")];
    columns.extend(QUANTILES.map(|q| Column::right(format!("{:.0} %", 100.0 * q))));
    columns.push(Column::right("above the threshold, %"));
    let row = |side: usize, name: &str| {
        let mut cells = vec![Cell::text(name)];
        cells.extend((0..QUANTILES.len()).map(|at| nth(&privacy.best[side], at, 3)));
        cells.push(interval(&percent(&privacy.above[side]), 1));
        cells
    };
    Table {
        caption: "Scores at some quantiles, and the share above the operational threshold.".into(),
        columns,
        rows: vec![row(0, "training prints"), row(1, "held-out prints")],
    }
}

fn best_figure(privacy: &Privacy, evaluation: &Evaluation) -> Option<Figure> {
    let values = |of: fn(&Match) -> f64| privacy.matches.iter().map(of).collect::<Vec<f64>>();
    let words = [
        "privacy-best",
        "Best match of each synthetic print. Without a leak the two outlines agree.",
        "Histograms of the best match among training and among held-out prints",
    ];
    let samples = vec![
        sample("training prints", CONTROLS, &values(|m| m.train.1)),
        sample("held-out prints", CONTROLS + 1, &values(|m| m.held_out.1)),
    ];
    let marks = evaluation.variety.get().map(threshold_mark).unwrap_or_default();
    histogram::figure(words, "best match score", samples, marks, None)
}

/// The synthetic prints that match a training print best, which is where a leak would show.
fn pairs(privacy: &Privacy, material: &Material) -> Option<Figure> {
    let split = material.sets.split.as_ref().ok()?;
    let mut worst: Vec<&Match> = privacy.matches.iter().collect();
    worst.sort_by(|a, b| b.train.1.total_cmp(&a.train.1).then(a.synthetic.cmp(&b.synthetic)));
    let rows = worst.iter().take(SHOWN).map(|found| Pair {
        first: thumb(material.sets.fake.image(found.synthetic), "synthetic", None),
        others: vec![
            thumb(split.train.image(found.train.0), "training", Some(found.train.1)),
            thumb(split.held_out.image(found.held_out.0), "held-out", Some(found.held_out.1)),
        ],
    });
    let rows: Vec<Pair> = rows.collect();
    (!rows.is_empty()).then(|| Figure {
        id: "privacy-pairs".into(),
        caption: "The synthetic prints with the highest scores among training prints, beside their best training and \
                  best held-out match."
            .into(),
        alt: "Rows of prints: synthetic, best training match, best held-out match".into(),
        picture: Picture::Pairs(rows),
    })
}
