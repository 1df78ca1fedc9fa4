//! Direct convolutions between an image of one or three channels and its first or last features: the columns
//! of [`columns`](super::columns) without a copy of them.
//!
//! In an image of C channels with its border of zeros, what a row of a 4×4 filter reads at output column j
//! are the 4C numbers from `2C·j` on. So the matrix X of columns is there already: its rows begin 2C numbers
//! apart, and the product reads them from the image ([`Window`]). Backwards a product's four pieces of 4C
//! numbers are added to the rows of such an image. Only some padded rows exist at any time, in L1.
//!
//! Sums run in the order of [`conv`](super::conv), so the forward pass gives its bits.

use super::activation;
use super::conv::{Gradient, pack_filter, pack_transposed_filter};
use super::engine::Engine;
use super::panels::{self, Row};
use super::product::{Plain, Product, Window, WindowTransposed, Write};
use super::shared::Shared;
use super::simd::{Kernel, LANES, Simd};
use crate::backend::ops::Activation;
use crate::error::Result;
use crate::shape::ConvGeometry;
use rayon::prelude::*;
use std::ops::Range;

/// Rows and columns of the filter.
const SIDE: usize = 4;
/// Output rows whose input rows are padded at a time.
const BAND: usize = 8;
/// Parts of the batch whose weight gradients are summed apart.
const SEGMENTS: usize = 16;

/// A layer of this form.
#[derive(Clone, Copy)]
pub struct Thin {
    images: usize,
    /// Height and width of the image and of the map of features.
    x: [usize; 2],
    y: [usize; 2],
    /// Channels of the image: one or three.
    colours: usize,
    features: usize,
}

impl Thin {
    /// The layer, if it has this form: a 4×4 filter of stride 2 and padding 1 between one or three channels
    /// and whole panels of them.
    pub fn of(g: ConvGeometry) -> Option<Self> {
        let size = |v: u32| v as usize;
        let form = g.kernel == [4, 4] && g.stride == [2, 2] && g.padding == [1, 1];
        let whole = g.x.h == 2 * g.y.h && g.x.w == 2 * g.y.w;
        let (colours, features) = (size(g.x.c), size(g.y.c));
        let fits = form && whole && [1, 3].contains(&colours) && features.is_multiple_of(LANES);
        fits.then(|| Self {
            images: size(g.x.n),
            x: [size(g.x.h), size(g.x.w)],
            y: [size(g.y.h), size(g.y.w)],
            colours,
            features,
        })
    }

    /// `y = f(conv(x, w))`
    pub fn forward(
        self,
        engine: &Engine,
        f: Activation,
        y: &mut [f32],
        x: &[f32],
        w: &[f32],
    ) -> Result<()> {
        match self.colours {
            1 => Pass::<1, 4> { engine, layer: self }.forward(f, y, x, w),
            _ => Pass::<3, 12> { engine, layer: self }.forward(f, y, x, w),
        }
    }

    /// `dx = f(convᵀ(dy, w))`
    pub fn backward_data(
        self,
        engine: &Engine,
        f: Activation,
        dx: &mut [f32],
        dy: Gradient<'_>,
        w: &[f32],
    ) -> Result<()> {
        match self.colours {
            1 => Pass::<1, 4> { engine, layer: self }.backward_data(f, dx, dy, w),
            _ => Pass::<3, 12> { engine, layer: self }.backward_data(f, dx, dy, w),
        }
    }

    /// Adds the weight gradient to `dw`.
    pub fn backward_weights(
        self,
        engine: &Engine,
        dw: &mut [f32],
        x: &[f32],
        dy: Gradient<'_>,
    ) -> Result<()> {
        match self.colours {
            1 => Pass::<1, 4> { engine, layer: self }.backward_weights(dw, x, dy),
            _ => Pass::<3, 12> { engine, layer: self }.backward_weights(dw, x, dy),
        }
    }
}

/// A pass over images of C channels, of which a row of the filter spans SPAN = 4C numbers.
struct Pass<'a, const C: usize, const SPAN: usize> {
    engine: &'a Engine,
    layer: Thin,
}

