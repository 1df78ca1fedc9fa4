//! `setp`, `set`, `selp`, `slct` (PTX ISA, "Comparison and Selection Instructions" and the half-precision
//! section of the same name).
//!
//! Few comparisons are compiled, the other operators follow by exchanging the operands or inverting the
//! outcome; which is told by the number of the instruction.

use super::float32::flush;
use super::form::{Form, op, typed};
use super::half::{BFloat, Half, Widen};
use crate::exec::inst::{Alu, Class, Inst, NONE, Selected, Ty, alu};
use crate::exec::regs::{LANES, Lane, Regs, Slot, test2};

// Bits of the number. Below them 32 bits: what `set` writes where the comparison holds.
const INVERT: i64 = 1 << 32;
const EXCHANGE: i64 = 1 << 33;
const FLUSH: i64 = 1 << 34;
const AND: i64 = 1 << 35;
const OR: i64 = 2 << 35;
const XOR: i64 = 3 << 35;
const COMBINE: i64 = 3 << 35;

/// The comparisons that are compiled.
#[derive(Clone, Copy, PartialEq)]
enum Test {
    Equal,
    Less,
    /// Floating only, since NaN makes it differ from the inverse of the exchanged `Less`.
    LessEqual,
    /// Less or greater.
    Different,
    Unordered,
}

const INTEGER: [(&str, (Test, i64)); 6] = [
    ("eq", (Test::Equal, 0)),
    ("ne", (Test::Equal, INVERT)),
    ("lt", (Test::Less, 0)),
    ("gt", (Test::Less, EXCHANGE)),
    ("le", (Test::Less, EXCHANGE | INVERT)),
    ("ge", (Test::Less, INVERT)),
];
/// Older names for unsigned types.
const UNSIGNED: [(&str, (Test, i64)); 4] = [
    ("lo", (Test::Less, 0)),
    ("hi", (Test::Less, EXCHANGE)),
    ("ls", (Test::Less, EXCHANGE | INVERT)),
    ("hs", (Test::Less, INVERT)),
];
const FLOATING: [(&str, (Test, i64)); 14] = [
    ("eq", (Test::Equal, 0)),
    ("ne", (Test::Different, 0)),
    ("lt", (Test::Less, 0)),
    ("le", (Test::LessEqual, 0)),
    ("gt", (Test::Less, EXCHANGE)),
    ("ge", (Test::LessEqual, EXCHANGE)),
    ("equ", (Test::Different, INVERT)),
    ("neu", (Test::Equal, INVERT)),
    ("ltu", (Test::LessEqual, EXCHANGE | INVERT)),
    ("leu", (Test::Less, EXCHANGE | INVERT)),
    ("gtu", (Test::LessEqual, INVERT)),
    ("geu", (Test::Less, INVERT)),
    ("num", (Test::Unordered, INVERT)),
    ("nan", (Test::Unordered, 0)),
];

/// Whether the operand at `place` may be written `!p`. The lowering hands over the inverse then.
pub fn negates(opcode: &str, place: usize) -> bool {
    matches!(opcode, "setp" | "set") && place == 3
}

pub fn select(form: &mut Form) -> Option<Selected> {
    match form.opcode {
        "selp" => choose_by_predicate(form.word()),
        "slct" => choose_by_sign(form),
        _ => compare(form),
    }
}

/// The outcome of a comparison combined with the predicate `c`.
#[inline(always)]
fn combine(regs: &Regs, inst: &Inst, outcome: u32, c: Slot) -> u32 {
    if inst.imm & COMBINE == 0 {
        return outcome;
    }
    let c = regs.pred(c);
    match inst.imm & COMBINE {
        AND => outcome & c,
        OR => outcome | c,
        _ => outcome ^ c,
    }
}

/// Lanes for which the comparison as written holds.
#[inline(always)]
fn outcome<T: Lane>(
    regs: &Regs,
    inst: &Inst,
    a: Slot,
    b: Slot,
    test: impl Fn(T, T) -> bool,
) -> u32 {
    let operands = if inst.imm & EXCHANGE != 0 { [b, a] } else { [a, b] };
    test2(regs, operands, test) ^ if inst.imm & INVERT != 0 { u32::MAX } else { 0 }
}

