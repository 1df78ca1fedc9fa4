//! Comparisons and selections against the tables of the manual.

use crate::machine::Form;
use crate::values::{Bits16, Cases, Value, check3, place};
use half::{bf16, f16};

/// What an operator says of two integers (or f64 numbers that hold them exactly), from the table
/// "Operators for Signed Integer, Unsigned Integer, and Bit-Size Types".
fn integers_compare(operator: &str, a: i128, b: i128) -> bool {
    match operator {
        "eq" => a == b,
        "ne" => a != b,
        "lt" | "lo" => a < b,
        "le" | "ls" => a <= b,
        "gt" | "hi" => a > b,
        "ge" | "hs" => a >= b,
        _ => panic!("{operator}"),
    }
}

/// From the tables of floating-point operators: ordered ones are false on NaN, unordered ones true.
fn floats_compare(operator: &str, a: f64, b: f64) -> bool {
    let unordered = a.is_nan() || b.is_nan();
    match operator {
        "num" => !unordered,
        "nan" => unordered,
        _ if unordered => operator.ends_with('u'),
        _ => {
            let ordering = a.partial_cmp(&b).expect("two numbers") as i128;
            integers_compare(operator.strip_suffix('u').unwrap_or(operator), ordering, 0)
        }
    }
}

const FLOATS: [&str; 14] =
    ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"];
const SIGNED: [&str; 6] = ["eq", "ne", "lt", "le", "gt", "ge"];
const UNSIGNED: [&str; 10] = ["eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs"];

/// A type: its operators, its edges, and the comparison of its bits.
struct Type {
    name: &'static str,
    operators: &'static [&'static str],
    pairs: fn() -> Cases,
    compare: fn(&str, u64, u64) -> bool,
    ftz: bool,
}

fn f32_of(bits: u64) -> f64 {
    f32::from_bits(bits as u32).into()
}

fn flushed(x: f64, smallest: f64) -> f64 {
    if x.abs() < smallest { 0.0 } else { x }
}

fn half_of(bits: u64) -> f64 {
    f16::from_bits(bits as u16).to_f64()
}

fn bfloat_of(bits: u64) -> f64 {
    bf16::from_bits(bits as u16).to_f64()
}

fn types() -> Vec<Type> {
    macro_rules! integer {
        ($name:literal, $ty:ty, $operators:expr) => {
            Type {
                name: $name,
                operators: $operators,
                pairs: Cases::of_two::<$ty, $ty>,
                compare: |o, a, b| integers_compare(o, (a as $ty).into(), (b as $ty).into()),
                ftz: false,
            }
        };
    }
    macro_rules! float {
        ($name:literal, $ty:ty, $ftz:literal, $read:expr) => {
            Type {
                name: $name,
                operators: &FLOATS,
                pairs: Cases::of_two::<$ty, $ty>,
                compare: |o, a, b| floats_compare(o, $read(a), $read(b)),
                ftz: $ftz,
            }
        };
    }
    vec![
        integer!("b16", u16, &SIGNED[..2]),
        integer!("u16", u16, &UNSIGNED),
        integer!("s16", i16, &SIGNED),
        integer!("b32", u32, &SIGNED[..2]),
        integer!("u32", u32, &UNSIGNED),
        integer!("s32", i32, &SIGNED),
        integer!("b64", u64, &SIGNED[..2]),
        integer!("u64", u64, &UNSIGNED),
        integer!("s64", i64, &SIGNED),
        float!("f32", f32, false, f32_of),
        float!("f32", f32, true, |x| flushed(f32_of(x), f32::MIN_POSITIVE.into())),
        float!("f64", f64, false, f64::from_bits),
        float!("f16", Bits16, false, half_of),
        float!("f16", Bits16, true, |x| flushed(half_of(x), 2f64.powi(-14))),
        float!("bf16", Bits16, false, bfloat_of),
    ]
}

fn combined(word: &str, t: bool, c: bool) -> bool {
    match word {
        "" => t,
        ".and" => t && c,
        ".or" => t || c,
        ".xor" => t != c,
        _ => panic!("{word}"),
    }
}

/// The pairs of `cases`, each with a predicate at the end.
fn with_predicate(cases: &Cases) -> Cases {
    let tuples = cases.tuples().iter().enumerate();
    Cases::given(tuples.map(|(i, t)| [t.as_slice(), &[i as u64 / 3 % 2]].concat()).collect())
}

