//! Weights → prints → figures, on one thread.

use crate::backend::{Backend, Cpu};
use crate::data::Dataset;
use crate::error::Result;
use crate::evaluate::compare::Distances;
use crate::evaluate::evaluation::LEVEL;
use crate::evaluate::features::{FEATURES, PrintFeatures};
use crate::evaluate::outcome::Outcome;
use crate::evaluate::prints::{Draw, Prints, choose};
use crate::evaluate::sources::{gray, of_seeds};
use crate::evaluate::stats::Features;
use crate::model::{ModelConfig, NamedTensor, Network, generator};
use crate::sample::stream;
use crate::train::metrics::Figures;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints that are made of each generator, and the most that they are set beside.
pub(super) const PRINTS: usize = 1000;
/// With fewer held-out prints than this their mean and covariance say more about them than about the
/// generator.
pub(super) const FEWEST_HELD_OUT: usize = 200;
/// Prints in memory at a time; between two portions the thread looks whether it is to stop.
const PORTION: usize = 64;

/// The real prints that every generator of a run is compared with, in gray.
pub(super) struct Reals(Prints);

impl Reals {
    /// The run's held-out prints, so that a generator does not win by replaying what it was trained on; the
    /// training prints where too few are held out. Also says which and how many.
    pub(super) fn choose(dataset: &Dataset, seed: u64) -> Result<(Self, String)> {
        let held_out = dataset.held_out.len();
        let (all, kind) = if held_out >= FEWEST_HELD_OUT {
            (&dataset.held_out, "held-out prints".to_owned())
        } else {
            let reason = format!(
                "training prints (of {held_out} held-out ones, {FEWEST_HELD_OUT} are needed)"
            );
            (&dataset.train, reason)
        };
        let chosen = choose(all.len(), PRINTS, seed, Draw::Sample);
        let prints = gray(dataset, dataset.size, chosen.iter().map(|&at| all[at] as usize))?;
        let described = format!("by {PRINTS} generated prints beside {} {kind}", prints.len());
        Ok((Self(prints), described))
    }
}

/// Everything that is needed to judge one generator after the other.
pub(super) struct Judge {
    backend: Cpu,
    network: PrintFeatures,
    reals: Features,
    model: ModelConfig,
    size: u32,
    stop: Arc<AtomicBool>,
}

impl Judge {
    /// Computes the features of the real prints; `None` if `stop` was set meanwhile.
    ///
    /// # Errors
    /// As [`PrintFeatures::embedded`] and [`PrintFeatures::of`].
    pub(super) fn new(
        Reals(reals): Reals,
        model: ModelConfig,
        stop: Arc<AtomicBool>,
    ) -> Result<Option<Self>> {
        let mut network = PrintFeatures::embedded(Some(1))?;
        let size = reals.size;
        let features = features_of(&mut network, &stop, reals.len(), |first, last| {
            Ok(reals.subset(&(first..last).collect::<Vec<_>>()))
        })?;
        let Some(reals) = features else { return Ok(None) };
        let backend = Cpu::new(Some(1))?;
        Ok(Some(Self { backend, network, reals, model, size, stop }))
    }

    /// The figures of the averaged generator `tensors`, in the order of [`Network::names`], and why figures
    /// are absent. `None` if it was told to stop.
    ///
    /// # Errors
    /// [`NonFinite`](crate::Error::NonFinite) for weights that make no prints.
    pub(super) fn figures(
        &mut self,
        step: u64,
        tensors: &[NamedTensor],
    ) -> Result<Option<(Figures, Vec<String>)>> {
        let Self { backend, network, reals, model, size, stop } = self;
        let blocks = generator::blocks(model, 1)?;
        let mut weights = Network::zeros(backend, blocks, generator::index)?;
        for (buffer, tensor) in weights.tensors_mut().zip(tensors) {
            backend.restore(buffer, &tensor.data)?;
        }
        let mut generator = stream::Generator::new(backend, weights)?;
        let made = features_of(network, stop, PRINTS, |first, last| {
            of_seeds(&mut generator, model.nz, first as u64..last as u64, *size, |_| ())
        })?;
        let Some(made) = made else { return Ok(None) };
        let Distances { frechet, kernel, manifold } = Distances::between(reals, &made, LEVEL)?;
        let mut missing = Vec::new();
        let figures = Figures {
            step,
            frechet: given(frechet, &mut missing),
            kernel: given(kernel.map(|kernel| kernel.value), &mut missing),
            precision: given(manifold.clone().map(|manifold| manifold.precision), &mut missing),
            recall: manifold.get().ok().map(|manifold| manifold.recall),
        };
        Ok(Some((figures, missing)))
    }
}

/// The figure, or `None` and the reason among `missing`.
fn given(figure: Outcome<f64>, missing: &mut Vec<String>) -> Option<f64> {
    match figure {
        Outcome::Given(figure) => Some(figure),
        Outcome::Missing { missing: reason } => {
            missing.push(reason);
            None
        }
    }
}

/// The features of `count` prints, which `portion` makes from one index to before another; `None` once `stop`
/// is set.
fn features_of(
    network: &mut PrintFeatures,
    stop: &AtomicBool,
    count: usize,
    mut portion: impl FnMut(usize, usize) -> Result<Prints>,
) -> Result<Option<Features>> {
    let mut rows = Vec::with_capacity(count * FEATURES);
    for first in (0..count).step_by(PORTION) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let prints = portion(first, count.min(first + PORTION))?;
        let images: Vec<_> = (0..prints.len()).map(|index| prints.image(index)).collect();
        rows.extend(network.of(&images)?.into_iter().flat_map(|output| output.features));
    }
    Features::new(FEATURES, rows).map(Some)
}
