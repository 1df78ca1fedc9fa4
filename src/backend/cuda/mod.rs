//! The CUDA engine: kernels written by hand (`kernels/*.cu`), compiled by `build.rs`, launched through
//! cudarc on a card or on the software device.
//!
//! | on the CPU | here |
//! |---|---|
//! | `Vec<f32>` | [`Buffer`]: a `CudaSlice<f32>` and its shape |
//! | a function | [`Kernel`]: a `__global__` function, loaded when it is first launched |
//! | a loop | a grid of blocks of threads; its geometry stands beside each launch |
//! | calling one function after the other | launching into one stream, which keeps the order and does not wait |
//! | reading a result | `download`, `snapshot`, `count_non_finite`: they wait |
//! | scratch memory | `workspace.rs`: grows in the first step, then stays |
//!
//! | file | what | kernels |
//! |---|---|---|
//! | `device.rs` | which devices there are, opening one | |
//! | `image.rs`, `kernels.rs` | what this program carries; loading it | all |
//! | `launch.rs`, `error.rs` | a launch, and what is said if it fails | |
//! | `conv.rs` | which tile a layer gets | `conv_plain.cu`, `conv_tiled.cu` |
//! | `batch_norm.rs` | chunks of rows, chains of launches | `batch_norm.cu` |
//! | `elementwise.rs` | number by number, and the loss | the others |
//! | `fused.rs` | a block and an optimiser at once | |
//! | `profile.rs` | times of kernels | |
//!
//! **The same bits on every run and every card**: geometries depend on shapes alone, every sum has one
//! order, and no float is added atomically.

mod batch_norm;
mod buffer;
mod conv;
pub mod device;
mod elementwise;
mod error;
mod fused;
pub mod image;
mod kernels;
mod launch;
mod profile;
mod workspace;

use super::block::{Block, BlockActs, BlockGrads, BlockParams, Mode, NormStats};
use super::check::{
    expect, expect_adam, expect_channels, expect_conv, expect_len, expect_loss, expect_noise,
    expect_norm, expect_norm_forward, expect_norm_gradients,
};
use super::ops::{Activation, Adam, BatchNorm, Bce, Ema, Gather, Noise};
use super::{Backend, HostTensor, NormSaved};
use crate::error::{Error, Result};
use crate::shape::{ConvGeometry, TensorShape};
use batch_norm::NONE;
pub use buffer::{Buffer, Bytes};
pub use conv::Tiles;
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DeviceRepr, DriverError};
use device::DeviceInfo;
use elementwise::ActivationArg;
use fused::expect_norm_backward;
pub use kernels::Kernel;
use kernels::Kernels;
use profile::Timeline;
use softgpu::client::SoftwareDevice;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use workspace::Workspace;

/// Numbers on the device.
type Floats = CudaSlice<f32>;

// SAFETY: unsigned numbers, laid out as `struct ConvGeometry` of common.cuh.
unsafe impl DeviceRepr for ConvGeometry {}

/// Which of the kernels that do the same thing: the ladder of convolution and batch norm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rung {
    /// The formulas as they are written, one thread for each result: for reading.
    Plain,
    /// Tiles in shared memory, sums kept in registers, float4s.
    #[default]
    Tiled,
}

/// A CUDA device.
#[derive(Debug)]
pub struct Cuda {
    /// As on the command line: `cuda`, `cuda:1`, `software`.
    name: String,
    info: DeviceInfo,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    kernels: Kernels,
    rung: Rung,
    tiles: Tiles,
    workspace: Mutex<Workspace>,
    timeline: Timeline,
    allocations: AtomicUsize,
    software: Option<SoftwareDevice>,
}

impl Cuda {
    /// The same device with the kernels of another rung.
    pub fn with_rung(self, rung: Rung) -> Self {
        Self { rung, ..self }
    }

    /// The same device with other tiles.
    pub fn with_tiles(self, tiles: Tiles) -> Self {
        Self { tiles, ..self }
    }

    /// The device as the driver describes it.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The software device behind it, to be asked for counters and findings; `None` on a card.
    pub fn software_device(&self) -> Option<&SoftwareDevice> {
        self.software.as_ref()
    }

    /// How many allocations have been made so far. A training step makes none once the first is done.
    pub fn allocations(&self) -> usize {
        self.allocations.load(Relaxed)
    }

    /// Held while the kernels of an op are launched, so that two threads' ops do not mix.
    fn workspace(&self) -> MutexGuard<'_, Workspace> {
        // What a panic left there is overwritten by whoever uses it next.
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure of the driver while `doing`, with what the software device's sanitizer found.
    fn failed(&self, doing: &str, error: DriverError) -> Error {
        let findings = self.software.as_ref().map(SoftwareDevice::findings);
        match findings.and_then(|findings| findings.ok()?.pop()) {
            Some(finding) => error::found(&self.name, doing, error, finding),
            None => error::failure(&self.name, doing, error),
        }
    }
}

impl Backend for Cuda {
    type Buffer = Buffer;
    type Bytes = Bytes;

    fn describe(&self) -> String {
        let DeviceInfo { name, compute_capability: [major, minor], memory_bytes, .. } = &self.info;
        format!(
            "{}, {name}, compute capability {major}.{minor}, {:.0} GiB",
            self.name,
            *memory_bytes as f64 / f64::from(1 << 30)
        )
    }

