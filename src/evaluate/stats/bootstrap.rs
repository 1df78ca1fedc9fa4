//! Confidence intervals by resampling (Efron, "Bootstrap methods", Annals of Statistics 1979).
//!
//! Ten fingers of one person are one draw from the population, not ten: where samples come in groups,
//! whole groups are drawn (the cluster bootstrap; Field & Welsh, JRSS B 2007).

use super::interval::{Interval, check_level, share};
use super::refusal::{Judged, LeftOut, all_finite};
use super::scalar::quantile_of_sorted;
use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The numbering of this file's random sequences: `major` of [`Sequence::new`].
const MEANS: u32 = 3;
const PAIRS: u32 = 6;

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// Resamples; 2,000 fix the ends of a 95 % interval to about a twentieth of its width.
    pub rounds: u32,
    pub seed: u64,
}

/// The mean of `values` and its percentile interval. `groups` names the group of each value (a
/// subject, say), or is `None` where all values are independent. The mean is over values: a large group
/// has the larger weight.
///
/// # Errors
/// [`LeftOut::TooFew`] for fewer than two groups (two values without groups);
/// [`Error::NonFinite`] for a NaN or an infinity; [`Error::Shape`] if `groups` has another length;
/// [`Error::Config`] for no rounds or a level outside (0, 1).
pub fn mean(
    values: &[f64],
    groups: Option<&[u32]>,
    level: f64,
    resampling: Resampling,
) -> Judged<Interval> {
    all_finite("sample", values)?;
    let of = if groups.is_some() { "groups" } else { "values" };
    let members = grouped(values.len(), groups)?;
    LeftOut::unless("the interval of a mean", of, 2, members.len())?;
    let totals: Vec<(f64, f64)> = members
        .iter()
        .map(|group| (group.iter().map(|&i| values[i]).sum(), group.len() as f64))
        .collect();
    let ratio = |drawn: &mut dyn Iterator<Item = &(f64, f64)>| {
        let (sum, count) = drawn.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        sum / count
    };
    let whole = ratio(&mut totals.iter());
    let found = percentile_interval(whole, level, resampling, MEANS, |numbers| {
        let n = totals.len() as u32;
        ratio(&mut (0..n).map(|_| &totals[numbers.below(n) as usize]))
    })?;
    Ok(found)
}

/// The mean of a value of each of `pairs` of prints, and its interval. Pairs share prints, so they are not
/// independent: prints are drawn with replacement, and a pair counts as often as both of its prints together
/// (Arcones & Giné, "On the bootstrap of U and V statistics", Annals of Statistics 1992).
///
/// # Errors
/// [`LeftOut::TooFew`] for no pair; [`Error::NonFinite`] for a NaN or an infinity; [`Error::Shape`] if `values`
/// has another length; [`Error::Config`] for no rounds or a level outside (0, 1).
pub fn mean_of_pairs(
    pairs: &[(usize, usize)],
    values: &[f64],
    level: f64,
    resampling: Resampling,
) -> Judged<Interval> {
    all_finite("pairs", values)?;
    LeftOut::unless("a mean over pairs", "pairs", 1, pairs.len())?;
    if pairs.len() != values.len() {
        let found = format!("{} pairs with {} values", pairs.len(), values.len());
        return Err(Error::shape("mean of pairs", found).into());
    }
    let whole = values.iter().sum::<f64>() / values.len() as f64;
    let mut members: Vec<usize> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
    members.sort_unstable();
    members.dedup();
    let prints = members.last().map_or(0, |last| last + 1);
    Ok(percentile_interval(whole, level, resampling, PAIRS, |numbers| {
        let mut times = vec![0_u32; prints];
        for _ in 0..members.len() {
            times[members[numbers.below(members.len() as u32) as usize]] += 1;
        }
        let weights = pairs.iter().map(|&(a, b)| f64::from(times[a]) * f64::from(times[b]));
        let (sum, all) = weights
            .zip(values)
            .fold((0.0, 0.0), |(sum, all), (weight, value)| (sum + weight * value, all + weight));
        if all == 0.0 { whole } else { sum / all }
    })?)
}

