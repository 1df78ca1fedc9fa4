//! A feature network made for fingerprints, so that distances between sets of prints are measured in a space
//! that knows ridges: Fréchet and kernel distance, precision and recall, and an Inception Score over pattern
//! classes.
//!
//! **These are not the ImageNet figures.** The network here is this project's own, "dermaglyph print features
//! v1", trained by this project's own engine on prints from a formula
//! ([`procedural`](crate::data::procedural)); a Fréchet distance in its space is no FID and compares with no
//! published one. The card is in `docs/print-features.md`.
//!
//! | file | what |
//! |---|---|
//! | `network.rs` | the blocks, and what each output means |
//! | `pixels.rs` | any image → the network's square; blur, noise, mirror |
//! | `draw.rs` | prints with what is known about them |
//! | `foreign.rs`, `augment.rs` | what is no print; what a picture of an epoch looks like |
//! | `loss.rs` | loss and gradient, explicit |
//! | `train.rs` | the loop |
//! | `judge.rs` | figures on held-out prints |
//! | `file.rs`, `card.rs` | the file and what it says about itself |
//!
//! The weights that come with the program are `assets/print-features-v1.safetensors`;
//! `dermaglyph features train` makes such a file.

mod augment;
mod card;
mod draw;
mod file;
mod foreign;
mod judge;
mod loss;
mod network;
mod pixels;
#[cfg(test)]
mod tests;
mod train;

pub use card::{Card, NAME};
pub use judge::Scores;
pub use network::{CELLS, FEATURES, Output, SIDE, blocks, index};
pub use train::{MOST_PRINTS, TrainConfig, train};

use crate::backend::block::Mode;
use crate::backend::{Backend, Cpu, HostTensor};
use crate::error::{Error, Result};
use crate::model::{Activations, Network};
use crate::shape::TensorShape;
use file::Weights;
use image::GrayImage;
use network::{OUTPUTS, PIXELS};
use pixels::{Square, normalise, squared};
use rayon::prelude::*;
use std::path::Path;

/// The weights that come with the program.
static EMBEDDED: &[u8] = include_bytes!("../../../assets/print-features-v1.safetensors");
/// What errors call them.
const EMBEDDED_NAME: &str = "the embedded print features";
/// Pictures in a pass: enough to keep two cores busy, few enough to stay in their caches.
const BATCH: usize = 32;

/// The feature network in evaluation mode.
///
/// What it says about an image depends on the image alone, bit for bit: not on the images beside it, not on
/// the number of threads.
pub struct PrintFeatures<B: Backend = Cpu> {
    backend: B,
    network: Network<B>,
    acts: Activations<B>,
    input: B::Buffer,
    card: Card,
    /// For preparing images.
    pool: rayon::ThreadPool,
}

impl PrintFeatures<Cpu> {
    /// The network that comes with the program, on `threads` threads or on as many as the machine has cores.
    ///
    /// # Errors
    /// [`Error::Config`] for 0 threads, [`Error::Device`] if the system refuses them.
    pub fn embedded(threads: Option<usize>) -> Result<Self> {
        Self::from_bytes(Cpu::new(threads)?, threads, EMBEDDED, Path::new(EMBEDDED_NAME))
    }

    /// The card of the network that comes with the program.
    ///
    /// # Errors
    /// None in a build that passes its tests.
    pub fn embedded_card() -> Result<Card> {
        file::decode(EMBEDDED, Path::new(EMBEDDED_NAME)).map(|(card, _)| card)
    }

    /// The card of a file, which is checked whole.
    ///
    /// # Errors
    /// As [`from_file`](PrintFeatures::from_file).
    pub fn card_of(path: &Path) -> Result<Card> {
        file::decode(&read(path)?, path).map(|(card, _)| card)
    }
}

impl<B: Backend> PrintFeatures<B> {
    /// A network from a file that [`train()`](train()) wrote.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Checkpoint`] if it is foreign, damaged, of another version
    /// or of another architecture.
    pub fn from_file(backend: B, threads: Option<usize>, path: &Path) -> Result<Self> {
        Self::from_bytes(backend, threads, &read(path)?, path)
    }

    fn from_bytes(backend: B, threads: Option<usize>, bytes: &[u8], origin: &Path) -> Result<Self> {
        let (card, tensors) = file::decode(bytes, origin)?;
        let mut network = Network::zeros(&backend, blocks(BATCH)?, index)?;
        fill(&backend, &mut network, &tensors).map_err(|r| Error::checkpoint(origin, r))??;
        Self::new(backend, threads, network, card)
    }

