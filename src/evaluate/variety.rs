//! Do synthetic prints repeat each other? Match scores of pairs, beside those of real fingers.

use super::evaluation::LEVEL;
use super::matching::{self, Pair};
use super::outcome::Outcome;
use super::prints::{Draw, Prints, choose};
use super::privacy::Depth;
use super::ridges::matcher::Matcher;
use super::similarity::Scales;
use super::stats::bootstrap::{Resampling, mean_of_pairs, share_of_pairs};
use super::stats::scalar::{self, permutation_test, quantiles};
use super::stats::{Interval, LeftOut};
use crate::data::Reporter;
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use rayon::prelude::*;
use serde::Serialize;

/// Prints of each set that are matched with each other.
const PRINTS: usize = 400;
/// Pairs of each set at most.
const PAIRS: usize = 20_000;
/// Pairs of each set whose pixels are compared.
const SIMILAR_PAIRS: usize = 2000;
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
    /// Mean MS-SSIM of pairs of real and of synthetic prints.
    pub similarity: [Outcome<Interval>; 2],
    /// The scores, real and synthetic, for the picture.
    #[serde(skip)]
    pub scores: [Vec<f64>; 2],
}

/// Matches pairs of prints inside each set: a sample, or all of them. Pairs of one real person are left out.
///
/// # Errors
/// If a score is not finite.
pub fn judge(
    matcher: &Matcher,
    real: &Prints,
    fake: &Prints,
    depth: Depth,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Variety> {
    let (prints, most, rounds) = match depth {
        Depth::Likely => (PRINTS, PAIRS, ROUNDS),
        // Millions of pairs: fewer resamples fix their narrow interval.
        Depth::All => (usize::MAX, usize::MAX, ROUNDS / 10),
    };
    let mut matched = |set: &Prints, name: &str| -> Result<(Vec<Pair>, Vec<f64>)> {
        let sample = set.subset(&choose(set.len(), prints, seed, Draw::Pairs));
        let pairs = different(&sample, most, seed);
        let what = format!("matching pairs of {name} prints");
        let scores = matching::scores(matcher, &sample, &sample, &pairs, &what, reporter)?;
        Ok((pairs, scores))
    };
    let similarity = [similarity(real, seed)?, similarity(fake, seed)?];
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
            let resampling = Resampling { rounds, seed };
            Outcome::of(share_of_pairs(&pairs, &hits, LEVEL, resampling))?
        }
        Err(reason) => Outcome::missing(reason),
    };
    // The test exchanges every score a thousand times: a sample of them is enough.
    let sampled = [&a, &b].map(|scores| -> Vec<f64> {
        let some = choose(scores.len(), PAIRS, seed, Draw::Pairs);
        some.into_iter().map(|at| scores[at]).collect()
    });
    Ok(Variety {
        pairs: [a.len(), b.len()],
        real: Outcome::of(quantiles(&a, &QUANTILES))?,
        synthetic: Outcome::of(quantiles(&b, &QUANTILES))?,
        distance: Outcome::of(permutation_test(&sampled[0], &sampled[1], PERMUTATIONS, seed))?,
        threshold,
        above,
        similarity,
        scores: [a, b],
    })
}

/// Mean MS-SSIM of pairs of prints of a set. Prints are made ready anew for each pair, so that memory does not
/// grow with their size.
fn similarity(prints: &Prints, seed: u64) -> Result<Outcome<Interval>> {
    let sample = prints.subset(&choose(prints.len(), PRINTS, seed, Draw::Pairs));
    let pairs = different(&sample, SIMILAR_PAIRS, seed);
    let scales = |index| Scales::new(&sample.image(index));
    let found = pairs.par_iter().map(|&(a, b)| scales(a).similarity(&scales(b)));
    let values: Vec<f64> = found.flatten().collect();
    let resampling = Resampling { rounds: ROUNDS, seed };
    Outcome::of(mean_of_pairs(&pairs, &values, LEVEL, resampling))
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
