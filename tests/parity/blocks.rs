//! A backend's own block passes against the ones composed from its primitives.

use crate::compare::random;
use dermaglyph::Error;
use dermaglyph::backend::block::{self, Block, BlockActs, BlockParams, Mode, NormStats};
use dermaglyph::backend::{Backend, HostTensor};
use dermaglyph::model::{ModelConfig, discriminator, generator};
use dermaglyph::shape::TensorShape;

/// All tensors of one block's forward and backward pass, filled from fixed seeds.
struct Run<B: Backend> {
    acts: BlockActs<B>,
    stats: Option<NormStats<B>>,
    params: BlockParams<B>,
    grads: BlockParams<B>,
    x: B::Buffer,
    dx: B::Buffer,
    dy: B::Buffer,
}

impl<B: Backend> Run<B> {
    fn new(b: &B, block: &Block) -> Self {
        let random_tensor = |buffer: &mut B::Buffer, seed| {
            let data = random(b.shape(buffer).len(), seed);
            b.upload(buffer, &data).unwrap();
        };
        let mut params = BlockParams::zeros(b, block).unwrap();
        params.tensors_mut().enumerate().for_each(|(i, t)| random_tensor(t, i as u64));
        let mut grads = BlockParams::zeros(b, block).unwrap();
        grads.tensors_mut().enumerate().for_each(|(i, t)| random_tensor(t, 10 + i as u64));
        let mut acts = BlockActs::new(b, block).unwrap();
        b.fill(&mut acts.y, f32::NAN).unwrap();
        let (input, output) =
            (TensorShape::Image(block.input()), TensorShape::Image(block.output()));
        let (mut x, mut dx, mut dy) =
            (b.alloc(input).unwrap(), b.alloc(input).unwrap(), b.alloc(output).unwrap());
        random_tensor(&mut x, 20);
        random_tensor(&mut dy, 21);
        b.fill(&mut dx, f32::NAN).unwrap();
        let channels = block.output().c as usize;
        let stats = block.norm.then(|| NormStats::new(b, channels).unwrap());
        Self { acts, stats, params, grads, x, dx, dy }
    }

    /// Everything the passes may have changed, by name.
    fn results(&self, b: &B) -> Vec<(String, Vec<f64>)> {
        let read = |t: &B::Buffer| b.snapshot(t).unwrap().to_f64();
        let mut results = vec![("y".into(), read(&self.acts.y)), ("dx".into(), read(&self.dx))];
        results.extend(
            self.grads.tensors().enumerate().map(|(i, t)| (format!("gradient {i}"), read(t))),
        );
        if let Some(stats) = &self.stats {
            results.push(("running mean".into(), read(&stats.mean)));
            results.push(("running var".into(), read(&stats.var)));
        }
        results
    }
}

fn close(what: &str, found: &[f64], wanted: &[f64], tolerance: f64) {
    let norm = wanted.iter().map(|w| w * w).sum::<f64>().sqrt();
    let error = found.iter().zip(wanted).map(|(f, w)| (f - w).powi(2)).sum::<f64>().sqrt();
    assert!(error <= tolerance * norm && norm.is_finite(), "{what}: {error:e} of {norm:e}");
}

/// Layers of odd sizes.
pub const SMALL: ModelConfig = ModelConfig { image_size: 24, channels: 3, nz: 7, ngf: 5, ndf: 4 };

/// Layers that the CPU engine computes in tiles.
pub const IN_TILES: ModelConfig =
    ModelConfig { image_size: 32, channels: 3, nz: 16, ngf: 16, ndf: 32 };

pub fn fused_against_unfused<B: Backend>(b: &B, config: ModelConfig, n: usize, tolerance: f64) {
    let mut blocks = generator::blocks(&config, n).unwrap();
    blocks.extend(discriminator::blocks(&config, n).unwrap());
    for block in blocks {
        for (wants_dx, wants_grads) in [(true, true), (false, true), (true, false)] {
            let mut runs = [Run::new(b, &block), Run::new(b, &block)];
            for (fused, run) in runs.iter_mut().enumerate() {
                let Run { acts, stats, params, grads, x, dx, dy } = run;
                let (dx, grads) = (wants_dx.then_some(dx), wants_grads.then_some(grads));
                if fused == 1 {
                    b.block_forward(&block, Mode::Train, acts, stats, params, x).unwrap();
                    b.block_backward(&block, dx, grads, dy, acts, params, x).unwrap();
                } else {
                    block::forward(b, &block, Mode::Train, acts, stats, params, x).unwrap();
                    block::backward(b, &block, dx, grads, dy, acts, params, x).unwrap();
                }
            }
            let [plain, fused] = runs.map(|run| run.results(b));
            for ((name, wanted), (_, found)) in plain.iter().zip(&fused) {
                let what = format!("{name} of {block:?}");
                if name == "dx" && !wants_dx {
                    assert!(found.iter().all(|v| v.is_nan()), "{what}: written though not wanted");
                } else {
                    close(&what, found, wanted, tolerance);
                }
            }
        }
        evaluation(b, &block, tolerance);
    }
}

/// The forward pass with running statistics, which it must not change.
fn evaluation<B: Backend>(b: &B, block: &Block, tolerance: f64) {
    let mut runs = [Run::new(b, block), Run::new(b, block)];
    for (fused, run) in runs.iter_mut().enumerate() {
        let Run { acts, stats, params, x, .. } = run;
        if let Some(stats) = stats {
            let channels = b.shape(&stats.mean).len();
            let var = random(channels, 31).iter().map(|v| v * v + 0.2).collect();
            b.upload(&mut stats.mean, &random(channels, 30)).unwrap();
            b.restore(&mut stats.var, &HostTensor::F32(var)).unwrap();
        }
        if fused == 1 {
            b.block_forward(block, Mode::Eval, acts, stats, params, x).unwrap();
        } else {
            block::forward(b, block, Mode::Eval, acts, stats, params, x).unwrap();
        }
    }
    let [plain, fused] = runs.map(|run| run.results(b));
    for ((name, wanted), (_, found)) in plain.iter().zip(&fused).filter(|((n, _), _)| n != "dx") {
        close(&format!("{name} of {block:?} in evaluation"), found, wanted, tolerance);
    }
}

/// Half a batch norm is an error, never a layer silently left out.
pub fn buffers_that_do_not_belong_together<B: Backend>(b: &B) {
    let config = ModelConfig { image_size: 16, channels: 1, nz: 3, ngf: 2, ndf: 2 };
    let block = generator::blocks(&config, 2).unwrap()[0];
    assert!(block.norm);
    let Run { mut acts, params, mut grads, x, mut dx, mut dy, .. } = Run::new(b, &block);
    let forward = b.block_forward(&block, Mode::Train, &mut acts, &mut None, &params, &x);
    assert!(matches!(forward, Err(Error::Shape { .. })), "{forward:?}");
    acts.norm = None;
    let (dx, grads) = (Some(&mut dx), Some(&mut grads));
    let backward = b.block_backward(&block, dx, grads, &mut dy, &acts, &params, &x);
    assert!(matches!(backward, Err(Error::Shape { .. })), "{backward:?}");
}
