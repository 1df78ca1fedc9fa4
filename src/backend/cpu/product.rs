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
//! instruction set nor on which rows are computed together. Only where A's numbers are found differs
//! ([`Left`]): in panels, in the panels of its transpose, or in an image as the taps of a filter read it.

// Loops over indices unroll into registers; an iterator's closure would not be compiled for the instruction
// set.
#![allow(clippy::needless_range_loop)]

use super::simd::{Isa, Kernel, LANES, Line, Simd};
use std::marker::PhantomData;

/// Sizes of a product, and where the numbers of its matrices lie.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Rows of C.
    pub rows: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// Panels of B and C.
    pub panels: usize,
    /// Numbers from a panel of A to the next; of a [`Window`], from a row of the image to the next.
    pub a_panel: usize,
    pub b_panel: usize,
    pub c_panel: usize,
    /// Numbers from a row of C to the next within a panel: [`LANES`], or a row of a matrix that lies row by
    /// row and whose `c_panel` is [`LANES`].
    pub c_row: usize,
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

/// How a product finds A's numbers: `A[row, k]` at
/// `row·ROW + (k / BLOCK)·block + (k % BLOCK)·DEPTH`.
pub trait Left {
    const ROW: usize;
    const DEPTH: usize;
    /// Steps of the depth after which comes a longer way.
    const BLOCK: usize;
    /// Rows after which comes a longer way, [`Product::a_panel`].
    const GROUP: usize = usize::MAX;
    /// Whether the next block's lines lie where no hardware looks ahead.
    const FAR: bool = false;

    /// Numbers from a block of the depth to the next.
    fn block(p: &Product) -> usize;
}

/// A in panels.
pub struct Plain;
/// The transpose of a matrix in panels.
pub struct Transposed;
/// The columns of an image of C channels with its border, for a 4×4 filter of stride 2, read where they are:
/// rows are the output positions of one row, the depth is the taps, and a block one row of the filter.
pub struct Window<const C: usize>;
/// Its transpose for one row of the filter: rows are its taps, and the depth is the output positions.
pub struct WindowTransposed<const C: usize>;

impl Left for Plain {
    const ROW: usize = LANES;
    const DEPTH: usize = 1;
    const BLOCK: usize = LANES;
    const FAR: bool = true;

    #[inline(always)]
    fn block(p: &Product) -> usize {
        p.a_panel
    }
}

impl Left for Transposed {
    const ROW: usize = 1;
    const DEPTH: usize = LANES;
    const BLOCK: usize = LANES;
    const GROUP: usize = LANES;

    #[inline(always)]
    fn block(_: &Product) -> usize {
        LANES * LANES
    }
}

impl<const C: usize> Left for Window<C> {
    const ROW: usize = 2 * C;
    const DEPTH: usize = 1;
    const BLOCK: usize = 4 * C;

    #[inline(always)]
    fn block(p: &Product) -> usize {
        p.a_panel
    }
}

impl<const C: usize> Left for WindowTransposed<C> {
    const ROW: usize = 1;
    const DEPTH: usize = 2 * C;
    const BLOCK: usize = LANES;

    #[inline(always)]
    fn block(_: &Product) -> usize {
        2 * C * LANES
    }
}

/// Numbers up to the last one of `panels` panels with `rows` rows.
fn extent(panels: usize, rows: usize, panel: usize, row: usize) -> usize {
    if panels == 0 || rows == 0 { 0 } else { (panels - 1) * panel + (rows - 1) * row + LANES }
}

/// The largest `(index / size)·far + (index % size)·near` for an index below `count ≥ 1`.
fn furthest(count: usize, size: usize, far: usize, near: usize) -> usize {
    let (whole, rest) = ((count - 1) / size, (count - 1) % size);
    let last = whole * far + rest * near;
    if whole == 0 { last } else { last.max((whole - 1) * far + (size - 1) * near) }
}

