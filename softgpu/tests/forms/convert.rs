//! Conversions between all types in all roundings: integers in 128 bits, f32 and f64 by C, the small
//! formats by search; and which of them exist, by the assembler's word.

use crate::formats::Small;
use crate::machine::Form;
use crate::reference::{DIRECTIONS, compute};
use crate::values::{Cases, Value};

/// What a tuple's source stands for.
#[derive(Clone, Copy, Debug)]
enum Exact {
    Int(i128),
    Float(f64),
}

const INTEGERS: [&str; 8] = ["u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"];
const FLOATS: [&str; 4] = ["f16", "bf16", "f32", "f64"];

fn width(name: &str) -> u32 {
    name[1..].parse().expect("a width")
}

fn range(name: &str) -> (i128, i128) {
    let bits = width(name);
    if name.starts_with('s') {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    }
}

/// Sources of a type. Bits above a type of 8 bits are noise: they must not matter.
fn sources(name: &str) -> Cases {
    match name {
        "f16" | "bf16" => Cases::given((0..1 << 16).map(|bits| vec![bits]).collect()),
        "u8" | "s8" => {
            Cases::given((0..1 << 11).map(|x| vec![x & 0xff | ((x * 37) & 0xff00)]).collect())
        }
        "u16" | "s16" => Cases::of_one::<u16>(),
        "u32" | "s32" => Cases::of_one::<i32>(),
        "u64" | "s64" => Cases::of_one::<i64>(),
        "f32" => Cases::of_one::<f32>(),
        _ => Cases::of_one::<f64>(),
    }
}

fn exact(name: &str, bits: u64, ftz: bool) -> Exact {
    match name {
        "f16" => Exact::Float(half::f16::from_bits(bits as u16).to_f64()),
        "bf16" => Exact::Float(half::bf16::from_bits(bits as u16).to_f64()),
        "f32" => {
            let x = f32::from_bits(bits as u32);
            Exact::Float(if ftz && x.is_subnormal() { 0f64.copysign(x.into()) } else { x.into() })
        }
        "f64" => Exact::Float(f64::from_bits(bits)),
        _ => {
            let low = i128::from(bits) & ((1 << width(name)) - 1);
            let (_, max) = range(name);
            Exact::Int(if low > max { low - (1 << width(name)) } else { low })
        }
    }
}

/// C on the sources, as floats or integers.
fn in_c(operation: &str, direction: &str, exact: &[Exact]) -> Vec<u64> {
    let tuples: Vec<Vec<u64>> = (exact.iter())
        .map(|exact| match exact {
            Exact::Int(x) => vec![*x as u64],
            Exact::Float(x) => vec![x.to_bits()],
        })
        .collect();
    compute(operation, direction, &tuples)
}

/// "In float-to-integer conversions, NaN": zero, or the top bit where 64 bits take part.
fn to_integer(dtype: &str, stype: &str, rounded: f64) -> u64 {
    let (min, max) = range(dtype);
    let value = if !rounded.is_nan() {
        (rounded as i128).clamp(min, max)
    } else if stype == "f64" || width(dtype) == 64 {
        1 << (width(dtype) - 1)
    } else {
        0
    };
    in_register(dtype, value)
}

/// Signed numbers of 8 bits are extended to the register's 16.
fn in_register(dtype: &str, value: i128) -> u64 {
    let value =
        if dtype == "s8" { i128::from(value as i8) } else { value & ((1 << width(dtype)) - 1) };
    let bits = width(dtype).max(16);
    value as u64 & (u64::MAX >> (64 - bits))
}

