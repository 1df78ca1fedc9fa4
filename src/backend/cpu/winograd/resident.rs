//! A pass whose transforms never leave a core's cache.
//!
//! Where a layer has few channels, the transforms of its image are several times as large as the image, and
//! writing them for other cores to read costs as much as the products. U is small there. So it is made first,
//! for all tasks; and a task transforms the image, multiplies, and transforms back one chunk at a time, of as
//! many tiles as leave V and M in its L2 cache.

use super::super::finish::Finish;
use super::super::product::{Plain, Product};
use super::super::shared::Shared;
use super::super::simd::{Kernel, LANES, Simd};
use super::filter::{self, Units};
use super::image::{self, Source};
use super::layer::{Block, Blocks, Layer, PARITIES};
use super::passes::{Pass, TASK_PANELS, each};
use super::tasks::{Side, product};
use super::tile::Tile;
use crate::error::Result;
use rayon::prelude::*;
use std::ops::Range;

/// Numbers that V and M of a task may take: 1.5 MB, which leaves room for U to stream through an L2 cache of
/// 2 MB.
const TASK_NUMBERS: usize = 384 << 10;
/// Numbers of U at most: 4 MB.
const FILTER_NUMBERS: usize = 1 << 20;
/// Tiles of a chunk for which the products take well longer than U does to arrive.
const LEAST_TILES: usize = 48;
/// Chunks that keep every thread busy to the end.
const LEAST_CHUNKS: usize = 16;

/// How a layer is cut for one direction.
#[derive(Clone, Copy)]
pub struct Plan {
    side: Side,
    /// V or Z.
    blocks: Blocks,
    /// Panels of the outputs of a part, four parities each if they are of the large side.
    width: usize,
    parts: usize,
    /// M of a part, and U of a group and part.
    m: Block,
    u: Block,
}

impl Plan {
    /// The cut of `layer` for the pass that reads `side`.
    fn new(layer: &Layer, side: Side) -> Self {
        let (blocks, width, parts) = match side {
            Side::X => {
                let panels = layer.z().panels;
                (layer.v(), panels.min(TASK_PANELS), panels.div_ceil(TASK_PANELS))
            }
            Side::Y => (layer.z(), PARITIES, layer.x_channels / LANES),
        };
        let block = |rows| Block { points: layer.points, panels: width, rows };
        let (m, u) = (block(layer.rows()), block(blocks.block.panels * LANES));
        Self { side, blocks, width, parts, m, u }
    }

    /// The layer in chunks for which this pays, or none.
    pub fn layer(layer: &Layer, side: Side) -> Option<Layer> {
        let numbers = |images| {
            let plan = Self::new(&layer.with_chunks_of(images), side);
            (plan.blocks.chunk_len() + plan.m.len(), plan.filter_len())
        };
        let fits = |&images: &usize| {
            let (task, filter) = numbers(images);
            task <= TASK_NUMBERS && filter <= FILTER_NUMBERS
        };
        let most = layer.chunk(0).len().min(layer.images / LEAST_CHUNKS);
        let images = (1..=most).rev().find(fits)?;
        (images * layer.tiles_per_image() >= LEAST_TILES).then(|| layer.with_chunks_of(images))
    }

    fn filter_len(&self) -> usize {
        self.blocks.groups * self.parts * self.u.len()
    }

    fn units(&self) -> Units {
        match self.side {
            Side::X => Units::forward(self.u, self.blocks.block.panels / PARITIES, self.width),
            Side::Y => Units::backward(self.u, self.blocks.block.panels),
        }
    }

    /// The panels of a part: of y, or the one of dx.
    fn part(&self, layer: &Layer, part: usize) -> Range<usize> {
        match self.side {
            Side::X => part * self.width..layer.z().panels.min((part + 1) * self.width),
            Side::Y => part..part + 1,
        }
    }
}

impl<F: Tile<N, M>, const N: usize, const M: usize> Pass<'_, F, N, M> {
    /// `out` from `image`, which is the side `side`, by a layer that [`Plan::layer`] has cut.
    pub fn resident(
        &self,
        side: Side,
        image: Source<'_>,
        w: &[f32],
        out: &Shared<'_>,
        finish: Finish<'_>,
    ) -> Result<()> {
        let (pass, plan) = (self, Plan::new(&self.layer, side));
        let task_len = plan.blocks.chunk_len() + plan.m.len();
        let taps_len = plan.units().len();
        self.engine.reserve_scratch(task_len.max(taps_len))?;
        self.engine.with_shared(plan.filter_len(), |u| {
            u.par_chunks_mut(plan.u.len()).enumerate().with_max_len(1).for_each(|(index, u)| {
                let (group, part) = (index / plan.parts, index % plan.parts);
                self.engine.with_scratch(taps_len, |taps| {
                    self.engine.isa.run(Filter { pass, plan, u, taps, w, group, part });
                });
            });
            let u = &*u;
            each(self.layer.chunks()).for_each(|chunk| {
                self.engine.with_scratch(task_len, |scratch| {
                    let task = Chunk { pass, plan, image, u, out, finish, scratch, chunk };
                    self.engine.isa.run(task);
                });
            });
        })
    }
}

