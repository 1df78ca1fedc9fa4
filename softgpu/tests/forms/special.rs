//! Approximate functions: accurate where nothing is asked, within the manual's bounds where results are
//! to be moved, and what the manual's tables say of special inputs.

use crate::formats::Small;
use crate::machine::{Form, LANES, Lanes};
use crate::random::Random;
use crate::reference::compute;
use crate::values::{Cases, Value};
use softgpu::exec::alu::special::{Bound, Function, bound};
use std::f64::consts::PI;

/// Inputs of a function, of all sizes and signs.
fn inputs() -> Vec<f32> {
    let mut random = Random::new(11);
    let mut all = f32::edges();
    for _ in 0..6000 {
        all.push(f32::random(&mut random));
        all.push(random.f32() * 7.0);
        all.push(random.f32() * 310.0);
    }
    all
}

fn flushed(x: f32, ftz: bool) -> f32 {
    if ftz && x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// The unit in the last place of a number of `digits` digits near x.
fn ulp(x: f64, digits: i32, min_exponent: i32) -> f64 {
    let exponent = if x == 0.0 { min_exponent } else { x.abs().log2().floor() as i32 };
    2f64.powi(exponent.max(min_exponent) - digits + 1)
}

fn allowed(bound: Bound, exact: f64, digits: i32, min_exponent: i32) -> f64 {
    match bound {
        Bound::Ulp(ulps) => ulps * ulp(exact, digits, min_exponent),
        Bound::Relative(share) => share * exact.abs(),
        Bound::Absolute(error) => error,
        Bound::Open => f64::INFINITY,
    }
}

/// Runs a form of one or two f32 sources with results moved by `perturb`.
fn run(form: &Form, tuples: &[Vec<u64>], perturb: f32) -> Vec<u64> {
    let mut results = Vec::new();
    for chunk in tuples.chunks(LANES) {
        let at = |lane: usize| &chunk[lane.min(chunk.len() - 1)];
        let sources: Vec<Lanes> =
            (0..chunk[0].len()).map(|place| std::array::from_fn(|lane| at(lane)[place])).collect();
        results.extend_from_slice(&form.run(&sources, !0, 0, perturb).0[0][..chunk.len()]);
    }
    results
}

const FUNCTIONS: [(&str, &str, Function); 8] = [
    ("rcp.approx", "rcp", Function::Reciprocal),
    ("sqrt.approx", "sqrt", Function::SquareRoot),
    ("rsqrt.approx", "rsqrt", Function::ReciprocalSquareRoot),
    ("sin.approx", "sin", Function::Sine),
    ("cos.approx", "cos", Function::Cosine),
    ("lg2.approx", "lg2", Function::Log2),
    ("ex2.approx", "ex2", Function::Exp2),
    ("tanh.approx", "tanh", Function::Tanh),
];

#[test]
fn functions_stay_within_their_bounds_and_move_in_them() {
    for (opcode, operation, function) in FUNCTIONS {
        for ftz in [false, true] {
            if ftz && function == Function::Tanh {
                continue;
            }
            let word = if ftz { ".ftz" } else { "" };
            let form = Form::new(&format!("{opcode}{word}.f32 d, a"));
            let tuples: Vec<Vec<u64>> = inputs().iter().map(|x| vec![x.to_bits().into()]).collect();
            let before = |t: &Vec<u64>| f64::from(flushed(f32::from_bits(t[0] as u32), ftz));
            let wide: Vec<Vec<u64>> = tuples.iter().map(|t| vec![before(t).to_bits()]).collect();
            let exact = compute(operation, "rn", &wide);
            let accurate = run(&form, &tuples, 0.0);
            for perturb in [0.0, 0.25, 1.0, -1.0] {
                let found = run(&form, &tuples, perturb);
                let mut moved = 0;
                for i in 0..tuples.len() {
                    let (x, exact) = (f64::from_bits(wide[i][0]), f64::from_bits(exact[i]));
                    hold_one(&form.text, function, x, exact, found[i], (perturb, ftz));
                    moved += usize::from(found[i] != accurate[i]);
                }
                let few = tuples.len() / 10;
                // A reciprocal has room for half a unit only, so a quarter of that seldom shows.
                assert!(perturb.abs() != 1.0 || moved > few, "{} moved {moved}", form.text);
            }
        }
    }
}

/// One result against the exact one.
fn hold_one(text: &str, function: Function, x: f64, exact: f64, found: u64, mode: (f32, bool)) {
    let (perturb, ftz) = mode;
    let result = f32::from_bits(found as u32);
    let what = format!("{text} of {x:e}: {result:e} for {exact:e}, moved by {perturb}");
    if exact.is_nan() {
        return assert!(f32::NAN.accepts(found), "{what}");
    }
    let rounded = exact as f32;
    let plain = exact.is_infinite() || x == 0.0 || exact == 0.0;
    if perturb == 0.0 || plain {
        // Correctly rounded, but for results that lie at a tie to the last digit of f64.
        let near = (flushed(rounded, ftz).to_bits() as i64).abs_diff(result.to_bits() as i64) <= 1;
        let same = flushed(rounded, ftz).to_bits() == result.to_bits();
        return assert!(if plain { same } else { near }, "{what}");
    }
    let error = (f64::from(result) - exact).abs();
    let limit = allowed(bound(function, x), exact, 24, -126);
    let flushes = ftz && result == 0.0 && exact.abs() < 1.01 * f64::from(f32::MIN_POSITIVE);
    let overflows = result.is_infinite() && rounded.is_infinite();
    assert!(error <= limit || flushes || overflows, "{what}: {error:e} > {limit:e}");
}

/// The bounds, written down once more from the sections of the manual.
#[test]
fn bounds_are_those_of_the_manual() {
    let p = |x: f64| 2f64.powf(x);
    assert_eq!(bound(Function::Divide, 3.0), Bound::Ulp(2.0));
    assert_eq!(bound(Function::DivideFull, 1e-40), Bound::Ulp(2.0));
    assert_eq!(bound(Function::Reciprocal, 3.0), Bound::Ulp(1.0));
    assert_eq!(bound(Function::SquareRoot, 3.0), Bound::Relative(p(-23.0)));
    assert_eq!(bound(Function::ReciprocalSquareRoot, 3.0), Bound::Relative(p(-22.9)));
    for function in [Function::Sine, Function::Cosine] {
        assert_eq!(bound(function, -6.25), Bound::Absolute(p(-20.5)));
        assert_eq!(bound(function, 6.29), Bound::Absolute(p(-14.7)));
        assert_eq!(bound(function, -100.0 * PI - 0.01), Bound::Open);
    }
    assert_eq!(bound(Function::Log2, 1.9), Bound::Absolute(p(-22.0)));
    assert_eq!(bound(Function::Log2, 2.0), Bound::Relative(p(-22.0)));
    assert_eq!(bound(Function::Log2, 0.5), Bound::Relative(p(-22.0)));
    assert_eq!(bound(Function::Exp2, 3.0), Bound::Ulp(2.0));
    assert_eq!(bound(Function::Tanh, 3.0), Bound::Relative(p(-11.0)));
    assert_eq!(bound(Function::Exp2Half, 3.0), Bound::Relative(p(-9.9)));
    assert_eq!(bound(Function::Exp2BFloat, 3.0), Bound::Relative(p(-7.0)));
    assert_eq!(bound(Function::TanhHalf, 3.0), Bound::Absolute(p(-10.987)));
    assert_eq!(bound(Function::TanhBFloat, 3.0), Bound::Absolute(p(-8.0)));
}

/// The tables of special inputs in each section.
#[test]
fn special_inputs_give_what_the_tables_say() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let sub = f32::from_bits(0x100);
    let rows: [(&str, &[(f32, f32)]); 10] = [
        ("rcp.approx.f32", &[(-inf, -0.0), (-0.0, -inf), (0.0, inf), (inf, 0.0), (nan, nan)]),
        ("rcp.approx.ftz.f32", &[(-sub, -inf), (sub, inf)]),
        (
            "sqrt.approx.f32",
            &[(-inf, nan), (-1.0, nan), (-0.0, -0.0), (0.0, 0.0), (inf, inf), (nan, nan)],
        ),
        ("sqrt.approx.ftz.f32", &[(-sub, -0.0), (sub, 0.0)]),
        (
            "rsqrt.approx.f32",
            &[(-inf, nan), (-1.0, nan), (-0.0, -inf), (0.0, inf), (inf, 0.0), (nan, nan)],
        ),
        ("sin.approx.f32", &[(-inf, nan), (-0.0, -0.0), (0.0, 0.0), (inf, nan), (nan, nan)]),
        ("cos.approx.f32", &[(-inf, nan), (-0.0, 1.0), (0.0, 1.0), (inf, nan), (nan, nan)]),
        (
            "lg2.approx.f32",
            &[(-inf, nan), (-1.0, nan), (-0.0, -inf), (0.0, -inf), (inf, inf), (nan, nan)],
        ),
        ("ex2.approx.f32", &[(-inf, 0.0), (-0.0, 1.0), (0.0, 1.0), (inf, inf), (nan, nan)]),
        ("tanh.approx.f32", &[(-inf, -1.0), (-0.0, -0.0), (0.0, 0.0), (inf, 1.0), (nan, nan)]),
    ];
    for (opcode, rows) in rows {
        let form = Form::new(&format!("{opcode} d, a"));
        let tuples: Vec<Vec<u64>> = rows.iter().map(|row| vec![row.0.bits()]).collect();
        for perturb in [0.0, 1.0] {
            for (found, row) in run(&form, &tuples, perturb).into_iter().zip(rows) {
                assert!(row.1.accepts(found), "{opcode} of {}: {found:x}", row.0);
            }
        }
    }
}

