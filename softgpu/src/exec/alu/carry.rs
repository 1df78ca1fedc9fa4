//! Arithmetic with the carry flag CC.CF (PTX ISA, "Extended-Precision Integer Arithmetic Instructions"):
//! `add.cc`, `addc{.cc}`, `sub.cc`, `subc{.cc}`, `mad{c}.{lo,hi}{.cc}`. After a subtraction the flag
//! holds the borrow.

use super::form::{Form, typed};
use crate::exec::inst::{Class, Inst, Selected, Ty, alu};
use crate::exec::regs::{LANES, Lane, Regs};

/// Bits of the number of a form.
const READS: i64 = 1;
const WRITES: i64 = 2;
const SUBTRACTS: i64 = 4;
const HIGH: i64 = 8;
const SIGNED: i64 = 16;

/// What a width must offer here.
trait Word: Lane {
    fn add(self, other: Self, carry: bool) -> (Self, bool);
    fn sub(self, other: Self, borrow: bool) -> (Self, bool);
    fn product(self, other: Self, imm: i64) -> Self;
}

macro_rules! word {
    ($ty:ty, $signed:ty, $wide:ty) => {
        impl Word for $ty {
            #[inline(always)]
            fn add(self, other: Self, carry: bool) -> (Self, bool) {
                let (sum, first) = self.overflowing_add(other);
                let (sum, second) = sum.overflowing_add(carry.into());
                (sum, first | second)
            }

            #[inline(always)]
            fn sub(self, other: Self, borrow: bool) -> (Self, bool) {
                let (difference, first) = self.overflowing_sub(other);
                let (difference, second) = difference.overflowing_sub(borrow.into());
                (difference, first | second)
            }

            #[inline(always)]
            fn product(self, other: Self, imm: i64) -> Self {
                let widen = |x: $ty| {
                    if imm & SIGNED != 0 { x as $signed as $wide } else { <$wide>::from(x) }
                };
                let product = widen(self).wrapping_mul(widen(other));
                if imm & HIGH != 0 { (product >> <$ty>::BITS) as $ty } else { product as $ty }
            }
        }
    };
}
word!(u32, i32, u64);
word!(u64, i64, u128);

/// Two sources for sums, three for `mad`, whose product then is the first number of the sum.
#[inline(always)]
fn run<T: Word>(regs: &mut Regs, inst: &Inst, mask: u32, is_mad: bool) {
    let [d, a, b, c, ..] = inst.ops;
    let (a, b) = (regs.read::<T>(a), regs.read::<T>(b));
    let c = if is_mad { regs.read::<T>(c) } else { b };
    let carry = if inst.imm & READS != 0 { regs.carry } else { 0 };
    let (mut results, mut carries) = ([T::default(); LANES], 0);
    for lane in 0..LANES {
        let carry_in = carry >> lane & 1 != 0;
        let first = if is_mad { a[lane].product(b[lane], inst.imm) } else { a[lane] };
        let (result, carry_out) = if inst.imm & SUBTRACTS != 0 {
            first.sub(c[lane], carry_in)
        } else {
            first.add(c[lane], carry_in)
        };
        results[lane] = result;
        carries |= u32::from(carry_out) << lane;
    }
    regs.write(d, mask, &results);
    if inst.imm & WRITES != 0 {
        regs.carry = regs.carry & !mask | carries & mask;
    }
}

pub fn select(form: &mut Form) -> Option<Selected> {
    let is_mad = form.opcode.starts_with("mad");
    let mut imm = if form.opcode.ends_with('c') { READS } else { 0 };
    if form.opcode.starts_with("sub") {
        imm |= SUBTRACTS;
    }
    if is_mad {
        imm |= form.one_of(&[("lo", 0), ("hi", HIGH)])?;
    }
    if form.take("cc") {
        imm |= WRITES;
    }
    let word = form.word();
    if word.starts_with('s') {
        imm |= SIGNED;
    }
    let class = Class::Integer;
    typed!(word; "u32" | "s32" => u32, "u64" | "s64" => u64; Selected {
        alu: if is_mad {
            alu!(|regs, inst, mask| run::<T>(regs, inst, mask, true))
        } else {
            alu!(|regs, inst, mask| run::<T>(regs, inst, mask, false))
        },
        results: match T::ROWS { 1 => &[Ty::W], _ => &[Ty::D] },
        sources: match (T::ROWS, is_mad) {
            (1, false) => &[Ty::W; 2],
            (1, true) => &[Ty::W; 3],
            (_, false) => &[Ty::D; 2],
            (_, true) => &[Ty::D; 3],
        },
        class,
        fmas: 0,
        imm,
    })
}
