//! The direction of the ridges: a formula with one term per core and delta.
//!
//! Ridges have a direction but no sense, so an orientation is an angle modulo π. Sherlock and Monro
//! ("A model for interpreting fingerprint topology", Pattern Recognition 26, 1993) take half the
//! argument of a rational function whose zeros are the cores and whose poles are the deltas, with
//! z = x + iy:
//!
//! ```text
//! θ(z) = ½ [ Σ arg(z − core) − Σ arg(z − delta) ]   (mod π)
//! ```
//!
//! Once around a core the argument grows by 2π and θ by π: a loop's innermost ridge turns back. Once
//! around a delta θ falls by π: three flows meet. Far from all of them, with as many cores as deltas,
//! θ is constant.
//!
//! The formula alone gives every finger with the same singular points the same ridges. Vizcaya and
//! Gerhardt ("A nonlinear orientation model for global description of fingerprints", Pattern
//! Recognition 29, 1996) replace each arg by a piecewise linear function g of it that still grows by
//! 2π in one turn. Two pieces suffice here (with a measured from the singular point):
//!
//! ```text
//! g(a) = π/2 + 2λ(a − π/2)   above it, 0 ≤ a ≤ π;   slope 2 − 2λ below
//! ```
//!
//! λ = ½ is Sherlock and Monro's field; a larger λ makes the turn over a core tighter and the legs
//! below it straighter. A plain arch has no singular point and no such formula: its ridges follow
//! one period of a sine whose height fades above and below.
//!
//! Where the points lie and how far λ goes are this project's choices, made by looking at prints.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::HenryClass;
use super::field::Field;
use super::ridges::{HALF_HEIGHT, HALF_WIDTH, MASTER_HEIGHT, MASTER_WIDTH, skin_span};
use crate::rng::Sequence;

/// The part of the skin that a sensor of 240 × 258 pixels at 500 ppi sees; the placements below
/// are relative to it.
const VIEW: (f64, f64) = (240.0, 258.0);

/// Root mean square of the ridges' random bending over 24 pixels, radians (4°).
const FINE_BEND: f64 = 4.0 * PI / 180.0;
/// The same over 60 pixels (5°): what makes two loops with the same singular points differ.
const BROAD_BEND: f64 = 5.0 * PI / 180.0;

/// A core or a delta: its position in pixels at 500 ppi from the fingertip's centre, y upward, and
/// the share λ of the turn that lies above it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Singularity {
    /// Rightward.
    pub x: f64,
    /// Upward.
    pub y: f64,
    /// Vizcaya and Gerhardt's correction; ½ for none.
    pub lambda: f64,
}

impl Singularity {
    /// g(arg(z − self)): grows by 2π in one turn, continuous except for the jump of 2π to the left.
    fn turn(&self, x: f64, y: f64) -> f64 {
        let angle = (y - self.y).atan2(x - self.x);
        let above = FRAC_PI_2 + 2.0 * self.lambda * (angle - FRAC_PI_2);
        let below = |from_side: f64| (2.0 - 2.0 * self.lambda) * from_side;
        if angle >= 0.0 {
            above
        } else if angle >= -FRAC_PI_2 {
            FRAC_PI_2 - self.lambda * PI + below(angle)
        } else {
            FRAC_PI_2 + self.lambda * PI + below(angle + PI) - TAU
        }
    }
}

/// The flow of a plain arch: θ = −atan(A(y) sin(π(x − x₀)/w)).
#[derive(Clone, Copy, Debug)]
struct Arch {
    centre: f64,
    width: f64,
    peak: f64,
    peak_y: f64,
}

impl Arch {
    fn draw(rng: &mut Sequence) -> Self {
        Self {
            centre: rng.normal(0.0, 6.0),
            width: VIEW.0 * rng.range(0.9, 1.2),
            peak: rng.range(0.8, 1.4),
            peak_y: VIEW.1 * rng.range(-0.16, 0.0),
        }
    }

    fn angle(&self, x: f64, y: f64) -> f64 {
        let spread = VIEW.1 * if y > self.peak_y { 0.9 } else { 0.28 };
        let height = self.peak * (-0.5 * ((y - self.peak_y) / spread).powi(2)).exp();
        // Half a period each side of the centre; beyond it the ridges stay level.
        let phase = (PI * (x - self.centre) / self.width).clamp(-PI, PI);
        -(height * phase.sin()).atan()
    }
}

/// The orientation of the ridges everywhere on one finger.
#[derive(Clone, Debug)]
pub struct Orientation {
    cores: Vec<Singularity>,
    deltas: Vec<Singularity>,
    arch: Option<Arch>,
    /// A smooth random angle, radians, on the half-resolution grid.
    bend: Field,
}

