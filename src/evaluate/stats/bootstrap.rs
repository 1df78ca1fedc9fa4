//! Confidence intervals by resampling (Efron, "Bootstrap methods", Annals of Statistics 1979).
//!
//! Ten fingers of one person are one draw from the population, not ten: where samples come in groups,
//! whole groups are drawn (the cluster bootstrap; Field & Welsh, JRSS B 2007).

use super::interval::{Interval, check_level};
use super::refusal::{Judged, LeftOut, all_finite};
use super::scalar::quantile_of_sorted;
use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The numbering of this file's random sequences: `major` of [`Sequence::new`].
const MEANS: u32 = 3;

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
}
