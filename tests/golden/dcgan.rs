//! Ten training steps of the small DCGANs.

use crate::fixtures::{Golden, buffer, read};
use dermaglyph::backend::block::Mode;
use dermaglyph::backend::ops::{Activation, Adam, Ema};
use dermaglyph::backend::{Backend, HostTensor};
use dermaglyph::model::{Activations, ModelConfig, Network, discriminator, generator};
use dermaglyph::sample::Sampler;
use dermaglyph::shape::TensorShape;
use dermaglyph::train::{Gan, Hyper, Weights};

/// Largest difference over largest magnitude, per group of tensors as the golden files' table of
/// PyTorch's own errors groups them.
pub struct Tolerances {
    pub activations: f64,
    pub gradients: f64,
    /// D's running statistics before any update.
    pub statistics: f64,
    /// Weights and running statistics after some steps.
    pub weights: f64,
    pub losses: f64,
    pub images: f64,
}

impl Tolerances {
    pub fn uniform(t: f64) -> Self {
        Self { activations: t, gradients: t, statistics: t, weights: t, losses: t, images: t }
    }
}

const STEPS: usize = 10;
const BATCH: usize = 4;
const NZ: usize = 16;

fn model(nc: usize) -> ModelConfig {
    ModelConfig { image_size: 64, channels: nc, nz: NZ, ngf: 8, ndf: 8 }
}

/// A trainer that starts from the stored weights.
fn load<B: Backend>(backend: B, nc: usize, inputs: &Golden) -> Gan<B> {
    let hyper = Hyper {
        model: model(nc),
        batch_size: BATCH,
        adam: Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
        ema: Ema { decay: 0.999 },
        seed: 0,
        check_every_pass: true,
    };
    let mut gan = Gan::new(backend, hyper).unwrap();
    gan.restore(0, &mut |name, shape| {
        let golden = name
            .replace("generator_ema.", "init.G.")
            .replace("generator.", "init.G.")
            .replace("discriminator.", "init.D.");
        if name.starts_with("adam.") {
            return Ok(HostTensor::F64(vec![0.0; shape.len()]));
        }
        let tensor = inputs.get(&golden);
        assert_eq!(tensor.dims, shape.dims(), "{name}: the shape PyTorch has");
        Ok(HostTensor::F64(tensor.data.clone()))
    })
    .unwrap();
    gan.upload_reals(&inputs.get("real").f32()).unwrap();
    gan
}

fn compare_state<B: Backend>(
    b: &B,
    golden: &Golden,
    prefix: &str,
    network: &Network<B>,
    t: &Tolerances,
) {
    for (name, buffer) in network.names().iter().zip(network.tensors()) {
        golden.compare(&format!("{prefix}.{name}"), &read(b, buffer), t.weights);
    }
}

/// The first step's last passes of both networks, and the gradients Adam saw.
fn compare_first_step<B: Backend>(gan: &Gan<B>, golden: &Golden, t: &Tolerances) {
    let b = &gan.backend;
    compare_pass(b, golden, "G", &gan.generator, &gan.g_acts, t);
    compare_pass(b, golden, "Gstep_D", &gan.discriminator, &gan.d_acts, t);
    for (prefix, network, grads) in [
        ("grad.G", &gan.generator, &gan.g_optimiser.grads),
        ("grad.D", &gan.discriminator, &gan.d_optimiser.grads),
    ] {
        let tensors = grads.iter().flat_map(|g| g.tensors());
        for (name, buffer) in network.param_names().iter().zip(tensors) {
            let name = format!("{prefix}.{name}");
            if golden.has(&name) {
                golden.compare(&name, &read(b, buffer), t.gradients);
            }
        }
    }
}

/// D's passes on the real and on the fake batch with the initial weights, layer by layer, and the
/// running statistics they leave.
pub fn discriminator_passes<B: Backend>(b: &B, nc: usize, run: &str, t: &Tolerances) {
    let inputs = Golden::open(&format!("dcgan_nc{nc}_inputs"));
    let golden = Golden::open(&format!("dcgan_nc{nc}_{run}"));
    let config = model(nc);
    let g_blocks = generator::blocks(&config, BATCH).unwrap();
    let d_blocks = discriminator::blocks(&config, BATCH).unwrap();
    let mut g = Network::zeros(b, g_blocks.clone(), generator::index).unwrap();
    let mut d = Network::zeros(b, d_blocks.clone(), discriminator::index).unwrap();
    for (prefix, network) in [("init.G", &mut g), ("init.D", &mut d)] {
        for (name, tensor) in network.names().iter().zip(network.tensors_mut()) {
            let data = inputs.get(&format!("{prefix}.{name}")).data.clone();
            b.restore(tensor, &HostTensor::F64(data)).unwrap();
        }
    }
    let mut g_acts = Activations::new(b, &g_blocks, BATCH, false).unwrap();
    let mut d_acts = Activations::new(b, &d_blocks, BATCH, false).unwrap();
    let noise = &inputs.get("noise").data[..BATCH * config.nz];
    let z = buffer(b, TensorShape::Image(g_acts.input_shape()), noise);
    g.forward(b, Mode::Train, &mut g_acts, &z).unwrap();
    let reals = buffer(b, TensorShape::Image(d_acts.input_shape()), &inputs.get("real").data);
    for (pass, images) in [("D_real", &reals), ("D_fake", g_acts.output())] {
        d.forward(b, Mode::Train, &mut d_acts, images).unwrap();
        let compared = compare_pass(b, &golden, pass, &d, &d_acts, t);
        assert!(compared > 0 || run == "f32", "{pass}: something to compare with");
    }
    for (name, buffer) in d.names().iter().zip(d.tensors()).filter(|(n, _)| n.contains("running")) {
        golden.compare(&format!("bn_after_D_step.D.{name}"), &read(b, buffer), t.statistics);
    }
}

