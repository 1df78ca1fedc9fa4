//! What the fused passes compute beside the convolution.

use super::*;
use crate::backend::block::{
    self, Block, BlockActs, BlockParams, Direction, Mode, NormParams, NormStats,
};
use crate::backend::cpu::Algorithm;
use crate::backend::cpu::batch_norm::Moments;
use crate::backend::ops::Activation;
use crate::shape::{ConvGeometry, Nchw};

/// Statistics that are taken chunk by chunk are those of the whole tensor, though the mean be large beside
/// the deviation; both ways of a convolution, several chunks, the last one partial.
#[test]
fn statistics_of_a_convolution_in_tiles_are_those_of_its_output() {
    let backend = cpu();
    for (n, size, tile) in [(133, 8, 4), (21, 16, 4), (40, 12, 2), (17, 64, 4)] {
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

/// In evaluation a block is its convolution, normalised by the running statistics and activated: to the
/// bit, as each number goes through the same operations.
#[test]
fn a_block_in_evaluation_is_its_three_ops() {
    let backend = cpu();
    for (n, size) in [(21, 16), (40, 12), (17, 64), (3, 6)] {
        let g =
            ConvGeometry::conv(Nchw::new(n, 16, size, size), 48, [4, 4], [2, 2], [1, 1]).unwrap();
        for direction in [Direction::Conv, Direction::ConvTranspose] {
            for activation in [Activation::Relu, Activation::LeakyRelu { slope: 0.2 }] {
                let block = Block { direction, geometry: g, norm: true, activation };
                let (input, output) = (block.input(), TensorShape::Image(block.output()));
                let x = tensor(&backend, TensorShape::Image(input), &normals(1, input.len()));
                let channels = block.output().c as usize;
                let vector = |seed, offset: f32| -> Buffer {
                    let numbers: Vec<f32> =
                        normals(seed, channels).iter().map(|v| offset + v.abs()).collect();
                    tensor(&backend, TensorShape::Vector(channels), &numbers)
                };
                let weight = tensor(&backend, g.filter(), &normals(2, g.filter().len()));
                let norm = Some(NormParams { gamma: vector(3, -0.5), beta: vector(4, -0.7) });
                let params = BlockParams { weight, norm };
                let mut stats = Some(NormStats { mean: vector(5, -1.0), var: vector(6, 0.1) });
                let mut acts = BlockActs::new(&backend, &block).unwrap();
                acts.y = poisoned(&backend, output);
                backend
                    .block_forward(&block, Mode::Eval, &mut acts, &mut stats, &params, &x)
                    .unwrap();
                let mut expected = BlockActs::new(&backend, &block).unwrap();
                block::forward(
                    &backend,
                    &block,
                    Mode::Eval,
                    &mut expected,
                    &mut stats,
                    &params,
                    &x,
                )
                .unwrap();
                let [found, expected] = [&acts.y, &expected.y].map(|y| values(&backend, y));
                assert!(found == expected, "{direction:?} {activation:?} {g}");
                assert!(found.iter().any(|v| *v > 0.0) && found.iter().any(|v| *v <= 0.0));
            }
        }
    }
}
