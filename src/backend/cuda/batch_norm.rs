//! Batch normalisation: `kernels/batch_norm.cu`, its chains of launches. The activation that follows in the
//! network can ride along; [`NONE`] leaves it out.

use super::buffer::Buffer;
use super::elementwise::ActivationArg;
use super::kernels::Kernel;
use super::launch::THREADS;
use super::{Cuda, Rung};
use crate::backend::NormSaved;
use crate::backend::block::NormStats;
use crate::backend::ops::{Activation, BatchNorm};
use crate::error::Result;

/// Channels and rows of a block that sums; the names of `batch_norm.cu`.
const CHANNELS: usize = 32;
const ROWS: usize = 8;
/// Rows of a chunk at least, and what they are a multiple of: eight rows for each of eight rows of threads.
const LEAST_CHUNK: usize = 64;
/// Blocks that keep a large card busy.
const ENOUGH_BLOCKS: usize = 256;
/// Threads of a warp.
const WARP: usize = 32;

/// No activation.
pub(super) const NONE: ActivationArg = ActivationArg::of(Activation::Identity);

/// How the rows of a `[rows][channels]` matrix are summed: by the shape alone.
struct Chunks {
    channels: i32,
    rows: i32,
    /// Rows of a chunk.
    chunk: i32,
    chunks: i32,
    len: i32,
}

impl Chunks {
    fn of(p: BatchNorm) -> Self {
        let (channels, rows) = (p.shape.c as usize, p.count());
        let wanted =
            (ENOUGH_BLOCKS / channels.div_ceil(CHANNELS)).clamp(1, rows.div_ceil(LEAST_CHUNK));
        let chunk = rows.div_ceil(wanted).next_multiple_of(LEAST_CHUNK);
        // `Cuda::zeros` refuses tensors whose sizes do not fit.
        Self {
            channels: channels as i32,
            rows: rows as i32,
            chunk: chunk as i32,
            chunks: rows.div_ceil(chunk) as i32,
            len: p.shape.len() as i32,
        }
    }

    /// The geometry of the kernels that sum.
    fn grid(&self) -> ([usize; 3], [usize; 2]) {
        ([(self.channels as usize).div_ceil(CHANNELS), self.chunks as usize, 1], [CHANNELS, ROWS])
    }

    /// Numbers of the partial sums, at most three a chunk and channel.
    fn partials(&self) -> usize {
        3 * self.chunks as usize * self.channels as usize
    }

    /// Numbers of the coefficients, one float4 a channel, and as much room behind.
    fn coefficients(&self) -> usize {
        8 * self.channels as usize
    }

    /// Threads of the kernels that take one warp a channel.
    fn warps(&self) -> usize {
        self.channels as usize * WARP
    }

    /// Of a kernel's two forms the one for these channels, and the threads it takes.
    fn form(&self, one: Kernel, four: Kernel) -> (Kernel, usize) {
        let len = self.len as usize;
        if self.channels % 4 == 0 { (four, len / 4) } else { (one, len) }
    }
}

/// The pointer that says "not wanted" to a kernel.
const NULL: u64 = 0;

impl Cuda {
    /// Training mode, then the activation.
    pub(super) fn norm_forward(
        &self,
        p: BatchNorm,
        activation: ActivationArg,
        y: &mut Buffer,
        saved: &mut NormSaved<Self>,
        running: &mut NormStats<Self>,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) -> Result<()> {
        let c = Chunks::of(p);
        let NormSaved { mean, inv_std } = saved;
        let NormStats { mean: running_mean, var: running_var } = running;
        if self.rung == Rung::Plain {
            let mut launch = self.prepare(Kernel::BatchNormForwardPlain, &p.shape)?;
            launch.arg(&mut y.data).arg(&mut mean.data).arg(&mut inv_std.data);
            launch.arg(&mut running_mean.data).arg(&mut running_var.data);
            launch.arg(&x.data).arg(&gamma.data).arg(&beta.data);
            launch.arg(&c.channels).arg(&c.rows).arg(&p.eps).arg(&p.momentum);
            let grid = [(c.channels as usize).div_ceil(WARP), 1, 1];
            // SAFETY: (5 × float*, 3 × const float*, int, int, double, double); one thread a channel.
            unsafe { launch.blocks(grid, [WARP, 1])? };
            return self.activate(activation, y);
        }
        let mut workspace = self.workspace();
        let (partials, coefficients) =
            workspace.partials_and_coefficients(self, c.partials(), c.coefficients())?;
        let mut launch = self.prepare(Kernel::BatchNormMoments, &p.shape)?;
        launch.arg(&mut *partials).arg(&x.data).arg(&c.channels).arg(&c.rows).arg(&c.chunk);
        let (grid, block) = c.grid();
        // SAFETY: (float2*, const float*, int, int, int); one pair for each chunk and channel.
        unsafe { launch.blocks(grid, block)? };
        let mut launch = self.prepare(Kernel::BatchNormStatistics, &p.shape)?;
        launch.arg(&mut *coefficients).arg(&mut mean.data).arg(&mut inv_std.data);
        launch.arg(&mut running_mean.data).arg(&mut running_var.data);
        launch.arg(&*partials).arg(&gamma.data).arg(&beta.data);
        launch
            .arg(&c.channels)
            .arg(&c.rows)
            .arg(&c.chunk)
            .arg(&c.chunks)
            .arg(&p.eps)
            .arg(&p.momentum);
        // SAFETY: (float4*, 4 × float*, const float2*, 2 × const float*, 4 × int, 2 × double); vectors of
        // one number a channel, one float4 a channel.
        unsafe { launch.threads(c.warps())? };
        self.norm_apply(p, &c, activation, y, x, coefficients)
    }

