//! The parameters of each op: one plain `#[repr(C)]` struct, passed by value, the same for every
//! backend, for tests and for benches. (Convolutions take a [`ConvGeometry`](crate::shape::ConvGeometry).)

use crate::rng::Stream;
use crate::shape::Nchw;

/// Batch normalisation (Ioffe & Szegedy 2015) over `n·h·w` for each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct BatchNorm {
    /// Shape of the normalised tensor.
    pub shape: Nchw,
    /// Added to the variance under the root.
    pub eps: f64,
    /// Weight of the newest batch in the running statistics (PyTorch's meaning: 0.1).
    pub momentum: f64,
}

impl BatchNorm {
    /// PyTorch's defaults for a tensor of this shape: eps 1e-5, momentum 0.1.
    pub const fn new(shape: Nchw) -> Self {
        Self { shape, eps: 1e-5, momentum: 0.1 }
    }

    /// How many numbers one channel's statistics are taken over.
    pub const fn count(&self) -> usize {
        self.shape.n as usize * self.shape.area()
    }
}

/// An element-wise non-linearity. Its backward pass needs only its output `y`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `y = x`.
    Identity,
    /// `y = max(x, 0)`; `dx = dy` where `y > 0`.
    Relu,
    /// `y = x` for `x > 0`, else `slope·x`; the slope must be positive.
    LeakyRelu { slope: f64 },
    /// `y = tanh x`; `dx = dy·(1 − y²)`.
    Tanh,
    /// `y = 1/(1 + e⁻ˣ)`; `dx = dy·y·(1 − y)`.
    Sigmoid,
}

/// Binary cross-entropy against one target for the whole batch, averaged over it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Bce {
    /// Batch size.
    pub n: usize,
    /// The label: 1 for real, 0 for fake; anything between for smoothed labels.
    pub target: f64,
    /// Where in the statistics buffer the result goes: `[slot]` the mean loss, `[slot + 1]` the
    /// mean probability.
    pub slot: usize,
}

/// What BCE's gradient divides by at least, in place of `p(1 − p)`. PyTorch keeps it in f32 even for
/// f64 tensors.
pub const BCE_FLOOR: f32 = 1e-12;

/// Adam (Kingma & Ba 2015) with bias correction, as PyTorch has it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Adam {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
}

/// Exponential moving average of weights, with the usual warm-up so that the first steps do not
/// drag the random initial weights along: after `t` finished steps the decay in force is
/// `min(decay, (1 + t)/(10 + t))`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Ema {
    pub decay: f64,
}

impl Ema {
    /// The decay in force after `step` finished steps.
    pub fn decay_at(&self, step: f64) -> f64 {
        self.decay.min((1.0 + step) / (10.0 + step))
    }
}

/// Standard normal noise `[n, len]`: row `i` is `Philox::fill_normal(stream, step, i)` under `seed`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Noise {
    pub seed: u64,
    pub stream: Stream,
    /// Rows (images).
    pub n: usize,
    /// Numbers per row (nz).
    pub len: usize,
}

/// The pixels of a batch: which images of a byte set, and their shape.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Gather {
    /// Shape of the batch that is made.
    pub shape: Nchw,
}
