//! The contract between the network and whatever computes it.
//!
//! [`Backend`] is one trait with one buffer type and no generic methods. The generator, the
//! discriminator and the training step are written once over it; a new machine is a new
//! implementation and nothing else.
//!
//! # Conventions
//!
//! | what | rule |
//! |---|---|
//! | order of arguments | parameters, outputs, inputs |
//! | names | the gradient of the loss with respect to `x` is `dx` |
//! | parameter gradients | accumulate (`+=`), as two passes of D share one step |
//! | activation gradients | overwrite |
//! | in place | an argument named `x_y` or `dy_dx` holds the first on entry and the second on return |
//! | ownership | the caller owns every buffer; an op allocates nothing that outlives it |
//! | layout | host memory is PyTorch's (`NCHW`, `[out, in, kh, kw]`); inside, a backend's own |
//! | shapes | checked on every call; a mismatch is [`Error::Shape`], never a wrong read |
//! | time | ops may be asynchronous; `synchronize`, `download`, `snapshot` and `count_non_finite` wait |
//! | precision | the backend's own; statistics, losses, Adam state and EMA at least f32 |
//! | the step number | lives in a one-element buffer on the device ([`Backend::advance`]), so that a whole step can be recorded once and replayed; exact up to 2²⁴ steps |
//!
//! A DCGAN is a list of blocks conv or transposed conv → batch norm → activation. The block
//! methods at the end of the trait are provided ones, composed from the primitives: they are the
//! network's mathematics in reading order, and what a backend overrides where it can fuse.

pub mod block;
mod check;
pub mod cpu;
pub mod cuda;
mod layout;
pub mod ops;
pub mod reference;

use crate::error::{Error, Result};
use crate::shape::{ConvGeometry, TensorShape};
use block::{Block, BlockActs, BlockGrads, BlockParams, Mode, NormStats};
use ops::{Activation, Adam, BatchNorm, Bce, Ema, Gather, Noise};

pub use cpu::Cpu;
pub use cuda::Cuda;
pub use reference::Reference;

/// A tensor's numbers on the host at the backend's full precision, in PyTorch's order.
#[derive(Clone, Debug, PartialEq)]
pub enum HostTensor {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl HostTensor {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there is no element at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers widened to f64.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Self::F64(v) => v.clone(),
        }
    }

    /// The numbers rounded to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(v) => v.clone(),
            Self::F64(v) => v.iter().map(|&x| x as f32).collect(),
        }
    }
}

/// Zeros in host memory for a tensor of `shape`.
///
/// # Errors
/// [`Error::Device`] if the system has no room for them.
fn zeros<T: bytemuck::Zeroable + Clone>(device: &str, shape: TensorShape) -> Result<Vec<T>> {
    let mut data = Vec::new();
    data.try_reserve_exact(shape.len()).map_err(|_| out_of_memory::<T>(device, shape))?;
    data.resize(shape.len(), T::zeroed());
    Ok(data)
}

/// There is no room for a tensor of `shape`.
fn out_of_memory<T>(device: &str, shape: TensorShape) -> Error {
    Error::Device {
        device: device.into(),
        reason: format!(
            "out of memory: no room for a tensor of shape {shape}, {} MiB; lower --batch-size, \
             --ngf or --ndf",
            shape.len().saturating_mul(size_of::<T>()) >> 20
        ),
    }
}

/// Mean and 1/√(variance + eps) of one batch, per channel, kept for the backward pass.
pub struct NormSaved<B: Backend> {
    pub mean: B::Buffer,
    pub inv_std: B::Buffer,
}

/// What computes: the reference, the CPU engine, a CUDA device.
pub trait Backend: Sized {
    /// A tensor in the backend's memory; it knows its own [`TensorShape`].
    type Buffer;
    /// 8-bit images in the backend's memory: the training set.
    type Bytes;

    /// One line that says what this is: "cpu, 2 threads, AVX2".
    fn describe(&self) -> String;
    /// Whether ops return before they are done. Reading a result in the middle of a training step would
    /// then make the device wait, so it is not done.
    fn is_asynchronous(&self) -> bool {
        false
    }
    /// Waits until every op so far is done.
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    // ---- storage -------------------------------------------------------------------------------