    /// Evaluation mode, then the activation.
    pub(super) fn norm_eval_forward(
        &self,
        p: BatchNorm,
        activation: ActivationArg,
        y: &mut Buffer,
        running: &NormStats<Self>,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) -> Result<()> {
        let c = Chunks::of(p);
        let mut workspace = self.workspace();
        let (_, coefficients) = workspace.partials_and_coefficients(self, 0, c.coefficients())?;
        let mut launch = self.prepare(Kernel::BatchNormEvalCoefficients, &p.shape)?;
        launch.arg(&mut *coefficients).arg(&NULL).arg(&running.mean.data).arg(&running.var.data);
        launch.arg(&gamma.data).arg(&beta.data).arg(&c.channels).arg(&p.eps);
        // SAFETY: (float4*, float* or null, 4 × const float*, int, double); one thread a channel.
        unsafe { launch.threads(c.channels as usize)? };
        self.norm_apply(p, &c, activation, y, x, coefficients)
    }

    fn norm_apply(
        &self,
        p: BatchNorm,
        c: &Chunks,
        activation: ActivationArg,
        y: &mut Buffer,
        x: &Buffer,
        coefficients: &super::Floats,
    ) -> Result<()> {
        let (kernel, threads) = c.form(Kernel::BatchNormApply, Kernel::BatchNormApply4);
        let mut launch = self.prepare(kernel, &p.shape)?;
        launch.arg(&mut y.data).arg(&x.data).arg(coefficients);
        launch.arg(&c.len).arg(&c.channels).arg(&activation);
        // SAFETY: (float*, const float*, const float4*, int, int, Activation); threads for every number.
        unsafe { launch.threads(threads) }
    }

    /// Training mode, backward, from the gradient after the activation with output `y`.
    pub(super) fn norm_backward(
        &self,
        p: BatchNorm,
        activation: ActivationArg,
        dy_dx: &mut Buffer,
        grads: Option<(&mut Buffer, &mut Buffer)>,
        y: Option<&Buffer>,
        x: &Buffer,
        gamma: &Buffer,
        saved: &NormSaved<Self>,
    ) -> Result<()> {
        let c = Chunks::of(p);
        if self.rung == Rung::Plain {
            if let Some(y) = y {
                self.activate_backward(activation, dy_dx, y)?;
            }
            let mut launch = self.prepare(Kernel::BatchNormBackwardPlain, &p.shape)?;
            launch.arg(&mut dy_dx.data);
            match grads {
                Some((dgamma, dbeta)) => launch.arg(&mut dgamma.data).arg(&mut dbeta.data),
                None => launch.arg(&NULL).arg(&NULL),
            };
            launch.arg(&x.data).arg(&gamma.data).arg(&saved.mean.data).arg(&saved.inv_std.data);
            launch.arg(&c.channels).arg(&c.rows);
            let grid = [(c.channels as usize).div_ceil(WARP), 1, 1];
            // SAFETY: (float*, 2 × float* or null, 4 × const float*, int, int); one thread a channel.
            return unsafe { launch.blocks(grid, [WARP, 1]) };
        }
        let mut workspace = self.workspace();
        let (partials, coefficients) =
            workspace.partials_and_coefficients(self, c.partials(), c.coefficients())?;
        self.norm_projections(p, &c, activation, partials, dy_dx, y, x, &saved.mean)?;
        self.norm_gradients(p, &c, coefficients, grads, partials, gamma, saved_of(saved))?;
        let (kernel, threads) =
            c.form(Kernel::BatchNormApplyBackward, Kernel::BatchNormApplyBackward4);
        let mut launch = self.prepare(kernel, &p.shape)?;
        launch.arg(&mut dy_dx.data);
        match y {
            Some(y) => launch.arg(&y.data),
            None => launch.arg(&NULL),
        };
        launch.arg(&x.data).arg(&*coefficients).arg(&c.len).arg(&c.channels).arg(&activation);
        // SAFETY: (float*, const float* or null, const float*, const float4*, int, int, Activation); `y` is
        // there unless the activation is the identity, which does not read it.
        unsafe { launch.threads(threads) }
    }

