//! `cvt`: what it allows, and bodies of their own for the conversions that kernels run often. All others
//! go through `convert_any`.

use super::convert_any::{self as any, FINITE, FLUSH, FROM, INTEGRAL, RELU, SATURATE, TO, Type};
use super::float32::{canonical, flush, saturate};
use super::form::{Form, op, typed};
use super::half::{BFloat, Half, Widen, to_f32};
use super::soft::{self, Format, Round};
use crate::exec::inst::{Class, Selected, Ty, alu};
use crate::exec::regs::{map1, map2};

/// The rounding words, and whether they round to an integer.
const ROUNDINGS: [(&str, (Round, bool)); 9] = [
    ("rn", (Round::Nearest, false)),
    ("rz", (Round::Zero, false)),
    ("rm", (Round::Down, false)),
    ("rp", (Round::Up, false)),
    ("rna", (Round::NearestAway, false)),
    ("rni", (Round::Nearest, true)),
    ("rzi", (Round::Zero, true)),
    ("rmi", (Round::Down, true)),
    ("rpi", (Round::Up, true)),
];

pub fn select(form: &mut Form) -> Option<Selected> {
    let (stype, dtype) = (form.last(), form.last());
    let rounding = form.one_of(&ROUNDINGS);
    let mut code = 0;
    // The manual has `.relu.satfinite`, and for tf32 the other order.
    while let Some(flag) = form.one_of(&[("relu", RELU), ("satfinite", FINITE)]) {
        if code & flag != 0 {
            return None;
        }
        code |= flag;
    }
    code |= if form.take("ftz") { FLUSH } else { 0 };
    code |= if form.take("sat") { SATURATE } else { 0 };
    if let Some(selected) = pair(dtype, stype, rounding, code) {
        return Some(selected);
    }
    let (to, from) = (any::index(dtype)?, any::index(stype)?);
    let mode = checked(any::by_index(to), any::by_index(from), rounding, code)?;
    code |= mode as i64 | if rounding.is_some_and(|(_, integral)| integral) { INTEGRAL } else { 0 };
    let word = rounding.and_then(|_| ROUNDINGS.iter().find(|r| Some(r.1) == rounding));
    let selected = fast(dtype, stype, word.map_or("", |r| r.0), code & !(7 | INTEGRAL))
        .or_else(|| generic(any::by_index(to), any::by_index(from)))?;
    Some(selected.imm(code | to << TO | from << FROM))
}

/// Whether every number of `from` is one of `to`.
fn holds(to: Format, from: Format) -> bool {
    to.precision >= from.precision && to.max_exponent >= from.max_exponent
}

/// The rounding of a conversion, if the manual allows it with these modifiers.
fn checked(to: Type, from: Type, rounding: Option<(Round, bool)>, code: i64) -> Option<Round> {
    let f32 = Type::Float(soft::F32);
    let bf16 = Type::Float(soft::BF16);
    if (to == bf16 || from == bf16) && code & SATURATE != 0 {
        return None;
    }
    let sixteen = to == Type::Float(soft::F16) || to == Type::Float(soft::BF16);
    let tf32 = to == Type::Float(soft::TF32);
    if from == Type::Float(soft::TF32) || (code & FLUSH != 0 && to != f32 && from != f32) {
        return None;
    }
    if code & (RELU | FINITE) != 0 && !((sixteen || tf32) && from == f32) {
        return None;
    }
    let mode = match (to, from, rounding) {
        (Type::Integer { .. }, Type::Integer { .. }, None) => Round::Zero,
        (Type::Integer { .. }, Type::Float(_), Some((mode, true))) => mode,
        (Type::Float(_), Type::Integer { .. }, Some((mode, false))) => mode,
        (Type::Float(to), Type::Float(from), Some((mode, true))) if to == from => mode,
        (Type::Float(to), Type::Float(from), None) if holds(to, from) && !tf32 => Round::Nearest,
        (Type::Float(to), Type::Float(from), Some((mode, false))) if !holds(to, from) => mode,
        // bf16 may be widened with a rounding, which changes nothing.
        (Type::Float(to), Type::Float(soft::BF16), Some((mode, false))) if to != soft::BF16 => mode,
        _ => return None,
    };
    let away = mode == Round::NearestAway;
    let two_modes = matches!(mode, Round::Nearest | Round::Zero);
    let allowed = match tf32 {
        true => {
            from == f32 && code & !(RELU | FINITE) == 0 && (two_modes || away && code & RELU == 0)
        }
        false => {
            !away && (code & (RELU | FINITE) == 0 || two_modes && code & (SATURATE | FLUSH) == 0)
        }
    };
    let saturates = match (to, from) {
        _ if code & SATURATE == 0 => true,
        (Type::Integer { bits, signed }, Type::Integer { bits: source, signed: from_signed }) => {
            // Not where the target holds every number of the source.
            let spare = bits - u32::from(signed) + u32::from(from_signed);
            spare < source || from_signed && !signed
        }
        (Type::Float(_), _) => !tf32,
        (Type::Integer { .. }, Type::Float(_)) => true,
    };
    (allowed && saturates).then_some(mode)
}

