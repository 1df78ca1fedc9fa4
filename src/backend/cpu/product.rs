//! The matrix product that everything heavy is made of.
//!
//! A matrix is stored in *panels*: sixteen columns (one [`Line`]) side by side, its rows one below the
//! other, panel after panel:
//!
//! ```text
//! M[row, col]  at  (col / 16)·panel + row·16 + col % 16        panel ≥ 16·rows
//! ```
//!
//! In this one layout a matrix can stand anywhere in a product. `C = A·B` reads A along its rows and B
//! line by line; `C = Aᵀ·B` reads A line by line too, as its row index is then the depth. Nothing is ever
//! packed or transposed between the passes of a convolution.
//!
//! The micro-kernel keeps a tile of C in registers (6×16 numbers with AVX2, 12×32 with AVX-512), and for
//! every step of the depth multiplies a line of B by one number of each of the tile's rows. Each sum is
//! one chain of multiply-adds in the order of the depth, whatever the tile: the bits depend neither on the
//! instruction set nor on which rows are computed together.

// Loops over indices unroll into registers; an iterator's closure would not be compiled for the instruction
// set.
#![allow(clippy::needless_range_loop)]

use super::simd::{Kernel, LANES, Line, Simd};

/// Sizes of a product, and the distance between two panels of each matrix, in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Rows of C.
    pub rows: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// Panels of B and C.
    pub panels: usize,
    pub a_panel: usize,
    pub b_panel: usize,
    pub c_panel: usize,
    pub write: Write,
}

/// What happens to what C holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    Overwrite,
    /// Each sum goes on from it: the same bits as one product of the whole depth.
    Continue,
    /// Each sum is added to it: a long chain of f32 loses digits that several shorter ones keep.
    Add,
}

/// What a matrix of `panels` panels with `rows` rows takes.
fn extent(panels: usize, rows: usize, panel: usize) -> usize {
    if panels == 0 || rows == 0 { 0 } else { (panels - 1) * panel + rows * LANES }
}

impl Product {
    /// `C = A·B` or `C += A·B` with A `rows × depth` and B `depth × 16·panels`.
    #[inline(always)]
    pub fn multiply<S: Simd>(self, s: S, c: &mut [f32], a: &[f32], b: &[f32]) {
        assert!(extent(self.depth.div_ceil(LANES), self.rows, self.a_panel) <= a.len());
        self.check(c, b);
        s.enter(Multiply::<false> { product: self, c, a, b });
    }

    /// `C = Aᵀ·B` or `C += Aᵀ·B` with A `depth × rows`.
    #[inline(always)]
    pub fn multiply_transposed<S: Simd>(self, s: S, c: &mut [f32], a: &[f32], b: &[f32]) {
        assert!(extent(self.rows.div_ceil(LANES), self.depth, self.a_panel) <= a.len());
        self.check(c, b);
        s.enter(Multiply::<true> { product: self, c, a, b });
    }

    fn check(&self, c: &[f32], b: &[f32]) {
        assert!(extent(self.panels, self.depth, self.b_panel) <= b.len());
        assert!(extent(self.panels, self.rows, self.c_panel) <= c.len());
    }
}

/// A product whose matrices lie inside their slices; A is read transposed or not.
struct Multiply<'a, const TRANSPOSED: bool> {
    product: Product,
    c: &'a mut [f32],
    a: &'a [f32],
    b: &'a [f32],
}

impl<const TRANSPOSED: bool> Kernel for Multiply<'_, TRANSPOSED> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let p = self.product;
        let mut panel = 0;
        while panel < p.panels {
            let panels = S::TILE_PANELS.min(p.panels - panel);
            // Of A's transpose, a tile's rows must lie in one panel.
            let (group, count) =
                if TRANSPOSED { (LANES, p.rows.div_ceil(LANES)) } else { (p.rows, 1) };
            for g in 0..count {
                let first = g * group;
                let rows = group.min(p.rows - first);
                let a = if TRANSPOSED { g * p.a_panel } else { 0 };
                let mut row = 0;
                while row < rows {
                    let height = tile_rows::<S>(rows - row);
                    let at = Tile {
                        a: a + if TRANSPOSED { row } else { row * LANES },
                        b: panel * p.b_panel,
                        c: panel * p.c_panel + (first + row) * LANES,
                    };
                    self.tile_of(s, at, height, panels);
                    row += height;
                }
            }
            panel += panels;
        }
    }
}

