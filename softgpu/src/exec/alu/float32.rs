//! f32 arithmetic (PTX ISA, "Floating-Point Instructions").

use super::form::{Form, op};
use super::soft::{self, Format, Number, Round, pack, unpack};
use crate::exec::inst::{Alu, Class, Selected, Ty, alu};
use crate::exec::regs::{LANES, Regs, Slot};

/// The NaN of every f32 result. Told from the bits: to the compiler one NaN is as good as another, and
/// it drops a choice between floating NaNs.
#[inline(always)]
pub fn canonical(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fff_ffff } else { bits })
}

/// `.ftz`: a subnormal number becomes zero of its sign.
#[inline(always)]
pub fn flush(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits })
}

/// `.sat`: into [0, 1], NaN to +0.
#[inline(always)]
pub fn saturate(x: f32) -> f32 {
    let positive = if x > 0.0 { x } else { 0.0 };
    if positive < 1.0 { positive } else { 1.0 }
}

/// What a form of rounded arithmetic carries in its number beside the rounding of [`Round`].
pub const FLUSH: i64 = 8;
pub const SATURATE: i64 = 16;

pub fn select(form: &mut Form) -> Option<Selected> {
    match form.opcode {
        "add" | "sub" | "mul" | "fma" | "mad" => arithmetic(form),
        "div" | "rcp" | "sqrt" => divide(form),
        "abs" | "neg" => sign(form),
        "min" | "max" => min_max(form),
        "copysign" => (form.word() == "f32").then(|| {
            // The sign of a, the magnitude of b.
            op!(Float32, |a: f32, b: f32| -> f32 { b.copysign(a) })
        }),
        "testp" => test_property(form),
        _ => None,
    }
}

pub const ROUNDINGS: [(&str, Round); 4] =
    [("rn", Round::Nearest), ("rz", Round::Zero), ("rm", Round::Down), ("rp", Round::Up)];

/// A form rounded to nearest, for each of its modifiers a body of its own.
macro_rules! nearest {
    ($flush:expr, $sat:expr, $class:ident, |$($x:ident),+| $e:expr) => {
        match ($flush, $sat) {
            (false, false) => op!($class, |$($x: f32),+| -> f32 { canonical($e) }),
            (true, false) => op!($class, |$($x: f32),+| -> f32 { $(let $x = flush($x);)+ canonical(flush($e)) }),
            (false, true) => op!($class, |$($x: f32),+| -> f32 { saturate($e) }),
            (true, true) => op!($class, |$($x: f32),+| -> f32 { $(let $x = flush($x);)+ saturate(flush($e)) }),
        }
    };
}

/// A form rounded in the direction that its number tells, by exact arithmetic.
macro_rules! directed {
    ($class:ident, |$mode:ident, $($x:ident),+| $e:expr) => {
        op!(code => $class, |$($x: f32),+| -> f32 {
            let $mode = Round::from_code(code);
            $(let $x = number($x, code);)+
            finish($e, code)
        })
    };
}

fn number(x: f32, code: i64) -> Number {
    let x = if code & FLUSH != 0 { flush(x) } else { x };
    unpack(soft::F32, u64::from(x.to_bits()))
}

fn finish(x: Number, code: i64) -> f32 {
    let bits = pack(soft::F32, x, Round::from_code(code));
    let x = f32::from_bits(bits as u32);
    let x = if code & FLUSH != 0 { flush(x) } else { x };
    if code & SATURATE != 0 { saturate(x) } else { x }
}

pub fn negated(number: Number) -> Number {
    match number {
        Number::Nan => Number::Nan,
        Number::Infinite { negative } => Number::Infinite { negative: !negative },
        Number::Finite(x) => Number::Finite(soft::Finite { negative: !x.negative, ..x }),
    }
}

fn arithmetic(form: &mut Form) -> Option<Selected> {
    let fused = matches!(form.opcode, "fma" | "mad");
    let rounding = form.one_of(&ROUNDINGS);
    let mode = if fused { rounding? } else { rounding.unwrap_or(Round::Nearest) };
    let (ftz, sat) = (form.take("ftz"), form.take("sat"));
    let word = form.word();
    if word == "f32x2" && !sat {
        return pairs(form.opcode, mode, ftz);
    }
    (word == "f32").then_some(())?;
    let code = mode as i64 | if ftz { FLUSH } else { 0 } | if sat { SATURATE } else { 0 };
    let selected = match (form.opcode, mode == Round::Nearest) {
        ("add", true) => nearest!(ftz, sat, Float32, |a, b| a + b),
        ("sub", true) => nearest!(ftz, sat, Float32, |a, b| a - b),
        ("mul", true) => nearest!(ftz, sat, Float32, |a, b| a * b),
        (_, true) => nearest!(ftz, sat, Fma32, |a, b, c| a.mul_add(b, c)),
        ("add", false) => directed!(Float32, |mode, a, b| soft::add(a, b, mode)),
        ("sub", false) => directed!(Float32, |mode, a, b| soft::add(a, negated(b), mode)),
        ("mul", false) => directed!(Float32, |_mode, a, b| soft::mul(a, b)),
        (_, false) => directed!(Fma32, |mode, a, b, c| soft::add(soft::mul(a, b), c, mode)),
    };
    Some(selected.imm(code).fmas(u8::from(fused)))
}

