//! What is known about an impression before a pixel of it is rendered: how the finger was put down,
//! and the direction and the period of the ridges under any pixel.
//!
//! A ridge is a wave on the finger with the wave vector **k**, |k| = 1/period. The impression reads the
//! finger at φ(pixel), so on the print the wave vector is Jᵀ**k** with J the Jacobian of φ: shift, turn,
//! stretch and elastic distortion are all in it.

use std::f64::consts::PI;

use super::field::Field;
use super::impression::{self, Condition, Contact, Placement};
use super::orientation::Orientation;
use super::ridges::{self, MASTER_HEIGHT, MASTER_WIDTH};
use super::{Finger, Part, VIEW_HEIGHT, VIEW_WIDTH, check_size};
use crate::error::Result;
use crate::rng::{Sequence, Stream};

/// Half the distance, in pixels at 500 ppi, over which the Jacobian is taken.
const REACH: usize = 4;

/// The ridges at one place of a print.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ridge {
    /// Their direction in radians, anticlockwise from the x axis, in [0, π).
    pub angle: f64,
    /// The distance from crest to crest, in pixels of the print.
    pub period: f64,
}

/// The truth about one impression of a finger at one size.
#[derive(Clone, Debug)]
pub struct Truth {
    orientation: Orientation,
    /// In pixels at 250 ppi, as [`ridges::period_grid`] gives it.
    period: Field,
    condition: Condition,
    contact: Contact,
    placement: Placement,
    /// The window of the view that is shown: left, top, columns, rows.
    window: (usize, usize, usize, usize),
    size: (u32, u32),
}

impl Finger {
    /// The truth about [`Master::impression`](super::Master::impression) of the same number and size;
    /// no ridge is grown for it.
    ///
    /// # Errors
    /// As `impression`.
    pub fn truth(&self, number: u32, width: u32, height: u32) -> Result<Truth> {
        check_size(width, height)?;
        let orientation = self.orientation();
        let mut period_rng = Self::rng(self.seed, self.index, Part::Period);
        let period = ridges::period_grid(self.period, &orientation, &mut period_rng);
        // The order in which `impression::render` draws them.
        let mut rng = Sequence::new(self.seed, Stream::Impression, self.index, number);
        let condition = Condition::draw(&mut rng);
        let placement = Placement::draw(&mut rng);
        let contact = Contact::draw(&mut rng);
        let window = impression::window(width, height);
        let size = (width, height);
        Ok(Truth { orientation, period, condition, contact, placement, window, size })
    }
}

impl Truth {
    /// How hard the finger was pressed, −0.7 to 0.85: above 0 ridges are wider than valleys.
    pub fn pressure(&self) -> f64 {
        self.condition.pressure
    }

    /// 0 for wet skin to 1 for dry.
    pub fn dryness(&self) -> f64 {
        self.condition.dryness
    }

    /// The ridges at (x, y) in pixels of the print, rightward and downward from its upper left corner;
    /// `None` outside the print and where the finger does not touch.
    pub fn ridge(&self, x: f64, y: f64) -> Option<Ridge> {
        let (left, top, columns, rows) = self.window;
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        if !(0.0..width).contains(&x) || !(0.0..height).contains(&y) {
            return None;
        }
        let (scale_x, scale_y) = (columns as f64 / width, rows as f64 / height);
        let column = (left + (x * scale_x) as usize).clamp(REACH, VIEW_WIDTH - 1 - REACH);
        let row = (top + (y * scale_y) as usize).clamp(REACH, VIEW_HEIGHT - 1 - REACH);
        let (finger_x, finger_y) = self.placement.position(column, row);
        if self.contact.depth(finger_x, finger_y) <= 0.0 {
            return None;
        }
        let (sin, cos) = self.orientation.angle(finger_x, finger_y).sin_cos();
        let frequency = 1.0 / self.finger_period(finger_x, finger_y);
        let (kx, ky) = (-sin * frequency, cos * frequency);
        let difference = |(ax, ay): (f64, f64), (bx, by): (f64, f64)| {
            let reach = 2.0 * REACH as f64;
            ((ax - bx) / reach, (ay - by) / reach)
        };
        let at = |column, row| self.placement.position(column, row);
        let along_x = difference(at(column + REACH, row), at(column - REACH, row));
        // Rows count downward, y upward.
        let along_y = difference(at(column, row - REACH), at(column, row + REACH));
        let print_x = (along_x.0 * kx + along_x.1 * ky) * scale_x;
        let print_y = (along_y.0 * kx + along_y.1 * ky) * scale_y;
        Some(Ridge {
            angle: (-print_x).atan2(print_y).rem_euclid(PI),
            period: 1.0 / (print_x * print_x + print_y * print_y).sqrt(),
        })
    }

