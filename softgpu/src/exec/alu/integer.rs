//! Integer arithmetic (PTX ISA, "Integer Arithmetic Instructions").

use super::form::{Form, both2, integers, op, typed, unsigned};
use crate::exec::inst::Selected;

pub fn select(form: &mut Form) -> Option<Selected> {
    match form.opcode {
        "add" | "sub" => add(form),
        "mul" => mul(form),
        "mad" => mad(form),
        "mul24" | "mad24" => of_24_bits(form),
        "sad" => integers!(form.word(); op!(Integer, |a: T, b: T, c: T| -> T {
            c.wrapping_add(if a < b { b.wrapping_sub(a) } else { a.wrapping_sub(b) })
        })),
        "div" | "rem" => divide(form),
        "abs" => typed!(form.word(); "s16" => i16, "s32" => i32, "s64" => i64;
            op!(Integer, |a: T| -> T { a.wrapping_abs() })),
        "neg" => typed!(form.word(); "s16" => i16, "s32" => i32, "s64" => i64;
            op!(Integer, |a: T| -> T { a.wrapping_neg() })),
        "min" | "max" => min_max(form),
        "popc" => typed!(form.word(); "b32" => u32, "b64" => u64;
            op!(Integer, |a: T| -> u32 { a.count_ones() })),
        "clz" => typed!(form.word(); "b32" => u32, "b64" => u64;
            op!(Integer, |a: T| -> u32 { a.leading_zeros() })),
        "brev" => typed!(form.word(); "b32" => u32, "b64" => u64;
            op!(Integer, |a: T| -> T { a.reverse_bits() })),
        "bfind" => bfind(form),
        "dp4a" | "dp2a" => dot(form),
        "vabsdiff4" | "vabsdiff2" => differences(form),
        _ => None,
    }
}

fn add(form: &mut Form) -> Option<Selected> {
    let (is_add, saturate) = (form.opcode == "add", form.take("sat"));
    let word = form.word();
    match (is_add, saturate, word) {
        (true, true, "s32") => Some(op!(Integer, |a: i32, b: i32| -> i32 { a.saturating_add(b) })),
        (false, true, "s32") => Some(op!(Integer, |a: i32, b: i32| -> i32 { a.saturating_sub(b) })),
        (true, false, "u16x2" | "s16x2") => {
            Some(op!(Integer, |a: u32, b: u32| -> u32 { both2(a, b, u16::wrapping_add) }))
        }
        (_, true, _) => None,
        (true, ..) => unsigned!(word; op!(Integer, |a: T, b: T| -> T { a.wrapping_add(b) })),
        (false, ..) => unsigned!(word; op!(Integer, |a: T, b: T| -> T { a.wrapping_sub(b) })),
    }
}

/// The upper half of a product.
macro_rules! high {
    ($a:expr, $b:expr, $ty:ty, $wide:ty) => {
        (<$wide>::from($a).wrapping_mul(<$wide>::from($b)) >> <$ty>::BITS) as $ty
    };
}

/// `high!` for the type that a word names.
macro_rules! high_typed {
    ($word:expr; $form:ident) => {
        match $word {
            "u16" => Some($form!(u16, u32)),
            "s16" => Some($form!(i16, i32)),
            "u32" => Some($form!(u32, u64)),
            "s32" => Some($form!(i32, i64)),
            "u64" => Some($form!(u64, u128)),
            "s64" => Some($form!(i64, i128)),
            _ => None,
        }
    };
}

fn mul(form: &mut Form) -> Option<Selected> {
    macro_rules! hi {
        ($ty:ty, $wide:ty) => {
            op!(Integer, |a: $ty, b: $ty| -> $ty { high!(a, b, $ty, $wide) })
        };
    }
    macro_rules! wide {
        ($ty:ty, $wide:ty) => {
            op!(Integer, |a: $ty, b: $ty| -> $wide {
                <$wide>::from(a).wrapping_mul(<$wide>::from(b))
            })
        };
    }
    match form.word() {
        "lo" => unsigned!(form.word(); op!(Integer, |a: T, b: T| -> T { a.wrapping_mul(b) })),
        "hi" => high_typed!(form.word(); hi),
        "wide" => match form.word() {
            "u16" => Some(wide!(u16, u32)),
            "s16" => Some(wide!(i16, i32)),
            "u32" => Some(wide!(u32, u64)),
            "s32" => Some(wide!(i32, i64)),
            _ => None,
        },
        _ => None,
    }
}