/// Numbers up to the last one of A.
fn left_extent<A: Left>(p: &Product) -> usize {
    if p.rows == 0 || p.depth == 0 {
        return 0;
    }
    let row = furthest(p.rows, A::GROUP, p.a_panel, A::ROW);
    row + furthest(p.depth, A::BLOCK, A::block(p), A::DEPTH) + 1
}

impl Product {
    /// `C = A·B`, or added to what C holds, with A `rows × depth` and B `depth × 16·panels`.
    #[inline(always)]
    pub fn multiply<S: Simd, A: Left>(self, s: S, c: &mut [f32], a: &[f32], b: &[f32]) {
        s.enter(self.kernel::<A>(c, a, b));
    }

    /// The same from outside a kernel.
    pub fn multiply_on<A: Left>(self, isa: Isa, c: &mut [f32], a: &[f32], b: &[f32]) {
        isa.run(self.kernel::<A>(c, a, b));
    }

    fn kernel<'a, A: Left>(self, c: &'a mut [f32], a: &'a [f32], b: &'a [f32]) -> Multiply<'a, A> {
        assert!(left_extent::<A>(&self) <= a.len());
        assert!(extent(self.panels, self.depth, self.b_panel, LANES) <= b.len());
        assert!(extent(self.panels, self.rows, self.c_panel, self.c_row) <= c.len());
        Multiply { product: self, c, a, b, left: PhantomData }
    }
}

/// A product whose matrices lie inside their slices.
struct Multiply<'a, A> {
    product: Product,
    c: &'a mut [f32],
    a: &'a [f32],
    b: &'a [f32],
    left: PhantomData<A>,
}

impl<A: Left> Kernel for Multiply<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let p = self.product;
        // Rows of a tile must lie in one group.
        let group = A::GROUP.min(p.rows);
        let mut panel = 0;
        while panel < p.panels {
            let panels = S::TILE_PANELS.min(p.panels - panel);
            let (mut first, mut a) = (0, 0);
            while first < p.rows {
                let rows = group.min(p.rows - first);
                let mut row = 0;
                while row < rows {
                    let height = tile_rows::<S>(rows - row);
                    let at = Tile {
                        a: a + row * A::ROW,
                        b: panel * p.b_panel,
                        c: panel * p.c_panel + (first + row) * p.c_row,
                    };
                    self.tile_of(s, at, height, panels);
                    row += height;
                }
                (first, a) = (first + rows, a + p.a_panel);
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

impl<A: Left> Multiply<'_, A> {
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
        let block = A::block(&p);
        // SAFETY: the matrices lie inside their slices (checked before the kernel was entered), and the
        // tile inside C: every pointer that is read or written is to a number of its matrix.
        unsafe {
            let c = self.c.as_mut_ptr().add(at.c);
            let mut sums = [[s.zero(); PANELS]; ROWS];
            if p.write == Write::Continue {
                for row in 0..ROWS {
                    for panel in 0..PANELS {
                        sums[row][panel] =
                            s.load(&*c.add(row * p.c_row + panel * p.c_panel).cast::<Line>());
                    }
                }
            }
            let mut a = self.a.as_ptr().add(at.a);
            let mut b = self.b.as_ptr().add(at.b);
            for _ in 0..p.depth / A::BLOCK {
                if A::FAR {
                    for row in 0..ROWS {
                        s.prefetch(a.wrapping_add(block + row * A::ROW));
                    }
                }
                for k in 0..A::BLOCK {
                    let (a, b) = (a.add(k * A::DEPTH), b.add(k * LANES));
                    step(s, &mut sums, a, A::ROW, b, p.b_panel);
                }
                a = a.wrapping_add(block);
                b = b.add(A::BLOCK * LANES);
            }
            for k in 0..p.depth % A::BLOCK {
                let (a, b) = (a.add(k * A::DEPTH), b.add(k * LANES));
                step(s, &mut sums, a, A::ROW, b, p.b_panel);
            }
            for row in 0..ROWS {
                for panel in 0..PANELS {
                    let line = &mut *c.add(row * p.c_row + panel * p.c_panel).cast::<Line>();
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
