//! The real prints that some synthetic ones are nearest to.

use super::matching;
use super::measure::Measured;
use super::prints::{Draw, choose};
use super::ridges::matcher::Matcher;
use super::sources::Sets;
use super::stats::neighbours::nearest_few;
use crate::error::Result;

/// Synthetic prints that are looked at.
const SHOWN: usize = 8;
/// Real prints, nearest in feature space, that are matched with each.
pub const MATCHED: usize = 50;

/// A synthetic print and the real ones nearest to it, as indices into their sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    pub synthetic: usize,
    /// Nearest in feature space, and the distance.
    pub by_features: (usize, f64),
    /// Best match among the [`MATCHED`] nearest in feature space, and its score; none where nothing can be
    /// matched.
    pub by_match: Option<(usize, f64)>,
}

/// Looks at some synthetic prints, drawn by the seed; at none if there is no real print.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for prints of another size than the matcher's.
pub fn find(
    sets: &Sets,
    [real, synthetic]: [&Measured; 2],
    matcher: Option<&Matcher>,
    seed: u64,
) -> Result<Vec<Nearest>> {
    let probes = choose(synthetic.len(), SHOWN, seed, Draw::Neighbours);
    let near = nearest_few(&synthetic.features.select(&probes), &real.features, MATCHED)?;
    let mut nearest = Vec::with_capacity(probes.len());
    for (&synthetic, found) in probes.iter().zip(&near) {
        let Some(first) = found.first() else { continue };
        let mut likely: Vec<usize> = found.iter().map(|near| near.index).collect();
        likely.sort_unstable();
        let pairs: Vec<_> = (0..likely.len()).map(|index| (0, index)).collect();
        let scores = match matcher {
            Some(matcher) => {
                let (probe, real) = (sets.fake.subset(&[synthetic]), sets.real.subset(&likely));
                matching::scores(matcher, &probe, &real, &pairs, "nearest prints", &mut ())?
            }
            None => Vec::new(),
        };
        let by_match = likely.into_iter().zip(scores).max_by(|a, b| a.1.total_cmp(&b.1));
        nearest.push(Nearest { synthetic, by_features: (first.index, first.distance), by_match });
    }
    Ok(nearest)
}
