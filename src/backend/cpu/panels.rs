//! The way into the panels of [`product`](super::product) and back.

use super::simd::{LANES, Line};
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
            // A whole line is one or two vector stores, anything else a call.
            match (<&mut Line>::try_from(&mut *piece), <&Line>::try_from(here)) {
                (Ok(line), Ok(numbers)) => *line = *numbers,
                _ => piece.copy_from_slice(here),
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