#[inline(always)]
fn write_predicates(regs: &mut Regs, inst: &Inst, mask: u32, outcomes: [u32; 2]) {
    let [p, q, _, _, c, ..] = inst.ops;
    let [first, second] = outcomes.map(|outcome| combine(regs, inst, outcome, c));
    if p != NONE {
        regs.set_pred(p, mask, first);
    }
    if q != NONE {
        regs.set_pred(q, mask, second);
    }
}

#[inline(always)]
fn setp<T: Lane>(regs: &mut Regs, inst: &Inst, mask: u32, test: impl Fn(T, T) -> bool) {
    let [_, _, a, b, ..] = inst.ops;
    let outcome = outcome(regs, inst, a, b, test);
    write_predicates(regs, inst, mask, [outcome, !outcome]);
}

#[inline(always)]
fn setp_pairs(regs: &mut Regs, inst: &Inst, mask: u32, test: impl Fn(u16, u16) -> bool) {
    let [_, _, a, b, ..] = inst.ops;
    let lower = outcome(regs, inst, a, b, |a: u32, b: u32| test(a as u16, b as u16));
    let upper =
        outcome(regs, inst, a, b, |a: u32, b: u32| test((a >> 16) as u16, (b >> 16) as u16));
    write_predicates(regs, inst, mask, [lower, upper]);
}

/// The number's low word in the lanes of `lanes`, 0 in others.
#[inline(always)]
fn spread(inst: &Inst, lanes: u32) -> [u32; LANES] {
    std::array::from_fn(|lane| if lanes >> lane & 1 != 0 { inst.imm as u32 } else { 0 })
}

#[inline(always)]
fn set<T: Lane>(regs: &mut Regs, inst: &Inst, mask: u32, test: impl Fn(T, T) -> bool) {
    let [d, a, b, c, ..] = inst.ops;
    let outcome = outcome(regs, inst, a, b, test);
    let lanes = combine(regs, inst, outcome, c);
    regs.write(d, mask, &spread(inst, lanes));
}

#[inline(always)]
fn set_pairs(regs: &mut Regs, inst: &Inst, mask: u32, test: impl Fn(u16, u16) -> bool) {
    let [d, a, b, c, ..] = inst.ops;
    let lower = outcome(regs, inst, a, b, |a: u32, b: u32| test(a as u16, b as u16));
    let upper =
        outcome(regs, inst, a, b, |a: u32, b: u32| test((a >> 16) as u16, (b >> 16) as u16));
    let [lower, upper] = [lower, upper].map(|lanes| spread(inst, combine(regs, inst, lanes, c)));
    regs.write(d, mask, &std::array::from_fn(|l| lower[l] | upper[l] << 16));
}

/// `setp` and `set` with one comparison.
#[derive(Clone, Copy)]
struct Pair {
    setp: Alu,
    set: Alu,
}

macro_rules! pair {
    ($setp:ident, $set:ident, |$a:ident: $A:ty, $b:ident, $inst:ident| $e:expr) => {
        Pair {
            setp: alu!(|regs, $inst, mask| $setp(regs, $inst, mask, |$a: $A, $b: $A| $e)),
            set: alu!(|regs, $inst, mask| $set(regs, $inst, mask, |$a: $A, $b: $A| $e)),
        }
    };
}

/// The comparisons of floating numbers that `$to` reads from the bits of a lane.
macro_rules! floating {
    ($test:expr, $setp:ident, $set:ident, $bits:ty, |$x:ident, $inst:ident| $to:expr) => {{
        macro_rules! by {
            ($p:ident, $q:ident, $e:expr) => {
                pair!($setp, $set, |a: $bits, b, $inst| {
                    let read = |$x: $bits| $to;
                    let ($p, $q) = (read(a), read(b));
                    $e
                })
            };
        }
        match $test {
            Test::Equal => by!(a, b, a == b),
            Test::Less => by!(a, b, a < b),
            Test::LessEqual => by!(a, b, a <= b),
            Test::Different => by!(a, b, (a < b) | (a > b)),
            Test::Unordered => by!(a, b, a.is_nan() || b.is_nan()),
        }
    }};
}

fn halves<F: Widen>(bits: u16, inst: &Inst) -> f32 {
    let x = F::widen(bits);
    // f16 numbers that are subnormal there; bf16 has no such modifier.
    if inst.imm & FLUSH != 0 && x.abs() < F::MIN_NORMAL { 0.0 } else { x }
}

