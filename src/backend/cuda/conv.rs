//! Convolutions: which kernel a layer gets, and its geometry. The kernels are in `kernels/conv_plain.cu` and
//! `kernels/conv_tiled.cu`.
//!
//! Every choice depends on the shape alone, never on the card: a seed gives the same bits everywhere.

use super::buffer::Buffer;
use super::kernels::Kernel;
use super::{Cuda, Rung};
use crate::error::Result;
use crate::shape::ConvGeometry;

/// Blocks that keep a large card busy: it has about this many multiprocessors.
const ENOUGH_BLOCKS: usize = 128;

/// Positions that a part of a weight gradient sums at least; fewer would not pay for adding up the parts.
const LEAST_PART: usize = 256;

/// Which tiles convolutions get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiles {
    /// By the shape: large ones where that still makes enough blocks for a large card.
    #[default]
    ByShape,
    /// Large ones wherever float4s can be read.
    Large,
}

/// How a block's tile is cut; the names of `conv_tiled.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tile {
    Wide,
    Tall,
    Square,
    Narrow,
    /// [`Tile::Square`] without float4s, for channel counts that are no multiples of four.
    Any,
}

impl Tile {
    /// Rows, columns, steps of the sum, threads.
    const fn sizes(self) -> [usize; 4] {
        match self {
            Self::Wide => [128, 128, 8, 256],
            Self::Tall => [128, 64, 8, 256],
            Self::Square | Self::Any => [64, 64, 16, 256],
            Self::Narrow => [256, 4, 8, 64],
        }
    }

    /// Tiles along the rows and the columns of a result.
    fn count(self, rows: usize, columns: usize) -> [usize; 2] {
        let [tile_rows, tile_columns, ..] = self.sizes();
        [rows.div_ceil(tile_rows), columns.div_ceil(tile_columns)]
    }

    fn threads(self) -> [usize; 2] {
        [self.sizes()[3], 1]
    }

    /// The largest tile that still makes enough blocks of a `rows × columns` result, `times` over.
    fn choose(tiles: Tiles, rows: usize, columns: usize, times: usize, float4: bool) -> Self {
        if !float4 {
            return Self::Any;
        }
        let large = if columns <= 64 { Self::Tall } else { Self::Wide };
        let [down, across] = large.count(rows, columns);
        let enough = down * across * times >= ENOUGH_BLOCKS;
        if enough || tiles == Tiles::Large { large } else { Self::Square }
    }
}

/// Whether float4s can be read along the channels of both sides.
fn float4(g: &ConvGeometry) -> bool {
    g.x.c.is_multiple_of(4) && g.y.c.is_multiple_of(4)
}

fn positions(g: &ConvGeometry) -> usize {
    g.y.n as usize * g.y.area()
}

impl Cuda {
    /// `y = conv(x, w)`.
    pub(super) fn forward(
        &self,
        g: ConvGeometry,
        y: &mut Buffer,
        x: &Buffer,
        w: &Buffer,
    ) -> Result<()> {
        let (rows, columns) = (positions(&g), g.y.c as usize);
        if self.rung == Rung::Plain {
            let mut launch = self.prepare(Kernel::ConvForwardPlain, &g)?;
            launch.arg(&mut y.data).arg(&x.data).arg(&w.data).arg(&g);
            // SAFETY: (float*, const float*, const float*, ConvGeometry), of the sizes of `g`, one thread
            // for each number of y.
            return unsafe { launch.threads(g.y.len()) };
        }
        let tile = Tile::choose(self.tiles, rows, columns, 1, float4(&g));
        let ([down, across], threads) = (tile.count(rows, columns), tile.threads());
        let (kernel, grid) = match tile {
            _ if columns <= 4 => (Kernel::ConvForwardDot, [rows, 1, 1]),
            Tile::Wide => (Kernel::ConvForwardWide, [down, across, 1]),
            Tile::Tall => (Kernel::ConvForwardTall, [down, across, 1]),
            Tile::Square | Tile::Narrow => (Kernel::ConvForwardSquare, [down, across, 1]),
            Tile::Any => (Kernel::ConvForwardAny, [down, across, 1]),
        };
        let mut launch = self.prepare(kernel, &g)?;
        launch.arg(&mut y.data).arg(&x.data).arg(&w.data).arg(&g);
        // SAFETY: as above; the tiles cover y, or there is one block for each of its positions.
        unsafe { launch.blocks(grid, threads) }
    }

