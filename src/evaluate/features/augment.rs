//! What each picture of an epoch looks like: prints mirrored, moved, faded, blurred and noisy, and one in
//! eight replaced by something that is no print.

use super::draw::Drawn;
use super::foreign::Foreign;
use super::loss::{PrintTarget, Target};
use super::network::{CELLS, Measure};
use super::pixels::Square;
use crate::data::procedural::HenryClass;
use crate::rng::{Sequence, Stream};

/// One in this many pictures is no print.
const FOREIGN_ONE_IN: u32 = 8;
/// The strongest blur, in pixels of the square.
pub(super) const MOST_BLUR: f64 = 2.0;
/// The strongest noise, in grey levels.
pub(super) const MOST_NOISE: f64 = 60.0;

/// Picture `index` of an epoch: a function of the seed, the epoch and the print alone.
pub(super) fn picture(seed: u64, epoch: u32, index: u32, drawn: &Drawn) -> (Square, Target) {
    let mut rng = Sequence::new(seed, Stream::FeatureAugment, epoch, index);
    let square = Square::from_bytes(&drawn.pixels);
    if rng.below(FOREIGN_ONE_IN) == 0 {
        let kind = Foreign::ALL[rng.below(Foreign::ALL.len() as u32) as usize];
        return (kind.draw(&square, &mut rng), None);
    }
    let (square, target) = changed(square, &drawn.target, &mut rng);
    (square, Some(target))
}

/// A print as training shows it.
pub(super) fn changed(
    mut square: Square,
    target: &PrintTarget,
    rng: &mut Sequence,
) -> (Square, PrintTarget) {
    let mut target = target.clone();
    if rng.below(2) == 0 {
        square.mirror();
        target = mirrored(&target);
    }
    let (dx, dy) = (rng.below(7) as i32 - 3, rng.below(7) as i32 - 3);
    square = square.shifted(dx, dy);
    if rng.below(2) == 0 {
        square.fade(rng.range(0.5, 1.0), rng.range(225.0, 255.0));
    }
    if rng.below(2) == 0 {
        let sigma = rng.range(0.2, MOST_BLUR);
        square.blur(sigma);
        set(&mut target, Measure::Blur, sigma);
    }
    if rng.below(2) == 0 {
        let sigma = rng.range(1.0, MOST_NOISE);
        square.add_noise(sigma, rng);
        set(&mut target, Measure::Noise, sigma);
    }
    (square, target)
}

/// Replaces a value that is known; what an enlarged print adds to the blur stays unknown.
fn set(target: &mut PrintTarget, measure: Measure, value: f64) {
    for (m, known) in Measure::ALL.into_iter().zip(&mut target.measures) {
        if m == measure && known.is_some() {
            *known = Some(value);
        }
    }
}

/// The truth about the mirror image: loops change their side, θ becomes −θ, the cells' columns change
/// places.
fn mirrored(target: &PrintTarget) -> PrintTarget {
    let [left, right] = [HenryClass::LeftLoop as usize, HenryClass::RightLoop as usize];
    let class = match target.class {
        class if class == left => right,
        class if class == right => left,
        class => class,
    };
    let flow = std::array::from_fn(|cell| {
        let (row, column) = (cell / CELLS, cell % CELLS);
        target.flow[row * CELLS + CELLS - 1 - column].map(|[cos, sin]| [cos, -sin])
    });
    PrintTarget { class, measures: target.measures, flow }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::features::{draw, pool};

    fn some(count: u32) -> Vec<Drawn> {
        draw::prints(&pool(Some(1)).unwrap(), 4, count, "prints", &mut ()).unwrap()
    }

    #[test]
    fn a_picture_depends_on_seed_epoch_and_number() {
        let prints = some(1);
        let draw = |seed, epoch, index| picture(seed, epoch, index, &prints[0]);
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4)] {
            assert_ne!(draw(1, 2, 3).0, draw(other.0, other.1, other.2).0);
        }
    }

    #[test]
    fn one_in_eight_is_no_print_and_the_rest_says_what_was_done() {
        let prints = some(1);
        let (mut foreign, mut mirrored, mut blurred) = (0, 0, 0);
        for index in 0..2000 {
            match picture(1, 0, index, &prints[0]).1 {
                None => foreign += 1,
                Some(target) => {
                    mirrored += usize::from(target.flow != prints[0].target.flow);
                    blurred += usize::from(target.measures[1].is_some_and(|sigma| sigma > 0.0));
                }
            }
        }
        // Five standard deviations of a binomial.
        assert!((250 - 74..250 + 74).contains(&foreign), "{foreign}");
        for half in [mirrored, blurred] {
            assert!((875 - 110..875 + 110).contains(&half), "{half}");
        }
    }

    #[test]
    fn a_mirror_image_twice_is_the_same() {
        for print in some(12) {
            let once = mirrored(&print.target);
            assert_ne!(once.flow, print.target.flow);
            assert_eq!(mirrored(&once), print.target);
            assert_eq!(once.class == print.target.class, ![2, 3].contains(&print.target.class));
        }
    }
}
