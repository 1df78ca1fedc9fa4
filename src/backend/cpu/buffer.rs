//! Tensors in this backend's memory, laid out as [`layout`] says.

use super::CHUNK;
use super::memory::Storage;
use crate::backend::check::Shaped;
use crate::backend::layout;
use crate::shape::TensorShape;
use rayon::prelude::*;

/// A tensor of f32.
#[derive(Debug)]
pub struct Buffer {
    pub(super) shape: TensorShape,
    pub(super) data: Storage,
}

impl Shaped for Buffer {
    fn shape(&self) -> TensorShape {
        self.shape
    }
}

/// 8-bit images, `[count][h][w][c]`.
#[derive(Debug)]
pub struct Bytes(pub(super) Vec<u8>);

impl Buffer {
    /// Takes over `host`, which is in PyTorch's order and as long as the tensor.
    pub(super) fn set_from_host(&mut self, host: &[f32]) {
        layout::from_host(self.shape, &mut self.data, host);
    }

    /// Writes the tensor to `host` in PyTorch's order.
    pub(super) fn write_to_host(&self, host: &mut [f32]) {
        layout::to_host(self.shape, host, &self.data);
    }

    /// How many elements are NaN or infinite.
    pub(super) fn non_finite(&self) -> usize {
        self.data
            .par_chunks(CHUNK)
            // In u32, so that a vector counts as many as it has lanes.
            .map(|chunk| chunk.iter().map(|v| u32::from(!v.is_finite())).sum::<u32>() as usize)
            .sum()
    }
}