fn mad(form: &mut Form) -> Option<Selected> {
    macro_rules! hi {
        ($ty:ty, $wide:ty) => {
            op!(Integer, |a: $ty, b: $ty, c: $ty| -> $ty {
                high!(a, b, $ty, $wide).wrapping_add(c)
            })
        };
    }
    macro_rules! wide {
        ($ty:ty, $wide:ty) => {
            op!(Integer, |a: $ty, b: $ty, c: $wide| -> $wide {
                <$wide>::from(a).wrapping_mul(<$wide>::from(b)).wrapping_add(c)
            })
        };
    }
    match form.word() {
        "lo" => unsigned!(form.word();
            op!(Integer, |a: T, b: T, c: T| -> T { a.wrapping_mul(b).wrapping_add(c) })),
        "hi" if form.take("sat") => match form.word() {
            "s32" => Some(op!(Integer, |a: i32, b: i32, c: i32| -> i32 {
                high!(a, b, i32, i64).saturating_add(c)
            })),
            _ => None,
        },
        "hi" => high_typed!(form.word(); hi),
        "wide" => match form.word() {
            "u16" => Some(wide!(u16, u32)),
            "s16" => Some(wide!(i16, i32)),
            "u32" => Some(wide!(u32, u64)),
            "s32" => Some(wide!(i32, i64)),
            _ => None,
        },
        _ => None,
    }
}

/// The product of the low 24 bits of two words, 48 bits wide.
#[inline(always)]
fn product24u(a: u32, b: u32) -> u64 {
    u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)
}

/// As [`product24u`], of signed numbers.
#[inline(always)]
fn product24s(a: i32, b: i32) -> i64 {
    i64::from(a << 8 >> 8) * i64::from(b << 8 >> 8)
}

fn of_24_bits(form: &mut Form) -> Option<Selected> {
    let (is_mad, part) = (form.opcode == "mad24", form.word());
    let saturate = form.take("sat");
    Some(match (is_mad, part, saturate, form.word()) {
        (false, "lo", false, "u32") => {
            op!(Integer, |a: u32, b: u32| -> u32 { product24u(a, b) as u32 })
        }
        (false, "lo", false, "s32") => {
            op!(Integer, |a: i32, b: i32| -> i32 { product24s(a, b) as i32 })
        }
        (false, "hi", false, "u32") => {
            op!(Integer, |a: u32, b: u32| -> u32 { (product24u(a, b) >> 16) as u32 })
        }
        (false, "hi", false, "s32") => {
            op!(Integer, |a: i32, b: i32| -> i32 { (product24s(a, b) >> 16) as i32 })
        }
        (true, "lo", false, "u32") => op!(Integer, |a: u32, b: u32, c: u32| -> u32 {
            (product24u(a, b) as u32).wrapping_add(c)
        }),
        (true, "lo", false, "s32") => op!(Integer, |a: i32, b: i32, c: i32| -> i32 {
            (product24s(a, b) as i32).wrapping_add(c)
        }),
        (true, "hi", false, "u32") => op!(Integer, |a: u32, b: u32, c: u32| -> u32 {
            ((product24u(a, b) >> 16) as u32).wrapping_add(c)
        }),
        (true, "hi", false, "s32") => op!(Integer, |a: i32, b: i32, c: i32| -> i32 {
            ((product24s(a, b) >> 16) as i32).wrapping_add(c)
        }),
        (true, "hi", true, "s32") => op!(Integer, |a: i32, b: i32, c: i32| -> i32 {
            ((product24s(a, b) >> 16) as i32).saturating_add(c)
        }),
        _ => return None,
    })
}

/// Division by zero is unspecified in PTX; the hardware's code sequences give all ones, so does this.
/// The smallest number divided by -1 wraps, with remainder 0.
fn divide(form: &mut Form) -> Option<Selected> {
    if form.opcode == "div" {
        integers!(form.word();
            op!(Integer, |a: T, b: T| -> T { if b == 0 { !0 } else { a.wrapping_div(b) } }))
    } else {
        integers!(form.word();
            op!(Integer, |a: T, b: T| -> T { if b == 0 { !0 } else { a.wrapping_rem(b) } }))
    }
}