    /// Wraps a network; `threads` prepare its images.
    fn new(backend: B, threads: Option<usize>, network: Network<B>, card: Card) -> Result<Self> {
        let acts = Activations::new(&backend, network.blocks(), BATCH, false)?;
        let input = backend.alloc(TensorShape::Image(acts.input_shape()))?;
        let pool = pool(threads)?;
        Ok(Self { backend, network, acts, input, card, pool })
    }

    /// Where the weights come from; [`Card::title`] belongs beside every figure.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// What the network says about each image, of any size: it is scaled until its longer side has
    /// [`SIDE`] pixels, and padded with white, as training images are.
    ///
    /// To stream a set that does not fit in memory, call this for a few hundred images at a time; the bits
    /// are the same.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image without pixels, [`Error::NonFinite`] if an output is no number.
    pub fn of(&mut self, images: &[GrayImage]) -> Result<Vec<Output>> {
        self.passes(images, |image, out| {
            for (out, byte) in out.iter_mut().zip(squared(image)?) {
                *out = normalise(f32::from(byte));
            }
            Ok(())
        })
    }

    /// The same for pictures that are in the square already.
    fn of_squares(&mut self, squares: &[Square]) -> Result<Vec<Output>> {
        self.passes(squares, |square, out| {
            square.write_to(out);
            Ok(())
        })
    }

    /// Runs the network on every item, which `prepare` writes as `SIDE²` numbers in [−1, 1].
    fn passes<T: Sync>(
        &mut self,
        items: &[T],
        prepare: impl Fn(&T, &mut [f32]) -> Result<()> + Sync,
    ) -> Result<Vec<Output>> {
        let mut outputs = Vec::with_capacity(items.len());
        let mut input = vec![0.0; BATCH * PIXELS];
        let (mut features, mut heads) = (vec![0.0; BATCH * FEATURES], vec![0.0; BATCH * OUTPUTS]);
        for chunk in items.chunks(BATCH) {
            self.pool.install(|| {
                let slots = input.par_chunks_exact_mut(PIXELS);
                chunk.par_iter().zip(slots).try_for_each(|(item, slot)| prepare(item, slot))
            })?;
            // A short chunk leaves old images in the rest: no output of theirs is read.
            let Self { backend, network, acts, input: buffer, .. } = self;
            backend.upload(buffer, &input)?;
            network.forward(backend, Mode::Eval, acts, buffer)?;
            let last = acts.acts.len() - 1;
            backend.download(&mut features, &acts.acts[last - 1].y)?;
            backend.download(&mut heads, &acts.acts[last].y)?;
            let rows =
                features.as_chunks::<FEATURES>().0.iter().zip(heads.as_chunks::<OUTPUTS>().0);
            for (features, heads) in rows.take(chunk.len()) {
                if !features.iter().chain(heads).all(|v| v.is_finite()) {
                    let place = format!("the print features of image {}", outputs.len());
                    return Err(Error::NonFinite { place });
                }
                outputs.push(Output::new(features, heads));
            }
        }
        Ok(outputs)
    }
}

/// Loads the tensors, all of which must be there and no other. The outer error is what is wrong with the
/// file, the inner one the backend's.
fn fill<B: Backend>(
    backend: &B,
    network: &mut Network<B>,
    tensors: &[Weights],
) -> Result<Result<()>, String> {
    let names = network.names();
    if let Some(other) = tensors.iter().find(|t| !names.contains(&t.name)) {
        return Err(format!("has a tensor {} that this network has not", other.name));
    }
    for (name, buffer) in names.iter().zip(network.tensors_mut()) {
        let Some(tensor) = tensors.iter().find(|t| t.name == *name) else {
            return Err(format!("the tensor {name} is missing"));
        };
        let expected = backend.shape(buffer);
        if tensor.shape != expected.dims() {
            return Err(format!(
                "the tensor {name} has the shape {:?}, expected {expected}",
                tensor.shape
            ));
        }
        let values = HostTensor::F32(tensor.values.clone());
        if let Err(e) = backend.restore(buffer, &values) {
            return Ok(Err(e));
        }
    }
    Ok(Ok(()))
}

/// Reads a file that is small enough to be one of these.
fn read(path: &Path) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
    if size > file::MAX_BYTES {
        return Err(Error::checkpoint(
            path,
            format!("has {size} bytes; a file of {NAME} has about 1.5 million"),
        ));
    }
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .thread_name(|index| format!("features-{index}"))
        .build()
        .map_err(|e| Error::Device { device: "cpu".into(), reason: e.to_string() })
}
