//! What a thread computes at a time. A task is a [`Kernel`], compiled as a whole for each instruction set.

use super::super::finish::Finish;
use super::super::product::{Plain, Product, Transposed, Write};
use super::super::shared::Shared;
use super::super::simd::{Kernel, LANES, Simd};
use super::filter::Units;
use super::image::Source;
use super::layer::{Block, PARITIES};
use super::passes::Pass;
use super::tile::Tile;
use super::{filter, image};
use std::ops::Range;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    X,
    Y,
}

/// V or Z of some images of one chunk and group.
pub struct Transform<'a, F, const N: usize, const M: usize> {
    pub pass: &'a Pass<'a, F, N, M>,
    pub side: Side,
    pub blocks: &'a Shared<'a>,
    /// Where the block begins, and its row where the images' tiles begin.
    pub at: usize,
    pub row: usize,
    pub image: Source<'a>,
    pub images: Range<usize>,
    pub panels: Range<usize>,
}

impl<F: Tile<N, M>, const N: usize, const M: usize> Kernel for Transform<'_, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pass, side, blocks, at, row, image, images, panels } = self;
        let (layer, at) = (&pass.layer, at + row * LANES);
        // SAFETY: a task has these images' rows of the block to itself.
        unsafe {
            match side {
                Side::X => {
                    let (shape, parities) = (pass.v.block, PARITIES);
                    let panels = panels.start / parities..panels.end / parities;
                    image::input::<S, F, N, M>(s, layer, shape, blocks, at, image, images, panels);
                }
                Side::Y => {
                    let shape = pass.z.block;
                    image::gradient::<S, F, N, M>(
                        s, layer, shape, blocks, at, image, images, panels,
                    );
                }
            }
        }
    }
}

/// Some channels of y for some chunks.
pub struct Forward<'a, F, const N: usize, const M: usize> {
    pub pass: &'a Pass<'a, F, N, M>,
    pub y: &'a Shared<'a>,
    pub finish: Finish<'a>,
    pub v: &'a [f32],
    pub w: &'a [f32],
    /// Room for M, a row of points of U, and the taps.
    pub scratch: &'a mut [f32],
    /// The chunks, and the first of those whose transforms exist.
    pub chunks: Range<usize>,
    pub first: usize,
    pub y_panels: Range<usize>,
}

impl<F: Tile<N, M>, const N: usize, const M: usize> Kernel for Forward<'_, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pass, y, finish, v, w, scratch, chunks, first, y_panels } = self;
        let (layer, panels) = (&pass.layer, y_panels.len());
        let [m_shape, u_shape] = pass.product_blocks(panels, pass.v.block.panels);
        let (m, rest) = scratch.split_at_mut(m_shape.len());
        let (u, taps) = rest.split_at_mut(u_shape.len());
        for chunk in chunks.clone() {
            let images = layer.chunk(chunk);
            for group in 0..pass.v.groups {
                let k = pass.v.group(group);
                let x_panels = k.start / PARITIES..k.end / PARITIES;
                let units = Units::forward(u_shape, x_panels.len(), panels);
                // The only group's taps serve every chunk.
                if pass.v.groups > 1 || chunk == chunks.start {
                    filter::collect(s, layer, taps, w, x_panels, y_panels.clone());
                }
                let (rows, depth) = (pass.rows(&images), k.len() * LANES);
                let product = product(rows, depth, [m_shape, pass.v.block, u_shape], group > 0);
                let v = pass.v.at(v, chunk - first, group);
                for a in 0..M {
                    filter::row_of_points::<S, F, N, M>(s, u_shape, u, units, taps, a);
                    for b in 0..M {
                        let point = a * M + b;
                        let m = &mut m[point * m_shape.point()..];
                        let v = &v[point * pass.v.block.point()..];
                        product.multiply::<S, Plain>(s, m, v, &u[b * u_shape.point()..]);
                    }
                }
            }
            let (images, panels) = (images.clone(), y_panels.clone());
            // SAFETY: a task has these images and panels of y to itself.
            unsafe {
                image::output::<S, F, N, M>(
                    s,
                    layer,
                    m_shape,
                    y,
                    m,
                    images.clone(),
                    panels.clone(),
                );
            }
            let pixels = layer.pixels(layer.y, images);
            // SAFETY: as above; and the moments of this chunk's panels.
            unsafe { finish.take(s, chunk, y, pixels, panels) }
        }
    }
}

/// One panel of dx for some chunks.
pub struct DataGradient<'a, F, const N: usize, const M: usize> {
    pub pass: &'a Pass<'a, F, N, M>,
    pub dx: &'a Shared<'a>,
    pub finish: Finish<'a>,
    pub z: &'a [f32],
    pub w: &'a [f32],
    /// Room for M, a row of points of U, and the taps.
    pub scratch: &'a mut [f32],
    /// The chunks, and the first of those whose transforms exist.
    pub chunks: Range<usize>,
    pub first: usize,
    pub x_panel: usize,
}

