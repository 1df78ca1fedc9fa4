//! The CPU engine: f32, all cores, convolutions as matrix products.
//!
//! This file checks shapes and hands slices to the op families:
//!
//! | file | what |
//! |---|---|
//! | `buffer.rs` | tensors, channels innermost |
//! | `simd/` | sixteen f32 at a time: AVX-512, AVX2, NEON or portable, chosen at run time |
//! | `product.rs`, `panels.rs` | the matrix product and the layout of its matrices |
//! | `winograd/` | the heavy convolutions, with fewer multiplications |
//! | `algorithm.rs` | which of the two a layer takes |
//! | `columns.rs`, `conv.rs` | any convolution as a matrix product |
//! | `thin.rs` | the same for images of one or three channels, read in place |
//! | `fused.rs`, `finish.rs`, `moments.rs` | whole blocks in fewer passes over memory |
//! | `batch_norm.rs`, `activation.rs`, `loss.rs`, `adam.rs`, `input.rs` | the other ops |
//! | `engine.rs`, `memory.rs`, `kept.rs`, `shared.rs` | threads, memory that is kept, memory that they share |
//! | `peak.rs` | what the machine could do at best |
//!
//! **The same bits for any number of threads.** Work is cut into pieces whose sizes depend on shapes
//! alone, every sum has one order, and no two threads add to one number. In evaluation mode an image
//! is moreover independent of the rest of its batch, bit for bit.

mod activation;
mod adam;
mod algorithm;
mod batch_norm;
mod buffer;
mod columns;
mod conv;
mod engine;
mod finish;
mod fused;
mod input;
mod kept;
mod loss;
mod memory;
mod moments;
mod panels;
mod peak;
mod product;
mod shared;
mod simd;
#[cfg(test)]
mod tests;
mod thin;
mod winograd;

use super::block::{Block, BlockActs, BlockGrads, BlockParams, Mode, NormStats};
use super::check::{
    expect, expect_adam, expect_channels, expect_conv, expect_len, expect_loss, expect_noise,
    expect_norm, expect_norm_forward,
};
use super::ops::{Activation, Adam, BatchNorm, Bce, Ema, Gather, Noise};
use super::{Backend, HostTensor, NormSaved, out_of_memory};
use crate::error::Result;
use crate::shape::{ConvGeometry, TensorShape};
use algorithm::chosen_isa;
pub use algorithm::{Algorithm, Convolutions, ISA_VARIABLE};
use batch_norm::{Moments, Projections, Terms};
pub use buffer::{Buffer, Bytes};
use engine::Engine;
use kept::Kept;
use memory::Storage;
use rayon::prelude::*;

/// Numbers that one task of an element-wise op takes: a quarter of a megabyte.
const CHUNK: usize = 1 << 16;

/// The CPU backend. It owns its threads and their working memory.
#[derive(Debug)]
pub struct Cpu {
    engine: Engine,
    convolutions: Convolutions,
}

impl Cpu {
    /// A backend on `threads` threads, or on as many as the machine has cores, with the best instruction
    /// set of the machine or the one that the variable [`ISA_VARIABLE`] names.
    ///
    /// # Errors
    /// If `threads` is zero, the system refuses to start that many, or the machine lacks what the variable
    /// names.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        let engine = Engine::new(threads, chosen_isa(std::env::var(ISA_VARIABLE).ok())?)?;
        Ok(Self { engine, convolutions: Convolutions::Auto })
    }

    /// The same backend with another choice of convolutions.
    pub fn with_convolutions(self, convolutions: Convolutions) -> Self {
        Self { convolutions, ..self }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.engine.pool.current_num_threads()
    }

    fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.engine.pool.install(work)
    }
}

impl Backend for Cpu {
    type Buffer = Buffer;
    type Bytes = Bytes;

    fn describe(&self) -> String {
        let plural = if self.threads() == 1 { "" } else { "s" };
        format!("cpu, {} thread{plural}, {}", self.threads(), self.engine.isa.name())
    }

    fn alloc(&self, shape: TensorShape) -> Result<Buffer> {
        let data = Storage::zeros(shape.len()).map_err(|_| out_of_memory::<f32>("cpu", shape))?;
        Ok(Buffer { shape, data })
    }

    fn shape(&self, buffer: &Buffer) -> TensorShape {
        buffer.shape
    }

    fn upload(&self, dst: &mut Buffer, src: &[f32]) -> Result<()> {
        expect_len("upload", "the source", src.len(), dst.data.len())?;
        self.run(|| dst.set_from_host(src));
        Ok(())
    }

    fn download(&self, dst: &mut [f32], src: &Buffer) -> Result<()> {
        expect_len("download", "the destination", dst.len(), src.data.len())?;
        self.run(|| src.write_to_host(dst));
        Ok(())
    }

    fn snapshot(&self, src: &Buffer) -> Result<HostTensor> {
        let mut host = vec![0.0; src.data.len()];
        self.download(&mut host, src)?;
        Ok(HostTensor::F32(host))
    }

