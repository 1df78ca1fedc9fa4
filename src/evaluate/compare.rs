//! Two measured sets → how far they are apart.

use super::measure::{Measured, Trait};
use super::outcome::Outcome;
use super::stats::frechet::{Gaussian, frechet};
use super::stats::inception::{SPLITS, Score, inception_score};
use super::stats::kernel::kernel_distance;
use super::stats::manifold::{Manifold, NEIGHBOURS, manifold};
use super::stats::scalar::{self, permutation_test, quantiles};
use super::stats::{Features, Interval, Judged};
use crate::error::Result;
use serde::Serialize;

/// Random relabellings behind a p-value.
pub(super) const PERMUTATIONS: u32 = 999;
/// The quantiles of a trait that are printed.
pub const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

/// A set against the real prints.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub name: String,
    /// Real prints, and those they are compared with.
    pub prints: [usize; 2],
    /// Squared Fréchet distance of the features' Gaussians.
    pub frechet: Outcome<f64>,
    /// Unbiased MMD² of the features with the cubic kernel.
    pub kernel: Outcome<Interval>,
    pub manifold: Outcome<Manifold>,
    /// Inception Score of the pattern classes; of the other set alone.
    pub class_score: Outcome<Score>,
    pub traits: Vec<TraitComparison>,
}

/// How far two sets are apart in feature space.
#[derive(Clone, Debug)]
pub struct Distances {
    /// Squared Fréchet distance of the features' Gaussians.
    pub frechet: Outcome<f64>,
    /// Unbiased MMD² of the features with the cubic kernel.
    pub kernel: Outcome<Interval>,
    pub manifold: Outcome<Manifold>,
}

impl Distances {
    /// Compares the features of `other` with those of `real`; `level` is that of the interval.
    ///
    /// # Errors
    /// If a number is not finite.
    pub fn between(real: &Features, other: &Features, level: f64) -> Result<Self> {
        let distance =
            || -> Judged<f64> { Ok(frechet(&Gaussian::of(real)?, &Gaussian::of(other)?)?) };
        Ok(Self {
            frechet: Outcome::of(distance())?,
            kernel: Outcome::of(kernel_distance(real, other, level))?,
            manifold: Outcome::of(manifold(real, other, NEIGHBOURS))?,
        })
    }
}

/// One trait in both sets.
#[derive(Clone, Debug, Serialize)]
pub struct TraitComparison {
    pub quantity: Trait,
    #[serde(flatten)]
    pub found: Distributions,
}

/// How one number of a print is distributed in both sets.
#[derive(Clone, Debug, Serialize)]
pub struct Distributions {
    /// Values at [`QUANTILES`].
    pub real: Outcome<Vec<f64>>,
    pub other: Outcome<Vec<f64>>,
    /// Share of the prints on which it can be measured.
    pub measurable: [f64; 2],
    /// Wasserstein-1 distance and p-value.
    pub distance: Outcome<scalar::Comparison>,
}

impl Comparison {
    /// Compares `other` with `real`; `level` is that of the intervals.
    ///
    /// # Errors
    /// If a number is not finite.
    pub fn between(
        name: &str,
        real: &Measured,
        other: &Measured,
        seed: u64,
        level: f64,
    ) -> Result<Self> {
        let Distances { frechet, kernel, manifold } =
            Distances::between(&real.features, &other.features, level)?;
        let traits = Trait::ALL.into_iter().map(|quantity| {
            let values = [real.values(quantity), other.values(quantity)];
            let found = Distributions::between(&values, [real.len(), other.len()], seed)?;
            Ok(TraitComparison { quantity, found })
        });
        Ok(Self {
            name: name.to_owned(),
            prints: [real.len(), other.len()],
            frechet,
            kernel,
            manifold,
            class_score: Outcome::of(inception_score(&other.classes, SPLITS))?,
            traits: traits.collect::<Result<_>>()?,
        })
    }
}

impl Distributions {
    /// Compares the values of those prints that have one; `prints` counts all of each set.
    ///
    /// # Errors
    /// If a value is not finite.
    pub fn between(values: &[Vec<f64>; 2], prints: [usize; 2], seed: u64) -> Result<Self> {
        let [a, b] = values;
        let share = |values: &[f64], prints: usize| values.len() as f64 / prints.max(1) as f64;
        Ok(Self {
            real: Outcome::of(quantiles(a, &QUANTILES))?,
            other: Outcome::of(quantiles(b, &QUANTILES))?,
            measurable: [share(a, prints[0]), share(b, prints[1])],
            distance: Outcome::of(permutation_test(a, b, PERMUTATIONS, seed))?,
        })
    }
}
