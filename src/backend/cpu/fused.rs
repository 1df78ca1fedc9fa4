//! A block at once: what the primitives would do, in fewer passes over memory.
//!
//! | where | what is saved |
//! |---|---|
//! | forward, training | statistics are taken of the convolution's output while it is in cache; one pass normalises and activates |
//! | forward, evaluation | the convolution's output is normalised and activated while it is in cache |
//! | backward | one pass multiplies by the activation's derivative and sums; batch norm's gradient is computed where the convolution reads it |
//! | no batch norm | a direct convolution activates what it writes, and multiplies by the derivative what it reads |
//! | backward | the transform of the gradient serves the weight gradient and the data gradient |

use super::batch_norm::{self, Moments, Projections, Terms};
use super::conv::Gradient;
use super::winograd::{self, Call, NormGradient, Source, Then};
use super::{Algorithm, Buffer, Cpu, add_norm_gradients, conv};
use crate::backend::block::{
    self, Block, BlockActs, BlockGrads, BlockParams, Direction, Mode, NormActs, NormParams,
    NormStats,
};
use crate::backend::check::{
    expect, expect_channels, expect_conv, expect_norm, expect_norm_forward,
};
use crate::backend::ops::{Activation, BatchNorm};
use crate::backend::{Backend, NormSaved};
use crate::error::Result;
use crate::shape::TensorShape;

impl Cpu {
    pub(super) fn fused_forward(
        &self,
        block: &Block,
        mode: Mode,
        acts: &mut BlockActs<Self>,
        stats: &mut Option<NormStats<Self>>,
        params: &BlockParams<Self>,
        x: &Buffer,
    ) -> Result<()> {
        const OP: &str = "block_forward";
        let (Some(norm), Some(running), Some(NormParams { gamma, beta })) =
            (&mut acts.norm, &mut *stats, &params.norm)
        else {
            return match (&acts.norm, &stats, &params.norm) {
                (None, None, None) => {
                    self.convolve_and_activate(block, &mut acts.y, x, &params.weight)
                }
                _ => block::forward(self, block, mode, acts, stats, params, x),
            };
        };
        let NormActs { conv, saved } = norm;
        let (p, y, w) = (block.batch_norm(), &mut acts.y, &params.weight);
        match mode {
            Mode::Train => {
                let vectors = [gamma, beta];
                expect_norm_forward(OP, p, [y, conv], vectors, Some(saved), running)?;
                let moments = self.convolve_and_measure(block, conv, x, w)?;
                self.normalise(p, block.activation, &moments, y, conv, gamma, beta);
                moments.keep(p, saved, running);
            }
            Mode::Eval => {
                expect_norm_forward(OP, p, [y, conv], [gamma, beta], None, running)?;
                let moments = Moments::kept(&running.mean.data, &running.var.data);
                let Algorithm::Winograd(n) = self.algorithm(block.geometry) else {
                    block::convolve(self, block, conv, x, w)?;
                    self.normalise(p, block.activation, &moments, y, conv, gamma, beta);
                    return Ok(());
                };
                let normaliser = moments.normaliser(p, block.activation, &gamma.data, &beta.data);
                self.convolve_in_tiles(block, n, y, x, w, Then::Normalise(&normaliser))?;
            }
        }
        Ok(())
    }

    /// A block without batch norm: a direct convolution activates what it writes.
    fn convolve_and_activate(
        &self,
        block: &Block,
        y: &mut Buffer,
        x: &Buffer,
        w: &Buffer,
    ) -> Result<()> {
        let (g, f) = (block.geometry, block.activation);
        if self.algorithm(g) != Algorithm::Direct {
            block::convolve(self, block, y, x, w)?;
            return self.activation_forward(f, y);
        }
        let (engine, transposed) = (&self.engine, block.direction == Direction::ConvTranspose);
        let ends = if transposed { [("y", &*y), ("x", x)] } else { [("x", x), ("y", &*y)] };
        expect_conv("block_forward", g, [ends[0], ends[1], ("w", w)])?;
        let (y, x, w) = (&mut y.data[..], &x.data[..], &w.data[..]);
        self.run(|| match block.direction {
            Direction::Conv => conv::forward(engine, g, f, y, x, w),
            Direction::ConvTranspose => conv::backward_data(engine, g, f, y, Gradient::plain(x), w),
        })
    }

