//! What a configuration will build, before anything is built: layers, parameters, memory.

use crate::backend::block::{Block, Direction};
use crate::backend::ops::Activation;
use crate::config::RunConfig;
use crate::error::Result;
use crate::model::{discriminator, generator};
use serde::Serialize;
use std::fmt;

/// The networks of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub generator: Vec<Layer>,
    pub discriminator: Vec<Layer>,
    pub generator_parameters: u64,
    pub discriminator_parameters: u64,
    /// Bytes of weights, gradients, Adam's moments and the moving average, at 4 bytes a number.
    pub state_bytes: u64,
    /// Bytes of activations and their gradients for one batch, at 4 bytes a number. A backend needs
    /// some working memory on top.
    pub activation_bytes: u64,
}

/// One block: convolution, batch normalisation, activation.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// PyTorch's name of the convolution.
    pub name: String,
    pub kind: String,
    /// `[n, c, h, w]`
    pub output: [u32; 4],
    pub parameters: u64,
}

impl Summary {
    /// Counts what `config` describes.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for impossible sizes.
    pub fn new(config: &RunConfig) -> Result<Self> {
        let (model, batch) = (config.model(), config.batch_size as usize);
        let g_blocks = generator::blocks(&model, batch)?;
        let d_blocks = discriminator::blocks(&model, batch)?;
        let layers = |blocks: &[Block], index: fn(usize) -> usize| -> Vec<Layer> {
            blocks.iter().enumerate().map(|(i, block)| Layer::new(index(i), block)).collect()
        };
        let (g, d) = (layers(&g_blocks, generator::index), layers(&d_blocks, discriminator::index));
        let parameters = |layers: &[Layer]| layers.iter().map(|l| l.parameters).sum::<u64>();
        let (g_count, d_count) = (parameters(&g), parameters(&d));
        let activations: u64 = g_blocks.iter().chain(&d_blocks).map(activations).sum();
        let input = d_blocks.first().map_or(0, |b| b.input().len() as u64);
        Ok(Self {
            generator: g,
            discriminator: d,
            generator_parameters: g_count,
            discriminator_parameters: d_count,
            // Weight, gradient and two moments each, and the average of G.
            state_bytes: 4 * (4 * (g_count + d_count) + g_count),
            activation_bytes: 4 * (activations + input),
        })
    }
}

/// Numbers that a block's two passes keep: output, its gradient, and the batch norm's input.
fn activations(block: &Block) -> u64 {
    block.output().len() as u64 * if block.norm { 3 } else { 2 }
}

impl Layer {
    fn new(index: usize, block: &Block) -> Self {
        let out = block.output();
        let g = &block.geometry;
        let name = match block.direction {
            Direction::Conv => "conv",
            Direction::ConvTranspose => "convT",
        };
        let norm = if block.norm { ", batch norm" } else { "" };
        let activation = match block.activation {
            // The loss takes D's last output as a logit: its sigmoid is part of the loss.
            Activation::Identity => String::new(),
            Activation::Relu => ", ReLU".into(),
            Activation::LeakyRelu { slope } => format!(", LeakyReLU {slope}"),
            Activation::Tanh => ", Tanh".into(),
            Activation::Sigmoid => ", Sigmoid".into(),
        };
        let [kernel, _] = g.kernel;
        let [stride, _] = g.stride;
        Self {
            name: format!("main.{index}"),
            kind: format!("{name} {kernel}×{kernel} s{stride}{norm}{activation}"),
            output: [out.n, out.c, out.h, out.w],
            parameters: g.filter().len() as u64 + if block.norm { 2 * u64::from(out.c) } else { 0 },
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = [
            ("generator", &self.generator, self.generator_parameters),
            ("discriminator", &self.discriminator, self.discriminator_parameters),
        ];
        for (name, layers, parameters) in networks {
            writeln!(f, "{name}: {parameters} parameters")?;
            for Layer { name, kind, output, parameters } in layers {
                let output = format!("{output:?}");
                writeln!(f, "  {name:<8} {output:<20} {parameters:>10}  {kind}")?;
            }
        }
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "memory: about {:.0} MiB for weights, gradients and Adam, {:.0} MiB for activations",
            mib(self.state_bytes),
            mib(self.activation_bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    /// Counted by hand for the published network: five filters and four pairs of γ and β each.
    #[test]
    fn the_published_network_has_the_published_size() {
        let config = RunConfig::new(Preset::Seed.values()).unwrap();
        let summary = Summary::new(&config).unwrap();
        let filters = |ends: [[u64; 2]; 5]| ends.iter().map(|[a, b]| a * b * 16).sum::<u64>();
        let g = filters([[100, 512], [512, 256], [256, 128], [128, 64], [64, 3]]);
        let d = filters([[3, 64], [64, 128], [128, 256], [256, 512], [512, 1]]);
        assert_eq!(summary.generator_parameters, g + 2 * (512 + 256 + 128 + 64));
        assert_eq!(summary.discriminator_parameters, d + 2 * (128 + 256 + 512));
        // PyTorch's DCGAN tutorial prints these two.
        assert_eq!(summary.generator_parameters, 3_576_704);
        assert_eq!(summary.discriminator_parameters, 2_765_568);
        assert_eq!(summary.generator[4].output, [128, 3, 64, 64]);
    }
}
