//! Distributions of a number in several sets, as outlines over each other.

use crate::evaluate::report::{Axis, Figure, Histograms, Mark, Picture, Plot, Sample};

/// Bins from the smallest to the largest value.
const BINS: usize = 40;

/// A sample under its name; `style` as in every plot.
pub fn sample(name: &str, style: usize, values: &[f64]) -> Sample {
    Sample { name: name.into(), style, values: values.to_vec() }
}

/// The distribution of `label` in the samples that have values, in `range` or over all of them; nothing where all
/// values are the same.
pub fn figure(
    [id, caption, alt]: [&str; 3],
    label: &str,
    mut samples: Vec<Sample>,
    marks: Vec<Mark>,
    range: Option<(f64, f64)>,
) -> Option<Figure> {
    samples.retain(|sample| !sample.values.is_empty());
    let values = || samples.iter().flat_map(|sample| &sample.values).copied();
    let all = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let (low, high) = range.unwrap_or(all);
    let edge = |i: usize| low + (high - low) * i as f64 / BINS as f64;
    (low < high).then(|| Figure {
        id: id.into(),
        caption: caption.into(),
        alt: alt.into(),
        picture: Picture::Plot(Plot::Histograms(Histograms {
            x: Axis::new(label),
            edges: (0..=BINS).map(edge).collect(),
            samples,
            marks,
        })),
    })
}