/// Results as bits, `None` for NaN.
fn to_float(
    dtype: &str,
    direction: &'static str,
    exact: &[Exact],
    signed: bool,
) -> Vec<Option<u64>> {
    let of_integers = matches!(exact[0], Exact::Int(_));
    let stype = if of_integers && signed { "s64" } else { "u64" };
    match dtype {
        "f32" | "f64" => {
            let results = match (of_integers, dtype) {
                (true, _) => in_c(&format!("{dtype}.{stype}"), direction, exact),
                (false, "f32") => in_c("f32.f64", direction, exact),
                (false, _) => {
                    in_c("rint.f64", "rn", &[]).into_iter().chain(exact.iter().map(bits)).collect()
                }
            };
            let is_nan = |bits: u64| match dtype {
                "f32" => f32::from_bits(bits as u32).is_nan(),
                _ => f64::from_bits(bits).is_nan(),
            };
            results.into_iter().map(|bits| (!is_nan(bits)).then_some(bits)).collect()
        }
        _ => {
            let format = match dtype {
                "f16" => Small::f16(),
                "bf16" => Small::bf16(),
                _ => Small::tf32(),
            };
            let shift = if dtype == "tf32" { 13 } else { 0 };
            // Integers that f64 does not hold lie between two of its numbers: the odd one rounds alike.
            let values: Vec<f64> = if of_integers {
                let down = in_c(&format!("f64.{stype}"), "rm", exact);
                let up = in_c(&format!("f64.{stype}"), "rp", exact);
                let between =
                    down.iter().zip(&up).map(|(d, u)| if d == u || d & 1 == 1 { *d } else { *u });
                between.map(f64::from_bits).collect()
            } else {
                exact.iter().map(bits).map(f64::from_bits).collect()
            };
            let round = |x: f64| Some(u64::from(format.round(x, direction)?) << shift);
            values.into_iter().map(round).collect()
        }
    }
}

fn bits(exact: &Exact) -> u64 {
    match exact {
        Exact::Int(x) => *x as u64,
        Exact::Float(x) => x.to_bits(),
    }
}

fn nan(dtype: &str, found: u64) -> bool {
    match dtype {
        "f64" => f64::NAN.accepts(found),
        "f32" | "tf32" => found == 0x7fff_ffff,
        _ => found == 0x7fff,
    }
}

/// `.sat` and `.ftz` on the result.
fn after(dtype: &str, bits: Option<u64>, ftz: bool, sat: bool) -> Option<u64> {
    let one = match dtype {
        "f16" => 0x3c00,
        "f32" => 0x3f80_0000,
        _ => 1f64.to_bits(),
    };
    let top = 1u64 << (width(dtype.trim_start_matches('b')) - 1);
    let bits = match bits {
        Some(bits) if ftz && dtype == "f32" && bits & !top < 1 << 23 => Some(bits & top),
        bits => bits,
    };
    match bits {
        None if sat => Some(0),
        Some(bits) if sat && bits >= top => Some(0),
        Some(bits) if sat => Some(bits.min(one)),
        bits => bits,
    }
}

fn hold(text: &str, dtype: &str, cases: &Cases, expected: &[Option<u64>]) {
    let form = Form::new(text);
    cases.run(&form, |case, found| {
        let holds = match expected[case] {
            Some(bits) => bits == found[0],
            None => nan(dtype, found[0]),
        };
        assert!(
            holds,
            "{text} of {:x?}: {:x} for {:x?}",
            cases.tuples()[case],
            found[0],
            expected[case]
        );
    });
}

#[test]
fn integers_extend_cut_and_saturate() {
    for stype in INTEGERS {
        let cases = sources(stype);
        for dtype in INTEGERS {
            let value = |bits: u64| match exact(stype, bits, false) {
                Exact::Int(x) => x,
                Exact::Float(_) => unreachable!("an integer type"),
            };
            let results = cases.tuples().iter().map(|t| Some(in_register(dtype, value(t[0]))));
            hold(&format!("cvt.{dtype}.{stype} d, a"), dtype, &cases, &results.collect::<Vec<_>>());
            let ((from_min, from_max), (min, max)) = (range(stype), range(dtype));
            if from_min >= min && from_max <= max {
                continue;
            }
            let results = cases
                .tuples()
                .iter()
                .map(|t| Some(in_register(dtype, value(t[0]).clamp(min, max))));
            hold(
                &format!("cvt.sat.{dtype}.{stype} d, a"),
                dtype,
                &cases,
                &results.collect::<Vec<_>>(),
            );
        }
    }
}

