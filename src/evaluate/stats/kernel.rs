//! Kernel distance: the unbiased squared maximum mean discrepancy with the cubic polynomial kernel
//! k(x, y) = (x·y/dim + 1)³ (Bińkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4; with
//! Inception features it is called KID).
//!
//! MMD² = mean k(x, x′) over x ≠ x′ + mean k(y, y′) over y ≠ y′ − 2 mean k(x, y) (Gretton et al., "A
//! kernel two-sample test", JMLR 2012, eq. 3). Its expectation does not depend on the number of rows,
//! and is 0 for two samples of one distribution; single values can be below 0.

use super::features::Features;
use super::interval::{Interval, check_level};
use super::pairs;
use super::refusal::{Judged, LeftOut};
use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use serde::Serialize;

const METRIC: &str = "the kernel distance";

/// The numbering of this file's random sequences: `major` of [`Sequence::new`].
const SUBSETS: u32 = 1;

/// MMD² of all rows and its confidence interval; O(n² dim) time, O(n) memory.
///
/// The variance is that of the estimator's linear part, 4 Var(h(x))/n + 4 Var(h(y))/m with
/// h(x) = E k(x, x′) − E k(x, y) (Hoeffding's decomposition of a U-statistic; Sutherland et al., ICLR
/// 2017, section 2), exact for large sets that differ and somewhat too large for sets of one
/// distribution. The interval takes the estimate for normal: with a hundred rows of heavy tails, which
/// the cube makes heavier, 95 % can be 86 % in truth.
///
/// # Errors
/// [`LeftOut::TooFew`] for fewer than two rows in a set; [`Error::Shape`] for different dimensions;
/// [`Error::Config`] for a level outside (0, 1); [`Error::NonFinite`] if the cube overflows.
pub fn kernel_distance(a: &Features, b: &Features, level: f64) -> Judged<Interval> {
    check(a, b, 2)?;
    let (value, variance) = estimate(a, b);
    Ok(Interval::normal(finite(value)?, finite(variance)?.sqrt(), level)?)
}

/// MMD² over random subsets, the protocol of the literature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Subsets {
    /// The mean over the subsets and its confidence interval. The subsets overlap, so the interval
    /// is not deviation/√count: the variance of the whole sets' estimate is size/(n − size) of that
    /// over subsets of n rows without replacement, n the smaller set, plus what the drawing adds.
    pub mean: Interval,
    /// The standard deviation over the subsets (divisor count), as it is usually printed.
    pub deviation: f64,
    pub count: usize,
    /// Rows of each set in a subset.
    pub size: usize,
}

/// MMD² over `count` random subsets of `size` rows of each set, without replacement within a subset;
/// the literature uses 100 of 1,000.
///
/// # Errors
/// [`LeftOut::TooFew`] unless both sets have more than `size` rows; [`Error::Config`] for fewer than
/// two subsets or rows, or a level outside (0, 1); otherwise as [`kernel_distance`].
pub fn kernel_distance_of_subsets(
    a: &Features,
    b: &Features,
    (count, size): (usize, usize),
    seed: u64,
    level: f64,
) -> Judged<Subsets> {
    if count < 2 || size < 2 {
        let text = format!("{count} subsets of {size} rows: give at least two of each");
        return Err(Error::Config(text).into());
    }
    check_level(level)?;
    check(a, b, size + 1)?;
    let mut values = Vec::with_capacity(count);
    for number in 0..count as u32 {
        let mut draw = Sequence::new(seed, Stream::Resample, SUBSETS, number);
        let subset = [a, b].map(|set| set.select(&choose(set.len(), size, &mut draw)));
        values.push(finite(value_alone(&subset[0], &subset[1]))?);
    }
    let n = count as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let whole = size as f64 / (a.len().min(b.len()) - size) as f64;
    let error = (squares / (n - 1.0) * (whole + 1.0 / n)).sqrt();
    let mean = Interval::normal(mean, error, level)?;
    Ok(Subsets { mean, deviation: (squares / n).sqrt(), count, size })
}

fn check(a: &Features, b: &Features, rows: usize) -> Judged<()> {
    a.same_dim(b, "kernel distance")?;
    LeftOut::unless(METRIC, "rows in each set", rows, a.len().min(b.len()))?;
    Ok(())
}

fn finite(value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Error::NonFinite { place: METRIC.into() }) }
}

/// `size` different indices below `n`: the first steps of a Fisher–Yates shuffle.
fn choose(n: usize, size: usize, draw: &mut Sequence) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..n).collect();
    for at in 0..size {
        indices.swap(at, at + draw.below((n - at) as u32) as usize);
    }
    indices.truncate(size);
    indices
}

/// MMD² without the variance, for which the pairs across would be needed from both sides.
fn value_alone(a: &Features, b: &Features) -> f64 {
    let mean = |means: Vec<f64>| means.iter().sum::<f64>() / means.len() as f64;
    let within = mean(kernel_means(a, a, true)) + mean(kernel_means(b, b, true));
    within - 2.0 * mean(kernel_means(a, b, false))
}

/// MMD² and the variance of its linear part; both sets have at least two rows.
fn estimate(a: &Features, b: &Features) -> (f64, f64) {
    let within = [a, b].map(|set| kernel_means(set, set, true));
    let across = [kernel_means(a, b, false), kernel_means(b, a, false)];
    let mut value = 0.0;
    let mut variance = 0.0;
    for (within, across) in within.iter().zip(&across) {
        let n = within.len() as f64;
        let linear: Vec<f64> = within.iter().zip(across).map(|(w, c)| w - c).collect();
        let mean = linear.iter().sum::<f64>() / n;
        let squares: f64 = linear.iter().map(|h| (h - mean).powi(2)).sum();
        value += mean;
        variance += 4.0 * squares / (n - 1.0) / n;
    }
    (value, variance)
}

/// For each row of `a` the mean of its kernel with the rows of `b`, or with the others if `same`.
fn kernel_means(a: &Features, b: &Features, same: bool) -> Vec<f64> {
    let scale = 1.0 / a.dim() as f64;
    let sums = pairs::products(
        a,
        b,
        |_| 0.0,
        |sum, row, first, products| {
            let mut tile = 0.0;
            for (index, product) in (first..).zip(products) {
                let base = product * scale + 1.0;
                tile += if same && index == row { 0.0 } else { base * base * base };
            }
            *sum += tile;
        },
    );
    let count = (b.len() - usize::from(same)) as f64;
    sums.into_iter().map(|sum: f64| sum / count).collect()
}

#[cfg(test)]
#[path = "kernel_tests.rs"]
mod tests;
