//! The three passes of a convolution as a matrix product with the image's columns;
//! [`columns`](super::columns) has the mathematics.
//!
//! Each pass cuts its output into tiles, and a tile's sums run in one order, so the bits do not depend on
//! how many threads share the tiles, nor a row's on the rest of the batch.

use super::activation;
use super::columns::Columns;
use super::engine::Engine;
use super::panels::{self, Row};
use super::product::{Plain, Product, Transposed, Write};
use super::shared::Shared;
use super::simd::{Isa, LANES};
use super::thin::Thin;
use crate::backend::ops::Activation;
use crate::error::Result;
use crate::shape::ConvGeometry;
use rayon::prelude::*;
use std::ops::Range;

/// Rows of a tile: output positions.
const ROWS: usize = 256;
/// Columns of a block of X in the forward pass: with [`ROWS`] rows it is half a megabyte.
const WIDTH: usize = 512;
/// Sums of more terms, as at the ends of a DCGAN, are made of a chain for each group of taps, not of one.
const CHAIN: usize = 2048;
/// The same as [`WIDTH`] in the backward passes.
const BACKWARD_WIDTH: usize = 256;
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
            cols = cols.div_ceil(2).next_multiple_of(LANES);
        } else if rows >= 2 * min_rows {
            rows = rows.div_ceil(2);
        } else {
            return (rows, cols);
        }
    }
}

/// The tiles of a matrix, row by row.
fn tiles(
    (rows, cols): (usize, usize),
    (total_rows, total_cols): (usize, usize),
) -> impl ParallelIterator<Item = (Range<usize>, Range<usize>)> {
    let across = total_cols.div_ceil(cols);
    (0..total_rows.div_ceil(rows) * across).into_par_iter().with_max_len(1).map(move |index| {
        let (row, col) = (index / across * rows, index % across * cols);
        (row..total_rows.min(row + rows), col..total_cols.min(col + cols))
    })
}

/// A product of matrices whose panels have no gaps, but that B may be rows of a taller matrix of `b_rows`.
fn product(
    (rows, depth, cols): (usize, usize, usize),
    write: Write,
    a_rows: usize,
    b_rows: usize,
) -> Product {
    let [a_panel, b_panel, c_panel] = [a_rows, b_rows, rows].map(|rows| LANES * rows);
    let panels = cols.div_ceil(LANES);
    Product { rows, depth, panels, a_panel, b_panel, c_panel, c_row: LANES, write }
}

/// `C = A·B`; B may be rows of a taller matrix.
fn multiply(
    isa: Isa,
    size: (usize, usize, usize),
    write: Write,
    c: &mut [f32],
    a: &[f32],
    (b, b_rows): (&[f32], usize),
) {
    product(size, write, size.0, b_rows).multiply_on::<Plain>(isa, c, a, b);
}

/// `Y = f(X·W)`, tile by tile; the depth of the product is cut into groups of taps.
pub fn forward(
    engine: &Engine,
    g: ConvGeometry,
    f: Activation,
    y: &mut [f32],
    x: &[f32],
    w: &[f32],
) -> Result<()> {
    if let Some(layer) = Thin::of(g) {
        return layer.forward(engine, f, y, x, w);
    }
    let columns = Columns::new(g);
    let (rows, channels, depth) = (columns.rows(), columns.y_channels, columns.width());
    let size = tile((ROWS, 64), (channels.next_multiple_of(LANES), 128), (rows, channels));
    let width = columns.widest_group(WIDTH);
    let x_len = panels::len(size.0, width);
    engine.reserve_scratch(x_len + panels::len(size.0, size.1))?;
    let y = Shared::new(y);
    engine.with_shared(panels::len(depth, channels), |filter| {
        pack_filter(filter, w, depth, channels);
        tiles(size, (rows, channels)).for_each(|(rows, cols)| {
            engine.with_scratch(x_len + panels::len(size.0, size.1), |scratch| {
                let (block, product) = scratch.split_at_mut(x_len);
                for taps in columns.tap_groups(WIDTH) {
                    columns.gather(block, x, rows.clone(), taps.clone());
                    let first = taps.start * columns.x_channels;
                    let size = (rows.len(), taps.len() * columns.x_channels, cols.len());
                    let filter = &filter[(cols.start * depth) + first * LANES..];
                    let write = match first {
                        0 => Write::Overwrite,
                        _ if depth > CHAIN => Write::Add,
                        _ => Write::Continue,
                    };
                    multiply(engine.isa, size, write, product, block, (filter, depth));
                }
                activation::apply(
                    engine.isa,
                    f,
                    &mut product[..panels::len(rows.len(), cols.len())],
                );
                for (index, row) in rows.clone().enumerate() {
                    // SAFETY: a tile has these rows and columns of y to itself.
                    let y = unsafe { y.slice(row * channels + cols.start, cols.len()) };
                    Row::new(product, rows.len(), index).copy_to(0, y);
                }
            });
        });
    })
}

