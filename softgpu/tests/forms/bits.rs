//! Logic, shifts, bit fields and permutation, bit by bit as the manual's pseudo-code has it.

use crate::machine::{Form, LANES, Lanes};
use crate::random::Random;
use crate::values::{Cases, Place, Value, check1, check2, check3, place};

#[test]
fn logic_works_on_every_bit() {
    macro_rules! hold {
        ($ty:ty, $name:literal) => {
            check2(concat!("and.", $name, " d, a, b"), |a: $ty, b: $ty| a & b);
            check2(concat!("or.", $name, " d, a, b"), |a: $ty, b: $ty| a | b);
            check2(concat!("xor.", $name, " d, a, b"), |a: $ty, b: $ty| a ^ b);
            check1(concat!("not.", $name, " d, a"), |a: $ty| !a);
        };
    }
    hold!(bool, "pred");
    hold!(u16, "b16");
    hold!(u32, "b32");
    hold!(u64, "b64");
    check1("cnot.b16 d, a", |a: u16| u16::from(a == 0));
    check1("cnot.b32 d, a", |a: u32| u32::from(a == 0));
    check1("cnot.b64 d, a", |a: u64| u64::from(a == 0));
}

/// Section "lop3": the table is indexed by the bits of a, b and c, a highest.
fn looked_up(lut: u32, a: u32, b: u32, c: u32) -> u32 {
    (0..32).fold(0, |d, i| {
        let index = (a >> i & 1) << 2 | (b >> i & 1) << 1 | c >> i & 1;
        d | (lut >> index & 1) << i
    })
}

#[test]
fn lop3_looks_up_every_table() {
    let (ta, tb, tc) = (0xF0, 0xCC, 0xAA_u32);
    assert_eq!(
        looked_up(ta & tb | tc & !ta, 0b1100, 0b1010, 0b0110),
        0b1010 & 0b1100 | 0b0110 & 0b0011
    );
    let words = [0x0000_00f0, 0x1234_5678, 0xdead_beef, 0x0f0f_3355, 0xffff_ffff];
    let tuples: Vec<Vec<u64>> =
        (0..125).map(|i| [i % 5, i / 5 % 5, i / 25].iter().map(|&i| words[i]).collect()).collect();
    let cases = Cases::given(tuples);
    for lut in 0..256 {
        let form = Form::new(&format!("lop3.b32 d, a, b, c, {lut}"));
        cases.run(&form, |case, found| {
            let [a, b, c] = [0, 1, 2].map(|i| cases.tuples()[case][i] as u32);
            assert_eq!(found[0] as u32, looked_up(lut, a, b, c), "table {lut:x}");
        });
    }
}

#[test]
fn lop3_tests_its_result_against_a_predicate() {
    for (word, combine) in [("and", bool::bitand as fn(bool, bool) -> bool), ("or", bool::bitor)] {
        let form = Form::new(&format!("lop3.{word}.b32 d|p, a, b, c, 0x80, q"));
        let cases = Cases::new(&[place::<u32>(), place::<u32>(), place::<u32>(), place::<bool>()]);
        cases.run(&form, |case, found| {
            let tuple = &cases.tuples()[case];
            let d = tuple[0] & tuple[1] & tuple[2];
            assert_eq!(found, [d, u64::from(combine(d != 0, tuple[3] != 0))], "{tuple:x?}");
        });
    }
}

use std::ops::{BitAnd, BitOr};

/// Shift amounts are unsigned words and clamp at the width.
fn shifted<T: Into<i128>>(a: T, by: u32, left: bool) -> i128 {
    let (a, by) = (a.into(), by.min(64));
    if left { a << by } else { a >> by }
}

#[test]
fn shifts_clamp_beyond_the_width() {
    macro_rules! hold {
        ($ty:ty, $name:literal, $bits:literal) => {
            check2(concat!("shl.", $bits, " d, a, b"), |a: $ty, b: u32| shifted(a, b, true) as $ty);
            check2(concat!("shr.", $name, " d, a, b"), |a: $ty, b: u32| {
                shifted(a, b, false) as $ty
            });
        };
    }
    hold!(u16, "u16", "b16");
    hold!(i16, "s16", "b16");
    hold!(u32, "u32", "b32");
    hold!(i32, "s32", "b32");
    hold!(u64, "u64", "b64");
    hold!(i64, "s64", "b64");
    hold!(u16, "b16", "b16");
    hold!(u32, "b32", "b32");
    hold!(u64, "b64", "b64");
}