    fn restore(&self, dst: &mut Buffer, src: &HostTensor) -> Result<()> {
        expect_len("restore", "the source", src.len(), dst.data.len())?;
        match src {
            HostTensor::F32(numbers) => self.upload(dst, numbers),
            HostTensor::F64(_) => self.upload(dst, &src.to_f32()),
        }
    }

    fn fill(&self, dst: &mut Buffer, value: f32) -> Result<()> {
        self.run(|| dst.data.par_chunks_mut(CHUNK).for_each(|chunk| chunk.fill(value)));
        Ok(())
    }

    fn copy(&self, dst: &mut Buffer, src: &Buffer) -> Result<()> {
        expect("copy", "the source", src, dst.shape)?;
        let (dst, src) = (&mut dst.data, &src.data);
        self.run(|| {
            let chunks = dst.par_chunks_mut(CHUNK).zip(src.par_chunks(CHUNK));
            chunks.for_each(|(dst, src)| dst.copy_from_slice(src));
        });
        Ok(())
    }

    fn upload_bytes(&self, images: &[u8]) -> Result<Bytes> {
        Ok(Bytes(images.to_vec()))
    }

    fn count_non_finite(&self, x: &Buffer) -> Result<usize> {
        Ok(self.run(|| x.non_finite()))
    }

    fn gather(&self, p: Gather, y: &mut Buffer, set: &Bytes, indices: &[u32]) -> Result<()> {
        expect("gather", "y", y, TensorShape::Image(p.shape))?;
        expect_len("gather", "the index list", indices.len(), p.shape.n as usize)?;
        self.run(|| input::gather(p, &mut y.data, &set.0, indices))
    }

    fn noise(&self, p: Noise, z: &mut Buffer, step: &Buffer) -> Result<()> {
        expect_noise(p, z, step)?;
        let step = step.data[0];
        self.run(|| input::noise(p, &mut z.data, step));
        Ok(())
    }

    fn conv_forward(&self, g: ConvGeometry, y: &mut Buffer, x: &Buffer, w: &Buffer) -> Result<()> {
        expect_conv("conv_forward", g, [("x", x), ("y", y), ("w", w)])?;
        self.forward(g, y, x, w)
    }

    fn conv_backward_data(
        &self,
        g: ConvGeometry,
        dx: &mut Buffer,
        dy: &Buffer,
        w: &Buffer,
    ) -> Result<()> {
        expect_conv("conv_backward_data", g, [("dx", dx), ("dy", dy), ("w", w)])?;
        self.backward_data(g, dx, dy, w)
    }

    fn conv_backward_weights(
        &self,
        g: ConvGeometry,
        dw: &mut Buffer,
        x: &Buffer,
        dy: &Buffer,
    ) -> Result<()> {
        expect_conv("conv_backward_weights", g, [("x", x), ("dy", dy), ("dw", dw)])?;
        self.backward_weights(g, dw, x, dy)
    }

    fn batch_norm_forward(
        &self,
        p: BatchNorm,
        y: &mut Buffer,
        saved: &mut NormSaved<Self>,
        running: &mut NormStats<Self>,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) -> Result<()> {
        expect_norm_forward("batch_norm_forward", p, [y, x], [gamma, beta], Some(saved), running)?;
        let moments = self.run(|| Moments::of(p, &x.data));
        self.normalise(p, Activation::Identity, &moments, y, x, gamma, beta);
        moments.keep(p, saved, running);
        Ok(())
    }

    fn batch_norm_backward(
        &self,
        p: BatchNorm,
        dy_dx: &mut Buffer,
        grads: Option<(&mut Buffer, &mut Buffer)>,
        x: &Buffer,
        gamma: &Buffer,
        saved: &NormSaved<Self>,
    ) -> Result<()> {
        const OP: &str = "batch_norm_backward";
        expect_norm(OP, p, [("x", x), ("dy", dy_dx)], 2)?;
        let vectors = [("gamma", gamma), ("mean", &saved.mean), ("inv_std", &saved.inv_std)];
        expect_channels(OP, p, &vectors)?;
        let (mean, inv_std) = (&saved.mean.data, &saved.inv_std.data);
        let (isa, dy_dx) = (self.engine.isa, &mut dy_dx.data[..]);
        let sums = self.run(|| Projections::of(isa, p, dy_dx, &x.data, mean, inv_std));
        add_norm_gradients(OP, p, grads, &sums)?;
        let terms = Terms::of(p, &sums, &gamma.data, inv_std);
        self.run(|| batch_norm::backward(p, dy_dx, &terms, &x.data, mean));
        Ok(())
    }

    fn batch_norm_eval_forward(
        &self,
        p: BatchNorm,
        y: &mut Buffer,
        running: &NormStats<Self>,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) -> Result<()> {
        expect_norm_forward("batch_norm_eval_forward", p, [y, x], [gamma, beta], None, running)?;
        let moments = Moments::kept(&running.mean.data, &running.var.data);
        self.normalise(p, Activation::Identity, &moments, y, x, gamma, beta);
        Ok(())
    }

