//! The stored results of numpy, scipy and scikit-learn; `reference.py` beside this file made them.

use super::features::Features;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Reference {
    dim: usize,
    real: Vec<f32>,
    synthetic: Vec<f32>,
    pub frechet: f64,
    /// Of the first 8 rows of each set in 12 dimensions: no covariance has full rank.
    pub frechet_of_first_8: f64,
    /// Value and variance.
    pub kernel: [f64; 2],
    /// k, precision, recall, density, coverage.
    pub manifold: Vec<(usize, f64, f64, f64, f64)>,
    classes: usize,
    probabilities: Vec<f32>,
    /// Splits, mean, standard deviation.
    pub inception: Vec<(usize, f64, f64)>,
    pub ages: Vec<f64>,
    pub heights: Vec<f64>,
    pub wasserstein: f64,
    pub quantile_at: Vec<f64>,
    pub quantiles: Vec<f64>,
    pub positive: Vec<f64>,
    pub negative: Vec<f64>,
    /// AUC, lower and upper end at level 0.9.
    pub delong_90: [f64; 3],
    /// Probability, quantile of N(0, 1).
    pub normal_quantiles: Vec<(f64, f64)>,
    pub wilson_7_of_40: [f64; 2],
}

/// Reads the file; a test cannot go on without it.
pub fn load() -> Reference {
    serde_json::from_str(include_str!("reference.json")).unwrap()
}

impl Reference {
    pub fn real(&self) -> Features {
        Features::new(self.dim, self.real.clone()).unwrap()
    }

    pub fn synthetic(&self) -> Features {
        Features::new(self.dim, self.synthetic.clone()).unwrap()
    }

    pub fn probabilities(&self) -> Features {
        Features::new(self.classes, self.probabilities.clone()).unwrap()
    }
}
