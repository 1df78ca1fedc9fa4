//! f32 and f64 arithmetic against C in each rounding direction; minima, signs and properties against
//! what the manual writes down.

use crate::machine::Form;
use crate::reference::{DIRECTIONS, compute};
use crate::values::{Cases, Value, check1, check2, check3};

/// What the modifiers do to the numbers before and to the result after.
#[derive(Clone, Copy)]
struct Modifiers {
    ftz: bool,
    sat: bool,
}

fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

impl Modifiers {
    fn before(self, bits: u64) -> u64 {
        if self.ftz { flushed(f32::from_bits(bits as u32)).to_bits().into() } else { bits }
    }

    fn after(self, x: f32) -> f32 {
        let x = if self.ftz { flushed(x) } else { x };
        match self.sat {
            true if x.is_nan() || x <= 0.0 => 0.0,
            true => x.min(1.0),
            false => x,
        }
    }
}

fn cases<T: Value>(operands: usize) -> Cases {
    match operands {
        1 => Cases::of_one::<T>(),
        2 => Cases::of_two::<T, T>(),
        _ => Cases::of_three::<T, T, T>(),
    }
}

const NAMES: [&str; 4] = ["", "d, a", "d, a, b", "d, a, b, c"];

fn hold_f32(opcode: &str, operation: &str, operands: usize, direction: &str, modifiers: Modifiers) {
    let spelled = |on: bool, word: &'static str| if on { word } else { "" };
    let (ftz, sat) = (spelled(modifiers.ftz, ".ftz"), spelled(modifiers.sat, ".sat"));
    let form = Form::new(&format!("{opcode}.{direction}{ftz}{sat}.f32 {}", NAMES[operands]));
    let cases = cases::<f32>(operands);
    let before: Vec<Vec<u64>> = (cases.tuples().iter())
        .map(|tuple| tuple.iter().map(|bits| modifiers.before(*bits)).collect())
        .collect();
    let expected = compute(&format!("{operation}.f32"), direction, &before);
    cases.run(&form, |case, found| {
        let expected = modifiers.after(f32::from_bits(expected[case] as u32));
        let tuple = &cases.tuples()[case];
        assert!(
            expected.accepts(found[0]),
            "{} {tuple:x?}: {:x} for {expected:?}",
            form.text,
            found[0]
        );
    });
}

#[test]
fn f32_arithmetic_rounds_flushes_and_saturates() {
    let operations = [
        ("add", "add", 2),
        ("sub", "sub", 2),
        ("mul", "mul", 2),
        ("fma", "fma", 3),
        ("mad", "fma", 3),
    ];
    for (opcode, operation, operands) in operations {
        for direction in DIRECTIONS {
            for (ftz, sat) in [(false, false), (true, false), (false, true), (true, true)] {
                hold_f32(opcode, operation, operands, direction, Modifiers { ftz, sat });
            }
        }
    }
}

/// Two numbers in a register of 64 bits, each rounded for itself.
#[test]
fn f32_pairs_keep_the_halves_apart() {
    for (operation, operands) in [("add", 2), ("sub", 2), ("mul", 2), ("fma", 3)] {
        for direction in DIRECTIONS {
            for ftz in [false, true] {
                let modifiers = Modifiers { ftz, sat: false };
                let word = if ftz { ".ftz" } else { "" };
                let form =
                    Form::new(&format!("{operation}.{direction}{word}.f32x2 {}", NAMES[operands]));
                let tuples = cases::<f32>(operands);
                let tuples = tuples.tuples();
                let before = |t: &Vec<u64>| t.iter().map(|bits| modifiers.before(*bits)).collect();
                let halves: Vec<Vec<u64>> = tuples.iter().map(before).collect();
                let halves = compute(&format!("{operation}.f32"), direction, &halves);
                let partner = |case: usize| (case * 7 + 3) % tuples.len();
                let pair = |case: usize| {
                    let halves = tuples[case].iter().zip(&tuples[partner(case)]);
                    halves.map(|(lower, upper)| lower | upper << 32).collect()
                };
                let cases = Cases::given((0..tuples.len()).map(pair).collect());
                cases.run(&form, |case, found| {
                    for (case, bits) in
                        [(case, found[0] & 0xffff_ffff), (partner(case), found[0] >> 32)]
                    {
                        let expected = modifiers.after(f32::from_bits(halves[case] as u32));
                        assert!(expected.accepts(bits), "{} {:x?}", form.text, tuples[case]);
                    }
                });
            }
        }
    }
}

