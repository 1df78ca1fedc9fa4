//! Transforms of filters: U from w for the two directions, dw from dU.
//!
//! A filter's taps lie far apart (`[tap][input channel][output channel]`) and its transform is six times as
//! large, so both are taken in small parts that stay in a cache. A task first collects the *taps* of the
//! channels it works on, `[unit][tap][16]`, and then makes U a row of points at a time: row a of
//! `U = G w Gᵀ` is `Gᵀ` applied to a combination of w's two rows.

use super::super::shared::Shared;
use super::super::simd::{LANES, Simd, line, line_mut};
use super::layer::{Block, Layer, PARITIES};
use super::tile::Tile;
use std::ops::Range;

/// Width and height of the filter.
const SIDE: usize = 4;
/// Taps of a filter.
const TAPS: usize = SIDE * SIDE;

/// Tap (2j + p, 2l + q) of a filter.
#[inline(always)]
fn tap(parity: usize, j: usize, l: usize) -> usize {
    (2 * j + parity / 2) * SIDE + 2 * l + parity % 2
}

/// Where the taps' lines go in U. A *unit* is one channel of one side with sixteen of the other.
#[derive(Clone, Copy)]
pub struct Units {
    /// Runs of blocks, and numbers of U from one to the next.
    runs: [usize; 2],
    /// Blocks of sixteen units in a run, and numbers of U from one to the next.
    blocks: [usize; 2],
    /// Numbers of U from a parity to the next.
    parity: usize,
}

impl Units {
    /// U as the right-hand side of `V·U`: rows are `x_panels` panels of input channels with their parities,
    /// in V's order, and panels `y_panels` panels of output channels.
    pub fn forward(shape: Block, x_panels: usize, y_panels: usize) -> Self {
        let square = LANES * LANES;
        Self {
            runs: [y_panels, shape.panel()],
            blocks: [x_panels, PARITIES * square],
            parity: square,
        }
    }

    /// U as the right-hand side of `Z·Uᵀ`: rows are `y_panels` panels of output channels, and the four
    /// panels the parities of one panel of input channels.
    pub fn backward(shape: Block, y_panels: usize) -> Self {
        Self { runs: [1, 0], blocks: [y_panels, LANES * LANES], parity: shape.panel() }
    }

    /// What the taps of `units` units take.
    pub fn len(self) -> usize {
        self.runs[0] * self.blocks[0] * LANES * TAPS * LANES
    }
}

/// Calls `$each` for every unit with the place of its taps and of its first parity's line in U. A macro, as
/// a closure is not compiled for the instruction set.
macro_rules! for_each_unit {
    ($units:expr, |$taps:ident, $at:ident| $each:block) => {{
        let Units { runs, blocks, .. } = $units;
        let mut $taps = 0;
        for run in 0..runs[0] {
            for block in 0..blocks[0] {
                for lane in 0..LANES {
                    let $at = run * runs[1] + block * blocks[1] + lane * LANES;
                    $each
                    $taps += TAPS * LANES;
                }
            }
        }
    }};
}

/// Asks for the taps of a channel's panel, which lie far apart, before they are needed.
#[inline(always)]
fn prefetch<S: Simd>(s: S, layer: &Layer, w: *const f32, channel: usize, panel: usize) {
    for tap in 0..TAPS {
        let row = tap * layer.x_channels + channel;
        s.prefetch(w.wrapping_add(row * layer.y_channels + panel * LANES));
    }
}

/// The taps of [`Units::forward`].
#[inline(always)]
pub fn collect<S: Simd>(
    s: S,
    layer: &Layer,
    taps: &mut [f32],
    w: &[f32],
    x_panels: Range<usize>,
    y_panels: Range<usize>,
) {
    let channels = x_panels.start * LANES..x_panels.end * LANES;
    for channel in channels.clone() {
        for (index, panel) in y_panels.clone().enumerate() {
            prefetch(s, layer, w.as_ptr(), channel + 1, panel);
            let unit = index * channels.len() + channel - channels.start;
            for tap in 0..TAPS {
                let row = tap * layer.x_channels + channel;
                let from = line(w, row * layer.y_channels + panel * LANES);
                s.store(line_mut(taps, (unit * TAPS + tap) * LANES), s.load(from));
            }
        }
    }
}