/// The kind of register of a type.
fn kind(ty: Type) -> Ty {
    match ty {
        Type::Integer { bits: 64, .. } => Ty::D,
        Type::Integer { bits: 32, .. } => Ty::W,
        Type::Float(soft::F64) => Ty::F64,
        Type::Float(soft::F32) => Ty::F32,
        Type::Float(soft::TF32) => Ty::W,
        _ => Ty::H,
    }
}

/// A conversion by way of exact arithmetic.
fn generic(to: Type, from: Type) -> Option<Selected> {
    macro_rules! generic {
        ($D:ty, $A:ty) => {
            alu!(|regs, inst, mask| {
                let [d, a, ..] = inst.ops;
                map1(regs, d, a, mask, |a: $A| any::convert(inst.imm, a.into()) as $D);
            })
        };
    }
    let two_rows = |kind: Ty| matches!(kind, Ty::D | Ty::F64);
    let alu = match (two_rows(kind(to)), two_rows(kind(from))) {
        (false, false) => generic!(u32, u32),
        (false, true) => generic!(u32, u64),
        (true, false) => generic!(u64, u32),
        (true, true) => generic!(u64, u64),
    };
    let results: &[Ty] = match kind(to) {
        Ty::D => &[Ty::D],
        Ty::F64 => &[Ty::F64],
        Ty::F32 => &[Ty::F32],
        Ty::W => &[Ty::W],
        _ => &[Ty::H],
    };
    let sources: &[Ty] = match kind(from) {
        Ty::D => &[Ty::D],
        Ty::F64 => &[Ty::F64],
        Ty::F32 => &[Ty::F32],
        Ty::W => &[Ty::W],
        _ => &[Ty::H],
    };
    Some(Selected { alu, results, sources, class: Class::Convert, fmas: 0, imm: 0 })
}

/// `cvt.{rn,rz}{.relu}{.satfinite}.{f16x2,bf16x2}.f32 d, a, b`: a to the upper half, b to the lower.
fn pair(dtype: &str, stype: &str, rounding: Option<(Round, bool)>, code: i64) -> Option<Selected> {
    let element = any::index(dtype.strip_suffix("x2").filter(|_| stype == "f32")?)?;
    let (mode, false) = rounding? else { return None };
    if !matches!(mode, Round::Nearest | Round::Zero) || code & !(RELU | FINITE) != 0 {
        return None;
    }
    let imm = code | mode as i64 | element << TO | any::index("f32")? << FROM;
    let plain = mode == Round::Nearest && code == 0;
    let selected = match dtype {
        "f16x2" if plain => op!(Convert, |a: f32, b: f32| -> u32 {
            u32::from(Half::narrow(a)) << 16 | u32::from(Half::narrow(b))
        }),
        "bf16x2" if plain => op!(Convert, |a: f32, b: f32| -> u32 {
            u32::from(BFloat::narrow(a)) << 16 | u32::from(BFloat::narrow(b))
        }),
        "f16x2" | "bf16x2" => Selected {
            alu: alu!(|regs, inst, mask| {
                let [d, a, b, ..] = inst.ops;
                let half = |x: u32| any::convert(inst.imm, x.into()) as u32;
                map2(regs, d, [a, b], mask, |a: u32, b: u32| half(a) << 16 | half(b));
            }),
            results: &[Ty::W],
            sources: &[Ty::F32, Ty::F32],
            class: Class::Convert,
            fmas: 0,
            imm: 0,
        },
        _ => return None,
    };
    Some(selected.imm(imm))
}

/// A form for every integer source.
macro_rules! from_integers {
    ($word:expr; $form:expr) => {
        typed!($word; "u8" => u8, "s8" => i8, "u16" => u16, "s16" => i16, "u32" => u32, "s32" => i32,
            "u64" => u64, "s64" => i64; $form)
    };
}

/// The bodies for frequent conversions; `None` where there is none. `flags` are those behind the rounding.
fn fast(dtype: &str, stype: &str, rounding: &str, flags: i64) -> Option<Selected> {
    // Flushing changes no number that rounds to zero either way.
    let harmless = matches!(rounding, "rzi" | "rni") && stype == "f32" && flags == FLUSH;
    let flags = if harmless { 0 } else { flags };
    match (stype, dtype) {
        ("f32" | "f64", "f32" | "f64") => between_floats(dtype, stype, rounding, flags),
        _ if flags != 0 => None,
        ("f16" | "bf16", _) | (_, "f16" | "bf16") => of_halves(dtype, stype, rounding),
        ("f32" | "f64", "s32" | "u32" | "s64" | "u64") => to_integer(dtype, stype, rounding),
        (_, "tf32") => (rounding == "rna").then(|| {
            op!(Convert, |a: f32| -> u32 {
                // Half a digit more, cut off: ties go away from zero.
                let bits = a.to_bits();
                let number = bits.wrapping_add(0x1000) & !0x1fff;
                if a.is_nan() {
                    0x7fff_ffff
                } else if a.is_infinite() {
                    bits
                } else {
                    number
                }
            })
        }),
        (_, "f32") if rounding == "rn" => {
            from_integers!(stype; op!(Convert, |a: T| -> f32 { a as f32 }))
        }
        (_, "f64") if rounding == "rn" => {
            from_integers!(stype; op!(Convert, |a: T| -> f64 { a as f64 }))
        }
        ("f32" | "f64", _) | (_, "f32" | "f64") => None,
        // Results of 8 bits fill the narrowest register, of 16.
        (_, "u8") => from_integers!(stype; op!(Convert, |a: T| -> u16 { u16::from(a as u8) })),
        (_, "s8") => from_integers!(stype; op!(Convert, |a: T| -> i16 { i16::from(a as i8) })),
        (_, "u16" | "s16") => from_integers!(stype; op!(Convert, |a: T| -> u16 { a as u16 })),
        (_, "u32" | "s32") => from_integers!(stype; op!(Convert, |a: T| -> u32 { a as u32 })),
        (_, "u64" | "s64") => from_integers!(stype; op!(Convert, |a: T| -> u64 { a as u64 })),
        _ => None,
    }
}

