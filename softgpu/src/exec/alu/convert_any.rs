//! Conversion between any two number types in any rounding, by exact arithmetic (PTX ISA, `cvt`).

use super::soft::{self, Finite, Format, Number, Round, pack, round_digits, unpack};

/// What `cvt` reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Integer { bits: u32, signed: bool },
    Float(Format),
}

const TYPES: [(&str, Type); 13] = [
    ("u8", Type::Integer { bits: 8, signed: false }),
    ("u16", Type::Integer { bits: 16, signed: false }),
    ("u32", Type::Integer { bits: 32, signed: false }),
    ("u64", Type::Integer { bits: 64, signed: false }),
    ("s8", Type::Integer { bits: 8, signed: true }),
    ("s16", Type::Integer { bits: 16, signed: true }),
    ("s32", Type::Integer { bits: 32, signed: true }),
    ("s64", Type::Integer { bits: 64, signed: true }),
    ("f16", Type::Float(soft::F16)),
    ("bf16", Type::Float(soft::BF16)),
    ("f32", Type::Float(soft::F32)),
    ("f64", Type::Float(soft::F64)),
    ("tf32", Type::Float(soft::TF32)),
];

/// Place of a type in the table.
pub fn index(name: &str) -> Option<i64> {
    TYPES.iter().position(|(word, _)| *word == name).map(|place| place as i64)
}

pub fn by_index(index: i64) -> Type {
    TYPES.get(index as usize).map_or(Type::Float(soft::F32), |(_, ty)| *ty)
}

// The number of the instruction: rounding in the low three bits, modifiers, two types.
/// Rounds to an integer that stays floating.
pub const INTEGRAL: i64 = 8;
pub const FLUSH: i64 = 16;
pub const SATURATE: i64 = 32;
pub const RELU: i64 = 64;
pub const FINITE: i64 = 128;
pub const TO: u32 = 8;
pub const FROM: u32 = 12;

/// The bits of the result for the bits of the source, each in the low part of the word. Signed results
/// of 8 bits are extended to 16, the narrowest register.
pub fn convert(code: i64, bits: u64) -> u64 {
    match (by_index(code >> FROM & 15), by_index(code >> TO & 15)) {
        (Type::Integer { bits: width, signed }, Type::Integer { .. }) => {
            to_integer_type(code, integer(bits, width, signed))
        }
        (Type::Integer { bits: width, signed }, Type::Float(to)) => {
            let value = integer(bits, width, signed);
            let digits = value.unsigned_abs();
            float_result(
                code,
                to,
                Number::Finite(Finite { negative: value < 0, exponent: 0, digits }),
            )
        }
        (Type::Float(from), Type::Integer { bits: width, .. }) => match source(code, from, bits) {
            // "Zero if source is not f64 and destination is not s64, u64", else the top bit.
            Number::Nan if from == soft::F64 || width == 64 => {
                to_integer_type(code & !SATURATE, 1 << (width - 1))
            }
            Number::Nan => 0,
            Number::Infinite { negative } => {
                to_integer_type(code | SATURATE, if negative { i128::MIN } else { i128::MAX })
            }
            Number::Finite(finite) => {
                to_integer_type(code | SATURATE, rounded(finite, Round::from_code(code)))
            }
        },
        (Type::Float(from), Type::Float(to)) => match source(code, from, bits) {
            Number::Nan => nan_result(code, from, to, bits),
            Number::Finite(x) if code & INTEGRAL != 0 => {
                let value = rounded(x, Round::from_code(code)).unsigned_abs();
                let integral = Finite { negative: x.negative, exponent: 0, digits: value };
                // A number too large for the integer is one already.
                let integral = if x.exponent > 0 { x } else { integral };
                float_result(code, to, Number::Finite(integral))
            }
            number => float_result(code, to, number),
        },
    }
}

fn integer(bits: u64, width: u32, signed: bool) -> i128 {
    let shift = 64 - width;
    if signed {
        i128::from((bits << shift) as i64 >> shift)
    } else {
        i128::from(bits << shift >> shift)
    }
}

fn source(code: i64, from: Format, bits: u64) -> Number {
    let bits = if from == soft::F32 { bits & 0xffff_ffff } else { bits };
    let flushes = code & FLUSH != 0 && from == soft::F32;
    unpack(from, if flushes { from.flush(bits) } else { bits })
}

/// The nearest integer in the direction of the rounding, clamped to 127 bits.
fn rounded(x: Finite, mode: Round) -> i128 {
    let magnitude = if x.exponent > 64 && x.digits != 0 {
        1 << 126
    } else if x.exponent >= 0 {
        x.digits << x.exponent.min(64)
    } else {
        round_digits(x.digits, x.exponent.unsigned_abs(), x.negative, mode)
    };
    let magnitude = magnitude as i128;
    if x.negative { -magnitude } else { magnitude }
}

fn to_integer_type(code: i64, value: i128) -> u64 {
    let Type::Integer { bits, signed } = by_index(code >> TO & 15) else { return 0 };
    let (min, max) = match signed {
        true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        false => (0, (1i128 << bits) - 1),
    };
    let value = if code & SATURATE != 0 { value.clamp(min, max) } else { value };
    let kept = integer(value as u64, bits, signed) as u64;
    match bits {
        8 | 16 => kept & 0xffff,
        32 => kept & 0xffff_ffff,
        _ => kept,
    }
}

fn nan_result(code: i64, from: Format, to: Format, bits: u64) -> u64 {
    if code & SATURATE != 0 {
        return 0;
    }
    let nan = match (from == soft::F64, to == soft::F64) {
        (true, true) => bits | 1 << 51,
        // What the canonical NaN of f32 widens to.
        (false, true) => 0x7fff_ffff_e000_0000,
        _ => to.nan(),
    };
    if to == soft::TF32 { 0x7fff_ffff } else { nan }
}

fn float_result(code: i64, to: Format, number: Number) -> u64 {
    // After rounding to an integer nothing is left to round.
    let mode = if code & INTEGRAL != 0 { Round::Nearest } else { Round::from_code(code) };
    let mut bits = pack(to, number, mode);
    let infinite = matches!(unpack(to, bits), Number::Infinite { .. });
    let negative = to.is_negative(bits);
    if code & FINITE != 0 && infinite {
        bits -= 1;
    }
    if code & FLUSH != 0 && to == soft::F32 {
        bits = to.flush(bits);
    }
    if code & (RELU | SATURATE) != 0 && negative {
        bits = 0;
    }
    if code & SATURATE != 0 {
        let one = pack(to, unpack(soft::F32, 0x3f80_0000), Round::Nearest);
        bits = bits.min(one);
    }
    if to == soft::TF32 { bits << 13 } else { bits }
}
