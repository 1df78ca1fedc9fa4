//! How well two sets cover each other: precision and recall, density and coverage.
//!
//! The region of a set is the union of balls around its rows that reach to the k-th nearest other
//! row. Precision and recall: Kynkäänniemi et al., "Improved precision and recall metric", NeurIPS
//! 2019, eq. 1–2 (closed balls). Density and coverage: Naeem et al., "Reliable fidelity and diversity
//! metrics", ICML 2020, eq. 4–5 (open balls, as in the authors' code). With k = 5 in both.

use super::features::Features;
use super::neighbours::kth_squared;
use super::pairs;
use super::refusal::{Judged, LeftOut};
use crate::error::Error;
use serde::Serialize;

/// The usual number of neighbours.
pub const NEIGHBOURS: usize = 5;

/// Four figures of one pair of sets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Manifold {
    /// Share of synthetic rows in the region of the real ones: are they realistic?
    pub precision: f64,
    /// Share of real rows in the region of the synthetic ones: is everything there?
    pub recall: f64,
    /// Real balls around a synthetic row, over k. 1 on average for a perfect generator; can exceed 1.
    pub density: f64,
    /// Share of real balls that hold a synthetic row. Below 1 even for a perfect generator:
    /// 1 − (1/2)ᵏ is expected for equal sizes.
    pub coverage: f64,
    /// The number of neighbours k.
    pub neighbours: usize,
}

/// Compares the sets by exact distances between all rows; O(n² dim) time, O(n) memory.
///
/// Synthetic rows that are all equal give a recall near 0: that is the right answer.
///
/// # Errors
/// [`LeftOut::TooFew`] unless both sets have more than `k` rows, [`LeftOut::Meaningless`] if all real
/// rows are equal, [`Error::Shape`] for different dimensions, [`Error::Config`] for `k` = 0.
pub fn manifold(real: &Features, synthetic: &Features, k: usize) -> Judged<Manifold> {
    const METRIC: &str = "precision, recall, density and coverage";
    real.same_dim(synthetic, "precision and recall")?;
    if k == 0 {
        return Err(Error::Config("0 nearest neighbours make no region; try 5".into()).into());
    }
    let least = real.len().min(synthetic.len());
    LeftOut::unless(METRIC, "rows in each set", k + 1, least)?;
    if real.all_rows_equal() {
        let reason = "all real rows are equal, so that their region is one point";
        return Err(LeftOut::Meaningless { metric: METRIC, reason }.into());
    }
    let real_reach = kth_squared(real, k);
    let synthetic_reach = kth_squared(synthetic, k);

    // For each synthetic row: in some closed real ball; in how many open ones.
    let hits = pairs::distances(
        synthetic,
        real,
        |_| (false, 0u64),
        |(inside, count), _, first, squared| {
            for (distance, reach) in squared.iter().zip(&real_reach[first..]) {
                *inside |= distance <= reach;
                *count += u64::from(distance < reach);
            }
        },
    );
    // For each real row: in some closed synthetic ball; does its own open ball hold a synthetic row.
    let covered = pairs::distances(
        real,
        synthetic,
        |_| (false, false),
        |(inside, holds), row, first, squared| {
            for (distance, reach) in squared.iter().zip(&synthetic_reach[first..]) {
                *inside |= distance <= reach;
                *holds |= *distance < real_reach[row];
            }
        },
    );
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let balls: u64 = hits.iter().map(|hit| hit.1).sum();
    Ok(Manifold {
        precision: share(hits.iter().filter(|hit| hit.0).count(), synthetic.len()),
        recall: share(covered.iter().filter(|row| row.0).count(), real.len()),
        density: balls as f64 / (k * synthetic.len()) as f64,
        coverage: share(covered.iter().filter(|row| row.1).count(), real.len()),
        neighbours: k,
    })
}

#[cfg(test)]
#[path = "manifold_tests.rs"]
mod tests;
