//! Transforms of images: V from x, Z from dy, y from M, dx from M.
//!
//! What is read is a [`Source`]: numbers as they lie, or the gradient behind a batch normalisation, which is
//! computed as it is read. Each transform works on one chunk of tiles. A row of a block is a tile, a panel sixteen channels (of one parity,
//! for the large side), so a tile's transform is a few dozen additions of whole lines.

use super::super::shared::Shared;
use super::super::simd::{LANES, Simd, line};
use super::layer::{Block, Layer, PARITIES};
use super::tile::{Tile, both};
use std::ops::Range;

/// Where row or column `u` of a parity's map lies in the image: row `2u + parity` of the padded image is
/// row `2u + parity − 1` of the image. Out of the image is a number beyond its size.
#[inline(always)]
fn in_image(u: usize, parity: usize) -> usize {
    (2 * u + parity).wrapping_sub(1)
}

/// Stores `values[a][b]` at `at` of the points.
///
/// # Safety
/// No other task touches these lines.
#[inline(always)]
unsafe fn store_points<S: Simd, const M: usize>(
    s: S,
    shape: Block,
    block: &Shared<'_>,
    at: usize,
    values: [[S::V; M]; M],
) {
    for a in 0..M {
        for b in 0..M {
            let place = (a * M + b) * shape.point() + at;
            // The next tile's lines: no hardware follows as many streams as a block has points and panels.
            s.prefetch(block.as_ptr().wrapping_add(place + LANES));
            // SAFETY: the caller's promise.
            let line = unsafe { block.line(place) };
            s.store(line, values[a][b]);
        }
    }
}

/// The inverse of [`store_points`].
#[inline(always)]
fn load_points<S: Simd, const M: usize>(
    s: S,
    shape: Block,
    block: &[f32],
    at: usize,
) -> [[S::V; M]; M] {
    let mut values = [[s.zero(); M]; M];
    for a in 0..M {
        for b in 0..M {
            values[a][b] = s.load(line(block, (a * M + b) * shape.point() + at));
        }
    }
    values
}

/// Where a transform reads.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The tensor, or the gradient of batch norm's output.
    pub numbers: &'a [f32],
    /// How the gradient of batch norm's input follows from it.
    pub norm: Option<NormGradient<'a>>,
}

/// The terms of `dx = scale·(dy − offset − (x − mean)·slope)`, one for each channel; see
/// [`batch_norm::backward`](super::super::batch_norm::backward).
#[derive(Clone, Copy)]
pub struct NormGradient<'a> {
    pub x: &'a [f32],
    pub mean: &'a [f32],
    pub scale: &'a [f32],
    pub offset: &'a [f32],
    pub slope: &'a [f32],
}

impl<'a> From<&'a [f32]> for Source<'a> {
    fn from(numbers: &'a [f32]) -> Self {
        Self { numbers, norm: None }
    }
}

impl Source<'_> {
    /// The line at `at`, which belongs to sixteen channels from `channel` on.
    #[inline(always)]
    fn load<S: Simd>(&self, s: S, at: usize, channel: usize) -> S::V {
        let value = s.load(line(self.numbers, at));
        let Some(norm) = &self.norm else { return value };
        let deviation = s.sub(s.load(line(norm.x, at)), s.load(line(norm.mean, channel)));
        let centred = s.sub(value, s.load(line(norm.offset, channel)));
        let rest = s.sub(centred, s.mul(deviation, s.load(line(norm.slope, channel))));
        s.mul(s.load(line(norm.scale, channel)), rest)
    }
}

/// `V = Bᵀ P B` of the panels `panels` of x, four parities each, in the rows of the block whose first is at
/// `first`.
///
/// # Safety
/// No other task touches these rows.
#[inline(always)]
pub unsafe fn input<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    layer: &Layer,
    shape: Block,
    v: &Shared<'_>,
    first: usize,
    x: Source<'_>,
    images: Range<usize>,
    panels: Range<usize>,
) {
    let ([height, width], channels) = (layer.x, layer.x_channels);
    for row in 0..images.len() * layer.tiles_per_image() {
        let (image, [i, j]) = layer.tile(images.start, row);
        for panel in panels.clone() {
            for parity in 0..PARITIES {
                let mut patch = [[s.zero(); M]; M];
                for u in 0..M {
                    let r = in_image(N * i + u, parity / 2);
                    if r >= height {
                        continue;
                    }
                    for v in 0..M {
                        let c = in_image(N * j + v, parity % 2);
                        if c < width {
                            let pixel = (image * height + r) * width + c;
                            patch[u][v] =
                                x.load(s, pixel * channels + panel * LANES, panel * LANES);
                        }
                    }
                }
                let values = both!(s, patch, F::input, M => M);
                let index = PARITIES * (panel - panels.start) + parity;
                let at = first + index * shape.panel() + row * LANES;
                // SAFETY: the caller's promise.
                unsafe { store_points(s, shape, v, at, values) }
            }
        }
    }
}

