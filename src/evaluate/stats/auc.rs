//! The area under the ROC curve: how well a score tells members from non-members.
//!
//! AUC = P(positive > negative) + ½ P(equal): 0.5 says nothing, 1 separates fully.

use super::bootstrap::{Resampling, grouped, percentile_interval};
use super::interval::{Interval, wilson};
use super::refusal::{Judged, LeftOut, all_finite};
use crate::error::Result;

const METRIC: &str = "the AUC";

/// The numbering of this file's random sequences: `major` of `Sequence::new`.
const CLUSTERS: u32 = 4;

/// The AUC of independent scores with DeLong's interval, clipped to [0, 1] (DeLong, DeLong &
/// Clarke-Pearson, Biometrics 1988, eq. 3–5; by midranks in O(n log n), Sun & Xu, IEEE Signal
/// Processing Letters 2014). Equal scores count one half.
///
/// Where every pair is in order (AUC 0 or 1) DeLong's variance is 0, which would claim certainty. The
/// interval is then Wilson's for as many trials as the smaller sample has values, a valid one because
/// the AUC is also the mean over disjoint pairs.
///
/// # Errors
/// [`LeftOut::TooFew`] for fewer than two scores on a side, [`LeftOut::Meaningless`] if all scores are
/// equal, [`crate::error::Error::NonFinite`] for a NaN, [`crate::error::Error::Config`] for a level
/// outside (0, 1).
pub fn auc(positive: &[f64], negative: &[f64], level: f64) -> Judged<Interval> {
    check(positive, negative)?;
    let (m, n) = (positive.len() as f64, negative.len() as f64);
    let all: Vec<f64> = positive.iter().chain(negative).copied().collect();
    let joint = midranks(&all);
    let (joint_p, joint_n) = joint.split_at(positive.len());
    // For each score the share of the other side that it beats.
    let wins = |joint: &[f64], own: &[f64], others: f64| -> Vec<f64> {
        joint.iter().zip(midranks(own)).map(|(j, o)| (j - o) / others).collect()
    };
    let won_p = wins(joint_p, positive, n);
    let won_n = wins(joint_n, negative, m);
    let value = won_p.iter().sum::<f64>() / m;
    if value == 0.0 || value == 1.0 {
        return Ok(wilson(value, positive.len().min(negative.len()), level)?);
    }
    let error = (variance(&won_p) / m + variance(&won_n) / n).sqrt();
    Ok(clipped(Interval::normal(value, error, level)?))
}

/// A score with the group it belongs to, such as its subject.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    pub score: f64,
    pub group: u32,
}

/// The AUC with a percentile interval over resampled groups, for scores that are not independent
/// within a group (Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 1997,
/// poses the problem).
///
/// Groups with positive scores only, with negative ones only and with both are resampled apart, so that
/// every resample has both sides. Full separation is handled as in [`auc`], counting groups.
///
/// # Errors
/// As [`auc`], counting groups instead of scores; [`crate::error::Error::Config`] for no rounds.
pub fn auc_of_groups(
    positive: &[Scored],
    negative: &[Scored],
    level: f64,
    resampling: Resampling,
) -> Judged<Interval> {
    let scores = |side: &[Scored]| side.iter().map(|s| s.score).collect::<Vec<f64>>();
    let (p, n) = (scores(positive), scores(negative));
    check(&p, &n)?;
    let ladder = Ladder::new(positive, negative);
    let members = ladder.groups()?;
    let sides = |group: &[usize]| {
        let has = |side| group.iter().any(|&i| ladder.entries[i].positive == side);
        (has(true), has(false))
    };
    let with = |side: fn((bool, bool)) -> bool| members.iter().filter(|g| side(sides(g))).count();
    let least = with(|has| has.0).min(with(|has| has.1));
    LeftOut::unless(METRIC, "groups on each side", 2, least)?;

    let strata: Vec<Vec<&Vec<usize>>> = [(true, false), (false, true), (true, true)]
        .iter()
        .map(|has| members.iter().filter(|group| sides(group) == *has).collect())
        .collect();
    let value = ladder.area(&vec![1; ladder.entries.len()]);
    if value == 0.0 || value == 1.0 {
        return Ok(wilson(value, least, level)?);
    }
    let interval = percentile_interval(value, level, resampling, CLUSTERS, |numbers| {
        let mut weights = vec![0; ladder.entries.len()];
        for stratum in &strata {
            for _ in 0..stratum.len() {
                let drawn = numbers.below(stratum.len() as u32) as usize;
                stratum[drawn].iter().for_each(|&index| weights[index] += 1);
            }
        }
        ladder.area(&weights)
    })?;
    Ok(interval)
}

fn check(positive: &[f64], negative: &[f64]) -> Judged<()> {
    all_finite("positive scores", positive)?;
    all_finite("negative scores", negative)?;
    let least = positive.len().min(negative.len());
    LeftOut::unless(METRIC, "scores on each side", 2, least)?;
    if positive.iter().chain(negative).all(|score| *score == positive[0]) {
        let reason = "all scores are equal";
        return Err(LeftOut::Meaningless { metric: METRIC, reason }.into());
    }
    Ok(())
}

fn clipped(interval: Interval) -> Interval {
    Interval { low: interval.low.max(0.0), high: interval.high.min(1.0), ..interval }
}

/// Ranks from 1; equal values share the mean of their ranks.
fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&index| ranks[index] = rank);
        before += tied.len();
    }
    ranks
}

/// The unbiased variance.
fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)
}

/// One score on the ladder.
struct Rung {
    score: f64,
    positive: bool,
    group: u32,
}

/// All scores in ascending order: each weighting's AUC takes one walk.
struct Ladder {
    entries: Vec<Rung>,
}

impl Ladder {
    fn new(positive: &[Scored], negative: &[Scored]) -> Self {
        let rungs = |side: &[Scored], positive| {
            side.iter()
                .map(|s| Rung { score: s.score, positive, group: s.group })
                .collect::<Vec<_>>()
        };
        let mut entries = rungs(positive, true);
        entries.extend(rungs(negative, false));
        entries.sort_by(|x, y| x.score.total_cmp(&y.score));
        Self { entries }
    }

    fn groups(&self) -> Result<Vec<Vec<usize>>> {
        let names: Vec<u32> = self.entries.iter().map(|rung| rung.group).collect();
        grouped(self.entries.len(), Some(&names))
    }

    /// The AUC with whole weights, exact in integers but for the last division.
    fn area(&self, weights: &[u64]) -> f64 {
        let (mut below, mut halves, mut at) = (0u64, 0u128, 0);
        let mut positives = 0u64;
        for tied in self.entries.chunk_by(|x, y| x.score == y.score) {
            let (mut p, mut n) = (0, 0);
            for (rung, &weight) in tied.iter().zip(&weights[at..]) {
                *(if rung.positive { &mut p } else { &mut n }) += weight;
            }
            halves += u128::from(p) * u128::from(2 * below + n);
            below += n;
            positives += p;
            at += tied.len();
        }
        halves as f64 / (2.0 * positives as f64 * below as f64)
    }
}

#[cfg(test)]
#[path = "auc_tests.rs"]
mod tests;