    /// `dx`, the transpose of [`forward`](Self::forward) applied to `dy`; a transposed convolution's forward
    /// pass.
    pub(super) fn backward_data(
        &self,
        g: ConvGeometry,
        dx: &mut Buffer,
        dy: &Buffer,
        w: &Buffer,
    ) -> Result<()> {
        if self.rung == Rung::Plain {
            let mut launch = self.prepare(Kernel::ConvBackwardDataPlain, &g)?;
            launch.arg(&mut dx.data).arg(&dy.data).arg(&w.data).arg(&g);
            // SAFETY: (float*, const float*, const float*, ConvGeometry), of the sizes of `g`, one thread
            // for each number of dx.
            return unsafe { launch.threads(g.x.len()) };
        }
        // A phase holds every stride-th row and column; the first one is the largest.
        let phase = |size: u32, stride: u32| size.div_ceil(stride) as usize;
        let rows = g.x.n as usize * phase(g.x.h, g.stride[0]) * phase(g.x.w, g.stride[1]);
        let phases = (g.stride[0] * g.stride[1]) as usize;
        let columns = g.x.c as usize;
        // The result's channels may be any number: only dy and w are read as float4s.
        let tile = match g.y.c.is_multiple_of(4) {
            true if columns <= 4 => Tile::Narrow,
            float4 => Tile::choose(self.tiles, rows, columns, phases, float4),
        };
        let kernel = match tile {
            Tile::Wide => Kernel::ConvBackwardDataWide,
            Tile::Tall => Kernel::ConvBackwardDataTall,
            Tile::Square => Kernel::ConvBackwardDataSquare,
            Tile::Narrow => Kernel::ConvBackwardDataNarrow,
            Tile::Any => Kernel::ConvBackwardDataAny,
        };
        let [down, across] = tile.count(rows, columns);
        let mut launch = self.prepare(kernel, &g)?;
        launch.arg(&mut dx.data).arg(&dy.data).arg(&w.data).arg(&g);
        // SAFETY: as above; the tiles cover every phase of dx.
        unsafe { launch.blocks([down, across, phases], tile.threads()) }
    }

    /// `dw += ` the weight gradient.
    pub(super) fn backward_weights(
        &self,
        g: ConvGeometry,
        dw: &mut Buffer,
        x: &Buffer,
        dy: &Buffer,
    ) -> Result<()> {
        if self.rung == Rung::Plain {
            let mut launch = self.prepare(Kernel::ConvBackwardWeightsPlain, &g)?;
            launch.arg(&mut dw.data).arg(&x.data).arg(&dy.data).arg(&g);
            // SAFETY: (float*, const float*, const float*, ConvGeometry), of the sizes of `g`, one thread
            // for each number of dw.
            return unsafe { launch.threads(g.filter().len()) };
        }
        let rows = (g.kernel[0] * g.kernel[1] * g.x.c) as usize;
        let columns = g.y.c as usize;
        let tile = match (float4(&g), rows >= 128 || self.tiles == Tiles::Large) {
            (false, _) => Tile::Any,
            (true, true) if columns > 64 => Tile::Wide,
            (true, true) if columns > 32 || self.tiles == Tiles::Large => Tile::Tall,
            (true, _) => Tile::Square,
        };
        let kernel = match tile {
            Tile::Wide => Kernel::ConvBackwardWeightsWide,
            Tile::Tall => Kernel::ConvBackwardWeightsTall,
            Tile::Square | Tile::Narrow => Kernel::ConvBackwardWeightsSquare,
            Tile::Any => Kernel::ConvBackwardWeightsAny,
        };
        let [down, across] = tile.count(rows, columns);
        let (part, parts) = parts(positions(&g), down * across, tile.sizes()[2]);
        let mut workspace = self.workspace();
        let partial = workspace.partials(self, parts * rows * columns)?;
        let mut launch = self.prepare(kernel, &g)?;
        launch.arg(&mut *partial).arg(&x.data).arg(&dy.data).arg(&g).arg(&part);
        // SAFETY: (float*, const float*, const float*, ConvGeometry, int); the workspace has room for the
        // parts, whose tiles cover the filter.
        unsafe { launch.blocks([down, across, parts], tile.threads())? };
        let len = dw.len();
        let mut launch = self.prepare(Kernel::ConvReduceWeights, &g)?;
        let parts = parts as i32;
        launch.arg(&mut dw.data).arg(&*partial).arg(&len).arg(&parts);
        // SAFETY: (float*, const float*, int, int): `parts` filters of `len` numbers, just written.
        unsafe { launch.threads(len as usize) }
    }
}

/// Cuts a sum over `positions` so that `tiles` times the parts are twice enough blocks: the length of a part,
/// a multiple of `step`, and how many there are.
fn parts(positions: usize, tiles: usize, step: usize) -> (i32, usize) {
    let wanted = (2 * ENOUGH_BLOCKS / tiles).clamp(1, positions.div_ceil(LEAST_PART));
    let part = positions.div_ceil(wanted).next_multiple_of(step);
    (part as i32, positions.div_ceil(part))
}