    fn is_asynchronous(&self) -> bool {
        true
    }

    fn synchronize(&self) -> Result<()> {
        self.stream.synchronize().map_err(|e| self.failed("waiting for the kernels", e))
    }

    fn alloc(&self, shape: TensorShape) -> Result<Buffer> {
        self.zeros(shape)
    }

    fn shape(&self, buffer: &Buffer) -> TensorShape {
        buffer.shape
    }

    fn upload(&self, dst: &mut Buffer, src: &[f32]) -> Result<()> {
        expect_len("upload", "the source", src.len(), dst.shape.len())?;
        self.write(dst, src)
    }

    fn download(&self, dst: &mut [f32], src: &Buffer) -> Result<()> {
        expect_len("download", "the destination", dst.len(), src.shape.len())?;
        self.read(dst, src)
    }

    fn snapshot(&self, src: &Buffer) -> Result<HostTensor> {
        let mut host = vec![0.0; src.shape.len()];
        self.read(&mut host, src)?;
        Ok(HostTensor::F32(host))
    }

    fn restore(&self, dst: &mut Buffer, src: &HostTensor) -> Result<()> {
        expect_len("restore", "the source", src.len(), dst.shape.len())?;
        match src {
            HostTensor::F32(numbers) => self.write(dst, numbers),
            HostTensor::F64(_) => self.write(dst, &src.to_f32()),
        }
    }

    fn fill(&self, dst: &mut Buffer, value: f32) -> Result<()> {
        self.set(dst, value)
    }

    fn copy(&self, dst: &mut Buffer, src: &Buffer) -> Result<()> {
        expect("copy", "the source", src, dst.shape)?;
        let copied = self.stream.memcpy_dtod(&src.data, &mut dst.data);
        copied.map_err(|e| self.failed(&format!("copying a tensor of shape {}", src.shape), e))
    }

    fn upload_bytes(&self, images: &[u8]) -> Result<Bytes> {
        self.place_bytes(images)
    }

    fn count_non_finite(&self, x: &Buffer) -> Result<usize> {
        self.non_finite(x)
    }

    fn gather(&self, p: Gather, y: &mut Buffer, set: &Bytes, indices: &[u32]) -> Result<()> {
        expect("gather", "y", y, TensorShape::Image(p.shape))?;
        expect_len("gather", "the index list", indices.len(), p.shape.n as usize)?;
        self.batch(p, y, set, indices)
    }

    fn noise(&self, p: Noise, z: &mut Buffer, step: &Buffer) -> Result<()> {
        expect_noise(p, z, step)?;
        self.normal(p, z, step)
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
        self.norm_forward(p, NONE, y, saved, running, x, gamma, beta)
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
        expect_norm_backward("batch_norm_backward", p, [dy_dx, x], &grads, gamma, saved)?;
        self.norm_backward(p, NONE, dy_dx, grads, None, x, gamma, saved)
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
        self.norm_eval_forward(p, NONE, y, running, x, gamma, beta)
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
        expect_norm_gradients(OP, p, &grads)?;
        self.norm_eval_backward(p, dy_dx, grads, x, gamma, running)
    }

    fn activation_forward(&self, f: Activation, x_y: &mut Buffer) -> Result<()> {
        self.activate(ActivationArg::of(f), x_y)
    }

    fn activation_backward(&self, f: Activation, dy_dx: &mut Buffer, y: &Buffer) -> Result<()> {
        expect("activation_backward", "y", y, dy_dx.shape)?;
        self.activate_backward(ActivationArg::of(f), dy_dx, y)
    }

    fn bce(&self, p: Bce, dp: &mut Buffer, stats: &mut Buffer, prob: &Buffer) -> Result<()> {
        expect_loss("bce", p, dp, stats, prob)?;
        self.loss(Kernel::Bce, p, dp, stats, prob)
    }

    fn bce_with_logits(
        &self,
        p: Bce,
        dz: &mut Buffer,
        stats: &mut Buffer,
        logit: &Buffer,
    ) -> Result<()> {
        expect_loss("bce_with_logits", p, dz, stats, logit)?;
        self.loss(Kernel::BceWithLogits, p, dz, stats, logit)
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
        let mut workspace = self.workspace();
        let (_, coefficients) = workspace.partials_and_coefficients(self, 0, 2)?;
        self.adam_coefficients(p, coefficients, step)?;
        self.adam_update(p, param, m, v, grad, coefficients)
    }

    fn ema(&self, p: Ema, avg: &mut Buffer, x: &Buffer, step: &Buffer) -> Result<()> {
        expect("ema", "x", x, avg.shape)?;
        expect("ema", "step", step, TensorShape::Vector(1))?;
        self.average(p, avg, x, step)
    }

    fn advance(&self, step: &mut Buffer) -> Result<()> {
        expect("advance", "step", step, TensorShape::Vector(1))?;
        self.count_step(step)
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

    fn adam_all(
        &self,
        p: Adam,
        params: &mut [BlockParams<Self>],
        m: &mut [BlockParams<Self>],
        v: &mut [BlockParams<Self>],
        grads: &[BlockGrads<Self>],
        step: &Buffer,
    ) -> Result<()> {
        self.fused_adam(p, params, m, v, grads, step)
    }
}
