//! The register file of one warp, and the loops that apply a scalar function to its 32 lanes.
//!
//! Layout: one [`Row`] of 32 words per 32-bit register, lane after lane, so that one AVX2 register holds
//! eight lanes; a 64-bit register takes two rows, read as `[u64; 32]`; 16-bit and 8-bit registers keep
//! their bits in the low part of a word. Predicates are lane masks of 32 bits, one `u32` each.
//! Constants (immediates) lie in a pool of rows that all warps of a launch share, filled once.

use std::marker::PhantomData;

/// Lanes of a warp.
pub const LANES: usize = 32;
/// Every lane takes part.
pub const FULL: u32 = u32::MAX;
/// Lanes that the loops below treat at once: one AVX2 register of 32-bit numbers.
pub const CHUNK: usize = 8;
const CHUNKS: usize = LANES / CHUNK;

/// One 32-bit register of a warp: 128 bytes.
#[repr(C, align(128))]
#[derive(Clone, Copy, Debug)]
pub struct Row(pub [u32; LANES]);

impl Row {
    pub const ZERO: Row = Row([0; LANES]);
}

/// Where an operand lies: a row of the warp's own file (≥ 0), or row `!slot` of the constant pool (< 0).
/// In an operand position of type [`Ty::Pred`](super::inst::Ty::Pred): the index of a predicate.
pub type Slot = i32;

/// A number that a lane can hold.
///
/// # Safety
/// `read8` and `write8` touch `ROWS` rows at `row` and nothing else.
pub unsafe trait Lane: Copy + Default {
    /// Rows that a register of this type takes.
    const ROWS: usize;
    /// Lanes `8 * chunk ..` of the register at `row`.
    ///
    /// # Safety
    /// `row` points at `ROWS` readable rows, `chunk < 4`.
    unsafe fn read8(row: *const Row, chunk: usize) -> [Self; CHUNK];
    /// Writes them.
    ///
    /// # Safety
    /// `row` points at `ROWS` writable rows, `chunk < 4`.
    unsafe fn write8(row: *mut Row, chunk: usize, lanes: [Self; CHUNK]);
}

macro_rules! whole_words {
    ($($ty:ty, $rows:literal);*) => { $(
        // SAFETY: a register of this type is `$rows` rows of plain numbers read as [$ty; 32].
        unsafe impl Lane for $ty {
            const ROWS: usize = $rows;
            #[inline(always)]
            unsafe fn read8(row: *const Row, chunk: usize) -> [Self; CHUNK] {
                // SAFETY: the caller's; rows are aligned to 128 bytes, a chunk to 32 or 64.
                unsafe { row.cast::<[$ty; CHUNK]>().add(chunk).read() }
            }
            #[inline(always)]
            unsafe fn write8(row: *mut Row, chunk: usize, lanes: [Self; CHUNK]) {
                // SAFETY: as in `read8`.
                unsafe { row.cast::<[$ty; CHUNK]>().add(chunk).write(lanes) }
            }
        }
    )* };
}
whole_words!(u32, 1; i32, 1; f32, 1; u64, 2; i64, 2; f64, 2);

macro_rules! low_bits {
    ($($ty:ty, $from:expr, $to:expr);*) => { $(
        // SAFETY: delegates to u32.
        unsafe impl Lane for $ty {
            const ROWS: usize = 1;
            #[inline(always)]
            unsafe fn read8(row: *const Row, chunk: usize) -> [Self; CHUNK] {
                // SAFETY: the caller's.
                unsafe { u32::read8(row, chunk) }.map($from)
            }
            #[inline(always)]
            unsafe fn write8(row: *mut Row, chunk: usize, lanes: [Self; CHUNK]) {
                // SAFETY: the caller's.
                unsafe { u32::write8(row, chunk, lanes.map($to)) }
            }
        }
    )* };
}
low_bits!(
    u16, |w| w as u16, u32::from;
    i16, |w| w as i16, |h: i16| u32::from(h as u16);
    u8, |w| w as u8, u32::from;
    i8, |w| w as i8, |b: i8| u32::from(b as u8);
    half::f16, |w| half::f16::from_bits(w as u16), |h: half::f16| u32::from(h.to_bits());
    half::bf16, |w| half::bf16::from_bits(w as u16), |h: half::bf16| u32::from(h.to_bits())
);

/// A warp's registers while an instruction runs.
///
/// Slots come from the lowering, which has checked every one against the sizes of file and pool;
/// debug builds check again.
pub struct Regs<'a> {
    rows: *mut Row,
    row_count: usize,
    pool: *const Row,
    pool_count: usize,
    preds: *mut u32,
    pred_count: usize,
    /// The carry flag CC.CF, one bit per lane: `add.cc` and its relatives write it, `addc` and its read
    /// it. Zero at first; whoever builds a warp's `Regs` anew between two instructions carries it over.
    pub carry: u32,
    /// How far approximate functions are moved away from the accurate result, as a share of their
    /// documented error bound; 0 for none.
    pub perturb: f32,
    owner: PhantomData<&'a mut Row>,
}

impl<'a> Regs<'a> {
    pub fn new(rows: &'a mut [Row], pool: &'a [Row], preds: &'a mut [u32], perturb: f32) -> Self {
        Self {
            row_count: rows.len(),
            rows: rows.as_mut_ptr(),
            pool_count: pool.len(),
            pool: pool.as_ptr(),
            pred_count: preds.len(),
            preds: preds.as_mut_ptr(),
            carry: 0,
            perturb,
            owner: PhantomData,
        }
    }

