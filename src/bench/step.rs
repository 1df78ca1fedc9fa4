//! One whole training step.

use super::harness::{Clock, Spread};
use super::machine::Machine;
use super::report::{Report, Subject, milliseconds, percent, table};
use super::roofline::{gflops, step_flop};
use super::{Setup, wrong};
use crate::backend::cpu::Convolutions;
use crate::backend::{Backend, Cpu};
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use crate::train::{Gan, Hyper, Losses};
use serde::Serialize;
use std::fmt;

/// Largest relative difference between a loss of the first step and the same with direct convolutions.
/// The two differ by the rounding of f32 sums and by Adam's first update, which turns a gradient's
/// rounding into a step where it is nearly zero.
const TOLERANCE: f64 = 1e-4;

/// What a step took.
#[derive(Debug, Serialize)]
pub struct Step {
    pub step_seconds: Spread,
    pub images_per_second: f64,
    /// GFLOP of a step by [`step_flop`].
    pub gflop: f64,
    /// Direct-equivalent GFLOP/s.
    pub gflops: f64,
    /// Of the peak; above 1 where an algorithm saves multiplications.
    pub share_of_peak: f64,
    /// Largest relative difference of the first step's losses from those with direct convolutions;
    /// `null` where these were measured.
    pub error: Option<f64>,
}

/// A network in training on random images: a step costs the same whatever they show.
///
/// # Errors
/// As [`Gan::new`].
pub fn on_noise<B: Backend>(backend: B, hyper: Hyper) -> Result<Gan<B>> {
    let mut gan = Gan::new(backend, hyper)?;
    let mut numbers = Sequence::new(hyper.seed, Stream::Init, u32::MAX, 0);
    let model = hyper.model;
    let count = hyper.batch_size * model.channels * model.image_size * model.image_size;
    let reals: Vec<f32> = (0..count).map(|_| numbers.range(-1.0, 1.0) as f32).collect();
    gan.upload_reals(&reals)?;
    Ok(gan)
}

/// Checks the first step's losses against those with direct convolutions, then times further steps.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if the losses are wrong or memory runs out;
/// [`Error::Diverged`](crate::Error::Diverged) if a value stops being finite.
pub fn run(setup: &Setup, command: String) -> Result<Report<Step>> {
    // One after the other: the two need not fit into memory together.
    let expected = match setup.convolutions {
        Convolutions::Auto => {
            Some(first_step(on_noise(setup.backend_with(Convolutions::Direct)?, setup.hyper)?)?.1)
        }
        Convolutions::Direct => None,
    };
    let (mut gan, losses) = first_step(on_noise(setup.backend()?, setup.hyper)?)?;
    let error = expected.map(|expected| largest_difference(losses, expected));
    if let Some(error) = error.filter(|error| error.is_nan() || *error > TOLERANCE) {
        return Err(wrong(format_args!(
            "a loss of the first step is off by {error:.1e} of the one with direct convolutions, more than \
             {TOLERANCE:e}"
        )));
    }
    let mut clock = Clock::new(setup.backend()?, setup.runs);
    let step_seconds = clock.time(|| gan.step())?;
    let flop = step_flop(&setup.hyper.model, setup.hyper.batch_size)?;
    let (gflops, peak) = (gflops(flop, step_seconds), clock.peak());
    Ok(Report {
        machine: Machine::now(gan.backend.describe(), command),
        subject: Subject::of(setup),
        peak_gflops: peak,
        results: Step {
            step_seconds,
            images_per_second: setup.hyper.batch_size as f64 / step_seconds.median,
            gflop: flop as f64 / 1e9,
            gflops,
            share_of_peak: gflops / peak.median,
            error,
        },
    })
}

fn first_step(mut gan: Gan<Cpu>) -> Result<(Gan<Cpu>, Losses)> {
    gan.step()?;
    let losses = gan.losses()?;
    Ok((gan, losses))
}

/// The largest difference of a loss or of one of D's opinions, relative to the expected one.
fn largest_difference(losses: Losses, expected: Losses) -> f64 {
    let values = |l: Losses| [l.d_real, l.d_x, l.d_fake, l.d_g_z1, l.g, l.d_g_z2].map(f64::from);
    let pairs = values(losses).into_iter().zip(values(expected));
    // `f64::max` would pass over a NaN.
    pairs.map(|(a, b)| ((a - b) / b).abs()).fold(0.0, |worst, d| if d <= worst { worst } else { d })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, range] = milliseconds(self.step_seconds);
        let header = ["ms a step", "min to max", "runs", "images/s", "GFLOP", "GFLOP/s", "of peak"];
        let row = vec![
            median,
            range,
            self.step_seconds.runs.to_string(),
            format!("{:.1}", self.images_per_second),
            format!("{:.2}", self.gflop),
            format!("{:.1}", self.gflops),
            percent(self.share_of_peak),
        ];
        writeln!(f, "{}\n", table(0, &header, &[row]))?;
        match self.error {
            Some(error) => write!(
                f,
                "Checked first: the losses of one step differ from those with direct convolutions by {error:.1e} at \
                 most, relatively."
            ),
            None => f.write_str("Every loss is finite."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_loss_and_a_nan_are_seen() {
        let losses =
            Losses { d_real: 1.0, d_x: 0.5, d_fake: 2.0, d_g_z1: 0.25, g: 4.0, d_g_z2: 0.125 };
        assert_eq!(largest_difference(losses, losses), 0.0);
        assert_eq!(largest_difference(Losses { g: 5.0, ..losses }, losses), 0.25);
        for nan in [Losses { d_real: f32::NAN, ..losses }, Losses { d_g_z2: f32::NAN, ..losses }] {
            let error = largest_difference(nan, losses);
            assert!(error.is_nan(), "{error}");
        }
    }
}
