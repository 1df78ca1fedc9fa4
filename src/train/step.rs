//! One step of GAN training (Goodfellow et al. 2014, with the non-saturating generator loss), as
//! PyTorch's DCGAN example orders it:
//!
//! 1. D on real images, towards 1, and D on fakes, towards 0: their gradients add up;
//! 2. Adam on D;
//! 3. the *updated* D on the same fakes, towards 1, back through D into G;
//! 4. Adam on G.
//!
//! Every buffer is made in [`Gan::new`]; a step allocates nothing. With `check_every_pass` off it
//! reads nothing back either.

use crate::backend::Backend;
use crate::backend::block::{BlockParams, Mode};
use crate::backend::ops::{Adam, Bce, Ema, Gather, Noise};
use crate::error::Result;
use crate::model::{Activations, ModelConfig, NamedTensor, Network, discriminator, generator};
use crate::rng::Stream;
use crate::sample::Sampler;
use crate::shape::TensorShape;

/// What a training step depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    pub model: ModelConfig,
    pub batch_size: usize,
    pub adam: Adam,
    pub ema: Ema,
    pub seed: u64,
    /// Look at losses and gradients after every pass, so that a NaN is caught in the layer where it
    /// arose and before Adam spreads it into the weights. Every look waits for the device.
    pub check_every_pass: bool,
}

/// The losses of one step and D's mean opinions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// D's loss on real images, and its mean probability for them.
    pub d_real: f32,
    pub d_x: f32,
    /// D's loss on fakes, and its mean probability for them before its update.
    pub d_fake: f32,
    pub d_g_z1: f32,
    /// G's loss, and D's mean probability for the fakes after its update.
    pub g: f32,
    pub d_g_z2: f32,
}

/// Which of the generator's two sets of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The exponential moving average.
    Average,
    /// As the last step left them.
    Raw,
}

/// The passes of a step, as slots of the statistics buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Real = 0,
    Fake = 2,
    Generator = 4,
}

impl Pass {
    fn target(self) -> f64 {
        if self == Self::Fake { 0.0 } else { 1.0 }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Real => "on real images",
            Self::Fake => "on fakes",
            Self::Generator => "in the generator's pass",
        }
    }
}

/// Gradients and Adam's moments of one network.
pub struct Optimiser<B: Backend> {
    /// The gradients of the last step, until the next one clears them.
    pub grads: Vec<BlockParams<B>>,
    exp_avg: Vec<BlockParams<B>>,
    exp_avg_sq: Vec<BlockParams<B>>,
}

impl<B: Backend> Optimiser<B> {
    fn new(backend: &B, network: &Network<B>) -> Result<Self> {
        let zeros = || Network::zero_params(backend, network.blocks());
        Ok(Self { grads: zeros()?, exp_avg: zeros()?, exp_avg_sq: zeros()? })
    }

    fn clear(&mut self, backend: &B) -> Result<()> {
        let mut tensors = self.grads.iter_mut().flat_map(BlockParams::tensors_mut);
        tensors.try_for_each(|t| backend.fill(t, 0.0))
    }

    fn update(
        &mut self,
        backend: &B,
        adam: Adam,
        network: &mut Network<B>,
        step: &B::Buffer,
    ) -> Result<()> {
        let Self { grads, exp_avg, exp_avg_sq } = self;
        backend.adam_all(adam, &mut network.params, exp_avg, exp_avg_sq, grads, step)
    }

    /// The moments with their names in a checkpoint.
    fn state_mut(&mut self, prefix: &str, names: &[String]) -> Vec<(String, &mut B::Buffer)> {
        fn tensors<B: Backend>(
            moments: &mut [BlockParams<B>],
        ) -> impl Iterator<Item = &mut B::Buffer> {
            moments.iter_mut().flat_map(BlockParams::tensors_mut)
        }
        let named =
            |suffix: &'static str| names.iter().map(move |n| format!("adam.{prefix}.{n}.{suffix}"));
        let exp_avg = named("exp_avg").zip(tensors(&mut self.exp_avg));
        exp_avg.chain(named("exp_avg_sq").zip(tensors(&mut self.exp_avg_sq))).collect()
    }
}

/// A DCGAN in training: networks, optimisers and all buffers.
pub struct Gan<B: Backend> {
    /// What computes.
    pub backend: B,
    pub(super) hyper: Hyper,
    pub generator: Network<B>,
    pub discriminator: Network<B>,
    /// The moving average of the generator, its running statistics included: what one samples from.
    pub ema: Network<B>,
    pub g_optimiser: Optimiser<B>,
    pub d_optimiser: Optimiser<B>,
    /// The generator's pass of the last step.
    pub g_acts: Activations<B>,
    /// The discriminator's last pass: on the fakes, in the generator's part of the step.
    pub d_acts: Activations<B>,
    reals: B::Buffer,
    latents: B::Buffer,
    /// The six numbers of [`Losses`].
    pub(super) losses: B::Buffer,
    /// Finished steps, on the device.
    step: B::Buffer,
    pub(super) completed: u64,
}