/// `.relu` stands before the type in the manual and behind it in what nvcc writes.
fn min_max(form: &mut Form) -> Option<Selected> {
    let (is_min, before) = (form.opcode == "min", form.take("relu"));
    let word = form.word();
    let relu = before || form.take("relu");
    match (is_min, relu, word) {
        (true, true, "s32") => Some(op!(Integer, |a: i32, b: i32| -> i32 { a.min(b).max(0) })),
        (false, true, "s32") => Some(op!(Integer, |a: i32, b: i32| -> i32 { a.max(b).max(0) })),
        (true, _, "s16x2") => Some(op!(floor => Integer, |a: u32, b: u32| -> u32 {
            both2(a, b, |a, b| (a as i16).min(b as i16).max(floor as i16) as u16)
        })),
        (false, _, "s16x2") => Some(op!(floor => Integer, |a: u32, b: u32| -> u32 {
            both2(a, b, |a, b| (a as i16).max(b as i16).max(floor as i16) as u16)
        })),
        (_, true, _) => None,
        (true, _, "u16x2") => {
            Some(op!(Integer, |a: u32, b: u32| -> u32 { both2(a, b, |a, b| a.min(b)) }))
        }
        (false, _, "u16x2") => {
            Some(op!(Integer, |a: u32, b: u32| -> u32 { both2(a, b, |a, b| a.max(b)) }))
        }
        (true, ..) => integers!(word; op!(Integer, |a: T, b: T| -> T { a.min(b) })),
        (false, ..) => integers!(word; op!(Integer, |a: T, b: T| -> T { a.max(b) })),
    }
    .map(|selected| selected.imm(if relu { 0 } else { i64::from(i16::MIN) }))
}

/// The place of the highest bit that differs from the sign, or the shift that brings it to the top;
/// `0xffffffff` if there is none.
fn bfind(form: &mut Form) -> Option<Selected> {
    let shift_amount = form.take("shiftamt");
    macro_rules! find {
        ($ty:ty, |$a:ident| $bits:expr) => {
            op!(shift_amount => Integer, |$a: $ty| -> u32 {
                let zeros = $bits.leading_zeros();
                let place = (<$ty>::BITS - 1).wrapping_sub(zeros);
                if zeros == <$ty>::BITS || shift_amount == 0 { place } else { zeros }
            })
        };
    }
    let selected = match form.word() {
        "u32" => find!(u32, |a| a),
        "u64" => find!(u64, |a| a),
        "s32" => find!(i32, |a| (a ^ a >> 31)),
        "s64" => find!(i64, |a| (a ^ a >> 63)),
        _ => return None,
    };
    Some(selected.imm(i64::from(shift_amount)))
}

/// `dp4a.atype.btype` and `dp2a.{lo,hi}.atype.btype`.
fn dot(form: &mut Form) -> Option<Selected> {
    let four = form.opcode == "dp4a";
    let second = if four { 0 } else { form.one_of(&[("lo", 0), ("hi", 16)])? };
    macro_rules! dot {
        ($A8:ty, $A16:ty, $B8:ty) => {
            if four {
                op!(Integer, |a: u32, b: u32, c: u32| -> u32 {
                    (0..4).fold(c, |sum, i| {
                        let (a, b) = ((a >> (8 * i)) as $A8, (b >> (8 * i)) as $B8);
                        sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(b)) as u32)
                    })
                })
            } else {
                op!(second => Integer, |a: u32, b: u32, c: u32| -> u32 {
                    let b = if second == 0 { b } else { b >> 16 };
                    (0..2).fold(c, |sum, i| {
                        let (a, b) = ((a >> (16 * i)) as $A16, (b >> (8 * i)) as $B8);
                        sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(b)) as u32)
                    })
                })
            }
        };
    }
    let selected = match (form.word(), form.word()) {
        ("u32", "u32") => dot!(u8, u16, u8),
        ("u32", "s32") => dot!(u8, u16, i8),
        ("s32", "u32") => dot!(i8, i16, u8),
        ("s32", "s32") => dot!(i8, i16, i8),
        _ => return None,
    };
    Some(selected.imm(second))
}

/// Part `at` of `bits` bits of a word.
#[inline(always)]
fn part(word: u32, at: u32, bits: u32) -> u32 {
    word >> (bits * at) & ((1 << bits) - 1)
}

/// `vabsdiff4` and `vabsdiff2` of unsigned parts, which the intrinsics `__vabsdiffu4`, `__vsadu4` and their
/// relatives become: |a - b| part by part, with `.add` their sum and c. Without `.add`, c shows only where
/// a mask leaves parts out, and there is no mask here.
fn differences(form: &mut Form) -> Option<Selected> {
    let bits = if form.opcode == "vabsdiff4" { 8 } else { 16 };
    for _ in 0..3 {
        form.take("u32").then_some(())?;
    }
    let selected = if form.take("add") {
        op!(bits => Integer, |a: u32, b: u32, c: u32| -> u32 {
            let bits = bits as u32;
            (0..32 / bits).fold(c, |sum, i| {
                sum.wrapping_add(part(a, i, bits).abs_diff(part(b, i, bits)))
            })
        })
    } else {
        op!(bits => Integer, |a: u32, b: u32, _c: u32| -> u32 {
            let bits = bits as u32;
            (0..32 / bits).fold(0, |all, i| {
                all | part(a, i, bits).abs_diff(part(b, i, bits)) << (bits * i)
            })
        })
    };
    Some(selected.imm(bits))
}
