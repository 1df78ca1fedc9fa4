//! Plots: what they hold. The layout is made once, as a [`scene::Scene`]; the page, the SVG file and
//! the PNG file are drawn from it.

mod axis;
mod bitmap;
mod draw;
mod frame;
pub(super) mod scene;
mod svg;
mod thin;

pub(super) use bitmap::png;
pub(super) use draw::{Room, scene};
pub(super) use svg::{Target, svg};

/// A diagram.
#[derive(Clone, Debug, PartialEq)]
pub enum Plot {
    Lines(Lines),
    Histograms(Histograms),
    Scatter(Scatter),
    Bars(Bars),
}

/// What a scale shows. It covers all data; no point is cut off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// Name and unit.
    pub label: String,
    /// Equal distances are equal factors. All data must be positive.
    pub log: bool,
    /// Two values the scale shows at least.
    pub at_least: Option<(f64, f64)>,
}

/// Curves over a common axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
}

/// One curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    pub name: String,
    /// Which colour, dash and marker: the same number looks the same in every plot. There are 7,
    /// then they repeat.
    pub style: usize,
    /// In the order in which they are joined.
    pub points: Vec<(f64, f64)>,
    /// The lower and the upper end of an interval at each point; or empty. On a logarithmic scale an
    /// end that is not positive reaches to the edge.
    pub band: Vec<(f64, f64)>,
}

/// A vertical line at a value that matters, as a threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    pub x: f64,
    pub label: String,
}

/// How several samples are distributed: for each the share of its values in each bin, as an outline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histograms {
    pub x: Axis,
    /// The ends of the bins, rising: one more than there are bins. The last bin is closed.
    pub edges: Vec<f64>,
    pub samples: Vec<Sample>,
    pub marks: Vec<Mark>,
}

/// A sample of a histogram. The legend says how many of its values lie outside all bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub name: String,
    /// See [`Series::style`].
    pub style: usize,
    pub values: Vec<f64>,
}

/// Points of several groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// Scales; none for a map whose coordinates mean nothing, as t-SNE's: both directions then have
    /// the same scale.
    pub axes: Option<(Axis, Axis)>,
    pub groups: Vec<Cloud>,
}

/// One group of points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cloud {
    pub name: String,
    /// See [`Series::style`].
    pub style: usize,
    pub points: Vec<(f64, f64)>,
}

/// A value of each set in each category, as bars side by side from zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    pub categories: Vec<String>,
    /// Not logarithmic.
    pub y: Axis,
    pub sets: Vec<Shares>,
}

/// The bars of one set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares {
    pub name: String,
    /// See [`Series::style`].
    pub style: usize,
    /// One for each category.
    pub values: Vec<f64>,
    /// The lower and the upper end of an interval for each value; or empty.
    pub intervals: Vec<(f64, f64)>,
}

impl Axis {
    /// A linear scale.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// A logarithmic scale.
    pub fn log(label: impl Into<String>) -> Self {
        Self { log: true, ..Self::new(label) }
    }

    /// The same scale, that shows `low` and `high` too.
    #[must_use]
    pub fn showing(mut self, low: f64, high: f64) -> Self {
        self.at_least = Some((low, high));
        self
    }
}

