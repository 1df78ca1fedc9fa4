//! What follows from the attacks.

use super::{ALPHA, TESTS};
use crate::evaluate::outcome::Outcome;
use crate::evaluate::prints::Draw;
use crate::evaluate::stats::Interval;
use crate::rng::{Sequence, Stream};
use serde::Serialize;
use std::collections::BTreeSet;

/// Draws of who was trained on behind a p-value.
const PERMUTATIONS: u32 = 999;

/// How much better synthetic prints match training prints than held-out ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// On average; 0 is chance.
    pub mean: f64,
    /// Probability of such a difference or a larger one if the persons had been drawn by lot.
    pub p_value: f64,
    pub permutations: u32,
}

/// What follows from the three tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether at least one test finds a leak at the level [`ALPHA`].
    pub leak: bool,
    pub sentence: String,
}

impl Difference {
    /// `found` are matches of synthetic prints with prints of `persons`, the first `count` of them trained on. The
    /// p-value is that of a permutation test: which persons were trained on is drawn anew, as many as there were.
    pub(super) fn new(
        found: &[Vec<(usize, f64)>],
        persons: &[u32],
        count: usize,
        seed: u64,
    ) -> Self {
        let trained: BTreeSet<u32> = persons[..count].iter().copied().collect();
        let mut names: Vec<u32> =
            persons.iter().copied().collect::<BTreeSet<u32>>().into_iter().collect();
        let mean = |trained: &BTreeSet<u32>| {
            let of_trained: Vec<bool> = persons.iter().map(|p| trained.contains(p)).collect();
            let difference = |entries: &Vec<(usize, f64)>| {
                let mut best = [0.0_f64; 2];
                for &(index, score) in entries {
                    let side = usize::from(!of_trained[index]);
                    best[side] = best[side].max(score);
                }
                best[0] - best[1]
            };
            found.iter().map(difference).sum::<f64>() / found.len().max(1) as f64
        };
        let value = mean(&trained);
        let mut numbers = Sequence::new(seed, Stream::Evaluation, Draw::Permutation as u32, 0);
        let mut as_far = 0;
        for _ in 0..PERMUTATIONS {
            numbers.shuffle(&mut names);
            let drawn = names[..trained.len()].iter().copied().collect();
            as_far += u32::from(mean(&drawn) >= value);
        }
        let p_value = f64::from(as_far + 1) / f64::from(PERMUTATIONS + 1);
        Self { mean: value, p_value, permutations: PERMUTATIONS }
    }
}

/// One sentence: leak or no leak at the level.
pub(super) fn verdict(
    membership: &Outcome<Interval>,
    by_features: &Outcome<Interval>,
    difference: &Difference,
) -> Verdict {
    let percent = 100.0 * ALPHA;
    let mut signs = Vec::new();
    for (outcome, what) in [
        (membership, "the best match of a real print tells whether it was trained on, AUC"),
        (by_features, "its nearest synthetic print in feature space tells it, AUC"),
    ] {
        if let Ok(interval) = outcome.get()
            && interval.low > 0.5
        {
            let Interval { value, low, high, .. } = interval;
            signs.push(format!("{what} {value:.3} ({low:.3} to {high:.3})"));
        }
    }
    let Difference { mean, p_value, .. } = difference;
    if *p_value <= ALPHA / TESTS {
        signs.push(format!(
            "synthetic prints match training prints better than held-out ones, by {mean:.3} (p = {p_value:.3})"
        ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bound_above_chance_is_a_leak_and_says_which() {
        let interval = |value: f64, low: f64| {
            Outcome::Given(Interval { value, low, high: value + 0.1, level: 0.95 })
        };
        let difference = |p_value| Difference { mean: 0.1, p_value, permutations: 999 };
        let none = interval(0.5, 0.45);
        let quiet = verdict(&none, &none, &difference(0.02));
        assert!(!quiet.leak && quiet.sentence.starts_with("No leak found at the 5 % level"));
        let loud = verdict(&interval(0.7, 0.51), &none, &difference(0.5));
        assert!(loud.leak && loud.sentence.contains("0.700"), "{}", loud.sentence);
        assert!(verdict(&none, &none, &difference(0.016)).leak);
        assert!(verdict(&none, &interval(0.6, 0.52), &difference(0.5)).leak);
    }

    /// Four persons, two of them trained on.
    #[test]
    fn sides_are_drawn_by_persons() {
        let found: Vec<Vec<(usize, f64)>> =
            (0..10).map(|_| vec![(0, 0.9), (2, 0.8), (4, 0.1), (6, 0.2)]).collect();
        let persons = [1, 1, 2, 2, 3, 3, 4, 4];
        let found = Difference::new(&found, &persons, 4, 1);
        assert!((found.mean - 0.7).abs() < 1e-12, "{found:?}");
        // {1, 2} against {3, 4} is the largest of six: 0.7, 0.1, 0.1, −0.1, −0.1, −0.7.
        assert!((found.p_value - 1.0 / 6.0).abs() < 0.04, "{found:?}");
    }
}