/// How many of `left` rows the next tile takes: the widest tile, unless stopping one earlier leaves what
/// the second widest covers without a remainder.
#[inline(always)]
fn tile_rows<S: Simd>(left: usize) -> usize {
    let [wide, narrow] = S::TILE_ROWS;
    let fits = |rest: usize| rest.is_multiple_of(wide) || rest.is_multiple_of(narrow);
    if left >= wide && (fits(left - wide) || !left.is_multiple_of(narrow)) {
        wide
    } else if left >= narrow {
        narrow
    } else if left >= 4 {
        4
    } else if left >= 2 {
        2
    } else {
        1
    }
}

/// Where a tile's operands begin.
#[derive(Clone, Copy)]
struct Tile {
    a: usize,
    b: usize,
    c: usize,
}

impl<const TRANSPOSED: bool> Multiply<'_, TRANSPOSED> {
    #[inline(always)]
    fn tile_of<S: Simd>(&mut self, s: S, at: Tile, rows: usize, panels: usize) {
        macro_rules! tile {
            ($($rows:literal)*) => {
                match (rows, panels) {
                    $(
                        ($rows, 1) => self.tile::<S, $rows, 1>(s, at),
                        ($rows, _) => self.tile::<S, $rows, 2>(s, at),
                    )*
                    _ => unreachable!("tiles have one of these heights"),
                }
            };
        }
        tile!(12 8 6 4 2 1);
    }

    /// `ROWS × 16·PANELS` numbers of C.
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const PANELS: usize>(&mut self, s: S, at: Tile) {
        let p = self.product;
        let (row_step, depth_step) = if TRANSPOSED { (1, LANES) } else { (LANES, 1) };
        // Numbers from one block of sixteen steps of the depth to the next.
        let a_block = if TRANSPOSED { LANES * LANES } else { p.a_panel };
        // SAFETY: the matrices lie inside their slices (checked before the kernel was entered), and the
        // tile inside C: every pointer that is read or written is to a number of its matrix.
        unsafe {
            let c = self.c.as_mut_ptr().add(at.c);
            let mut sums = [[s.zero(); PANELS]; ROWS];
            if p.write == Write::Continue {
                for row in 0..ROWS {
                    for panel in 0..PANELS {
                        sums[row][panel] =
                            s.load(&*c.add(row * LANES + panel * p.c_panel).cast::<Line>());
                    }
                }
            }
            let mut a = self.a.as_ptr().add(at.a);
            let mut b = self.b.as_ptr().add(at.b);
            for _ in 0..p.depth / LANES {
                if !TRANSPOSED {
                    // The next block's lines lie a panel further, where no hardware looks ahead.
                    for row in 0..ROWS {
                        s.prefetch(a.wrapping_add(a_block + row * LANES));
                    }
                }
                for k in 0..LANES {
                    step(
                        s,
                        &mut sums,
                        a.add(k * depth_step),
                        row_step,
                        b.add(k * LANES),
                        p.b_panel,
                    );
                }
                a = a.wrapping_add(a_block);
                b = b.add(LANES * LANES);
            }
            for k in 0..p.depth % LANES {
                step(s, &mut sums, a.add(k * depth_step), row_step, b.add(k * LANES), p.b_panel);
            }
            for row in 0..ROWS {
                for panel in 0..PANELS {
                    let line = &mut *c.add(row * LANES + panel * p.c_panel).cast::<Line>();
                    let sum = sums[row][panel];
                    s.store(
                        line,
                        if p.write == Write::Add { s.add(s.load(line), sum) } else { sum },
                    );
                }
            }
        }
    }
}

/// One step of the depth: `sums += column · lines`. A function of its own, as a closure would not be
/// compiled for the instruction set.
///
/// # Safety
/// `a` points to ROWS numbers `row_step` apart, `b` to PANELS lines `b_panel` apart.
#[inline(always)]
unsafe fn step<S: Simd, const ROWS: usize, const PANELS: usize>(
    s: S,
    sums: &mut [[S::V; PANELS]; ROWS],
    a: *const f32,
    row_step: usize,
    b: *const f32,
    b_panel: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lines = [s.zero(); PANELS];
        for panel in 0..PANELS {
            lines[panel] = s.load(&*b.add(panel * b_panel).cast());
        }
        for row in 0..ROWS {
            let number = s.splat(*a.add(row * row_step));
            for panel in 0..PANELS {
                sums[row][panel] = s.fma(number, lines[panel], sums[row][panel]);
            }
        }
    }
}
