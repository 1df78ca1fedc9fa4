//! Approximate functions. Their bits are not specified, only bounds of their error; here they come out of
//! f64 functions, rounded, and can be moved within the bounds on purpose.

use super::float32::{canonical, flush};
use super::float64::payload;
use super::form::{Form, both1, op};
use super::half::{BFloat, Half, Widen, f32_to_odd};
use crate::exec::inst::{Selected, alu};
use crate::exec::regs::{map1, map2};

/// How far a result may lie from the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Units in the last place of the exact result, in the format of the result.
    Ulp(f64),
    /// Times the exact result.
    Relative(f64),
    Absolute(f64),
    /// The manual promises nothing.
    Open,
}

/// A function that is computed approximately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Divide,
    DivideFull,
    Reciprocal,
    SquareRoot,
    ReciprocalSquareRoot,
    Sine,
    Cosine,
    Log2,
    Exp2,
    Tanh,
    Exp2Half,
    Exp2BFloat,
    TanhHalf,
    TanhBFloat,
}

/// The bound of a function for an input (for a division, the divisor), from the section of the PTX ISA
/// 9.0 that describes the instruction.
pub fn bound(function: Function, x: f64) -> Bound {
    use std::f64::consts::PI;
    match function {
        // "For |b| in [2^-126, 2^126] the maximum ulp error is 2"; div.full has it everywhere.
        Function::Divide if x.abs() < 2f64.powi(-126) => Bound::Open,
        Function::Divide | Function::DivideFull => Bound::Ulp(2.0),
        Function::Reciprocal => Bound::Ulp(1.0),
        Function::SquareRoot => Bound::Relative(2f64.powi(-23)),
        Function::ReciprocalSquareRoot => Bound::Relative(2f64.powf(-22.9)),
        Function::Sine | Function::Cosine if x.abs() <= 2.0 * PI => {
            Bound::Absolute(2f64.powf(-20.5))
        }
        Function::Sine | Function::Cosine if x.abs() <= 100.0 * PI => {
            Bound::Absolute(2f64.powf(-14.7))
        }
        Function::Sine | Function::Cosine => Bound::Open,
        Function::Log2 if x > 0.5 && x < 2.0 => Bound::Absolute(2f64.powi(-22)),
        Function::Log2 => Bound::Relative(2f64.powi(-22)),
        Function::Exp2 => Bound::Ulp(2.0),
        Function::Tanh => Bound::Relative(2f64.powi(-11)),
        Function::Exp2Half => Bound::Relative(2f64.powf(-9.9)),
        Function::Exp2BFloat => Bound::Relative(2f64.powi(-7)),
        Function::TanhHalf => Bound::Absolute(2f64.powf(-10.987)),
        Function::TanhBFloat => Bound::Absolute(2f64.powi(-8)),
    }
}

