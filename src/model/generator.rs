//! The generator: latent vector → image.

use super::ModelConfig;
use crate::backend::block::{Block, Direction};
use crate::backend::ops::Activation;
use crate::error::Result;
use crate::shape::{ConvGeometry, Nchw};

/// The generator's blocks for a batch of `n`.
///
/// For 64×64 and base 4 (PyTorch's indices in `main`):
///
/// | block | layers | output |
/// |---|---|---|
/// | 0 | convT 4×4 s1 p0 (0), bn (1), ReLU (2) | 8·ngf × 4×4 |
/// | 1 | convT 4×4 s2 p1 (3), bn (4), ReLU (5) | 4·ngf × 8×8 |
/// | 2 | convT 4×4 s2 p1 (6), bn (7), ReLU (8) | 2·ngf × 16×16 |
/// | 3 | convT 4×4 s2 p1 (9), bn (10), ReLU (11) | ngf × 32×32 |
/// | 4 | convT 4×4 s2 p1 (12), Tanh (13) | channels × 64×64 |
///
/// Each further doubling of the image adds a block at the front and doubles the widest layer; a base
/// of 5, 6 or 7 makes the first filter and map that size.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for sizes that [`ModelConfig::validate`] refuses.
pub fn blocks(config: &ModelConfig, n: usize) -> Result<Vec<Block>> {
    config.validate()?;
    let (base, doublings) = config.base_and_doublings()?;
    let latent = Nchw::new(n, config.nz, 1, 1);
    let widest = config.ngf << (doublings - 1);
    let kernel = [base as u32; 2];
    let mut blocks = vec![Block {
        direction: Direction::ConvTranspose,
        geometry: ConvGeometry::conv_transpose(latent, widest, kernel, [1; 2], [0; 2], [0; 2])?,
        norm: true,
        activation: Activation::Relu,
    }];
    let mut x = blocks[0].output();
    for level in 1..=doublings {
        let last = level == doublings;
        let channels = if last { config.channels } else { widest >> level };
        let block = Block {
            direction: Direction::ConvTranspose,
            geometry: ConvGeometry::conv_transpose(x, channels, [4; 2], [2; 2], [1; 2], [0; 2])?,
            norm: !last,
            activation: if last { Activation::Tanh } else { Activation::Relu },
        };
        x = block.output();
        blocks.push(block);
    }
    Ok(blocks)
}

/// Index of block `i`'s convolution in PyTorch's `main`; batch norm follows it.
pub const fn index(block: usize) -> usize {
    3 * block
}
