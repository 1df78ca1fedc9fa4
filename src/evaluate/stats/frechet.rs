//! The Fréchet distance between two sets, each taken for a Gaussian in feature space.
//!
//! d² = |m₁ − m₂|² + tr(C₁ + C₂ − 2 (C₁^½ C₂ C₁^½)^½) (Dowson & Landau, "The Fréchet distance between
//! multivariate normal distributions", 1982, eq. 4; as FID: Heusel et al., "GANs trained by a two
//! time-scale update rule", NeurIPS 2017, eq. 6; d² is what the literature reports).
//!
//! The last trace is the sum of the singular values of L₁ᵀL₂ for any factors C = LLᵀ. Here L is the
//! pivoted Cholesky factor, which also fits covariances without full rank, and the singular values
//! come without squaring: small ones keep their digits, where the usual root of C₁C₂ loses half of
//! them.
//!
//! **Bias.** The estimate is too high by about c/n for n rows, with c growing with the dimension; at
//! n ≤ dim the covariance has not even full rank. Compare only values of the same n, or use
//! [`without_bias`].

use super::features::Features;
use super::refusal::{Judged, LeftOut};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector, SVD};
use rayon::prelude::*;

/// Rows that are gathered before they enter the moments: one matrix product for all of them.
const BLOCK: usize = 256;

/// Mean and scatter of rows that come one after the other; its size does not depend on their number.
///
/// Each block of rows is centred on its own mean and then joined by the pairwise update (Chan, Golub
/// & LeVeque, "Algorithms for computing the sample variance", 1983, eq. 2.1): no cancellation,
/// wherever the mean lies.
#[derive(Clone, Debug)]
pub struct GaussianSum {
    rows: u64,
    mean: DVector<f64>,
    scatter: DMatrix<f64>,
    waiting: Vec<f64>,
}

impl GaussianSum {
    /// No rows yet.
    ///
    /// # Errors
    /// [`Error::Shape`] for `dim` 0.
    pub fn new(dim: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::shape("moments", "rows of 0 features have no moments"));
        }
        let (mean, scatter) = (DVector::zeros(dim), DMatrix::zeros(dim, dim));
        Ok(Self { rows: 0, mean, scatter, waiting: Vec::new() })
    }

    /// How many rows were added.
    pub fn len(&self) -> u64 {
        self.rows + (self.waiting.len() / self.mean.len()) as u64
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one row.
    ///
    /// # Errors
    /// [`Error::Shape`] for a row of another length, [`Error::NonFinite`] for a NaN or an infinity;
    /// the row is not added then.
    pub fn add(&mut self, row: &[f32]) -> Result<()> {
        let dim = self.mean.len();
        if row.len() != dim {
            let found = format!("a row of {} features among rows of {dim}", row.len());
            return Err(Error::shape("moments", found));
        }
        if let Some(at) = row.iter().position(|value| !value.is_finite()) {
            return Err(Error::NonFinite { place: format!("feature {at} of row {}", self.len()) });
        }
        self.waiting.extend(row.iter().map(|&value| f64::from(value)));
        if self.waiting.len() == BLOCK * dim {
            self.take_in();
        }
        Ok(())
    }

    /// Adds all rows of another sum.
    ///
    /// # Errors
    /// [`Error::Shape`] if its rows have another length.
    pub fn merge(&mut self, mut other: Self) -> Result<()> {
        if other.mean.len() != self.mean.len() {
            let found =
                format!("rows of {} features among rows of {}", other.mean.len(), self.mean.len());
            return Err(Error::shape("moments", found));
        }
        self.take_in();
        other.take_in();
        self.join(other.rows, &other.mean, |scatter| *scatter += &other.scatter);
        Ok(())
    }

    /// The mean and the unbiased covariance (divisor n − 1).
    ///
    /// # Errors
    /// [`LeftOut::TooFew`] for fewer than two rows.
    pub fn finish(mut self) -> Judged<Gaussian> {
        self.take_in();
        LeftOut::unless("a covariance", "rows", 2, self.rows as usize)?;
        let covariance = self.scatter / (self.rows - 1) as f64;
        Ok(Gaussian { rows: self.rows, mean: self.mean, covariance })
    }

    fn take_in(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let dim = self.mean.len();
        let mut columns = DMatrix::from_vec(dim, waiting.len() / dim, waiting);
        let mean = columns.column_mean();
        columns.column_iter_mut().for_each(|mut column| column -= &mean);
        let rows = columns.ncols() as u64;
        self.join(rows, &mean, |s| s.gemm(1.0, &columns, &columns.transpose(), 1.0));
    }

    /// Adds `rows` rows with the mean `mean`; `add_scatter` adds their scatter around it.
    fn join(
        &mut self,
        rows: u64,
        mean: &DVector<f64>,
        add_scatter: impl FnOnce(&mut DMatrix<f64>),
    ) {
        if rows == 0 {
            return;
        }
        let (before, new) = (self.rows as f64, rows as f64);
        let total = before + new;
        let step = mean - &self.mean;
        add_scatter(&mut self.scatter);
        self.scatter.ger(before * new / total, &step, &step, 1.0);
        self.mean.axpy(new / total, &step, 1.0);
        self.rows += rows;
    }
}

