//! f64 arithmetic (PTX ISA, "Floating-Point Instructions"). NaN payloads are kept: the first NaN operand
//! comes out, made quiet.

use super::float32::{PROPERTIES, ROUNDINGS, has_property, negated, set_where};
use super::form::{Form, op};
use super::soft::{self, Number, Round, pack, unpack};
use crate::exec::inst::{Alu, Class, Selected, Ty, alu};

const QUIET: u64 = 1 << 51;

/// Told from the bits, as in [`canonical`](super::float32::canonical).
#[inline(always)]
fn is_nan(bits: u64) -> bool {
    bits & !(1 << 63) > 0x7ff0_0000_0000_0000
}

/// `result`, or the NaN that stands for it.
#[inline(always)]
pub fn payload<const N: usize>(operands: [f64; N], result: f64) -> f64 {
    let bits = result.to_bits();
    let made = if is_nan(bits) { 0xfff8_0000_0000_0000 } else { bits };
    // From the last operand to the first: the first NaN wins.
    let chosen = operands
        .map(f64::to_bits)
        .into_iter()
        .rev()
        .fold(made, |chosen, operand| if is_nan(operand) { operand | QUIET } else { chosen });
    f64::from_bits(chosen)
}

macro_rules! nearest {
    (|$($x:ident),+| $e:expr) => {
        op!(Float64, |$($x: f64),+| -> f64 { payload([$($x),+], $e) })
    };
}

macro_rules! directed {
    (|$mode:ident, $($x:ident),+| $e:expr) => {
        op!(code => Float64, |$($x: f64),+| -> f64 {
            let $mode = Round::from_code(code);
            let operands = [$($x),+];
            $(let $x = number($x);)+
            payload(operands, f64::from_bits(pack(soft::F64, $e, $mode)))
        })
    };
}

fn number(x: f64) -> Number {
    unpack(soft::F64, x.to_bits())
}

pub fn select(form: &mut Form) -> Option<Selected> {
    match form.opcode {
        "add" | "sub" | "mul" | "fma" | "mad" | "div" | "rcp" | "sqrt" => arithmetic(form),
        "testp" => test_property(form),
        opcode => (form.word() == "f64").then_some(()).and_then(|()| match opcode {
            "abs" => Some(op!(Float64, |a: f64| -> f64 { a.abs() })),
            "neg" => Some(op!(Float64, |a: f64| -> f64 { -a })),
            // The sign of a, the magnitude of b.
            "copysign" => Some(op!(Float64, |a: f64, b: f64| -> f64 { b.copysign(a) })),
            "min" => Some(op!(Float64, |a: f64, b: f64| -> f64 {
                let tie = f64::from_bits(a.to_bits() | b.to_bits());
                one_of_two(a, b, a < b, tie)
            })),
            "max" => Some(op!(Float64, |a: f64, b: f64| -> f64 {
                let tie = f64::from_bits(a.to_bits() & b.to_bits());
                one_of_two(a, b, a > b, tie)
            })),
            _ => None,
        }),
    }
}

/// a if it is to be `first`, else b; the other one if one is NaN; `tie` if they are equal.
#[inline(always)]
fn one_of_two(a: f64, b: f64, first: bool, tie: f64) -> f64 {
    let chosen = if first || b.is_nan() { a.to_bits() } else { b.to_bits() };
    let chosen = if a == b { tie.to_bits() } else { chosen };
    f64::from_bits(if is_nan(chosen) { chosen | QUIET } else { chosen })
}

fn arithmetic(form: &mut Form) -> Option<Selected> {
    let rounding = form.one_of(&ROUNDINGS);
    let has_default = matches!(form.opcode, "add" | "sub" | "mul");
    let mode = if has_default { rounding.unwrap_or(Round::Nearest) } else { rounding? };
    (form.word() == "f64").then_some(())?;
    let fused = matches!(form.opcode, "fma" | "mad");
    let selected = match (form.opcode, mode == Round::Nearest) {
        ("add", true) => nearest!(|a, b| a + b),
        ("sub", true) => nearest!(|a, b| a - b),
        ("mul", true) => nearest!(|a, b| a * b),
        ("div", true) => nearest!(|a, b| a / b),
        ("rcp", true) => nearest!(|a| 1.0 / a),
        ("sqrt", true) => nearest!(|a| a.sqrt()),
        (_, true) => nearest!(|a, b, c| a.mul_add(b, c)),
        ("add", false) => directed!(|mode, a, b| soft::add(a, b, mode)),
        ("sub", false) => directed!(|mode, a, b| soft::add(a, negated(b), mode)),
        ("mul", false) => directed!(|mode, a, b| soft::mul(a, b)),
        ("div", false) => directed!(|mode, a, b| soft::div(a, b)),
        ("rcp", false) => directed!(|mode, a| soft::div(number(1.0), a)),
        ("sqrt", false) => directed!(|mode, a| soft::sqrt(a)),
        (_, false) => directed!(|mode, a, b, c| soft::add(soft::mul(a, b), c, mode)),
    };
    Some(selected.imm(mode as i64).fmas(u8::from(fused)))
}

fn test_property(form: &mut Form) -> Option<Selected> {
    const TEST: Alu = alu!(|regs, inst, mask| {
        let [d, a, ..] = inst.ops;
        let a = regs.read::<u64>(a);
        set_where(regs, d, mask, |l| has_property(soft::F64, inst.imm, a[l]));
    });
    let imm = form.one_of(&PROPERTIES)?;
    (form.word() == "f64").then_some(Selected {
        alu: TEST,
        results: &[Ty::Pred],
        sources: &[Ty::F64],
        class: Class::Float64,
        fmas: 0,
        imm,
    })
}