#[test]
fn divisions_stay_within_two_units() {
    let cases = Cases::of_two::<f32, f32>();
    for (opcode, full) in [("div.approx", false), ("div.full", true)] {
        for ftz in [false, true] {
            let form = Form::new(&format!("{opcode}{}.f32 d, a, b", if ftz { ".ftz" } else { "" }));
            let before = |t: &Vec<u64>| {
                t.iter().map(|b| flushed(f32::from_bits(*b as u32), ftz)).collect::<Vec<_>>()
            };
            let wide = |t: &Vec<u64>| before(t).iter().map(|x| f64::from(*x).to_bits()).collect();
            let exact = compute("div", "rn", &cases.tuples().iter().map(wide).collect::<Vec<_>>());
            for perturb in [0.0, 1.0, -0.5] {
                let found = run(&form, cases.tuples(), perturb);
                for (i, t) in cases.tuples().iter().enumerate() {
                    let (a, b) = (before(t)[0], before(t)[1]);
                    let what = format!("{} of {a:e}, {b:e}: {:x}", form.text, found[i]);
                    if !full && b.is_finite() && b.abs() > 2f32.powi(126) && !a.is_nan() {
                        // "If a is infinity NaN, otherwise a sign-preserving zero".
                        let sign = 0f32.copysign(a) * 1f32.copysign(b);
                        assert!(
                            (if a.is_infinite() { f32::NAN } else { sign }).accepts(found[i]),
                            "{what}"
                        );
                        continue;
                    }
                    let function = if full { Function::DivideFull } else { Function::Divide };
                    let exact = f64::from_bits(exact[i]);
                    hold_one(&what, function, f64::from(b), exact, found[i], (perturb, ftz));
                }
            }
        }
    }
}

