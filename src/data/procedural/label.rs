//! The pattern of a synthetic print and whose finger it shows, in SOCOFing's words.

use std::fmt;

use crate::data::socofing::{Finger as Digit, Gender, Hand, SocofingName};
use crate::rng::Sequence;

/// The five Henry classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum HenryClass {
    /// Ridges rise and fall; no core, no delta.
    Arch,
    /// An arch with an upright core over a delta.
    TentedArch,
    /// Ridges enter and leave on the left.
    LeftLoop,
    /// Ridges enter and leave on the right.
    RightLoop,
    /// Ridges go round: two cores, two deltas.
    Whorl,
}

impl HenryClass {
    /// All five.
    pub const ALL: [Self; 5] =
        [Self::Arch, Self::TentedArch, Self::LeftLoop, Self::RightLoop, Self::Whorl];

    /// How often each class of [`Self::ALL`] occurs over all fingers.
    pub const FREQUENCIES: [f64; 5] = [0.037, 0.029, 0.338, 0.317, 0.279];

    /// How often each class occurs on one hand. Most loops open towards the little finger, left
    /// loops on left hands; the two hands average to [`Self::FREQUENCIES`].
    pub fn frequencies(hand: Hand) -> [f64; 5] {
        match hand {
            Hand::Left => [0.037, 0.029, 0.603, 0.052, 0.279],
            Hand::Right => [0.037, 0.029, 0.073, 0.582, 0.279],
        }
    }

    /// A class by its frequency on the hand.
    pub(super) fn draw(hand: Hand, rng: &mut Sequence) -> Self {
        let mut left = rng.uniform();
        for (class, frequency) in Self::ALL.into_iter().zip(Self::frequencies(hand)) {
            left -= frequency;
            if left < 0.0 {
                return class;
            }
        }
        Self::Whorl
    }

    /// Its name on the command line and in label files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arch => "arch",
            Self::TentedArch => "tented-arch",
            Self::LeftLoop => "left-loop",
            Self::RightLoop => "right-loop",
            Self::Whorl => "whorl",
        }
    }
}

impl fmt::Display for HenryClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Hand and digit of a finger's number: left before right, thumb to little finger.
pub(super) fn place(index: u32) -> (Hand, Digit) {
    let hand = if index % 10 < 5 { Hand::Left } else { Hand::Right };
    let digit = match index % 5 {
        0 => Digit::Thumb,
        1 => Digit::Index,
        2 => Digit::Middle,
        3 => Digit::Ring,
        _ => Digit::Little,
    };
    (hand, digit)
}

/// In SOCOFing's proportion: 477 of its 600 subjects are men.
pub(super) fn draw_gender(rng: &mut Sequence) -> Gender {
    if rng.below(600) < 477 { Gender::Male } else { Gender::Female }
}

/// Whose finger, which class and which impression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SynthLabel {
    /// What the file is called: subjects from 1, ten fingers each, impressions from 1.
    pub name: SocofingName,
    /// The pattern of the ridges.
    pub class: HenryClass,
}