/// The unit in the last place of an f32, f16 or bf16 near `x`.
fn ulp(x: f64, digits: i32, min_exponent: i32) -> f64 {
    let exponent = ((x.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(min_exponent);
    f64::from_bits(((exponent - digits + 1 + 1023) as u64) << 52)
}

/// A share between -1 and 1, of at least one half in magnitude, that depends on the input only.
fn hash(bits: u64) -> f64 {
    let mut h = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    h = (h ^ h >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h ^= h >> 32;
    let size = 0.5 + 0.5 * (h & 0xff_ffff) as f64 / f64::from(0xff_ffff);
    if h >> 63 != 0 { -size } else { size }
}

/// Format of a result: digits, smallest exponent.
const F32: (i32, i32) = (24, -126);
const F16: (i32, i32) = (11, -14);
const BF16: (i32, i32) = (8, -126);

/// `exact`, moved by the share `perturb` of what its bound leaves after rounding to the format.
fn moved(function: Function, x: f64, exact: f64, format: (i32, i32), perturb: f32) -> f64 {
    if perturb == 0.0 || !exact.is_finite() || exact == 0.0 || x == 0.0 || !x.is_finite() {
        return exact;
    }
    let ulp = ulp(exact, format.0, format.1);
    let allowed = match bound(function, x) {
        Bound::Ulp(ulps) => ulps * ulp,
        Bound::Relative(share) => share * exact.abs(),
        Bound::Absolute(error) => error,
        Bound::Open => 0.0,
    };
    // Half a unit is the rounding's, at the far end of what is allowed, and a little f64's own.
    let room = (allowed - 0.501 * self::ulp(exact.abs() + allowed, format.0, format.1)).max(0.0);
    let shift = room * f64::from(perturb.clamp(-1.0, 1.0)) * hash(x.to_bits() ^ exact.to_bits());
    match function {
        // Beyond ±1 nothing could come out of a machine.
        Function::Sine
        | Function::Cosine
        | Function::Tanh
        | Function::TanhHalf
        | Function::TanhBFloat => (exact + shift).clamp(-1.0, 1.0),
        _ => exact + shift,
    }
}

/// The functions of one number.
fn exact(function: Function, x: f64) -> f64 {
    match function {
        Function::Reciprocal => 1.0 / x,
        Function::SquareRoot => x.sqrt(),
        Function::ReciprocalSquareRoot => 1.0 / x.sqrt(),
        Function::Sine => x.sin(),
        Function::Cosine => x.cos(),
        Function::Log2 => x.log2(),
        Function::Exp2 | Function::Exp2Half | Function::Exp2BFloat => x.exp2(),
        _ => x.tanh(),
    }
}

#[inline(always)]
fn round_f32(function: Function, x: f64, exact: f64, ftz: bool, perturb: f32) -> f32 {
    let moved = moved(function, x, exact, F32, perturb) as f32;
    // A result that exists is not moved out of the range.
    let result = if moved.is_infinite() { exact as f32 } else { moved };
    canonical(if ftz { flush(result) } else { result })
}

fn unary32(function: Function, x: f32, ftz: bool, perturb: f32) -> f32 {
    let x = f64::from(if ftz { flush(x) } else { x });
    round_f32(function, x, exact(function, x), ftz, perturb)
}

fn divide32(a: f32, b: f32, full: bool, ftz: bool, perturb: f32) -> f32 {
    let (a, b) = if ftz { (flush(a), flush(b)) } else { (a, b) };
    if !full && b.abs() > 2f32.powi(126) && b.is_finite() && !a.is_nan() {
        // The reciprocal underflows: "if a is infinity NaN, otherwise a sign-preserving zero".
        return if a.is_infinite() {
            canonical(f32::NAN)
        } else {
            0f32.copysign(a) * 1f32.copysign(b)
        };
    }
    let function = if full { Function::DivideFull } else { Function::Divide };
    let exact = f64::from(a) / f64::from(b);
    round_f32(function, f64::from(b), exact, ftz, perturb)
}

/// A function of f16 or bf16 numbers.
fn unary16<F: Widen>(
    function: Function,
    bits: u16,
    ftz: bool,
    format: (i32, i32),
    perturb: f32,
) -> u16 {
    let x = F::widen(bits);
    let x = f64::from(if ftz { flush(x) } else { x });
    let result = F::narrow(f32_to_odd(moved(function, x, exact(function, x), format, perturb)));
    // Subnormal bf16 numbers are subnormal in f32 too.
    if ftz && result & F::EXPONENT == 0 { result & 0x8000 } else { result }
}

pub fn select(form: &mut Form) -> Option<Selected> {
    let ty = form.last();
    match (form.opcode, ty) {
        ("div", "f32") => {
            let full = form.one_of(&[("approx", false), ("full", true)])?;
            return Some(divide(full, form.take("ftz")));
        }
        ("rcp", "f64") => {
            return (form.take("approx") && form.take("ftz"))
                .then(|| op!(Special, |a: f64| -> f64 { upper_word(a, |x| 1.0 / x) }));
        }
        ("rsqrt", "f64") if form.take("approx") => {
            return Some(match form.take("ftz") {
                true => op!(Special, |a: f64| -> f64 { upper_word(a, |x| 1.0 / x.sqrt()) }),
                false => op!(Special, |a: f64| -> f64 { reciprocal_root(a) }),
            });
        }
        _ => form.take("approx").then_some(())?,
    }
    let ftz = form.take("ftz");
    match ty {
        "f32" => unary(form.opcode, ftz),
        "f16" | "f16x2" if !ftz => halves(form.opcode, ty),
        "bf16" | "bf16x2" if ftz == (form.opcode == "ex2") => halves(form.opcode, ty),
        _ => None,
    }
}

fn divide(full: bool, ftz: bool) -> Selected {
    macro_rules! divide {
        ($full:literal, $ftz:literal) => {
            Selected {
                alu: alu!(|regs, inst, mask| {
                    let [d, a, b, ..] = inst.ops;
                    let perturb = regs.perturb;
                    map2(regs, d, [a, b], mask, |a, b| divide32(a, b, $full, $ftz, perturb));
                }),
                ..op!(Special, |a: f32, b: f32| -> f32 { a / b })
            }
        };
    }
    match (full, ftz) {
        (false, false) => divide!(false, false),
        (false, true) => divide!(false, true),
        (true, false) => divide!(true, false),
        (true, true) => divide!(true, true),
    }
}

fn unary(opcode: &str, ftz: bool) -> Option<Selected> {
    macro_rules! unary {
        ($function:ident) => {
            Selected {
                alu: alu!(|regs, inst, mask| {
                    let ([d, a, ..], perturb, ftz) = (inst.ops, regs.perturb, inst.imm != 0);
                    map1(regs, d, a, mask, |x| unary32(Function::$function, x, ftz, perturb));
                }),
                ..op!(Special, |a: f32| -> f32 { a })
            }
        };
    }
    let selected = match opcode {
        "rcp" => unary!(Reciprocal),
        "sqrt" => unary!(SquareRoot),
        "rsqrt" => unary!(ReciprocalSquareRoot),
        "sin" => unary!(Sine),
        "cos" => unary!(Cosine),
        "lg2" => unary!(Log2),
        "ex2" => unary!(Exp2),
        "tanh" if !ftz => unary!(Tanh),
        _ => return None,
    };
    Some(selected.imm(i64::from(ftz)))
}

/// `ex2` and `tanh` of f16 and bf16, alone and in pairs. `ex2` of bf16 flushes, always.
fn halves(opcode: &str, ty: &str) -> Option<Selected> {
    macro_rules! halves {
        ($F:ty, $function:ident, $ftz:literal, $format:ident) => {
            if ty.ends_with("x2") {
                Selected {
                    alu: alu!(|regs, inst, mask| {
                        let ([d, a, ..], perturb) = (inst.ops, regs.perturb);
                        let f = |x| unary16::<$F>(Function::$function, x, $ftz, $format, perturb);
                        map1(regs, d, a, mask, |a| both1(a, f));
                    }),
                    ..op!(Special, |a: u32| -> u32 { a })
                }
            } else {
                Selected {
                    alu: alu!(|regs, inst, mask| {
                        let ([d, a, ..], perturb) = (inst.ops, regs.perturb);
                        let f = |x| unary16::<$F>(Function::$function, x, $ftz, $format, perturb);
                        map1(regs, d, a, mask, f);
                    }),
                    ..op!(Special, |a: u16| -> u16 { a })
                }
            }
        };
    }
    Some(match (opcode, ty.starts_with('b')) {
        ("ex2", false) => halves!(Half, Exp2Half, false, F16),
        ("ex2", true) => halves!(BFloat, Exp2BFloat, true, BF16),
        ("tanh", false) => halves!(Half, TanhHalf, false, F16),
        ("tanh", true) => halves!(BFloat, TanhBFloat, false, BF16),
        _ => return None,
    })
}

/// `rcp.approx.ftz.f64` and `rsqrt.approx.ftz.f64`: of the upper word of a, with a lower word of zeros.
/// The manual gives no bound; the result here is the exact one, rounded to the 20 digits kept.
#[inline(always)]
fn upper_word(a: f64, f: impl Fn(f64) -> f64) -> f64 {
    const UPPER: u64 = 0xffff_ffff_0000_0000;
    let flush = |x: f64| if x.abs() < f64::MIN_POSITIVE { 0f64.copysign(x) } else { x };
    let result = f(flush(f64::from_bits(a.to_bits() & UPPER)));
    if a.is_nan() || result.is_nan() {
        return f64::from_bits(0x7fff_ffff_0000_0000);
    }
    // Half of the last digit kept carries; of the largest numbers it would into infinity, and does not.
    let rounded = if result.is_finite() {
        result.to_bits().wrapping_add(0x8000_0000)
    } else {
        result.to_bits()
    };
    flush(f64::from_bits(rounded & UPPER))
}

/// `rsqrt.approx.f64`, for which the manual gives no bound: as accurate as two operations of f64 are.
#[inline(always)]
fn reciprocal_root(a: f64) -> f64 {
    payload([a], 1.0 / a.sqrt())
}