/// The taps of [`Units::backward`]: sixteen by sixteen numbers of each tap, transposed.
#[inline(always)]
pub fn collect_transposed<S: Simd>(
    s: S,
    layer: &Layer,
    taps: &mut [f32],
    w: &[f32],
    x_panel: usize,
    y_panels: Range<usize>,
) {
    for (index, panel) in y_panels.enumerate() {
        for tap in 0..TAPS {
            prefetch(s, layer, w.as_ptr(), x_panel * LANES + tap, panel + 1);
            let mut square = [s.zero(); LANES];
            for lane in 0..LANES {
                let row = tap * layer.x_channels + x_panel * LANES + lane;
                square[lane] = s.load(line(w, row * layer.y_channels + panel * LANES));
            }
            let square = s.transpose(square);
            for lane in 0..LANES {
                let unit = index * LANES + lane;
                s.store(line_mut(taps, (unit * TAPS + tap) * LANES), square[lane]);
            }
        }
    }
}

/// Row `a` of the points of U.
#[inline(always)]
pub fn row_of_points<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    shape: Block,
    u: &mut [f32],
    units: Units,
    taps: &[f32],
    a: usize,
) {
    let [g0, g1] = [s.splat(F::FILTER[a][0]), s.splat(F::FILTER[a][1])];
    for_each_unit!(units, |unit, at| {
        for parity in 0..PARITIES {
            let mut row = [s.zero(); 2];
            for l in 0..2 {
                let (first, second) = (tap(parity, 0, l), tap(parity, 1, l));
                let first = s.load(line(taps, unit + first * LANES));
                let second = s.load(line(taps, unit + second * LANES));
                row[l] = s.fma(g0, first, s.mul(g1, second));
            }
            let points = F::filter(s, row);
            for b in 0..M {
                let place = b * shape.point() + parity * units.parity + at;
                s.store(line_mut(u, place), points[b]);
            }
        }
    });
}

/// Adds what row `a` of the points of dU contributes to `Gᵀ dU G` to the taps.
#[inline(always)]
pub fn add_row_of_points<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    shape: Block,
    taps: &mut [f32],
    units: Units,
    du: &[f32],
    a: usize,
) {
    let g = [s.splat(F::FILTER[a][0]), s.splat(F::FILTER[a][1])];
    for_each_unit!(units, |unit, at| {
        for parity in 0..PARITIES {
            let mut points = [s.zero(); M];
            for b in 0..M {
                points[b] = s.load(line(du, b * shape.point() + parity * units.parity + at));
            }
            let row = F::filter_transposed(s, points);
            for j in 0..2 {
                for l in 0..2 {
                    let sum = line_mut(taps, unit + tap(parity, j, l) * LANES);
                    s.store(sum, s.fma(g[j], row[l], s.load(sum)));
                }
            }
        }
    });
}

/// Adds the taps of [`Units::forward`] to dw.
///
/// # Safety
/// No other task touches these channels of dw.
#[inline(always)]
pub unsafe fn add<S: Simd>(
    s: S,
    layer: &Layer,
    dw: &Shared<'_>,
    taps: &[f32],
    x_panels: Range<usize>,
    y_panels: Range<usize>,
) {
    let channels = x_panels.start * LANES..x_panels.end * LANES;
    for channel in channels.clone() {
        for (index, panel) in y_panels.clone().enumerate() {
            prefetch(s, layer, dw.as_ptr(), channel + 1, panel);
            let unit = index * channels.len() + channel - channels.start;
            for tap in 0..TAPS {
                let row = tap * layer.x_channels + channel;
                // SAFETY: the caller's promise.
                let sum = unsafe { dw.line(row * layer.y_channels + panel * LANES) };
                let tap = s.load(line(taps, (unit * TAPS + tap) * LANES));
                s.store(sum, s.add(s.load(sum), tap));
            }
        }
    }
}