#[test]
fn f32_division_and_roots_round_and_flush() {
    for (opcode, operands) in [("div", 2), ("rcp", 1), ("sqrt", 1)] {
        for direction in DIRECTIONS {
            for ftz in [false, true] {
                hold_f32(opcode, opcode, operands, direction, Modifiers { ftz, sat: false });
            }
        }
    }
}

fn hold_f64(text: &str, operation: &str, operands: usize, direction: &str) {
    let (form, cases) = (Form::new(text), cases::<f64>(operands));
    let expected = compute(&format!("{operation}.f64"), direction, cases.tuples());
    cases.run(&form, |case, found| {
        let expected = f64::from_bits(expected[case]);
        let tuple = &cases.tuples()[case];
        assert!(expected.accepts(found[0]), "{text} {tuple:x?}: {:x} for {expected:?}", found[0]);
    });
}

#[test]
fn f64_arithmetic_rounds() {
    let operations = [
        ("add", "add", 2),
        ("sub", "sub", 2),
        ("mul", "mul", 2),
        ("fma", "fma", 3),
        ("mad", "fma", 3),
    ];
    let others = [("div", "div", 2), ("rcp", "rcp", 1), ("sqrt", "sqrt", 1)];
    for (opcode, operation, operands) in operations.into_iter().chain(others) {
        for direction in DIRECTIONS {
            hold_f64(
                &format!("{opcode}.{direction}.f64 {}", NAMES[operands]),
                operation,
                operands,
                direction,
            );
        }
    }
}

#[test]
fn no_rounding_written_means_to_nearest() {
    for opcode in ["add", "sub", "mul"] {
        hold_f64(&format!("{opcode}.f64 d, a, b"), opcode, 2, "rn");
        let form = Form::new(&format!("{opcode}.f32 d, a, b"));
        let cases = cases::<f32>(2);
        let expected = compute(&format!("{opcode}.f32"), "rn", cases.tuples());
        cases.run(&form, |case, found| {
            assert!(f32::from_bits(expected[case] as u32).accepts(found[0]), "{opcode}");
        });
    }
}

/// Section "Floating-Point Instructions": "NaN payloads are supported for double-precision instructions".
#[test]
fn f64_nans_keep_their_payload() {
    let (a, b) = (0x7ff0_0000_dead_beef_u64, 0xfff8_1234_5678_9abc_u64);
    let one = 1f64.to_bits();
    let quiet = 0x7ff8_0000_dead_beef;
    let tuples = [(a, one, quiet), (one, a, quiet), (a, b, quiet), (b, a, b), (one, b, b)];
    for opcode in ["add", "sub.rz", "mul.rp", "div.rn", "div.rm"] {
        let form = Form::new(&format!("{opcode}.f64 d, a, b"));
        let cases = Cases::given(tuples.iter().map(|t| vec![t.0, t.1]).collect());
        cases.run(&form, |case, found| assert_eq!(found[0], tuples[case].2, "{opcode} {case}"));
    }
}

/// The semantics that sections "min" and "max" of the manual write down, -0 below +0.
fn chosen(a: f32, b: f32, is_min: bool, nan: bool) -> f32 {
    if a.is_nan() && b.is_nan() || nan && (a.is_nan() || b.is_nan()) {
        f32::NAN
    } else if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else {
        let a_below = a < b || a == b && a.is_sign_negative();
        if a_below == is_min { a } else { b }
    }
}

