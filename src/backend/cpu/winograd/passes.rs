//! The three passes, block by block.

use super::super::batch_norm::{Moments, Normaliser};
use super::super::engine::Engine;
use super::super::finish::Finish;
use super::super::moments::ChunkSums;
use super::super::shared::Shared;
use super::super::simd::LANES;
use super::filter::Units;
use super::image::Source;
use super::layer::{Block, Blocks, Layer, PARITIES};
use super::resident::Plan;
use super::tasks::{DataGradient, Forward, Side, Transform, WeightGradient};
use super::tile::{F2, F4, Tile};
use crate::error::Result;
use crate::shape::ConvGeometry;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// Output panels of a task at most.
pub(super) const TASK_PANELS: usize = 4;

/// One call: what is read, and what comes of it.
///
/// Two outputs that need the same transform share it: a block's backward pass asks for `dw` and, if it is a
/// convolution, for `x_out`, if it is a transposed one, for `y_out`.
#[derive(Default)]
pub struct Call<'a> {
    /// The large side, read for `y_out` and `dw`.
    pub x: Option<Source<'a>>,
    /// The small side, read for `x_out` and `dw`.
    pub y: Option<Source<'a>>,
    /// The filter, read for `x_out` and `y_out`.
    pub w: &'a [f32],
    /// Overwritten with `conv(x, w)`.
    pub y_out: Option<&'a mut [f32]>,
    /// Overwritten with the transpose of `conv` applied to `y`.
    pub x_out: Option<&'a mut [f32]>,
    /// The weight gradient is added to it.
    pub dw: Option<&'a mut [f32]>,
    /// What becomes of `y_out` or `x_out`.
    pub then: Then<'a>,
}

/// What is done with an output of a [`Call`] while it is in cache.
#[derive(Default)]
pub enum Then<'a> {
    #[default]
    Keep,
    /// Its moments are taken.
    Measure(&'a mut Moments),
    /// It is normalised and activated.
    Normalise(&'a Normaliser<'a>),
}

/// The outputs of a [`Call`], for tasks to write.
struct Outputs<'a> {
    y: Option<&'a Shared<'a>>,
    x: Option<&'a Shared<'a>>,
    dw: Option<&'a Shared<'a>>,
}

/// Computes the outputs that are asked for, the small side cut into tiles of side `n`.
pub fn run(engine: &Engine, g: ConvGeometry, n: usize, call: Call<'_>) -> Result<()> {
    let layer = Layer::new(g, n);
    match n {
        4 => Pass::<F4, 4, 5>::new(engine, layer).run(call),
        _ => Pass::<F2, 2, 3>::new(engine, layer).run(call),
    }
}

/// A layer's pass over its blocks.
pub(super) struct Pass<'a, F, const N: usize, const M: usize> {
    pub engine: &'a Engine,
    pub layer: Layer,
    pub v: Blocks,
    pub z: Blocks,
    tile: PhantomData<F>,
}

impl<'a, F: Tile<N, M>, const N: usize, const M: usize> Pass<'a, F, N, M> {
    fn new(engine: &'a Engine, layer: Layer) -> Self {
        Self { engine, layer, v: layer.v(), z: layer.z(), tile: PhantomData }
    }

    /// One output of few channels is computed by tasks that keep their transforms, all else block by block.
    fn run(&self, call: Call<'_>) -> Result<()> {
        let Call { x, y, w, y_out, x_out, dw, then } = call;
        let [y_out, x_out, dw] = [y_out, x_out, dw].map(|out| out.map(Shared::new));
        let outputs = Outputs { y: y_out.as_ref(), x: x_out.as_ref(), dw: dw.as_ref() };
        let one = match (x, y, &outputs) {
            (Some(x), _, Outputs { y: Some(y), x: None, dw: None }) => Some((Side::X, x, *y)),
            (_, Some(y), Outputs { y: None, x: Some(x), dw: None }) => Some((Side::Y, y, *x)),
            _ => None,
        };
        let resident = one.and_then(|one| Some((one, Plan::layer(&self.layer, one.0)?)));
        let layer = resident.map_or(self.layer, |(_, layer)| layer);
        let pass = Self::new(self.engine, layer);
        let (size, channels) = match y_out {
            Some(_) => (layer.y, layer.y_channels),
            None => (layer.x, layer.x_channels),
        };
        let compute = |finish| match resident {
            Some(((side, image, out), _)) => pass.resident(side, image, w, out, finish),
            None => pass.super_blocks([x, y], w, &outputs, finish),
        };
        match then {
            Then::Keep => compute(Finish::Keep),
            Then::Normalise(normaliser) => compute(Finish::Normalise(normaliser)),
            Then::Measure(moments) => {
                let mut sums = ChunkSums::new(layer.chunks(), channels);
                compute(Finish::Measure(&sums.share()))?;
                let counts = (0..layer.chunks()).map(|c| layer.pixels(size, layer.chunk(c)).len());
                *moments = sums.merge(counts);
                Ok(())
            }
        }
    }

