//! Convolution as a matrix product: what the filter taps read, laid out as a matrix.
//!
//! Number the output positions `r = (n·y.h + i)·y.w + j` and the filter taps `t = k·kw + l`. The
//! *columns* of an image are the matrix
//!
//! ```text
//! X[r, t·x.c + c] = x[n, i·s + k − p, j·s + l − p, c]      (0 where that is padding)
//! ```
//!
//! With the filter `W[t·x.c + c, o]` and the outputs `Y[r, o]` the three passes are
//!
//! ```text
//! Y = X·W      dX = dY·Wᵀ, and dx sums what X copied      dW += Xᵀ·dY
//! ```
//!
//! X is as large as `x` times the taps, so only a block of it exists at any time: some positions,
//! some taps, in the panels of [`product`](super::product). A run of taps in one filter row reads
//! neighbouring numbers of `x`, so a block is made of copies of up to `kw·x.c` numbers.

use super::panels;
use crate::shape::ConvGeometry;
use std::ops::Range;

/// The sizes of a convolution as `usize`, and how its columns lie.
#[derive(Clone, Copy)]
pub struct Columns {
    pub geometry: ConvGeometry,
    pub x_channels: usize,
    pub y_channels: usize,
    /// Number of filter taps, kh·kw.
    pub taps: usize,
    /// Output positions of one image, y.h·y.w.
    pub y_area: usize,
    /// Pixels of one image, x.h·x.w.
    pub x_area: usize,
    kw: usize,
    y_width: usize,
    x_width: usize,
    stride_w: usize,
    padding_w: usize,
}

/// Neighbouring taps of one filter row at one output position, cut to what lies in the image.
struct Run {
    /// First tap of the run, counted from the block's first.
    tap: usize,
    /// First pixel of the image it reads, and how many, both in the batch `x`.
    pixel: usize,
    len: usize,
}

impl Columns {
    pub fn new(geometry: ConvGeometry) -> Self {
        let size = |v: u32| v as usize;
        Self {
            geometry,
            x_channels: size(geometry.x.c),
            y_channels: size(geometry.y.c),
            taps: size(geometry.kernel[0]) * size(geometry.kernel[1]),
            y_area: geometry.y.area(),
            x_area: geometry.x.area(),
            kw: size(geometry.kernel[1]),
            y_width: size(geometry.y.w),
            x_width: size(geometry.x.w),
            stride_w: size(geometry.stride[1]),
            padding_w: size(geometry.padding[1]),
        }
    }

    /// Output positions of the whole batch: the rows of X.
    pub fn rows(&self) -> usize {
        self.geometry.y.n as usize * self.y_area
    }

    /// Width of X: taps · x.c.
    pub fn width(&self) -> usize {
        self.taps * self.x_channels
    }

    /// Whether X is `x` as it lies: 1×1 filters, and filters that cover their image exactly, as at
    /// the two ends of a DCGAN.
    pub fn are_the_image(&self) -> bool {
        let g = self.geometry;
        let covers = g.kernel == [g.x.h, g.x.w] && [g.y.h, g.y.w] == [1, 1];
        let pointwise =
            g.kernel == [1, 1] && g.stride == [1, 1] && [g.y.h, g.y.w] == [g.x.h, g.x.w];
        g.padding == [0, 0] && (covers || pointwise)
    }

    /// Groups of neighbouring taps whose block of X is at most `width` wide (one tap at least), of
    /// whole filter rows where one fits.
    pub fn tap_groups(&self, width: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let fitting = (width / self.x_channels).clamp(1, self.taps);
        let group = if fitting >= self.kw { fitting / self.kw * self.kw } else { fitting };
        let taps = self.taps;
        (0..taps).step_by(group).map(move |first| first..taps.min(first + group))
    }

    /// Width of the widest of the groups that [`tap_groups`](Self::tap_groups) makes.
    pub fn widest_group(&self, width: usize) -> usize {
        self.tap_groups(width).next().map_or(0, |taps| taps.len() * self.x_channels)
    }

    /// Copies the block of X for output positions `rows` and filter taps `taps` out of `x`, in panels of
    /// `rows.len()` rows.
    pub fn gather(&self, block: &mut [f32], x: &[f32], rows: Range<usize>, taps: Range<usize>) {
        let channels = self.x_channels;
        let (height, width) = (rows.len(), taps.len() * channels);
        for (row, position) in rows.enumerate() {
            let mut line = panels::RowMut::new(block, height, row);
            let mut filled = 0;
            self.for_each_run(position, taps.clone(), |run| {
                let (start, len) = (run.tap * channels, run.len * channels);
                line.zero(filled..start);
                line.write(start, &x[run.pixel * channels..][..len]);
                filled = start + len;
            });
            line.zero(filled..width);
        }
    }

    /// The inverse of [`gather`](Self::gather), as its transpose: adds the block of X for `rows` and `taps`
    /// to the pixels it came from. The block begins at column `first` of its panels; `pixels(pixel, count)`
    /// are the numbers of some neighbouring pixels of the batch.
    pub fn scatter_add<'a>(
        &self,
        pixels: impl Fn(usize, usize) -> &'a mut [f32],
        first: usize,
        block: &[f32],
        rows: Range<usize>,
        taps: Range<usize>,
    ) {
        let height = rows.len();
        for (row, position) in rows.enumerate() {
            let line = panels::Row::new(block, height, row);
            self.for_each_run(position, taps.clone(), |run| {
                line.add_to(first + run.tap * self.x_channels, pixels(run.pixel, run.len));
            });
        }
    }

    /// The runs of `taps` at output position `row` that read at least one pixel.
    fn for_each_run(&self, row: usize, taps: Range<usize>, mut visit: impl FnMut(Run)) {
        let (image, position) = (row / self.y_area, row % self.y_area);
        let (i, j) = (position / self.y_width, position % self.y_width);
        let left = j * self.stride_w;
        let mut tap = taps.start;
        while tap < taps.end {
            let (k, l) = (tap / self.kw, tap % self.kw);
            let l_end = self.kw.min(l + (taps.end - tap));
            // Column `left + l − padding` of the image, kept positive by adding the padding.
            let start = (left + l).max(self.padding_w);
            let end = (left + l_end).min(self.x_width + self.padding_w);
            if let Some(source_row) = self.geometry.source(0, i, k)
                && start < end
            {
                visit(Run {
                    tap: tap - taps.start + (start - left - l),
                    pixel: image * self.x_area + source_row * self.x_width + start - self.padding_w,
                    len: end - start,
                });
            }
            tap += l_end - l;
        }
    }
}