/// The moments of a set of at least two rows.
#[derive(Clone, Debug)]
pub struct Gaussian {
    rows: u64,
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

impl Gaussian {
    /// The moments of all rows.
    ///
    /// # Errors
    /// [`LeftOut::TooFew`] for fewer than two rows.
    pub fn of(features: &Features) -> Judged<Self> {
        let mut sum = GaussianSum::new(features.dim())?;
        features.rows().try_for_each(|row| sum.add(row))?;
        sum.finish()
    }

    /// How many rows it stands for.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Never: there are at least two rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The mean, `[dim]`.
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// The covariance, `[dim, dim]`, symmetric.
    pub fn covariance(&self) -> &[f64] {
        self.covariance.as_slice()
    }
}

/// The squared Fréchet distance d²; 0 for equal moments, never negative.
///
/// A set of identical rows is a Gaussian of no width and has a distance like any other.
///
/// # Errors
/// [`Error::Shape`] if the dimensions differ or a covariance has a truly negative eigenvalue (beyond
/// rounding), [`Error::NonFinite`] if the numbers overflow.
pub fn frechet(a: &Gaussian, b: &Gaussian) -> Result<f64> {
    let dims = [a, b].map(|gaussian| gaussian.mean.len());
    if dims[0] != dims[1] {
        let found = format!("rows of {} features against rows of {}", dims[0], dims[1]);
        return Err(Error::shape("Fréchet distance", found));
    }
    let overlap = nuclear_norm(&factor(&a.covariance)?, &factor(&b.covariance)?)?;
    let means = (&a.mean - &b.mean).norm_squared();
    let distance = means + a.covariance.trace() + b.covariance.trace() - 2.0 * overlap;
    if distance.is_finite() {
        return Ok(distance.max(0.0));
    }
    Err(Error::NonFinite { place: "the Fréchet distance".into() })
}

/// A factor L, `[dim, rank]`, with LLᵀ = `covariance`: Cholesky with complete pivoting (Higham,
/// "Accuracy and stability of numerical algorithms", 2002, algorithm 10.2), stopped where only
/// rounding is left.
fn factor(covariance: &DMatrix<f64>) -> Result<DMatrix<f64>> {
    let dim = covariance.nrows();
    let mut left: Vec<f64> = covariance.diagonal().iter().copied().collect();
    let largest = left.iter().copied().fold(0.0, f64::max);
    let rounding = (dim + 64) as f64 * f64::EPSILON * largest;
    let mut lower = vec![0.0; dim * dim];
    let mut rank = 0;
    while let Some((at, &pivot)) = left.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1))
        && pivot > rounding
    {
        let root = pivot.sqrt();
        let top = lower[at * dim..][..rank].to_vec();
        let column = covariance.column(at);
        let rows = lower.par_chunks_mut(dim).zip(left.par_iter_mut()).enumerate();
        rows.with_min_len(256).for_each(|(i, (row, left))| {
            if i == at {
                row[rank] = root;
                *left = f64::NEG_INFINITY;
            } else if *left > f64::NEG_INFINITY {
                row[rank] = (column[i] - dot(&row[..rank], &top)) / root;
                *left -= row[rank] * row[rank];
            }
        });
        rank += 1;
    }
    let lower = DMatrix::from_row_slice(dim, dim, &lower).columns(0, rank).into_owned();
    let missing = (covariance - &lower * lower.transpose()).amax();
    if missing <= 1e-9 * largest || (missing == 0.0 && largest == 0.0) {
        return Ok(lower);
    }
    Err(Error::shape(
        "Fréchet distance",
        format!(
            "a covariance with largest variance {largest:e} has a negative eigenvalue: its factors \
             leave {missing:e}; it is not the covariance of any sample"
        ),
    ))
}

