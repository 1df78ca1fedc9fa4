//! f16 and bf16 arithmetic against the same in f64 by C, rounded by looking for the neighbours.

use crate::formats::Small;
use crate::machine::Form;
use crate::reference::compute;
use crate::values::{Bits16, Cases};

/// The format's name, its numbers, and whether it has `.ftz` and `.sat`.
fn formats() -> [(&'static str, Small, bool); 2] {
    [("f16", Small::f16(), true), ("bf16", Small::bf16(), false)]
}

const NAN: u64 = 0x7fff;

fn flushed(format: &Small, bits: u64, ftz: bool) -> u64 {
    let subnormal = bits as u32 & format.infinity() == 0;
    if ftz && subnormal { bits & 0x8000 } else { bits }
}

/// Results of `operation` on the tuples, rounded once; `None` for NaN.
fn rounded(format: &Small, operation: &str, tuples: &[Vec<u64>]) -> Vec<Option<u64>> {
    let wide: Vec<Vec<u64>> = tuples
        .iter()
        .map(|t| t.iter().map(|bits| format.value(*bits as u32).to_bits()).collect())
        .collect();
    let [nearest, down, up] =
        ["rn", "rm", "rp"].map(|direction| compute(&format!("{operation}.f64"), direction, &wide));
    let results = (0..tuples.len()).map(|i| {
        // Where f64 is not exact, its odd neighbour rounds as the exact number does.
        let exact = f64::from_bits(down[i]) == f64::from_bits(up[i]);
        let bits = if exact {
            nearest[i]
        } else if down[i] & 1 == 1 {
            down[i]
        } else {
            up[i]
        };
        format.round(f64::from_bits(bits), "rn").map(u64::from)
    });
    results.collect()
}

/// Runs the scalar form on the tuples, and the form of pairs on two tuples at a time.
fn hold(text: &str, ty: &str, tuples: &[Vec<u64>], expected: &[u64]) {
    let cases = Cases::given(tuples.to_vec());
    let form = Form::new(&text.replace("TYPE", ty));
    cases.run(&form, |case, found| {
        let t = &tuples[case];
        assert_eq!(
            found[0], expected[case],
            "{} of {t:x?}: {:x} for {:x}",
            form.text, found[0], expected[case]
        );
    });
    let partner = |case: usize| (case * 7 + 3) % tuples.len();
    let pairs = |case: usize| {
        let halves = tuples[case].iter().zip(&tuples[partner(case)]);
        halves.map(|(lower, upper)| lower | upper << 16).collect()
    };
    let cases = Cases::given((0..tuples.len()).map(pairs).collect());
    let form = Form::new(&text.replace("TYPE", &format!("{ty}x2")));
    cases.run(&form, |case, found| {
        let both = expected[case] | expected[partner(case)] << 16;
        assert_eq!(found[0], both, "{} of {:x?}", form.text, cases.tuples()[case]);
    });
}

/// `.ftz`, `.sat` and `.relu` on a result.
fn after(format: &Small, bits: Option<u64>, words: &str) -> u64 {
    let Some(bits) = bits else { return if words.contains("sat") { 0 } else { NAN } };
    let bits = flushed(format, bits, words.contains("ftz"));
    let negative = bits & 0x8000 != 0;
    match words {
        words if words.contains("sat") => {
            if negative {
                0
            } else {
                bits.min(format.one().into())
            }
        }
        words if words.contains("relu") && negative => 0,
        _ => bits,
    }
}

#[test]
fn sums_and_products_round_once() {
    for (ty, format, is_f16) in formats() {
        let cases = Cases::of_two::<Bits16, Bits16>();
        let modifiers: &[&str] =
            if is_f16 { &["", ".rn", ".ftz", ".sat", ".rn.ftz.sat"] } else { &["", ".rn"] };
        for operation in ["add", "sub", "mul"] {
            for words in modifiers {
                hold_operation(&format, ty, operation, operation, words, cases.tuples());
            }
        }
    }
}

#[test]
fn fused_sums_round_once() {
    for (ty, format, is_f16) in formats() {
        let cases = Cases::of_three::<Bits16, Bits16, Bits16>();
        let modifiers: &[&str] = if is_f16 {
            &[".rn", ".rn.ftz", ".rn.sat", ".rn.ftz.sat", ".rn.relu", ".rn.ftz.relu"]
        } else {
            &[".rn", ".rn.relu"]
        };
        for words in modifiers {
            hold_operation(&format, ty, "fma", "fma", words, cases.tuples());
        }
    }
}

fn hold_operation(
    format: &Small,
    ty: &str,
    opcode: &str,
    operation: &str,
    words: &str,
    tuples: &[Vec<u64>],
) {
    let flush =
        |t: &Vec<u64>| t.iter().map(|b| flushed(format, *b, words.contains("ftz"))).collect();
    let before: Vec<Vec<u64>> = tuples.iter().map(flush).collect();
    let results = rounded(format, operation, &before);
    let expected: Vec<u64> = results.into_iter().map(|bits| after(format, bits, words)).collect();
    let operands = ["", "d, a", "d, a, b", "d, a, b, c"][tuples[0].len()];
    hold(&format!("{opcode}{words}.TYPE {operands}"), ty, tuples, &expected);
}

/// Sums whose exact value lies just beside the middle of two numbers, where rounding twice goes wrong.
#[test]
fn fused_sums_beside_a_tie() {
    for (ty, format, _) in formats() {
        let mut tuples = Vec::new();
        // The last digit of c is worth 2ⁿ; a × b is half of it, give or take the least.
        for c in [format.one(), format.one() + 1, format.one() + (1 << 3)] {
            for (a, b) in [(1, 0), (2, 0), (1, 1), (3, 1), (5, 2)] {
                for exponent in 0..16 {
                    let half =
                        format.round(2f64.powi(-exponent) * (1.0 + f64::from(a) / 128.0), "rn");
                    let other = format
                        .round(2f64.powi(exponent / 2 - 8) * (1.0 - f64::from(b) / 128.0), "rn");
                    for sign in [0, 0x8000] {
                        tuples.push(vec![
                            half.expect("a number").into(),
                            u64::from(other.expect("a number")) | sign,
                            c.into(),
                        ]);
                    }
                }
            }
        }
        // A product of the smallest numbers decides a tie; so does one below the range of f32.
        let tie = u64::from(format.one() + 1);
        tuples.extend([
            vec![1, 1, tie],
            vec![1, 0x8001, tie],
            vec![0x81, 0x81, 1],
            vec![0x8081, 0x81, 1],
        ]);
        hold_operation(&format, ty, "fma", "fma", ".rn", &tuples);
    }
}

/// Every number of each format.
fn all() -> Vec<Vec<u64>> {
    (0..1 << 16).map(|bits| vec![bits]).collect()
}

#[test]
fn signs_of_every_number() {
    for (ty, format, is_f16) in formats() {
        for ftz in if is_f16 { vec!["", ".ftz"] } else { vec![""] } {
            let flush = |t: &Vec<u64>| flushed(&format, t[0], !ftz.is_empty());
            let tuples = all();
            let expected: Vec<u64> = tuples.iter().map(|t| flush(t) & 0x7fff).collect();
            hold(&format!("abs{ftz}.TYPE d, a"), ty, &tuples, &expected);
            let expected: Vec<u64> = tuples.iter().map(|t| flush(t) ^ 0x8000).collect();
            hold(&format!("neg{ftz}.TYPE d, a"), ty, &tuples, &expected);
        }
    }
}

#[test]
fn minima_of_small_formats() {
    for (ty, format, is_f16) in formats() {
        let cases = Cases::of_two::<Bits16, Bits16>();
        for modifiers in 0..if is_f16 { 8 } else { 4 } {
            let [nan, xorsign, ftz] = [0, 1, 2].map(|bit| modifiers >> bit & 1 != 0);
            let word = |on: bool, word: &'static str| if on { word } else { "" };
            let words =
                [word(ftz, ".ftz"), word(nan, ".NaN"), word(xorsign, ".xorsign.abs")].concat();
            for is_min in [true, false] {
                let chosen = |t: &Vec<u64>| {
                    let sign = (t[0] ^ t[1]) & 0x8000;
                    let magnitude = if xorsign { 0x7fff } else { 0xffff };
                    let [a, b] = [t[0], t[1]].map(|x| flushed(&format, x, ftz) & magnitude);
                    let (x, y) = (format.value(a as u32), format.value(b as u32));
                    let d = if x.is_nan() && y.is_nan() || nan && (x.is_nan() || y.is_nan()) {
                        return NAN;
                    } else if x.is_nan() || y.is_nan() {
                        if x.is_nan() { b } else { a }
                    } else {
                        // -0 lies below +0.
                        let a_below = x < y || x == y && a & 0x8000 != 0;
                        if a_below == is_min { a } else { b }
                    };
                    if xorsign { d | sign } else { d }
                };
                let expected: Vec<u64> = cases.tuples().iter().map(chosen).collect();
                let opcode = if is_min { "min" } else { "max" };
                hold(&format!("{opcode}{words}.TYPE d, a, b"), ty, cases.tuples(), &expected);
            }
        }
    }
}
