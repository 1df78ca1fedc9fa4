//! A block at once: what the primitives would do, in fewer launches and passes over memory.

use super::Cuda;
use super::buffer::Buffer;
use super::elementwise::ActivationArg;
use crate::backend::NormSaved;
use crate::backend::block::{
    self, Block, BlockActs, BlockGrads, BlockParams, Mode, NormActs, NormParams, NormStats,
};
use crate::backend::check::{
    expect, expect_adam, expect_channels, expect_norm, expect_norm_forward, expect_norm_gradients,
};
use crate::backend::ops::{Adam, BatchNorm};
use crate::error::Result;
use crate::shape::TensorShape;

/// The tensors of batch norm backwards in training mode.
pub(super) fn expect_norm_backward(
    op: &'static str,
    p: BatchNorm,
    [dy, x]: [&Buffer; 2],
    grads: &Option<(&mut Buffer, &mut Buffer)>,
    gamma: &Buffer,
    saved: &NormSaved<Cuda>,
) -> Result<()> {
    expect_norm(op, p, [("x", x), ("dy", dy)], 2)?;
    let vectors = [("gamma", gamma), ("mean", &saved.mean), ("inv_std", &saved.inv_std)];
    expect_channels(op, p, &vectors)?;
    expect_norm_gradients(op, p, grads)
}

impl Cuda {
    /// Batch norm and activation in one pass over the convolution's output.
    pub(super) fn fused_forward(
        &self,
        block: &Block,
        mode: Mode,
        acts: &mut BlockActs<Self>,
        stats: &mut Option<NormStats<Self>>,
        params: &BlockParams<Self>,
        x: &Buffer,
    ) -> Result<()> {
        let (Some(norm), Some(running), Some(NormParams { gamma, beta })) =
            (&mut acts.norm, &mut *stats, &params.norm)
        else {
            return block::forward(self, block, mode, acts, stats, params, x);
        };
        let NormActs { conv, saved } = norm;
        block::convolve(self, block, conv, x, &params.weight)?;
        let (p, f, y) = (block.batch_norm(), ActivationArg::of(block.activation), &mut acts.y);
        match mode {
            Mode::Train => {
                expect_norm_forward(
                    "block_forward",
                    p,
                    [y, conv],
                    [gamma, beta],
                    Some(saved),
                    running,
                )?;
                self.norm_forward(p, f, y, saved, running, conv, gamma, beta)
            }
            Mode::Eval => {
                expect_norm_forward("block_forward", p, [y, conv], [gamma, beta], None, running)?;
                self.norm_eval_forward(p, f, y, running, conv, gamma, beta)
            }
        }
    }

    /// The activation's derivative inside batch norm's backward pass.
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
        let (Some(NormActs { conv, saved }), Some(NormParams { gamma, .. })) =
            (&acts.norm, &params.norm)
        else {
            return block::backward(self, block, dx, grads, dy, acts, params, x);
        };
        let (p, f) = (block.batch_norm(), ActivationArg::of(block.activation));
        let dnorm = grads.as_mut().and_then(|g| g.norm.as_mut());
        let dnorm = dnorm.map(|n| (&mut n.gamma, &mut n.beta));
        expect("block_backward", "y", &acts.y, dy.shape)?;
        expect_norm_backward("block_backward", p, [dy, conv], &dnorm, gamma, saved)?;
        self.norm_backward(p, f, dy, dnorm, Some(&acts.y), conv, gamma, saved)?;
        let dw = grads.map(|g| &mut g.weight);
        block::convolve_backward(self, block, dx, dw, x, dy, &params.weight)
    }

    /// The step's coefficients once for all tensors.
    pub(super) fn fused_adam(
        &self,
        p: Adam,
        params: &mut [BlockParams<Self>],
        m: &mut [BlockParams<Self>],
        v: &mut [BlockParams<Self>],
        grads: &[BlockGrads<Self>],
        step: &Buffer,
    ) -> Result<()> {
        expect("adam", "step", step, TensorShape::Vector(1))?;
        let mut workspace = self.workspace();
        let (_, coefficients) = workspace.partials_and_coefficients(self, 0, 2)?;
        self.adam_coefficients(p, coefficients, step)?;
        block::for_each_tensor(params, m, v, grads, |param, m, v, grad| {
            expect_adam(param, m, v, grad)?;
            self.adam_update(p, param, m, v, grad, coefficients)
        })
    }
}
