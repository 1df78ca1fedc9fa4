//! Where a tensor's numbers lie inside the f32 backends, and the way from PyTorch's order and back.
//!
//! | tensor | host (PyTorch) | inside |
//! |---|---|---|
//! | image | `[n][c][h][w]` | `[n][h][w][c]` |
//! | filter | `[y.c][x.c][kh][kw]` | `[kh][kw][x.c][y.c]` |
//! | vector | `[len]` | `[len]` |
//!
//! With the channels innermost, a filter row reads one run of `kw·x.c` neighbouring numbers of an
//! image, and a filter is the right-hand side of a matrix product as it lies.

use crate::shape::TensorShape;
use rayon::prelude::*;

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

/// `inside` becomes `host`, which is in PyTorch's order; both are as long as the tensor.
pub fn from_host(shape: TensorShape, inside: &mut [f32], host: &[f32]) {
    match shape {
        TensorShape::Vector(_) => inside.copy_from_slice(host),
        TensorShape::Image(s) => {
            let (channels, area) = (s.c as usize, s.area());
            let len = (channels * area).max(1);
            inside.par_chunks_mut(len).zip(host.par_chunks(len)).for_each(|(dst, src)| {
                for_each_blocked(area, channels, |pixel, c| {
                    dst[pixel * channels + c] = src[c * area + pixel];
                });
            });
        }
        TensorShape::Filter([y_channels, x_channels, kh, kw]) => {
            let taps = kh * kw;
            let len = (x_channels * y_channels).max(1);
            inside.par_chunks_mut(len).enumerate().for_each(|(tap, dst)| {
                for_each_blocked(x_channels, y_channels, |c, o| {
                    dst[c * y_channels + o] = host[(o * x_channels + c) * taps + tap];
                });
            });
        }
    }
}

/// `host` becomes `inside`, in PyTorch's order.
pub fn to_host(shape: TensorShape, host: &mut [f32], inside: &[f32]) {
    match shape {
        TensorShape::Vector(_) => host.copy_from_slice(inside),
        TensorShape::Image(s) => {
            let (channels, area) = (s.c as usize, s.area());
            let len = (channels * area).max(1);
            host.par_chunks_mut(len).zip(inside.par_chunks(len)).for_each(|(dst, src)| {
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
                    dst[c * taps + tap] = inside[(tap * x_channels + c) * y_channels + o];
                });
            });
        }
    }
}