/// All numbers of both formats.
#[test]
fn functions_of_small_formats_stay_within_their_bounds() {
    let forms = [
        ("ex2.approx.f16", "ex2", Function::Exp2Half, Small::f16(), (11, -14)),
        ("ex2.approx.ftz.bf16", "ex2", Function::Exp2BFloat, Small::bf16(), (8, -126)),
        ("tanh.approx.f16", "tanh", Function::TanhHalf, Small::f16(), (11, -14)),
        ("tanh.approx.bf16", "tanh", Function::TanhBFloat, Small::bf16(), (8, -126)),
    ];
    let tuples: Vec<Vec<u64>> = (0..1 << 16).map(|bits| vec![bits]).collect();
    let pairs: Vec<Vec<u64>> =
        (0..1 << 16).map(|bits: u64| vec![bits | ((bits * 5) & 0xffff) << 16]).collect();
    for (opcode, operation, function, format, (digits, min_exponent)) in forms {
        let form = Form::new(&format!("{opcode} d, a"));
        let both = Form::new(&format!("{opcode}x2 d, a"));
        let ftz = opcode.contains("ftz");
        let subnormal = |bits: u64| bits as u32 & format.infinity() == 0;
        let value =
            |bits: u64| if ftz && subnormal(bits) { 0.0 } else { format.value(bits as u32) };
        let wide: Vec<Vec<u64>> = tuples.iter().map(|t| vec![value(t[0]).to_bits()]).collect();
        let exact = compute(operation, "rn", &wide);
        for perturb in [0.0, 1.0] {
            let found = run(&form, &tuples, perturb);
            for (i, &found) in found.iter().enumerate() {
                let (x, exact) = (f64::from_bits(wide[i][0]), f64::from_bits(exact[i]));
                let what =
                    format!("{opcode} of {x:e}: {found:x} for {exact:e}, moved by {perturb}");
                if exact.is_nan() {
                    assert_eq!(found, 0x7fff, "{what}");
                    continue;
                }
                let rounded = format.round(exact, "rn").expect("a number");
                let rounded =
                    if ftz && subnormal(rounded.into()) { rounded & 0x8000 } else { rounded };
                if perturb == 0.0 || x == 0.0 || x.is_infinite() {
                    assert_eq!(found, u64::from(rounded), "{what}");
                    continue;
                }
                let error = (format.value(found as u32) - exact).abs();
                // Below the normal numbers no relative bound can hold: half a unit.
                let half = 0.5 * ulp(exact, digits, min_exponent);
                let limit = allowed(bound(function, x), exact, digits, min_exponent).max(half);
                let flushes = ftz && found == 0 && exact < 1.02 * f64::from(f32::MIN_POSITIVE);
                assert!(error <= limit || flushes || format.infinity() == rounded, "{what}");
            }
            let pairs_found = run(&both, &pairs, perturb);
            for (i, &pair) in pairs_found.iter().enumerate() {
                let expected = found[i] | found[(i * 5) & 0xffff] << 16;
                assert_eq!(pair, expected, "{} of {:x}", both.text, pairs[i][0]);
            }
            assert!(perturb == 0.0 || found != run(&form, &tuples, 0.0), "{opcode} moves nothing");
        }
    }
}