    fn norm_projections(
        &self,
        p: BatchNorm,
        c: &Chunks,
        activation: ActivationArg,
        partials: &mut super::Floats,
        dy: &Buffer,
        y: Option<&Buffer>,
        x: &Buffer,
        mean: &Buffer,
    ) -> Result<()> {
        let mut launch = self.prepare(Kernel::BatchNormProjections, &p.shape)?;
        launch.arg(partials).arg(&dy.data);
        match y {
            Some(y) => launch.arg(&y.data),
            None => launch.arg(&NULL),
        };
        launch.arg(&x.data).arg(&mean.data);
        launch.arg(&c.channels).arg(&c.rows).arg(&c.chunk).arg(&activation);
        let (grid, block) = c.grid();
        // SAFETY: (Projections*, const float*, const float* or null, 2 × const float*, 3 × int, Activation);
        // three sums for each chunk and channel; `y` as in `norm_backward`.
        unsafe { launch.blocks(grid, block) }
    }

    fn norm_gradients(
        &self,
        p: BatchNorm,
        c: &Chunks,
        coefficients: &mut super::Floats,
        grads: Option<(&mut Buffer, &mut Buffer)>,
        partials: &super::Floats,
        gamma: &Buffer,
        (mean, inv_std): (&super::Floats, &super::Floats),
    ) -> Result<()> {
        let mut launch = self.prepare(Kernel::BatchNormGradients, &p.shape)?;
        launch.arg(coefficients);
        match grads {
            Some((dgamma, dbeta)) => launch.arg(&mut dgamma.data).arg(&mut dbeta.data),
            None => launch.arg(&NULL).arg(&NULL),
        };
        launch.arg(partials).arg(&gamma.data).arg(mean).arg(inv_std);
        launch.arg(&c.channels).arg(&c.rows).arg(&c.chunks).arg(&0i32);
        // SAFETY: (float4*, 2 × float* or null, const Projections*, 3 × const float*, 4 × int); one warp a
        // channel.
        unsafe { launch.threads(c.warps()) }
    }

    /// Evaluation mode, backward.
    pub(super) fn norm_eval_backward(
        &self,
        p: BatchNorm,
        dy_dx: &mut Buffer,
        grads: Option<(&mut Buffer, &mut Buffer)>,
        x: &Buffer,
        gamma: &Buffer,
        running: &NormStats<Self>,
    ) -> Result<()> {
        let c = Chunks::of(p);
        let channels = c.channels as usize;
        let mut workspace = self.workspace();
        // The running statistics' inv_std lies behind the coefficients.
        let (partials, coefficients) =
            workspace.partials_and_coefficients(self, c.partials(), c.coefficients())?;
        if grads.is_some() {
            self.norm_projections(p, &c, NONE, partials, dy_dx, None, x, &running.mean)?;
        }
        let (mut scale, mut inv_std) = coefficients.split_at_mut(4 * channels);
        let mut launch = self.prepare(Kernel::BatchNormEvalCoefficients, &p.shape)?;
        launch.arg(&mut scale).arg(&mut inv_std).arg(&running.mean.data).arg(&running.var.data);
        launch.arg(&gamma.data).arg(&NULL).arg(&c.channels).arg(&p.eps);
        // SAFETY: (float4*, float*, 3 × const float*, const float* or null, int, double); a thread a channel.
        unsafe { launch.threads(channels)? };
        let mut launch = self.prepare(Kernel::BatchNormEvalBackward, &p.shape)?;
        let (scale_view, inv_std) = (scale.as_view(), inv_std.as_view());
        launch.arg(&mut dy_dx.data).arg(&scale_view).arg(&c.len).arg(&c.channels);
        // SAFETY: (float*, const float4*, int, int); one thread a number.
        unsafe { launch.threads(c.len as usize)? };
        let Some(grads) = grads else { return Ok(()) };
        let mut launch = self.prepare(Kernel::BatchNormGradients, &p.shape)?;
        let (dgamma, dbeta) = grads;
        launch.arg(&mut scale).arg(&mut dgamma.data).arg(&mut dbeta.data).arg(&*partials);
        launch.arg(&gamma.data).arg(&running.mean.data).arg(&inv_std);
        launch.arg(&c.channels).arg(&c.rows).arg(&c.chunks).arg(&1i32);
        // SAFETY: as in `norm_gradients`; the coefficients are no longer needed and may be overwritten.
        unsafe { launch.threads(c.warps()) }
    }
}

fn saved_of(saved: &NormSaved<Cuda>) -> (&super::Floats, &super::Floats) {
    (&saved.mean.data, &saved.inv_std.data)
}

// A kernel is launched with THREADS a block where one warp takes a channel: whole warps.
const _: () = assert!(THREADS.is_multiple_of(WARP));