#[test]
fn setp_compares_every_type_with_every_operator() {
    for ty in types() {
        let (pairs, ftz) = ((ty.pairs)(), if ty.ftz { ".ftz" } else { "" });
        for operator in ty.operators {
            let form = Form::new(&format!("setp.{operator}{ftz}.{} p, a, b", ty.name));
            pairs.run(&form, |case, found| {
                let t = &pairs.tuples()[case];
                let expected = (ty.compare)(operator, t[0], t[1]);
                assert_eq!(found, [u64::from(expected)], "{} {t:x?}", form.text);
            });
        }
    }
}

/// "p = BoolOp(t, c); q = BoolOp(!t, c)".
#[test]
fn setp_combines_and_gives_the_complement() {
    for ty in types() {
        let (triples, ftz) = (with_predicate(&(ty.pairs)()), if ty.ftz { ".ftz" } else { "" });
        for (i, operator) in ty.operators.iter().enumerate() {
            let word = [".and", ".or", ".xor"][i % 3];
            let not = if i / 3 % 2 == 0 { "" } else { "!" };
            let form =
                Form::new(&format!("setp.{operator}{word}{ftz}.{} p|q, a, b, {not}c", ty.name));
            triples.run(&form, |case, found| {
                let t = &triples.tuples()[case];
                let (outcome, c) =
                    ((ty.compare)(operator, t[0], t[1]), (t[2] != 0) == not.is_empty());
                let expected = [combined(word, outcome, c), combined(word, !outcome, c)];
                assert_eq!(found, expected.map(u64::from), "{} {t:x?}", form.text);
            });
        }
    }
}

#[test]
fn setp_combines_with_every_operation_and_sign() {
    let triples = with_predicate(&Cases::of_two::<i32, i32>());
    for word in [".and", ".or", ".xor"] {
        for not in ["", "!"] {
            for results in ["p|q", "p", "_|q"] {
                let form = Form::new(&format!("setp.lt{word}.s32 {results}, a, b, {not}c"));
                triples.run(&form, |case, found| {
                    let t = &triples.tuples()[case];
                    let (outcome, c) = ((t[0] as i32) < t[1] as i32, (t[2] != 0) == not.is_empty());
                    let both =
                        [combined(word, outcome, c), combined(word, !outcome, c)].map(u64::from);
                    let expected = match results {
                        "p" => &both[..1],
                        "_|q" => &both[1..],
                        _ => &both,
                    };
                    assert_eq!(found, expected, "{} {t:x?}", form.text);
                });
            }
        }
    }
}

/// Of pairs, p comes from the lower halves and q from the upper ones.
#[test]
fn setp_of_pairs_keeps_the_halves_apart() {
    for (name, read) in [("f16x2", half_of as fn(u64) -> f64), ("bf16x2", bfloat_of)] {
        let quadruples = Cases::new(&[
            place::<Bits16>(),
            place::<Bits16>(),
            place::<Bits16>(),
            place::<Bits16>(),
        ]);
        let words = quadruples.tuples().iter().map(|t| vec![t[0] | t[1] << 16, t[2] | t[3] << 16]);
        let cases = Cases::given(words.collect());
        for operator in FLOATS {
            let form = Form::new(&format!("setp.{operator}.{name} p|q, a, b"));
            cases.run(&form, |case, found| {
                let (a, b) = (cases.tuples()[case][0], cases.tuples()[case][1]);
                let lower = floats_compare(operator, read(a & 0xffff), read(b & 0xffff));
                let upper = floats_compare(operator, read(a >> 16), read(b >> 16));
                assert_eq!(
                    found,
                    [u64::from(lower), u64::from(upper)],
                    "{} {a:x} {b:x}",
                    form.text
                );
            });
        }
    }
}

/// What `set` writes for true, by the type of the result.
const RESULTS: [(&str, u64); 7] = [
    ("u32", 0xffff_ffff),
    ("s32", 0xffff_ffff),
    ("f32", 0x3f80_0000),
    ("u16", 0xffff),
    ("s16", 0xffff),
    ("f16", 0x3c00),
    ("bf16", 0x3f80),
];

fn has_set(dtype: &str, stype: &str, ftz: bool) -> bool {
    if dtype == "bf16" && ftz || dtype == "f16" && stype == "bf16" {
        return false;
    }
    let half = matches!(stype, "f16" | "bf16");
    match dtype {
        "u32" | "s32" | "f16" | "bf16" => true,
        "u16" | "s16" => half,
        _ => !half,
    }
}

