//! The discriminator: image → one logit.

use super::ModelConfig;
use crate::backend::block::{Block, Direction};
use crate::backend::ops::Activation;
use crate::error::Result;
use crate::shape::{ConvGeometry, Nchw};

/// LeakyReLU's slope for negative inputs.
pub const SLOPE: f64 = 0.2;

/// The discriminator's blocks for a batch of `n`: the generator's mirror image.
///
/// For 64×64 and base 4 (PyTorch's indices in `main`):
///
/// | block | layers | output |
/// |---|---|---|
/// | 0 | conv 4×4 s2 p1 (0), LeakyReLU (1) | ndf × 32×32 |
/// | 1 | conv 4×4 s2 p1 (2), bn (3), LeakyReLU (4) | 2·ndf × 16×16 |
/// | 2 | conv 4×4 s2 p1 (5), bn (6), LeakyReLU (7) | 4·ndf × 8×8 |
/// | 3 | conv 4×4 s2 p1 (8), bn (9), LeakyReLU (10) | 8·ndf × 4×4 |
/// | 4 | conv 4×4 s1 p0 (11) | 1 × 1×1 |
///
/// PyTorch's example ends in a Sigmoid (12). Here the network's output is the logit: the loss is
/// computed from it ([`bce_with_logits`](crate::backend::Backend::bce_with_logits)), and the
/// probability is the loss's by-product.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for sizes that [`ModelConfig::validate`] refuses.
pub fn blocks(config: &ModelConfig, n: usize) -> Result<Vec<Block>> {
    config.validate()?;
    let (base, doublings) = config.base_and_doublings()?;
    let mut x = Nchw::new(n, config.channels, config.image_size, config.image_size);
    let mut blocks = Vec::with_capacity(doublings + 1);
    for level in 0..doublings {
        let block = Block {
            direction: Direction::Conv,
            geometry: ConvGeometry::conv(x, config.ndf << level, [4; 2], [2; 2], [1; 2])?,
            norm: level > 0,
            activation: Activation::LeakyRelu { slope: SLOPE },
        };
        x = block.output();
        blocks.push(block);
    }
    blocks.push(Block {
        direction: Direction::Conv,
        geometry: ConvGeometry::conv(x, 1, [base as u32; 2], [1; 2], [0; 2])?,
        norm: false,
        activation: Activation::Identity,
    });
    Ok(blocks)
}

/// Index of block `i`'s convolution in PyTorch's `main`; batch norm follows it. Block 0 has no batch
/// norm, so everything behind it moves up by one.
pub const fn index(block: usize) -> usize {
    if block == 0 { 0 } else { 3 * block - 1 }
}
