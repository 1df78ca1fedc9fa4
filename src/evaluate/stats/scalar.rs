//! Samples of single numbers: quantiles, Wasserstein distance, permutation test.

use super::refusal::{Judged, LeftOut, all_finite};
use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use rayon::prelude::*;
use serde::Serialize;

/// The numbering of this file's random sequences: `major` of [`Sequence::new`].
const PERMUTATIONS: u32 = 2;

/// The quantiles of a sample at the probabilities `at`, linear between the order statistics
/// (Hyndman & Fan 1996, type 7; numpy's default).
///
/// # Errors
/// [`LeftOut::TooFew`] for no value, [`Error::NonFinite`] for a NaN, [`Error::Config`] for a
/// probability outside [0, 1].
pub fn quantiles(values: &[f64], at: &[f64]) -> Judged<Vec<f64>> {
    all_finite("sample", values)?;
    LeftOut::unless("a quantile", "values", 1, values.len())?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(at.iter().map(|&p| quantile_of_sorted(&sorted, p)).collect::<Result<_>>()?)
}

/// The quantile of a sorted sample that holds at least one value.
pub(super) fn quantile_of_sorted(sorted: &[f64], p: f64) -> Result<f64> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::Config(format!("{p} is not a probability; a quantile needs 0 to 1")));
    }
    let place = p * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    Ok(sorted[below] + (place - below as f64) * (sorted[above] - sorted[below]))
}

/// How far two samples are apart, and whether that could be chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Wasserstein-1 distance, in the unit of the values.
    pub distance: f64,
    /// Probability of such a distance or a larger one if both samples had one distribution.
    pub p_value: f64,
    pub permutations: u32,
}

/// The Wasserstein-1 distance ∫|F_a − F_b| dx of two samples, which may differ in size (Ramdas et al.,
/// "On Wasserstein two-sample testing", 2017, eq. 4).
///
/// # Errors
/// [`LeftOut::TooFew`] for an empty sample, [`Error::NonFinite`] for a NaN or an infinity.
pub fn wasserstein(a: &[f64], b: &[f64]) -> Judged<f64> {
    Ok(Pool::new(a, b, 1)?.distance()?)
}

/// The Wasserstein-1 distance and its permutation p-value (b + 1)/(m + 1), b of m random relabellings
/// at least as far apart (Phipson & Smyth, "Permutation p-values should never be zero", 2010). The
/// distance has no sign, so the test is two-sided.
///
/// The values must be independent: ten fingers of one person are not, and make p too small.
///
/// # Errors
/// [`LeftOut::TooFew`] for fewer than two values in a sample, [`Error::Config`] for no permutations,
/// [`Error::NonFinite`] for a NaN or an infinity.
pub fn permutation_test(a: &[f64], b: &[f64], permutations: u32, seed: u64) -> Judged<Comparison> {
    if permutations == 0 {
        return Err(Error::Config("0 permutations give no p-value; try 999".into()).into());
    }
    let pool = Pool::new(a, b, 2)?;
    let distance = pool.distance()?;
    let as_far: u32 = (0..permutations)
        .into_par_iter()
        .map_init(
            || pool.labels.clone(),
            |labels, round| {
                labels.copy_from_slice(&pool.labels);
                Sequence::new(seed, Stream::Resample, PERMUTATIONS, round).shuffle(labels);
                u32::from(pool.distance_of(labels) >= distance)
            },
        )
        .sum();
    let p_value = (f64::from(as_far) + 1.0) / (f64::from(permutations) + 1.0);
    Ok(Comparison { distance, p_value, permutations })
}

/// Both samples in one sorted list.
struct Pool {
    sorted: Vec<f64>,
    /// Whether the value came from the first sample.
    labels: Vec<bool>,
    /// Sizes of the samples.
    sizes: [i64; 2],
}

impl Pool {
    fn new(a: &[f64], b: &[f64], least: usize) -> Judged<Self> {
        all_finite("first sample", a)?;
        all_finite("second sample", b)?;
        let smaller = a.len().min(b.len());
        LeftOut::unless("the Wasserstein distance", "values in each sample", least, smaller)?;
        let (first, second) = (a.iter().map(|&x| (x, true)), b.iter().map(|&x| (x, false)));
        let mut pairs: Vec<(f64, bool)> = first.chain(second).collect();
        pairs.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        let (sorted, labels) = pairs.into_iter().unzip();
        Ok(Self { sorted, labels, sizes: [a.len() as i64, b.len() as i64] })
    }

    fn distance(&self) -> Result<f64> {
        let distance = self.distance_of(&self.labels);
        if distance.is_finite() {
            return Ok(distance);
        }
        Err(Error::NonFinite { place: "the Wasserstein distance".into() })
    }