impl<F: Tile<N, M>, const N: usize, const M: usize> Kernel for DataGradient<'_, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pass, dx, finish, z, w, scratch, chunks, first, x_panel } = self;
        let layer = &pass.layer;
        let [m_shape, u_shape] = pass.product_blocks(PARITIES, pass.z.block.panels);
        let (m, rest) = scratch.split_at_mut(m_shape.len());
        let (u, taps) = rest.split_at_mut(u_shape.len());
        for chunk in chunks.clone() {
            let images = layer.chunk(chunk);
            for group in 0..pass.z.groups {
                let k = pass.z.group(group);
                let (rows, depth) = (pass.rows(&images), k.len() * LANES);
                let units = Units::backward(u_shape, k.len());
                // The only group's taps serve every chunk.
                if pass.z.groups > 1 || chunk == chunks.start {
                    filter::collect_transposed(s, layer, taps, w, x_panel, k);
                }
                let product = product(rows, depth, [m_shape, pass.z.block, u_shape], group > 0);
                let z = pass.z.at(z, chunk - first, group);
                for a in 0..M {
                    filter::row_of_points::<S, F, N, M>(s, u_shape, u, units, taps, a);
                    for b in 0..M {
                        let point = a * M + b;
                        let m = &mut m[point * m_shape.point()..];
                        let z = &z[point * pass.z.block.point()..];
                        product.multiply::<S, Plain>(s, m, z, &u[b * u_shape.point()..]);
                    }
                }
            }
            // SAFETY: a task has these images and this panel of dx to itself.
            unsafe {
                let images = images.clone();
                image::input_gradient::<S, F, N, M>(s, layer, m_shape, dx, m, images, x_panel);
            }
            let pixels = layer.pixels(layer.x, images);
            // SAFETY: as above; and the moments of this chunk's panel.
            unsafe { finish.take(s, chunk, dx, pixels, x_panel..x_panel + 1) }
        }
    }
}

/// What some chunks add to some channels of dw.
pub struct WeightGradient<'a, F, const N: usize, const M: usize> {
    pub pass: &'a Pass<'a, F, N, M>,
    pub dw: &'a Shared<'a>,
    pub v: &'a [f32],
    pub z: &'a [f32],
    /// Room for a row of points of dU, and the taps.
    pub scratch: &'a mut [f32],
    /// The chunks whose transforms `v` and `z` hold.
    pub chunks: Range<usize>,
    pub group: usize,
    pub y_panels: Range<usize>,
}

impl<F: Tile<N, M>, const N: usize, const M: usize> Kernel for WeightGradient<'_, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pass, dw, v, z, scratch, chunks, group, y_panels } = self;
        let (layer, k) = (&pass.layer, pass.v.group(group));
        let rows = k.len() * LANES;
        let shape = pass.row_of_points(y_panels.len(), rows);
        let (du, taps) = scratch.split_at_mut(shape.len());
        let x_panels = k.start / PARITIES..k.end / PARITIES;
        let units = Units::forward(shape, x_panels.len(), y_panels.len());
        taps.fill(0.0);
        let (z_group, first) = pass.z.find(y_panels.start);
        for a in 0..M {
            for (chunk, index) in chunks.clone().enumerate() {
                let v = pass.v.at(v, chunk, group);
                let z = &pass.z.at(z, chunk, z_group)[first * pass.z.block.panel()..];
                let depth = pass.rows(&layer.chunk(index));
                let sizes = [shape, pass.v.block, pass.z.block];
                let product =
                    Product { panels: y_panels.len(), ..product(rows, depth, sizes, chunk > 0) };
                for b in 0..M {
                    let point = a * M + b;
                    let du = &mut du[b * shape.point()..];
                    let v = &v[point * pass.v.block.point()..];
                    let z = &z[point * pass.z.block.point()..];
                    product.multiply::<S, Transposed>(s, du, v, z);
                }
            }
            filter::add_row_of_points::<S, F, N, M>(s, shape, taps, units, du, a);
        }
        // SAFETY: a task has these channels of dw to itself.
        unsafe { filter::add(s, layer, dw, taps, x_panels, y_panels) }
    }
}

/// The product of one point's matrices, C of A and B.
pub fn product(rows: usize, depth: usize, [c, a, b]: [Block; 3], goes_on: bool) -> Product {
    let write = if goes_on { Write::Add } else { Write::Overwrite };
    let [c_panel, a_panel, b_panel] = [c, a, b].map(|block| block.panel());
    Product { rows, depth, panels: b.panels, a_panel, b_panel, c_panel, c_row: LANES, write }
}