/// The filter, `depth × channels`, in panels.
pub fn pack_filter(filter: &mut [f32], w: &[f32], depth: usize, channels: usize) {
    filter.par_chunks_mut(depth * LANES).enumerate().for_each(|(panel, lines)| {
        let first = panel * LANES;
        panels::pack(lines, depth, LANES.min(channels - first), &w[first..], channels);
    });
}

/// The filter's transpose, `channels × width`, in panels.
pub fn pack_transposed_filter(filter: &mut [f32], w: &[f32], width: usize, channels: usize) {
    filter.par_chunks_mut(channels * LANES).enumerate().for_each(|(panel, lines)| {
        let first = panel * LANES;
        let lanes = LANES.min(width - first);
        panels::pack_transposed(lines, lanes, &w[first * channels..], channels);
    });
}

/// The gradient of a convolution's output, behind an activation or not.
#[derive(Clone, Copy)]
pub struct Gradient<'a> {
    pub dy: &'a [f32],
    /// The activation, and its output.
    pub activation: (Activation, &'a [f32]),
}

impl<'a> Gradient<'a> {
    /// `dy` as it is.
    pub fn plain(dy: &'a [f32]) -> Self {
        Self { dy, activation: (Activation::Identity, dy) }
    }

    /// Rows of `cols` numbers in panels.
    pub fn pack(&self, isa: Isa, panels: &mut [f32], rows: Range<usize>, cols: usize) {
        let (from, (f, y)) = (rows.start * cols, self.activation);
        let size = (rows.len(), cols);
        panels::pack_gradient(isa, panels, size, &self.dy[from..], (f, &y[from..]));
    }
}

/// `dX = f(dY·Wᵀ)`, where every pixel sums the entries of the product that are copies of it.
pub fn backward_data(
    engine: &Engine,
    g: ConvGeometry,
    f: Activation,
    dx: &mut [f32],
    dy: Gradient<'_>,
    w: &[f32],
) -> Result<()> {
    if let Some(layer) = Thin::of(g) {
        return layer.backward_data(engine, f, dx, dy, w);
    }
    let columns = Columns::new(g);
    let (width, channels) = (columns.width(), columns.y_channels);
    let pass = DataGradient { engine, columns: &columns, f, dy };
    let dx = Shared::new(dx);
    engine.with_shared(panels::len(channels, width), |filter| {
        pack_transposed_filter(filter, w, width, channels);
        if columns.are_the_image() { pass.plain(&dx, filter) } else { pass.scattered(&dx, filter) }
    })?
}

struct DataGradient<'a> {
    engine: &'a Engine,
    columns: &'a Columns,
    f: Activation,
    dy: Gradient<'a>,
}

impl DataGradient<'_> {
    /// Tiles are whole images: what a position sends back stays in its image.
    fn scattered(&self, dx: &Shared<'_>, filter: &[f32]) -> Result<()> {
        let Self { engine, columns, f, dy } = *self;
        let (images, channels) = (columns.geometry.x.n as usize, columns.x_channels);
        let depth = columns.y_channels;
        let per_tile = ROWS.div_ceil(columns.y_area).min(images);
        let (per_tile, _) = tile((per_tile, 1), (channels, channels), (images, channels));
        let step = ROWS.min(per_tile * columns.y_area);
        let (dy_len, width) = (panels::len(step, depth), columns.widest_group(BACKWARD_WIDTH));
        let scratch_len = dy_len + panels::len(step, width + LANES);
        engine.reserve_scratch(scratch_len)?;
        tiles((per_tile, 1), (images, 1)).for_each(|(images, _)| {
            let pixels = images.start * columns.x_area..images.end * columns.x_area;
            // SAFETY: a tile has these images of dx to itself, here and at its end.
            let of_tile = || unsafe { dx.slice(pixels.start * channels, pixels.len() * channels) };
            of_tile().fill(0.0);
            let last = images.end * columns.y_area;
            for start in (images.start * columns.y_area..last).step_by(step) {
                let rows = start..last.min(start + step);
                engine.with_scratch(scratch_len, |scratch| {
                    let (lines, product) = scratch.split_at_mut(dy_len);
                    dy.pack(engine.isa, lines, rows.clone(), depth);
                    for taps in columns.tap_groups(BACKWARD_WIDTH) {
                        let (first, width) = (taps.start * channels, taps.len() * channels);
                        // Products of whole panels: of the first and the last, other taps' columns too.
                        let (skip, filter) =
                            (first % LANES, &filter[first / LANES * LANES * depth..]);
                        let size = (rows.len(), depth, skip + width);
                        multiply(
                            engine.isa,
                            size,
                            Write::Overwrite,
                            product,
                            lines,
                            (filter, depth),
                        );
                        let pixels = |pixel: usize, len: usize| {
                            // SAFETY: a pixel of an image of this tile.
                            unsafe { dx.slice(pixel * channels, len * channels) }
                        };
                        columns.scatter_add(pixels, skip, product, rows.clone(), taps);
                    }
                });
            }
            activation::apply(engine.isa, f, of_tile());
        });
        Ok(())
    }

    /// Where X is the image itself, dX is the gradient as it lies.
    fn plain(&self, dx: &Shared<'_>, filter: &[f32]) -> Result<()> {
        let Self { engine, columns, f, dy } = *self;
        let (rows, width, depth) = (columns.rows(), columns.width(), columns.y_channels);
        let widest = width.next_multiple_of(LANES).min(512);
        let size = tile((ROWS.min(rows), 64), (widest, 128), (rows, width));
        let dy_len = panels::len(size.0, depth);
        let scratch_len = dy_len + panels::len(size.0, size.1);
        engine.reserve_scratch(scratch_len)?;
        tiles(size, (rows, width)).for_each(|(rows, cols)| {
            engine.with_scratch(scratch_len, |scratch| {
                let (lines, product) = scratch.split_at_mut(dy_len);
                dy.pack(engine.isa, lines, rows.clone(), depth);
                let size = (rows.len(), depth, cols.len());
                let filter = (&filter[cols.start * depth..], depth);
                multiply(engine.isa, size, Write::Overwrite, product, lines, filter);
                activation::apply(
                    engine.isa,
                    f,
                    &mut product[..panels::len(rows.len(), cols.len())],
                );
                for (index, row) in rows.clone().enumerate() {
                    // SAFETY: a tile has these rows and columns of dx to itself.
                    let dx = unsafe { dx.slice(row * width + cols.start, cols.len()) };
                    Row::new(product, rows.len(), index).copy_to(0, dx);
                }
            });
        });
        Ok(())
    }
}

