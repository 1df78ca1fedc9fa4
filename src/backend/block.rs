//! A DCGAN block, conv → batch norm → activation, and its passes composed from the primitives.
//!
//! [`forward`] and [`backward`] are what [`Backend::block_forward`] and `block_backward` do unless a
//! backend overrides them with something fused; tests hold the two against each other.

use super::ops::{Activation, Adam, BatchNorm};
use super::{Backend, NormSaved};
use crate::error::{Error, Result};
use crate::shape::{ConvGeometry, Nchw, TensorShape};

/// Which way the block's convolution runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A convolution: reads the geometry's `x`, writes its `y`.
    Conv,
    /// A transposed convolution: reads the geometry's `y`, writes its `x`.
    ConvTranspose,
}

/// One block of the network for one batch size: no data, only what to compute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    pub direction: Direction,
    pub geometry: ConvGeometry,
    /// Whether a batch normalisation follows the convolution.
    pub norm: bool,
    pub activation: Activation,
}

impl Block {
    /// Shape of what the block reads.
    pub fn input(&self) -> Nchw {
        match self.direction {
            Direction::Conv => self.geometry.x,
            Direction::ConvTranspose => self.geometry.y,
        }
    }

    /// Shape of what the block writes.
    pub fn output(&self) -> Nchw {
        match self.direction {
            Direction::Conv => self.geometry.y,
            Direction::ConvTranspose => self.geometry.x,
        }
    }

    /// The parameters of its batch normalisation.
    pub fn batch_norm(&self) -> BatchNorm {
        BatchNorm::new(self.output())
    }

    /// The same block for a batch of `n`.
    pub fn with_batch(self, n: usize) -> Self {
        Self { geometry: self.geometry.with_batch(n), ..self }
    }
}

/// Whether batch norm uses the batch's statistics or the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Eval,
}

/// What a block learns. The same struct holds its gradients and Adam's two moments.
pub struct BlockParams<B: Backend> {
    /// `[y.c, x.c, kh, kw]`
    pub weight: B::Buffer,
    pub norm: Option<NormParams<B>>,
}

/// Gradients have the parameters' shapes.
pub type BlockGrads<B> = BlockParams<B>;

/// Scale and shift of a batch normalisation, `[c]` each.
pub struct NormParams<B: Backend> {
    pub gamma: B::Buffer,
    pub beta: B::Buffer,
}

/// Running statistics of a batch normalisation, `[c]` each.
pub struct NormStats<B: Backend> {
    pub mean: B::Buffer,
    /// Unbiased variance.
    pub var: B::Buffer,
}

impl<B: Backend> BlockParams<B> {
    /// Zeros for `block`.
    pub fn zeros(backend: &B, block: &Block) -> Result<Self> {
        let channels = TensorShape::Vector(block.output().c as usize);
        Ok(Self {
            weight: backend.alloc(block.geometry.filter())?,
            norm: block
                .norm
                .then(|| -> Result<_> {
                    Ok(NormParams {
                        gamma: backend.alloc(channels)?,
                        beta: backend.alloc(channels)?,
                    })
                })
                .transpose()?,
        })
    }

    /// The tensors in PyTorch's order: weight, gamma, beta.
    pub fn tensors(&self) -> impl Iterator<Item = &B::Buffer> {
        std::iter::once(&self.weight).chain(self.norm.iter().flat_map(|n| [&n.gamma, &n.beta]))
    }

    /// The tensors in PyTorch's order, mutable.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut B::Buffer> {
        std::iter::once(&mut self.weight)
            .chain(self.norm.iter_mut().flat_map(|n| [&mut n.gamma, &mut n.beta]))
    }
}

impl<B: Backend> NormStats<B> {
    /// Mean 0 and variance 1 for `channels`.
    pub fn new(backend: &B, channels: usize) -> Result<Self> {
        let mean = backend.alloc(TensorShape::Vector(channels))?;
        let mut var = backend.alloc(TensorShape::Vector(channels))?;
        backend.fill(&mut var, 1.0)?;
        Ok(Self { mean, var })
    }
}

/// What a block's forward pass leaves for its backward pass.
pub struct BlockActs<B: Backend> {
    /// The convolution's output and its batch statistics, where batch norm needs them again.
    pub norm: Option<NormActs<B>>,
    /// The block's output.
    pub y: B::Buffer,
}

/// The input of a batch normalisation and the statistics of the batch.
pub struct NormActs<B: Backend> {
    pub conv: B::Buffer,
    pub saved: NormSaved<B>,
}

impl<B: Backend> BlockActs<B> {
    /// Room for the activations of `block`.
    pub fn new(backend: &B, block: &Block) -> Result<Self> {
        let output = TensorShape::Image(block.output());
        let channels = TensorShape::Vector(block.output().c as usize);
        Ok(Self {
            norm: block
                .norm
                .then(|| -> Result<_> {
                    Ok(NormActs {
                        conv: backend.alloc(output)?,
                        saved: NormSaved {
                            mean: backend.alloc(channels)?,
                            inv_std: backend.alloc(channels)?,
                        },
                    })
                })
                .transpose()?,
            y: backend.alloc(output)?,
        })
    }
}

