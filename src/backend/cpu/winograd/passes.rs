//! The three passes, block by block.

use super::super::engine::Engine;
use super::super::shared::Shared;
use super::super::simd::LANES;
use super::layer::{Block, Blocks, Layer, PARITIES};
use super::tasks::{DataGradient, Forward, Side, Transform, WeightGradient};
use super::tile::{F2, F4, Tile};
use crate::error::Result;
use crate::shape::ConvGeometry;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// Output panels of a task at most.
const TASK_PANELS: usize = 4;

/// `y = conv(x, w)`, the map cut into tiles of side `n`.
pub fn forward(
    engine: &Engine,
    g: ConvGeometry,
    n: usize,
    y: &mut [f32],
    x: &[f32],
    w: &[f32],
) -> Result<()> {
    let layer = Layer::new(g, n);
    match n {
        4 => Pass::<F4, 4, 5>::new(engine, layer).forward(y, x, w),
        _ => Pass::<F2, 2, 3>::new(engine, layer).forward(y, x, w),
    }
}

/// What a backward pass computes, and from what.
pub struct Gradients<'a> {
    /// Overwritten.
    pub dx: Option<&'a mut [f32]>,
    /// Added to.
    pub dw: Option<&'a mut [f32]>,
    /// Read for `dw` only.
    pub x: &'a [f32],
    pub dy: &'a [f32],
    /// Read for `dx` only.
    pub w: &'a [f32],
}

/// The gradients that are wanted, from one transform of dy.
pub fn backward(
    engine: &Engine,
    g: ConvGeometry,
    n: usize,
    gradients: Gradients<'_>,
) -> Result<()> {
    let layer = Layer::new(g, n);
    match n {
        4 => Pass::<F4, 4, 5>::new(engine, layer).backward(gradients),
        _ => Pass::<F2, 2, 3>::new(engine, layer).backward(gradients),
    }
}

/// A layer's pass over its blocks.
pub(super) struct Pass<'a, F, const N: usize, const M: usize> {
    engine: &'a Engine,
    pub layer: Layer,
    pub v: Blocks,
    pub z: Blocks,
    tile: PhantomData<F>,
}

impl<'a, F: Tile<N, M>, const N: usize, const M: usize> Pass<'a, F, N, M> {
    fn new(engine: &'a Engine, layer: Layer) -> Self {
        Self { engine, layer, v: layer.v(), z: layer.z(), tile: PhantomData }
    }

    fn forward(&self, y: &mut [f32], x: &[f32], w: &[f32]) -> Result<()> {
        let layer = &self.layer;
        let y = Shared::new(y);
        let width = TASK_PANELS;
        let [m, u] = self.product_blocks(width, self.v.block.panels);
        self.engine.reserve_scratch(m.len() + u.len())?;
        for chunks in layer.super_blocks(self.v.chunk_len()) {
            self.engine.with_shared(chunks.len() * self.v.chunk_len(), |v| {
                self.transform(Side::X, v, x, &chunks);
                let v = &*v;
                let (first, y) = (chunks.start, &y);
                self.tasks(&chunks, self.z.panels.div_ceil(width)).for_each(|(chunks, part)| {
                    let y_panels = part * width..self.z.panels.min((part + 1) * width);
                    self.engine.with_scratch(m.len() + u.len(), |scratch| {
                        let pass = self;
                        let task = Forward { pass, y, v, w, scratch, chunks, first, y_panels };
                        self.engine.isa.run(task);
                    });
                });
            })?;
        }
        Ok(())
    }

