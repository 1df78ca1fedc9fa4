//! Integer arithmetic against Rust's integers, 128 bits wide.

use crate::values::{Value, check1, check2, check3};

/// An integer with its name in PTX and its exact value.
trait Int: Value {
    const NAME: &str;
    const BITS: u32;
    const MIN: i128;
    const MAX: i128;
    fn wide(self) -> i128;
    /// The low bits of a number.
    fn cut(value: i128) -> Self {
        Self::from_bits(value as u64)
    }
    fn clamped(value: i128) -> Self {
        Self::cut(value.clamp(Self::MIN, Self::MAX))
    }
}

macro_rules! ints {
    ($($ty:ty, $name:literal);*) => { $(
        impl Int for $ty {
            const NAME: &str = $name;
            const BITS: u32 = <$ty>::BITS;
            const MIN: i128 = <$ty>::MIN as i128;
            const MAX: i128 = <$ty>::MAX as i128;
            fn wide(self) -> i128 {
                self.into()
            }
        }
    )* };
}
ints!(u16, "u16"; i16, "s16"; u32, "u32"; i32, "s32"; u64, "u64"; i64, "s64");

/// The product, which needs more than 128 bits for none of the types but loses nothing in them.
fn product<T: Int>(a: T, b: T) -> i128 {
    a.wide().wrapping_mul(b.wide())
}

fn upper<T: Int>(a: T, b: T) -> i128 {
    // For u64 the product wraps into the sign of i128: shift without it.
    if T::MIN == 0 {
        ((product(a, b) as u128) >> T::BITS) as i128
    } else {
        product(a, b) >> T::BITS
    }
}

fn arithmetic<T: Int>() {
    let name = T::NAME;
    check2(&format!("add.{name} d, a, b"), |a: T, b: T| T::cut(a.wide() + b.wide()));
    check2(&format!("sub.{name} d, a, b"), |a: T, b: T| T::cut(a.wide() - b.wide()));
    check2(&format!("mul.lo.{name} d, a, b"), |a: T, b: T| T::cut(product(a, b)));
    check2(&format!("mul.hi.{name} d, a, b"), |a: T, b: T| T::cut(upper(a, b)));
    check3(&format!("mad.lo.{name} d, a, b, c"), |a: T, b: T, c: T| {
        T::cut(product(a, b).wrapping_add(c.wide()))
    });
    check3(&format!("mad.hi.{name} d, a, b, c"), |a: T, b: T, c: T| T::cut(upper(a, b) + c.wide()));
    check3(&format!("sad.{name} d, a, b, c"), |a: T, b: T, c: T| {
        T::cut(c.wide() + (a.wide() - b.wide()).abs())
    });
    check2(&format!("min.{name} d, a, b"), |a: T, b: T| T::cut(a.wide().min(b.wide())));
    check2(&format!("max.{name} d, a, b"), |a: T, b: T| T::cut(a.wide().max(b.wide())));
    check2(&format!("div.{name} d, a, b"), |a: T, b: T| match b.wide() {
        0 => T::cut(-1),
        b => T::cut(a.wide() / b),
    });
    check2(&format!("rem.{name} d, a, b"), |a: T, b: T| match b.wide() {
        0 => T::cut(-1),
        b => T::cut(a.wide() % b),
    });
}

#[test]
fn arithmetic_keeps_the_right_half_and_sign() {
    arithmetic::<u16>();
    arithmetic::<i16>();
    arithmetic::<u32>();
    arithmetic::<i32>();
    arithmetic::<u64>();
    arithmetic::<i64>();
}

fn signed<T: Int>() {
    let name = T::NAME;
    check1(&format!("abs.{name} d, a"), |a: T| T::cut(a.wide().abs()));
    check1(&format!("neg.{name} d, a"), |a: T| T::cut(-a.wide()));
}

#[test]
fn the_smallest_number_has_no_magnitude() {
    signed::<i16>();
    signed::<i32>();
    signed::<i64>();
}

fn wide<T: Int, W: Int>() {
    let name = T::NAME;
    check2(&format!("mul.wide.{name} d, a, b"), |a: T, b: T| W::cut(product(a, b)));
    check3(&format!("mad.wide.{name} d, a, b, c"), |a: T, b: T, c: W| {
        W::cut(product(a, b) + c.wide())
    });
}

#[test]
fn wide_products_extend_by_the_type() {
    wide::<u16, u32>();
    wide::<i16, i32>();
    wide::<u32, u64>();
    wide::<i32, i64>();
}

#[test]
fn saturation_stops_at_both_ends() {
    check2("add.sat.s32 d, a, b", |a: i32, b: i32| i32::clamped(a.wide() + b.wide()));
    check2("sub.sat.s32 d, a, b", |a: i32, b: i32| i32::clamped(a.wide() - b.wide()));
    check3("mad.hi.sat.s32 d, a, b, c", |a: i32, b: i32, c: i32| {
        i32::clamped((product(a, b) >> 32) + c.wide())
    });
}

