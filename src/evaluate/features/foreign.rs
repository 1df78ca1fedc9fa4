//! Pictures that are no prints, so that the features tell the two apart.

use super::network::{PIXELS, SIDE};
use super::pixels::Square;
use crate::data::procedural::field::{Field, quick_normal};
use crate::rng::Sequence;

/// Kinds of pictures without a print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// White noise over the whole square.
    Noise,
    /// One grey, with next to no noise.
    Blank,
    /// A plane wave, as fine or finer or coarser than ridges: stripes without any pattern.
    Wave,
    /// Smooth blobs of some pixels' width.
    Blobs,
    /// A print so blurred that no ridge is left.
    Smeared,
    /// A print whose tiles of 12 pixels were shuffled: ridges everywhere, a finger nowhere.
    Shuffled,
}

/// Side of a shuffled tile in pixels.
const TILE: usize = 12;

impl Foreign {
    pub(super) const ALL: [Self; 6] =
        [Self::Noise, Self::Blank, Self::Wave, Self::Blobs, Self::Smeared, Self::Shuffled];

    /// Its name in the card.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Noise => "white noise",
            Self::Blank => "blank",
            Self::Wave => "plane wave",
            Self::Blobs => "blobs",
            Self::Smeared => "smeared print",
            Self::Shuffled => "shuffled tiles",
        }
    }

    /// One such picture; `print` is a print for the kinds that are made of one.
    pub(super) fn draw(self, print: &Square, rng: &mut Sequence) -> Square {
        match self {
            Self::Noise => {
                let (mean, deviation) = (rng.range(60.0, 200.0), rng.range(15.0, 110.0));
                Square::from_fn(|_, _| mean as f32 + deviation as f32 * quick_normal(rng))
            }
            Self::Blank => {
                let (mean, deviation) = (rng.range(0.0, 256.0), rng.range(0.0, 4.0));
                Square::from_fn(|_, _| mean as f32 + deviation as f32 * quick_normal(rng))
            }
            Self::Wave => wave(rng),
            Self::Blobs => {
                let field = Field::smooth_noise(SIDE, SIDE, rng.range(1.5, 14.0), rng);
                let (mean, deviation) = (rng.range(90.0, 200.0), rng.range(30.0, 90.0));
                Square(field.data.iter().map(|v| mean as f32 + deviation as f32 * v).collect())
            }
            Self::Smeared => {
                let mut square = print.clone();
                square.blur(rng.range(3.5, 8.0));
                square
            }
            Self::Shuffled => shuffled(print, rng),
        }
    }
}

fn wave(rng: &mut Sequence) -> Square {
    let (sin, cos) = rng.range(0.0, std::f64::consts::PI).sin_cos();
    let frequency = std::f64::consts::TAU / rng.range(2.2, 24.0);
    let phase = rng.range(0.0, std::f64::consts::TAU);
    let (mean, height) = (rng.range(100.0, 160.0), rng.range(40.0, 150.0));
    Square::from_fn(|x, y| {
        let along = x as f64 * cos + y as f64 * sin;
        (mean + height * (frequency * along + phase).sin()) as f32
    })
}

fn shuffled(print: &Square, rng: &mut Sequence) -> Square {
    const ACROSS: usize = SIDE / TILE;
    let mut order: [usize; ACROSS * ACROSS] = std::array::from_fn(|i| i);
    rng.shuffle(&mut order);
    let mut out = vec![0.0; PIXELS];
    for (to, from) in order.into_iter().enumerate() {
        let corner = |tile: usize| (tile / ACROSS) * TILE * SIDE + (tile % ACROSS) * TILE;
        for row in 0..TILE {
            let (to, from) = (corner(to) + row * SIDE, corner(from) + row * SIDE);
            out[to..to + TILE].copy_from_slice(&print.0[from..from + TILE]);
        }
    }
    Square(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn shuffled_tiles_are_the_same_pixels_elsewhere() {
        let print = Square::from_fn(|x, y| (x + SIDE * y) as f32);
        let mut rng = Sequence::new(5, Stream::FeatureAugment, 0, 0);
        let square = Foreign::Shuffled.draw(&print, &mut rng);
        let mut sorted = square.0.clone();
        sorted.sort_by(f32::total_cmp);
        assert_eq!(sorted, print.0);
        let moved = square.0.iter().zip(&print.0).filter(|(a, b)| a != b).count();
        assert!(moved > PIXELS / 2, "{moved}");
        // Neighbours within a tile stay neighbours.
        assert_eq!(square.0[1] - square.0[0], 1.0);
        assert_eq!(square.0[SIDE] - square.0[0], SIDE as f32);
    }

    #[test]
    fn every_kind_is_finite_and_differs_from_draw_to_draw() {
        let print = Square::from_fn(|x, y| if (x / 3 + y / 5) % 2 == 0 { 20.0 } else { 240.0 });
        for kind in Foreign::ALL {
            let draw = |minor| {
                let mut rng = Sequence::new(5, Stream::FeatureAugment, 0, minor);
                kind.draw(&print, &mut rng)
            };
            assert!(draw(1).0.iter().all(|v| v.is_finite()));
            assert_eq!(draw(1), draw(1));
            assert_ne!(draw(1), draw(2), "{kind:?}");
        }
    }
}
