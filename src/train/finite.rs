//! Values that stopped being finite, and the layer where it began.
//!
//! Where ops return when they are done, every pass is looked at ([`Hyper::check_every_pass`]): the error
//! names the step and the pass. Where they are asynchronous, a step reads nothing back; the losses are looked
//! at when they are logged, and the whole state before it is saved.
//!
//! [`Hyper::check_every_pass`]: super::Hyper::check_every_pass

use super::step::{Gan, Losses, Optimiser, Pass, named_buffers};
use crate::backend::Backend;
use crate::backend::block::BlockParams;
use crate::error::{Error, Result};
use crate::model::{Activations, Network};

impl<B: Backend> Gan<B> {
    /// Stops at a loss that is no number, naming the first layer of the pass that holds one.
    pub(super) fn check_loss(&self, pass: Pass) -> Result<()> {
        let mut losses = [0.0; 6];
        self.backend.download(&mut losses, &self.losses)?;
        if losses[pass as usize].is_finite() {
            return Ok(());
        }
        let place = self.first_bad_of_both(pass != Pass::Real)?;
        Err(self.diverged(format!("{place}, {},", pass.describe())))
    }

    /// The last step's losses, if they are numbers; some steps late where ops are asynchronous. Waits for
    /// the device, once.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub fn finite_losses(&self) -> Result<Losses> {
        let losses = self.losses()?;
        let Losses { d_real, d_x, d_fake, d_g_z1, g, d_g_z2 } = losses;
        if [d_real, d_x, d_fake, d_g_z1, g, d_g_z2].into_iter().all(f32::is_finite) {
            return Ok(losses);
        }
        Err(Error::Diverged { step: self.completed, place: self.first_bad_of_both(true)? })
    }

    /// Stops if a weight, a running statistic or a moment is no number, so that it is never saved.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub fn check_state(&mut self) -> Result<()> {
        let (step, backend) = (self.completed, &self.backend);
        for (place, buffer) in named_buffers(
            [&mut self.generator, &mut self.discriminator, &mut self.ema],
            [&mut self.g_optimiser, &mut self.d_optimiser],
        ) {
            if backend.count_non_finite(buffer)? > 0 {
                return Err(Error::Diverged { step, place });
            }
        }
        Ok(())
    }

    /// The first bad tensor of the last passes: of the generator's, where that has run, else of the
    /// discriminator's.
    fn first_bad_of_both(&self, generated: bool) -> Result<String> {
        if generated
            && let Some(place) = self.first_bad("generator", &self.generator, &self.g_acts)?
        {
            return Ok(place);
        }
        let place = self.first_bad("discriminator", &self.discriminator, &self.d_acts)?;
        Ok(place.unwrap_or_else(|| "the loss".into()))
    }

    fn diverged(&self, place: String) -> Error {
        Error::Diverged { step: self.completed + 1, place }
    }

    /// The first tensor of a forward pass that holds a NaN or an infinity.
    fn first_bad(
        &self,
        name: &str,
        network: &Network<B>,
        acts: &Activations<B>,
    ) -> Result<Option<String>> {
        let bad = |buffer| Ok::<_, Error>(self.backend.count_non_finite(buffer)? > 0);
        for (i, (params, acts)) in network.params.iter().zip(&acts.acts).enumerate() {
            let layer = network.conv_index(i);
            if bad(&params.weight)? {
                return Ok(Some(format!("{name}.main.{layer}.weight")));
            }
            if let Some(norm) = &acts.norm
                && bad(&norm.conv)?
            {
                return Ok(Some(format!("the output of {name}.main.{layer} (convolution)")));
            }
            if bad(&acts.y)? {
                return Ok(Some(format!("the output of the block at {name}.main.{layer}")));
            }
        }
        Ok(None)
    }

    pub(super) fn check_gradients(
        &self,
        name: &str,
        network: &Network<B>,
        optimiser: &Optimiser<B>,
    ) -> Result<()> {
        if !self.hyper.check_every_pass {
            return Ok(());
        }
        // Backwards, as the values went: the first bad gradient is the last layer's.
        let tensors: Vec<_> = optimiser.grads.iter().flat_map(BlockParams::tensors).collect();
        for (i, gradient) in tensors.iter().enumerate().rev() {
            if self.backend.count_non_finite(gradient)? > 0 {
                return Err(
                    self.diverged(format!("the gradient of {name}.{}", network.param_names()[i]))
                );
            }
        }
        Ok(())
    }
}
