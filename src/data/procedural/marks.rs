//! What else a finger carries besides ridges: creases, scars and pores.
//!
//! They belong to the finger, so every impression of it shows them in the same place, more or less
//! clearly. Sizes at 500 ppi: a pore is 60–250 µm (1–5 pixels) wide and sits on the crest of a
//! ridge; creases are flat lines across the ridges that take no ink.

use super::field::Field;
use super::ridges::{MASTER_HEIGHT, MASTER_WIDTH};
use crate::rng::Sequence;

/// A curved line on the skin, in pixels of the master, y downward.
struct Line {
    x: f64,
    y: f64,
    /// Direction, radians.
    direction: f64,
    length: f64,
    /// Change of direction per pixel.
    bend: f64,
    /// Standard deviation of its profile, pixels.
    width: f64,
    depth: f64,
}

impl Line {
    /// Points along the line, half a pixel apart, each with its share 0–1 of the way.
    fn points(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let steps = (2.0 * self.length) as usize;
        let (mut x, mut y, mut direction) = (self.x, self.y, self.direction);
        (0..steps).map(move |i| {
            x += 0.5 * direction.cos();
            y += 0.5 * direction.sin();
            direction += 0.5 * self.bend;
            (x, y, i as f64 / steps as f64)
        })
    }

    /// Draws the line into `marks`: deepest wins. Ends taper, and the depth wavers along it.
    fn draw(&self, marks: &mut Field, rng: &mut Sequence) {
        let phases = [rng.range(0.0, 6.3), rng.range(0.0, 6.3)];
        for (x, y, share) in self.points() {
            let taper = (4.0 * share * (1.0 - share)).sqrt();
            let arc = share * self.length;
            let waver = 0.8 + 0.25 * (arc / 7.0 + phases[0]).sin() * (arc / 17.0 + phases[1]).sin();
            stamp(marks, x, y, self.width * (0.6 + 0.4 * taper), self.depth * taper * waver);
        }
    }
}

/// Raises `marks` to a Gaussian bump of height `depth` at (x, y).
fn stamp(marks: &mut Field, x: f64, y: f64, sigma: f64, depth: f64) {
    let reach = (2.5 * sigma).ceil();
    let range = |centre: f64, size: usize| {
        let first = (centre - reach).max(0.0) as usize;
        first..((centre + reach + 1.0).max(0.0) as usize).min(size)
    };
    for row in range(y, marks.height) {
        for column in range(x, marks.width) {
            let squared = (column as f64 - x).powi(2) + (row as f64 - y).powi(2);
            // (1 − r²/9σ²)⁴ follows the Gaussian closely and needs no exponential.
            let bell = (1.0 - squared / (9.0 * sigma * sigma)).max(0.0).powi(4);
            let value = &mut marks.data[row * marks.width + column];
            *value = value.max((depth * bell) as f32);
        }
    }
}

/// Draws creases, scars and pores of one finger. Scars shift the ridges beside them, so `ridges`
/// may change. Returns how much each pixel lies below the crest: 0 for none, about 1 for a mark
/// that takes no ink.
pub(super) fn mark(ridges: &mut Field, rng: &mut Sequence) -> Field {
    let mut marks = Field::filled(MASTER_WIDTH, MASTER_HEIGHT, 0.0);
    draw_creases(&mut marks, rng);
    if rng.uniform() < 0.08 {
        draw_scar(ridges, &mut marks, rng);
    }
    draw_pores(ridges, &mut marks, rng);
    marks
}

/// Creases: a few long ones and, on worn or older skin, many short ones, most of them along one
/// direction of the finger's own.
fn draw_creases(marks: &mut Field, rng: &mut Sequence) {
    let age = rng.uniform();
    let long = rng.below(5);
    let short = (18.0 * age * age) as u32 + rng.below(3);
    let main = rng.normal(0.0, 0.5);
    for i in 0..long + short {
        let is_long = i < long;
        let length = if is_long { rng.range(60.0, 170.0) } else { rng.range(14.0, 50.0) };
        let turned = if rng.uniform() < 0.2 { std::f64::consts::FRAC_PI_2 } else { 0.0 };
        let direction = main + turned + rng.normal(0.0, 0.25);
        let (middle_x, middle_y) = (
            rng.range(0.12, 0.88) * MASTER_WIDTH as f64,
            rng.range(0.15, 0.95) * MASTER_HEIGHT as f64,
        );
        let line = Line {
            x: middle_x - 0.5 * length * direction.cos(),
            y: middle_y - 0.5 * length * direction.sin(),
            direction,
            length,
            bend: rng.normal(0.0, 0.004),
            width: if is_long { rng.range(1.0, 2.6) } else { rng.range(0.8, 1.6) },
            depth: rng.range(1.0, 2.4),
        };
        line.draw(marks, rng);
    }
}

/// A healed cut: a pale line along which the ridges no longer meet.
fn draw_scar(ridges: &mut Field, marks: &mut Field, rng: &mut Sequence) {
    let direction = rng.range(0.0, std::f64::consts::PI);
    let length = rng.range(50.0, 130.0);
    let (middle_x, middle_y) =
        (rng.range(0.25, 0.75) * MASTER_WIDTH as f64, rng.range(0.25, 0.75) * MASTER_HEIGHT as f64);
    let (sin, cos) = direction.sin_cos();
    let slip = rng.normal(0.0, 3.0);
    let before = ridges.clone();
    *ridges = Field::from_fn(before.width, before.height, |column, row| {
        let (x, y) = (column as f64 - middle_x, row as f64 - middle_y);
        let (along, across) = (x * cos + y * sin, y * cos - x * sin);
        let near = (-0.5 * ((across / 14.0).powi(2) + (along / (0.4 * length)).powi(2))).exp();
        if near < 0.02 {
            return before.at(column, row);
        }
        let shift = slip * near * across.signum();
        before.sample((column as f64 + shift * cos) as f32, (row as f64 + shift * sin) as f32)
    });
    let line = Line {
        x: middle_x - 0.5 * length * cos,
        y: middle_y - 0.5 * length * sin,
        direction,
        length,
        bend: 0.0,
        width: rng.range(1.6, 3.4),
        depth: 2.2,
    };
    line.draw(marks, rng);
}

/// Pores: one candidate per cell of a jittered lattice, kept where it falls on the crest of a ridge.
fn draw_pores(ridges: &Field, marks: &mut Field, rng: &mut Sequence) {
    const CELL: usize = 6;
    let depth = rng.range(0.3, 0.9);
    for row in 0..MASTER_HEIGHT / CELL {
        for column in 0..MASTER_WIDTH / CELL {
            let x = (column as f64 + rng.uniform()) * CELL as f64;
            let y = (row as f64 + rng.uniform()) * CELL as f64;
            let on_crest = ridges.sample(x as f32, y as f32) > 0.8;
            if on_crest {
                stamp(marks, x, y, rng.range(0.9, 1.5), depth);
            }
        }
    }
}
