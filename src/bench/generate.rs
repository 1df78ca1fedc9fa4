//! The generator alone, in evaluation mode: latents → images.

use super::harness::Clock;
use super::machine::Machine;
use super::report::{Report, Subject};
use super::roofline::{Throughput, generator_flop};
use super::{Setup, worse, wrong};
use crate::backend::block::Mode;
use crate::backend::cpu::Convolutions;
use crate::backend::{Backend, Cpu};
use crate::error::Result;
use crate::model::{Activations, Network, generator};
use crate::rng::{Sequence, Stream};
use crate::sample::Sampler;
use crate::sample::latent::latent;
use crate::shape::TensorShape;
use serde::Serialize;
use std::fmt;

/// Largest difference between a pixel and the same with direct convolutions; pixels lie in [−1, 1].
const TOLERANCE: f64 = 1e-4;

/// Batches and their size that bring the running statistics near those of real training.
const SETTLING: (usize, usize) = (20, 4);

/// What a batch of images took, from latents to images in the host's memory.
#[derive(Debug, Serialize)]
pub struct Generate {
    #[serde(flatten)]
    pub throughput: Throughput,
    /// Largest difference of a pixel from the one with direct convolutions.
    pub error: f64,
}

/// A generator with its initial weights, and latents for one batch.
pub struct Batch {
    backend: Cpu,
    network: Network<Cpu>,
    sampler: Sampler<Cpu>,
    latents: Vec<f32>,
}

impl Batch {
    /// What `setup` asks for.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for impossible sizes, [`Error::Device`](crate::Error::Device)
    /// if memory runs out.
    pub fn new(setup: &Setup) -> Result<Self> {
        let backend = setup.backend()?;
        let n = setup.hyper.batch_size;
        let model = setup.hyper.model;
        let blocks = generator::blocks(&model, n)?;
        let network =
            Network::initialised(&backend, blocks, generator::index, setup.hyper.seed, 0)?;
        let sampler = Sampler::new(&backend, &network, n)?;
        let latents = (0..n as u64).flat_map(|seed| latent(seed, model.nz)).collect();
        Ok(Self { backend, network, sampler, latents })
    }

    /// The images of the latents, `[n, c, h, w]`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if memory runs out.
    pub fn images(&mut self) -> Result<Vec<f32>> {
        self.sampler.images(&self.backend, &mut self.network, &self.latents)
    }

    /// Moves the running statistics from those of a new network, which leave its images nearly grey.
    fn settle(&mut self) -> Result<()> {
        let (batches, n) = SETTLING;
        let mut acts = Activations::new(&self.backend, self.network.blocks(), n, false)?;
        let mut numbers = Sequence::new(0, Stream::Init, u32::MAX, 1);
        let mut latents = self.backend.alloc(TensorShape::Image(acts.input_shape()))?;
        for _ in 0..batches {
            let drawn: Vec<f32> =
                (0..acts.input_shape().len()).map(|_| numbers.normal(0.0, 1.0) as f32).collect();
            self.backend.upload(&mut latents, &drawn)?;
            self.network.forward(&self.backend, Mode::Train, &mut acts, &latents)?;
        }
        Ok(())
    }
}

/// Checks the images against those with direct convolutions, then times further batches.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if the images are wrong or memory runs out.
pub fn run(setup: &Setup, command: String) -> Result<Report<Generate>> {
    let mut batch = Batch::new(setup)?;
    batch.settle()?;
    let direct = setup.backend_with(Convolutions::Direct)?;
    let expected = batch.sampler.images(&direct, &mut batch.network, &batch.latents)?;
    let error = check(&batch.images()?, &expected)?;
    let mut clock = Clock::new(setup.backend()?, setup.runs);
    let seconds = clock.time(|| batch.images().map(drop))?;
    let n = setup.hyper.batch_size;
    let flop = generator_flop(&setup.hyper.model, n)?;
    let peak = clock.peak();
    Ok(Report {
        machine: Machine::now(batch.backend.describe(), command),
        subject: Subject::of(setup),
        peak_gflops: peak,
        results: Generate { throughput: Throughput::new(n, flop, seconds, peak), error },
    })
}

/// The largest difference between the images, all of whose pixels must lie in [−1, 1].
fn check(images: &[f32], expected: &[f32]) -> Result<f64> {
    // A NaN lies in no range.
    if let Some(pixel) = images.iter().find(|pixel| !(-1.0..=1.0).contains(*pixel)) {
        return Err(wrong(format_args!("a pixel is {pixel}, outside [-1, 1]")));
    }
    let pairs = images.iter().zip(expected);
    let error = pairs.map(|(&a, &b)| f64::from((a - b).abs())).fold(0.0, worse);
    if error.is_nan() || error > TOLERANCE {
        return Err(wrong(format_args!(
            "a pixel is off by {error:.1e} of the one with direct convolutions, more than {TOLERANCE:e}"
        )));
    }
    Ok(error)
}

impl fmt::Display for Generate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.throughput)?;
        write!(
            f,
            "Checked first: pixels lie in [-1, 1] and differ from those with direct convolutions by {:.1e} at most.",
            self.error
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_out_of_range_nans_and_wrong_ones_are_refused() {
        assert_eq!(check(&[1.0, -1.0, 0.5], &[1.0, -1.0, 0.5]).unwrap(), 0.0);
        for (images, expected) in
            [([1.5], [1.5]), ([f32::NAN], [0.0]), ([0.0], [f32::NAN]), ([0.5], [0.501])]
        {
            let message = check(&images, &expected).unwrap_err().to_string();
            assert!(message.contains("a pixel"), "{message}");
        }
    }
}
