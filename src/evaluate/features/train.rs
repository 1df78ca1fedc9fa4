//! Training the feature network: draw prints once, show them changed in every epoch, judge on other fingers.

use super::card::{Card, NAME};
use super::draw::{self, Drawn};
use super::file::{self, Weights};
use super::judge::{self, Scores, judge};
use super::loss::{self, Parts, Target};
use super::network::{OUTPUTS, PIXELS, blocks, index};
use super::{PrintFeatures, augment, pool};
use crate::backend::block::{BlockParams, Mode};
use crate::backend::ops::Adam;
use crate::backend::{Backend, Cpu};
use crate::data::Reporter;
use crate::error::{Error, Result};
use crate::model::{Activations, Network};
use crate::rng::{Sequence, Stream};
use crate::shape::TensorShape;
use rayon::prelude::*;
use std::path::Path;

/// The most prints that are kept in memory: 2.3 GB of pixels.
pub const MOST_PRINTS: u32 = 250_000;
/// Pictures in a step.
const BATCH: usize = 64;
/// Adam's rate falls from this to 0 along half a cosine (Loshchilov & Hutter, "SGDR", ICLR 2017).
const RATE: f64 = 2e-3;
/// Added to the seed for the fingers that are judged.
const HELD_OUT_SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Prints to draw for training, 64 to [`MOST_PRINTS`].
    pub prints: u32,
    /// How often each is shown, at least 1.
    pub epochs: u32,
    /// Prints to draw for judging, at least 1.
    pub held_out: u32,
    /// All randomness.
    pub seed: u64,
    /// One a core by default; the file does not depend on it.
    pub threads: Option<usize>,
    /// For the card, YYYY-MM-DD.
    pub date: Option<String>,
}

impl TrainConfig {
    fn check(&self) -> Result<()> {
        let complaint = if !(BATCH as u32..=MOST_PRINTS).contains(&self.prints) {
            let (prints, megabytes) = (self.prints, draw::bytes(MOST_PRINTS) >> 20);
            format!(
                "cannot train on {prints} prints; use {BATCH} to {MOST_PRINTS} (those take {megabytes} MiB)"
            )
        } else if self.epochs == 0 {
            "cannot train for 0 epochs; use at least 1".into()
        } else if !(1..=MOST_PRINTS).contains(&self.held_out) {
            format!("cannot judge on {} prints; use 1 to {MOST_PRINTS}", self.held_out)
        } else if self.date.as_deref().is_some_and(|date| !is_date(date)) {
            "the date must be YYYY-MM-DD, as 2026-11-28".into()
        } else {
            return Ok(());
        };
        Err(Error::Config(complaint))
    }
}

/// Whether it looks like 2026-11-28.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

/// Trains the network on the CPU and writes it to `out`, whole or not at all; returns its card.
///
/// The file is a function of `config` but its threads: the same bytes on any number of them, on machines of
/// one instruction set.
///
/// # Errors
/// [`Error::Config`] for impossible numbers, [`Error::Diverged`] if the loss stops being a number,
/// [`Error::Io`] if the file cannot be written.
pub fn train(config: &TrainConfig, out: &Path, reporter: &mut dyn Reporter) -> Result<Card> {
    config.check()?;
    // A folder that is missing should not be found out after twenty minutes.
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))?;
    let backend = Cpu::new(config.threads)?;
    let workers = pool(config.threads)?;
    let prints = draw::prints(&workers, config.seed, config.prints, "drawing prints", reporter)?;
    let mut trainer = Trainer::new(backend, config.seed, steps(config))?;
    let mut loss = 0.0;
    for epoch in 0..config.epochs {
        loss = trainer.epoch(&workers, epoch, &prints)?.total();
        reporter.progress("training, epochs", epoch as usize + 1, config.epochs as usize);
    }
    drop(prints);
    let seed = config.seed.wrapping_add(HELD_OUT_SEED);
    let what = "drawing held-out prints";
    let others = draw::prints(&workers, seed, config.held_out, what, reporter)?;
    let card = Card {
        name: NAME.to_owned(),
        version: Card::VERSION,
        date: config.date.clone(),
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: config.seed,
        prints: config.prints,
        epochs: config.epochs,
        loss: judge::rounded(loss),
        held_out: Scores::default(),
        crc32c: 0,
    };
    let weights = trainer.weights()?;
    let Trainer { backend, network, .. } = trainer;
    let mut features = PrintFeatures::new(backend, config.threads, network, card.clone())?;
    let card = Card { held_out: judge(&mut features, seed, &others)?, ..card };
    file::write(out, &card, &weights)
}