#[test]
fn set_writes_ones_or_the_number_one() {
    for ty in types() {
        let (pairs, ftz) = ((ty.pairs)(), if ty.ftz { ".ftz" } else { "" });
        let triples = with_predicate(&pairs);
        // Every operator with one result, the first one with every result.
        let all = RESULTS.iter().map(|result| (&ty.operators[0], *result));
        let some = ty.operators.iter().zip(RESULTS.iter().cycle().copied());
        for (operator, (dtype, one)) in
            all.chain(some).filter(|(_, r)| has_set(r.0, ty.name, ty.ftz))
        {
            let form = Form::new(&format!("set.{operator}{ftz}.{dtype}.{} d, a, b", ty.name));
            pairs.run(&form, |case, found| {
                let t = &pairs.tuples()[case];
                let expected = if (ty.compare)(operator, t[0], t[1]) { one } else { 0 };
                assert_eq!(found, [expected], "{} {t:x?}", form.text);
            });
            let form =
                Form::new(&format!("set.{operator}.xor{ftz}.{dtype}.{} d, a, b, !c", ty.name));
            triples.run(&form, |case, found| {
                let t = &triples.tuples()[case];
                let outcome = (ty.compare)(operator, t[0], t[1]) != (t[2] == 0);
                assert_eq!(found, [if outcome { one } else { 0 }], "{} {t:x?}", form.text);
            });
        }
    }
}

#[test]
fn set_of_pairs_fills_each_half() {
    let quadruples =
        Cases::new(&[place::<Bits16>(), place::<Bits16>(), place::<Bits16>(), place::<Bits16>()]);
    let words = quadruples.tuples().iter().map(|t| vec![t[0] | t[1] << 16, t[2] | t[3] << 16]);
    let cases = Cases::given(words.collect());
    let results = [
        ("f16x2", "f16x2", 0x3c00),
        ("bf16x2", "bf16x2", 0x3f80),
        ("u32", "f16x2", 0xffff),
        ("s32", "bf16x2", 0xffff),
    ];
    for (dtype, stype, one) in results {
        let read = if stype == "f16x2" { half_of } else { bfloat_of };
        for operator in FLOATS {
            let form = Form::new(&format!("set.{operator}.{dtype}.{stype} d, a, b"));
            cases.run(&form, |case, found| {
                let (a, b) = (cases.tuples()[case][0], cases.tuples()[case][1]);
                let half = |shift: u32| {
                    let (x, y) = (read(a >> shift & 0xffff), read(b >> shift & 0xffff));
                    if floats_compare(operator, x, y) { one << shift } else { 0 }
                };
                assert_eq!(found[0], half(0) | half(16), "{} {a:x} {b:x}", form.text);
            });
        }
    }
}

#[test]
fn selection_moves_bits() {
    macro_rules! hold {
        ($ty:ty, $($name:literal)+) => { $(
            check3(concat!("selp.", $name, " d, a, b, c"), |a: $ty, b: $ty, c: bool| if c { a } else { b });
            check3(concat!("slct.", $name, ".s32 d, a, b, c"), |a: $ty, b: $ty, c: i32| if c < 0 { b } else { a });
            check3(concat!("slct.", $name, ".f32 d, a, b, c"), |a: $ty, b: $ty, c: f32| {
                if c.is_nan() || c < 0.0 { b } else { a }
            });
            check3(concat!("slct.ftz.", $name, ".f32 d, a, b, c"), |a: $ty, b: $ty, c: f32| {
                if c.is_nan() || c <= -f32::MIN_POSITIVE { b } else { a }
            });
        )+ };
    }
    hold!(u16, "b16" "u16" "s16");
    hold!(u32, "b32" "u32" "s32" "f32");
    hold!(u64, "b64" "u64" "s64" "f64");
}

#[test]
fn moves_keep_every_bit() {
    macro_rules! hold {
        ($ty:ty, $($name:literal)+) => { $(
            crate::values::check1(concat!("mov.", $name, " d, a"), |a: $ty| a);
        )+ };
    }
    hold!(bool, "pred");
    hold!(u16, "b16" "u16" "s16");
    hold!(u32, "b32" "u32" "s32" "f32");
    hold!(u64, "b64" "u64" "s64" "f64");
    let signaling = f32::from_bits(0x7f80_0001).bits();
    let cases = Cases::given(vec![vec![signaling]]);
    cases.run(&Form::new("mov.f32 d, a"), |_, found| assert_eq!(found[0], signaling));
}
