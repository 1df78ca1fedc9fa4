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

use super::features::PrintFeatures;
use super::matching::{self, Pair};
use super::measure::Measured;
use super::outcome::Outcome;
use super::prints::{Draw, Prints, choose};
use super::ridges::matcher::Matcher;
use super::sources::Split;
use super::stats::auc::{Scored, auc_of_groups};
use super::stats::bootstrap::{Resampling, mean};
use super::stats::neighbours::nearest_few;
use super::stats::scalar::quantiles;
use super::stats::{Interval, LeftOut, interval};
use crate::data::Reporter;
use crate::error::Result;
use serde::Serialize;

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
    /// A synthetic print's best match among training prints less that among held-out ones, on average; 0 is chance.
    pub difference: Outcome<Interval>,
    /// Best matches of synthetic prints at [`QUANTILES`]: among training, among held-out prints.
    pub best: [Outcome<Vec<f64>>; 2],
    /// Share of synthetic prints with a match above the operational threshold: training, held-out.
    pub above: [Outcome<Interval>; 2],
    pub verdict: Verdict,
    /// Best matches of synthetic prints for the pictures.
    #[serde(skip)]
    pub matches: Vec<Match>,
}

/// What follows from the three tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether at least one test finds a leak at the level [`ALPHA`].
    pub leak: bool,
    pub sentence: String,
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

/// One side of the comparison.
struct Gallery {
    /// Their indices in the run's set.
    indices: Vec<usize>,
    prints: Prints,
    measured: Measured,
}

/// Judges whether `fake` gives away who was trained on.
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
    let least = split.train.len().min(split.held_out.len()).min(fake.0.len());
    if least < FEWEST {
        let (metric, of) = (
            "the privacy test",
            "prints of training and held-out subjects and synthetic ones each",
        );
        let reason = LeftOut::TooFew { metric, of, needs: FEWEST, has: least };
        return Ok(Outcome::missing(reason.to_string()));
    }
    let count = GALLERY.min(split.train.len()).min(split.held_out.len());
    let mut gallery = |prints: &Prints, what: &str| -> Result<Gallery> {
        let indices = choose(prints.len(), count, seed, Draw::Gallery);
        let prints = prints.subset(&indices);
        let measured = Measured::of(&prints, what, network, reporter)?;
        Ok(Gallery { indices, prints, measured })
    };
    let sides =
        [gallery(&split.train, "training prints")?, gallery(&split.held_out, "held-out prints")?];
    let mut pairs = 0;
    let mut match_scores = [Vec::new(), Vec::new()];
    let mut feature_scores = [Vec::new(), Vec::new()];
    for (side, gallery) in sides.iter().enumerate() {
        let (best, matched) =
            best_matches(matcher, (&gallery.prints, &gallery.measured), fake, depth, reporter)?;
        pairs += matched;
        let near = nearest_few(&gallery.measured.features, &fake.1.features, 1)?;
        for (index, subject) in gallery.prints.subjects.iter().enumerate() {
            // Prints of nobody known are persons of their own; the two sides have no person in common.
            let group = subject.unwrap_or((2 * index + side) as u32 | 1 << 31);
            match_scores[side].push(Scored { score: best[index].1, group });
            let distance = near[index].first().map_or(f64::MAX, |nearest| nearest.distance);
            feature_scores[side].push(Scored { score: -distance, group });
        }
    }
    let probes = choose(fake.0.len(), PROBES, seed, Draw::Probes);
    let own = (&fake.0.subset(&probes), &fake.1.select(&probes));
    let mut found = Vec::new();
    for gallery in &sides {
        let (best, matched) =
            best_matches(matcher, own, (&gallery.prints, &gallery.measured), depth, reporter)?;
        pairs += matched;
        found.push(best);
    }
    let matches: Vec<Match> = probes
        .iter()
        .enumerate()
        .map(|(at, &synthetic)| {
            let of = |side: usize| (sides[side].indices[found[side][at].0], found[side][at].1);
            Match { synthetic, train: of(0), held_out: of(1) }
        })
        .collect();
    let figures = Figures { match_scores, feature_scores, matches };
    let threshold = threshold.get().copied().map_err(str::to_owned);
    Ok(Outcome::Given(figures.judge([count; 2], pairs, threshold, seed)?))
}