    /// The ridge period on the finger in pixels at 500 ppi.
    fn finger_period(&self, x: f64, y: f64) -> f64 {
        let column = (x + MASTER_WIDTH as f64 / 2.0) / 2.0 - 0.5;
        let row = (MASTER_HEIGHT as f64 / 2.0 - y) / 2.0 - 0.5;
        2.0 * f64::from(self.period.sample(column as f32, row as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured_period;
    use super::*;
    use crate::data::procedural::HenryClass;

    /// The mean of the truth over the print against the crossings counted on the grown skin, which the sensor
    /// shows stretched by some 2 %.
    #[test]
    fn periods_are_those_of_the_grown_ridges() {
        for index in [3, 14, 25, 31, 47] {
            let finger = Finger::new(12, index);
            let truth = finger.truth(1, 240, 258).unwrap();
            let (mut sum, mut count) = (0.0, 0.0);
            for x in (50..190).step_by(5) {
                for y in (60..190).step_by(5) {
                    let Some(ridge) = truth.ridge(f64::from(x), f64::from(y)) else { continue };
                    // Crossings add up frequencies.
                    sum += 1.0 / ridge.period;
                    count += 1.0;
                }
            }
            let (said, measured) = (count / sum, measured_period(&finger.grow()));
            assert!((said / measured - 1.0).abs() < 0.06, "finger {index}: {said}, {measured}");
        }
    }

    /// The same place at another size: the direction stays and the period scales.
    #[test]
    fn a_print_of_another_size_has_the_same_ridges() {
        let finger = Finger::with_class(5, 2, HenryClass::Whorl);
        let (small, large) = (finger.truth(2, 80, 86).unwrap(), finger.truth(2, 240, 258).unwrap());
        let mut compared = 0;
        for (x, y) in [(20.5, 30.5), (40.5, 40.5), (55.5, 60.5), (30.5, 70.5)] {
            let (Some(a), Some(b)) = (small.ridge(x, y), large.ridge(3.0 * x, 3.0 * y)) else {
                continue;
            };
            assert!((a.angle - b.angle).abs() < 1e-9, "{a:?} {b:?}");
            assert!((3.0 * a.period / b.period - 1.0).abs() < 1e-9, "{a:?} {b:?}");
            compared += 1;
        }
        assert!(compared >= 2);
    }

    /// White paper is where no truth is, and a harder press makes a darker print.
    #[test]
    fn contact_and_pressure_show_in_the_pixels() {
        let (mut inside, mut outside) = ((0.0, 0.0), (0.0, 0.0));
        let mut pairs = Vec::new();
        for number in 1..=40 {
            let master = Finger::with_class(6, 3, HenryClass::RightLoop);
            let truth = master.truth(number, 96, 103).unwrap();
            let print = master.grow().impression(number, 96, 103).unwrap();
            let mut ink = (0.0, 0.0);
            for (x, y, pixel) in print.enumerate_pixels() {
                let dark = 255.0 - f64::from(pixel.0[0]);
                let touched = truth.ridge(f64::from(x) + 0.5, f64::from(y) + 0.5).is_some();
                let sums = if touched { &mut inside } else { &mut outside };
                *sums = (sums.0 + dark, sums.1 + 1.0);
                if touched {
                    ink = (ink.0 + dark, ink.1 + 1.0);
                }
            }
            pairs.push((truth.pressure(), ink.0 / ink.1));
        }
        let mean = |(sum, count): (f64, f64)| sum / count;
        assert!(mean(inside) > 6.0 * mean(outside), "{} {}", mean(inside), mean(outside));
        let n = pairs.len() as f64;
        let (mx, my) = (
            pairs.iter().map(|p| p.0).sum::<f64>() / n,
            pairs.iter().map(|p| p.1).sum::<f64>() / n,
        );
        let sum =
            |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|p| f(p.0 - mx, p.1 - my)).sum::<f64>();
        let correlation = sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
        assert!(correlation > 0.7, "correlation {correlation}");
    }

    #[test]
    fn outside_the_print_and_at_impossible_sizes_there_is_none() {
        let finger = Finger::new(1, 1);
        let truth = finger.truth(1, 96, 103).unwrap();
        for (x, y) in [(-0.1, 50.0), (96.0, 50.0), (50.0, 103.0), (f64::NAN, 50.0)] {
            assert_eq!(truth.ridge(x, y), None);
        }
        assert_eq!(finger.truth(1, 8, 8).unwrap_err().exit_code(), 2);
    }
}