/// The buffers of a block do not belong together. Leaving the batch norm out instead would train
/// another network without a word.
fn half_a_norm(op: &'static str) -> Error {
    Error::shape(op, "batch norm's buffers, statistics and parameters must all be there, or none")
}

/// conv → batch norm → activation.
pub fn forward<B: Backend>(
    backend: &B,
    block: &Block,
    mode: Mode,
    acts: &mut BlockActs<B>,
    stats: &mut Option<NormStats<B>>,
    params: &BlockParams<B>,
    x: &B::Buffer,
) -> Result<()> {
    let BlockActs { norm, y } = acts;
    match (norm, stats, &params.norm) {
        (Some(NormActs { conv, saved }), Some(running), Some(NormParams { gamma, beta })) => {
            convolve(backend, block, conv, x, &params.weight)?;
            let p = block.batch_norm();
            match mode {
                Mode::Train => {
                    backend.batch_norm_forward(p, y, saved, running, conv, gamma, beta)?
                }
                Mode::Eval => backend.batch_norm_eval_forward(p, y, running, conv, gamma, beta)?,
            }
        }
        (None, None, None) => convolve(backend, block, y, x, &params.weight)?,
        _ => return Err(half_a_norm("block_forward")),
    }
    backend.activation_forward(block.activation, y)
}

/// activation → batch norm → conv, backwards, in training mode.
pub fn backward<B: Backend>(
    backend: &B,
    block: &Block,
    dx: Option<&mut B::Buffer>,
    grads: Option<&mut BlockGrads<B>>,
    dy: &mut B::Buffer,
    acts: &BlockActs<B>,
    params: &BlockParams<B>,
    x: &B::Buffer,
) -> Result<()> {
    let (dw, dnorm) = match grads {
        Some(BlockParams { weight, norm }) => (Some(weight), norm.as_mut()),
        None => (None, None),
    };
    backend.activation_backward(block.activation, dy, &acts.y)?;
    match (&acts.norm, &params.norm) {
        (Some(NormActs { conv, saved }), Some(NormParams { gamma, .. })) => {
            let dnorm = dnorm.map(|n| (&mut n.gamma, &mut n.beta));
            backend.batch_norm_backward(block.batch_norm(), dy, dnorm, conv, gamma, saved)?;
        }
        (None, None) => {}
        _ => return Err(half_a_norm("block_backward")),
    }
    convolve_backward(backend, block, dx, dw, x, dy, &params.weight)
}

/// The block's convolution, whichever way it runs.
pub fn convolve<B: Backend>(
    backend: &B,
    block: &Block,
    y: &mut B::Buffer,
    x: &B::Buffer,
    w: &B::Buffer,
) -> Result<()> {
    match block.direction {
        Direction::Conv => backend.conv_forward(block.geometry, y, x, w),
        Direction::ConvTranspose => backend.conv_transpose_forward(block.geometry, y, x, w),
    }
}

/// The gradients of [`convolve`] that are wanted.
pub fn convolve_backward<B: Backend>(
    backend: &B,
    block: &Block,
    dx: Option<&mut B::Buffer>,
    dw: Option<&mut B::Buffer>,
    x: &B::Buffer,
    dy: &B::Buffer,
    w: &B::Buffer,
) -> Result<()> {
    let g = block.geometry;
    match block.direction {
        Direction::Conv => {
            if let Some(dw) = dw {
                backend.conv_backward_weights(g, dw, x, dy)?;
            }
            if let Some(dx) = dx {
                backend.conv_backward_data(g, dx, dy, w)?;
            }
        }
        Direction::ConvTranspose => {
            if let Some(dw) = dw {
                backend.conv_transpose_backward_weights(g, dw, x, dy)?;
            }
            if let Some(dx) = dx {
                backend.conv_transpose_backward_data(g, dx, dy, w)?;
            }
        }
    }
    Ok(())
}

/// Adam on every tensor of every block.
pub fn adam_all<B: Backend>(
    backend: &B,
    p: Adam,
    params: &mut [BlockParams<B>],
    m: &mut [BlockParams<B>],
    v: &mut [BlockParams<B>],
    grads: &[BlockGrads<B>],
    step: &B::Buffer,
) -> Result<()> {
    for_each_tensor(params, m, v, grads, |param, m, v, grad| {
        backend.adam(p, param, m, v, grad, step)
    })
}

/// Calls `update(param, m, v, grad)` for every tensor of every block, in the network's order.
pub fn for_each_tensor<B: Backend>(
    params: &mut [BlockParams<B>],
    m: &mut [BlockParams<B>],
    v: &mut [BlockParams<B>],
    grads: &[BlockGrads<B>],
    mut update: impl FnMut(&mut B::Buffer, &mut B::Buffer, &mut B::Buffer, &B::Buffer) -> Result<()>,
) -> Result<()> {
    for (((params, m), v), grads) in params.iter_mut().zip(m).zip(v).zip(grads) {
        let moments = m.tensors_mut().zip(v.tensors_mut());
        for ((param, (m, v)), grad) in params.tensors_mut().zip(moments).zip(grads.tensors()) {
            update(param, m, v, grad)?;
        }
    }
    Ok(())
}