    /// The gradients of a direct convolution, which multiplies by the activation's derivative as it reads.
    fn backward_behind_activation(
        &self,
        block: &Block,
        dx: Option<&mut Buffer>,
        dw: Option<&mut Buffer>,
        x: &Buffer,
        (dy, y): (&Buffer, &Buffer),
        w: &Buffer,
    ) -> Result<()> {
        const OP: &str = "block_backward";
        let (engine, g) = (&self.engine, block.geometry);
        expect_conv(OP, g, [("x", x), ("dy", dy), ("w", w)])?;
        expect(OP, "y", y, dy.shape)?;
        let dy = Gradient { dy: &dy.data, activation: (block.activation, &y.data) };
        if let Some(dw) = dw {
            expect(OP, "dw", dw, g.filter())?;
            self.run(|| conv::backward_weights(engine, g, &mut dw.data, &x.data, dy))?;
        }
        if let Some(dx) = dx {
            expect(OP, "dx", dx, x.shape)?;
            let f = Activation::Identity;
            self.run(|| conv::backward_data(engine, g, f, &mut dx.data, dy, &w.data))?;
        }
        Ok(())
    }

    /// The convolution of a block, and mean and variance of its output.
    fn convolve_and_measure(
        &self,
        block: &Block,
        y: &mut Buffer,
        x: &Buffer,
        w: &Buffer,
    ) -> Result<Moments> {
        let (g, p) = (block.geometry, block.batch_norm());
        let Algorithm::Winograd(n) = self.algorithm(g) else {
            block::convolve(self, block, y, x, w)?;
            return Ok(self.run(|| Moments::of(p, &y.data)));
        };
        let mut moments = Moments::zeros(p.shape.c as usize);
        self.convolve_in_tiles(block, n, y, x, w, Then::Measure(&mut moments))?;
        Ok(moments)
    }

    /// The convolution of a block, and what is done with its output while it is in cache.
    fn convolve_in_tiles(
        &self,
        block: &Block,
        n: usize,
        y: &mut Buffer,
        x: &Buffer,
        w: &Buffer,
        then: Then<'_>,
    ) -> Result<()> {
        let g = block.geometry;
        let ends = match block.direction {
            Direction::Conv => [("x", x), ("y", &*y)],
            Direction::ConvTranspose => [("y", &*y), ("x", x)],
        };
        expect_conv("block_forward", g, [ends[0], ends[1], ("w", w)])?;
        let (out, read) = (Some(&mut y.data[..]), Some(Source::from(&x.data[..])));
        let call = Call { w: &w.data, then, ..Call::default() };
        let call = match block.direction {
            Direction::Conv => Call { x: read, y_out: out, ..call },
            Direction::ConvTranspose => Call { y: read, x_out: out, ..call },
        };
        self.run(|| winograd::run(&self.engine, g, n, call))
    }

    /// `y = f(batch norm of x)` with these statistics.
    pub(super) fn normalise(
        &self,
        p: BatchNorm,
        f: Activation,
        moments: &Moments,
        y: &mut Buffer,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) {
        let (isa, y, x) = (self.engine.isa, &mut y.data, &x.data);
        self.run(|| moments.normaliser(p, f, &gamma.data, &beta.data).run(isa, y, x));
    }

