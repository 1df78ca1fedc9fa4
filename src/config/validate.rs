//! The limits of every hyperparameter.

use super::{Every, RunConfig};
use crate::error::{Error, Result};

/// Elements of one tensor, so that an index fits 32 signed bits on any device.
const LARGEST_TENSOR: u64 = i32::MAX as u64;

pub(super) fn validate(c: &RunConfig) -> Result<()> {
    data(c)?;
    c.model().validate()?;
    range("batch-size", c.batch_size, 2, 4096, BATCH_REASON)?;
    largest_tensor(c)?;
    optimiser(c)?;
    run(c)
}

const BATCH_REASON: &str = " (batch normalisation compares the images of a batch)";

fn fail<T>(message: String) -> Result<T> {
    Err(Error::Config(message))
}

fn range(flag: &str, value: u32, low: u32, high: u32, reason: &str) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    fail(format!("--{flag} {value} is out of range: it must lie in {low} to {high}{reason}"))
}

fn data(c: &RunConfig) -> Result<()> {
    if !(0.0..=0.9).contains(&c.held_out) {
        return fail(format!(
            "--held-out {} is out of range: it is a share of the subjects, 0 to 0.9",
            c.held_out
        ));
    }
    if !(0.0..=1.0).contains(&c.max_bad) {
        return fail(format!(
            "--max-bad {} is out of range: it is a share of the images, 0 to 1",
            c.max_bad
        ));
    }
    range("synth-count", c.synth_count, 1, 10_000_000, "")
}

/// Refuses batches that no machine holds, before any size is computed in 32 bits.
fn largest_tensor(c: &RunConfig) -> Result<()> {
    // The widest activation: width × (size/2)², or the image itself.
    let half = u64::from(c.image_size) * u64::from(c.image_size) / 4;
    let widest = u64::from(c.ngf.max(c.ndf)).max(4 * u64::from(c.channels));
    let elements = u64::from(c.batch_size) * widest * half;
    if elements > LARGEST_TENSOR {
        return fail(format!(
            "--batch-size {} makes a layer of {elements} numbers at --image-size {}, --ngf {} and \
             --ndf {}; at most {LARGEST_TENSOR} are possible, so --batch-size {} or less",
            c.batch_size,
            c.image_size,
            c.ngf,
            c.ndf,
            LARGEST_TENSOR / (widest * half)
        ));
    }
    Ok(())
}

fn optimiser(c: &RunConfig) -> Result<()> {
    // A NaN lies in no range, so these tests refuse it.
    if !(c.lr > 0.0 && c.lr <= 1.0) {
        return fail(format!(
            "--lr {} is out of range: it must be above 0 and at most 1 (the published rate is 0.0002)",
            c.lr
        ));
    }
    for (flag, value) in [("beta1", c.beta1), ("beta2", c.beta2), ("ema-decay", c.ema_decay)] {
        if !(0.0..1.0).contains(&value) {
            return fail(format!(
                "--{flag} {value} is out of range: it must be at least 0 and below 1"
            ));
        }
    }
    if i64::try_from(c.seed).is_err() {
        return fail(format!(
            "--seed {} is out of range: it must be at most {}, the largest integer of TOML",
            c.seed,
            i64::MAX
        ));
    }
    Ok(())
}

fn run(c: &RunConfig) -> Result<()> {
    // The step number lives in an f32 on the device, exact up to 2²⁴.
    const STEPS: u32 = 1 << 24;
    if c.epochs.is_none() && c.steps.is_none() {
        return fail("give the length of the run: --epochs N or --steps N".to_owned());
    }
    if let Some(epochs) = c.epochs {
        range("epochs", epochs, 1, 1_000_000, "")?;
    }
    if let Some(steps) = c.steps {
        range("steps", steps, 1, STEPS, "")?;
    }
    range("keep", c.keep, 1, 1_000_000, "")?;
    range("log-every", c.log_every, 1, 1_000_000, "")?;
    for (flag, every) in [
        ("sample-every", c.sample_every),
        ("checkpoint-every", c.checkpoint_every),
        ("evaluate-every", c.evaluate_every),
    ] {
        if matches!(every, Every::Epochs(0) | Every::Steps(0)) {
            return fail(format!(
                "--{flag}: the period must be at least 1; use \"never\" for none"
            ));
        }
    }
    if let Some(threads) = c.threads {
        range("threads", threads, 1, 4096, "")?;
    }
    Ok(())
}
