//! The feature network: which blocks it has, and what each of its outputs means.

use crate::backend::block::{Block, Direction};
use crate::backend::ops::Activation;
use crate::data::procedural::HenryClass;
use crate::error::Result;
use crate::model::discriminator::SLOPE;
use crate::shape::{ConvGeometry, Nchw};

/// Side of the square that the network reads, in pixels.
pub const SIDE: usize = 96;
/// Pixels of that square.
pub const PIXELS: usize = SIDE * SIDE;
/// Length of the feature vector.
pub const FEATURES: usize = 64;
/// The picture is cut into `CELLS` × `CELLS` cells for the ridges' direction.
pub const CELLS: usize = 3;
/// Numbers that the heads give.
pub const OUTPUTS: usize = FLOW + 2 * CELLS * CELLS;

/// Which output is what: five logits, one for each of [`HenryClass::ALL`], from 0.
pub(super) const CLASSES: usize = HenryClass::ALL.len();
/// The logit of "this is a print".
pub(super) const PRINT: usize = CLASSES;
/// The first of the [`Measure`]s.
const MEASURES: usize = PRINT + 1;
/// The first of (cos 2θ, sin 2θ), cell by cell, row by row from the upper left.
pub(super) const FLOW: usize = MEASURES + Measure::ALL.len();

/// A single number that the network measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// ln(ridge period in pixels of the square).
    LogPeriod,
    /// Standard deviation of the Gaussian that the print was blurred with, pixels of the square.
    Blur,
    /// Standard deviation of the white noise on the print, grey levels.
    Noise,
    /// [`Truth::pressure`](crate::data::procedural::Truth::pressure).
    Pressure,
    /// [`Truth::dryness`](crate::data::procedural::Truth::dryness).
    Dryness,
    /// Share of the square that the finger touches.
    Contact,
}

impl Measure {
    pub(super) const ALL: [Self; 6] =
        [Self::LogPeriod, Self::Blur, Self::Noise, Self::Pressure, Self::Dryness, Self::Contact];

    /// The output's index.
    pub(super) const fn index(self) -> usize {
        MEASURES + self as usize
    }

    /// Offset and scale: the output is (value − offset)/scale, so that all have a spread of about 1.
    const fn scale(self) -> (f64, f64) {
        match self {
            // ln 3.2, the median period of a print at this size.
            Self::LogPeriod => (1.163, 0.15),
            Self::Blur => (0.7, 0.7),
            Self::Noise => (20.0, 20.0),
            Self::Pressure => (0.05, 0.3),
            Self::Dryness => (0.5, 0.3),
            Self::Contact => (0.75, 0.2),
        }
    }

    /// The output that says `value`.
    pub(super) fn encode(self, value: f64) -> f64 {
        let (offset, scale) = self.scale();
        (value - offset) / scale
    }

    /// The value that the output says.
    pub(super) fn decode(self, output: f64) -> f64 {
        let (offset, scale) = self.scale();
        offset + scale * output
    }
}

/// Channels of the four halving convolutions.
const WIDTHS: [usize; 4] = [16, 32, 64, 96];

/// The blocks for a batch of `n`.
///
/// | block | layers | output |
/// |---|---|---|
/// | 0 | conv 4×4 s2 p1, bn, LeakyReLU 0.2 | 16 × 48×48 |
/// | 1 | the same | 32 × 24×24 |
/// | 2 | the same | 64 × 12×12 |
/// | 3 | the same | 96 × 6×6 |
/// | 4 | conv 6×6 s1 p0, bn, LeakyReLU 0.2 | 64 × 1×1: the features |
/// | 5 | conv 1×1 | 30 × 1×1: the heads |
///
/// # Errors
/// None for any `n` but 0.
pub fn blocks(n: usize) -> Result<Vec<Block>> {
    let mut x = Nchw::new(n, 1, SIDE, SIDE);
    let mut blocks = Vec::with_capacity(WIDTHS.len() + 2);
    let mut add = |channels, kernel, stride, padding, hidden| -> Result<()> {
        let geometry = ConvGeometry::conv(x, channels, [kernel; 2], [stride; 2], [padding; 2])?;
        let activation =
            if hidden { Activation::LeakyRelu { slope: SLOPE } } else { Activation::Identity };
        blocks.push(Block { direction: Direction::Conv, geometry, norm: hidden, activation });
        x = geometry.y;
        Ok(())
    };
    for width in WIDTHS {
        add(width, 4, 2, 1, true)?;
    }
    add(FEATURES, (SIDE >> WIDTHS.len()) as u32, 1, 0, true)?;
    add(OUTPUTS, 1, 1, 0, false)?;
    Ok(blocks)
}

