//! Everything that goes number by number, and the loss: `kernels/activation.cu`, `loss.cu`, `adam.cu`,
//! `elementwise.cu`, `input.cu`.

use super::buffer::{Buffer, Bytes};
use super::kernels::Kernel;
use super::launch::THREADS;
use super::{Cuda, Floats};
use crate::backend::ops::{Activation, Adam, Bce, Ema, Gather, Noise};
use crate::error::{Error, Result};
use cudarc::driver::DeviceRepr;

/// [`Activation`] as kernels take it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct ActivationArg {
    kind: i32,
    slope: f32,
}

// SAFETY: plain numbers, laid out as `struct Activation` of common.cuh.
unsafe impl DeviceRepr for ActivationArg {}

impl ActivationArg {
    pub const fn of(f: Activation) -> Self {
        let (kind, slope) = match f {
            Activation::Identity => (0, 0.0),
            Activation::Relu => (1, 0.0),
            Activation::LeakyRelu { slope } => (2, slope as f32),
            Activation::Tanh => (3, 0.0),
            Activation::Sigmoid => (4, 0.0),
        };
        Self { kind, slope }
    }

    const fn is_identity(self) -> bool {
        self.kind == 0
    }
}

/// Threads of the kernel that makes noise, four numbers each.
const NOISE_THREADS: usize = 128;
/// Most blocks of the kernel that counts.
const COUNT_BLOCKS: usize = 512;

impl Cuda {
    /// `x_y = f(x_y)`.
    pub(super) fn activate(&self, f: ActivationArg, x_y: &mut Buffer) -> Result<()> {
        if f.is_identity() {
            return Ok(());
        }
        let (shape, len) = (x_y.shape, x_y.len());
        let mut launch = self.prepare(Kernel::ActivationForward, &shape)?;
        launch.arg(&mut x_y.data).arg(&len).arg(&f);
        // SAFETY: (float*, int, Activation); four numbers a thread.
        unsafe { launch.threads((len as usize).div_ceil(4)) }
    }

    /// `dy_dx *= f′`.
    pub(super) fn activate_backward(
        &self,
        f: ActivationArg,
        dy_dx: &mut Buffer,
        y: &Buffer,
    ) -> Result<()> {
        if f.is_identity() {
            return Ok(());
        }
        let len = y.len();
        let mut launch = self.prepare(Kernel::ActivationBackward, &y.shape)?;
        launch.arg(&mut dy_dx.data).arg(&y.data).arg(&len).arg(&f);
        // SAFETY: (float*, const float*, int, Activation), both of y's shape; four numbers a thread.
        unsafe { launch.threads((len as usize).div_ceil(4)) }
    }

    /// Either form of the loss; the result goes to `stats[slot]` and `stats[slot + 1]`.
    pub(super) fn loss(
        &self,
        kernel: Kernel,
        p: Bce,
        gradient: &mut Buffer,
        stats: &mut Buffer,
        input: &Buffer,
    ) -> Result<()> {
        let (n, target, rest) = (p.n as i32, p.target as f32, (1.0 - p.target) as f32);
        let mut stats = stats.data.slice_mut(p.slot..p.slot + 2);
        let mut launch = self.prepare(kernel, &input.shape)?;
        launch.arg(&mut gradient.data).arg(&mut stats).arg(&input.data);
        launch.arg(&n).arg(&target).arg(&rest);
        // SAFETY: (float*, float[2], const float*, int, float, float): `n` numbers and gradients.
        unsafe { launch.blocks([1, 1, 1], [THREADS, 1]) }
    }

    /// What an update's step number alone determines, into `coefficients`.
    pub(super) fn adam_coefficients(
        &self,
        p: Adam,
        coefficients: &mut Floats,
        step: &Buffer,
    ) -> Result<()> {
        let (log_beta1, log_beta2) = (p.beta1.ln(), p.beta2.ln());
        let mut launch = self.prepare(Kernel::AdamCoefficients, &"the step's number")?;
        launch.arg(coefficients).arg(&step.data).arg(&p.lr).arg(&log_beta1).arg(&log_beta2);
        // SAFETY: (float[2], const float*, 3 × double).
        unsafe { launch.blocks([1, 1, 1], [1, 1]) }
    }

    /// One tensor's update.
    pub(super) fn adam_update(
        &self,
        p: Adam,
        param: &mut Buffer,
        m: &mut Buffer,
        v: &mut Buffer,
        grad: &Buffer,
        coefficients: &Floats,
    ) -> Result<()> {
        let len = grad.len();
        let (beta1, rest1) = (p.beta1 as f32, (1.0 - p.beta1) as f32);
        let (beta2, rest2) = (p.beta2 as f32, (1.0 - p.beta2) as f32);
        let eps = p.eps as f32;
        let mut launch = self.prepare(Kernel::Adam, &grad.shape)?;
        launch.arg(&mut param.data).arg(&mut m.data).arg(&mut v.data).arg(&grad.data);
        launch
            .arg(coefficients)
            .arg(&len)
            .arg(&beta1)
            .arg(&rest1)
            .arg(&beta2)
            .arg(&rest2)
            .arg(&eps);
        // SAFETY: (3 × float*, 2 × const float*, int, 5 × float), tensors of one shape; one thread a number.
        unsafe { launch.threads(len as usize) }
    }

