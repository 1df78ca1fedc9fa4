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
