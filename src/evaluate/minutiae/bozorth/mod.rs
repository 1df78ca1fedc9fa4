//! Two sets of minutiae → a match score, by NIST's BOZORTH3.
//!
//! The algorithm is that of A. Bozorth and of M. Garris and others, "User's Guide to NIST Biometric
//! Image Software" (NISTIR 7392), §5.3; this is a translation of the public-domain C program
//! `bozorth3` of that package, and gives its scores. Translated and not linked, because the C code
//! works in global arrays: it can serve one thread only, and it reads what the comparison before left
//! there, so that one score in a thousand depends on the order of the comparisons.
//!
//! | file | step |
//! |---|---|
//! | `web` | edges between the minutiae of one print: length and angles that no turn changes |
//! | `pairs` | edges of the two prints that fit each other |
//! | `grow` | pairs that share minutiae, joined into groups |
//! | `group` | groups that fit each other, summed up into the score |
//!
//! Scores: two prints of different fingers score 9 at the median and rarely above 40; NIST takes 40
//! and more for a match. A print against itself scores a hundred or more.

mod group;
mod grow;
mod pairs;
#[cfg(test)]
mod tests;
mod web;

use super::points::Minutiae;
use web::Web;

/// With more minutiae than this, those of the highest quality are compared.
pub const MAX_MINUTIAE: usize = 150;

/// With fewer minutiae than this in either print, the score is 0.
pub const MIN_MINUTIAE: usize = 10;

/// The score of prints so alike that the C program runs out of room for their shared minutiae.
pub const OVERFLOW_SCORE: u32 = 4000;

/// One print, made ready for comparisons: worth keeping when it takes part in several.
#[derive(Clone, Debug)]
pub struct Template {
    points: Vec<Point>,
    web: Web,
}

/// A minutia as BOZORTH3 sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    x: i32,
    /// Upward.
    y: i32,
    /// Degrees in (−180, 180], out of the ridge.
    theta: i32,
}

impl Template {
    /// Takes the best [`MAX_MINUTIAE`] (of equal quality, the first ones) and links them.
    pub fn new(minutiae: &Minutiae) -> Self {
        let mut chosen = minutiae.points.clone();
        if chosen.len() > MAX_MINUTIAE {
            chosen.sort_by_key(|point| std::cmp::Reverse(point.quality));
            chosen.truncate(MAX_MINUTIAE);
        }
        let mut points: Vec<Point> = chosen
            .iter()
            .map(|point| Point {
                x: i32::from(point.x),
                y: i32::from(minutiae.height) - i32::from(point.y),
                theta: theta(point.direction),
            })
            .collect();
        points.sort_by_key(|point| (point.x, point.y));
        Self { web: Web::new(&points), points }
    }

    /// How many minutiae take part.
    pub fn count(&self) -> usize {
        self.points.len()
    }

    /// How alike two prints are; see the [module](self) for what the numbers mean.
    ///
    /// 0 if either has fewer than [`MIN_MINUTIAE`]. Not symmetric: in one pair of
    /// six `b.score(&a)` is another number, by up to 25 among drawn prints.
    pub fn score(&self, other: &Self) -> u32 {
        if self.count().min(other.count()) < MIN_MINUTIAE {
            return 0;
        }
        let pairs = pairs::find(&self.web, &other.web);
        grow::Search::new(&pairs, &self.points, &other.points).run()
    }
}

/// The score of two prints: [`Template::score`] without keeping the templates.
pub fn match_score(a: &Minutiae, b: &Minutiae) -> u32 {
    Template::new(a).score(&Template::new(b))
}

/// MINDTCT's direction (0 to 31, clockwise from up) as degrees in (−180, 180], as `lfs2nist` of the
/// NIST package turns it: counter-clockwise from the x axis and away from the ridge.
fn theta(direction: u8) -> i32 {
    let clockwise = (f32::from(direction) * 11.25).round() as i32;
    half_turn((270 - clockwise).rem_euclid(360))
}

/// Brings an angle in (−540, 540] degrees into (−180, 180].
fn half_turn(degrees: i32) -> i32 {
    if degrees > 180 {
        degrees - 360
    } else if degrees <= -180 {
        degrees + 360
    } else {
        degrees
    }
}

/// Whether two angles, from (−180, 180] each, differ by more than 11°.
fn turned(a: i32, b: i32) -> bool {
    let squared = (a - b) * (a - b);
    squared > 121 && squared < 349 * 349
}

/// Whether two squared lengths differ by more than a tenth of their sum.
fn stretched(a: f32, b: f32) -> bool {
    let (difference, limit) = (a - b, (2.0 * 0.05) * (a + b));
    difference * difference > limit * limit
}

/// Degrees of an arc tangent, in single precision as the C code has it: its rounding decides.
fn degrees(slope: f32) -> f32 {
    180.0 / std::f32::consts::PI * slope.atan()
}

/// Mean of angles in (−180, 180], rounded; the halves of the circle are summed apart so that 179° and
/// −179° give 180°.
fn mean_angle(angles: impl Iterator<Item = i32>) -> i32 {
    let (mut above, mut below, mut positive, mut negative) = (0, 0, 0, 0);
    for angle in angles {
        if angle < 0 {
            below += angle;
            negative += 1;
        } else {
            above += angle;
            positive += 1;
        }
    }
    let count = (positive + negative) as f32;
    let apart = above as f32 / positive.max(1) as f32 - below as f32 / negative.max(1) as f32;
    let mut mean = (above + below) as f32 / count;
    if apart > 180.0 {
        mean = (above + below + negative.max(1) * 360) as f32 / count;
        if mean > 180.0 {
            mean -= 360.0;
        }
    }
    let rounded = if mean < 0.0 { (mean - 0.5) as i32 } else { (mean + 0.5) as i32 };
    if rounded <= -180 { rounded + 360 } else { rounded }
}