    fn batch_norm_eval_backward(
        &self,
        p: BatchNorm,
        dy_dx: &mut Buffer,
        grads: Option<(&mut Buffer, &mut Buffer)>,
        x: &Buffer,
        gamma: &Buffer,
        running: &NormStats<Self>,
    ) -> Result<()> {
        const OP: &str = "batch_norm_eval_backward";
        expect_norm(OP, p, [("x", x), ("dy", dy_dx)], 1)?;
        let moving = [("running mean", &running.mean), ("running var", &running.var)];
        expect_channels(OP, p, &[("gamma", gamma), moving[0], moving[1]])?;
        let mean = &running.mean.data;
        let inv_std: Kept<f32> =
            Moments::kept(mean, &running.var.data).inv_std(p).map(|s| s as f32).collect();
        if grads.is_some() {
            let (isa, dy) = (self.engine.isa, &mut dy_dx.data);
            let sums = self.run(|| Projections::of(isa, p, dy, &x.data, mean, &inv_std));
            add_norm_gradients(OP, p, grads, &sums)?;
        }
        self.run(|| batch_norm::eval_backward(p, &mut dy_dx.data, &gamma.data, &inv_std));
        Ok(())
    }

    fn activation_forward(&self, f: Activation, x_y: &mut Buffer) -> Result<()> {
        self.run(|| activation::forward(self.engine.isa, f, &mut x_y.data));
        Ok(())
    }

    fn activation_backward(&self, f: Activation, dy_dx: &mut Buffer, y: &Buffer) -> Result<()> {
        expect("activation_backward", "y", y, dy_dx.shape)?;
        self.run(|| activation::backward(self.engine.isa, f, &mut dy_dx.data, &y.data));
        Ok(())
    }

    fn bce(&self, p: Bce, dp: &mut Buffer, stats: &mut Buffer, prob: &Buffer) -> Result<()> {
        expect_loss("bce", p, dp, stats, prob)?;
        let means = loss::bce(p, &mut dp.data, &prob.data);
        stats.data[p.slot..p.slot + 2].copy_from_slice(&means);
        Ok(())
    }

    fn bce_with_logits(
        &self,
        p: Bce,
        dz: &mut Buffer,
        stats: &mut Buffer,
        logit: &Buffer,
    ) -> Result<()> {
        expect_loss("bce_with_logits", p, dz, stats, logit)?;
        let means = loss::bce_with_logits(p, &mut dz.data, &logit.data);
        stats.data[p.slot..p.slot + 2].copy_from_slice(&means);
        Ok(())
    }

    fn adam(
        &self,
        p: Adam,
        param: &mut Buffer,
        m: &mut Buffer,
        v: &mut Buffer,
        grad: &Buffer,
        step: &Buffer,
    ) -> Result<()> {
        expect_adam(param, m, v, grad)?;
        expect("adam", "step", step, TensorShape::Vector(1))?;
        let (isa, step, grad) = (self.engine.isa, step.data[0], &grad.data[..]);
        let moving = [&mut param.data[..], &mut m.data[..], &mut v.data[..]];
        self.run(|| adam::adam(isa, p, moving, grad, step));
        Ok(())
    }

    fn ema(&self, p: Ema, avg: &mut Buffer, x: &Buffer, step: &Buffer) -> Result<()> {
        expect("ema", "x", x, avg.shape)?;
        expect("ema", "step", step, TensorShape::Vector(1))?;
        let step = step.data[0];
        self.run(|| adam::ema(p, &mut avg.data, &x.data, step));
        Ok(())
    }

    fn block_forward(
        &self,
        block: &Block,
        mode: Mode,
        acts: &mut BlockActs<Self>,
        stats: &mut Option<NormStats<Self>>,
        params: &BlockParams<Self>,
        x: &Buffer,
    ) -> Result<()> {
        self.fused_forward(block, mode, acts, stats, params, x)
    }

    fn block_backward(
        &self,
        block: &Block,
        dx: Option<&mut Buffer>,
        grads: Option<&mut BlockGrads<Self>>,
        dy: &mut Buffer,
        acts: &BlockActs<Self>,
        params: &BlockParams<Self>,
        x: &Buffer,
    ) -> Result<()> {
        self.fused_backward(block, dx, grads, dy, acts, params, x)
    }

    fn advance(&self, step: &mut Buffer) -> Result<()> {
        expect("advance", "step", step, TensorShape::Vector(1))?;
        step.data[0] += 1.0;
        Ok(())
    }
}

/// `dγ += Σ dy·x̂`, `dβ += Σ dy`, where they are wanted.
fn add_norm_gradients(
    op: &'static str,
    p: BatchNorm,
    grads: Option<(&mut Buffer, &mut Buffer)>,
    sums: &Projections,
) -> Result<()> {
    let Some((dgamma, dbeta)) = grads else { return Ok(()) };
    expect_channels(op, p, &[("dgamma", dgamma), ("dbeta", dbeta)])?;
    for (gradient, sums) in [(dgamma, &sums.dy_xhat), (dbeta, &sums.dy)] {
        gradient.data.iter_mut().zip(sums).for_each(|(g, &s)| *g += s as f32);
    }
    Ok(())
}