impl Orientation {
    /// Draws the singular points and the bending of one finger of the class.
    pub fn draw(class: HenryClass, rng: &mut Sequence) -> Self {
        let mut noise = |sigma| Field::smooth_noise(HALF_WIDTH, HALF_HEIGHT, sigma, rng);
        let (fine, broad) = (noise(12.0), noise(30.0));
        let mut bend = fine;
        for (bend, broad) in bend.data.iter_mut().zip(&broad.data) {
            *bend = (FINE_BEND * f64::from(*bend) + BROAD_BEND * f64::from(*broad)) as f32;
        }
        let (cores, deltas) = singular_points(class, rng);
        let arch = (class == HenryClass::Arch).then(|| Arch::draw(rng));
        Self { cores, deltas, arch, bend }
    }

    /// Points around which θ grows by π.
    pub fn cores(&self) -> &[Singularity] {
        &self.cores
    }

    /// Points around which θ falls by π.
    pub fn deltas(&self) -> &[Singularity] {
        &self.deltas
    }

    /// The ridges' direction at (x, y), pixels from the fingertip's centre, y upward: an angle in
    /// radians, anticlockwise from the x axis, defined modulo π.
    pub fn angle(&self, x: f64, y: f64) -> f64 {
        let column = (x + MASTER_WIDTH as f64 / 2.0) / 2.0 - 0.5;
        let row = (MASTER_HEIGHT as f64 / 2.0 - y) / 2.0 - 0.5;
        self.formula(x, y) + f64::from(self.bend.sample(column as f32, row as f32))
    }

    /// The directions at the pixels of the half-resolution grid that hold skin.
    pub(super) fn grid(&self) -> Field {
        let mut grid = self.bend.clone();
        for row in 0..HALF_HEIGHT {
            let (first, last) = skin_span(row);
            for column in first..last {
                let (x, y) = half_position(column, row);
                grid.data[row * HALF_WIDTH + column] += self.formula(x, y) as f32;
            }
        }
        grid
    }

    fn formula(&self, x: f64, y: f64) -> f64 {
        if let Some(arch) = &self.arch {
            return arch.angle(x, y);
        }
        let sum = |points: &[Singularity]| points.iter().map(|p| p.turn(x, y)).sum::<f64>();
        0.5 * (sum(&self.cores) - sum(&self.deltas))
    }
}

/// The position of a pixel of the half-resolution grid, in pixels at 500 ppi from the fingertip's
/// centre, y upward.
pub(super) fn half_position(column: usize, row: usize) -> (f64, f64) {
    (
        2.0 * column as f64 + 1.0 - MASTER_WIDTH as f64 / 2.0,
        MASTER_HEIGHT as f64 / 2.0 - 2.0 * row as f64 - 1.0,
    )
}

/// Cores and deltas of one finger.
fn singular_points(class: HenryClass, rng: &mut Sequence) -> (Vec<Singularity>, Vec<Singularity>) {
    let core_x = rng.normal(0.0, 9.0);
    let core_y = VIEW.1 * rng.range(0.0, 0.23);
    let loop_core = Singularity { x: core_x, y: core_y, lambda: rng.range(0.58, 0.72) };
    let delta = |dx: f64, dy: f64| Singularity { x: core_x + dx, y: core_y + dy, lambda: 0.5 };
    match class {
        HenryClass::Arch => (vec![], vec![]),
        HenryClass::TentedArch => {
            let below = delta(rng.normal(0.0, 3.0), -rng.range(45.0, 80.0));
            (vec![loop_core], vec![below])
        }
        HenryClass::LeftLoop => {
            (vec![loop_core], vec![delta(rng.range(48.0, 100.0), -rng.range(50.0, 108.0))])
        }
        HenryClass::RightLoop => {
            (vec![loop_core], vec![delta(-rng.range(48.0, 100.0), -rng.range(50.0, 108.0))])
        }
        HenryClass::Whorl => {
            // One whorl in five is a double loop: its cores stand beside each other as well.
            let (gap, twist) = if rng.uniform() < 0.2 {
                let side = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
                (rng.range(25.0, 50.0), side * rng.range(14.0, 28.0))
            } else {
                (rng.range(10.0, 45.0), rng.normal(0.0, 8.0))
            };
            let lambda = rng.range(0.5, 0.6);
            let core = |half: f64| Singularity {
                x: core_x + half * twist,
                y: core_y + half * gap,
                lambda,
            };
            let deltas = vec![
                delta(-rng.range(70.0, 105.0), -rng.range(50.0, 95.0)),
                delta(rng.range(70.0, 105.0), -rng.range(50.0, 95.0)),
            ];
            (vec![core(0.5), core(-0.5)], deltas)
        }
    }
}
