//! Sizes of a layer and of the blocks in which it is computed.

use super::super::simd::LANES;
use crate::shape::ConvGeometry;
use std::ops::Range;

/// Tiles of a chunk that are worth a transform of the filter.
const CHUNK_TILES: usize = 128;
/// Panels of a group: 128 terms of a sum. U and M of a task then fit in an L2 cache of 2 MB, which matters
/// where there are few tiles and the transforms of filters are a good part of a pass.
const GROUP_PANELS: usize = 8;
/// Parities of a row and a column.
pub const PARITIES: usize = 4;
/// Numbers that the transforms of a super-block may take: 16 MB.
const SUPER_BLOCK: usize = 4 << 20;

/// Tile side for a map of this size, if the layer has the form this room computes: a 4×4 filter of stride 2
/// and padding 1 over whole panels of channels and whole tiles.
pub fn supports(g: ConvGeometry) -> Option<usize> {
    let form = g.kernel == [4, 4] && g.stride == [2, 2] && g.padding == [1, 1];
    let panels = [g.x.c, g.y.c].iter().all(|c| c.is_multiple_of(LANES as u32));
    let whole = g.x.h == 2 * g.y.h && g.x.w == 2 * g.y.w;
    if !(form && panels && whole) {
        return None;
    }
    [4, 2]
        .into_iter()
        .find(|n| [g.y.h, g.y.w].iter().all(|size| size.is_multiple_of(*n)))
        .map(|n| n as usize)
}

/// A layer's sizes.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    pub images: usize,
    /// Height and width of the large side.
    pub x: [usize; 2],
    pub x_channels: usize,
    /// Height and width of the small side.
    pub y: [usize; 2],
    pub y_channels: usize,
    /// Tiles of an image, vertically and horizontally.
    pub tiles: [usize; 2],
    /// Points, (n + 1)².
    pub points: usize,
    images_per_chunk: usize,
}

/// A matrix for each point: `[point][panel][row][16]`, one line apart from a power of two so that the
/// same place of all points does not fall into one set of a cache.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub points: usize,
    pub panels: usize,
    pub rows: usize,
}

impl Block {
    /// Numbers from a panel to the next.
    pub fn panel(&self) -> usize {
        self.rows * LANES
    }

    /// Numbers from a point to the next.
    pub fn point(&self) -> usize {
        self.panels * self.panel() + LANES
    }

    /// Numbers of all points.
    pub fn len(&self) -> usize {
        self.points * self.point()
    }
}

/// The blocks of one side of a layer, V or Z: chunks of tiles by groups of panels.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    pub block: Block,
    /// Panels of the whole side.
    pub panels: usize,
    /// Groups they make.
    pub groups: usize,
}

impl Blocks {
    fn new(points: usize, panels: usize, rows: usize) -> Self {
        let block = Block { points, panels: panels.min(GROUP_PANELS), rows };
        Self { block, panels, groups: panels.div_ceil(GROUP_PANELS) }
    }

    /// The panels of a group.
    pub fn group(&self, group: usize) -> Range<usize> {
        let first = group * GROUP_PANELS;
        first..self.panels.min(first + GROUP_PANELS)
    }

    /// The group that has `panel`, and the panel's place in it.
    pub fn find(&self, panel: usize) -> (usize, usize) {
        (panel / GROUP_PANELS, panel % GROUP_PANELS)
    }

    /// Numbers of one chunk.
    pub fn chunk_len(&self) -> usize {
        self.groups * self.block.len()
    }

    /// One block among those of a super-block.
    pub fn at<'a>(&self, blocks: &'a [f32], chunk: usize, group: usize) -> &'a [f32] {
        &blocks[(chunk * self.groups + group) * self.block.len()..][..self.block.len()]
    }
}

impl Layer {
    /// The layer in tiles of side `n`, which [`supports`] has named.
    pub fn new(g: ConvGeometry, n: usize) -> Self {
        let size = |v: u32| v as usize;
        let y = [size(g.y.h), size(g.y.w)];
        let tiles = y.map(|size| size / n);
        Self {
            images: size(g.x.n),
            x: [size(g.x.h), size(g.x.w)],
            x_channels: size(g.x.c),
            y,
            y_channels: size(g.y.c),
            tiles,
            points: (n + 1) * (n + 1),
            images_per_chunk: (CHUNK_TILES / (tiles[0] * tiles[1])).clamp(1, size(g.x.n)),
        }
    }

    /// The same with chunks of `images` images.
    pub fn with_chunks_of(self, images: usize) -> Self {
        Self { images_per_chunk: images, ..self }
    }

    /// Tiles of an image.
    pub fn tiles_per_image(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// The pixels of `images` in a batch of maps of this size.
    pub fn pixels(&self, [height, width]: [usize; 2], images: Range<usize>) -> Range<usize> {
        images.start * height * width..images.end * height * width
    }

    /// The image and the vertical and horizontal tile that row `row` of a chunk's blocks stands for.
    #[inline(always)]
    pub fn tile(&self, first_image: usize, row: usize) -> (usize, [usize; 2]) {
        let tile = row % self.tiles_per_image();
        let (i, j) = (tile / self.tiles[1], tile % self.tiles[1]);
        (first_image + row / self.tiles_per_image(), [i, j])
    }

    /// Rows of a chunk's blocks.
    pub fn rows(&self) -> usize {
        self.images_per_chunk * self.tiles_per_image()
    }

    /// Chunks of the batch.
    pub fn chunks(&self) -> usize {
        self.images.div_ceil(self.images_per_chunk)
    }

    /// The images of a chunk.
    pub fn chunk(&self, chunk: usize) -> Range<usize> {
        let first = chunk * self.images_per_chunk;
        first..self.images.min(first + self.images_per_chunk)
    }

    /// V: of the large side, four parities for each panel of channels.
    pub fn v(&self) -> Blocks {
        Blocks::new(self.points, PARITIES * self.x_channels / LANES, self.rows())
    }

    /// Z: of the small side.
    pub fn z(&self) -> Blocks {
        Blocks::new(self.points, self.y_channels / LANES, self.rows())
    }

    /// The chunks of each super-block, whose transforms of `chunk_len` numbers a chunk exist at once. It
    /// depends on the layer alone, as a weight gradient is summed super-block by super-block.
    pub fn super_blocks(&self, chunk_len: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let chunks = self.chunks();
        let count = chunks.div_ceil((SUPER_BLOCK / chunk_len).max(1));
        let step = chunks.div_ceil(count);
        (0..chunks).step_by(step).map(move |first| first..chunks.min(first + step))
    }
}