    /// `avg = d·avg + (1 − d)·x`.
    pub(super) fn average(
        &self,
        p: Ema,
        avg: &mut Buffer,
        x: &Buffer,
        step: &Buffer,
    ) -> Result<()> {
        let (len, decay, rest) = (x.len(), p.decay as f32, (1.0 - p.decay) as f32);
        let mut launch = self.prepare(Kernel::Ema, &x.shape)?;
        launch.arg(&mut avg.data).arg(&x.data).arg(&step.data).arg(&len).arg(&decay).arg(&rest);
        // SAFETY: (float*, 2 × const float*, int, float, float), tensors of one shape; one thread a number.
        unsafe { launch.threads(len as usize) }
    }

    /// `step += 1`.
    pub(super) fn count_step(&self, step: &mut Buffer) -> Result<()> {
        let mut launch = self.prepare(Kernel::Advance, &"the step's number")?;
        launch.arg(&mut step.data);
        // SAFETY: (float*), one thread.
        unsafe { launch.blocks([1, 1, 1], [1, 1]) }
    }

    /// Sets every number.
    pub(super) fn set(&self, dst: &mut Buffer, value: f32) -> Result<()> {
        let (shape, len) = (dst.shape, dst.len());
        let mut launch = self.prepare(Kernel::Fill, &shape)?;
        launch.arg(&mut dst.data).arg(&len).arg(&value);
        // SAFETY: (float*, int, float); one thread a number.
        unsafe { launch.threads(len as usize) }
    }

    /// How many numbers are NaN or infinite. Waits.
    pub(super) fn non_finite(&self, x: &Buffer) -> Result<usize> {
        let mut count = self.room::<u32>(1, "a counter")?;
        let len = x.len();
        let mut launch = self.prepare(Kernel::CountNonFinite, &x.shape)?;
        launch.arg(&mut count).arg(&x.data).arg(&len);
        let blocks = (len as usize).div_ceil(THREADS).min(COUNT_BLOCKS);
        // SAFETY: (unsigned*, const float*, int); any number of blocks covers the tensor.
        unsafe { launch.blocks([blocks, 1, 1], [THREADS, 1])? };
        let count = self.stream.clone_dtoh(&count);
        let count = count.map_err(|e| self.failed("reading a count", e))?;
        Ok(count[0] as usize)
    }

    /// A batch of the training set.
    pub(super) fn batch(
        &self,
        p: Gather,
        y: &mut Buffer,
        set: &Bytes,
        indices: &[u32],
    ) -> Result<()> {
        let image = p.shape.image_len();
        let len = match set {
            Bytes::Device(bytes) => bytes.len(),
            Bytes::Host(bytes) => bytes.len(),
        };
        let count = len.checked_div(image).unwrap_or(0);
        if let Some(index) = indices.iter().find(|&&index| index as usize >= count) {
            let reason = format!("image {index} is not among the {count} of the set");
            return Err(Error::shape("gather", reason));
        }
        let mut workspace = self.workspace();
        let batch = workspace.batch(
            self,
            indices.len(),
            if matches!(set, Bytes::Host(_)) { image } else { 0 },
        )?;
        let sent = match set {
            Bytes::Device(_) => self.stream.memcpy_htod(indices, &mut batch.indices),
            Bytes::Host(bytes) => {
                let images: Vec<u8> = indices
                    .iter()
                    .flat_map(|&index| &bytes[index as usize * image..][..image])
                    .copied()
                    .collect();
                let here: Vec<u32> = (0..indices.len() as u32).collect();
                self.stream
                    .memcpy_htod(&images, &mut batch.images)
                    .and_then(|()| self.stream.memcpy_htod(&here, &mut batch.indices))
            }
        };
        sent.map_err(|e| self.failed(&format!("sending the batch {}", p.shape), e))?;
        let pixels = match set {
            Bytes::Device(bytes) => bytes,
            Bytes::Host(_) => &batch.images,
        };
        let mut launch = self.prepare(Kernel::Gather, &p.shape)?;
        let image_len = image as i32;
        launch.arg(&mut y.data).arg(pixels).arg(&batch.indices).arg(&image_len);
        // SAFETY: (float*, const unsigned char*, const unsigned*, int); one thread for each number of y, a row
        // of blocks for each image; the indices are inside the set.
        unsafe { launch.blocks([image.div_ceil(THREADS), indices.len(), 1], [THREADS, 1]) }
    }

    /// Standard normal numbers.
    pub(super) fn normal(&self, p: Noise, z: &mut Buffer, step: &Buffer) -> Result<()> {
        let shape = z.shape;
        let (len, stream) = (p.len as i32, p.stream as u32);
        let (low, high) = (p.seed as u32, (p.seed >> 32) as u32);
        let mut launch = self.prepare(Kernel::Noise, &shape)?;
        launch.arg(&mut z.data).arg(&step.data).arg(&len).arg(&low).arg(&high).arg(&stream);
        let blocks = p.len.div_ceil(4 * NOISE_THREADS);
        // SAFETY: (float*, const float*, int, 3 × unsigned); four numbers a thread, a row of blocks for each
        // of the `n` rows.
        unsafe { launch.blocks([blocks, p.n, 1], [NOISE_THREADS, 1]) }
    }
}