impl<B: Backend> Gan<B> {
    /// Networks with their initial weights and every buffer that training needs.
    ///
    /// # Errors
    /// [`Config`](crate::Error::Config) for impossible sizes, [`Device`](crate::Error::Device) when memory
    /// runs out.
    pub fn new(backend: B, hyper: Hyper) -> Result<Self> {
        let Hyper { model, batch_size: n, seed, .. } = hyper;
        let g_blocks = generator::blocks(&model, n)?;
        let d_blocks = discriminator::blocks(&model, n)?;
        // Tensor numbers of the two networks are far apart, so that the depth of one does not shift
        // the random numbers of the other.
        let generator =
            Network::initialised(&backend, g_blocks.clone(), generator::index, seed, 0)?;
        let discriminator =
            Network::initialised(&backend, d_blocks.clone(), discriminator::index, seed, 1000)?;
        let mut ema = Network::zeros(&backend, g_blocks.clone(), generator::index)?;
        copy_state(&backend, &mut ema, &generator)?;
        let g_acts = Activations::new(&backend, &g_blocks, n, true)?;
        let d_acts = Activations::new(&backend, &d_blocks, n, true)?;
        Ok(Self {
            g_optimiser: Optimiser::new(&backend, &generator)?,
            d_optimiser: Optimiser::new(&backend, &discriminator)?,
            reals: backend.alloc(TensorShape::Image(d_acts.input_shape()))?,
            latents: backend.alloc(TensorShape::Image(g_acts.input_shape()))?,
            losses: backend.alloc(TensorShape::Vector(6))?,
            step: backend.alloc(TensorShape::Vector(1))?,
            completed: 0,
            backend,
            hyper,
            generator,
            discriminator,
            ema,
            g_acts,
            d_acts,
        })
    }

    /// What the step depends on.
    pub fn hyper(&self) -> &Hyper {
        &self.hyper
    }

    /// Finished steps.
    pub fn completed_steps(&self) -> u64 {
        self.completed
    }

    /// Makes the next step's real batch from bytes.
    pub fn load_reals(&mut self, set: &B::Bytes, indices: &[u32]) -> Result<()> {
        let p = Gather { shape: self.d_acts.input_shape() };
        self.backend.gather(p, &mut self.reals, set, indices)
    }

    /// Sets the next step's real batch, `[n, c, h, w]` in [−1, 1].
    pub fn upload_reals(&mut self, reals: &[f32]) -> Result<()> {
        self.backend.upload(&mut self.reals, reals)
    }

    /// One step on the loaded batch and this step's own noise.
    ///
    /// # Errors
    /// [`Diverged`](crate::Error::Diverged) if a value stopped being finite and `check_every_pass` is on.
    pub fn step(&mut self) -> Result<()> {
        let p = Noise {
            seed: self.hyper.seed,
            stream: Stream::TrainNoise,
            n: self.hyper.batch_size,
            len: self.hyper.model.nz,
        };
        self.backend.noise(p, &mut self.latents, &self.step)?;
        self.step_on_latents()
    }