    /// A tensor of zeros.
    fn alloc(&self, shape: TensorShape) -> Result<Self::Buffer>;
    /// The shape a buffer was made with.
    fn shape(&self, buffer: &Self::Buffer) -> TensorShape;
    /// Host to device, PyTorch's order.
    fn upload(&self, dst: &mut Self::Buffer, src: &[f32]) -> Result<()>;
    /// Device to host, PyTorch's order, rounded to f32. Waits.
    fn download(&self, dst: &mut [f32], src: &Self::Buffer) -> Result<()>;
    /// Device to host without loss, for checkpoints. Waits.
    fn snapshot(&self, src: &Self::Buffer) -> Result<HostTensor>;
    /// The inverse of [`snapshot`](Self::snapshot); rounds where the backend is less precise.
    fn restore(&self, dst: &mut Self::Buffer, src: &HostTensor) -> Result<()>;
    /// Sets every element.
    fn fill(&self, dst: &mut Self::Buffer, value: f32) -> Result<()>;
    /// Copies a tensor of the same shape.
    fn copy(&self, dst: &mut Self::Buffer, src: &Self::Buffer) -> Result<()>;
    /// Puts 8-bit images, `[count, h, w, c]` in row-major order, into the backend's memory.
    fn upload_bytes(&self, images: &[u8]) -> Result<Self::Bytes>;
    /// How many elements are NaN or infinite. Waits; for diagnosis, not for the step.
    fn count_non_finite(&self, x: &Self::Buffer) -> Result<usize>;

    // ---- input ---------------------------------------------------------------------------------

    /// `y[i] = set[indices[i]]/127.5 − 1`: a normalised batch from bytes.
    fn gather(
        &self,
        p: Gather,
        y: &mut Self::Buffer,
        set: &Self::Bytes,
        indices: &[u32],
    ) -> Result<()>;
    /// Standard normal noise for the step whose number is in `step`.
    fn noise(&self, p: Noise, z: &mut Self::Buffer, step: &Self::Buffer) -> Result<()>;

    // ---- convolution ---------------------------------------------------------------------------

    /// `y[n,o,i,j] = Σ_{c,k,l} w[o,c,k,l] · x[n, c, i·s + k − p, j·s + l − p]`, zero outside `x`.
    fn conv_forward(
        &self,
        g: ConvGeometry,
        y: &mut Self::Buffer,
        x: &Self::Buffer,
        w: &Self::Buffer,
    ) -> Result<()>;
    /// The data gradient, the transpose of [`conv_forward`](Self::conv_forward) as a linear map of
    /// `x`: `dx[n,c,i·s+k−p,j·s+l−p] += w[o,c,k,l] · dy[n,o,i,j]`, starting from zero.
    fn conv_backward_data(
        &self,
        g: ConvGeometry,
        dx: &mut Self::Buffer,
        dy: &Self::Buffer,
        w: &Self::Buffer,
    ) -> Result<()>;
    /// The weight gradient: `dw[o,c,k,l] += Σ_{n,i,j} dy[n,o,i,j] · x[n, c, i·s+k−p, j·s+l−p]`.
    fn conv_backward_weights(
        &self,
        g: ConvGeometry,
        dw: &mut Self::Buffer,
        x: &Self::Buffer,
        dy: &Self::Buffer,
    ) -> Result<()>;

    /// A transposed convolution *is* the data gradient of the convolution with the same geometry:
    /// here `x` is the small side (`g.y`) and `y` the large one (`g.x`).
    fn conv_transpose_forward(
        &self,
        g: ConvGeometry,
        y: &mut Self::Buffer,
        x: &Self::Buffer,
        w: &Self::Buffer,
    ) -> Result<()> {
        self.conv_backward_data(g, y, x, w)
    }
    /// The data gradient of a transposed convolution is the convolution itself.
    fn conv_transpose_backward_data(
        &self,
        g: ConvGeometry,
        dx: &mut Self::Buffer,
        dy: &Self::Buffer,
        w: &Self::Buffer,
    ) -> Result<()> {
        self.conv_forward(g, dx, dy, w)
    }
    /// The weight gradient is bilinear in the two sides; only their names change places.
    fn conv_transpose_backward_weights(
        &self,
        g: ConvGeometry,
        dw: &mut Self::Buffer,
        x: &Self::Buffer,
        dy: &Self::Buffer,
    ) -> Result<()> {
        self.conv_backward_weights(g, dw, dy, x)
    }

    // ---- batch normalisation -------------------------------------------------------------------

