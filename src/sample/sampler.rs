//! Latents → images, in evaluation mode.

use crate::backend::Backend;
use crate::backend::block::Mode;
use crate::error::{Error, Result};
use crate::model::{Activations, Network};
use crate::shape::{Nchw, TensorShape};

/// Buffers to run a generator on latents.
///
/// Batch norm uses the running statistics and the batch always has the same size (the last one is
/// padded), so an image depends on its own latent only and not on how many are asked for.
pub struct Sampler<B: Backend> {
    acts: Activations<B>,
    latents: B::Buffer,
    input: Nchw,
    output: Nchw,
}

impl<B: Backend> Sampler<B> {
    /// Buffers for `network` at `batch` images a pass.
    pub fn new(backend: &B, network: &Network<B>, batch: usize) -> Result<Self> {
        let acts = Activations::new(backend, network.blocks(), batch, false)?;
        let (input, output) = (acts.input_shape(), acts.output_shape());
        let latents = backend.alloc(TensorShape::Image(input))?;
        Ok(Self { acts, latents, input, output })
    }

    /// Shape of one pass's images.
    pub fn output_shape(&self) -> Nchw {
        self.output
    }

    /// Images `[count, c, h, w]` in [−1, 1] for latents `[count, nz]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the latents are not a whole number of rows.
    pub fn images(
        &mut self,
        backend: &B,
        network: &mut Network<B>,
        latents: &[f32],
    ) -> Result<Vec<f32>> {
        let nz = self.input.image_len();
        if !latents.len().is_multiple_of(nz) {
            return Err(Error::shape(
                "sample",
                format!("{} numbers are no whole number of latents of {nz}", latents.len()),
            ));
        }
        let image = self.output.image_len();
        let mut images = vec![0.0; latents.len() / nz * image];
        let mut padded = vec![0.0; self.input.len()];
        let mut pass = vec![0.0; self.output.len()];
        for (latents, images) in
            latents.chunks(self.input.len()).zip(images.chunks_mut(self.output.len()))
        {
            padded.fill(0.0);
            padded[..latents.len()].copy_from_slice(latents);
            backend.upload(&mut self.latents, &padded)?;
            network.forward(backend, Mode::Eval, &mut self.acts, &self.latents)?;
            backend.download(&mut pass, self.acts.output())?;
            images.copy_from_slice(&pass[..images.len()]);
        }
        Ok(images)
    }
}
