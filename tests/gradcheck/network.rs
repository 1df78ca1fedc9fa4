//! The whole network's gradient along random directions, by differences of the loss.
//!
//! This is what catches an op that is right by itself and called with the wrong tensor: D's loss
//! through every weight of D, and G's loss through D and every weight of G.

use crate::tensors::{buffer, dot, random, read};
use dermaglyph::backend::block::{BlockParams, Mode};
use dermaglyph::backend::ops::Bce;
use dermaglyph::backend::{Backend, HostTensor, Reference};
use dermaglyph::model::{Activations, ModelConfig, Network, discriminator, generator};
use dermaglyph::shape::TensorShape;

const B: Reference = Reference;
const BATCH: usize = 3;
/// Base 5, so that the first and last filters are not 4×4.
const MODEL: ModelConfig = ModelConfig { image_size: 20, channels: 3, nz: 5, ngf: 3, ndf: 2 };

struct Pair {
    g: Network<Reference>,
    d: Network<Reference>,
    g_acts: Activations<Reference>,
    d_acts: Activations<Reference>,
    latents: <Reference as Backend>::Buffer,
}

impl Pair {
    fn new() -> Self {
        let g_blocks = generator::blocks(&MODEL, BATCH).unwrap();
        let d_blocks = discriminator::blocks(&MODEL, BATCH).unwrap();
        let mut g = Network::initialised(&B, g_blocks.clone(), generator::index, 1, 0).unwrap();
        let mut d =
            Network::initialised(&B, d_blocks.clone(), discriminator::index, 1, 1000).unwrap();
        // N(0, 0.02) makes almost no signal at these widths; larger weights make every path count.
        for network in [&mut g, &mut d] {
            for (i, params) in network.params.iter_mut().enumerate() {
                let len = B.shape(&params.weight).len();
                let weights: Vec<f64> =
                    random(50 + i as u64, len).iter().map(|v| 0.3 * v).collect();
                B.restore(&mut params.weight, &HostTensor::F64(weights)).unwrap();
            }
        }
        let g_acts = Activations::new(&B, &g_blocks, BATCH, true).unwrap();
        let d_acts = Activations::new(&B, &d_blocks, BATCH, true).unwrap();
        let latents =
            buffer(&B, TensorShape::Image(g_acts.input_shape()), &random(2, BATCH * MODEL.nz));
        Self { g, d, g_acts, d_acts, latents }
    }

    /// G's loss, −mean ln D(G(z)).
    fn loss(&mut self) -> f64 {
        self.g.forward(&B, Mode::Train, &mut self.g_acts, &self.latents).unwrap();
        self.d.forward(&B, Mode::Train, &mut self.d_acts, self.g_acts.output()).unwrap();
        let mut stats = B.alloc(TensorShape::Vector(2)).unwrap();
        let (logits, dlogits) = self.d_acts.output_and_gradient();
        B.bce_with_logits(Bce { n: BATCH, target: 1.0, slot: 0 }, dlogits, &mut stats, logits)
            .unwrap();
        read(&B, &stats)[0]
    }

    /// The gradients of both networks' parameters.
    fn gradients(&mut self) -> [Vec<BlockParams<Reference>>; 2] {
        let mut dg = Network::zero_params(&B, self.g.blocks()).unwrap();
        let mut dd = Network::zero_params(&B, self.d.blocks()).unwrap();
        self.loss();
        let (fakes, dfakes) = self.g_acts.output_and_gradient();
        self.d.backward(&B, &mut self.d_acts, Some(dfakes), Some(&mut dd), fakes).unwrap();
        self.g.backward(&B, &mut self.g_acts, None, Some(&mut dg), &self.latents).unwrap();
        [dg, dd]
    }
}

/// Every parameter tensor of both networks by itself, along one random direction.
#[test]
fn loss_through_both_networks() {
    let mut pair = Pair::new();
    let gradients = pair.gradients();
    for (which, gradient) in gradients.iter().enumerate() {
        let names = if which == 0 { pair.g.param_names() } else { pair.d.param_names() };
        let tensors: Vec<Vec<f64>> =
            gradient.iter().flat_map(BlockParams::tensors).map(|t| read(&B, t)).collect();
        for (i, gradient) in tensors.iter().enumerate() {
            let direction = random(200 + i as u64, gradient.len());
            let h = 1e-6;
            let mut at = |factor: f64| {
                let original = {
                    let network = if which == 0 { &mut pair.g } else { &mut pair.d };
                    let tensor = network
                        .params
                        .iter_mut()
                        .flat_map(BlockParams::tensors_mut)
                        .nth(i)
                        .unwrap();
                    let original = read(&B, tensor);
                    let moved =
                        original.iter().zip(&direction).map(|(w, u)| w + factor * h * u).collect();
                    B.restore(tensor, &HostTensor::F64(moved)).unwrap();
                    original
                };
                let loss = pair.loss();
                let network = if which == 0 { &mut pair.g } else { &mut pair.d };
                let tensor =
                    network.params.iter_mut().flat_map(BlockParams::tensors_mut).nth(i).unwrap();
                B.restore(tensor, &HostTensor::F64(original)).unwrap();
                loss
            };
            let difference = (at(1.0) - at(-1.0)) / (2.0 * h);
            let claimed = dot(gradient, &direction);
            let scale = gradient.iter().map(|g| g.abs()).fold(0.0, f64::max);
            assert!(scale > 0.0, "{}: no gradient", names[i]);
            assert!(
                (difference - claimed).abs() <= 1e-5 * claimed.abs().max(scale),
                "network {which} {}: backward {claimed}, differences {difference}",
                names[i]
            );
        }
    }
}