    /// V and Z of a super-block by all threads, then what is made of them, then the next super-block.
    fn super_blocks(
        &self,
        [x, y]: [Option<Source<'_>>; 2],
        w: &[f32],
        outputs: &Outputs<'_>,
        finish: Finish<'_>,
    ) -> Result<()> {
        let [v_len, z_len] = [(x, &self.v), (y, &self.z)]
            .map(|(side, blocks)| side.map_or(0, |_| blocks.chunk_len()));
        self.engine.reserve_scratch(
            [
                self.forward_scratch(TASK_PANELS),
                self.data_gradient_scratch(),
                self.weight_gradient_scratch(TASK_PANELS),
            ]
            .into_iter()
            .fold(0, usize::max),
        )?;
        for chunks in self.layer.super_blocks(v_len + z_len) {
            self.engine.with_shared(chunks.len() * (v_len + z_len), |both| {
                let (v, z) = both.split_at_mut(chunks.len() * v_len);
                x.inspect(|x| self.transform(Side::X, v, *x, &chunks));
                y.inspect(|y| self.transform(Side::Y, z, *y, &chunks));
                let (v, z) = (&*v, &*z);
                if let Some(dw) = outputs.dw {
                    self.weights(dw, v, z, &chunks);
                }
                if let Some(y) = outputs.y {
                    self.small_side(y, finish, v, w, &chunks);
                }
                if let Some(x) = outputs.x {
                    self.large_side(x, finish, z, w, &chunks);
                }
            })?;
        }
        Ok(())
    }

    /// `conv(x, w)` from V.
    fn small_side(
        &self,
        y: &Shared<'_>,
        finish: Finish<'_>,
        v: &[f32],
        w: &[f32],
        chunks: &Range<usize>,
    ) {
        let first = chunks.start;
        self.tasks(chunks, self.z.panels.div_ceil(TASK_PANELS)).for_each(|(chunks, part)| {
            let y_panels = part * TASK_PANELS..self.z.panels.min((part + 1) * TASK_PANELS);
            self.engine.with_scratch(self.forward_scratch(y_panels.len()), |scratch| {
                let pass = self;
                let task = Forward { pass, y, finish, v, w, scratch, chunks, first, y_panels };
                self.engine.isa.run(task);
            });
        });
    }

    /// The transpose of `conv` from Z.
    fn large_side(
        &self,
        dx: &Shared<'_>,
        finish: Finish<'_>,
        z: &[f32],
        w: &[f32],
        chunks: &Range<usize>,
    ) {
        let first = chunks.start;
        self.tasks(chunks, self.layer.x_channels / LANES).for_each(|(chunks, x_panel)| {
            self.engine.with_scratch(self.data_gradient_scratch(), |scratch| {
                let pass = self;
                let task = DataGradient { pass, dx, finish, z, w, scratch, chunks, first, x_panel };
                self.engine.isa.run(task);
            });
        });
    }

    fn weights(&self, dw: &Shared<'_>, v: &[f32], z: &[f32], chunks: &Range<usize>) {
        let wide = self.v.groups * self.z.panels.div_ceil(TASK_PANELS) >= self.enough_tasks();
        let width = if wide { TASK_PANELS } else { TASK_PANELS / 2 };
        let parts = self.z.panels.div_ceil(width);
        each(self.v.groups * parts).for_each(|task| {
            let (group, part) = (task / parts, task % parts);
            let y_panels = part * width..self.z.panels.min((part + 1) * width);
            let chunks = chunks.clone();
            self.engine.with_scratch(self.weight_gradient_scratch(y_panels.len()), |scratch| {
                let task =
                    WeightGradient { pass: self, dw, scratch, v, z, chunks, group, y_panels };
                self.engine.isa.run(task);
            });
        });
    }

    /// Tasks of some chunks and one of `parts` parts of the channels: as many chunks as leave tasks
    /// enough, since each task transforms its part of the filter. This changes no bit.
    fn tasks(
        &self,
        chunks: &Range<usize>,
        parts: usize,
    ) -> impl ParallelIterator<Item = (Range<usize>, usize)> + use<F, N, M> {
        let cuts = self.enough_tasks().div_ceil(parts).min(chunks.len());
        let (Range { start, end }, step) = (chunks.clone(), chunks.len().div_ceil(cuts));
        each(chunks.len().div_ceil(step) * parts).map(move |task| {
            let first = start + task / parts * step;
            (first..end.min(first + step), task % parts)
        })
    }

    /// V or Z of some chunks, in tasks of some images of one chunk and group.
    fn transform(&self, side: Side, blocks: &mut [f32], image: Source<'_>, chunks: &Range<usize>) {
        let sizes = if side == Side::X { self.v } else { self.z };
        let count = chunks.len() * sizes.groups;
        let blocks = &Shared::new(blocks);
        let cuts = self.enough_tasks().div_ceil(count).min(self.layer.chunk(chunks.start).len());
        each(count * cuts).for_each(|task| {
            let (index, cut) = (task / cuts, task % cuts);
            let images = self.layer.chunk(chunks.start + index / sizes.groups);
            let step = images.len().div_ceil(cuts);
            let first = images.end.min(images.start + cut * step);
            let panels = sizes.group(index % sizes.groups);
            self.engine.isa.run(Transform {
                pass: self,
                side,
                blocks,
                at: index * sizes.block.len(),
                row: (first - images.start) * self.layer.tiles_per_image(),
                image,
                images: first..images.end.min(first + step),
                panels,
            });
        });
    }

    /// How many tasks keep every thread busy to the end, though they take different times.
    fn enough_tasks(&self) -> usize {
        8 * self.engine.pool.current_num_threads()
    }

    /// A matrix of `panels` × `rows` for each of a row of points.
    pub fn row_of_points(&self, panels: usize, rows: usize) -> Block {
        Block { points: M, panels, rows }
    }

    /// M, and a row of points of U, of a task that computes `panels` panels from groups of `depth` panels.
    pub fn product_blocks(&self, panels: usize, depth: usize) -> [Block; 2] {
        let m = Block { points: self.layer.points, panels, rows: self.layer.rows() };
        [m, self.row_of_points(panels, depth * LANES)]
    }

    /// What [`Forward`] needs for `y_panels` panels.
    fn forward_scratch(&self, y_panels: usize) -> usize {
        let [m, u] = self.product_blocks(y_panels, self.v.block.panels);
        let x_panels = self.v.block.panels / PARITIES;
        m.len() + u.len() + Units::forward(u, x_panels, y_panels).len()
    }

    /// What [`DataGradient`] needs.
    fn data_gradient_scratch(&self) -> usize {
        let [m, u] = self.product_blocks(PARITIES, self.z.block.panels);
        m.len() + u.len() + Units::backward(u, self.z.block.panels).len()
    }

    /// What [`WeightGradient`] needs for `y_panels` panels.
    fn weight_gradient_scratch(&self, y_panels: usize) -> usize {
        let du = self.row_of_points(y_panels, self.v.block.panels * LANES);
        du.len() + Units::forward(du, self.v.block.panels / PARITIES, y_panels).len()
    }

    pub fn rows(&self, images: &Range<usize>) -> usize {
        images.len() * self.layer.tiles_per_image()
    }
}

/// Tasks 0 … count − 1, each to be taken by itself.
pub(super) fn each(count: usize) -> impl IndexedParallelIterator<Item = usize> {
    (0..count).into_par_iter().with_max_len(1)
}
