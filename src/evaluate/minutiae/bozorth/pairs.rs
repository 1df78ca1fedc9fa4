//! Edges of two prints that fit each other.

use super::web::{Edge, Web};
use super::{half_turn, stretched, turned};

/// The C code's limit.
const MAX_PAIRS: usize = 19_999;

/// An edge of the first print with an edge of the second that is as long and lies alike between its
/// minutiae.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// By how many degrees the first print is turned against the second, if the pair is no accident.
    pub turn: i32,
    /// The two minutiae in the first print.
    pub first: [usize; 2],
    /// Their counterparts in the second, in the same order.
    pub second: [usize; 2],
}

impl Pair {
    fn new(a: &Edge, b: &Edge) -> Self {
        let theta = |edge: &Edge| if edge.swapped { edge.theta - 180 } else { edge.theta };
        let [k, j] = b.ends;
        Self {
            turn: half_turn(theta(a) - theta(b)),
            first: a.ends,
            second: if a.swapped == b.swapped { [k, j] } else { [j, k] },
        }
    }

    /// Where the pair starts: all pairs of one start are neighbours in the list.
    pub fn start(&self) -> (usize, usize) {
        (self.first[0], self.second[0])
    }

    /// Where it ends.
    pub fn end(&self) -> (usize, usize) {
        (self.first[1], self.second[1])
    }
}

/// All pairs, in ascending order of where they start and end.
pub(super) fn find(a: &Web, b: &Web) -> Vec<Pair> {
    let mut pairs = collect(a, b);
    pairs.sort_by_key(|pair| (pair.start(), pair.first[1]));
    pairs
}

fn collect(a: &Web, b: &Web) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut from = 0;
    // The C code leaves out the last, longest edge of the first print.
    let considered = a.edges.len().saturating_sub(1);
    for edge in &a.edges[..considered] {
        for (index, other) in b.edges.iter().enumerate().skip(from) {
            if stretched(other.length as f32, edge.length as f32) {
                if other.length > edge.length {
                    break;
                }
                from = index + 1;
            } else if !turned(edge.beta[0], other.beta[0]) && !turned(edge.beta[1], other.beta[1]) {
                pairs.push(Pair::new(edge, other));
                if pairs.len() == MAX_PAIRS {
                    return pairs;
                }
            }
        }
    }
    pairs
}
