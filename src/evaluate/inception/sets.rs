//! Two sets of prints → what the network says about them.

use super::judge::{self, Figures, Outputs};
use super::{FEATURES, Network};
use crate::data::Reporter;
use crate::error::Result;
use crate::evaluate::prints::Prints;
use crate::evaluate::stats::Features;
use image::DynamicImage;

/// Prints between two reports of progress.
const CHUNK: usize = 16;

/// Runs both sets through the network and compares them.
///
/// # Errors
/// As [`Network::run`].
pub fn judge(
    network: &Network,
    real: &Prints,
    synthetic: &Prints,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Figures> {
    let a = outputs_of(network, real, "real", reporter)?;
    let b = outputs_of(network, synthetic, "synthetic", reporter)?;
    let halves = real.half_indices(seed);
    judge::compare(network.describe(), &a, &b, &halves, reporter)
}

fn outputs_of(
    network: &Network,
    prints: &Prints,
    name: &str,
    reporter: &mut dyn Reporter,
) -> Result<Outputs> {
    let (mut features, mut probabilities) = (Vec::new(), Vec::new());
    let what = format!("Inception of {name} prints");
    for first in (0..prints.len()).step_by(CHUNK) {
        reporter.progress(&what, first, prints.len());
        let some = first..prints.len().min(first + CHUNK);
        // Gray in all three channels, as the other figures see the prints.
        let images: Vec<_> =
            some.map(|index| DynamicImage::ImageLuma8(prints.image(index)).into_rgb8()).collect();
        let outputs = network.run(&images)?;
        features.extend(outputs.features.unwrap_or_default());
        probabilities.extend(outputs.probabilities.unwrap_or_default());
    }
    reporter.progress(&what, prints.len(), prints.len());
    let rows = |dim, rows| Features::new(dim, rows);
    Ok(Outputs {
        features: network.has_features().then(|| rows(FEATURES, features)).transpose()?,
        probabilities: network.classes().map(|classes| rows(classes, probabilities)).transpose()?,
    })
}
