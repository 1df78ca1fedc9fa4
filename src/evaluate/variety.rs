//! Do synthetic prints repeat each other? Match scores of pairs, beside those of real fingers.

use super::evaluation::LEVEL;
use super::matching::{self, Pair};
use super::outcome::Outcome;
use super::prints::{Draw, Prints, choose};
use super::ridges::matcher::Matcher;
use super::stats::bootstrap::{Resampling, share_of_pairs};
use super::stats::scalar::{self, permutation_test, quantiles};
use super::stats::{Interval, LeftOut};
use crate::data::Reporter;
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use serde::Serialize;

/// Prints of each set that are matched with each other.
const PRINTS: usize = 400;
/// Pairs of each set at most.
const PAIRS: usize = 20_000;
/// Fewest pairs from which an operational threshold is read: 0.1 % of them is one pair.
const THRESHOLD_PAIRS: usize = 1000;
/// Share of the pairs of different real fingers that an operational matcher lets through.
pub const FALSE_MATCHES: f64 = 0.001;
/// Random relabellings behind a p-value.
const PERMUTATIONS: u32 = 999;
/// Resamples behind the interval of a share of pairs.
pub const ROUNDS: u32 = 2000;
/// The quantiles that are printed.
pub const QUANTILES: [f64; 3] = [0.5, 0.99, 1.0];

/// Match scores inside the synthetic set beside those between real fingers.
#[derive(Clone, Debug, Serialize)]
pub struct Variety {
    /// Pairs of real and of synthetic prints that were matched.
    pub pairs: [usize; 2],
    /// Scores at [`QUANTILES`].
    pub real: Outcome<Vec<f64>>,
    pub synthetic: Outcome<Vec<f64>>,
    /// How far the two distributions are apart. Pairs share prints, so the p-value is too small.
    pub distance: Outcome<scalar::Comparison>,
    /// The score above which 0.1 % of pairs of different real fingers lie.
    pub threshold: Outcome<f64>,
    /// Share of synthetic pairs above it.
    pub above: Outcome<Interval>,
    /// The scores, real and synthetic, for the picture.
    #[serde(skip)]
    pub scores: [Vec<f64>; 2],
}

/// Matches pairs of prints inside each set. Pairs of one real person are left out.
///
/// # Errors
/// If a score is not finite.
pub fn judge(
    matcher: &Matcher,
    real: &Prints,
    fake: &Prints,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Variety> {
    let mut matched = |set: &Prints, name: &str| -> Result<(Vec<Pair>, Vec<f64>)> {
        let sample = set.subset(&choose(set.len(), PRINTS, seed, Draw::Pairs));
        let pairs = different(&sample, PAIRS, seed);
        let what = format!("matching pairs of {name} prints");
        let scores = matching::scores(matcher, &sample, &sample, &pairs, &what, reporter)?;
        Ok((pairs, scores))
    };
    let (_, a) = matched(real, "real")?;
    let (pairs, b) = matched(fake, "synthetic")?;
    let threshold = if a.len() < THRESHOLD_PAIRS {
        Outcome::from(Err(LeftOut::TooFew {
            metric: "the operational threshold",
            of: "pairs of real fingers",
            needs: THRESHOLD_PAIRS,
            has: a.len(),
        }))
    } else {
        Outcome::of(quantiles(&a, &[1.0 - FALSE_MATCHES]))?.map(|quantile| quantile[0])
    };
    let above = match threshold.get() {
        Ok(&threshold) => {
            let hits: Vec<bool> = b.iter().map(|&score| score > threshold).collect();
            let resampling = Resampling { rounds: ROUNDS, seed };
            Outcome::of(share_of_pairs(&pairs, &hits, LEVEL, resampling))?
        }
        Err(reason) => Outcome::missing(reason),
    };
    Ok(Variety {
        pairs: [a.len(), b.len()],
        real: Outcome::of(quantiles(&a, &QUANTILES))?,
        synthetic: Outcome::of(quantiles(&b, &QUANTILES))?,
        distance: Outcome::of(permutation_test(&a, &b, PERMUTATIONS, seed))?,
        threshold,
        above,
        scores: [a, b],
    })
}

/// Pairs of prints that are not of one person: all, or `most` drawn by the seed; ascending.
pub fn different(prints: &Prints, most: usize, seed: u64) -> Vec<Pair> {
    let of_one = |a: usize, b: usize| {
        prints.subjects[a].is_some() && prints.subjects[a] == prints.subjects[b]
    };
    let mut pairs: Vec<Pair> = (0..prints.len())
        .flat_map(|b| (0..b).map(move |a| (a, b)))
        .filter(|&(a, b)| !of_one(a, b))
        .collect();
    Sequence::new(seed, Stream::Evaluation, Draw::Pairs as u32, 1).shuffle(&mut pairs);
    pairs.truncate(most);
    pairs.sort_unstable();
    pairs
}