/// U of a group and part.
struct Filter<'a, F, const N: usize, const M: usize> {
    pass: &'a Pass<'a, F, N, M>,
    plan: Plan,
    u: &'a mut [f32],
    taps: &'a mut [f32],
    w: &'a [f32],
    group: usize,
    part: usize,
}

impl<F: Tile<N, M>, const N: usize, const M: usize> Kernel for Filter<'_, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pass, plan, u, taps, w, group, part } = self;
        let (layer, k) = (&pass.layer, plan.blocks.group(group));
        let panels = plan.part(layer, part);
        let units = match plan.side {
            Side::X => {
                let x_panels = k.start / PARITIES..k.end / PARITIES;
                let units = Units::forward(plan.u, x_panels.len(), panels.len());
                filter::collect(s, layer, taps, w, x_panels, panels);
                units
            }
            Side::Y => {
                let units = Units::backward(plan.u, k.len());
                filter::collect_transposed(s, layer, taps, w, panels.start, k);
                units
            }
        };
        for a in 0..M {
            let row = &mut u[a * M * plan.u.point()..];
            filter::row_of_points::<S, F, N, M>(s, plan.u, row, units, taps, a);
        }
    }
}

/// The outputs of one chunk.
struct Chunk<'a, F, const N: usize, const M: usize> {
    pass: &'a Pass<'a, F, N, M>,
    plan: Plan,
    image: Source<'a>,
    u: &'a [f32],
    out: &'a Shared<'a>,
    finish: Finish<'a>,
    /// Room for V and M.
    scratch: &'a mut [f32],
    chunk: usize,
}

impl<F: Tile<N, M>, const N: usize, const M: usize> Kernel for Chunk<'_, F, N, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pass, plan, image, u, out, finish, scratch, chunk } = self;
        let (layer, blocks) = (&pass.layer, plan.blocks);
        let images = layer.chunk(chunk);
        let rows = pass.rows(&images);
        let (v, m) = scratch.split_at_mut(blocks.chunk_len());
        let shared = Shared::new(v);
        for group in 0..blocks.groups {
            let (k, at) = (blocks.group(group), group * blocks.block.len());
            let (shape, images) = (blocks.block, images.clone());
            // SAFETY: the block is this task's own.
            unsafe {
                match plan.side {
                    Side::X => {
                        let k = k.start / PARITIES..k.end / PARITIES;
                        image::input::<S, F, N, M>(s, layer, shape, &shared, at, image, images, k);
                    }
                    Side::Y => image::gradient::<S, F, N, M>(
                        s, layer, shape, &shared, at, image, images, k,
                    ),
                }
            }
        }
        let v = &*v;
        for part in 0..plan.parts {
            let panels = plan.part(layer, part);
            for group in 0..blocks.groups {
                let depth = blocks.group(group).len() * LANES;
                let product = product(rows, depth, [plan.m, blocks.block, plan.u], group > 0);
                let wide = if plan.side == Side::X { panels.len() } else { PARITIES };
                let product = Product { panels: wide, ..product };
                let v = blocks.at(v, 0, group);
                let u = &u[(group * plan.parts + part) * plan.u.len()..][..plan.u.len()];
                for point in 0..M * M {
                    let m = &mut m[point * plan.m.point()..];
                    let v = &v[point * blocks.block.point()..];
                    product.multiply::<S, Plain>(s, m, v, &u[point * plan.u.point()..]);
                }
            }
            let (images, m_shape) = (images.clone(), plan.m);
            // SAFETY: a task has these images and panels of the output, and their moments, to itself.
            unsafe {
                let size = match plan.side {
                    Side::X => {
                        let (images, panels) = (images.clone(), panels.clone());
                        image::output::<S, F, N, M>(s, layer, m_shape, out, m, images, panels);
                        layer.y
                    }
                    Side::Y => {
                        let (images, panel) = (images.clone(), panels.start);
                        image::input_gradient::<S, F, N, M>(
                            s, layer, m_shape, out, m, images, panel,
                        );
                        layer.x
                    }
                };
                finish.take(s, chunk, out, layer.pixels(size, images), panels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{ConvGeometry, Nchw};

    /// Images of a chunk whose transforms stay with a task, for both sides.
    fn chunks(n: usize, c: usize, size: usize, o: usize) -> [Option<usize>; 2] {
        let g = ConvGeometry::conv(Nchw::new(n, c, size, size), o, [4, 4], [2, 2], [1, 1]).unwrap();
        let layer = Layer::new(g, 4);
        [Side::X, Side::Y].map(|side| Plan::layer(&layer, side).map(|layer| layer.chunk(0).len()))
    }

    #[test]
    fn many_tiles_of_few_channels_stay_with_a_task() {
        assert_eq!(chunks(128, 64, 32, 128), [Some(3), Some(5)]);
        assert_eq!(chunks(16, 16, 64, 32), [Some(1), Some(1)]);
        assert_eq!(chunks(17, 48, 56, 80), [Some(1), Some(1)]);
        assert_eq!(chunks(16, 16, 56, 144), [Some(1), Some(1)]);
        // Too few images; too large a filter.
        assert_eq!(chunks(16, 64, 32, 128), [None, None]);
        assert_eq!(chunks(128, 128, 16, 256), [None, None]);
    }
}