    /// Training mode: `y = γ·(x − μ)/√(σ² + eps) + β` with the batch's own μ and (biased) σ², which
    /// are kept in `saved`; the running statistics move by `momentum` towards μ and the *unbiased*
    /// variance.
    fn batch_norm_forward(
        &self,
        p: BatchNorm,
        y: &mut Self::Buffer,
        saved: &mut NormSaved<Self>,
        running: &mut NormStats<Self>,
        x: &Self::Buffer,
        gamma: &Self::Buffer,
        beta: &Self::Buffer,
    ) -> Result<()>;
    /// Training mode, backward. With `x̂ = (x − μ)·inv_std` and `m = n·h·w`:
    /// `dβ += Σ dy`, `dγ += Σ dy·x̂`, `dx = γ·inv_std·(dy − Σdy/m − x̂·Σ(dy·x̂)/m)`.
    /// `grads` is `(dγ, dβ)`, or `None` where the layer's parameters are frozen.
    fn batch_norm_backward(
        &self,
        p: BatchNorm,
        dy_dx: &mut Self::Buffer,
        grads: Option<(&mut Self::Buffer, &mut Self::Buffer)>,
        x: &Self::Buffer,
        gamma: &Self::Buffer,
        saved: &NormSaved<Self>,
    ) -> Result<()>;
    /// Evaluation mode: the running statistics take the batch's place.
    fn batch_norm_eval_forward(
        &self,
        p: BatchNorm,
        y: &mut Self::Buffer,
        running: &NormStats<Self>,
        x: &Self::Buffer,
        gamma: &Self::Buffer,
        beta: &Self::Buffer,
    ) -> Result<()>;
    /// Evaluation mode, backward: the statistics are constants, so `dx = γ·inv_std·dy`.
    fn batch_norm_eval_backward(
        &self,
        p: BatchNorm,
        dy_dx: &mut Self::Buffer,
        grads: Option<(&mut Self::Buffer, &mut Self::Buffer)>,
        x: &Self::Buffer,
        gamma: &Self::Buffer,
        running: &NormStats<Self>,
    ) -> Result<()>;

    // ---- activation and loss -------------------------------------------------------------------

    /// `x_y = f(x_y)`.
    fn activation_forward(&self, f: Activation, x_y: &mut Self::Buffer) -> Result<()>;
    /// `dy_dx *= f′`, expressed through the output `y`.
    fn activation_backward(
        &self,
        f: Activation,
        dy_dx: &mut Self::Buffer,
        y: &Self::Buffer,
    ) -> Result<()>;
    /// Binary cross-entropy on probabilities, as PyTorch's `BCELoss`: each logarithm is clamped at
    /// −100; `dp = (p − t)/(max(p(1 − p), 1e-12)·n)`.
    fn bce(
        &self,
        p: Bce,
        dp: &mut Self::Buffer,
        stats: &mut Self::Buffer,
        prob: &Self::Buffer,
    ) -> Result<()>;
    /// The same loss from logits, `max(z,0) − t·z + ln(1 + e^−|z|)`, with `dz = (σ(z) − t)/n`.
    /// Where an f32 sigmoid saturates, Sigmoid followed by BCELoss has a gradient of exactly 0; this
    /// has the true one.
    fn bce_with_logits(
        &self,
        p: Bce,
        dz: &mut Self::Buffer,
        stats: &mut Self::Buffer,
        logit: &Self::Buffer,
    ) -> Result<()>;

    // ---- optimiser -----------------------------------------------------------------------------

    /// One Adam update; `step` holds the number of updates finished before this one, so `t = step + 1`:
    /// `m = β₁m + (1−β₁)g`, `v = β₂v + (1−β₂)g²`,
    /// `param −= lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps)`.
    fn adam(
        &self,
        p: Adam,
        param: &mut Self::Buffer,
        m: &mut Self::Buffer,
        v: &mut Self::Buffer,
        grad: &Self::Buffer,
        step: &Self::Buffer,
    ) -> Result<()>;
    /// `avg = d·avg + (1 − d)·x` with `d` from [`Ema::decay_at`].
    fn ema(
        &self,
        p: Ema,
        avg: &mut Self::Buffer,
        x: &Self::Buffer,
        step: &Self::Buffer,
    ) -> Result<()>;
    /// `step += 1`.
    fn advance(&self, step: &mut Self::Buffer) -> Result<()>;

    // ---- blocks --------------------------------------------------------------------------------

    /// conv → batch norm → activation for a whole block. `stats` are the block's running statistics;
    /// training mode moves them.
    fn block_forward(
        &self,
        block: &Block,
        mode: Mode,
        acts: &mut BlockActs<Self>,
        stats: &mut Option<NormStats<Self>>,
        params: &BlockParams<Self>,
        x: &Self::Buffer,
    ) -> Result<()> {
        block::forward(self, block, mode, acts, stats, params, x)
    }

    /// The block backwards: `dy` (overwritten) → the parameters' gradients, if wanted → `dx`, if
    /// wanted.
    fn block_backward(
        &self,
        block: &Block,
        dx: Option<&mut Self::Buffer>,
        grads: Option<&mut BlockGrads<Self>>,
        dy: &mut Self::Buffer,
        acts: &BlockActs<Self>,
        params: &BlockParams<Self>,
        x: &Self::Buffer,
    ) -> Result<()> {
        block::backward(self, block, dx, grads, dy, acts, params, x)
    }

    /// Adam on every parameter of a network, in the network's order.
    fn adam_all(
        &self,
        p: Adam,
        params: &mut [BlockParams<Self>],
        m: &mut [BlockParams<Self>],
        v: &mut [BlockParams<Self>],
        grads: &[BlockGrads<Self>],
        step: &Self::Buffer,
    ) -> Result<()> {
        block::adam_all(self, p, params, m, v, grads, step)
    }
}