    #[inline(always)]
    fn source(&self, slot: Slot, rows: usize) -> *const Row {
        if slot >= 0 {
            debug_assert!(
                slot as usize + rows <= self.row_count,
                "row {slot} of {}",
                self.row_count
            );
            // SAFETY: the lowering hands out slots inside the file only.
            unsafe { self.rows.add(slot as usize) }
        } else {
            debug_assert!(!slot as usize + rows <= self.pool_count, "constant {}", !slot);
            // SAFETY: as above, for the pool.
            unsafe { self.pool.add(!slot as usize) }
        }
    }

    #[inline(always)]
    fn target(&mut self, slot: Slot, rows: usize) -> *mut Row {
        debug_assert!(slot >= 0 && slot as usize + rows <= self.row_count, "row {slot}");
        // SAFETY: the lowering hands out slots inside the file only, and never a constant as a result.
        unsafe { self.rows.add(slot as usize) }
    }

    /// Lanes `8 * chunk ..` of a register.
    #[inline(always)]
    pub fn read8<T: Lane>(&self, slot: Slot, chunk: usize) -> [T; CHUNK] {
        debug_assert!(chunk < CHUNKS);
        // SAFETY: `source` points at T::ROWS rows.
        unsafe { T::read8(self.source(slot, T::ROWS), chunk) }
    }

    /// All lanes of a register.
    #[inline(always)]
    pub fn read<T: Lane>(&self, slot: Slot) -> [T; LANES] {
        let mut lanes = [T::default(); LANES];
        for chunk in 0..CHUNKS {
            lanes[chunk * CHUNK..][..CHUNK].copy_from_slice(&self.read8(slot, chunk));
        }
        lanes
    }

    /// Writes the lanes named by `mask`, leaves the others.
    #[inline(always)]
    pub fn write8<T: Lane>(&mut self, slot: Slot, chunk: usize, mask: u32, lanes: [T; CHUNK]) {
        debug_assert!(chunk < CHUNKS);
        let target = self.target(slot, T::ROWS);
        let chosen = if mask == FULL {
            lanes
        } else {
            // SAFETY: `target` points at T::ROWS rows.
            let old = unsafe { T::read8(target, chunk) };
            std::array::from_fn(|lane| {
                if mask >> (chunk * CHUNK + lane) & 1 != 0 { lanes[lane] } else { old[lane] }
            })
        };
        // SAFETY: as above.
        unsafe { T::write8(target, chunk, chosen) }
    }

    /// Writes the lanes named by `mask`.
    #[inline(always)]
    pub fn write<T: Lane>(&mut self, slot: Slot, mask: u32, lanes: &[T; LANES]) {
        for chunk in 0..CHUNKS {
            let part = std::array::from_fn(|lane| lanes[chunk * CHUNK + lane]);
            self.write8(slot, chunk, mask, part);
        }
    }

    /// The lane mask of a predicate.
    #[inline(always)]
    pub fn pred(&self, slot: Slot) -> u32 {
        debug_assert!(slot >= 0 && (slot as usize) < self.pred_count, "predicate {slot}");
        // SAFETY: the lowering hands out predicates inside the file only.
        unsafe { *self.preds.add(slot as usize) }
    }

    /// Sets the lanes of `mask` of a predicate to those of `lanes`.
    #[inline(always)]
    pub fn set_pred(&mut self, slot: Slot, mask: u32, lanes: u32) {
        debug_assert!(slot >= 0 && (slot as usize) < self.pred_count, "predicate {slot}");
        // SAFETY: as in `pred`.
        let pred = unsafe { &mut *self.preds.add(slot as usize) };
        *pred = *pred & !mask | lanes & mask;
    }
}

/// `d = f(a)` on the lanes of `mask`. The function runs on the other lanes too: it must not panic on
/// any bits.
#[inline(always)]
pub fn map1<D: Lane, A: Lane>(regs: &mut Regs, d: Slot, a: Slot, mask: u32, f: impl Fn(A) -> D) {
    for chunk in 0..CHUNKS {
        let a = regs.read8::<A>(a, chunk);
        regs.write8(d, chunk, mask, std::array::from_fn(|l| f(a[l])));
    }
}

/// `d = f(a, b)` on the lanes of `mask`.
#[inline(always)]
pub fn map2<D: Lane, A: Lane, B: Lane>(
    regs: &mut Regs,
    d: Slot,
    [a, b]: [Slot; 2],
    mask: u32,
    f: impl Fn(A, B) -> D,
) {
    for chunk in 0..CHUNKS {
        let (a, b) = (regs.read8::<A>(a, chunk), regs.read8::<B>(b, chunk));
        regs.write8(d, chunk, mask, std::array::from_fn(|l| f(a[l], b[l])));
    }
}

/// `d = f(a, b, c)` on the lanes of `mask`.
#[inline(always)]
pub fn map3<D: Lane, A: Lane, B: Lane, C: Lane>(
    regs: &mut Regs,
    d: Slot,
    [a, b, c]: [Slot; 3],
    mask: u32,
    f: impl Fn(A, B, C) -> D,
) {
    for chunk in 0..CHUNKS {
        let (a, b) = (regs.read8::<A>(a, chunk), regs.read8::<B>(b, chunk));
        let c = regs.read8::<C>(c, chunk);
        regs.write8(d, chunk, mask, std::array::from_fn(|l| f(a[l], b[l], c[l])));
    }
}

/// Lane mask of `f(a, b)`.
#[inline(always)]
pub fn test2<A: Lane, B: Lane>(regs: &Regs, [a, b]: [Slot; 2], f: impl Fn(A, B) -> bool) -> u32 {
    let mut lanes = 0;
    for chunk in 0..CHUNKS {
        let (a, b) = (regs.read8::<A>(a, chunk), regs.read8::<B>(b, chunk));
        for l in 0..CHUNK {
            lanes |= u32::from(f(a[l], b[l])) << (chunk * CHUNK + l);
        }
    }
    lanes
}