/// The share of `pairs` of prints that are `hits`: [`mean_of_pairs`]. Where that interval is narrower than
/// Wilson's for independent pairs, as it is without a single hit, Wilson's ends count.
///
/// # Errors
/// As [`mean_of_pairs`].
pub fn share_of_pairs(
    pairs: &[(usize, usize)],
    hits: &[bool],
    level: f64,
    resampling: Resampling,
) -> Judged<Interval> {
    let values: Vec<f64> = hits.iter().map(|&hit| f64::from(u8::from(hit))).collect();
    let drawn = mean_of_pairs(pairs, &values, level, resampling)?;
    let found = hits.iter().filter(|hit| **hit).count();
    let independent = share(found, pairs.len(), level)?;
    Ok(Interval {
        low: drawn.low.min(independent.low),
        high: drawn.high.max(independent.high),
        ..independent
    })
}

/// The indices of each group, in ascending order of the groups' names; every index on its own without
/// groups.
pub(super) fn grouped(count: usize, groups: Option<&[u32]>) -> Result<Vec<Vec<usize>>> {
    let Some(groups) = groups else {
        return Ok((0..count).map(|index| vec![index]).collect());
    };
    if groups.len() != count {
        let found = format!("{count} values with {} group names; give one each", groups.len());
        return Err(Error::shape("resampling", found));
    }
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(index);
    }
    Ok(members.into_values().collect())
}

