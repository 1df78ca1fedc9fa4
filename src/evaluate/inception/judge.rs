//! What an Inception network says about two sets: FID, KID, Inception Score.

use super::{FEATURES, Preparation};
use crate::data::Reporter;
use crate::error::Result;
use crate::evaluate::evaluation::LEVEL;
use crate::evaluate::outcome::Outcome;
use crate::evaluate::stats::frechet::{Gaussian, frechet};
use crate::evaluate::stats::inception::{SPLITS, Score, inception_score};
use crate::evaluate::stats::kernel::kernel_distance;
use crate::evaluate::stats::{Features, Interval, Judged, LeftOut};
use serde::Serialize;
use std::path::PathBuf;

/// The network that a user supplies.
#[derive(Clone, Debug)]
pub struct Choice {
    /// An ONNX file.
    pub file: PathBuf,
    pub preparation: Preparation,
}

/// The figures of a network, each beside what it was computed from.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// File name, checksum, preparation: `Network::describe`.
    pub network: String,
    /// The whole sets, then one half of the real prints against the other half and as many synthetic ones.
    pub rows: Vec<Row>,
    /// Inception Score of the real and of the synthetic prints.
    pub scores: [Outcome<Score>; 2],
}

/// One set of prints against real ones.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    /// Real prints, and those they are compared with.
    pub prints: [usize; 2],
    /// Squared Fréchet distance of the Gaussians of the 2,048 features: FID.
    pub fid: Outcome<f64>,
    /// Unbiased MMD² of the features of all prints with the cubic kernel: what KID estimates from subsets.
    pub kid: Outcome<Interval>,
}

/// What a network says about one set, as far as it has such outputs.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// `[prints, 2048]`.
    pub features: Option<Features>,
    /// `[prints, classes]`, each row summing to 1.
    pub probabilities: Option<Features>,
}

/// Compares two sets; `halves` are the indices of two disjoint halves of the real prints.
///
/// # Errors
/// If a number overflows, or the sets are of different networks.
pub fn compare(
    network: String,
    real: &Outputs,
    synthetic: &Outputs,
    halves: &[Vec<usize>; 2],
    reporter: &mut dyn Reporter,
) -> Result<Figures> {
    let mut rows = Vec::new();
    if let (Some(a), Some(b)) = (&real.features, &synthetic.features) {
        let half = a.select(&halves[0]);
        let as_many: Vec<usize> = (0..b.len().min(half.len())).collect();
        let sets = [
            ("synthetic", a.clone(), b.clone()),
            ("real, the other half", half.clone(), a.select(&halves[1])),
            ("synthetic, as many", half, b.select(&as_many)),
        ];
        for (done, (name, real, other)) in sets.iter().enumerate() {
            reporter.progress("comparing Inception features", done, sets.len());
            rows.push(Row::between(name, real, other)?);
        }
    }
    let score = |outputs: &Outputs| match &outputs.probabilities {
        Some(rows) => Outcome::of(inception_score(rows, SPLITS)),
        None => Ok(Outcome::missing("the network gives no class probabilities")),
    };
    Ok(Figures { network, rows, scores: [score(real)?, score(synthetic)?] })
}

impl Row {
    fn between(name: &str, real: &Features, other: &Features) -> Result<Self> {
        let fid = || -> Judged<f64> {
            let fewer = real.len().min(other.len());
            // With no more rows than features no covariance has full rank, and the distance is mostly bias.
            LeftOut::unless("FID", "prints in each set", FEATURES + 1, fewer)?;
            Ok(frechet(&Gaussian::of(real)?, &Gaussian::of(other)?)?)
        };
        Ok(Self {
            name: name.to_owned(),
            prints: [real.len(), other.len()],
            fid: Outcome::of(fid())?,
            kid: Outcome::of(kernel_distance(real, other, LEVEL))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Sequence, Stream};

    fn outputs(seed: u32, count: usize, shift: f64) -> Outputs {
        let mut numbers = Sequence::new(4, Stream::Evaluation, 95, seed);
        let features = (0..count * FEATURES).map(|_| numbers.normal(shift, 1.0) as f32).collect();
        let mut probabilities = vec![0.0; count * 1000];
        (0..count).for_each(|row| probabilities[row * 1000 + row % 7] = 1.0);
        Outputs {
            features: Some(Features::new(FEATURES, features).unwrap()),
            probabilities: Some(Features::new(1000, probabilities).unwrap()),
        }
    }

    /// Seven classes, equally often and without doubt, have a score of seven; shifted features are far.
    #[test]
    fn figures_of_a_known_case() {
        let halves = [(0..35).collect(), (35..70).collect()];
        let (real, far) = (outputs(0, 70, 0.0), outputs(1, 70, 0.5));
        let found = compare("net".into(), &real, &far, &halves, &mut ()).unwrap();
        let kid = |row: usize| *found.rows[row].kid.get().unwrap();
        assert!(kid(0).low > 0.0 && kid(2).low > 0.0, "{:?}", found.rows);
        assert!(kid(1).low < 0.0 && kid(1).high > 0.0, "{:?}", found.rows);
        assert_eq!(found.rows[2].prints, [35, 35]);
        let reason = found.rows[0].fid.get().unwrap_err();
        assert_eq!(reason, "FID needs at least 2049 prints in each set; there are 70");
        assert!((found.scores[0].get().unwrap().mean - 7.0).abs() < 1e-6);
    }

    #[test]
    fn a_network_without_an_output_leaves_its_figures_out() {
        let halves = [(0..10).collect(), (10..20).collect()];
        let bare = Outputs { features: None, ..outputs(0, 20, 0.0) };
        let found = compare("net".into(), &bare, &bare, &halves, &mut ()).unwrap();
        assert!(found.rows.is_empty() && found.scores[0].get().is_ok());
        let bare = Outputs { probabilities: None, ..outputs(0, 20, 0.0) };
        let found = compare("net".into(), &bare, &bare, &halves, &mut ()).unwrap();
        assert_eq!(found.scores[1].get().unwrap_err(), "the network gives no class probabilities");
    }
}
