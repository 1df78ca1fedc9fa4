//! Matrix views and the one matrix product everything heavy is made of.
//!
//! [`multiply`] wraps the `gemm` crate. All unsafe code of this backend is here: the call itself and
//! the disjoint tiles of an output that threads write at the same time.

use std::marker::PhantomData;
use std::ops::Range;

/// Depth of one call into the `gemm` crate, which splits deeper products itself, in a way that
/// depends on the *other* sizes. Splitting here first makes the order of every sum a function of the
/// depth alone.
const DEPTH: usize = 512;

/// The `gemm` crate has a special path for products of at most this many numbers.
const SMALL_PRODUCT: usize = 256;

/// A read-only matrix in a slice: element (r, c) at `r·row_stride + c·col_stride`.
#[derive(Clone, Copy)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// Rows of `cols` neighbouring numbers, `row_stride` apart.
    pub fn new(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        let end = if rows == 0 { 0 } else { (rows - 1) * row_stride + cols };
        assert!(end <= data.len(), "a {rows}×{cols} matrix exceeds {} numbers", data.len());
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose, which is only another way of reading.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Columns `range` of the matrix.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.cols);
        let data = self.data.get(range.start * self.col_stride..).unwrap_or_default();
        Self { data, cols: range.len(), ..self }
    }

    /// Rows `range` of the matrix.
    pub fn rows(self, range: Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
    }

    fn at(&self, row: usize, col: usize) -> f32 {
        self.data[row * self.row_stride + col * self.col_stride]
    }
}

/// A writable matrix whose rows are contiguous, `stride` apart. It can be cut into tiles, side by
/// side as well as one below the other, that different threads write.
pub struct MatMut<'a> {
    start: *mut f32,
    rows: usize,
    cols: usize,
    stride: usize,
    data: PhantomData<&'a mut [f32]>,
}

// SAFETY: a MatMut is the only access to its elements, like the `&mut [f32]` it stands for.
unsafe impl Send for MatMut<'_> {}

impl<'a> MatMut<'a> {
    /// `rows × cols`, without gaps.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(rows * cols, data.len(), "a {rows}×{cols} matrix");
        Self { start: data.as_mut_ptr(), rows, cols, stride: cols, data: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Disjoint tiles of at most `rows × cols`, row by row, each with the row and the column of its
    /// first element.
    pub fn into_tiles(self, rows: usize, cols: usize) -> Vec<(usize, usize, MatMut<'a>)> {
        let starts = (0..self.rows)
            .step_by(rows.max(1))
            .flat_map(|r| (0..self.cols).step_by(cols.max(1)).map(move |c| (r, c)));
        starts
            .map(|(r, c)| {
                let tile = MatMut {
                    start: self.start.wrapping_add(r * self.stride + c),
                    rows: rows.min(self.rows - r),
                    cols: cols.min(self.cols - c),
                    stride: self.stride,
                    data: PhantomData,
                };
                (r, c, tile)
            })
            .collect()
    }

    /// The numbers of `count` rows from `row` on, as one slice. More than one row only where rows
    /// have no gaps between them.
    pub fn rows_mut(&mut self, row: usize, count: usize) -> &mut [f32] {
        assert!(row + count <= self.rows && (count <= 1 || self.stride == self.cols));
        // SAFETY: the range lies in the matrix by the assertion above, holds no element of another
        // tile as it covers whole rows without gaps, and is borrowed from `self`.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.start.wrapping_add(row * self.stride),
                count * self.cols,
            )
        }
    }
}

/// Whether a product replaces what its destination holds or adds to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Overwrite,
    Add,
}

/// `c = a·b` or `c += a·b` on the calling thread.
///
/// A row's bits depend on that row of `a` and on `b` only: not on its place, nor on how many rows
/// there are. So an image's numbers do not depend on its batch. The `gemm` crate promises that for
/// products of ordinary size, but has other paths, with other orders of summation, for vectors and
/// for small products; this function keeps to the one.
pub fn multiply(c: &mut MatMut<'_>, write: Write, a: Mat<'_>, b: Mat<'_>) {
    assert!(a.rows == c.rows && b.cols == c.cols && a.cols == b.rows, "matrix product");
    if c.rows == 1 {
        return multiply_single_row(c, write, a, b);
    }
    if c.cols == 1 {
        return multiply_single_column(c, write, a, b);
    }
    // The path for small products wants both operands contiguous along the depth.
    let small = c.rows * c.cols <= SMALL_PRODUCT;
    if small && a.col_stride == 1 && b.row_stride == 1 {
        let copy: Vec<f32> =
            (0..b.rows).flat_map(|r| (0..b.cols).map(move |k| b.at(r, k))).collect();
        return multiply_by_depth(c, write, a, Mat::new(&copy, b.rows, b.cols, b.cols));
    }
    multiply_by_depth(c, write, a, b);
}

/// Computes a single row twice, as the two rows of a matrix.
fn multiply_single_row(c: &mut MatMut<'_>, write: Write, a: Mat<'_>, b: Mat<'_>) {
    let (cols, row) = (c.cols, c.rows_mut(0, 1));
    let mut twice = row.repeat(2);
    let row_twice = Mat { rows: 2, row_stride: 0, ..a };
    multiply(&mut MatMut::new(&mut twice, 2, cols), write, row_twice, b);
    row.copy_from_slice(&twice[..cols]);
}

/// Computes a single column twice, as the two columns of a matrix.
fn multiply_single_column(c: &mut MatMut<'_>, write: Write, a: Mat<'_>, b: Mat<'_>) {
    let mut twice: Vec<f32> = (0..c.rows).flat_map(|row| [c.rows_mut(row, 1)[0]; 2]).collect();
    let column_twice = Mat { cols: 2, col_stride: 0, ..b };
    multiply(&mut MatMut::new(&mut twice, c.rows, 2), write, a, column_twice);
    for (row, pair) in twice.chunks_exact(2).enumerate() {
        c.rows_mut(row, 1)[0] = pair[0];
    }
}

fn multiply_by_depth(c: &mut MatMut<'_>, write: Write, a: Mat<'_>, b: Mat<'_>) {
    if a.cols == 0 && write == Write::Overwrite {
        (0..c.rows).for_each(|row| c.rows_mut(row, 1).fill(0.0));
    }
    for start in (0..a.cols).step_by(DEPTH) {
        let depth = start..a.cols.min(start + DEPTH);
        let add = write == Write::Add || start > 0;
        call(c, add, a.columns(depth.clone()), b.rows(depth));
    }
}

fn call(c: &mut MatMut<'_>, add: bool, a: Mat<'_>, b: Mat<'_>) {
    let stride = |s: usize| s as isize;
    // SAFETY: the three views lie inside their slices (checked when they were made) and have the
    // sizes m×n, m×k and k×n (checked in `multiply`); `c` is the only access to its elements. With
    // `add` false the destination is not read.
    unsafe {
        gemm::gemm(
            c.rows,
            c.cols,
            a.cols,
            c.start,
            1,
            stride(c.stride),
            add,
            a.data.as_ptr(),
            stride(a.col_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.col_stride),
            stride(b.row_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