/// Index of block `block`'s convolution in PyTorch's `main`: convolution, batch norm, activation.
pub const fn index(block: usize) -> usize {
    3 * block
}

/// What the network says about one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The feature vector.
    pub features: [f32; FEATURES],
    /// The probabilities of [`HenryClass::ALL`], in that order; their sum is 1.
    pub class_probabilities: [f32; CLASSES],
    /// How likely this is a print rather than something else, 0 to 1.
    pub print_probability: f32,
    /// Mean ridge period, pixels of the 96×96 square.
    pub period: f32,
    /// Blur: standard deviation of a Gaussian, pixels of the square. About 0 for a sharp print, and a little
    /// below where the network overshoots.
    pub blur: f32,
    /// Noise: standard deviation in grey levels; about 0 for none.
    pub noise: f32,
    /// How hard the finger was pressed, about −0.7 to 0.85.
    pub pressure: f32,
    /// 0 for wet skin to 1 for dry.
    pub dryness: f32,
    /// Share of the square that the finger touches, 0 to 1.
    pub contact: f32,
    /// The mean of (cos 2θ, sin 2θ) over each of the 3×3 cells, row by row from the upper left; θ is the
    /// ridges' direction, anticlockwise from the x axis. The length of each is its coherence.
    pub flow: [[f32; 2]; CELLS * CELLS],
}

impl Output {
    /// Reads the heads' numbers.
    pub(super) fn new(features: &[f32; FEATURES], heads: &[f32; OUTPUTS]) -> Self {
        let measure = |m: Measure| m.decode(f64::from(heads[m.index()])) as f32;
        let classes = softmax(&std::array::from_fn(|i| f64::from(heads[i])));
        Self {
            features: *features,
            class_probabilities: classes.map(|p| p as f32),
            print_probability: sigmoid(f64::from(heads[PRINT])) as f32,
            period: (Measure::LogPeriod.decode(f64::from(heads[Measure::LogPeriod.index()]))).exp()
                as f32,
            blur: measure(Measure::Blur),
            noise: measure(Measure::Noise),
            pressure: measure(Measure::Pressure),
            dryness: measure(Measure::Dryness),
            contact: measure(Measure::Contact),
            flow: std::array::from_fn(|cell| [0, 1].map(|k| heads[FLOW + 2 * cell + k])),
        }
    }

    /// The most probable class.
    pub fn class(&self) -> HenryClass {
        let mut best = 0;
        for (i, p) in self.class_probabilities.iter().enumerate() {
            if *p > self.class_probabilities[best] {
                best = i;
            }
        }
        HenryClass::ALL[best]
    }

    /// The ridges' direction in the middle of the picture: an angle in radians in [0, π), and its coherence,
    /// 0 to about 1.
    pub fn orientation(&self) -> (f32, f32) {
        let [c, s] = self.flow[CELLS * CELLS / 2];
        ((0.5 * s.atan2(c)).rem_euclid(std::f32::consts::PI), c.hypot(s))
    }
}

/// eᶻ/Σeᶻ, from the largest logit down, so that nothing overflows.
pub(super) fn softmax<const N: usize>(logits: &[f64; N]) -> [f64; N] {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers = logits.map(|z| (z - largest).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|p| p / sum)
}

/// 1/(1 + e⁻ᶻ) without overflow.
pub(super) fn sigmoid(z: f64) -> f64 {
    let small = (-z.abs()).exp();
    if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}