/// Σ xᵢyᵢ in eight running sums, which the compiler can keep in vector registers.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 8];
    for (x, y) in xs.zip(ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The sum of the singular values of `aᵀb`.
fn nuclear_norm(a: &DMatrix<f64>, b: &DMatrix<f64>) -> Result<f64> {
    let product = a.transpose() * b;
    if product.is_empty() {
        return Ok(0.0);
    }
    let squares = product.norm_squared();
    if !squares.is_finite() {
        return Err(Error::NonFinite { place: "the product of the covariances".into() });
    }
    let rounds = 100 * product.ncols().max(product.nrows());
    let values = SVD::try_new_unordered(product, false, false, f64::EPSILON, rounds)
        .map(|found| found.singular_values);
    // The squares of all singular values sum to the squares of all entries: a check on the library.
    match values {
        Some(values) if (values.norm_squared() - squares).abs() <= 1e-9 * squares => {
            Ok(values.sum())
        }
        _ => Err(Error::shape(
            "Fréchet distance",
            "the singular values of the covariances' product were not found; please report this",
        )),
    }
}

/// The distance that infinitely many rows would give: the intercept of the least-squares line of d²
/// over 1/n (Chong & Forsyth, "Effectively unbiased FID and Inception Score", CVPR 2020, section 3).
///
/// `points` are (n, d²) of random subsets of one set, both sets cut to n or the other kept whole. The
/// line holds for n well above the dimension. The result can be slightly below 0.
///
/// # Errors
/// [`LeftOut::TooFew`] for fewer than three different n, [`Error::NonFinite`] for a NaN.
pub fn without_bias(points: &[(u64, f64)]) -> Judged<f64> {
    const METRIC: &str = "the Fréchet distance without bias";
    let mut sizes: Vec<u64> = points.iter().map(|point| point.0).filter(|&n| n > 0).collect();
    sizes.sort_unstable();
    sizes.dedup();
    LeftOut::unless(METRIC, "different subset sizes", 3, sizes.len())?;
    let count = points.len() as f64;
    let mean_x = points.iter().map(|p| 1.0 / p.0 as f64).sum::<f64>() / count;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / count;
    let (mut xy, mut xx) = (0.0, 0.0);
    for &(n, distance) in points {
        let x = 1.0 / n as f64 - mean_x;
        xy += x * (distance - mean_y);
        xx += x * x;
    }
    let intercept = mean_y - xy / xx * mean_x;
    if intercept.is_finite() {
        return Ok(intercept);
    }
    Err(Error::NonFinite { place: METRIC.into() }.into())
}

#[cfg(test)]
#[path = "frechet_tests.rs"]
mod tests;
