//! Edges between the minutiae of one print.

use super::{Point, degrees, half_turn};

/// Longest edge, in pixels at 500 ppi.
const LONGEST: i32 = 125;

/// Edges up to this squared length (75 px) always take part …
const LONG_SQUARED: i32 = 75 * 75;

/// … and longer ones until this many do.
const ENOUGH: usize = 500;

/// The line between two minutiae, described so that moving and turning the print changes `theta` only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// Squared length in square pixels.
    pub length: i32,
    /// Angles between the line and the two minutiae, the smaller first, in degrees.
    pub beta: [i32; 2],
    /// Indices of the two minutiae, in the order of their place in the print.
    pub ends: [usize; 2],
    /// Direction of the line in degrees, −90 to 90.
    pub theta: i32,
    /// Whether `beta` is in the opposite order of `ends`.
    pub swapped: bool,
}

impl Edge {
    fn between(points: &[Point], k: usize, j: usize) -> Self {
        let (dx, dy) = (points[j].x - points[k].x, points[j].y - points[k].y);
        let theta = if dx == 0 {
            90
        } else {
            let angle = f64::from(degrees(dy as f32 / dx as f32));
            (if angle < 0.0 { angle - 0.5 } else { angle + 0.5 }) as i32
        };
        let first = half_turn(theta - points[k].theta);
        let second = half_turn(theta - points[j].theta + 180);
        Self {
            length: dx * dx + dy * dy,
            beta: [first.min(second), first.max(second)],
            ends: [k, j],
            theta,
            swapped: first >= second,
        }
    }
}

/// The edges of a print, from short to long.
#[derive(Clone, Debug)]
pub(super) struct Web {
    pub edges: Vec<Edge>,
}

impl Web {
    /// Links the points, which must be in ascending order of x.
    pub fn new(points: &[Point]) -> Self {
        let mut edges = Vec::new();
        for k in 0..points.len() {
            for j in k + 1..points.len() {
                let dx = points[j].x - points[k].x;
                if dx > LONGEST {
                    break;
                }
                let opposite = (points[k].theta - points[j].theta).abs() == 180;
                let edge = Edge::between(points, k, j);
                if !opposite && edge.length <= LONGEST * LONGEST {
                    edges.push(edge);
                }
            }
        }
        edges.sort_by_key(|edge| (edge.length, edge.beta));
        let near = edges.partition_point(|edge| edge.length <= LONG_SQUARED);
        // The C code takes one edge more than it means to.
        edges.truncate((near + 1).max(ENOUGH));
        Self { edges }
    }
}