impl<const C: usize, const SPAN: usize> Pass<'_, C, SPAN> {
    /// Numbers of the filter for one feature.
    const DEPTH: usize = SIDE * SPAN;

    /// Numbers of a padded row, whole lines of them.
    fn row(&self) -> usize {
        ((self.layer.x[1] + 2) * C).next_multiple_of(LANES)
    }

    /// What the padded rows of a band take.
    fn band_len(&self) -> usize {
        (2 * BAND.min(self.layer.y[0]) + 2) * self.row()
    }

    /// Bands of output rows of an image.
    fn bands(&self) -> usize {
        self.layer.y[0].div_ceil(BAND)
    }

    /// The output rows of a band.
    fn band(&self, band: usize) -> Range<usize> {
        band * BAND..self.layer.y[0].min((band + 1) * BAND)
    }

    /// Pads the rows of an image that the output rows `band` read.
    fn pad(&self, padded: &mut [f32], x: &[f32], image: usize, band: &Range<usize>) {
        let [height, width] = self.layer.x;
        let rows = 2 * band.start..2 * band.end + 2;
        for (row, line) in rows.zip(padded.chunks_exact_mut(self.row())) {
            if row == 0 || row > height {
                line.fill(0.0);
                continue;
            }
            let from = (image * height + row - 1) * width * C;
            let (left, rest) = line.split_at_mut(C);
            let (inside, right) = rest.split_at_mut(width * C);
            left.fill(0.0);
            inside.copy_from_slice(&x[from..from + width * C]);
            right.fill(0.0);
        }
    }

    fn forward(&self, f: Activation, y: &mut [f32], x: &[f32], w: &[f32]) -> Result<()> {
        let Thin { images, y: [height, width], features, .. } = self.layer;
        let (engine, padded_len) = (self.engine, self.band_len());
        let (bands, y) = (self.bands(), Shared::new(y));
        engine.reserve_scratch(padded_len)?;
        engine.with_shared(panels::len(Self::DEPTH, features), |filter| {
            pack_filter(filter, w, Self::DEPTH, features);
            let tasks = (0..images * bands).into_par_iter().with_max_len(4);
            tasks.for_each(|task| {
                let (image, band) = (task / bands, self.band(task % bands));
                engine.with_scratch(padded_len, |padded| {
                    self.pad(padded, x, image, &band);
                    for i in band.clone() {
                        let at = (image * height + i) * width * features;
                        // SAFETY: a task has these rows of y to itself.
                        let y = unsafe { y.slice(at, width * features) };
                        let product = Product {
                            rows: width,
                            depth: Self::DEPTH,
                            panels: features / LANES,
                            a_panel: self.row(),
                            b_panel: Self::DEPTH * LANES,
                            c_panel: LANES,
                            c_row: features,
                            write: Write::Overwrite,
                        };
                        let a = &padded[2 * (i - band.start) * self.row()..];
                        product.multiply_on::<Window<C>>(engine.isa, y, a, filter);
                        activation::apply(engine.isa, f, y);
                    }
                });
            });
        })
    }

    fn backward_data(
        &self,
        f: Activation,
        dx: &mut [f32],
        dy: Gradient<'_>,
        w: &[f32],
    ) -> Result<()> {
        let Thin { x: [x_height, x_width], y: [height, width], features, .. } = self.layer;
        let (engine, row) = (self.engine, self.row());
        let lens = [(x_height + 2) * row, width * features, width * Self::DEPTH];
        engine.reserve_scratch(lens.iter().sum())?;
        engine.with_shared(panels::len(features, Self::DEPTH), |filter| {
            pack_transposed_filter(filter, w, Self::DEPTH, features);
            let images = dx.par_chunks_exact_mut(x_height * x_width * C).with_max_len(1);
            images.enumerate().for_each(|(image, dx)| {
                engine.with_scratch(lens.iter().sum(), |scratch| {
                    let (padded, rest) = scratch.split_at_mut(lens[0]);
                    let (lines, product) = rest.split_at_mut(lens[1]);
                    padded.fill(0.0);
                    for i in 0..height {
                        let first = (image * height + i) * width;
                        dy.pack(engine.isa, lines, first..first + width, features);
                        let sizes = Product {
                            rows: width,
                            depth: features,
                            panels: Self::DEPTH.div_ceil(LANES),
                            a_panel: width * LANES,
                            b_panel: features * LANES,
                            c_panel: LANES,
                            c_row: Self::DEPTH,
                            write: Write::Overwrite,
                        };
                        sizes.multiply_on::<Plain>(engine.isa, product, lines, filter);
                        let padded = &mut padded[2 * i * row..];
                        engine.isa.run(Scatter::<C, SPAN> { padded, row, product, width });
                    }
                    for (r, dx) in dx.chunks_exact_mut(x_width * C).enumerate() {
                        dx.copy_from_slice(&padded[(r + 1) * row + C..][..x_width * C]);
                    }
                });
                activation::apply(engine.isa, f, dx);
            });
        })
    }

    fn backward_weights(&self, dw: &mut [f32], x: &[f32], dy: Gradient<'_>) -> Result<()> {
        let Thin { images, y: [_, width], features, .. } = self.layer;
        let (engine, len) = (self.engine, dw.len());
        let lens = [self.band_len(), width * features];
        engine.reserve_scratch(lens.iter().sum())?;
        let per_segment = images.div_ceil(SEGMENTS);
        let segments = images.div_ceil(per_segment);
        engine.with_shared(segments * len, |partials| {
            let parts = partials.par_chunks_exact_mut(len).with_max_len(1);
            parts.enumerate().for_each(|(segment, part)| {
                let first = segment * per_segment;
                part.fill(0.0);
                engine.with_scratch(lens.iter().sum(), |scratch| {
                    let (padded, lines) = scratch.split_at_mut(lens[0]);
                    for image in first..images.min(first + per_segment) {
                        self.accumulate(part, x, dy, image, padded, lines);
                    }
                });
            });
            for part in partials.chunks_exact(len) {
                for (row, dw) in dw.chunks_exact_mut(features).enumerate() {
                    Row::new(part, Self::DEPTH, row).add_to(0, dw);
                }
            }
        })
    }

    /// What one image adds to the filter's gradient, which `part` has in panels.
    fn accumulate(
        &self,
        part: &mut [f32],
        x: &[f32],
        dy: Gradient<'_>,
        image: usize,
        padded: &mut [f32],
        lines: &mut [f32],
    ) {
        let Thin { y: [height, width], features, .. } = self.layer;
        let (engine, row) = (self.engine, self.row());
        for band in (0..self.bands()).map(|band| self.band(band)) {
            self.pad(padded, x, image, &band);
            for i in band.clone() {
                let first = (image * height + i) * width;
                dy.pack(engine.isa, lines, first..first + width, features);
                for k in 0..SIDE {
                    let product = Product {
                        rows: SPAN,
                        depth: width,
                        panels: features / LANES,
                        a_panel: 0,
                        b_panel: width * LANES,
                        c_panel: Self::DEPTH * LANES,
                        c_row: LANES,
                        write: Write::Add,
                    };
                    let a = &padded[(2 * (i - band.start) + k) * row..];
                    let part = &mut part[k * SPAN * LANES..];
                    product.multiply_on::<WindowTransposed<C>>(engine.isa, part, a, lines);
                }
            }
        }
    }
}

/// Adds a product's rows, one for each output column of a row, to the four padded rows they came from.
struct Scatter<'a, const C: usize, const SPAN: usize> {
    padded: &'a mut [f32],
    /// Numbers of a padded row.
    row: usize,
    product: &'a [f32],
    /// Output columns.
    width: usize,
}

impl<const C: usize, const SPAN: usize> Kernel for Scatter<'_, C, SPAN> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { padded, row, product, width } = self;
        for k in 0..SIDE {
            let line = &mut padded[k * row..][..2 * C * (width + 1)];
            // Neighbours overlap: every other column first, so that none waits for what the one before
            // it has just written.
            for odd in 0..2 {
                for j in (odd..width).step_by(2) {
                    let from = product[(j * SIDE + k) * SPAN..].first_chunk::<SPAN>();
                    let to = line[2 * C * j..].first_chunk_mut::<SPAN>();
                    let (Some(piece), Some(to)) = (from, to) else { return };
                    // Of copies: as far as the compiler knows, the two could overlap.
                    let (mut sums, piece) = (*to, *piece);
                    for index in 0..SPAN {
                        sums[index] += piece[index];
                    }
                    *to = sums;
                }
            }
        }
    }
}
