//! The minutiae of one print, and what can be counted in them.

use super::hull;
use serde::{Deserialize, Serialize};

/// Directions that MINDTCT tells apart: 32 around the circle, 11.25° each.
pub const DIRECTIONS: usize = 32;

/// What happens to the ridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It ends.
    Ending,
    /// It forks.
    Bifurcation,
}

/// One minutia.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minutia {
    /// Pixels from the left edge of the prepared image.
    pub x: u16,
    /// Pixels from the top edge of the prepared image.
    pub y: u16,
    /// 0 to 31, in steps of 11.25°, clockwise from straight up.
    pub direction: u8,
    pub kind: Kind,
    /// MINDTCT's reliability in percent, 1 to 99 (0 only in damaged data).
    pub quality: u8,
}

impl Minutia {
    /// Degrees in [0, 360), counter-clockwise from the x axis, y upward.
    pub fn angle(&self) -> f64 {
        (90.0 - 11.25 * f64::from(self.direction)).rem_euclid(360.0)
    }
}

/// All minutiae of one print.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minutiae {
    /// Width of the prepared image in pixels, both margins included.
    pub width: u16,
    /// Height of the prepared image in pixels, both margins included.
    pub height: u16,
    /// White pixels that were added on each side.
    pub margin: u16,
    pub points: Vec<Minutia>,
}

impl Minutiae {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.points.len()
    }

    /// Share of bifurcations, 0 to 1; `None` without minutiae.
    pub fn bifurcation_share(&self) -> Option<f64> {
        let forks = self.points.iter().filter(|point| point.kind == Kind::Bifurcation).count();
        (self.count() > 0).then(|| forks as f64 / self.count() as f64)
    }

    /// Mean quality in percent; `None` without minutiae.
    pub fn mean_quality(&self) -> Option<f64> {
        let sum: u64 = self.points.iter().map(|point| u64::from(point.quality)).sum();
        (self.count() > 0).then(|| sum as f64 / self.count() as f64)
    }

    /// Area of the convex hull of the minutiae as a share of the print without its margins.
    ///
    /// 0 for fewer than three minutiae or all of them on one line. A minutia on the very edge may lie
    /// a pixel inside the margin, so the share is cut at 1.
    pub fn hull_share(&self) -> f64 {
        let points: Vec<_> =
            self.points.iter().map(|point| (i64::from(point.x), i64::from(point.y))).collect();
        let (width, height) = self.inner();
        (hull::area(&points) / (f64::from(width) * f64::from(height))).min(1.0)
    }

    /// Minutiae in each cell of a grid of `cells` × `cells` laid over the print without its margins,
    /// row by row from the top left.
    ///
    /// Empty for `cells` = 0. Those inside a margin count in the nearest cell, so that the sum is
    /// [`count`](Self::count).
    pub fn spatial_counts(&self, cells: usize) -> Vec<u32> {
        let mut counts = vec![0; cells * cells];
        if cells == 0 {
            return counts;
        }
        let (width, height) = self.inner();
        let cell = |position: u16, extent: u16| {
            let inside = usize::from(position.saturating_sub(self.margin));
            (inside * cells / usize::from(extent)).min(cells - 1)
        };
        for point in &self.points {
            counts[cell(point.y, height) * cells + cell(point.x, width)] += 1;
        }
        counts
    }

    /// Minutiae of each direction; the index is [`Minutia::direction`].
    pub fn direction_counts(&self) -> [u32; DIRECTIONS] {
        let mut counts = [0; DIRECTIONS];
        for point in &self.points {
            counts[usize::from(point.direction) % DIRECTIONS] += 1;
        }
        counts
    }

    /// Width and height without the margins, at least 1.
    fn inner(&self) -> (u16, u16) {
        let inside = |side: u16| side.saturating_sub(self.margin.saturating_mul(2)).max(1);
        (inside(self.width), inside(self.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: u16, y: u16, direction: u8, kind: Kind, quality: u8) -> Minutia {
        Minutia { x, y, direction, kind, quality }
    }

    fn print(points: Vec<Minutia>) -> Minutiae {
        Minutiae { width: 132, height: 82, margin: 16, points }
    }

    #[test]
    fn a_print_without_minutiae_has_no_shares() {
        let none = print(Vec::new());
        assert_eq!((none.count(), none.bifurcation_share(), none.mean_quality()), (0, None, None));
        assert_eq!(none.hull_share(), 0.0);
        assert_eq!(none.spatial_counts(3), [0; 9]);
        assert_eq!(Minutiae::default().hull_share(), 0.0);
        assert!(Minutiae::default().spatial_counts(0).is_empty());
    }

    #[test]
    fn counts_and_shares_of_a_known_print() {
        use Kind::{Bifurcation, Ending};
        let set = print(vec![
            at(16, 16, 0, Ending, 10),
            at(116, 16, 31, Bifurcation, 20),
            at(16, 66, 31, Ending, 60),
            at(30, 20, 8, Ending, 30),
        ]);
        assert_eq!(set.bifurcation_share(), Some(0.25));
        assert_eq!(set.mean_quality(), Some(30.0));
        // A triangle over half of the inner 100x50 pixels.
        assert_eq!(set.hull_share(), 0.5);
        // The second and third lie one pixel beyond the inner print and count in its last cells.
        assert_eq!(set.spatial_counts(2), [2, 1, 1, 0]);
        let directions = set.direction_counts();
        assert_eq!((directions[0], directions[8], directions[31]), (1, 1, 2));
        assert_eq!(directions.iter().sum::<u32>(), 4);
        let angles: Vec<f64> = set.points.iter().map(Minutia::angle).collect();
        assert_eq!(angles, [90.0, 101.25, 101.25, 0.0]);
    }

    #[test]
    fn the_grid_has_rows_from_the_top_and_loses_none() {
        let set = print(vec![
            at(20, 60, 0, Kind::Ending, 1),
            at(0, 81, 0, Kind::Ending, 1),
            at(131, 0, 0, Kind::Ending, 1),
        ]);
        assert_eq!(set.spatial_counts(3), [0, 0, 1, 0, 0, 0, 2, 0, 0]);
        assert_eq!(set.spatial_counts(1), [3]);
    }
}
