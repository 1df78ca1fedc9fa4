//! f16 and bf16, alone and in pairs (PTX ISA, "Half Precision Floating-Point Instructions").
//!
//! Numbers are widened to f32, where sums and products of two are exact or have so many more digits that
//! rounding twice gives the same as rounding once (24 ≥ 2 × 11 + 2). A fused multiply-add has no such
//! margin: its sum is rounded to odd first, which any later rounding to fewer digits tolerates.

use super::float32::{ABS, NAN, XORSIGN, canonical, choose, max_number, min_number};
use super::form::{Form, both1, both2, both3, op};
use crate::exec::inst::Selected;

/// A format of 16 bits.
pub trait Widen {
    /// The smallest normal number.
    const MIN_NORMAL: f32;
    const ONE: u16;
    /// Bits of the exponent.
    const EXPONENT: u16;

    /// The same number in f32.
    fn widen(bits: u16) -> f32;
    /// The nearest number, ties to even; NaN is 0x7fff.
    fn narrow(x: f32) -> u16;
    /// a × b + c, rounded once.
    fn fused(a: u16, b: u16, c: u16) -> u16;
}

pub struct Half;
pub struct BFloat;

/// `sum`, of which `error` was lost, as the neighbour with an odd last digit.
macro_rules! to_odd {
    ($sum:expr, $error:expr, $ty:ty) => {{
        let (sum, error): ($ty, $ty) = ($sum, $error);
        let bits = sum.to_bits();
        let inexact = (error < 0.0) | (error > 0.0);
        // In magnitude the exact sum is beyond the rounded one, or short of it.
        let odd =
            if (error > 0.0) == (sum > 0.0) { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
        <$ty>::from_bits(if inexact & (bits & 1 == 0) { odd } else { bits })
    }};
}

/// a + b rounded to odd. The error of a rounded sum is computed exactly (Knuth's two-sum).
macro_rules! add_to_odd {
    ($a:expr, $b:expr, $ty:ty) => {{
        let (a, b): ($ty, $ty) = ($a, $b);
        let sum = a + b;
        let b_part = sum - a;
        let error = (a - (sum - b_part)) + (b - b_part);
        to_odd!(sum, error, $ty)
    }};
}

impl Widen for Half {
    const MIN_NORMAL: f32 = 1.0 / 16384.0;
    const ONE: u16 = 0x3c00;
    const EXPONENT: u16 = 0x7c00;

    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        let bits = u32::from(bits);
        // The exponent moves up by 112 in a multiplication, which also normalizes subnormal numbers.
        let scaled = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
        let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(scaled.to_bits() | special | (bits & 0x8000) << 16)
    }

    #[inline(always)]
    fn narrow(x: f32) -> u16 {
        let bits = x.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        // Adding just under half a last digit, or half where the digit is odd, carries where it must.
        let rounding = 0xfff + (magnitude >> 13 & 1);
        let normal = magnitude.wrapping_sub(112 << 23).wrapping_add(rounding) >> 13;
        // 0.5 has its last digit where subnormal numbers have theirs.
        let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
        let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
        let number = if magnitude >= 0x4780_0000 { 0x7c00 } else { finite };
        let signed = number | bits >> 16 & 0x8000;
        (if magnitude > 0x7f80_0000 { 0x7fff } else { signed }) as u16
    }

    #[inline(always)]
    fn fused(a: u16, b: u16, c: u16) -> u16 {
        // The product has 22 digits: exact.
        Self::narrow(add_to_odd!(Self::widen(a) * Self::widen(b), Self::widen(c), f32))
    }
}

impl Widen for BFloat {
    const MIN_NORMAL: f32 = f32::MIN_POSITIVE;
    const ONE: u16 = 0x3f80;
    const EXPONENT: u16 = 0x7f80;

    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        f32::from_bits(u32::from(bits) << 16)
    }

    #[inline(always)]
    fn narrow(x: f32) -> u16 {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        (if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fff } else { rounded }) as u16
    }

    #[inline(always)]
    fn fused(a: u16, b: u16, c: u16) -> u16 {
        // The product of two can lie below f32's range: f64.
        let [a, b, c] = [a, b, c].map(|x| f64::from(Self::widen(x)));
        Self::narrow(f32_to_odd(add_to_odd!(a * b, c, f64)))
    }
}

