//! The Inception Score of class probabilities.

use super::features::Features;
use super::refusal::{Judged, LeftOut};
use crate::error::Error;
use serde::Serialize;

/// The usual number of parts.
pub const SPLITS: usize = 10;

/// The largest distance of a row's sum from 1: f32 softmax over a thousand classes stays within it.
const SUM_TOLERANCE: f64 = 1e-3;

/// Inception Score over consecutive parts of a set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Mean over the parts; between 1 and the number of classes.
    pub mean: f64,
    /// Standard deviation over the parts (divisor: their number, as the reference code prints it).
    pub deviation: f64,
    pub splits: usize,
    pub classes: usize,
    pub rows: usize,
}

/// exp of the mean Kullback–Leibler divergence of p(class | row) from its mean over the part
/// (Salimans et al., "Improved techniques for training GANs", NeurIPS 2016, section 4), for each of
/// `splits` parts: rows i·n/splits to (i + 1)·n/splits, rounded down, in the order given, as in the
/// authors' code.
///
/// A part of few rows scores too low: it cannot exceed their number. A class of probability 0 adds
/// nothing.
///
/// # Errors
/// [`LeftOut::TooFew`] for fewer than two rows a part, [`Error::Config`] for no parts,
/// [`Error::Shape`] if a row is not probabilities: one below 0 or a sum off 1 by more than 0.001.
pub fn inception_score(probabilities: &Features, splits: usize) -> Judged<Score> {
    if splits == 0 {
        return Err(Error::Config("an Inception Score over 0 parts; use 10".into()).into());
    }
    for (number, row) in probabilities.rows().enumerate() {
        let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
        if row.iter().any(|&p| p < 0.0) || (sum - 1.0).abs() > SUM_TOLERANCE {
            let found = format!(
                "row {number} is not class probabilities: they sum to {sum} or one is negative; \
                 apply the softmax"
            );
            return Err(Error::shape("Inception Score", found).into());
        }
    }
    let (n, classes) = (probabilities.len(), probabilities.dim());
    LeftOut::unless("the Inception Score", "rows", splits.saturating_mul(2), n)?;
    let bound = |part: usize| part * n / splits * classes;
    let scores: Vec<f64> = (0..splits)
        .map(|part| part_score(&probabilities.values()[bound(part)..bound(part + 1)], classes))
        .collect();
    let mean = scores.iter().sum::<f64>() / splits as f64;
    let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    Ok(Score { mean, deviation: (squares / splits as f64).sqrt(), splits, classes, rows: n })
}

fn part_score(part: &[f32], classes: usize) -> f64 {
    let count = (part.len() / classes) as f64;
    let mut marginal = vec![0.0; classes];
    for row in part.chunks_exact(classes) {
        marginal.iter_mut().zip(row).for_each(|(sum, &p)| *sum += f64::from(p) / count);
    }
    let logs: Vec<f64> = marginal.iter().map(|p: &f64| p.ln()).collect();
    let divergence: f64 = part
        .chunks_exact(classes)
        .flat_map(|row| row.iter().zip(&logs))
        .filter(|(p, _)| **p > 0.0)
        .map(|(&p, log)| f64::from(p) * (f64::from(p).ln() - log))
        .sum();
    (divergence / count).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::stats::reference;

    fn one_hot(classes: &[usize], count: usize) -> Features {
        let mut rows = vec![0.0; classes.len() * count];
        for (row, &class) in classes.iter().enumerate() {
            rows[row * count + class] = 1.0;
        }
        Features::new(count, rows).unwrap()
    }

    #[test]
    fn certain_rows_score_the_number_of_classes_in_a_part() {
        let alternating: Vec<usize> = (0..40).map(|i| i % 4).collect();
        let score = inception_score(&one_hot(&alternating, 7), 5).unwrap();
        assert!((score.mean - 4.0).abs() < 1e-14 && score.deviation < 1e-14, "{score:?}");
        // Sorted by class, each of two parts sees half of the classes.
        let sorted: Vec<usize> = (0..40).map(|i| i / 10).collect();
        let halves = inception_score(&one_hot(&sorted, 7), 2).unwrap();
        assert!((halves.mean - 2.0).abs() < 1e-14, "{halves:?}");
        let whole = inception_score(&one_hot(&sorted, 7), 1).unwrap();
        assert!((whole.mean - 4.0).abs() < 1e-14, "{whole:?}");
    }

    #[test]
    fn equal_rows_score_one() {
        let rows = [0.5f32, 0.3, 0.2].repeat(30);
        let score = inception_score(&Features::new(3, rows).unwrap(), SPLITS).unwrap();
        assert!((score.mean - 1.0).abs() < 1e-15 && score.deviation < 1e-15, "{score:?}");
    }

    /// 73 rows do not divide by 10, so that the parts' bounds matter.
    #[test]
    fn the_reference_values_are_met() {
        let stored = reference::load();
        for (splits, mean, deviation) in &stored.inception {
            let score = inception_score(&stored.probabilities(), *splits).unwrap();
            assert!((score.mean - mean).abs() < 1e-12, "{score:?} {mean}");
            assert!((score.deviation - deviation).abs() < 1e-12, "{score:?} {deviation}");
        }
        assert_eq!(stored.inception.len(), 2);
    }

    #[test]
    fn what_is_not_probabilities_or_too_little_is_refused() {
        let few = inception_score(&one_hot(&[0; 19], 3), 10).unwrap_err();
        assert_eq!(few.to_string(), "the Inception Score needs at least 20 rows; there are 19");
        for rows in [[0.5, 0.4], [1.5, -0.5], [20.0, -3.0]] {
            let set = Features::new(2, rows.repeat(30)).unwrap();
            let error = inception_score(&set, 10).unwrap_err();
            assert!(matches!(error, super::super::Refusal::Failed(Error::Shape { .. })));
        }
        assert!(inception_score(&one_hot(&[0; 30], 3), 0).is_err());
    }
}
