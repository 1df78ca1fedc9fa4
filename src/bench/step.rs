//! One whole training step.

use super::harness::Clock;
use super::machine::Machine;
use super::report::{Report, Subject};
use super::roofline::{Throughput, step_flop};
use super::{Setup, worse, wrong};
use crate::backend::cpu::Convolutions;
use crate::backend::{Backend, Cpu};
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use crate::train::{Gan, Hyper, Losses};
use serde::Serialize;
use std::fmt;

/// Largest relative difference of what D says before its first update from the same with direct
/// convolutions: f32 rounds sums in another order.
const BEFORE_UPDATE: f64 = 1e-4;

/// The same for what the updated D says. Where rounding moves an activation over LeakyReLU's kink, its
/// gradient is another one by a factor of five, and Adam's first update is nearly a gradient's sign: at
/// batch 16 differences of 3e-4 were seen between results that are both right.
const AFTER_UPDATE: f64 = 1e-2;

/// What a step took.
#[derive(Debug, Serialize)]
pub struct Step {
    #[serde(flatten)]
    pub throughput: Throughput,
    /// `null` where direct convolutions were measured, as these are what others are held to.
    pub errors: Option<Errors>,
}

/// Largest relative differences of the first step's losses, and of D's mean opinions, from those with
/// direct convolutions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Errors {
    /// Of D on real images and on fakes.
    pub before_update: f64,
    /// Of the updated D on the fakes.
    pub after_update: f64,
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
    let errors = expected.map(|expected| Errors::check(losses, expected)).transpose()?;
    let mut clock = Clock::new(setup.backend()?, setup.runs);
    let seconds = clock.time(|| gan.step())?;
    let n = setup.hyper.batch_size;
    let flop = step_flop(&setup.hyper.model, n)?;
    let peak = clock.peak();
    Ok(Report {
        machine: Machine::now(gan.backend.describe(), command),
        subject: Subject::of(setup),
        peak_gflops: peak,
        results: Step { throughput: Throughput::new(n, flop, seconds, peak), errors },
    })
}

fn first_step(mut gan: Gan<Cpu>) -> Result<(Gan<Cpu>, Losses)> {
    gan.step()?;
    let losses = gan.losses()?;
    Ok((gan, losses))
}

impl Errors {
    fn check(losses: Losses, expected: Losses) -> Result<Self> {
        let before = |l: Losses| [l.d_real, l.d_x, l.d_fake, l.d_g_z1];
        let after = |l: Losses| [l.g, l.d_g_z2];
        let errors = Self {
            before_update: largest_difference(&before(losses), &before(expected)),
            after_update: largest_difference(&after(losses), &after(expected)),
        };
        for (error, tolerance, when) in [
            (errors.before_update, BEFORE_UPDATE, "before D's update"),
            (errors.after_update, AFTER_UPDATE, "after D's update"),
        ] {
            if error.is_nan() || error > tolerance {
                return Err(wrong(format_args!(
                    "a loss of the first step, {when}, is off by {error:.1e} of the one with direct \
                     convolutions, more than {tolerance:e}"
                )));
            }
        }
        Ok(errors)
    }
}

/// The largest difference relative to the expected value; NaN if there is one.
fn largest_difference(values: &[f32], expected: &[f32]) -> f64 {
    let pairs = values.iter().zip(expected).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    pairs.map(|(a, b)| ((a - b) / b).abs()).fold(0.0, worse)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.throughput)?;
        match self.errors {
            Some(Errors { before_update, after_update }) => write!(
                f,
                "Checked first: the losses of one step differ from those with direct convolutions by \
                 {before_update:.1e} at most before D's update and {after_update:.1e} after it, relatively."
            ),
            None => f.write_str("Every loss is finite."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_loss_and_a_nan_are_refused() {
        let losses =
            Losses { d_real: 1.0, d_x: 0.5, d_fake: 2.0, d_g_z1: 0.25, g: 4.0, d_g_z2: 0.125 };
        let near = Losses { g: 4.0 * (1.0 + 1.0 / 1024.0), ..losses };
        let errors = Errors::check(near, losses).unwrap();
        assert_eq!((errors.before_update, errors.after_update), (0.0, 1.0 / 1024.0));
        for (wrong, when) in [
            (Losses { d_real: 1.0 + 1.0 / 1024.0, ..losses }, "before"),
            (Losses { d_real: f32::NAN, ..losses }, "before"),
            (Losses { d_g_z2: 0.128, ..losses }, "after"),
            (Losses { g: f32::NAN, ..losses }, "after"),
        ] {
            let message = Errors::check(wrong, losses).unwrap_err().to_string();
            assert!(message.contains(when), "{message}");
        }
    }
}