#[test]
fn funnel_shifts_wrap_or_clamp() {
    check3("shf.l.wrap.b32 d, a, b, c", |a: u32, b: u32, c: u32| {
        let n = c & 31;
        if n == 0 { b } else { b << n | a >> (32 - n) }
    });
    check3("shf.r.wrap.b32 d, a, b, c", |a: u32, b: u32, c: u32| {
        let n = c & 31;
        if n == 0 { a } else { b << (32 - n) | a >> n }
    });
    check3("shf.l.clamp.b32 d, a, b, c", |a: u32, b: u32, c: u32| match c {
        0 => b,
        1..32 => b << c | a >> (32 - c),
        _ => a,
    });
    check3("shf.r.clamp.b32 d, a, b, c", |a: u32, b: u32, c: u32| match c {
        0 => a,
        1..32 => b << (32 - c) | a >> c,
        _ => b,
    });
}

fn permuted(a: u32, b: u32, selectors: [u32; 4]) -> u32 {
    let bytes: Vec<u8> = a.to_le_bytes().into_iter().chain(b.to_le_bytes()).collect();
    u32::from_le_bytes(selectors.map(|selector| {
        let byte = bytes[selector as usize & 7];
        if selector & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 }
    }))
}

#[test]
fn prmt_picks_bytes_and_signs() {
    check3("prmt.b32 d, a, b, c", |a: u32, b: u32, c: u32| {
        permuted(a, b, [c & 15, c >> 4 & 15, c >> 8 & 15, c >> 12 & 15])
    });
    // Section "prmt", bytes from the highest to the lowest.
    type Table = [[u32; 4]; 4];
    let modes: [(&str, Table); 6] = [
        ("f4e", [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]]),
        ("b4e", [[5, 6, 7, 0], [6, 7, 0, 1], [7, 0, 1, 2], [0, 1, 2, 3]]),
        ("rc8", [[0; 4], [1; 4], [2; 4], [3; 4]]),
        ("ecl", [[3, 2, 1, 0], [3, 2, 1, 1], [3, 2, 2, 2], [3, 3, 3, 3]]),
        ("ecr", [[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 1, 0], [3, 2, 1, 0]]),
        ("rc16", [[1, 0, 1, 0], [3, 2, 3, 2], [1, 0, 1, 0], [3, 2, 3, 2]]),
    ];
    for (mode, table) in modes {
        check3(&format!("prmt.b32.{mode} d, a, b, c"), |a: u32, b: u32, c: u32| {
            let mut selectors = table[c as usize & 3];
            selectors.reverse();
            permuted(a, b, selectors)
        });
    }
}

/// Section "bfe".
fn extracted(a: u64, pos: u32, len: u32, width: u32, signed: bool) -> u64 {
    let (pos, len, msb) = (pos & 0xff, len & 0xff, width - 1);
    let bit = |i: u32| a >> i & 1;
    let sign = if !signed || len == 0 { 0 } else { bit((pos + len - 1).min(msb)) };
    (0..width)
        .fold(0, |d, i| d | (if i < len && pos + i <= msb { bit(pos + i) } else { sign }) << i)
}

#[test]
fn bfe_extends_from_the_field_or_the_register() {
    check3("bfe.u32 d, a, b, c", |a: u32, b: u32, c: u32| {
        extracted(a.into(), b, c, 32, false) as u32
    });
    check3("bfe.s32 d, a, b, c", |a: u32, b: u32, c: u32| {
        extracted(a.into(), b, c, 32, true) as u32
    });
    check3("bfe.u64 d, a, b, c", |a: u64, b: u32, c: u32| extracted(a, b, c, 64, false));
    check3("bfe.s64 d, a, b, c", |a: u64, b: u32, c: u32| extracted(a, b, c, 64, true));
}

/// Section "bfi".
fn inserted(a: u64, mut f: u64, pos: u32, len: u32, width: u32) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    for i in (0..len).take_while(|i| pos + i < width) {
        f = f & !(1 << (pos + i)) | (a >> i & 1) << (pos + i);
    }
    f
}

#[test]
fn bfi_stops_at_the_end_of_the_register() {
    for (name, width, words) in [("b32", 32, place::<u32>()), ("b64", 64, place::<u64>())] {
        let small = || -> Place {
            (vec![0, 1, 7, 31, 32, 33, 63, 64, 255, 256, 0x1ff], |r| r.below(70).into())
        };
        let cases = Cases::new(&[words.clone(), words, small(), small()]);
        let form = Form::new(&format!("bfi.{name} f, a, b, c, d"));
        cases.run(&form, |case, found| {
            let t = &cases.tuples()[case];
            assert_eq!(found[0], inserted(t[0], t[1], t[2] as u32, t[3] as u32, width), "{t:x?}");
        });
    }
}