/// `add`, `sub`, `mul` and `fma` on two f32 in a register of 64 bits.
fn pairs(opcode: &str, mode: Round, ftz: bool) -> Option<Selected> {
    macro_rules! pairs {
        (|$mode:ident, $($x:ident),+| $fast:expr, $exact:expr) => {
            if mode == Round::Nearest && !ftz {
                op!(Float32, |$($x: u64),+| -> u64 {
                    let half = |$($x: u64),+| {
                        $(let $x = f32::from_bits($x as u32);)+
                        u64::from(canonical($fast).to_bits())
                    };
                    half($($x >> 32),+) << 32 | half($($x),+)
                })
            } else {
                op!(code => Float32, |$($x: u64),+| -> u64 {
                    let $mode = Round::from_code(code);
                    let half = |$($x: u64),+| {
                        $(let $x = number(f32::from_bits($x as u32), code);)+
                        u64::from(finish($exact, code).to_bits())
                    };
                    half($($x >> 32),+) << 32 | half($($x),+)
                })
            }
        };
    }
    let selected = match opcode {
        "add" => pairs!(|mode, a, b| a + b, soft::add(a, b, mode)),
        "sub" => pairs!(|mode, a, b| a - b, soft::add(a, negated(b), mode)),
        "mul" => pairs!(|_mode, a, b| a * b, soft::mul(a, b)),
        "fma" => {
            let fma = pairs!(|mode, a, b, c| a.mul_add(b, c), soft::add(soft::mul(a, b), c, mode));
            Selected { class: Class::Fma32, ..fma.fmas(2) }
        }
        _ => return None,
    };
    Some(selected.imm(mode as i64 | if ftz { FLUSH } else { 0 }))
}

fn divide(form: &mut Form) -> Option<Selected> {
    let mode = form.one_of(&ROUNDINGS)?;
    let ftz = form.take("ftz");
    (form.word() == "f32").then_some(())?;
    let code = mode as i64 | if ftz { FLUSH } else { 0 };
    let selected = match (form.opcode, mode == Round::Nearest) {
        ("div", true) => nearest!(ftz, false, Float32, |a, b| a / b),
        ("rcp", true) => nearest!(ftz, false, Float32, |a| 1.0 / a),
        (_, true) => nearest!(ftz, false, Float32, |a| a.sqrt()),
        ("div", false) => directed!(Float32, |_mode, a, b| soft::div(a, b)),
        ("rcp", false) => directed!(Float32, |_mode, a| soft::div(number(1.0, 0), a)),
        (_, false) => directed!(Float32, |_mode, a| soft::sqrt(a)),
    };
    Some(selected.imm(code))
}

/// `abs` and `neg` touch the sign bit of NaNs as of numbers.
fn sign(form: &mut Form) -> Option<Selected> {
    let ftz = form.take("ftz");
    (form.word() == "f32").then_some(())?;
    Some(match (form.opcode, ftz) {
        ("abs", false) => op!(Float32, |a: f32| -> f32 { a.abs() }),
        ("abs", true) => op!(Float32, |a: f32| -> f32 { flush(a).abs() }),
        (_, false) => op!(Float32, |a: f32| -> f32 { -a }),
        (_, true) => op!(Float32, |a: f32| -> f32 { -flush(a) }),
    })
}

/// The smaller number; the other one if one is NaN; -0 below +0.
#[inline(always)]
pub fn min_number(a: f32, b: f32) -> f32 {
    // On equal numbers the bits differ in zeros only: or keeps a minus sign.
    let tie = f32::from_bits(a.to_bits() | b.to_bits());
    let smaller = if a < b { a } else { b };
    let smaller = if a == b { tie } else { smaller };
    let smaller = if b.is_nan() { a } else { smaller };
    canonical(smaller)
}

/// The larger number; otherwise as [`min_number`].
#[inline(always)]
pub fn max_number(a: f32, b: f32) -> f32 {
    let tie = f32::from_bits(a.to_bits() & b.to_bits());
    let larger = if a > b { a } else { b };
    let larger = if a == b { tie } else { larger };
    let larger = if b.is_nan() { a } else { larger };
    canonical(larger)
}