    fn backward(&self, gradients: Gradients<'_>) -> Result<()> {
        let layer = &self.layer;
        let Gradients { dx, dw, x, dy, w } = gradients;
        let (dx, dw) = (dx.map(Shared::new), dw.map(Shared::new));
        let [m, u] = self.product_blocks(PARITIES, self.z.block.panels);
        let du = self.block(TASK_PANELS, self.v.block.panels * LANES);
        self.engine.reserve_scratch((m.len() + u.len()).max(du.len()))?;
        let z_chunk = self.z.chunk_len();
        let v_chunk = if dw.is_some() { self.v.chunk_len() } else { 0 };
        for chunks in layer.super_blocks(z_chunk + v_chunk) {
            self.engine.with_shared(chunks.len() * (z_chunk + v_chunk), |both| {
                let (z, v) = both.split_at_mut(chunks.len() * z_chunk);
                self.transform(Side::Y, z, dy, &chunks);
                if let Some(dw) = &dw {
                    self.transform(Side::X, v, x, &chunks);
                    self.weights(dw, v, z, &chunks);
                }
                if let Some(dx) = &dx {
                    let z = &*z;
                    let (first, panels) = (chunks.start, layer.x_channels / LANES);
                    self.tasks(&chunks, panels).for_each(|(chunks, x_panel)| {
                        self.engine.with_scratch(m.len() + u.len(), |scratch| {
                            let pass = self;
                            let task =
                                DataGradient { pass, dx, z, w, scratch, chunks, first, x_panel };
                            self.engine.isa.run(task);
                        });
                    });
                }
            })?;
        }
        Ok(())
    }

    fn weights(&self, dw: &Shared<'_>, v: &[f32], z: &[f32], chunks: &Range<usize>) {
        let width = TASK_PANELS;
        let parts = self.z.panels.div_ceil(width);
        each(self.v.groups * parts).for_each(|task| {
            let (group, part) = (task / parts, task % parts);
            let y_panels = part * width..self.z.panels.min((part + 1) * width);
            let chunks = chunks.clone();
            let rows = self.v.group(group).len() * LANES;
            self.engine.with_scratch(self.block(y_panels.len(), rows).len(), |scratch| {
                let task =
                    WeightGradient { pass: self, dw, scratch, v, z, chunks, group, y_panels };
                self.engine.isa.run(task);
            });
        });
    }

    /// Tasks of some chunks and one of `parts` parts of the channels: as many chunks as leave every thread
    /// two tasks, since each task transforms its part of the filter. This changes no bit.
    fn tasks(
        &self,
        chunks: &Range<usize>,
        parts: usize,
    ) -> impl ParallelIterator<Item = (Range<usize>, usize)> + use<F, N, M> {
        let threads = self.engine.pool.current_num_threads();
        let cuts = (2 * threads).div_ceil(parts).min(chunks.len());
        let (Range { start, end }, step) = (chunks.clone(), chunks.len().div_ceil(cuts));
        each(chunks.len().div_ceil(step) * parts).map(move |task| {
            let first = start + task / parts * step;
            (first..end.min(first + step), task % parts)
        })
    }

    fn transform(&self, side: Side, blocks: &mut [f32], image: &[f32], chunks: &Range<usize>) {
        let sizes = if side == Side::X { self.v } else { self.z };
        blocks.par_chunks_mut(sizes.block.len()).enumerate().for_each(|(index, block)| {
            let images = self.layer.chunk(chunks.start + index / sizes.groups);
            let panels = sizes.group(index % sizes.groups);
            self.engine.isa.run(Transform { pass: self, side, block, image, images, panels });
        });
    }

    /// What a matrix of `panels` × `rows` for each point takes.
    pub fn block(&self, panels: usize, rows: usize) -> Block {
        Block { points: self.layer.points, panels, rows }
    }

    /// M and U of a task that computes `panels` panels from groups of `depth` panels.
    pub fn product_blocks(&self, panels: usize, depth: usize) -> [Block; 2] {
        [self.layer.rows(), depth * LANES].map(|rows| self.block(panels, rows))
    }

    pub fn rows(&self, images: &Range<usize>) -> usize {
        images.len() * self.layer.tiles_per_image()
    }
}

/// Tasks 0 … count − 1, each to be taken by itself.
fn each(count: usize) -> impl IndexedParallelIterator<Item = usize> {
    (0..count).into_par_iter().with_max_len(1)
}