#[test]
fn floats_round_to_integers_and_clamp() {
    for stype in FLOATS {
        let cases = sources(stype);
        for ftz in [false, true] {
            if ftz && stype != "f32" {
                continue;
            }
            let exact: Vec<_> = cases.tuples().iter().map(|t| exact(stype, t[0], ftz)).collect();
            for direction in DIRECTIONS {
                let rounded = in_c("rint.f64", direction, &exact);
                for dtype in INTEGERS {
                    let results = rounded
                        .iter()
                        .map(|bits| Some(to_integer(dtype, stype, f64::from_bits(*bits))));
                    let (ftz, sat) = (
                        if ftz { ".ftz" } else { "" },
                        if dtype == "s16" && stype != "bf16" { ".sat" } else { "" },
                    );
                    let text = format!("cvt.{direction}i{ftz}{sat}.{dtype}.{stype} d, a");
                    hold(&text, dtype, &cases, &results.collect::<Vec<_>>());
                }
            }
        }
    }
}

#[test]
fn integers_round_to_floats() {
    for stype in INTEGERS {
        let cases = sources(stype);
        let exact: Vec<_> = cases.tuples().iter().map(|t| exact(stype, t[0], false)).collect();
        for dtype in FLOATS {
            for direction in DIRECTIONS {
                let results = to_float(dtype, direction, &exact, stype.starts_with('s'));
                hold(&format!("cvt.{direction}.{dtype}.{stype} d, a"), dtype, &cases, &results);
                if dtype != "bf16" {
                    let results = results.iter().map(|bits| after(dtype, *bits, false, true));
                    let text = format!("cvt.{direction}.sat.{dtype}.{stype} d, a");
                    hold(&text, dtype, &cases, &results.collect::<Vec<_>>());
                }
            }
        }
    }
}

/// Rounding words that a conversion between two floating types takes.
fn roundings(dtype: &str, stype: &str) -> &'static [&'static str] {
    let widens = matches!((stype, dtype), ("f16" | "bf16", "f32" | "f64") | ("f32", "f64"));
    if widens || dtype == stype { &[""] } else { &DIRECTIONS }
}

#[test]
fn floats_convert_among_each_other() {
    for stype in FLOATS {
        let cases = sources(stype);
        for dtype in FLOATS {
            for direction in roundings(dtype, stype) {
                for (ftz, sat) in [(false, false), (true, false), (false, true), (true, true)] {
                    if ftz && dtype != "f32" && stype != "f32"
                        || sat && (dtype == "bf16" || stype == "bf16")
                    {
                        continue;
                    }
                    let exact: Vec<_> =
                        cases.tuples().iter().map(|t| exact(stype, t[0], ftz)).collect();
                    let results = to_float(
                        dtype,
                        if direction.is_empty() { "rn" } else { direction },
                        &exact,
                        false,
                    );
                    let results: Vec<_> =
                        results.iter().map(|bits| after(dtype, *bits, ftz, sat)).collect();
                    let words = [
                        "cvt",
                        direction,
                        if ftz { "ftz" } else { "" },
                        if sat { "sat" } else { "" },
                        dtype,
                        stype,
                    ];
                    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
                    hold(&format!("{} d, a", words.join(".")), dtype, &cases, &results);
                }
            }
        }
    }
}