/// The f32 next to `x`, the one with an odd last digit if `x` is none itself.
#[inline(always)]
pub fn f32_to_odd(x: f64) -> f32 {
    let nearest = x as f32;
    let back = f64::from(nearest);
    let bits = nearest.to_bits();
    let odd = if x.abs() > back.abs() { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    f32::from_bits(if (back != x) & (bits & 1 == 0) { odd } else { bits })
}

// Bits of the number; those of `min` and `max` are in `float32`.
const FLUSH: i64 = 8;
const SATURATE: i64 = 16;
const RELU: i64 = 32;

#[inline(always)]
fn flush<F: Widen>(bits: u16, code: i64) -> u16 {
    if code & FLUSH != 0 && bits & F::EXPONENT == 0 { bits & 0x8000 } else { bits }
}

/// The modifiers of a result.
#[inline(always)]
fn finish<F: Widen>(bits: u16, code: i64) -> u16 {
    let bits = flush::<F>(bits, code);
    let is_nan = bits & 0x7fff > F::EXPONENT;
    let positive = if bits & 0x8000 != 0 { 0 } else { bits };
    if code & SATURATE != 0 {
        if is_nan { 0 } else { positive.min(F::ONE) }
    } else if code & RELU != 0 && !is_nan {
        positive
    } else {
        bits
    }
}

pub fn select(form: &mut Form) -> Option<Selected> {
    let ty = form.last();
    let (format, pairs) = match ty {
        "f16" => ("f16", false),
        "f16x2" => ("f16", true),
        "bf16" => ("bf16", false),
        "bf16x2" => ("bf16", true),
        _ => return None,
    };
    let is_f16 = format == "f16";
    let mut code = 0;
    match form.opcode {
        "add" | "sub" | "mul" => {
            form.take("rn");
            code |= if is_f16 && form.take("ftz") { FLUSH } else { 0 };
            code |= if is_f16 && form.take("sat") { SATURATE } else { 0 };
        }
        "fma" => {
            form.take("rn").then_some(())?;
            code |= if is_f16 && form.take("ftz") { FLUSH } else { 0 };
            code |= if is_f16 && form.take("sat") {
                SATURATE
            } else if form.take("relu") {
                RELU
            } else {
                0
            };
        }
        "min" | "max" => {
            code |= if is_f16 && form.take("ftz") { FLUSH } else { 0 };
            code |= if form.take("NaN") { NAN } else { 0 };
            code |=
                if form.take("xorsign") { form.take("abs").then_some(XORSIGN | ABS)? } else { 0 };
        }
        "abs" | "neg" => code |= if is_f16 && form.take("ftz") { FLUSH } else { 0 },
        _ => return None,
    }
    let selected = if is_f16 {
        of_format::f16(form.opcode, pairs, code)
    } else {
        of_format::bf16(form.opcode, pairs, code)
    };
    Some(selected?.imm(code))
}

/// Bodies for each format.
mod of_format {
    use super::*;

    macro_rules! one {
        ($pairs:expr, |$a:ident, $code:ident| $e:expr) => {
            if $pairs {
                op!($code => Half, |a: u32| -> u32 { both1(a, |$a| $e) })
            } else {
                op!($code => Half, |$a: u16| -> u16 { $e })
            }
        };
    }
    macro_rules! two {
        ($pairs:expr, |$a:ident, $b:ident, $code:ident| $e:expr) => {
            if $pairs {
                op!($code => Half, |a: u32, b: u32| -> u32 { both2(a, b, |$a, $b| $e) })
            } else {
                op!($code => Half, |$a: u16, $b: u16| -> u16 { $e })
            }
        };
    }
    macro_rules! three {
        ($pairs:expr, |$a:ident, $b:ident, $c:ident, $code:ident| $e:expr) => {
            if $pairs {
                op!($code => Half, |a: u32, b: u32, c: u32| -> u32 { both3(a, b, c, |$a, $b, $c| $e) }).fmas(2)
            } else {
                op!($code => Half, |$a: u16, $b: u16, $c: u16| -> u16 { $e }).fmas(1)
            }
        };
    }
    /// A sum or product, without modifiers or with those that `code` names.
    macro_rules! arithmetic {
        ($F:ty, $pairs:expr, $code:expr, $operator:tt) => {
            if $code == 0 {
                two!($pairs, |a, b, _code| <$F>::narrow(<$F>::widen(a) $operator <$F>::widen(b)))
            } else {
                two!($pairs, |a, b, code| {
                    let (a, b) = (flush::<$F>(a, code), flush::<$F>(b, code));
                    finish::<$F>(<$F>::narrow(<$F>::widen(a) $operator <$F>::widen(b)), code)
                })
            }
        };
    }
    macro_rules! choice {
        ($F:ty, $pairs:expr, $f:expr) => {
            two!($pairs, |a, b, code| {
                let (a, b) = (flush::<$F>(a, code), flush::<$F>(b, code));
                <$F>::narrow(choose(<$F>::widen(a), <$F>::widen(b), code & !FLUSH, $f))
            })
        };
    }
    macro_rules! format {
        ($name:ident, $F:ty) => {
            pub fn $name(opcode: &str, pairs: bool, code: i64) -> Option<Selected> {
                Some(match opcode {
                    "add" => arithmetic!($F, pairs, code, +),
                    "sub" => arithmetic!($F, pairs, code, -),
                    "mul" => arithmetic!($F, pairs, code, *),
                    "fma" if code == 0 => three!(pairs, |a, b, c, _code| <$F>::fused(a, b, c)),
                    "fma" => three!(pairs, |a, b, c, code| {
                        let [a, b, c] = [a, b, c].map(|x| flush::<$F>(x, code));
                        finish::<$F>(<$F>::fused(a, b, c), code)
                    }),
                    "min" => choice!($F, pairs, min_number),
                    "max" => choice!($F, pairs, max_number),
                    "abs" => one!(pairs, |a, code| flush::<$F>(a, code) & 0x7fff),
                    "neg" => one!(pairs, |a, code| flush::<$F>(a, code) ^ 0x8000),
                    _ => return None,
                })
            }
        };
    }
    format!(f16, Half);
    format!(bf16, BFloat);
}

/// The f32 of an f16 or bf16, NaN canonical.
#[inline(always)]
pub fn to_f32<F: Widen>(bits: u16) -> f32 {
    canonical(F::widen(bits))
}
