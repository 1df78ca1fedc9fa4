//! Tensors in this backend's memory, and the way to PyTorch's order and back.
//!
//! | tensor | host (PyTorch) | here |
//! |---|---|---|
//! | image | `[n][c][h][w]` | `[n][h][w][c]` |
//! | filter | `[y.c][x.c][kh][kw]` | `[kh][kw][x.c][y.c]` |
//! | vector | `[len]` | `[len]` |
//!
//! With the channels innermost, a filter row reads one run of `kw·x.c` neighbouring numbers of an
//! image, and a filter is the right-hand side of a matrix product as it lies.

use super::CHUNK;
use crate::backend::check::Shaped;
use crate::shape::TensorShape;
use rayon::prelude::*;

/// A tensor of f32.
#[derive(Debug)]
pub struct Buffer {
    pub(super) shape: TensorShape,
    pub(super) data: Vec<f32>,
}

impl Shaped for Buffer {
    fn shape(&self) -> TensorShape {
        self.shape
    }
}

/// 8-bit images, `[count][h][w][c]`.
#[derive(Debug)]
pub struct Bytes(pub(super) Vec<u8>);

/// Side of the square blocks in which transposes proceed: both sides' cache lines stay in L1.
const BLOCK: usize = 32;

/// Blocks of a `rows × cols` index space, row by row within each.
fn for_each_blocked(rows: usize, cols: usize, mut visit: impl FnMut(usize, usize)) {
    for r0 in (0..rows).step_by(BLOCK) {
        for c0 in (0..cols).step_by(BLOCK) {
            for r in r0..rows.min(r0 + BLOCK) {
                for c in c0..cols.min(c0 + BLOCK) {
                    visit(r, c);
                }
            }
        }
    }
}

impl Buffer {
    /// Takes over `host`, which is in PyTorch's order and as long as the tensor.
    pub(super) fn set_from_host(&mut self, host: &[f32]) {
        match self.shape {
            TensorShape::Vector(_) => self.data.copy_from_slice(host),
            TensorShape::Image(s) => {
                let (channels, area) = (s.c as usize, s.area());
                let len = (channels * area).max(1);
                self.data.par_chunks_mut(len).zip(host.par_chunks(len)).for_each(|(dst, src)| {
                    for_each_blocked(area, channels, |pixel, c| {
                        dst[pixel * channels + c] = src[c * area + pixel];
                    });
                });
            }
            TensorShape::Filter([y_channels, x_channels, kh, kw]) => {
                let taps = kh * kw;
                let len = (x_channels * y_channels).max(1);
                self.data.par_chunks_mut(len).enumerate().for_each(|(tap, dst)| {
                    for_each_blocked(x_channels, y_channels, |c, o| {
                        dst[c * y_channels + o] = host[(o * x_channels + c) * taps + tap];
                    });
                });
            }
        }
    }

    /// Writes the tensor to `host` in PyTorch's order.
    pub(super) fn write_to_host(&self, host: &mut [f32]) {
        match self.shape {
            TensorShape::Vector(_) => host.copy_from_slice(&self.data),
            TensorShape::Image(s) => {
                let (channels, area) = (s.c as usize, s.area());
                let len = (channels * area).max(1);
                host.par_chunks_mut(len).zip(self.data.par_chunks(len)).for_each(|(dst, src)| {
                    for_each_blocked(channels, area, |c, pixel| {
                        dst[c * area + pixel] = src[pixel * channels + c];
                    });
                });
            }
            TensorShape::Filter([y_channels, x_channels, kh, kw]) => {
                let taps = kh * kw;
                let len = (x_channels * taps).max(1);
                host.par_chunks_mut(len).enumerate().for_each(|(o, dst)| {
                    for_each_blocked(x_channels, taps, |c, tap| {
                        dst[c * taps + tap] = self.data[(tap * x_channels + c) * y_channels + o];
                    });
                });
            }
        }
    }

    /// How many elements are NaN or infinite.
    pub(super) fn non_finite(&self) -> usize {
        self.data
            .par_chunks(CHUNK)
            .map(|chunk| chunk.iter().filter(|v| !v.is_finite()).count())
            .sum()
    }
}