    /// The difference of the distribution functions is kept as a whole number, n_b·count_a −
    /// n_a·count_b, so that two labellings with equal differences have the same bits and count as equal.
    fn distance_of(&self, labels: &[bool]) -> f64 {
        let [a, b] = self.sizes;
        let mut difference = 0i64;
        let mut area = 0.0;
        for (label, pair) in labels.iter().zip(self.sorted.windows(2)) {
            difference += if *label { b } else { -a };
            area += difference.unsigned_abs() as f64 * (pair[1] - pair[0]);
        }
        area / (a as f64 * b as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::stats::reference;
    use crate::evaluate::stats::refusal::Refusal;
    use proptest::prelude::*;

    #[test]
    fn the_reference_values_are_met() {
        let stored = reference::load();
        let distance = wasserstein(&stored.ages, &stored.heights).unwrap();
        assert!((distance - stored.wasserstein).abs() < 1e-13 * distance, "{distance}");
        let found = quantiles(&stored.ages, &stored.quantile_at).unwrap();
        for (found, expected) in found.iter().zip(&stored.quantiles) {
            assert!((found - expected).abs() < 1e-13 * expected.abs(), "{found} {expected}");
        }
        assert_eq!(found.len(), 5);
    }

    proptest! {
        /// A shift by c moves every quantile by c; order and side do not matter.
        #[test]
        fn wasserstein_of_a_shifted_copy_is_the_shift(
            values in prop::collection::vec(-50.0..50.0f64, 2..40), shift in -9.0..9.0f64,
        ) {
            let moved: Vec<f64> = values.iter().rev().map(|x| x + shift).collect();
            let distance = wasserstein(&values, &moved).unwrap();
            prop_assert!((distance - shift.abs()).abs() < 1e-12);
            prop_assert_eq!(distance, wasserstein(&moved, &values).unwrap());
            prop_assert_eq!(wasserstein(&values, &values).unwrap(), 0.0);
        }
    }

    /// All C(6, 2) = 15 labellings of six values can be listed: with many random ones the p-value
    /// approaches the exact share. 4, 9 against the rest is the most extreme but for its ties.
    #[test]
    fn the_p_value_is_the_share_of_labellings() {
        let (a, b) = ([4.0, 9.0], [-1.0, 0.0, 1.5, 2.0]);
        let all = [4.0, 9.0, -1.0, 0.0, 1.5, 2.0];
        let observed = wasserstein(&a, &b).unwrap();
        let mut as_far = 0;
        for i in 0..6 {
            for j in 0..i {
                let rest: Vec<f64> = (0..6).filter(|&k| k != i && k != j).map(|k| all[k]).collect();
                let distance = wasserstein(&[all[i], all[j]], &rest).unwrap();
                as_far += u32::from(distance >= observed);
            }
        }
        let exact = f64::from(as_far) / 15.0;
        let rounds = 20_000;
        let found = permutation_test(&a, &b, rounds, 4).unwrap();
        let error = (exact * (1.0 - exact) / f64::from(rounds)).sqrt();
        assert!(as_far < 4 && (found.p_value - exact).abs() < 4.0 * error, "{found:?} {exact}");
    }

    /// Under the null hypothesis p is uniform; far apart it is the least possible.
    #[test]
    fn p_values_are_uniform_without_and_least_with_a_difference() {
        let mut numbers = Sequence::new(1, Stream::Resample, 99, 0);
        let mut draw =
            |n: usize, mean| -> Vec<f64> { (0..n).map(|_| numbers.normal(mean, 1.0)).collect() };
        let mut below = [0; 4];
        for trial in 0..400 {
            let (a, b) = (draw(12, 3.0), draw(31, 3.0));
            let p = permutation_test(&a, &b, 99, trial).unwrap().p_value;
            below[((p - 1e-9) * 4.0) as usize] += 1;
        }
        // 100 expected in each, standard deviation 8.7.
        assert!(below.iter().all(|count| (65..=135).contains(count)), "{below:?}");
        let far = permutation_test(&draw(12, 0.0), &draw(31, 9.0), 999, 5).unwrap();
        assert_eq!(far.p_value, 0.001);
        let (a, b) = (draw(12, 0.0), draw(31, 0.4));
        let p = |seed| permutation_test(&a, &b, 499, seed).unwrap().p_value;
        assert_eq!(p(3), p(3));
        assert_ne!((p(3), p(5)), (p(4), p(6)));
    }

    #[test]
    fn equal_values_are_no_difference_and_bad_ones_are_refused() {
        let same = permutation_test(&[2.0; 5], &[2.0; 8], 99, 0).unwrap();
        assert_eq!((same.distance, same.p_value), (0.0, 1.0));
        let few = permutation_test(&[1.0], &[1.0, 2.0], 9, 0).unwrap_err();
        assert!(few.to_string().ends_with("at least 2 values in each sample; there are 1"));
        assert!(matches!(wasserstein(&[], &[1.0]), Err(Refusal::LeftOut(_))));
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(matches!(wasserstein(&[1.0, bad], &[1.0]), Err(Refusal::Failed(_))));
            assert!(matches!(wasserstein(&[1.0], &[bad]), Err(Refusal::Failed(_))));
            assert!(matches!(quantiles(&[bad], &[0.5]), Err(Refusal::Failed(_))));
        }
        assert!(matches!(wasserstein(&[f64::MAX], &[f64::MIN]), Err(Refusal::Failed(_))));
        assert!(permutation_test(&[1.0, 2.0], &[1.0, 2.0], 0, 0).is_err());
        assert!(quantiles(&[1.0], &[1.5]).is_err() && quantiles(&[1.0], &[f64::NAN]).is_err());
        assert!(matches!(quantiles(&[], &[0.5]), Err(Refusal::LeftOut(_))));
    }
}