/// The interval between the quantiles (1 ± level)/2 of `statistic` over the rounds. Each round has its
/// own random sequence, numbered (`major`, round).
pub(super) fn percentile_interval(
    value: f64,
    level: f64,
    resampling: Resampling,
    major: u32,
    statistic: impl Fn(&mut Sequence) -> f64 + Sync,
) -> Result<Interval> {
    check_level(level)?;
    let Resampling { rounds, seed } = resampling;
    if rounds == 0 {
        return Err(Error::Config("0 resamples give no interval; try 2000".into()));
    }
    let mut found: Vec<f64> = (0..rounds)
        .into_par_iter()
        .map(|round| statistic(&mut Sequence::new(seed, Stream::Resample, major, round)))
        .collect();
    if !value.is_finite() || found.iter().any(|value| !value.is_finite()) {
        return Err(Error::NonFinite { place: "a resampled statistic".into() });
    }
    found.sort_unstable_by(f64::total_cmp);
    let low = quantile_of_sorted(&found, (1.0 - level) / 2.0)?;
    let high = quantile_of_sorted(&found, (1.0 + level) / 2.0)?;
    Ok(Interval { value, low, high, level })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::stats::refusal::Refusal;

    const TWO_THOUSAND: Resampling = Resampling { rounds: 2000, seed: 8 };

    fn skewed(n: usize, seed: u64) -> Vec<f64> {
        let mut numbers = Sequence::new(seed, Stream::Resample, 98, 0);
        (0..n).map(|_| numbers.normal(2.0, 1.0).powi(2)).collect()
    }

    /// For many values the interval is the mean ± 1.96 standard errors.
    #[test]
    fn many_values_have_the_normal_interval() {
        let values = skewed(2000, 1);
        let n = values.len() as f64;
        let average = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - average).powi(2)).sum::<f64>() / n;
        let reach = 1.96 * (variance / n).sqrt();
        let found = mean(&values, None, 0.95, TWO_THOUSAND).unwrap();
        assert_eq!(found.value, average);
        assert!((found.low - (average - reach)).abs() < 0.12 * reach, "{found:?} {reach}");
        assert!((found.high - (average + reach)).abs() < 0.12 * reach, "{found:?} {reach}");
        assert_eq!(found, mean(&values, None, 0.95, TWO_THOUSAND).unwrap());
        let other = Resampling { seed: 9, ..TWO_THOUSAND };
        assert_ne!(found, mean(&values, None, 0.95, other).unwrap());
    }

    /// Ten copies of each value in one group know no more than the value: the interval of the groups
    /// is that of the single values, bit for bit, while taking the copies for independent narrows it.
    #[test]
    fn copies_in_a_group_are_no_new_knowledge() {
        let values = skewed(60, 2);
        let copies: Vec<f64> = values.iter().flat_map(|&x| [x; 4]).collect();
        let groups: Vec<u32> = (0..60).flat_map(|g| [g; 4]).collect();
        let single = mean(&values, None, 0.9, TWO_THOUSAND).unwrap();
        let grouped = mean(&copies, Some(&groups), 0.9, TWO_THOUSAND).unwrap();
        let naive = mean(&copies, None, 0.9, TWO_THOUSAND).unwrap();
        assert!((grouped.low - single.low).abs() < 1e-12 * single.low);
        assert!((grouped.high - single.high).abs() < 1e-12 * single.high);
        let width = |interval: Interval| interval.high - interval.low;
        assert!((width(naive) / width(grouped) - 0.5).abs() < 0.06);
    }

    #[test]
    fn too_few_nan_and_constant_values() {
        let run = |values: &[f64], groups| mean(values, groups, 0.95, TWO_THOUSAND);
        let few = run(&[1.0, 2.0], Some(&[7, 7])).unwrap_err();
        assert_eq!(few.to_string(), "the interval of a mean needs at least 2 groups; there are 1");
        assert!(matches!(run(&[1.0], None), Err(Refusal::LeftOut(_))));
        assert!(matches!(run(&[1.0, f64::NAN], None), Err(Refusal::Failed(_))));
        assert!(matches!(run(&[1.0, 2.0], Some(&[1])), Err(Refusal::Failed(_))));
        assert!(matches!(run(&[f64::MAX; 9], None), Err(Refusal::Failed(_))));
        let same = run(&[3.0; 9], None).unwrap();
        assert_eq!((same.value, same.low, same.high), (3.0, 3.0, 3.0));
        assert!(mean(&[1.0, 2.0], None, 0.95, Resampling { rounds: 0, seed: 0 }).is_err());
        assert!(mean(&[1.0, 2.0], None, 1.0, TWO_THOUSAND).is_err());
    }

    /// Three prints in ten are of one kind, the rest of a thousand others; pairs of one kind are hits. The interval holds
    /// that share about as often as it says; Wilson's for independent pairs does not.
    #[test]
    fn pairs_that_share_prints_have_a_wider_interval() {
        let pairs: Vec<_> = (0..60).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
        let (mut held, mut held_by_wilson) = (0, 0);
        for trial in 0..100_u64 {
            let mut numbers = Sequence::new(trial, Stream::Resample, 94, 0);
            let kinds: Vec<u32> = (0..60)
                .map(|_| if numbers.below(10) < 3 { 0 } else { numbers.below(1000) + 1 })
                .collect();
            let hits: Vec<bool> = pairs.iter().map(|&(a, b)| kinds[a] == kinds[b]).collect();
            let truth = 0.09 + 0.49 / 1000.0;
            let resampling = Resampling { rounds: 400, seed: 1 };
            let found = share_of_pairs(&pairs, &hits, 0.95, resampling).unwrap();
            held += u32::from(found.low <= truth && truth <= found.high);
            let count = hits.iter().filter(|hit| **hit).count();
            let wilson = share(count, pairs.len(), 0.95).unwrap();
            held_by_wilson += u32::from(wilson.low <= truth && truth <= wilson.high);
        }
        assert!(held >= 86 && held_by_wilson <= 60, "{held} {held_by_wilson}");
    }

    #[test]
    fn no_hit_among_pairs_is_not_certainty() {
        let pairs = [(0, 1), (0, 2), (1, 2)];
        let resampling = Resampling { rounds: 50, seed: 1 };
        let none = share_of_pairs(&pairs, &[false; 3], 0.95, resampling).unwrap();
        assert!(none.value == 0.0 && none.low == 0.0 && none.high > 0.5, "{none:?}");
        assert_eq!(none, share_of_pairs(&pairs, &[false; 3], 0.95, resampling).unwrap());
        assert!(share_of_pairs(&pairs, &[false; 2], 0.95, resampling).is_err());
        assert!(matches!(share_of_pairs(&[], &[], 0.95, resampling), Err(Refusal::LeftOut(_))));
    }
}