fn between_floats(dtype: &str, stype: &str, rounding: &str, flags: i64) -> Option<Selected> {
    const SATURATE_FLUSH: i64 = SATURATE | FLUSH;
    Some(match (stype, dtype, rounding, flags) {
        ("f32", "f64", "", 0) => op!(Convert, |a: f32| -> f64 { f64::from(canonical(a)) }),
        ("f32", "f64", "", FLUSH) => {
            op!(Convert, |a: f32| -> f64 { f64::from(canonical(flush(a))) })
        }
        ("f64", "f32", "rn", 0) => op!(Convert, |a: f64| -> f32 { canonical(a as f32) }),
        ("f64", "f32", "rn", FLUSH) => op!(Convert, |a: f64| -> f32 { canonical(flush(a as f32)) }),
        ("f32", "f32", "", 0) => op!(Convert, |a: f32| -> f32 { canonical(a) }),
        ("f32", "f32", "", SATURATE) => op!(Convert, |a: f32| -> f32 { saturate(a) }),
        ("f32", "f32", "", SATURATE_FLUSH) => op!(Convert, |a: f32| -> f32 { saturate(flush(a)) }),
        ("f32", "f32", "rni", 0) => {
            op!(Convert, |a: f32| -> f32 { canonical(a.round_ties_even()) })
        }
        ("f32", "f32", "rzi", 0) => op!(Convert, |a: f32| -> f32 { canonical(a.trunc()) }),
        ("f32", "f32", "rmi", 0) => op!(Convert, |a: f32| -> f32 { canonical(a.floor()) }),
        ("f32", "f32", "rpi", 0) => op!(Convert, |a: f32| -> f32 { canonical(a.ceil()) }),
        ("f32", "f32", "rmi", FLUSH) => {
            op!(Convert, |a: f32| -> f32 { canonical(flush(a).floor()) })
        }
        ("f32", "f32", "rpi", FLUSH) => {
            op!(Convert, |a: f32| -> f32 { canonical(flush(a).ceil()) })
        }
        _ => return None,
    })
}

fn of_halves(dtype: &str, stype: &str, rounding: &str) -> Option<Selected> {
    Some(match (stype, dtype, rounding) {
        ("f16", "f32", "") => op!(Convert, |a: u16| -> f32 { to_f32::<Half>(a) }),
        ("bf16", "f32", "") => op!(Convert, |a: u16| -> f32 { to_f32::<BFloat>(a) }),
        ("f32", "f16", "rn") => op!(Convert, |a: f32| -> u16 { Half::narrow(a) }),
        ("f32", "bf16", "rn") => op!(Convert, |a: f32| -> u16 { BFloat::narrow(a) }),
        _ => return None,
    })
}

/// Rust's `as` clamps as PTX does; a NaN gives 0 there.
fn to_integer(dtype: &str, stype: &str, rounding: &str) -> Option<Selected> {
    macro_rules! bodies {
        ($F:ty, |$x:ident| $e:expr) => {
            typed!(dtype; "s32" => i32, "u32" => u32, "s64" => i64, "u64" => u64;
                op!(Convert, |$x: $F| -> T {
                    let of_nan = if T::BITS == 64 || size_of::<$F>() == 8 { 1 << (T::BITS - 1) } else { 0 };
                    if $x.is_nan() { of_nan } else { $e as T }
                }))
        };
    }
    match (stype, rounding) {
        ("f32", "rni") => bodies!(f32, |x| x.round_ties_even()),
        ("f32", "rzi") => bodies!(f32, |x| x),
        ("f32", "rmi") => bodies!(f32, |x| x.floor()),
        ("f32", "rpi") => bodies!(f32, |x| x.ceil()),
        ("f64", "rni") => bodies!(f64, |x| x.round_ties_even()),
        ("f64", "rzi") => bodies!(f64, |x| x),
        ("f64", "rmi") => bodies!(f64, |x| x.floor()),
        ("f64", "rpi") => bodies!(f64, |x| x.ceil()),
        _ => None,
    }
}
