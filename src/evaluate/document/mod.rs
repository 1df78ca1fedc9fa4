//! An [`Evaluation`] → the [`Document`] that people read.

mod cells;
mod distance;
mod histogram;
mod inception;
mod maps;
mod minutiae;
mod pictures;
mod privacy;
mod traits;

use super::evaluation::{Evaluation, LEVEL, Material};
use super::health::Health;
use super::report::{Block, Document, Section, State, Verdict};
use crate::error::Result;

/// The style number of real and of synthetic prints in every plot; controls follow.
const REAL: usize = 0;
const SYNTHETIC: usize = 1;
const CONTROLS: usize = 2;

/// The whole report. `when` is the only part of it that is not a function of the evaluation.
///
/// # Errors
/// If a picture cannot be composed.
pub fn document(evaluation: &Evaluation, material: &Material, when: &str) -> Result<Document> {
    Ok(Document {
        title: "Judgement of synthetic fingerprints".into(),
        subtitle: format!("{} beside {}", evaluation.synthetic.source, evaluation.real.source),
        facts: facts(evaluation, when),
        summary: summary(evaluation),
        sections: vec![
            pictures::prints(material)?,
            distance::section(evaluation),
            inception::section(evaluation),
            traits::spectrum(material),
            traits::section(evaluation, material),
            minutiae::section(evaluation),
            traits::classes(evaluation),
            pictures::map(material),
            pictures::nearest(material),
            privacy::variety(evaluation),
            privacy::section(evaluation, material),
            use_of_it(),
        ],
    })
}

fn facts(evaluation: &Evaluation, when: &str) -> Vec<(String, String)> {
    let Evaluation { real, synthetic, seed, size, features, version, .. } = evaluation;
    [
        ("Real prints", format!("{} ({} compared)", real.source, real.health.prints)),
        (
            "Synthetic prints",
            format!("{} ({} compared)", synthetic.source, synthetic.health.prints),
        ),
        ("Compared at", format!("{size} × {size} pixels, gray")),
        ("Features", features.clone()),
        ("Seed", seed.to_string()),
        ("dermaglyph", version.clone()),
        ("Date", when.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// What the reader should take away.
fn summary(evaluation: &Evaluation) -> Vec<Verdict> {
    let mut verdicts = vec![privacy::verdict(evaluation), distance::verdict(evaluation)];
    verdicts.push(privacy::variety_verdict(evaluation));
    let state = |health: &Health| {
        if health.distinct() == 1 || health.blank == health.prints {
            State::Bad
        } else {
            State::Warning
        }
    };
    for (about, name) in [(&evaluation.synthetic, "synthetic"), (&evaluation.real, "real")] {
        let complaints = about.health.complaints(name);
        verdicts.extend(complaints.into_iter().map(|c| Verdict::new(state(&about.health), c)));
    }
    verdicts
}

/// What the figures support, and what they do not.
fn use_of_it() -> Section {
    let limits = [
        "No figure here shows that a synthetic print carries medical meaning: the features were trained to see \
         ridges, not disease, and no clinical label enters.",
        "No figure here is evidence of the error rate of a matcher on real fingers. Scores of synthetic prints \
         stand for themselves.",
        "“No leak found” means that the attacks of this report found none at their level. A stronger attack may. \
         Whoever publishes a generator trained on people needs their consent and the data's licence all the same.",
        "SOCOFing is for non-commercial research; what a generator learnt from it may fall under the same terms. \
         Prints from the formula have no such tie.",
    ];
    Section {
        id: "use".into(),
        title: "Medical and security use".into(),
        text: vec![format!(
            "The figures support statements about these two sets at this size. Intervals are at {:.0} % unless \
             they say otherwise.",
            100.0 * LEVEL
        )],
        blocks: vec![Block::List(limits.map(str::to_owned).to_vec())],
    }
}