#[test]
fn minima_treat_nan_zeros_and_signs_as_the_manual_does() {
    for (opcode, is_min) in [("min", true), ("max", false)] {
        for modifiers in 0..8 {
            let [ftz, nan, xorsign] = [0, 1, 2].map(|bit| modifiers >> bit & 1 != 0);
            let word = |on: bool, word: &'static str| if on { word } else { "" };
            let words =
                [word(ftz, ".ftz"), word(nan, ".NaN"), word(xorsign, ".xorsign.abs")].concat();
            check2(&format!("{opcode}{words}.f32 d, a, b"), |a: f32, b: f32| {
                let sign = a.is_sign_negative() != b.is_sign_negative();
                let (a, b) = if ftz { (flushed(a), flushed(b)) } else { (a, b) };
                let (x, y) = if xorsign { (a.abs(), b.abs()) } else { (a, b) };
                let d = chosen(x, y, is_min, nan);
                if xorsign && sign && !d.is_nan() { -d.abs() } else { d }
            });
            let three = [word(ftz, ".ftz"), word(nan, ".NaN"), word(xorsign, ".abs")].concat();
            check3(&format!("{opcode}{three}.f32 d, a, b, c"), |a: f32, b: f32, c: f32| {
                let prepare = |x: f32| {
                    let x = if ftz { flushed(x) } else { x };
                    if xorsign { x.abs() } else { x }
                };
                let [a, b, c] = [a, b, c].map(prepare);
                chosen(chosen(a, b, is_min, nan), c, is_min, nan)
            });
        }
        check2(&format!("{opcode}.f64 d, a, b"), |a: f64, b: f64| {
            if a.is_nan() || b.is_nan() {
                return if a.is_nan() { b } else { a };
            }
            let a_below = a < b || a == b && a.is_sign_negative();
            if a_below == is_min { a } else { b }
        });
    }
}

/// Signs of NaNs too are signs: hence bits.
#[test]
fn signs_are_bits() {
    const SIGN: u32 = 1 << 31;
    check1("abs.f32 d, a", |a: u32| a & !SIGN);
    check1("neg.f32 d, a", |a: u32| a ^ SIGN);
    check1("abs.ftz.f32 d, a", |a: f32| flushed(a).abs().to_bits());
    check1("neg.ftz.f32 d, a", |a: f32| (-flushed(a)).to_bits());
    check1("abs.f64 d, a", |a: u64| a & !(1 << 63));
    check1("neg.f64 d, a", |a: u64| a ^ 1 << 63);
    check2("copysign.f32 d, a, b", |a: u32, b: u32| a & SIGN | b & !SIGN);
    check2("copysign.f64 d, a, b", |a: u64, b: u64| a & 1 << 63 | b & !(1 << 63));
}

#[test]
fn properties_count_zero_as_normal() {
    macro_rules! hold {
        ($ty:ty) => {
            let name = stringify!($ty);
            let hold = |property: &str, f: fn($ty) -> bool| {
                check1(&format!("testp.{property}.{name} p, a"), f)
            };
            hold("finite", |a| a.is_finite());
            hold("infinite", |a| a.is_infinite());
            hold("number", |a| !a.is_nan());
            hold("notanumber", |a| a.is_nan());
            hold("normal", |a| a.is_normal() || a == 0.0);
            hold("subnormal", |a| a.is_subnormal());
        };
    }
    hold!(f32);
    hold!(f64);
}

/// A subnormal tie, a sum whose error is far below it, a product that just underflows.
#[test]
fn single_roundings_of_known_sums() {
    let hold = |text: &str, tuple: [f32; 3], expected: f32| {
        let bits: Vec<u64> = tuple.iter().map(|x| x.to_bits().into()).collect();
        let form = Form::new(text);
        let cases = Cases::given(vec![bits[..form.selected.sources.len()].to_vec()]);
        cases.run(&form, |_, found| assert_eq!(found[0], u64::from(expected.to_bits()), "{text}"));
    };
    let tiny = f32::from_bits(1);
    hold("add.rz.f32 d, a, b", [1.0, -tiny, 0.0], 1.0 - f32::EPSILON / 2.0);
    hold("add.rp.f32 d, a, b", [1.0, tiny, 0.0], 1.0 + f32::EPSILON);
    hold("add.rm.f32 d, a, b", [1.0, -1.0, 0.0], -0.0);
    hold("mul.rp.f32 d, a, b", [tiny, tiny, 0.0], tiny);
    hold("mul.rm.f32 d, a, b", [f32::MAX, 2.0, 0.0], f32::MAX);
    // a × b is 1 - 2⁻⁴⁶: fused, the difference to 1 survives.
    let (up, down) = (1.0 + f32::EPSILON, 1.0 - f32::EPSILON);
    hold("fma.rn.f32 d, a, b, c", [up, down, -1.0], -f32::EPSILON * f32::EPSILON);
}