impl Histograms {
    /// For each bin the share of all `values` that it holds, and how many lie outside all bins.
    fn shares(&self, values: &[f64]) -> (Vec<f64>, usize) {
        let bins = self.edges.len().saturating_sub(1);
        let mut counts = vec![0usize; bins];
        let mut outside = 0;
        for value in values {
            let above = self.edges.partition_point(|edge| edge <= value);
            let closed = above == self.edges.len() && self.edges.last() == Some(value);
            let bin = if closed { bins.checked_sub(1) } else { above.checked_sub(1) };
            match bin.and_then(|bin| counts.get_mut(bin)) {
                Some(count) => *count += 1,
                None => outside += 1,
            }
        }
        let all = values.len().max(1) as f64;
        (counts.into_iter().map(|count| count as f64 / all).collect(), outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scene::{Ink, Point, Shape};

    #[test]
    fn every_value_is_in_one_bin_or_outside() {
        let edges = vec![0.0, 1.0, 2.5, 4.0];
        let histograms = Histograms { edges, ..Histograms::default() };
        // A bin holds its lower end, the last its upper end too.
        let values = [0.0, 0.5, 1.0, 2.49, 2.5, 4.0, -0.1, 4.1, 1e9, 2.0];
        let (shares, outside) = histograms.shares(&values);
        assert_eq!((shares, outside), (vec![0.2, 0.3, 0.2], 3));
        assert_eq!(Histograms::default().shares(&[1.0]), (vec![], 1));
    }

    /// The points of the thick lines in the colour of a style: the legend's first, then the data's.
    fn drawn(plot: &Plot, style: usize) -> Vec<Vec<Point>> {
        let scene = scene(plot, Room::screen(plot)).unwrap();
        let lines = scene.shapes.into_iter().filter_map(|shape| match shape {
            Shape::Line { points, ink, width: 2.0, .. } => Some((points, ink)),
            _ => None,
        });
        lines.filter(|(_, ink)| *ink == Ink::Series(style)).map(|(points, _)| points).collect()
    }

    #[test]
    fn curves_run_through_their_values() {
        let points = vec![(2.0, 10.0), (3.0, 1000.0), (6.0, 100.0)];
        let series = vec![Series { style: 3, points, ..Series::default() }];
        let (x, y) = (Axis::new("x").showing(2.0, 6.0), Axis::log("y").showing(10.0, 1000.0));
        let lines = Lines { x, y, series, marks: vec![] };
        let path = drawn(&Plot::Lines(lines), 3).remove(1);
        let [first, second, third] = path[..] else { panic!("{path:?}") };
        // A quarter of the way to the right; the whole way up, and half of it.
        assert!((second.0 - first.0 - (third.0 - first.0) / 4.0).abs() < 1e-9);
        assert!((first.1 - second.1 - 300.0).abs() < 1e-9, "the height of the rectangle");
        assert!((first.1 - third.1 - 150.0).abs() < 1e-9);
    }

    #[test]
    fn outlines_are_as_high_as_the_shares() {
        let edges = vec![0.0, 1.0, 2.0, 4.0];
        let values = vec![0.5, 1.5, 1.6, 1.7, 3.0, 3.5, 3.6, 3.7];
        let samples = vec![Sample { style: 1, values, ..Sample::default() }];
        let histograms = Histograms { edges, samples, ..Histograms::default() };
        let path = drawn(&Plot::Histograms(histograms), 1).remove(1);
        let foot = path[0].1;
        let heights: Vec<f64> = path.iter().map(|p| (foot - p.1) / (foot - path[5].1)).collect();
        // 1, 3 and 4 of 8.
        for (height, wanted) in heights.iter().zip([0.0, 0.25, 0.25, 0.75, 0.75, 1.0, 1.0, 0.0]) {
            assert!((height - wanted).abs() < 1e-9, "{heights:?}");
        }
        let ends: Vec<f64> =
            path.iter().map(|p| (p.0 - path[0].0) / (path[7].0 - path[0].0)).collect();
        for (end, wanted) in ends.iter().zip([0.0, 0.0, 0.25, 0.25, 0.5, 0.5, 1.0, 1.0]) {
            assert!((end - wanted).abs() < 1e-9, "{ends:?}");
        }
    }

    #[test]
    fn a_map_has_one_scale_for_both_directions() {
        let points = vec![(-30.0, 1.0), (30.0, 1.0), (0.0, 6.0), (0.0, -4.0)];
        let groups = vec![Cloud { points, ..Cloud::default() }];
        let plot = Plot::Scatter(Scatter { axes: None, groups });
        let scene = scene(&plot, Room::screen(&plot)).unwrap();
        let mut at: Vec<Point> = Vec::new();
        for shape in scene.shapes {
            if let Shape::Markers { at: some, opacity, .. } = shape
                && opacity < 1.0
            {
                at.extend(some);
            }
        }
        let unit = (at[1].0 - at[0].0) / 60.0;
        assert!(unit > 10.0, "the map fills the width: {at:?}");
        assert!((at[3].1 - at[2].1 - 10.0 * unit).abs() < 1e-9, "{at:?}");
    }
}
