//! The distance from ridge to ridge, in blocks of the print.

use super::Print;
use super::orientation::OrientationField;
use super::smooth::gaussian;
use super::wave::{Fitter, Wave};

/// Side of a block, pixels.
pub const BLOCK: usize = 8;
/// Slow variation of the ink is removed with a Gaussian of this width, pixels; it leaves 99 % of a
/// period of 12 px.
const BACKGROUND_SIGMA: f32 = 6.0;
/// A block has ridges if a plane wave explains at least this share of the variance around it.
/// White noise stays below in nine blocks of ten, prints with scars and pores above in as many.
const LEAST_EXPLAINED: f32 = 0.1;
/// A print has a period if at least this share of its foreground blocks have ridges.
const LEAST_BLOCKS: f64 = 0.25;

/// How far from the median half of a print's periods may lie, as a share of it.
const AGREEMENT: f64 = 0.25;

/// Ridge period and clarity of every block of [`BLOCK`] × [`BLOCK`] pixels, row by row.
#[derive(Clone, Debug)]
pub struct PeriodMap {
    columns: usize,
    periods: Vec<Option<f32>>,
    clarity: Vec<f32>,
    foreground: usize,
}

impl PeriodMap {
    /// Fits a plane wave around every block whose centre is foreground.
    pub fn new(print: &Print, field: &OrientationField) -> Self {
        let (width, height) = (print.width, print.height);
        let (columns, rows) = (width.div_ceil(BLOCK), height.div_ceil(BLOCK));
        let mut map = Self {
            columns,
            periods: vec![None; columns * rows],
            clarity: vec![0.0; columns * rows],
            foreground: 0,
        };
        if print.foreground == 0 {
            return map;
        }
        let background = gaussian(&print.ink, width, height, BACKGROUND_SIGMA);
        let ink: Vec<f32> = print.ink.iter().zip(&background).map(|(a, b)| a - b).collect();
        let fitter = Fitter::new(&ink, &print.mask, width, height);
        for at in 0..columns * rows {
            let centre = |block: usize, length: usize| (block * BLOCK + BLOCK / 2).min(length - 1);
            let (x, y) = (centre(at % columns, width), centre(at / columns, height));
            if !print.mask[y * width + x] {
                continue;
            }
            map.foreground += 1;
            let wave = fitter.fit(x, y, field.angle(x, y));
            if let Some(wave) = wave.filter(|wave| wave.explained >= LEAST_EXPLAINED) {
                map.periods[at] = Some(1.0 / wave.frequency);
                map.clarity[at] = clarity(&fitter, &wave, x, y);
            }
        }
        map
    }

    /// Blocks in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The period of each block in pixels, 2 to 14; `None` on the ground and where there are no
    /// ridges.
    pub fn periods(&self) -> &[Option<f32>] {
        &self.periods
    }

    /// How well each block's ridges and valleys are told apart by their ink, 0 to 1; 0 without
    /// ridges. After the local clarity score of Chen, Dass & Jain (AVBPA 2005) and ISO/IEC
    /// 29794-4: 1 − α − β, where α is the share of the pixels on ridges that are brighter than the
    /// fitted wave's mean and β that of the pixels in valleys that are darker. Chance gives 0.
    pub fn clarity(&self) -> &[f32] {
        &self.clarity
    }

    /// Mean clarity over the foreground's blocks; 0 without a foreground.
    pub fn mean_clarity(&self) -> f64 {
        let sum: f64 = self.clarity.iter().copied().map(f64::from).sum();
        sum / self.foreground.max(1) as f64
    }

    /// Share of the foreground's blocks that have ridges; 0 without a foreground.
    pub fn ridge_share(&self) -> f64 {
        self.periods.iter().flatten().count() as f64 / self.foreground.max(1) as f64
    }

    /// The median period in pixels; `None` if less than a quarter of the foreground's blocks have
    /// ridges, or less than half of those are within a quarter of the median: noise and blotches
    /// have waves too, but not of one period.
    pub fn median(&self) -> Option<f64> {
        if self.ridge_share() < LEAST_BLOCKS {
            return None;
        }
        let mut periods: Vec<f32> = self.periods.iter().copied().flatten().collect();
        periods.sort_unstable_by(f32::total_cmp);
        let upper = *periods.get(periods.len() / 2)?;
        let lower = *periods.get((periods.len() - 1) / 2)?;
        let median = 0.5 * (f64::from(lower) + f64::from(upper));
        let near = |p: &&f32| (f64::from(**p) / median - 1.0).abs() <= AGREEMENT;
        (2 * periods.iter().filter(near).count() >= periods.len()).then_some(median)
    }
}