/// For each print of `own` the index and score of its best match in `others`, and how many pairs were matched.
fn best_matches(
    matcher: &Matcher,
    own: (&Prints, &Measured),
    others: (&Prints, &Measured),
    depth: Depth,
    reporter: &mut dyn Reporter,
) -> Result<(Vec<(usize, f64)>, usize)> {
    let pairs: Vec<Pair> = match depth {
        Depth::All => {
            (0..own.0.len()).flat_map(|a| (0..others.0.len()).map(move |b| (a, b))).collect()
        }
        Depth::Likely => {
            let near = nearest_few(&own.1.features, &others.1.features, LIKELY)?;
            let mut pairs: Vec<Pair> = (0..)
                .zip(&near)
                .flat_map(|(a, near)| near.iter().map(move |nearest| (a, nearest.index)))
                .collect();
            pairs.sort_unstable();
            pairs
        }
    };
    let scores = matching::scores(
        matcher,
        own.0,
        others.0,
        &pairs,
        "looking for repeated fingers",
        reporter,
    )?;
    let mut best = vec![(0, f64::NEG_INFINITY); own.0.len()];
    for (&(a, b), &score) in pairs.iter().zip(&scores) {
        if score > best[a].1 {
            best[a] = (b, score);
        }
    }
    Ok((best, pairs.len()))
}

/// What the matches gave, training first, held-out second.
struct Figures {
    match_scores: [Vec<Scored>; 2],
    feature_scores: [Vec<Scored>; 2],
    matches: Vec<Match>,
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
        let differences: Vec<f64> = best[0].iter().zip(&best[1]).map(|(a, b)| a - b).collect();
        let above = |scores: &[f64]| match &threshold {
            Ok(threshold) => {
                let count = scores.iter().filter(|score| *score > threshold).count();
                Outcome::of(interval::share(count, scores.len(), super::evaluation::LEVEL))
            }
            Err(reason) => Ok(Outcome::missing(reason)),
        };
        let membership = auc(&self.match_scores)?;
        let membership_by_features = auc(&self.feature_scores)?;
        let difference = Outcome::of(mean(&differences, None, level, resampling))?;
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

/// One sentence: leak or no leak at the level.
fn verdict(
    membership: &Outcome<Interval>,
    by_features: &Outcome<Interval>,
    difference: &Outcome<Interval>,
) -> Verdict {
    let percent = 100.0 * ALPHA;
    let mut signs = Vec::new();
    for (outcome, chance, what) in [
        (membership, 0.5, "the best match of a real print tells whether it was trained on, AUC"),
        (by_features, 0.5, "so does its nearest synthetic print in feature space, AUC"),
        (difference, 0.0, "synthetic prints match training prints better than held-out ones, by"),
    ] {
        if let Ok(interval) = outcome.get()
            && interval.low > chance
        {
            signs.push(format!(
                "{what} {:.3} ({:.3} to {:.3})",
                interval.value, interval.low, interval.high
            ));
        }
    }
    if !signs.is_empty() {
        let sentence = format!("Leak at the {percent:.0} % level: {}.", signs.join("; "));
        return Verdict { leak: true, sentence };
    }
    let sentence = match membership.get() {
        Ok(auc) => format!(
            "No leak found at the {percent:.0} % level: a membership attack by matching reaches an AUC of \
             {:.3} ({:.3} to {:.3}), where 0.5 is chance.",
            auc.value, auc.low, auc.high
        ),
        Err(reason) => format!("No leak found, but the membership attack is missing: {reason}."),
    };
    Verdict { leak: false, sentence }
}
