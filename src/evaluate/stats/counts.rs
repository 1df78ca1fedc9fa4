//! Counts of events in bins, one row of bins a print: how far two sets of prints are apart.
//!
//! The events of one print depend on each other (the minutiae of a finger follow its ridges), so prints, not
//! events, are exchanged for the p-value.

use super::refusal::{Judged, LeftOut};
use super::scalar::Comparison;
use crate::error::Error;
use crate::rng::{Sequence, Stream};
use rayon::prelude::*;

/// The numbering of this file's random sequences: `major` of [`Sequence::new`].
const PERMUTATIONS: u32 = 5;

/// How far two distributions over bins are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Total variation, ½ Σ|p − q|: the share of the events that would have to change their bin.
    TotalVariation,
    /// Wasserstein-1 on a circle of bins, in bins: the bins an event moves on average. With D the difference
    /// of the cumulative shares it is Σ|D − median D| (Rabin, Delon & Gousseau, "Transportation distances on
    /// the circle", Journal of Mathematical Imaging and Vision 41, 2011, eq. 19).
    Circular,
}

impl Distance {
    /// Of two lists of shares of equal length, each summing to 1.
    fn of(self, p: &[f64], q: &[f64]) -> f64 {
        let differences = p.iter().zip(q).map(|(p, q)| p - q);
        match self {
            Self::TotalVariation => 0.5 * differences.map(f64::abs).sum::<f64>(),
            Self::Circular => {
                let mut sum = 0.0;
                let mut cumulative: Vec<f64> = differences
                    .map(|difference| {
                        sum += difference;
                        sum
                    })
                    .collect();
                let middle = cumulative.len() / 2;
                if cumulative.is_empty() {
                    return 0.0;
                }
                let median = *cumulative.select_nth_unstable_by(middle, f64::total_cmp).1;
                cumulative.iter().map(|d| (d - median).abs()).sum()
            }
        }
    }
}

/// The share of all events that lies in each bin; `None` without events.
pub fn shares(rows: &[Vec<u32>]) -> Option<Vec<f64>> {
    let sums = rows.iter().fold(vec![0_u64; rows.first()?.len()], |mut sums, row| {
        sums.iter_mut().zip(row).for_each(|(sum, &count)| *sum += u64::from(count));
        sums
    });
    normalised(&sums)
}

fn normalised(sums: &[u64]) -> Option<Vec<f64>> {
    let all: u64 = sums.iter().sum();
    (all > 0).then(|| sums.iter().map(|&sum| sum as f64 / all as f64).collect())
}