/// Section "szext".
fn sign_extended(a: u32, b: u32, clamp: bool, signed: bool) -> u32 {
    let b1 = b & 31;
    let too_large = b >= 32 && clamp;
    let mask = if too_large { 0 } else { !0 << b1 };
    let sign_pos = b1.wrapping_sub(1) & 31;
    let sign = if b1 == 0 || too_large || !signed { 0 } else { a >> sign_pos & 1 };
    a & !mask | if sign != 0 { mask } else { 0 }
}

/// Section "bmsk".
fn masked(a: u32, b: u32, clamp: bool) -> u32 {
    let (a1, b1) = (a & 31, b & 31);
    let sum = a1 + b1;
    let mut mask0 = !0u32 << a1;
    let (mut position_overflow, mut width_overflow) = (false, false);
    if clamp {
        if a >= 32 {
            position_overflow = true;
            mask0 = 0;
        }
        width_overflow = b >= 32;
    }
    let mask1 = if sum >= 32 || position_overflow || width_overflow {
        0
    } else if b1 == 0 {
        !0
    } else {
        !0 << sum
    };
    mask0 & !mask1
}

#[test]
fn extension_and_masks_wrap_or_clamp() {
    for (mode, clamp) in [("clamp", true), ("wrap", false)] {
        for (name, signed) in [("s32", true), ("u32", false)] {
            check2(&format!("szext.{mode}.{name} d, a, b"), |a: u32, b: u32| {
                sign_extended(a, b, clamp, signed)
            });
        }
        check2(&format!("bmsk.{mode}.b32 d, a, b"), |a: u32, b: u32| masked(a, b, clamp));
    }
}

/// Section "fns".
fn nth_set(mask: u32, base: u32, offset: i32) -> u32 {
    if offset == 0 {
        return if base < 32 && mask >> base & 1 == 1 { base } else { !0 };
    }
    let (mut pos, mut count) = (i64::from(base), i64::from(offset).abs() - 1);
    while (0..32).contains(&pos) {
        if mask >> pos & 1 == 1 {
            if count == 0 {
                return pos as u32;
            }
            count -= 1;
        }
        pos += i64::from(offset.signum());
    }
    !0
}

#[test]
fn fns_counts_in_both_directions() {
    let small: Place = (vec![0, 1, 5, 31, 32], |r| r.below(34).into());
    let offsets: Place =
        (vec![0, 1, 0xffff_ffff, 0x8000_0000, 3], |r| (r.below(21) as i32 - 10) as u32 as u64);
    let cases = Cases::new(&[place::<u32>(), small, offsets]);
    let form = Form::new("fns.b32 d, a, b, c");
    cases.run(&form, |case, found| {
        let t = &cases.tuples()[case];
        assert_eq!(found[0] as u32, nth_set(t[0] as u32, t[1] as u32, t[2] as i32), "{t:x?}");
    });
}

#[test]
fn counting_and_finding_bits() {
    let ones = |a: u64| (0..64).map(|i| a >> i & 1).sum::<u64>() as u32;
    check1("popc.b32 d, a", |a: u32| ones(a.into()));
    check1("popc.b64 d, a", ones);
    let highest = |a: u64| (0..64).rev().find(|i| a >> i & 1 == 1);
    check1("clz.b32 d, a", |a: u32| highest(a.into()).map_or(32, |i| 31 - i));
    check1("clz.b64 d, a", |a: u64| highest(a).map_or(64, |i| 63 - i));
    check1("brev.b32 d, a", |a: u32| (0..32).fold(0, |d, i| d | (a >> i & 1) << (31 - i)));
    check1("brev.b64 d, a", |a: u64| (0..64).fold(0, |d, i| d | (a >> i & 1) << (63 - i)));
    // Section "bfind": of a negative number the highest zero.
    let place = |a: i128| highest(if a < 0 { !a } else { a } as u64);
    check1("bfind.u32 d, a", |a: u32| place(a.into()).unwrap_or(!0));
    check1("bfind.s32 d, a", |a: i32| place(a.into()).unwrap_or(!0));
    check1("bfind.u64 d, a", |a: u64| place(a.into()).unwrap_or(!0));
    check1("bfind.s64 d, a", |a: i64| place(a.into()).unwrap_or(!0));
    check1("bfind.shiftamt.u32 d, a", |a: u32| place(a.into()).map_or(!0, |i| 31 - i));
    check1("bfind.shiftamt.s32 d, a", |a: i32| place(a.into()).map_or(!0, |i| 31 - i));
    check1("bfind.shiftamt.u64 d, a", |a: u64| place(a.into()).map_or(!0, |i| 63 - i));
    check1("bfind.shiftamt.s64 d, a", |a: i64| place(a.into()).map_or(!0, |i| 63 - i));
}