#[test]
fn floats_round_to_integral_floats() {
    for ty in FLOATS {
        let cases = sources(ty);
        for direction in DIRECTIONS {
            for (ftz, sat) in [(false, false), (true, false), (false, true), (true, true)] {
                if ftz && ty != "f32" || sat && ty == "bf16" {
                    continue;
                }
                let exact: Vec<_> = cases.tuples().iter().map(|t| exact(ty, t[0], ftz)).collect();
                let rounded = in_c("rint.f64", direction, &exact);
                let rounded: Vec<_> =
                    rounded.into_iter().map(|bits| Exact::Float(f64::from_bits(bits))).collect();
                // Exact in its own type.
                let results = to_float(ty, "rn", &rounded, false);
                let results: Vec<_> =
                    results.iter().map(|bits| after(ty, *bits, ftz, sat)).collect();
                let (ftz, sat) = (if ftz { ".ftz" } else { "" }, if sat { ".sat" } else { "" });
                hold(&format!("cvt.{direction}i{ftz}{sat}.{ty}.{ty} d, a"), ty, &cases, &results);
            }
        }
    }
}

/// `.relu` and `.satfinite` on the bits of a small format.
fn limited(format: &Small, code: Option<u32>, relu: bool, finite: bool) -> Option<u32> {
    let code = code?;
    let code = if finite && code & !format.sign() == format.infinity() { code - 1 } else { code };
    Some(if relu && code & format.sign() != 0 { 0 } else { code })
}

#[test]
fn f32_narrows_with_relu_and_satfinite() {
    let (f16, bf16, tf32) = (Small::f16(), Small::bf16(), Small::tf32());
    let cases = Cases::of_one::<f32>();
    for (dtype, format, shift) in [("f16", &f16, 0), ("bf16", &bf16, 0), ("tf32", &tf32, 13)] {
        for direction in ["rn", "rz", "rna"] {
            for (relu, finite) in [(false, false), (true, false), (false, true), (true, true)] {
                if direction == "rna" && (dtype != "tf32" || relu) {
                    continue;
                }
                let results = cases.tuples().iter().map(|t| {
                    let code = format.round(f32::from_bits(t[0] as u32).into(), direction);
                    limited(format, code, relu, finite).map(|code| u64::from(code) << shift)
                });
                let (relu, finite) =
                    (if relu { ".relu" } else { "" }, if finite { ".satfinite" } else { "" });
                let words = if dtype == "tf32" { [finite, relu] } else { [relu, finite] }.concat();
                let text = format!("cvt.{direction}{words}.{dtype}.f32 d, a");
                hold(&text, dtype, &cases, &results.collect::<Vec<_>>());
            }
        }
    }
}

/// "The value converted from a is stored in the upper half, that from b in the lower half."
#[test]
fn pairs_put_the_first_source_on_top() {
    let (f16, bf16) = (Small::f16(), Small::bf16());
    let cases = Cases::of_two::<f32, f32>();
    for (dtype, format) in [("f16x2", &f16), ("bf16x2", &bf16)] {
        for direction in ["rn", "rz"] {
            for (relu, finite) in [(false, false), (true, false), (false, true), (true, true)] {
                let half = |bits: u64| {
                    let code = format.round(f32::from_bits(bits as u32).into(), direction);
                    u64::from(limited(format, code, relu, finite).unwrap_or(0x7fff))
                };
                let results = cases.tuples().iter().map(|t| Some(half(t[0]) << 16 | half(t[1])));
                let (relu, finite) =
                    (if relu { ".relu" } else { "" }, if finite { ".satfinite" } else { "" });
                let text = format!("cvt.{direction}{relu}{finite}.{dtype}.f32 d, a, b");
                hold(&text, dtype, &cases, &results.collect::<Vec<_>>());
            }
        }
    }
}

/// f16 and bf16 numbers survive the way to f32 and back, all of them.
#[test]
fn small_formats_widen_exactly() {
    for (name, format) in [("f16", Small::f16()), ("bf16", Small::bf16())] {
        let widen = Form::new(&format!("cvt.f32.{name} d, a"));
        let cases = sources(name);
        cases.run(&widen, |case, found| {
            let (code, x) = (case as u32, f32::from_bits(found[0] as u32));
            let same = f64::from(x).to_bits() == format.value(code).to_bits();
            assert!(
                if format.is_nan(code) { found[0] == 0x7fff_ffff } else { same },
                "{name} {code:x}"
            );
        });
    }
}