/// Bits of the number of `min` and `max`.
pub const NAN: i64 = 1;
pub const XORSIGN: i64 = 2;
pub const ABS: i64 = 4;

/// `min` or `max` with modifiers, of two numbers.
#[inline(always)]
pub fn choose(a: f32, b: f32, code: i64, f: impl Fn(f32, f32) -> f32) -> f32 {
    let sign = (a.to_bits() ^ b.to_bits()) & 0x8000_0000;
    let (a, b) = if code & FLUSH != 0 { (flush(a), flush(b)) } else { (a, b) };
    let (x, y) = if code & (XORSIGN | ABS) != 0 { (a.abs(), b.abs()) } else { (a, b) };
    let d = f(x, y);
    let nan = code & NAN != 0 && (a.is_nan() || b.is_nan());
    let d = if nan { f32::from_bits(0x7fff_ffff) } else { canonical(d) };
    if code & XORSIGN != 0 && !d.is_nan() { f32::from_bits(d.to_bits() | sign) } else { d }
}

/// `min{.ftz}{.NaN}{.xorsign.abs}.f32` of two, `min{.ftz}{.NaN}{.abs}.f32` of three numbers.
fn min_max(form: &mut Form) -> Option<Selected> {
    let is_min = form.opcode == "min";
    let mut code = if form.take("ftz") { FLUSH } else { 0 };
    code |= if form.take("NaN") { NAN } else { 0 };
    let xorsign = form.take("xorsign");
    let abs = form.take("abs");
    (form.word() == "f32").then_some(())?;
    let three = form.operands.len() == 4;
    if (xorsign && (!abs || three)) || (abs && !xorsign && !three) {
        return None;
    }
    code |= if xorsign { XORSIGN } else { 0 } | if abs { ABS } else { 0 };
    let selected = match (is_min, three, code) {
        (true, false, 0) => op!(Float32, |a: f32, b: f32| -> f32 { min_number(a, b) }),
        (false, false, 0) => op!(Float32, |a: f32, b: f32| -> f32 { max_number(a, b) }),
        (true, false, _) => {
            op!(code => Float32, |a: f32, b: f32| -> f32 { choose(a, b, code, min_number) })
        }
        (false, false, _) => {
            op!(code => Float32, |a: f32, b: f32| -> f32 { choose(a, b, code, max_number) })
        }
        (true, true, _) => op!(code => Float32, |a: f32, b: f32, c: f32| -> f32 {
            choose(choose(a, b, code, min_number), c, code, min_number)
        }),
        (false, true, _) => op!(code => Float32, |a: f32, b: f32, c: f32| -> f32 {
            choose(choose(a, b, code, max_number), c, code, max_number)
        }),
    };
    Some(selected.imm(code))
}

/// The lanes for which `f` holds, to a predicate.
#[inline(always)]
pub fn set_where(regs: &mut Regs, d: Slot, mask: u32, f: impl Fn(usize) -> bool) {
    let lanes = (0..LANES).fold(0, |lanes, lane| lanes | u32::from(f(lane)) << lane);
    regs.set_pred(d, mask, lanes);
}

/// Whether the number with these bits is of the kind; zeros count as normal.
pub fn has_property(format: Format, property: i64, bits: u64) -> bool {
    let finite = match unpack(format, bits) {
        Number::Nan => return property == 3,
        Number::Infinite { .. } => return property == 1 || property == 2,
        Number::Finite(finite) => finite,
    };
    let subnormal = format.flush(bits) != bits && finite.digits != 0;
    match property {
        0 | 2 => true,
        4 => !subnormal,
        5 => subnormal,
        _ => false,
    }
}

pub const PROPERTIES: [(&str, i64); 6] = [
    ("finite", 0),
    ("infinite", 1),
    ("number", 2),
    ("notanumber", 3),
    ("normal", 4),
    ("subnormal", 5),
];

fn test_property(form: &mut Form) -> Option<Selected> {
    const TEST: Alu = alu!(|regs, inst, mask| {
        let [d, a, ..] = inst.ops;
        let a = regs.read::<u32>(a);
        set_where(regs, d, mask, |l| has_property(soft::F32, inst.imm, a[l].into()));
    });
    let imm = form.one_of(&PROPERTIES)?;
    (form.word() == "f32").then_some(Selected {
        alu: TEST,
        results: &[Ty::Pred],
        sources: &[Ty::F32],
        class: Class::Float32,
        fmas: 0,
        imm,
    })
}
