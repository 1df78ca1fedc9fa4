//! Do synthetic prints repeat the fingers that were trained on?
//!
//! Held-out persons are the yardstick: a generator that has learnt how fingers look, and not whose they are,
//! is as near to them as to those it was trained on. Three questions, each asked of training and of equally
//! many held-out prints:
//!
//! 1. *Membership by match.* The best match of a real print among the synthetic ones: does it tell who was
//!    trained on (Hayes et al., "LOGAN", PETS 2019)?
//! 2. *Membership by features.* The same with the distance to the nearest synthetic print in feature space.
//! 3. *Best match.* A synthetic print's best match among training prints, less that among held-out ones.
//!
//! They share a level of 5 % by Bonferroni's rule. Persons, not prints, are resampled.

mod attack;
mod verdict;

use super::features::PrintFeatures;
use super::measure::Measured;
use super::outcome::Outcome;
use super::prints::{Draw, Prints, choose};
use super::ridges::matcher::Matcher;
use super::sources::Split;
use super::stats::auc::{Scored, auc_of_groups};
use super::stats::bootstrap::Resampling;
use super::stats::scalar::quantiles;
use super::stats::{Interval, LeftOut, interval};
use crate::data::Reporter;
use crate::error::Result;
use attack::{Attack, Gallery, of_different_fingers};
use serde::Serialize;
use verdict::verdict;

pub use verdict::{Difference, Verdict};

/// Prints of the training and of the held-out subjects that are attacked, each.
const GALLERY: usize = 600;
/// Synthetic prints whose best match is looked for in both galleries.
const PROBES: usize = 500;
/// Prints that look most alike and are matched, unless all pairs are asked for.
const LIKELY: usize = 20;
/// Fewest prints of each side, and of the synthetic ones.
pub const FEWEST: usize = 40;
/// The level that the three tests share.
pub const ALPHA: f64 = 0.05;
const TESTS: f64 = 3.0;
const ROUNDS: u32 = 2000;
/// The quantiles that are printed.
pub const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// Which pairs are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// For each print those of the other set that are nearest in feature space.
    Likely,
    /// Every pair.
    All,
}

/// The judgement.
#[derive(Clone, Debug, Serialize)]
pub struct Privacy {
    /// Prints of training and of held-out subjects that were attacked.
    pub gallery: [usize; 2],
    /// Synthetic prints whose best match was looked for.
    pub probes: usize,
    /// Pairs that were matched.
    pub pairs: usize,
    /// AUC of the best match as a sign of having been trained on; 0.5 is chance.
    pub membership: Outcome<Interval>,
    /// The same by the nearest synthetic print in feature space.
    pub membership_by_features: Outcome<Interval>,
    /// A synthetic print's best match among training prints less that among held-out ones.
    pub difference: Difference,
    /// Best matches of synthetic prints at [`QUANTILES`]: among training, among held-out prints.
    pub best: [Outcome<Vec<f64>>; 2],
    /// Share of synthetic prints with a match above the operational threshold: training, held-out.
    pub above: [Outcome<Interval>; 2],
    pub verdict: Verdict,
    /// Best matches of synthetic prints for the pictures.
    #[serde(skip)]
    pub matches: Vec<Match>,
}

/// A synthetic print and its best matches.
#[derive(Clone, Debug)]
pub struct Match {
    /// Index of the synthetic print.
    pub synthetic: usize,
    /// Index among the run's training prints, and the score.
    pub train: (usize, f64),
    /// Index among its held-out prints, and the score.
    pub held_out: (usize, f64),
}

/// Judges whether the synthetic prints `fake` give away who was trained on. `threshold` is the operational one.
///
/// # Errors
/// If a number is not finite. With too few prints or persons the judgement is missing.
pub fn judge(
    matcher: &Matcher,
    split: &Split,
    fake: (&Prints, &Measured),
    threshold: &Outcome<f64>,
    depth: Depth,
    seed: u64,
    network: &mut PrintFeatures,
    reporter: &mut dyn Reporter,
) -> Result<Outcome<Privacy>> {
    let fingers = [&split.train, &split.held_out].map(|prints| of_different_fingers(prints, seed));
    let count = fingers[0].len().min(fingers[1].len());
    let least = count.min(fake.0.len());
    if least < FEWEST {
        let (metric, of) = (
            "the privacy test",
            "fingers of training and held-out subjects and synthetic prints each",
        );
        let reason = LeftOut::TooFew { metric, of, needs: FEWEST, has: least };
        return Ok(Outcome::missing(reason.to_string()));
    }
    let count = count.min(GALLERY);
    let [train, held_out] = fingers;
    let mut gallery = |prints: &Prints, mut indices: Vec<usize>, what: &str| -> Result<Gallery> {
        indices.truncate(count);
        let prints = prints.subset(&indices);
        let measured = Measured::of(&prints, what, network, reporter)?;
        Ok(Gallery { indices, prints, measured })
    };
    let sides = [
        gallery(&split.train, train, "training prints")?,
        gallery(&split.held_out, held_out, "held-out prints")?,
    ];
    let mut attack = Attack { matcher, fake, depth, reporter, pairs: 0 };
    let [train, held_out] = [attack.membership(&sides, 0)?, attack.membership(&sides, 1)?];
    let probes = choose(fake.0.len(), PROBES, seed, Draw::Probes);
    let (matches, difference) = attack.matches(&sides, &probes, seed)?;
    let pairs = attack.pairs;
    let figures = Figures {
        match_scores: [train.0, held_out.0],
        feature_scores: [train.1, held_out.1],
        matches,
        difference,
    };
    let threshold = threshold.get().copied().map_err(str::to_owned);
    Ok(Outcome::Given(figures.judge([count; 2], pairs, threshold, seed)?))
}

/// What the matches gave, training first, held-out second.
struct Figures {
    match_scores: [Vec<Scored>; 2],
    feature_scores: [Vec<Scored>; 2],
    matches: Vec<Match>,
    difference: Difference,
}

impl Figures {
    fn judge(
        self,
        gallery: [usize; 2],
        pairs: usize,
        threshold: std::result::Result<f64, String>,
        seed: u64,
    ) -> Result<Privacy> {
        let level = 1.0 - ALPHA / TESTS;
        let resampling = Resampling { rounds: ROUNDS, seed };
        let auc = |[train, held_out]: &[Vec<Scored>; 2]| {
            Outcome::of(auc_of_groups(train, held_out, level, resampling))
        };
        let best = [0, 1].map(|side| {
            let score = |m: &Match| if side == 0 { m.train.1 } else { m.held_out.1 };
            self.matches.iter().map(score).collect::<Vec<f64>>()
        });
        let above = |scores: &[f64]| match &threshold {
            Ok(threshold) => {
                let count = scores.iter().filter(|score| *score > threshold).count();
                Outcome::of(interval::share(count, scores.len(), super::evaluation::LEVEL))
            }
            Err(reason) => Ok(Outcome::missing(reason)),
        };
        let membership = auc(&self.match_scores)?;
        let membership_by_features = auc(&self.feature_scores)?;
        let difference = self.difference;
        let verdict = verdict(&membership, &membership_by_features, &difference);
        Ok(Privacy {
            gallery,
            probes: self.matches.len(),
            pairs,
            verdict,
            membership,
            membership_by_features,
            difference,
            above: [above(&best[0])?, above(&best[1])?],
            best: [
                Outcome::of(quantiles(&best[0], &QUANTILES))?,
                Outcome::of(quantiles(&best[1], &QUANTILES))?,
            ],
            matches: self.matches,
        })
    }
}
