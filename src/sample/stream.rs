//! A stream of prints: as many as wanted in the memory of one batch.

use super::image::to_image;
use super::sampler::Sampler;
use crate::backend::Backend;
use crate::error::Result;
use crate::model::Network;
use crate::shape::Nchw;
use image::DynamicImage;

/// A generator ready to sample: weights, buffers and the backend that computes.
pub struct Generator<'a, B: Backend> {
    backend: &'a B,
    network: Network<B>,
    sampler: Sampler<B>,
}

impl<'a, B: Backend> Generator<'a, B> {
    /// Buffers for one batch, whose size depends on the image's alone: a print must not change with
    /// the number of prints asked for.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when memory runs out.
    pub fn new(backend: &'a B, network: Network<B>) -> Result<Self> {
        let batch = network.blocks().last().map_or(1, |b| batch_for(b.output()));
        let sampler = Sampler::new(backend, &network, batch)?;
        Ok(Self { backend, network, sampler })
    }
}

/// Prints in one pass: 16 up to 128 pixels, fewer for larger images.
pub fn batch_for(image: Nchw) -> usize {
    ((1 << 18) / image.area().max(1)).clamp(1, 16)
}

/// The prints of a sequence of latents, one after the other.
pub struct Prints<'g, 'a, B: Backend, L> {
    generator: &'g mut Generator<'a, B>,
    latents: L,
    /// The rest of the present batch, last first.
    ready: Vec<Result<DynamicImage>>,
}

impl<'g, 'a, B: Backend, L: Iterator<Item = (String, Vec<f32>)>> Prints<'g, 'a, B, L> {
    /// `latents` gives what an error calls the print, and its latent.
    pub fn new(generator: &'g mut Generator<'a, B>, latents: L) -> Self {
        Self { generator, latents, ready: Vec::new() }
    }

    fn next_batch(&mut self) -> Result<Vec<Result<DynamicImage>>> {
        let Generator { backend, network, sampler } = &mut *self.generator;
        let Nchw { n, c, h, w } = sampler.output_shape();
        let (names, latents): (Vec<_>, Vec<_>) = self.latents.by_ref().take(n as usize).unzip();
        let images = sampler.images(*backend, network, &latents.concat())?;
        let dims = [c, h, w].map(|size| size as usize);
        let pixels = images.chunks_exact(dims.iter().product());
        Ok(names.iter().zip(pixels).map(|(name, values)| to_image(values, dims, name)).collect())
    }
}

impl<B: Backend, L: Iterator<Item = (String, Vec<f32>)>> Iterator for Prints<'_, '_, B, L> {
    type Item = Result<DynamicImage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            match self.next_batch() {
                Ok(batch) => self.ready.extend(batch.into_iter().rev()),
                Err(e) => return Some(Err(e)),
            }
        }
        self.ready.pop()
    }
}
