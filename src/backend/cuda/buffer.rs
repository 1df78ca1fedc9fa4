//! Tensors in the device's memory, laid out as [`layout`] says.

use super::Cuda;
use super::error;
use crate::backend::check::Shaped;
use crate::backend::layout;
use crate::error::Result;
use crate::shape::TensorShape;
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, DeviceRepr, DriverError, ValidAsZeroBits};
use std::sync::atomic::Ordering::Relaxed;

/// A tensor of f32 on the device.
#[derive(Debug)]
pub struct Buffer {
    pub(super) shape: TensorShape,
    pub(super) data: CudaSlice<f32>,
}

impl Shaped for Buffer {
    fn shape(&self) -> TensorShape {
        self.shape
    }
}

impl Buffer {
    /// The number of elements as kernels take it.
    pub(super) fn len(&self) -> i32 {
        // `Cuda::zeros` refuses longer tensors.
        self.shape.len() as i32
    }
}

/// 8-bit images, `[count][h][w][c]`.
#[derive(Debug)]
pub enum Bytes {
    /// All of them in the device's memory.
    Device(CudaSlice<u8>),
    /// In the host's, where the device has no room; each batch is sent when it is needed.
    Host(Vec<u8>),
}

impl Cuda {
    /// A tensor of zeros.
    pub(super) fn zeros(&self, shape: TensorShape) -> Result<Buffer> {
        if i32::try_from(shape.len()).is_err() {
            let reason = format!(
                "a tensor of shape {shape} has 2^31 numbers or more, which kernels cannot index; lower \
                 --batch-size"
            );
            return Err(error::unusable(&self.name, reason));
        }
        let data = self.room(shape.len(), &format!("a tensor of shape {shape}"))?;
        Ok(Buffer { shape, data })
    }

    /// Zeroed memory for `len` numbers; `what` they are is named if there is no room.
    pub(super) fn room<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        len: usize,
        what: &str,
    ) -> Result<CudaSlice<T>> {
        self.allocations.fetch_add(1, Relaxed);
        // The driver refuses allocations of nothing.
        let allocated = self.stream.alloc_zeros(len.max(1));
        allocated.map_err(|error| self.no_room(error, what, len * size_of::<T>()))
    }

    fn no_room(&self, error: DriverError, what: &str, bytes: usize) -> crate::Error {
        let memory = match self.context.mem_get_info() {
            Ok((free, total)) => format!(", {} of {} MiB are free", free >> 20, total >> 20),
            Err(_) => String::new(),
        };
        let doing = format!("allocating {what} ({} MiB{memory})", bytes.div_ceil(1 << 20));
        error::failure(&self.name, doing, error)
    }

    /// Host to device, in PyTorch's order.
    pub(super) fn write(&self, dst: &mut Buffer, src: &[f32]) -> Result<()> {
        let mut inside = vec![0.0; src.len()];
        layout::from_host(dst.shape, &mut inside, src);
        // Where the memory is pageable the call returns when `inside` has been read.
        let copied = self.stream.memcpy_htod(&inside, &mut dst.data.slice_mut(..inside.len()));
        copied.map_err(|e| self.failed(&format!("copying to a tensor of shape {}", dst.shape), e))
    }

    /// Device to host, in PyTorch's order. Waits.
    pub(super) fn read(&self, dst: &mut [f32], src: &Buffer) -> Result<()> {
        let mut inside = vec![0.0; dst.len()];
        self.stream
            .memcpy_dtoh(&src.data.slice(..inside.len()), &mut inside)
            .and_then(|()| self.stream.synchronize())
            .map_err(|e| self.failed(&format!("reading a tensor of shape {}", src.shape), e))?;
        layout::to_host(src.shape, dst, &inside);
        Ok(())
    }

    /// The training set: on the device if it fits and leaves half of the free memory to the network.
    pub(super) fn place_bytes(&self, images: &[u8]) -> Result<Bytes> {
        let doing = || format!("placing {} MiB of images", images.len() >> 20);
        let (free, _) = self.context.mem_get_info().map_err(|e| self.failed(&doing(), e))?;
        if images.len() > free / 2 {
            return Ok(Bytes::Host(images.to_vec()));
        }
        match self.stream.clone_htod(images) {
            Ok(device) => Ok(Bytes::Device(device)),
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                Ok(Bytes::Host(images.to_vec()))
            }
            Err(error) => Err(self.failed(&doing(), error)),
        }
    }
}