/// The distance of two sets of prints, and its permutation p-value (b + 1)/(m + 1), b of m random
/// relabellings of the prints at least as far apart.
///
/// # Errors
/// [`LeftOut::TooFew`] for fewer than two prints or no event in a set, [`Error::Shape`] for rows of different
/// lengths, [`Error::Config`] for no permutations.
pub fn permutation_test(
    a: &[Vec<u32>],
    b: &[Vec<u32>],
    distance: Distance,
    permutations: u32,
    seed: u64,
) -> Judged<Comparison> {
    if permutations == 0 {
        return Err(Error::Config("0 permutations give no p-value; try 999".into()).into());
    }
    LeftOut::unless(
        "the distance of two distributions",
        "prints in each set",
        2,
        a.len().min(b.len()),
    )?;
    let bins = a[0].len();
    if let Some(other) = a.iter().chain(b).find(|row| row.len() != bins) {
        let found = format!("a print has {bins} bins and another {}", other.len());
        return Err(Error::shape("counts", found).into());
    }
    let rows: Vec<&[u32]> = a.iter().chain(b).map(Vec::as_slice).collect();
    let sum = |indices: &[usize]| {
        let mut sums = vec![0_u64; bins];
        for &index in indices {
            sums.iter_mut().zip(rows[index]).for_each(|(sum, &count)| *sum += u64::from(count));
        }
        sums
    };
    let order: Vec<usize> = (0..rows.len()).collect();
    let total = sum(&order);
    // A relabelling that leaves a side without events is farther away than any other.
    let apart = |order: &[usize]| -> f64 {
        let first = sum(&order[..a.len()]);
        let rest: Vec<u64> = total.iter().zip(&first).map(|(all, first)| all - first).collect();
        match (normalised(&first), normalised(&rest)) {
            (Some(p), Some(q)) => distance.of(&p, &q),
            _ => f64::INFINITY,
        }
    };
    let found = apart(&order);
    if found.is_infinite() {
        let (metric, reason) = ("the distance of two distributions", "one set has no event at all");
        return Err(LeftOut::Meaningless { metric, reason }.into());
    }
    let as_far: u32 = (0..permutations)
        .into_par_iter()
        .map_init(
            || order.clone(),
            |relabelled, round| {
                relabelled.copy_from_slice(&order);
                Sequence::new(seed, Stream::Resample, PERMUTATIONS, round).shuffle(relabelled);
                // Sums are whole numbers, so that only the last rounding differs between equal distances.
                u32::from(apart(relabelled) >= found * (1.0 - 1e-12))
            },
        )
        .sum();
    let p_value = (f64::from(as_far) + 1.0) / (f64::from(permutations) + 1.0);
    Ok(Comparison { distance: found, p_value, permutations })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::stats::refusal::Refusal;
    use proptest::prelude::*;

    #[test]
    fn known_distances() {
        let of = |distance: Distance, p: &[f64], q: &[f64]| distance.of(p, q);
        assert_eq!(of(Distance::TotalVariation, &[0.5, 0.5, 0.0], &[0.25, 0.25, 0.5]), 0.5);
        assert_eq!(of(Distance::TotalVariation, &[1.0, 0.0], &[0.0, 1.0]), 1.0);
        // From bin 0 to bin 7 of 8 it is one step, the other way round.
        let at =
            |bin: usize| -> Vec<f64> { (0..8).map(|i| f64::from(u8::from(i == bin))).collect() };
        assert_eq!(of(Distance::Circular, &at(0), &at(7)), 1.0);
        assert_eq!(of(Distance::Circular, &at(1), &at(5)), 4.0);
        assert_eq!(of(Distance::Circular, &at(6), &at(1)), 3.0);
        let half: Vec<f64> = at(2).iter().zip(at(4)).map(|(a, b)| 0.5 * (a + b)).collect();
        assert_eq!(of(Distance::Circular, &half, &at(3)), 1.0);
    }

    proptest! {
        /// Cutting the circle open at any bin gives a line; the shortest of all cuts is the distance.
        #[test]
        fn the_circle_is_the_best_of_all_lines(
            p in prop::collection::vec(0_u64..9, 7), q in prop::collection::vec(0_u64..9, 7), turn in 0_usize..7,
        ) {
            let (Some(p), Some(q)) = (normalised(&p), normalised(&q)) else { return Ok(()) };
            let line = |cut: usize| -> f64 {
                let mut sum = 0.0;
                (0..7).map(|i| (cut + i) % 7).map(|i| { sum += p[i] - q[i]; f64::abs(sum) }).sum()
            };
            let best = (0..7).map(line).fold(f64::INFINITY, f64::min);
            let found = Distance::Circular.of(&p, &q);
            prop_assert!((found - best).abs() < 1e-12, "{} {}", found, best);
            let turned = |v: &[f64]| { let mut v = v.to_vec(); v.rotate_left(turn); v };
            prop_assert!((Distance::Circular.of(&turned(&p), &turned(&q)) - found).abs() < 1e-12);
        }
    }

    fn rows(numbers: &mut Sequence, prints: usize, from: usize) -> Vec<Vec<u32>> {
        let mut row = || {
            let mut row = vec![0; 8];
            (0..12).for_each(|_| row[(from + numbers.below(4) as usize) % 8] += 1);
            row
        };
        (0..prints).map(|_| row()).collect()
    }

    #[test]
    fn p_values_are_uniform_without_and_least_with_a_difference() {
        for distance in [Distance::TotalVariation, Distance::Circular] {
            let mut numbers = Sequence::new(1, Stream::Resample, 97, 0);
            let mut below = [0; 4];
            for trial in 0..200 {
                let (a, b) = (rows(&mut numbers, 9, 3), rows(&mut numbers, 14, 3));
                let p = permutation_test(&a, &b, distance, 99, trial).unwrap().p_value;
                below[((p - 1e-9) * 4.0) as usize] += 1;
            }
            // 50 expected in each, standard deviation 6.1.
            assert!(below.iter().all(|count| (25..=75).contains(count)), "{distance:?} {below:?}");
            let (a, b) = (rows(&mut numbers, 9, 3), rows(&mut numbers, 14, 5));
            let far = permutation_test(&a, &b, distance, 999, 0).unwrap();
            assert_eq!(far.p_value, 0.001, "{far:?}");
            // Bins 3 to 6 against 5 to 0: half of the events stay, the others go three bins back.
            if distance == Distance::Circular {
                assert!((far.distance - 1.5).abs() < 0.3, "{far:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_is_left_out() {
        let test =
            |a: &[Vec<u32>], b: &[Vec<u32>]| permutation_test(a, b, Distance::Circular, 9, 0);
        let (full, none) = (vec![vec![1, 2]; 3], vec![vec![0, 0]; 3]);
        assert_eq!(shares(&full), Some(vec![1.0 / 3.0, 2.0 / 3.0]));
        assert_eq!((shares(&none), shares(&[])), (None, None));
        let same = test(&full, &full).unwrap();
        assert_eq!((same.distance, same.p_value), (0.0, 1.0));
        assert!(matches!(test(&full, &none), Err(Refusal::LeftOut(_))));
        assert!(matches!(test(&full[..1], &full), Err(Refusal::LeftOut(_))));
        assert!(matches!(test(&full, &[vec![1], vec![2]]), Err(Refusal::Failed(_))));
        assert!(permutation_test(&full, &full, Distance::Circular, 0, 0).is_err());
    }
}