/// "The least significant 32 bits of d are all zeros", of a they are ignored.
#[test]
fn gross_functions_of_f64_work_on_the_upper_word() {
    type Exact = fn(f64) -> f64;
    let forms: [(&str, Exact); 2] = [
        ("rcp.approx.ftz.f64 d, a", |x| 1.0 / x),
        ("rsqrt.approx.ftz.f64 d, a", |x| 1.0 / x.sqrt()),
    ];
    for (text, exact) in forms {
        let (form, cases) = (Form::new(text), Cases::of_one::<f64>());
        cases.run(&form, |case, found| {
            let bits = cases.tuples()[case][0];
            let upper = f64::from_bits(bits & !0xffff_ffff);
            let upper = if upper.is_subnormal() { 0f64.copysign(upper) } else { upper };
            let (exact, result) = (exact(upper), f64::from_bits(found[0]));
            let what = format!("{text} of {bits:x}: {:x}", found[0]);
            if f64::from_bits(bits).is_nan() || exact.is_nan() {
                return assert_eq!(found[0], 0x7fff_ffff_0000_0000, "{what}");
            }
            assert_eq!(found[0] & 0xffff_ffff, 0, "{what}");
            if exact.is_infinite() || exact == 0.0 {
                assert_eq!(found[0], exact.to_bits(), "{what}");
            } else if exact.is_subnormal() {
                assert_eq!(result.to_bits(), 0f64.copysign(exact).to_bits(), "{what}");
            } else {
                assert!((result / exact - 1.0).abs() <= 2f64.powi(-20), "{what}");
            }
        });
    }
    let exact = compute("rsqrt", "rn", Cases::of_one::<f64>().tuples());
    let (form, cases) = (Form::new("rsqrt.approx.f64 d, a"), Cases::of_one::<f64>());
    cases.run(&form, |case, found| {
        let (exact, result) = (f64::from_bits(exact[case]), f64::from_bits(found[0]));
        let close = (result / exact - 1.0).abs() < 2f64.powi(-51) || result == exact;
        assert!(
            if exact.is_nan() { exact.accepts(found[0]) } else { close },
            "{exact:e} {result:e}"
        );
    });
}