/// Clarity of the block around (`x`, `y`).
fn clarity(fitter: &Fitter, wave: &Wave, x: usize, y: usize) -> f32 {
    let mut wrong = [0f32; 2];
    let mut total = [0f32; 2];
    for row in y.saturating_sub(BLOCK / 2)..(y + BLOCK / 2).min(fitter.height) {
        for column in x.saturating_sub(BLOCK / 2)..(x + BLOCK / 2).min(fitter.width) {
            let at = row * fitter.width + column;
            if fitter.mask[at] {
                let ridge = wave.is_ridge(column, row);
                let dark = fitter.ink[at] > wave.mean;
                total[usize::from(ridge)] += 1.0;
                wrong[usize::from(ridge)] += f32::from(ridge != dark);
            }
        }
    }
    let errors: f32 = (0..2).map(|k| wrong[k] / total[k].max(1.0)).sum();
    (1.0 - errors).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        crossing_period, draw, hopeless, noise, noisy, prints, rings, wave,
    };
    use super::*;
    use crate::data::procedural::Finger;
    use image::GrayImage;
    use std::f64::consts::TAU;

    fn map(image: &GrayImage) -> PeriodMap {
        let print = Print::new(image);
        PeriodMap::new(&print, &OrientationField::new(&print))
    }

    #[test]
    fn waves_of_any_period_and_direction() {
        for period in [2.1, 2.5, 3.2, 4.0, 6.5, 9.0, 12.0] {
            for step in 0..12 {
                let angle = (15.0 * f64::from(step) + 2.0).to_radians();
                let found = map(&wave(96, 103, period, angle));
                let error = found.median().unwrap() / period - 1.0;
                assert!(error.abs() < 0.01, "{period} {angle}: {error}");
                assert!(found.ridge_share() > 0.99);
            }
        }
    }

    #[test]
    fn rings_and_chirps_have_the_period_of_their_place() {
        for period in [2.5, 3.2, 8.0] {
            let found = map(&rings(96, 103, period, [46.3, 52.8])).median().unwrap();
            assert!((found / period - 1.0).abs() < 0.005, "{period} {found}");
        }
        // The frequency grows from 1/6 to 1/3 across 160 pixels.
        let frequency = |x: f64| (1.0 + x / 160.0) / 6.0;
        let phase = |x: f64| TAU * (x + x * x / 320.0) / 6.0;
        let found = map(&draw(160, 64, |x, _| phase(x).cos()));
        for (at, period) in found.periods().iter().enumerate() {
            let column = at % found.columns();
            // At the edge the window sees one side only.
            if (2..18).contains(&column) {
                let known = 1.0 / frequency((column * BLOCK + BLOCK / 2) as f64);
                let error = f64::from(period.unwrap()) / known - 1.0;
                assert!(error.abs() < 0.02, "column {column}: {error}");
            }
        }
    }

    /// Against distances of zero crossings on the same fingers' ridges at 500 ppi.
    #[test]
    fn prints_have_the_period_of_their_ridges() {
        let mut ratios = Vec::new();
        for index in 0..16 {
            let master = Finger::new(5, index).grow();
            let known = crossing_period(&master) * 96.0 / 240.0;
            ratios.push(map(&master.impression(1, 96, 103).unwrap()).median().unwrap() / known);
        }
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        // Impressions are stretched by 2 % (1 σ) and show a part of the finger.
        assert!(ratios.iter().all(|ratio| (ratio - 1.0).abs() < 0.09), "{ratios:?}");
    }

    #[test]
    fn noise_hides_ridges_and_has_none() {
        for seed in 0..4 {
            let found = map(&noise(96, 103, 60.0, seed));
            assert_eq!(found.median(), None);
            assert!(found.ridge_share() < 0.2);
        }
        for print in prints(3, 96, 103, 1) {
            let of = |sigma| map(&noisy(&print, sigma, 9));
            let clarity = [0.0, 30.0, 60.0, 120.0].map(|sigma| of(sigma).mean_clarity());
            assert!(clarity.is_sorted_by(|a, b| a > b), "{clarity:?}");
            let (clean, noisy) = (of(0.0).median().unwrap(), of(40.0).median().unwrap());
            assert!((noisy / clean - 1.0).abs() < 0.05, "{clean} {noisy}");
        }
    }

    #[test]
    fn blank_images_have_none_and_tiny_ones_do_not_panic() {
        for image in hopeless() {
            let found = map(&image);
            assert_eq!(
                (found.median(), found.mean_clarity(), found.ridge_share()),
                (None, 0.0, 0.0)
            );
        }
        for (width, height) in [(16, 16), (16, 40), (1, 30), (5, 3)] {
            let found = map(&wave(width, height, 3.2, 0.3));
            assert!(found.clarity().iter().all(|c| (0.0..=1.0).contains(c)));
            assert!(found.periods().iter().flatten().all(|p| p.is_finite()));
        }
    }
}