/// Two numbers of 128 bits from words of one size with the carry between them, lane by lane.
fn extended<T: Value>(name: &str, bits: u32) {
    let mut random = Random::new(u64::from(bits));
    let mut number = || -> Lanes {
        std::array::from_fn(|lane| match lane % 4 {
            0 => T::from_bits(!0).bits(),
            1 => 0,
            _ => T::random(&mut random).bits(),
        })
    };
    for (low, middle, high, adds) in
        [("add.cc", "addc.cc", "addc", true), ("sub.cc", "subc.cc", "subc", false)]
    {
        let forms =
            [low, middle, high].map(|opcode| Form::new(&format!("{opcode}.{name} d, a, b")));
        for _ in 0..200 {
            let (a, b) = ([number(), number(), number()], [number(), number(), number()]);
            // The mask keeps the flag of lane 7, and its result.
            let mask = !(1 << 7);
            let mut carry = 1 << 7;
            let mut parts = [[0; LANES]; 3];
            for (i, form) in forms.iter().enumerate() {
                let (results, after) = form.run(&[a[i], b[i]], mask, carry, 0.0);
                parts[i] = results[0];
                assert_eq!(after >> 7 & 1, 1, "the flag of a lane that does not take part");
                carry = after;
            }
            for lane in (0..LANES).filter(|lane| *lane != 7) {
                // In base 2^bits, by hand.
                let mut carry = 0i128;
                for i in 0..3 {
                    let (x, y) = (i128::from(a[i][lane]), i128::from(b[i][lane]));
                    let sum = if adds { x + y + carry } else { x - y - carry };
                    let base = 1i128 << bits;
                    assert_eq!(i128::from(parts[i][lane]), sum.rem_euclid(base), "{name} {i}");
                    carry = i128::from(sum < 0 || sum >= base);
                }
            }
        }
    }
}

#[test]
fn carries_reach_the_next_word() {
    extended::<u32>("u32", 32);
    extended::<u32>("s32", 32);
    extended::<u64>("u64", 64);
    extended::<u64>("s64", 64);
}

#[test]
fn the_last_word_leaves_the_flag() {
    for text in ["addc.u32 d, a, b", "subc.u32 d, a, b"] {
        let (_, carry) =
            Form::new(text).run(&[[u32::MAX.into(); LANES], [1; LANES]], !0, 0xffff, 0.0);
        assert_eq!(carry, 0xffff, "{text}");
    }
}

#[test]
fn multiply_add_carries_in_and_out() {
    let mut random = Random::new(3);
    let widen = |x: u64, bits: u32, signed: bool| match (bits, signed) {
        (32, true) => i128::from(x as i32),
        (64, true) => i128::from(x as i64),
        _ => i128::from(x),
    };
    for (name, bits, signed) in
        [("u32", 32, false), ("s32", 32, true), ("u64", 64, false), ("s64", 64, true)]
    {
        for half in ["lo", "hi"] {
            for (opcode, reads, writes) in
                [("mad", false, true), ("madc", true, true), ("madc", true, false)]
            {
                let cc = if writes { ".cc" } else { "" };
                let form = Form::new(&format!("{opcode}.{half}{cc}.{name} d, a, b, c"));
                for _ in 0..100 {
                    let word = |random: &mut Random| {
                        let x = random.u64() >> (random.below(64));
                        let x = if random.below(3) == 0 { !x } else { x };
                        if bits == 32 { x & 0xffff_ffff } else { x }
                    };
                    let mut lanes = || -> Lanes { std::array::from_fn(|_| word(&mut random)) };
                    let (a, b, c, before) = (lanes(), lanes(), lanes(), 0x5555_aaaa_u32);
                    let (results, after) = form.run(&[a, b, c], !0, before, 0.0);
                    for lane in 0..LANES {
                        let wide = |x| widen(x, bits, signed);
                        // Of two u64 the product fills all 128 bits: its halves as unsigned.
                        let product = wide(a[lane]).wrapping_mul(wide(b[lane])) as u128;
                        let part = if half == "lo" { product } else { product >> bits } as u64;
                        let part = if bits == 32 { part & 0xffff_ffff } else { part };
                        let carry = if reads { before >> lane & 1 } else { 0 };
                        let sum = u128::from(part) + u128::from(c[lane]) + u128::from(carry);
                        let base = 1u128 << bits;
                        assert_eq!(u128::from(results[0][lane]), sum % base, "{}", form.text);
                        let flag = if writes { u32::from(sum >= base) } else { before >> lane & 1 };
                        assert_eq!(after >> lane & 1, flag, "{}", form.text);
                    }
                }
            }
        }
    }
}
