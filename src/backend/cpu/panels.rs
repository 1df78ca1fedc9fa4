//! The way into the panels of [`product`](super::product) and back.

use super::activation::{self, Pointwise, PointwiseKernel};
use super::simd::{Isa, LANES, Line};
use crate::backend::ops::Activation;
use std::ops::Range;

/// Numbers of a matrix of `rows × cols` in panels, the last one's unused columns included.
pub fn len(rows: usize, cols: usize) -> usize {
    rows * cols.next_multiple_of(LANES)
}

/// Runs of columns within one panel that make up `cols`: (place in the row's panels, columns).
#[inline(always)]
fn pieces(rows: usize, row: usize, cols: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let mut col = cols.start;
    std::iter::from_fn(move || {
        let count = (cols.end - col).min(LANES - col % LANES);
        let piece = (col / LANES * rows * LANES + row * LANES + col % LANES, count);
        col += count;
        (count > 0).then_some(piece)
    })
}

/// One row of a matrix of `rows` rows in panels.
pub struct RowMut<'a> {
    panels: &'a mut [f32],
    rows: usize,
    row: usize,
}

impl<'a> RowMut<'a> {
    pub fn new(panels: &'a mut [f32], rows: usize, row: usize) -> Self {
        Self { panels, rows, row }
    }

    /// Writes `numbers` from column `col` on.
    #[inline(always)]
    pub fn write(&mut self, col: usize, mut numbers: &[f32]) {
        for (at, count) in pieces(self.rows, self.row, col..col + numbers.len()) {
            let (here, rest) = numbers.split_at(count);
            let piece = &mut self.panels[at..at + count];
            // Whole lines, and quarters of one, are vector stores; anything else is a call.
            match (<&mut Line>::try_from(&mut *piece), <&Line>::try_from(here)) {
                (Ok(line), Ok(numbers)) => *line = *numbers,
                _ => copy_in_quarters(piece, here),
            }
            numbers = rest;
        }
    }

    /// Sets some columns to zero.
    #[inline(always)]
    pub fn zero(&mut self, cols: Range<usize>) {
        for (at, count) in pieces(self.rows, self.row, cols) {
            self.panels[at..at + count].fill(0.0);
        }
    }
}

#[inline(always)]
fn copy_in_quarters(to: &mut [f32], from: &[f32]) {
    let (to, to_rest) = to.as_chunks_mut::<{ LANES / 4 }>();
    let (from, from_rest) = from.as_chunks::<{ LANES / 4 }>();
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    to_rest.iter_mut().zip(from_rest).for_each(|(to, from)| *to = *from);
}

/// One row of a matrix of `rows` rows in panels.
pub struct Row<'a> {
    panels: &'a [f32],
    rows: usize,
    row: usize,
}

impl<'a> Row<'a> {
    pub fn new(panels: &'a [f32], rows: usize, row: usize) -> Self {
        Self { panels, rows, row }
    }

    /// Copies the columns from `col` on to `numbers`.
    #[inline(always)]
    pub fn copy_to(&self, col: usize, numbers: &mut [f32]) {
        self.each(col, numbers, |number, value| *number = value);
    }

    /// Adds the columns from `col` on to `numbers`.
    #[inline(always)]
    pub fn add_to(&self, col: usize, numbers: &mut [f32]) {
        self.each(col, numbers, |number, value| *number += value);
    }

    #[inline(always)]
    fn each(&self, col: usize, mut numbers: &mut [f32], each: impl Fn(&mut f32, f32)) {
        for (at, count) in pieces(self.rows, self.row, col..col + numbers.len()) {
            let (here, rest) = std::mem::take(&mut numbers).split_at_mut(count);
            let values = &self.panels[at..at + count];
            match (<&mut Line>::try_from(&mut *here), <&Line>::try_from(values)) {
                (Ok(line), Ok(values)) => {
                    line.iter_mut().zip(values).for_each(|(n, v)| each(n, *v));
                }
                _ => here.iter_mut().zip(values).for_each(|(n, v)| each(n, *v)),
            }
            numbers = rest;
        }
    }
}

/// Rows of `cols` neighbouring numbers, `stride` apart, into panels.
pub fn pack(panels: &mut [f32], rows: usize, cols: usize, numbers: &[f32], stride: usize) {
    for row in 0..rows {
        RowMut::new(panels, rows, row).write(0, &numbers[row * stride..][..cols]);
    }
}

/// [`pack`] for the gradient behind an activation: `dy·f′`, through the activation's output `y`, which lies
/// as `dy` does.
pub fn pack_gradient(
    isa: Isa,
    panels: &mut [f32],
    (rows, cols): (usize, usize),
    dy: &[f32],
    (f, y): (Activation, &[f32]),
) {
    if f == Activation::Identity {
        return pack(panels, rows, cols, dy, cols);
    }
    activation::dispatch(isa, f, PackGradient { panels, rows, cols, dy, y });
}

struct PackGradient<'a> {
    panels: &'a mut [f32],
    rows: usize,
    cols: usize,
    dy: &'a [f32],
    y: &'a [f32],
}

impl PointwiseKernel for PackGradient<'_> {
    #[inline(always)]
    fn run<F: Pointwise>(self, f: F) {
        let Self { panels, rows, cols, dy, y } = self;
        for row in 0..rows {
            let (dy, y) = (&dy[row * cols..][..cols], &y[row * cols..][..cols]);
            for first in (0..cols).step_by(LANES) {
                let count = LANES.min(cols - first);
                let line = &mut panels[first * rows + row * LANES..][..count];
                let (dy, y) = (&dy[first..first + count], &y[first..first + count]);
                for lane in 0..count {
                    line[lane] = f.backward(dy[lane], y[lane]);
                }
            }
        }
    }
}

/// One panel of the transpose: `lines[row]` is column `row` of the `lanes ≤ 16` rows that `numbers` begins
/// with, `stride` apart.
pub fn pack_transposed(lines: &mut [f32], lanes: usize, numbers: &[f32], stride: usize) {
    let rows = lines.len() / LANES;
    for lane in 0..lanes {
        let column = &numbers[lane * stride..][..rows];
        for (line, number) in lines.chunks_exact_mut(LANES).zip(column) {
            line[lane] = *number;
        }
    }
}