/// `Z = A dy Aᵀ` of the panels `panels` of dy, in the rows of the block whose first is at `first`.
///
/// # Safety
/// No other task touches these rows.
#[inline(always)]
pub unsafe fn gradient<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    layer: &Layer,
    shape: Block,
    z: &Shared<'_>,
    first: usize,
    dy: Source<'_>,
    images: Range<usize>,
    panels: Range<usize>,
) {
    let ([height, width], channels) = (layer.y, layer.y_channels);
    for row in 0..images.len() * layer.tiles_per_image() {
        let (image, [i, j]) = layer.tile(images.start, row);
        for panel in panels.clone() {
            let mut patch = [[s.zero(); N]; N];
            for u in 0..N {
                for v in 0..N {
                    let pixel = (image * height + N * i + u) * width + N * j + v;
                    patch[u][v] = dy.load(s, pixel * channels + panel * LANES, panel * LANES);
                }
            }
            let values = both!(s, patch, F::output_transposed, N => M);
            let at = first + (panel - panels.start) * shape.panel() + row * LANES;
            // SAFETY: the caller's promise.
            unsafe { store_points(s, shape, z, at, values) }
        }
    }
}

/// `y = Aᵀ M A`, written to the panels `panels` of y.
///
/// # Safety
/// No other task touches these images' panels.
#[inline(always)]
pub unsafe fn output<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    layer: &Layer,
    shape: Block,
    y: &Shared<'_>,
    m: &[f32],
    images: Range<usize>,
    panels: Range<usize>,
) {
    let ([height, width], channels) = (layer.y, layer.y_channels);
    for row in 0..images.len() * layer.tiles_per_image() {
        let (image, [i, j]) = layer.tile(images.start, row);
        for panel in panels.clone() {
            let at = (panel - panels.start) * shape.panel() + row * LANES;
            let values = both!(s, load_points(s, shape, m, at), F::output, M => N);
            for u in 0..N {
                for v in 0..N {
                    let pixel = (image * height + N * i + u) * width + N * j + v;
                    let place = pixel * channels + panel * LANES;
                    // The next tile's pixel.
                    s.prefetch(y.as_ptr().wrapping_add(place + N * channels));
                    // SAFETY: the caller's promise.
                    let line = unsafe { y.line(place) };
                    s.store(line, values[u][v]);
                }
            }
        }
    }
}

/// `dP = B M Bᵀ` of the four parities of one panel, summed where tiles overlap, interleaved, and cut to the
/// image: dx.
///
/// A tile covers rows nt … n(t+1) of P, so its first row is the last one of the tile above, and likewise
/// for columns. Tiles come in order: what an earlier tile has written is added to, all else is overwritten.
///
/// # Safety
/// No other task touches these images' panel.
#[inline(always)]
pub unsafe fn input_gradient<S: Simd, F: Tile<N, M>, const N: usize, const M: usize>(
    s: S,
    layer: &Layer,
    shape: Block,
    dx: &Shared<'_>,
    m: &[f32],
    images: Range<usize>,
    panel: usize,
) {
    let ([height, width], channels) = (layer.x, layer.x_channels);
    for row in 0..images.len() * layer.tiles_per_image() {
        let (image, [i, j]) = layer.tile(images.start, row);
        for parity in 0..PARITIES {
            let at = parity * shape.panel() + row * LANES;
            let patch = both!(s, load_points(s, shape, m, at), F::input_transposed, M => M);
            for u in 0..M {
                let r = in_image(N * i + u, parity / 2);
                if r >= height {
                    continue;
                }
                for v in 0..M {
                    let c = in_image(N * j + v, parity % 2);
                    if c >= width {
                        continue;
                    }
                    let pixel = (image * height + r) * width + c;
                    let place = pixel * channels + panel * LANES;
                    // The next tile's pixel.
                    s.prefetch(dx.as_ptr().wrapping_add(place + 2 * N * channels));
                    // SAFETY: the caller's promise.
                    let line = unsafe { dx.line(place) };
                    let written = (u == 0 && i > 0) || (v == 0 && j > 0);
                    let value = patch[u][v];
                    let value = if written { s.add(s.load(line), value) } else { value };
                    s.store(line, value);
                }
            }
        }
    }
}