/// Compares every stored activation of one pass and says how many there were.
fn compare_pass<B: Backend>(
    b: &B,
    golden: &Golden,
    pass: &str,
    network: &Network<B>,
    acts: &Activations<B>,
    t: &Tolerances,
) -> usize {
    let mut compared = 0;
    for (i, (acts, block)) in acts.acts.iter().zip(network.blocks()).enumerate() {
        // The discriminator's last block ends in the logit, PyTorch's conv5.
        let kind = if block.activation == Activation::Identity { "conv" } else { "act" };
        let conv = acts.norm.iter().map(|n| ("conv", &n.conv));
        for (kind, buffer) in conv.chain([(kind, &acts.y)]) {
            let name = format!("act.{pass}.{kind}{}", i + 1);
            if golden.has(&name) {
                golden.compare(&name, &read(b, buffer), t.activations);
                compared += 1;
            }
        }
    }
    compared
}

/// Ten steps; everything the golden files hold about them.
pub fn ten_steps<B: Backend>(backend: B, nc: usize, run: &str, t: &Tolerances) {
    let inputs = Golden::open(&format!("dcgan_nc{nc}_inputs"));
    let golden = Golden::open(&format!("dcgan_nc{nc}_{run}"));
    let mut gan = load(backend, nc, &inputs);
    let noise = inputs.get("noise").f32();
    for (step, noise) in noise.chunks(noise.len() / STEPS).enumerate() {
        gan.step_with_noise(noise).unwrap();
        let losses = gan.losses().unwrap();
        for (name, found) in [
            ("lossD_real", losses.d_real),
            ("lossD_fake", losses.d_fake),
            ("lossG", losses.g),
            ("D_x", losses.d_x),
            ("D_G_z1", losses.d_g_z1),
            ("D_G_z2", losses.d_g_z2),
        ] {
            let wanted = golden.get(&format!("loss.{name}")).data[step];
            let error = (f64::from(found) - wanted).abs() / wanted.abs();
            // `losses` hands out f32.
            assert!(
                error <= t.losses.max(1.2e-7),
                "step {step} {name}: found {found}, wanted {wanted}"
            );
        }
        if step == 0 {
            compare_first_step(&gan, &golden, t);
        }
        let after = format!("after{}", step + 1);
        if golden.has(&after) {
            compare_state(&gan.backend, &golden, &format!("{after}.G"), &gan.generator, t);
            compare_state(&gan.backend, &golden, &format!("{after}.D"), &gan.discriminator, t);
        }
    }
    compare_evaluation(&mut gan, &golden, &noise[..BATCH * NZ], t);
}

/// Both networks in evaluation mode after the ten steps.
fn compare_evaluation<B: Backend>(
    gan: &mut Gan<B>,
    golden: &Golden,
    noise: &[f32],
    t: &Tolerances,
) {
    let mut sampler = Sampler::new(&gan.backend, &gan.generator, BATCH).unwrap();
    let images = gan.sample(&mut sampler, Weights::Raw, noise).unwrap();
    let images: Vec<f64> = images.iter().map(|&v| f64::from(v)).collect();
    if golden.has("eval10.G_out") {
        // Images are handed out in f32.
        golden.compare("eval10.G_out", &images, t.images.max(1.2e-7));
    }
    if golden.has("eval10.D_of_G_out") {
        let b = &gan.backend;
        let fakes = buffer(b, TensorShape::Image(gan.d_acts.input_shape()), &images);
        gan.discriminator.forward(b, Mode::Eval, &mut gan.d_acts, &fakes).unwrap();
        let (logits, probabilities) = gan.d_acts.output_and_gradient();
        b.copy(probabilities, logits).unwrap();
        b.activation_forward(Activation::Sigmoid, probabilities).unwrap();
        golden.compare("eval10.D_of_G_out", &read(b, probabilities), t.images.max(1.2e-7));
    }
}