/// Steps of the whole training; the last batch of an epoch is left out if it is not full.
fn steps(config: &TrainConfig) -> u64 {
    u64::from(config.prints) / BATCH as u64 * u64::from(config.epochs)
}

/// A network in training, with every buffer a step needs.
pub(super) struct Trainer<B: Backend> {
    backend: B,
    network: Network<B>,
    acts: Activations<B>,
    input: B::Buffer,
    grads: Vec<BlockParams<B>>,
    moments: [Vec<BlockParams<B>>; 2],
    /// Finished steps, where Adam reads them.
    step: B::Buffer,
    done: u64,
    total: u64,
    seed: u64,
    /// The host's side of a batch.
    pixels: Vec<f32>,
    outputs: Vec<f32>,
    gradient: Vec<f32>,
}

impl<B: Backend> Trainer<B> {
    /// A network with its first weights; `total` steps will be made.
    pub(super) fn new(backend: B, seed: u64, total: u64) -> Result<Self> {
        let blocks = blocks(BATCH)?;
        let network = Network::initialised(&backend, blocks.clone(), index, seed, 0)?;
        let acts = Activations::new(&backend, &blocks, BATCH, true)?;
        let zeros = || Network::zero_params(&backend, &blocks);
        Ok(Self {
            input: backend.alloc(TensorShape::Image(acts.input_shape()))?,
            grads: zeros()?,
            moments: [zeros()?, zeros()?],
            step: backend.alloc(TensorShape::Vector(1))?,
            done: 0,
            total,
            seed,
            pixels: vec![0.0; BATCH * PIXELS],
            outputs: vec![0.0; BATCH * OUTPUTS],
            gradient: vec![0.0; BATCH * OUTPUTS],
            backend,
            network,
            acts,
        })
    }

    /// Shows every print once, in an order of its own; returns the mean loss.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss stops being a number.
    pub(super) fn epoch(
        &mut self,
        workers: &rayon::ThreadPool,
        epoch: u32,
        prints: &[Drawn],
    ) -> Result<Parts> {
        let mut order: Vec<u32> = (0..prints.len() as u32).collect();
        Sequence::new(self.seed, Stream::Shuffle, epoch, 0).shuffle(&mut order);
        let mut mean = Parts::default();
        let batches = order.chunks_exact(BATCH);
        let share = 1.0 / batches.len().max(1) as f64;
        for batch in batches {
            let seed = self.seed;
            let targets: Vec<Target> = workers.install(|| {
                let slots = self.pixels.par_chunks_exact_mut(PIXELS);
                let show = |(&index, slot): (&u32, &mut [f32])| {
                    let (square, target) =
                        augment::picture(seed, epoch, index, &prints[index as usize]);
                    square.write_to(slot);
                    target
                };
                batch.par_iter().zip(slots).map(show).collect()
            });
            mean.add(&self.step(&targets)?, share);
        }
        Ok(mean)
    }

    /// One step on the pictures in `pixels`.
    fn step(&mut self, targets: &[Target]) -> Result<Parts> {
        let Self { backend, network, acts, input, grads, .. } = self;
        backend.upload(input, &self.pixels)?;
        network.forward(backend, Mode::Train, acts, input)?;
        backend.download(&mut self.outputs, acts.output())?;
        let parts = loss::batch(&self.outputs, targets, &mut self.gradient);
        if !parts.total().is_finite() {
            let place = "the loss of the print features".into();
            return Err(Error::Diverged { step: self.done, place });
        }
        let (_, gradient) = acts.output_and_gradient();
        backend.upload(gradient, &self.gradient)?;
        for tensor in grads.iter_mut().flat_map(BlockParams::tensors_mut) {
            backend.fill(tensor, 0.0)?;
        }
        network.backward(backend, acts, None, Some(grads), input)?;
        let [m, v] = &mut self.moments;
        let adam = Adam { lr: rate(self.done, self.total), beta1: 0.9, beta2: 0.999, eps: 1e-8 };
        backend.adam_all(adam, &mut network.params, m, v, grads, &self.step)?;
        backend.advance(&mut self.step)?;
        self.done += 1;
        Ok(parts)
    }

    /// The whole state with the names of the file.
    pub(super) fn weights(&self) -> Result<Vec<Weights>> {
        let named = self.network.names().into_iter().zip(self.network.tensors());
        named
            .map(|(name, buffer)| {
                let shape = self.backend.shape(buffer).dims();
                let values = self.backend.snapshot(buffer)?.to_f32();
                Ok(Weights { name, shape, values })
            })
            .collect()
    }
}

/// The rate of step `done` of `total`.
fn rate(done: u64, total: u64) -> f64 {
    let part = done as f64 / total.max(1) as f64;
    0.5 * RATE * (1.0 + (std::f64::consts::PI * part).cos())
}