/// `dW += Xᵀ·dY`, whose depth is every output position of the batch. Where the filter is too small
/// for all cores, segments of the batch are summed apart and added up in their order.
pub fn backward_weights(
    engine: &Engine,
    g: ConvGeometry,
    dw: &mut [f32],
    x: &[f32],
    dy: Gradient<'_>,
) -> Result<()> {
    if let Some(layer) = Thin::of(g) {
        return layer.backward_weights(engine, dw, x, dy);
    }
    let columns = Columns::new(g);
    let (rows, channels) = (columns.rows(), columns.y_channels);
    let tap_groups = || columns.tap_groups(BACKWARD_WIDTH);
    let groups = tap_groups().count();
    let segments = (2 * TILES / groups).min(PARTIAL_NUMBERS / dw.len().max(1));
    let segments = segments.min(rows / DEPTH).max(1);
    let segment_rows = rows.div_ceil(segments);
    let depth = DEPTH.min(segment_rows);
    // X, dY and the product of one group of taps.
    let width = columns.widest_group(BACKWARD_WIDTH);
    let lens =
        [(depth, width), (depth, channels), (width, channels)].map(|(r, c)| panels::len(r, c));
    engine.reserve_scratch(lens.iter().sum())?;
    let len = dw.len();
    engine.with_shared(segments * len, |partials| {
        let shared = Shared::new(partials);
        let tasks = (0..segments * groups).into_par_iter().with_max_len(1);
        tasks.for_each(|task| {
            let (segment, taps) =
                (task / groups, tap_groups().nth(task % groups).unwrap_or_default());
            let first = (segment * segment_rows).min(rows);
            let positions = first..rows.min(first + segment_rows);
            // SAFETY: a task has these taps of its segment to itself.
            let part = unsafe {
                let at = segment * len + taps.start * columns.x_channels * channels;
                shared.slice(at, taps.len() * columns.x_channels * channels)
            };
            accumulate_weights(engine, &columns, part, x, dy, positions, taps, lens);
        });
        dw.par_chunks_mut(super::CHUNK).enumerate().for_each(|(chunk, dw)| {
            for segment in partials.chunks_exact(len) {
                let part = &segment[chunk * super::CHUNK..][..dw.len()];
                dw.iter_mut().zip(part).for_each(|(d, p)| *d += p);
            }
        });
    })
}

/// The rows `taps` of the filter's gradient from some output positions.
fn accumulate_weights(
    engine: &Engine,
    columns: &Columns,
    part: &mut [f32],
    x: &[f32],
    dy: Gradient<'_>,
    positions: Range<usize>,
    taps: Range<usize>,
    [x_len, dy_len, product_len]: [usize; 3],
) {
    let (width, channels) = (taps.len() * columns.x_channels, columns.y_channels);
    engine.with_scratch(x_len + dy_len + product_len, |scratch| {
        let (block, rest) = scratch.split_at_mut(x_len);
        let (lines, sums) = rest.split_at_mut(dy_len);
        sums.fill(0.0);
        for start in positions.clone().step_by(DEPTH) {
            let rows = start..positions.end.min(start + DEPTH);
            let depth = rows.len();
            dy.pack(engine.isa, lines, rows.clone(), channels);
            columns.gather(block, x, rows, taps.clone());
            product((width, depth, channels), Write::Continue, depth, depth)
                .multiply_on::<Transposed>(engine.isa, sums, block, lines);
        }
        for (row, part) in part.chunks_exact_mut(channels).enumerate() {
            Row::new(sums, width, row).copy_to(0, part);
        }
    });
}
