//! The prints that the network is trained and judged on, with what is known about each.

use super::loss::PrintTarget;
use super::network::{CELLS, Measure, PIXELS, SIDE};
use super::pixels::squared;
use crate::data::Reporter;
use crate::data::procedural::{Finger, HenryClass, Master, Truth};
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use image::{GrayImage, imageops};
use rayon::prelude::*;

/// Impressions of each finger: growing a finger costs ten times an impression.
pub(super) const IMPRESSIONS: u32 = 3;
/// Places at which the truth is read: a grid of this many a side, the same number in each cell.
const PLACES: usize = 12;
/// Of the places in a cell, how many the finger must touch for the cell to count.
const ENOUGH: usize = (PLACES / CELLS) * (PLACES / CELLS) / 2;
/// Prints drawn below this width are enlarged to the square: no longer sharp, by an unknown amount.
const SHARP_FROM: u32 = 88;

/// One print in the network's square.
pub(super) struct Drawn {
    pub pixels: Vec<u8>,
    pub target: PrintTarget,
}

/// `count` prints of the population `seed`, classes in turn, three impressions a finger. Print `i` depends on
/// the seed and `i` alone.
///
/// # Errors
/// None for the sizes chosen here.
pub(super) fn prints(
    workers: &rayon::ThreadPool,
    seed: u64,
    count: u32,
    what: &str,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Drawn>> {
    let fingers = count.div_ceil(IMPRESSIONS);
    let at_once = 16 * workers.current_num_threads() as u32;
    let mut drawn = Vec::with_capacity(count as usize);
    for first in (0..fingers).step_by(at_once as usize) {
        let last = fingers.min(first + at_once);
        let fingers = (first..last).into_par_iter();
        let batch: Vec<Result<Vec<Drawn>>> =
            workers.install(|| fingers.map(|finger| impressions(seed, finger, count)).collect());
        for prints in batch {
            drawn.extend(prints?);
        }
        reporter.progress(what, drawn.len(), count as usize);
    }
    Ok(drawn)
}

/// The impressions of one finger, those numbered below `count`.
fn impressions(seed: u64, index: u32, count: u32) -> Result<Vec<Drawn>> {
    let class = HenryClass::ALL[index as usize % HenryClass::ALL.len()];
    let master = Finger::with_class(seed, index, class).grow();
    let first = index * IMPRESSIONS;
    (first..count.min(first + IMPRESSIONS))
        .map(|print| {
            let mut rng = Sequence::new(seed, Stream::FeatureSet, 0, print);
            impression(&master, print - first + 1, Framing::draw(&mut rng))
        })
        .collect()
}

/// How a print comes into the square.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Framing {
    width: u32,
    height: u32,
    /// `None` where the print is scaled to fit; else where its left upper corner lies in the square, unscaled.
    corner: Option<(i32, i32)>,
}

impl Framing {
    /// A quarter of the prints is drawn at the very size, two fifths scaled to it from a smaller or larger
    /// size, the rest shown as they are: with a margin or cut, so that periods vary.
    fn draw(rng: &mut Sequence) -> Self {
        // As square, as SOCOFing's prints with their frame (96×103) and without (90×97).
        let aspect = [1.0, 103.0 / 96.0, 97.0 / 90.0][rng.below(3) as usize];
        let sized = |width: f64| (width as u32, (width * aspect).round() as u32);
        let choice = rng.uniform();
        if choice < 0.25 {
            return Self { width: SIDE as u32, height: SIDE as u32, corner: None };
        }
        if choice < 0.65 {
            let smaller = choice < 0.35;
            let width = if smaller { rng.range(56.0, 88.0) } else { rng.range(88.0, 150.0) };
            let (width, height) = sized(width.floor());
            return Self { width, height, corner: None };
        }
        let (width, height) = sized(rng.range(84.0, 124.0).floor());
        let mut corner = |side: u32| {
            let jitter = rng.below(13) as i32 - 6;
            (SIDE as i32 - side as i32) / 2 + jitter
        };
        let corner = Some((corner(width), corner(height)));
        Self { width, height, corner }
    }

    /// The place on the print, in its pixels, under a place of the square.
    fn print_position(&self, x: f64, y: f64) -> (f64, f64) {
        let scale = self.scale();
        let (left, top) = self.corner.map_or_else(
            || {
                // As `resize::squared` pads.
                let margin = |side: u32| {
                    let side = (f64::from(side) * scale).round() as usize;
                    ((SIDE - side.min(SIDE)) / 2) as f64
                };
                (margin(self.width), margin(self.height))
            },
            |(left, top)| (f64::from(left), f64::from(top)),
        );
        ((x - left) / scale, (y - top) / scale)
    }

    /// Pixels of the square for one of the print.
    fn scale(&self) -> f64 {
        match self.corner {
            Some(_) => 1.0,
            None => SIDE as f64 / f64::from(self.width.max(self.height)),
        }
    }
}

/// One impression in the square.
fn impression(master: &Master, number: u32, framing: Framing) -> Result<Drawn> {
    let print = master.impression(number, framing.width, framing.height)?;
    let pixels = match framing.corner {
        None => squared(&print)?,
        Some((left, top)) => {
            let mut page = GrayImage::from_pixel(SIDE as u32, SIDE as u32, image::Luma([255]));
            imageops::replace(&mut page, &print, i64::from(left), i64::from(top));
            page.into_raw()
        }
    };
    let truth = master.finger().truth(number, framing.width, framing.height)?;
    let target = target(&truth, &framing, master.finger().class());
    Ok(Drawn { pixels, target })
}

