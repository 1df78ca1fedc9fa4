//! The three passes of a convolution; [`columns`](super::columns) has the mathematics.
//!
//! Each pass cuts its output into tiles whose sizes depend on the shapes alone, and a tile's sums run
//! in one order, so the bits do not depend on how many threads share the tiles.

use super::columns::Columns;
use super::gemm::{Mat, MatMut, Write, multiply};
use super::scratch;
use crate::shape::ConvGeometry;
use rayon::prelude::*;
use std::sync::Mutex;

/// Rows of a tile: enough that packing the filter, once per tile, costs little beside the product.
const ROWS: usize = 256;
/// Columns of a block of X in the forward pass: with [`ROWS`] rows it is half a megabyte.
const WIDTH: usize = 512;
/// The same in the backward passes.
const BACKWARD_WIDTH: usize = 256;
/// Positions of an image that are scattered at a time in the data gradient.
const SCATTER_ROWS: usize = 1024;
/// Tiles worth making smaller tiles for: what keeps a desktop's cores busy.
const TILES: usize = 16;
/// Depth of one product in the weight gradient.
const DEPTH: usize = 512;
/// Limits what the partial sums of the weight gradient take: 4 MB.
const PARTIAL_NUMBERS: usize = 1 << 20;

/// Halves a tile of `rows × cols` until a matrix of `total_rows × total_cols` has [`TILES`] of them
/// or they would be too small for an efficient product.
fn tile(
    (mut rows, min_rows): (usize, usize),
    (mut cols, min_cols): (usize, usize),
    (total_rows, total_cols): (usize, usize),
) -> (usize, usize) {
    loop {
        let tiles = total_rows.div_ceil(rows) * total_cols.div_ceil(cols);
        if tiles >= TILES {
            return (rows, cols);
        }
        if cols >= 2 * min_cols {
            cols = cols.div_ceil(2);
        } else if rows >= 2 * min_rows {
            rows = rows.div_ceil(2);
        } else {
            return (rows, cols);
        }
    }
}

/// `Y = X·W`, tile by tile; the depth of the product is cut into groups of taps.
pub fn forward(g: ConvGeometry, y: &mut [f32], x: &[f32], w: &[f32]) {
    let columns = Columns::new(g);
    let (rows, channels) = (columns.rows(), columns.y_channels);
    let filter = Mat::new(w, columns.width(), channels, channels);
    let (tile_rows, tile_cols) = tile((ROWS, 64), (channels, 128), (rows, channels));
    let tiles = MatMut::new(y, rows, channels).into_tiles(tile_rows, tile_cols);
    tiles.into_par_iter().for_each(|(row, col, mut tile)| {
        let positions = row..row + tile.rows();
        let filter = filter.columns(col..col + tile.cols());
        for taps in columns.tap_groups(WIDTH) {
            let depth = taps.start * columns.x_channels..taps.end * columns.x_channels;
            let write = if taps.start == 0 { Write::Overwrite } else { Write::Add };
            scratch::with(positions.len() * depth.len(), |scratch| {
                let block = columns.block(scratch, x, positions.clone(), taps);
                multiply(&mut tile, write, block, filter.rows(depth));
            });
        }
    });
}

/// `dX = dY·Wᵀ`, then every pixel sums the entries of dX that are copies of it.
pub fn backward_data(g: ConvGeometry, dx: &mut [f32], dy: &[f32], w: &[f32]) {
    let columns = Columns::new(g);
    let filter = Mat::new(w, columns.width(), columns.y_channels, columns.y_channels);
    if columns.are_the_image() {
        return backward_data_plain(&columns, dx, dy, filter);
    }
    let (images, channels) = (g.x.n as usize, columns.x_channels);
    let per_tile = ROWS.div_ceil(columns.y_area).min(images);
    let (per_tile, tile_cols) = tile((per_tile, 1), (channels, 64), (images, channels));
    let dx = MatMut::new(dx, images * columns.x_area, channels);
    let tiles = dx.into_tiles(per_tile * columns.x_area, tile_cols);
    tiles.into_par_iter().for_each(|(pixel, channel, mut tile)| {
        (0..tile.rows()).for_each(|row| tile.rows_mut(row, 1).fill(0.0));
        let first = pixel / columns.x_area * columns.y_area;
        let last = first + tile.rows() / columns.x_area * columns.y_area;
        for start in (first..last).step_by(SCATTER_ROWS) {
            let rows = start..last.min(start + SCATTER_ROWS);
            backward_data_tile(&columns, &mut tile, (pixel, channel), rows, dy, filter);
        }
    });
}

