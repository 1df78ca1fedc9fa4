//! The arithmetic of judging two sets of prints by their feature vectors or by single numbers.
//!
//! Nothing here reads or writes files, knows what a feature means, or depends on the number of
//! threads: same input and seed, same bits. Every figure is either right, an error (NaN, wrong
//! lengths), or left out with the reason ([`LeftOut`]: too few samples, nothing to compare).
//!
//! | file | figure | source |
//! |---|---|---|
//! | [`frechet`] | Fréchet distance of two Gaussians, streamed moments | Dowson & Landau 1982, Heusel 2017 |
//! | [`kernel`] | kernel distance: unbiased MMD² with the cubic kernel | Bińkowski 2018 |
//! | [`manifold`] | precision, recall, density, coverage | Kynkäänniemi 2019, Naeem 2020 |
//! | [`neighbours`] | k-th and nearest neighbours, exact | |
//! | [`inception`] | Inception Score of class probabilities | Salimans 2016 |
//! | [`scalar`] | quantiles, Wasserstein-1 with a permutation p-value | |
//! | [`counts`] | counts in bins: total variation, circular Wasserstein-1, permutation p-value | Rabin 2011 |
//! | [`bootstrap`] | confidence interval of a mean, by clusters where there are any | Efron 1979 |
//! | [`auc`] | area under the ROC curve, DeLong's and the cluster interval | DeLong 1988, Sun & Xu 2014 |
//! | [`interval`] | a value with its confidence interval; shares | Wilson 1927 |
//! | [`features`], [`refusal`] | the shared types | |

pub mod auc;
pub mod bootstrap;
pub mod counts;
pub mod features;
pub mod frechet;
pub mod inception;
pub mod interval;
pub mod kernel;
pub mod manifold;
pub mod neighbours;
mod pairs;
pub mod refusal;
pub mod scalar;

pub use features::Features;
pub use interval::Interval;
pub use refusal::{Judged, LeftOut, Refusal};

#[cfg(test)]
mod reference;
