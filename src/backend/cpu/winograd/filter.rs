//! Transforms of filters: U from w for the two directions, dw from dU.

use super::super::shared::Shared;
use super::super::simd::{LANES, Simd, line, line_mut};
use super::layer::{Block, Layer, PARITIES};
use super::tile::{Tile, both};
use std::ops::Range;

/// Width and height of the filter.
const SIDE: usize = 4;

/// Tap (2j + p, 2l + q) of a filter.
#[inline(always)]
fn tap(parity: usize, j: usize, l: usize) -> usize {
    (2 * j + parity / 2) * SIDE + 2 * l + parity % 2
}

/// Asks for the taps of a channel's panel, which lie far apart, before they are needed.
#[inline(always)]
fn prefetch_taps<S: Simd>(s: S, layer: &Layer, w: *const f32, channel: usize, panel: usize) {
    for tap in 0..SIDE * SIDE {
        let row = tap * layer.x_channels + channel;
        s.prefetch(w.wrapping_add(row * layer.y_channels + panel * LANES));
    }
}

#[inline(always)]
fn store<S: Simd, const M: usize>(
    s: S,
    shape: Block,
    u: &mut [f32],
    at: usize,
    values: [[S::V; M]; M],
) {
    for a in 0..M {
        for b in 0..M {
            s.store(line_mut(u, (a * M + b) * shape.point() + at), values[a][b]);
        }
    }
}

/// U as the right-hand side of `V·U`: rows are the input channels `x_panels` with their parities, in V's
/// order, and panels the output channels `y_panels`.
#[inline(always)]
pub fn forward<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    layer: &Layer,
    shape: Block,
    u: &mut [f32],
    w: &[f32],
    x_panels: Range<usize>,
    y_panels: Range<usize>,
) {
    let first = x_panels.start * LANES;
    for channel in first..x_panels.end * LANES {
        for (index, panel) in y_panels.clone().enumerate() {
            prefetch_taps(s, layer, w.as_ptr(), channel + 1, panel);
            for parity in 0..PARITIES {
                let mut taps = [[s.zero(); 2]; 2];
                for j in 0..2 {
                    for l in 0..2 {
                        let row = tap(parity, j, l) * layer.x_channels + channel;
                        taps[j][l] = s.load(line(w, row * layer.y_channels + panel * LANES));
                    }
                }
                let (x_panel, lane) = ((channel - first) / LANES, channel % LANES);
                let row = (PARITIES * x_panel + parity) * LANES + lane;
                let at = index * shape.panel() + row * LANES;
                store(s, shape, u, at, both!(s, taps, F::filter, 2 => M));
            }
        }
    }
}

/// U as the right-hand side of `Z·Uᵀ`: rows are the output channels `y_panels`, and the four panels the
/// parities of one panel of input channels.
#[inline(always)]
pub fn backward<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    layer: &Layer,
    shape: Block,
    u: &mut [f32],
    w: &[f32],
    x_panel: usize,
    y_panels: Range<usize>,
) {
    for (index, panel) in y_panels.enumerate() {
        // [tap][output channel][input channel]: sixteen by sixteen numbers of each tap, transposed.
        let mut taps = [[[0.0; LANES]; LANES]; SIDE * SIDE];
        for tap in 0..SIDE * SIDE {
            let mut square = [s.zero(); LANES];
            for lane in 0..LANES {
                let row = tap * layer.x_channels + x_panel * LANES + lane;
                square[lane] = s.load(line(w, row * layer.y_channels + panel * LANES));
            }
            let square = s.transpose(square);
            for output in 0..LANES {
                s.store(&mut taps[tap][output], square[output]);
            }
        }
        for output in 0..LANES {
            prefetch_taps(s, layer, w.as_ptr(), x_panel * LANES + output, panel + 1);
            for parity in 0..PARITIES {
                let mut of_parity = [[s.zero(); 2]; 2];
                for j in 0..2 {
                    for l in 0..2 {
                        of_parity[j][l] = s.load(&taps[tap(parity, j, l)][output]);
                    }
                }
                let at = parity * shape.panel() + (index * LANES + output) * LANES;
                store(s, shape, u, at, both!(s, of_parity, F::filter, 2 => M));
            }
        }
    }
}

/// `dw += Gᵀ dU G`; rows of dU are the input channels `x_panels` with their parities, panels the output
/// channels `y_panels`.
///
/// # Safety
/// No other task touches these channels of dw.
#[inline(always)]
pub unsafe fn gradient<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    layer: &Layer,
    shape: Block,
    dw: &Shared<'_>,
    du: &[f32],
    x_panels: Range<usize>,
    y_panels: Range<usize>,
) {
    let first = x_panels.start * LANES;
    for channel in first..x_panels.end * LANES {
        for (index, panel) in y_panels.clone().enumerate() {
            prefetch_taps(s, layer, dw.as_ptr(), channel + 1, panel);
            for parity in 0..PARITIES {
                let (x_panel, lane) = ((channel - first) / LANES, channel % LANES);
                let row = (PARITIES * x_panel + parity) * LANES + lane;
                let at = index * shape.panel() + row * LANES;
                let mut points = [[s.zero(); M]; M];
                for a in 0..M {
                    for b in 0..M {
                        points[a][b] = s.load(line(du, (a * M + b) * shape.point() + at));
                    }
                }
                let taps = both!(s, points, F::filter_transposed, M => 2);
                for j in 0..2 {
                    for l in 0..2 {
                        let row = tap(parity, j, l) * layer.x_channels + channel;
                        // SAFETY: the caller's promise.
                        let line = unsafe { dw.line(row * layer.y_channels + panel * LANES) };
                        s.store(line, s.add(s.load(line), taps[j][l]));
                    }
                }
            }
        }
    }
}