/// Section "mul24": of the 48 bits of the product the low or the high 32.
#[test]
fn products_of_24_bits_extend_by_the_type() {
    let signed = |a: i32| i64::from(a << 8 >> 8);
    let unsigned = |a: u32| u64::from(a & 0xff_ffff);
    check2("mul24.lo.s32 d, a, b", |a: i32, b: i32| (signed(a) * signed(b)) as i32);
    check2("mul24.hi.s32 d, a, b", |a: i32, b: i32| ((signed(a) * signed(b)) >> 16) as i32);
    check2("mul24.lo.u32 d, a, b", |a: u32, b: u32| (unsigned(a) * unsigned(b)) as u32);
    check2("mul24.hi.u32 d, a, b", |a: u32, b: u32| ((unsigned(a) * unsigned(b)) >> 16) as u32);
    check3("mad24.lo.s32 d, a, b, c", |a: i32, b: i32, c: i32| {
        i32::cut(i128::from((signed(a) * signed(b)) as i32) + c.wide())
    });
    check3("mad24.hi.s32 d, a, b, c", |a: i32, b: i32, c: i32| {
        i32::cut(i128::from((signed(a) * signed(b)) >> 16) + c.wide())
    });
    check3("mad24.hi.sat.s32 d, a, b, c", |a: i32, b: i32, c: i32| {
        i32::clamped(i128::from((signed(a) * signed(b)) >> 16) + c.wide())
    });
    check3("mad24.lo.u32 d, a, b, c", |a: u32, b: u32, c: u32| {
        u32::cut(i128::from(unsigned(a) * unsigned(b)) + c.wide())
    });
    check3("mad24.hi.u32 d, a, b, c", |a: u32, b: u32, c: u32| {
        u32::cut(i128::from((unsigned(a) * unsigned(b)) >> 16) + c.wide())
    });
}

fn halves(a: u32) -> [i128; 2] {
    [i128::from(a as i16), i128::from((a >> 16) as i16)]
}

fn unsigned_halves(a: u32) -> [i128; 2] {
    [i128::from(a as u16), i128::from(a >> 16)]
}

fn packed(parts: [i128; 2]) -> u32 {
    u32::from(parts[0] as u16) | u32::from(parts[1] as u16) << 16
}

#[test]
fn pairs_do_not_carry_into_each_other() {
    let both = |a: [i128; 2], b: [i128; 2], f: fn(i128, i128) -> i128| {
        packed([f(a[0], b[0]), f(a[1], b[1])])
    };
    for name in ["s16x2", "u16x2"] {
        check2(&format!("add.{name} d, a, b"), |a: u32, b: u32| {
            both(halves(a), halves(b), |a, b| a + b)
        });
    }
    for (opcode, f, g) in [
        (
            "min",
            i128::min as fn(i128, i128) -> i128,
            (|a, b| a.min(b).max(0)) as fn(i128, i128) -> i128,
        ),
        ("max", i128::max, |a, b| a.max(b).max(0)),
    ] {
        check2(&format!("{opcode}.s16x2 d, a, b"), |a: u32, b: u32| both(halves(a), halves(b), f));
        check2(&format!("{opcode}.u16x2 d, a, b"), |a: u32, b: u32| {
            both(unsigned_halves(a), unsigned_halves(b), f)
        });
        check2(&format!("{opcode}.s16x2.relu d, a, b"), |a: u32, b: u32| {
            both(halves(a), halves(b), g)
        });
        check2(&format!("{opcode}.relu.s16x2 d, a, b"), |a: u32, b: u32| {
            both(halves(a), halves(b), g)
        });
        check2(&format!("{opcode}.s32.relu d, a, b"), |a: i32, b: i32| {
            i32::cut(g(a.wide(), b.wide()))
        });
        check2(&format!("{opcode}.relu.s32 d, a, b"), |a: i32, b: i32| {
            i32::cut(g(a.wide(), b.wide()))
        });
    }
}

#[test]
fn dot_products_extend_each_side_by_its_type() {
    for (a_name, a_signed) in [("u32", false), ("s32", true)] {
        for (b_name, b_signed) in [("u32", false), ("s32", true)] {
            let part = |x: u32, i: u32, bits: u32, signed: bool| {
                let x = i128::from(x >> (bits * i)) & ((1 << bits) - 1);
                if signed && x >= 1 << (bits - 1) { x - (1 << bits) } else { x }
            };
            check3(&format!("dp4a.{a_name}.{b_name} d, a, b, c"), |a: u32, b: u32, c: u32| {
                let products = (0..4).map(|i| part(a, i, 8, a_signed) * part(b, i, 8, b_signed));
                u32::cut(c.wide() + products.sum::<i128>())
            });
            for (mode, first) in [("lo", 0), ("hi", 2)] {
                check3(
                    &format!("dp2a.{mode}.{a_name}.{b_name} d, a, b, c"),
                    |a: u32, b: u32, c: u32| {
                        let product =
                            |i| part(a, i, 16, a_signed) * part(b, first + i, 8, b_signed);
                        u32::cut(c.wide() + product(0) + product(1))
                    },
                );
            }
        }
    }
}

#[test]
fn differences_of_parts_are_taken_without_sign() {
    for (name, bits) in [("vabsdiff4", 8), ("vabsdiff2", 16)] {
        let parts = move |word: u32| -> Vec<i64> {
            (0..32 / bits).map(|i| i64::from(word >> (bits * i)) & ((1 << bits) - 1)).collect()
        };
        let difference = move |a: u32, b: u32| -> Vec<i64> {
            parts(a).iter().zip(parts(b)).map(|(a, b)| (a - b).abs()).collect()
        };
        check3(&format!("{name}.u32.u32.u32 d, a, b, c"), |a: u32, b: u32, _c: u32| {
            difference(a, b).iter().rev().fold(0, |all, part| all << bits | *part) as u32
        });
        check3(&format!("{name}.u32.u32.u32.add d, a, b, c"), |a: u32, b: u32, c: u32| {
            (i64::from(c) + difference(a, b).iter().sum::<i64>()) as u32
        });
    }
}
