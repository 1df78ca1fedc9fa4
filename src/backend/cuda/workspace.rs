//! Memory between the kernels of one op. It grows in the first step and stays: later steps allocate nothing.

use super::{Cuda, Floats};
use crate::error::Result;
use cudarc::driver::CudaSlice;

/// What an op needs only while its kernels run.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    partials: Option<Floats>,
    coefficients: Option<Floats>,
    batch: Option<Batch>,
}

/// A batch on its way to the network.
#[derive(Debug)]
pub(super) struct Batch {
    pub indices: CudaSlice<u32>,
    /// Its images, where the set lies in the host's memory.
    pub images: CudaSlice<u8>,
}

impl Workspace {
    /// Room for `len` partial sums.
    pub fn partials(&mut self, cuda: &Cuda, len: usize) -> Result<&mut Floats> {
        grown(&mut self.partials, cuda, len, "partial sums")
    }

    /// Room for partial sums and for what is computed from them.
    pub fn partials_and_coefficients(
        &mut self,
        cuda: &Cuda,
        partials: usize,
        coefficients: usize,
    ) -> Result<(&mut Floats, &mut Floats)> {
        Ok((
            grown(&mut self.partials, cuda, partials, "partial sums")?,
            grown(&mut self.coefficients, cuda, coefficients, "coefficients")?,
        ))
    }

    /// Room for a batch of `count` images of `image` bytes.
    pub fn batch(&mut self, cuda: &Cuda, count: usize, image: usize) -> Result<&mut Batch> {
        let fits = |b: &Batch| b.indices.len() == count && b.images.len() >= count * image;
        if !self.batch.as_ref().is_some_and(fits) {
            self.batch = None;
        }
        match &mut self.batch {
            Some(batch) => Ok(batch),
            empty => {
                let indices = cuda.room(count, "the batch's indices")?;
                let images = cuda.room(count * image, "the batch's images")?;
                Ok(empty.insert(Batch { indices, images }))
            }
        }
    }
}

/// The buffer, made anew if it is too small. The old one is freed in the stream's order, after the kernels
/// that still use it.
fn grown<'a>(
    buffer: &'a mut Option<Floats>,
    cuda: &Cuda,
    len: usize,
    what: &str,
) -> Result<&'a mut Floats> {
    if buffer.as_ref().is_some_and(|floats| floats.len() < len) {
        *buffer = None;
    }
    match buffer {
        Some(floats) => Ok(floats),
        empty => Ok(empty.insert(cuda.room(len, what)?)),
    }
}
