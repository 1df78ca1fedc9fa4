//! What the fused passes compute beside the convolution.

use super::*;
use crate::backend::block::{Block, BlockActs, BlockParams, Direction, Mode, NormStats};
use crate::backend::cpu::Algorithm;
use crate::backend::cpu::batch_norm::Moments;
use crate::backend::ops::Activation;
use crate::shape::{ConvGeometry, Nchw};

/// Statistics that are taken chunk by chunk are those of the whole tensor, though the mean be large beside
/// the deviation; both ways of a convolution, several chunks, the last one partial.
#[test]
fn statistics_of_a_convolution_in_tiles_are_those_of_its_output() {
    let backend = cpu();
    for (n, size, tile) in [(133, 8, 4), (21, 16, 4), (40, 12, 2)] {
        let g =
            ConvGeometry::conv(Nchw::new(n, 16, size, size), 48, [4, 4], [2, 2], [1, 1]).unwrap();
        assert_eq!(backend.algorithm(g), Algorithm::Winograd(tile));
        for direction in [Direction::Conv, Direction::ConvTranspose] {
            let block = Block { direction, geometry: g, norm: true, activation: Activation::Relu };
            let input = TensorShape::Image(block.input());
            // Inputs near 1 and positive weights: deviations of a few thousandths of the mean.
            let near_one = |seed, scale: f32, len| -> Vec<f32> {
                normals(seed, len).iter().map(|v| 1.0 + scale * v).collect()
            };
            let x = tensor(&backend, input, &near_one(1, 1e-2, input.len()));
            let mut params = BlockParams::zeros(&backend, &block).unwrap();
            let w = near_one(2, 1e-1, g.filter().len());
            backend.upload(&mut params.weight, &w).unwrap();
            let mut acts = BlockActs::new(&backend, &block).unwrap();
            let channels = block.output().c as usize;
            let mut stats = Some(NormStats::new(&backend, channels).unwrap());
            backend.block_forward(&block, Mode::Train, &mut acts, &mut stats, &params, &x).unwrap();
            let norm = acts.norm.as_ref().unwrap();
            let p = block.batch_norm();
            let wanted = Moments::of(p, &norm.conv.data);
            let inv_std: Vec<f64> = wanted.inv_std(p).collect();
            let what = format!("{direction:?} {g}");
            assert_close(&what, &values(&backend, &norm.saved.mean), &wanted.mean, 1e-7);
            assert_close(&what, &values(&backend, &norm.saved.inv_std), &inv_std, 1e-6);
        }
    }
}