/// The comparison of a type and what the numbers are.
fn comparison(test: Test, ty: &str, ftz: bool) -> Option<(Pair, Class)> {
    if ftz && !matches!(ty, "f32" | "f16" | "f16x2") {
        return None;
    }
    let floating = match ty {
        "f32" if ftz => floating!(test, setp, set, f32, |x, _inst| flush(x)),
        "f32" => floating!(test, setp, set, f32, |x, _inst| x),
        "f64" => {
            let pair = floating!(test, setp, set, f64, |x, _inst| x);
            return Some((pair, Class::Float64));
        }
        "f16" => floating!(test, setp, set, u16, |x, inst| halves::<Half>(x, inst)),
        "bf16" => floating!(test, setp, set, u16, |x, inst| halves::<BFloat>(x, inst)),
        "f16x2" => floating!(test, setp_pairs, set_pairs, u16, |x, inst| halves::<Half>(x, inst)),
        "bf16x2" => {
            floating!(test, setp_pairs, set_pairs, u16, |x, inst| halves::<BFloat>(x, inst))
        }
        _ => return Some((integer(test, ty)?, Class::Integer)),
    };
    Some((floating, if ty == "f32" { Class::Float32 } else { Class::Half }))
}

fn integer(test: Test, ty: &str) -> Option<Pair> {
    match test {
        Test::Equal => typed!(ty; "b16" | "u16" | "s16" => u16, "b32" | "u32" | "s32" => u32,
            "b64" | "u64" | "s64" => u64; pair!(setp, set, |a: T, b, _inst| a == b)),
        Test::Less => {
            typed!(ty; "u16" => u16, "s16" => i16, "u32" => u32, "s32" => i32, "u64" => u64,
            "s64" => i64; pair!(setp, set, |a: T, b, _inst| a < b))
        }
        _ => None,
    }
}

/// `setp.CmpOp{.BoolOp}{.ftz}.type` and `set.CmpOp{.BoolOp}{.ftz}.dtype.stype`.
fn compare(form: &mut Form) -> Option<Selected> {
    let is_setp = form.opcode == "setp";
    let ty = form.last();
    let (test, mut imm) = match ty.as_bytes().first()? {
        b'f' if ty.starts_with('f') => form.one_of(&FLOATING)?,
        b'b' if ty.starts_with("bf") => form.one_of(&FLOATING)?,
        b'u' => form.one_of(&INTEGER).or_else(|| form.one_of(&UNSIGNED))?,
        b's' => form.one_of(&INTEGER)?,
        b'b' => form.one_of(&INTEGER).filter(|(test, _)| *test == Test::Equal)?,
        _ => return None,
    };
    let combined = form.one_of(&[("and", AND), ("or", OR), ("xor", XOR)]);
    imm |= combined.unwrap_or(0);
    let ftz = form.take("ftz");
    imm |= if ftz { FLUSH } else { 0 };
    let (pair, class) = comparison(test, ty, ftz)?;
    let sources: &[Ty] = match (ty, combined.is_some()) {
        ("f32", false) => &[Ty::F32, Ty::F32],
        ("f32", true) => &[Ty::F32, Ty::F32, Ty::Pred],
        ("f64", false) => &[Ty::F64, Ty::F64],
        ("f64", true) => &[Ty::F64, Ty::F64, Ty::Pred],
        ("b64" | "u64" | "s64", false) => &[Ty::D, Ty::D],
        ("b64" | "u64" | "s64", true) => &[Ty::D, Ty::D, Ty::Pred],
        ("b32" | "u32" | "s32" | "f16x2" | "bf16x2", false) => &[Ty::W, Ty::W],
        ("b32" | "u32" | "s32" | "f16x2" | "bf16x2", true) => &[Ty::W, Ty::W, Ty::Pred],
        (_, false) => &[Ty::H, Ty::H],
        (_, true) => &[Ty::H, Ty::H, Ty::Pred],
    };
    if is_setp {
        let results = &[Ty::Pred, Ty::Pred];
        return Some(Selected { alu: pair.setp, results, sources, class, fmas: 0, imm });
    }
    let dtype = form.word();
    if ftz && dtype == "bf16" {
        return None;
    }
    let (results, when_true) = set_result(dtype, ty)?;
    imm |= i64::from(when_true);
    Some(Selected { alu: pair.set, results, sources, class, fmas: 0, imm })
}