/// Adds what the output positions `rows` send back to the pixels and channels of one tile, whose
/// first are `(pixel, channel)`.
fn backward_data_tile(
    columns: &Columns,
    tile: &mut MatMut<'_>,
    (pixel, channel): (usize, usize),
    rows: std::ops::Range<usize>,
    dy: &[f32],
    filter: Mat<'_>,
) {
    let (channels, depth) = (tile.cols(), columns.y_channels);
    let dy = Mat::new(&dy[rows.start * depth..], rows.len(), depth, depth);
    // A tile of some channels only finds them apart from each other in X, one tap at a time.
    let width = if channels == columns.x_channels { BACKWARD_WIDTH } else { channels };
    for taps in columns.tap_groups(width) {
        let first = taps.start * columns.x_channels + channel;
        let width = taps.len() * channels;
        scratch::with(rows.len() * width, |block| {
            let mut product = MatMut::new(block, rows.len(), width);
            let filter = filter.rows(first..first + width).transposed();
            multiply(&mut product, Write::Overwrite, dy, filter);
            columns.scatter_add(tile, pixel, block, rows.clone(), taps);
        });
    }
}

/// Where X is the image itself, dX is the gradient as it lies.
fn backward_data_plain(columns: &Columns, dx: &mut [f32], dy: &[f32], filter: Mat<'_>) {
    let (rows, width, depth) = (columns.rows(), columns.width(), columns.y_channels);
    let dy = Mat::new(dy, rows, depth, depth);
    let (tile_rows, tile_cols) = tile((ROWS, 64), (width.min(512), 128), (rows, width));
    let tiles = MatMut::new(dx, rows, width).into_tiles(tile_rows, tile_cols);
    tiles.into_par_iter().for_each(|(row, col, mut tile)| {
        let filter = filter.rows(col..col + tile.cols()).transposed();
        let dy = dy.rows(row..row + tile.rows());
        multiply(&mut tile, Write::Overwrite, dy, filter);
    });
}

/// `dW += Xᵀ·dY`, whose depth is every output position of the batch. Where the filter is too small
/// for all cores, segments of the batch are summed apart into `partials` and added up in their order.
pub fn backward_weights(
    g: ConvGeometry,
    dw: &mut [f32],
    x: &[f32],
    dy: &[f32],
    partials: &Mutex<Vec<f32>>,
) {
    let columns = Columns::new(g);
    let rows = columns.rows();
    let groups = columns.tap_groups(BACKWARD_WIDTH).count();
    let segments =
        (2 * TILES / groups).min(PARTIAL_NUMBERS / dw.len().max(1)).min(rows / DEPTH).max(1);
    if segments == 1 {
        return accumulate_weights(&columns, dw, Write::Add, x, dy, rows);
    }
    // A panic in another op leaves nothing here that this op would not overwrite.
    let mut partials = partials.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let needed = segments * dw.len();
    if partials.len() < needed {
        partials.resize(needed, 0.0);
    }
    let partials = &mut partials[..needed];
    accumulate_weights(&columns, partials, Write::Overwrite, x, dy, rows.div_ceil(segments));
    let len = dw.len();
    dw.par_chunks_mut(super::CHUNK).enumerate().for_each(|(chunk, dw)| {
        for segment in partials.chunks_exact(len) {
            let part = &segment[chunk * super::CHUNK..][..dw.len()];
            dw.iter_mut().zip(part).for_each(|(d, p)| *d += p);
        }
    });
}

/// One filter-sized matrix for each segment of `segment_rows` output positions, one below the other
/// in `out`; a tile is one group of taps of one segment.
fn accumulate_weights(
    columns: &Columns,
    out: &mut [f32],
    write: Write,
    x: &[f32],
    dy: &[f32],
    segment_rows: usize,
) {
    let (rows, width, channels) = (columns.rows(), columns.width(), columns.y_channels);
    let dy = Mat::new(dy, rows, channels, channels);
    let tiles: Vec<_> = out
        .chunks_exact_mut(width * channels)
        .enumerate()
        .flat_map(|(segment, filter)| {
            let first = segment * segment_rows;
            let mut rest = filter;
            let tiles = columns.tap_groups(BACKWARD_WIDTH).map(move |taps| {
                let len = taps.len() * columns.x_channels * channels;
                let (tile, tail) = std::mem::take(&mut rest).split_at_mut(len);
                rest = tail;
                (first..rows.min(first + segment_rows), taps, tile)
            });
            tiles.collect::<Vec<_>>()
        })
        .collect();
    tiles.into_par_iter().for_each(|(positions, taps, tile)| {
        let width = taps.len() * columns.x_channels;
        let mut tile = MatMut::new(tile, width, channels);
        for start in positions.clone().step_by(DEPTH) {
            let depth = start..positions.end.min(start + DEPTH);
            let write = if start == positions.start { write } else { Write::Add };
            scratch::with(depth.len() * width, |scratch| {
                let block = columns.block(scratch, x, depth.clone(), taps.clone());
                multiply(&mut tile, write, block.transposed(), dy.rows(depth));
            });
        }
    });
}