/// The truth about the square.
fn target(truth: &Truth, framing: &Framing, class: HenryClass) -> PrintTarget {
    let per_cell = PLACES / CELLS;
    let mut cells = [([0.0; 2], 0usize); CELLS * CELLS];
    let (mut log_period, mut touched) = (0.0, 0usize);
    for row in 0..PLACES {
        for column in 0..PLACES {
            let at = |i: usize| (i as f64 + 0.5) * SIDE as f64 / PLACES as f64;
            let (x, y) = framing.print_position(at(column), at(row));
            let Some(ridge) = truth.ridge(x, y) else { continue };
            touched += 1;
            log_period += (ridge.period * framing.scale()).ln();
            let (sin, cos) = (2.0 * ridge.angle).sin_cos();
            let (sum, count) = &mut cells[row / per_cell * CELLS + column / per_cell];
            sum[0] += cos;
            sum[1] += sin;
            *count += 1;
        }
    }
    let sharp = framing.corner.is_some() || framing.width >= SHARP_FROM;
    let value = |measure| match measure {
        Measure::LogPeriod => (touched > 0).then(|| log_period / touched as f64),
        Measure::Blur => sharp.then_some(0.0),
        Measure::Noise => Some(0.0),
        Measure::Pressure => Some(truth.pressure()),
        Measure::Dryness => Some(truth.dryness()),
        Measure::Contact => Some(touched as f64 / (PLACES * PLACES) as f64),
    };
    PrintTarget {
        class: class as usize,
        measures: Measure::ALL.map(value),
        flow: cells.map(|(sum, count)| (count >= ENOUGH).then(|| sum.map(|s| s / count as f64))),
    }
}

/// Bytes of the pixels of `count` prints.
pub(super) const fn bytes(count: u32) -> u64 {
    count as u64 * PIXELS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(threads: usize, count: u32) -> Vec<Drawn> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        prints(&pool, 9, count, "prints", &mut ()).unwrap()
    }

    #[test]
    fn a_print_depends_on_seed_and_number_alone() {
        let (one, two) = (drawn(1, 16), drawn(2, 11));
        assert_eq!((one.len(), two.len()), (16, 11));
        for (a, b) in one.iter().zip(&two) {
            assert_eq!((&a.pixels, &a.target), (&b.pixels, &b.target));
        }
        assert_eq!(one[3].target.class, 1);
        assert_eq!(one[15].target.class, 0);
    }

    /// Direction (radians) and period of the strongest plane wave under a Gaussian window in the middle of a
    /// cell, by trying all: independent of the formula that the truth comes from.
    fn strongest_wave(pixels: &[u8], cell: usize) -> (f64, f64) {
        let corner = |i: usize| i * SIDE / CELLS + 1;
        let (left, top) = (corner(cell % CELLS), corner(cell / CELLS));
        let mut best = (0.0, 0.0, 0.0);
        for degrees in (0..180).step_by(3) {
            let angle = f64::from(degrees).to_radians();
            for period in (0..10).map(|i| 2.4 * 1.09f64.powi(i)) {
                let k = std::f64::consts::TAU / period;
                let (kx, ky) = (-k * angle.sin(), k * angle.cos());
                let (mut re, mut im) = (0.0, 0.0);
                for y in 0..30 {
                    for x in 0..30 {
                        let (dx, dy) = (x as f64 - 14.5, 14.5 - y as f64);
                        let window = (-0.5 * (dx * dx + dy * dy) / 49.0).exp();
                        let grey = f64::from(pixels[(top + y) * SIDE + left + x]) - 128.0;
                        let (sin, cos) = (kx * dx + ky * dy).sin_cos();
                        re += window * grey * cos;
                        im += window * grey * sin;
                    }
                }
                let power = re * re + im * im;
                if power > best.2 {
                    best = (angle, period, power);
                }
            }
        }
        (best.0, best.1)
    }

    #[test]
    fn the_truth_is_what_the_pixels_show() {
        let (mut errors, mut periods) = (Vec::new(), Vec::new());
        for print in drawn(2, 60) {
            let period = print.target.measures[0].unwrap().exp();
            for (cell, flow) in print.target.flow.iter().enumerate() {
                let Some([c, s]) = flow.filter(|[c, s]| c.hypot(*s) > 0.97) else { continue };
                let (angle, found) = strongest_wave(&print.pixels, cell);
                let off = 2.0 * angle - s.atan2(c);
                errors.push(0.5 * off.sin().atan2(off.cos()).abs().to_degrees());
                periods.push(found / period);
            }
        }
        assert!(errors.len() > 30, "{}", errors.len());
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        // The search has steps of 3° and 9 %; the window sees less than the cell and far less than the print.
        let (angle, ratio) = (median(&mut errors), median(&mut periods));
        assert!(angle < 3.5, "{errors:?}");
        assert!((0.94..1.06).contains(&ratio), "{periods:?}");
    }

    /// Scaling a print scales its period; where it is shown unscaled the period is that of its pixels.
    #[test]
    fn periods_follow_the_framing() {
        let finger = Finger::with_class(3, 8, HenryClass::Whorl);
        let period = |width: u32, height: u32, corner| {
            let framing = Framing { width, height, corner };
            let truth = finger.truth(1, width, height).unwrap();
            target(&truth, &framing, finger.class()).measures[0].unwrap().exp()
        };
        let plain = period(96, 96, None);
        assert!((2.6..3.9).contains(&plain), "{plain}");
        assert!((period(144, 144, None) / plain - 1.0).abs() < 0.01);
        let larger = period(120, 120, Some((-12, -12)));
        assert!((larger / plain / 1.25 - 1.0).abs() < 0.03, "{larger} {plain}");
    }
}