/// Kind of the result of `set`, and the bits that stand for true (of one half, for pairs).
fn set_result(dtype: &str, stype: &str) -> Option<(&'static [Ty], u32)> {
    let of_halves = matches!(stype, "f16" | "bf16");
    let of_pairs = matches!(stype, "f16x2" | "bf16x2");
    Some(match dtype {
        "u32" | "s32" if of_pairs => (&[Ty::W], 0xffff),
        "f16x2" if stype == dtype => (&[Ty::W], 0x3c00),
        "bf16x2" if stype == dtype => (&[Ty::W], 0x3f80),
        _ if of_pairs => return None,
        "u32" | "s32" => (&[Ty::W], u32::MAX),
        "u16" | "s16" if of_halves => (&[Ty::H], 0xffff),
        "f32" if !of_halves => (&[Ty::F32], 0x3f80_0000),
        "f16" if stype != "bf16" => (&[Ty::H], 0x3c00),
        "bf16" => (&[Ty::H], 0x3f80),
        _ => return None,
    })
}

/// `selp`: a where the predicate holds, else b.
fn choose_by_predicate(ty: &str) -> Option<Selected> {
    #[inline(always)]
    fn choose<T: Lane>(regs: &mut Regs, inst: &Inst, mask: u32) {
        let [d, a, b, c, ..] = inst.ops;
        let (a, b, c) = (regs.read::<T>(a), regs.read::<T>(b), regs.pred(c));
        let chosen = std::array::from_fn(|l| if c >> l & 1 != 0 { a[l] } else { b[l] });
        regs.write(d, mask, &chosen);
    }
    let alu = typed!(ty; "b16" | "u16" | "s16" => u16, "b32" | "u32" | "s32" | "f32" => u32,
        "b64" | "u64" | "s64" | "f64" => u64; alu!(|regs, inst, mask| choose::<T>(regs, inst, mask)))?;
    let (results, sources): (&[Ty], &[Ty]) = match ty {
        "b16" | "u16" | "s16" => (&[Ty::H], &[Ty::H, Ty::H, Ty::Pred]),
        "f32" => (&[Ty::F32], &[Ty::F32, Ty::F32, Ty::Pred]),
        "f64" => (&[Ty::F64], &[Ty::F64, Ty::F64, Ty::Pred]),
        "b32" | "u32" | "s32" => (&[Ty::W], &[Ty::W, Ty::W, Ty::Pred]),
        _ => (&[Ty::D], &[Ty::D, Ty::D, Ty::Pred]),
    };
    Some(Selected { alu, results, sources, class: Class::Move, fmas: 0, imm: 0 })
}

/// `slct.dtype.s32` and `slct{.ftz}.dtype.f32`: a where c ≥ 0, else b; a NaN is not ≥ 0.
fn choose_by_sign(form: &mut Form) -> Option<Selected> {
    let ftz = form.take("ftz");
    let (dtype, ctype) = (form.word(), form.word());
    let width = match dtype {
        "b16" | "u16" | "s16" => "16",
        "b32" | "u32" | "s32" | "f32" => "32",
        "b64" | "u64" | "s64" | "f64" => "64",
        _ => return None,
    };
    let mut selected = match (ctype, ftz) {
        ("s32", false) => typed!(width; "16" => u16, "32" => u32, "64" => u64;
            op!(Integer, |a: T, b: T, c: i32| -> T { if c >= 0 { a } else { b } })),
        ("f32", false) => typed!(width; "16" => u16, "32" => u32, "64" => u64;
            op!(Float32, |a: T, b: T, c: f32| -> T { if c >= 0.0 { a } else { b } })),
        ("f32", true) => typed!(width; "16" => u16, "32" => u32, "64" => u64;
            op!(Float32, |a: T, b: T, c: f32| -> T { if flush(c) >= 0.0 { a } else { b } })),
        _ => None,
    }?;
    let c = if ctype == "s32" { Ty::W } else { Ty::F32 };
    match (dtype, c) {
        ("f32", Ty::W) => {
            (selected.results, selected.sources) = (&[Ty::F32], &[Ty::F32, Ty::F32, Ty::W])
        }
        ("f32", _) => (selected.results, selected.sources) = (&[Ty::F32], &[Ty::F32; 3]),
        ("f64", Ty::W) => {
            (selected.results, selected.sources) = (&[Ty::F64], &[Ty::F64, Ty::F64, Ty::W])
        }
        ("f64", _) => {
            (selected.results, selected.sources) = (&[Ty::F64], &[Ty::F64, Ty::F64, Ty::F32])
        }
        _ => {}
    }
    Some(selected)
}