    /// One step on the loaded batch and the given noise, `[n, nz]`.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn step_with_noise(&mut self, noise: &[f32]) -> Result<()> {
        self.backend.upload(&mut self.latents, noise)?;
        self.step_on_latents()
    }

    fn step_on_latents(&mut self) -> Result<()> {
        self.discriminator_gradients()?;
        self.d_optimiser.update(
            &self.backend,
            self.hyper.adam,
            &mut self.discriminator,
            &self.step,
        )?;
        self.generator_gradients()?;
        self.g_optimiser.update(&self.backend, self.hyper.adam, &mut self.generator, &self.step)?;
        self.average()?;
        self.backend.advance(&mut self.step)?;
        self.completed += 1;
        Ok(())
    }

    /// D on real and on fake images; leaves the sum of both gradients and the fakes.
    fn discriminator_gradients(&mut self) -> Result<()> {
        self.d_optimiser.clear(&self.backend)?;
        self.discriminate(Pass::Real)?;
        self.generator.forward(&self.backend, Mode::Train, &mut self.g_acts, &self.latents)?;
        self.discriminate(Pass::Fake)?;
        self.check_gradients("discriminator", &self.discriminator, &self.d_optimiser)
    }

    /// The updated D on the fakes, and back through D into G.
    fn generator_gradients(&mut self) -> Result<()> {
        self.g_optimiser.clear(&self.backend)?;
        self.discriminate(Pass::Generator)?;
        let grads = Some(&mut self.g_optimiser.grads);
        self.generator.backward(&self.backend, &mut self.g_acts, None, grads, &self.latents)?;
        self.check_gradients("generator", &self.generator, &self.g_optimiser)
    }

    /// One pass of D, forwards, loss and backwards: into D's gradients, or, with D frozen, into the
    /// gradient of the fake images.
    fn discriminate(&mut self, pass: Pass) -> Result<()> {
        let x = if pass == Pass::Real { &self.reals } else { self.g_acts.output() };
        self.discriminator.forward(&self.backend, Mode::Train, &mut self.d_acts, x)?;
        let p = Bce { n: self.hyper.batch_size, target: pass.target(), slot: pass as usize };
        let (logits, dlogits) = self.d_acts.output_and_gradient();
        self.backend.bce_with_logits(p, dlogits, &mut self.losses, logits)?;
        if self.hyper.check_every_pass {
            self.check_loss(pass)?;
        }
        let (fakes, dfakes) = self.g_acts.output_and_gradient();
        let (x, dx, grads) = match pass {
            Pass::Real => (&self.reals, None, Some(&mut self.d_optimiser.grads)),
            Pass::Fake => (fakes, None, Some(&mut self.d_optimiser.grads)),
            Pass::Generator => (fakes, Some(dfakes), None),
        };
        self.discriminator.backward(&self.backend, &mut self.d_acts, dx, grads, x)
    }

    /// Moves the average towards the generator just updated.
    fn average(&mut self) -> Result<()> {
        for (avg, x) in self.ema.tensors_mut().zip(self.generator.tensors()) {
            self.backend.ema(self.hyper.ema, avg, x, &self.step)?;
        }
        Ok(())
    }

    /// The last step's losses. Waits for the device.
    pub fn losses(&self) -> Result<Losses> {
        let mut v = [0.0; 6];
        self.backend.download(&mut v, &self.losses)?;
        let [d_real, d_x, d_fake, d_g_z1, g, d_g_z2] = v;
        Ok(Losses { d_real, d_x, d_fake, d_g_z1, g, d_g_z2 })
    }

    /// Images for latents `[count, nz]`, from the average or from the weights as they are.
    ///
    /// # Errors
    /// As [`Sampler::images`].
    pub fn sample(
        &mut self,
        sampler: &mut Sampler<B>,
        weights: Weights,
        latents: &[f32],
    ) -> Result<Vec<f32>> {
        let network = match weights {
            Weights::Average => &mut self.ema,
            Weights::Raw => &mut self.generator,
        };
        sampler.images(&self.backend, network, latents)
    }

    /// Everything that resuming needs beside the number of steps, with the names of a checkpoint.
    pub fn state(&mut self) -> Result<Vec<NamedTensor>> {
        let backend = &self.backend;
        let mut state = Vec::new();
        for (name, buffer) in named_buffers(
            [&mut self.generator, &mut self.discriminator, &mut self.ema],
            [&mut self.g_optimiser, &mut self.d_optimiser],
        ) {
            let (shape, data) = (backend.shape(buffer), backend.snapshot(buffer)?);
            state.push(NamedTensor { name, shape, data });
        }
        Ok(state)
    }

    /// The averaged generator alone, with the names it has in a checkpoint, in the order of
    /// [`Network::names`].
    pub fn average_state(&self) -> Result<Vec<NamedTensor>> {
        let (backend, names) = (&self.backend, self.ema.names());
        let named = names.into_iter().zip(self.ema.tensors()).map(|(name, buffer)| {
            let (shape, data) = (backend.shape(buffer), backend.snapshot(buffer)?);
            Ok(NamedTensor { name: format!("generator_ema.{name}"), shape, data })
        });
        named.collect()
    }

    /// Replaces the whole state by that after `step` steps; `tensor` is asked for every name of
    /// [`state`](Self::state) once.
    ///
    /// # Errors
    /// Whatever `tensor` answers. The state is then partly replaced and must not be used.
    pub fn restore(
        &mut self,
        step: u64,
        tensor: &mut dyn FnMut(&str, &TensorShape) -> Result<crate::backend::HostTensor>,
    ) -> Result<()> {
        let backend = &self.backend;
        for (name, buffer) in named_buffers(
            [&mut self.generator, &mut self.discriminator, &mut self.ema],
            [&mut self.g_optimiser, &mut self.d_optimiser],
        ) {
            let data = tensor(&name, &backend.shape(buffer))?;
            backend.restore(buffer, &data)?;
        }
        backend.fill(&mut self.step, step as f32)?;
        self.completed = step;
        Ok(())
    }
}

/// Every buffer of the state with its name in a checkpoint: `generator.main.0.weight`,
/// `adam.generator.main.0.weight.exp_avg`.
pub(super) fn named_buffers<'a, B: Backend>(
    networks: [&'a mut Network<B>; 3],
    optimisers: [&'a mut Optimiser<B>; 2],
) -> Vec<(String, &'a mut B::Buffer)> {
    let param_names = [networks[0].param_names(), networks[1].param_names()];
    let mut buffers = Vec::new();
    for (prefix, network) in ["generator", "discriminator", "generator_ema"].iter().zip(networks) {
        let names = network.names().into_iter().map(|name| format!("{prefix}.{name}"));
        buffers.extend(names.zip(network.tensors_mut()));
    }
    for ((prefix, names), optimiser) in
        ["generator", "discriminator"].iter().zip(&param_names).zip(optimisers)
    {
        buffers.extend(optimiser.state_mut(prefix, names));
    }
    buffers
}

/// Makes `to` an exact copy of `from`.
fn copy_state<B: Backend>(backend: &B, to: &mut Network<B>, from: &Network<B>) -> Result<()> {
    for (dst, src) in to.tensors_mut().zip(from.tensors()) {
        backend.copy(dst, src)?;
    }
    Ok(())
}