    pub(super) fn fused_backward(
        &self,
        block: &Block,
        dx: Option<&mut Buffer>,
        mut grads: Option<&mut BlockGrads<Self>>,
        dy: &mut Buffer,
        acts: &BlockActs<Self>,
        params: &BlockParams<Self>,
        x: &Buffer,
    ) -> Result<()> {
        const OP: &str = "block_backward";
        let (Some(NormActs { conv, saved }), Some(NormParams { gamma, .. })) =
            (&acts.norm, &params.norm)
        else {
            return match (&acts.norm, &params.norm, self.algorithm(block.geometry)) {
                (None, None, Algorithm::Direct) if block.direction == Direction::Conv => {
                    let dw = grads.map(|g| &mut g.weight);
                    self.backward_behind_activation(block, dx, dw, x, (dy, &acts.y), &params.weight)
                }
                _ => block::backward(self, block, dx, grads, dy, acts, params, x),
            };
        };
        let p = block.batch_norm();
        expect_norm(OP, p, [("conv", conv), ("dy", dy)], 2)?;
        expect(OP, "y", &acts.y, TensorShape::Image(p.shape))?;
        let NormSaved { mean, inv_std } = saved;
        expect_channels(OP, p, &[("gamma", gamma), ("mean", mean), ("inv_std", inv_std)])?;
        let (mean, inv_std) = (&mean.data[..], &inv_std.data[..]);
        let (isa, output) = (self.engine.isa, (block.activation, &acts.y.data[..]));
        let gradient = &mut dy.data[..];
        let sums =
            self.run(|| Projections::behind(isa, p, output, gradient, &conv.data, mean, inv_std));
        let dnorm = grads.as_mut().and_then(|g| g.norm.as_mut());
        add_norm_gradients(OP, p, dnorm.map(|n| (&mut n.gamma, &mut n.beta)), &sums)?;
        let terms = Terms::of(p, &sums, &gamma.data, inv_std);
        let dw = grads.map(|g| &mut g.weight);
        let Algorithm::Winograd(n) = self.algorithm(block.geometry) else {
            let (dy_dx, conv) = (&mut dy.data, &conv.data);
            self.run(|| batch_norm::backward(p, dy_dx, &terms, conv, mean));
            return block::convolve_backward(self, block, dx, dw, x, dy, &params.weight);
        };
        let Terms { scale, offset, slope } = &terms;
        let norm = NormGradient { x: &conv.data, mean, scale, offset, slope };
        let gradient = (&*dy, norm);
        self.convolve_backward_in_tiles(block, n, dx, dw, x, gradient, &params.weight)
    }

    /// The wanted gradients of a block's convolution from the gradient behind its batch norm.
    fn convolve_backward_in_tiles(
        &self,
        block: &Block,
        n: usize,
        dx: Option<&mut Buffer>,
        dw: Option<&mut Buffer>,
        x: &Buffer,
        (dy, norm): (&Buffer, NormGradient<'_>),
        w: &Buffer,
    ) -> Result<()> {
        const OP: &str = "block_backward";
        let g = block.geometry;
        let ends = match block.direction {
            Direction::Conv => [("x", x), ("dy", dy)],
            Direction::ConvTranspose => [("dy", dy), ("x", x)],
        };
        expect_conv(OP, g, [ends[0], ends[1], ("w", w)])?;
        if let Some(dx) = dx.as_deref() {
            expect(OP, "dx", dx, x.shape)?;
        }
        if let Some(dw) = dw.as_deref() {
            expect(OP, "dw", dw, g.filter())?;
        }
        let read = dw.is_some().then(|| Source::from(&x.data[..]));
        let gradient = Some(Source { numbers: &dy.data, norm: Some(norm) });
        let out = dx.map(|dx| &mut dx.data[..]);
        let call = Call { w: &w.data, dw: dw.map(|dw| &mut dw.data[..]), ..Call::default() };
        let call = match block.direction {
            Direction::Conv => Call { x: read, y: gradient, x_out: out, ..call },
            Direction::ConvTranspose => Call { x: gradient, y: read, y_out: out, ..call },
        };
        self.run(|| winograd::run(&self.engine, g, n, call))
    }
}
