//! Instructions that compute on registers and nothing else, one file per family. Each family has
//! `select`, which knows its opcodes and modifiers, and the bodies.
//!
//! How to add one: find its family, match opcode and modifiers in `select`, write the body on scalars
//! with `op!` (or with `alu!` where results or sources are predicates), and test its form.
//!
//! Where the PTX manual leaves bits open, the same bits come out on every machine: a NaN that an
//! operation makes is 0x7fffffff in f32, 0x7fff in f16 and bf16, and in f64 the quieted payload of the
//! first NaN operand or else 0xfff8000000000000; an integer division by zero gives all ones.
//!
//! Kinds of operands follow the instruction's type. A register that is wider than that type
//! (section "Operand Size Exceeding Instruction-Type Size") is the lowering's to convert or to refuse.

mod bits;
mod carry;
mod compare;
mod convert;
mod convert_any;
mod float32;
mod float64;
mod form;
pub mod half;
mod integer;
mod movement;
pub mod soft;
pub mod special;

use super::inst::Selected;
use crate::error::LoadError;
use crate::ptx::ast::{Instruction, Operand};
use form::Form;

/// Finds what executes `instruction`. Where a predicate may be written `!p`, the lowering inverts it.
///
/// `Ok(None)`: the opcode is not of these families, or it is a `mov` that packs or unpacks a vector.
///
/// # Errors
/// The opcode is, but a modifier or combination of modifiers is not known, or the number of operands
/// does not fit.
pub fn select(instruction: &Instruction) -> Result<Option<Selected>, LoadError> {
    let Some(family) = family(instruction) else { return Ok(None) };
    let unsupported = |what: &str| LoadError::Unsupported {
        line: instruction.line,
        instruction: spelling(instruction),
        what: what.to_string(),
    };
    let mut form = Form::new(instruction);
    let selected = family(&mut form)
        .filter(|_| form.is_read())
        .ok_or_else(|| unsupported("this combination of modifiers is not known"))?;
    // A pair `p|q` and a sole result are one operand each.
    let expected = 1 + selected.sources.len();
    let found = instruction.operands.len();
    if found != expected {
        let what = format!("`{}` takes {expected} operands, not {found}", spelling(instruction));
        return Err(LoadError::invalid(instruction.line, what));
    }
    for (place, operand) in instruction.operands.iter().enumerate() {
        match operand {
            Operand::Pair(..) if place != 0 || selected.results.len() != 2 => {
                return Err(unsupported("a pair of operands does not stand here"));
            }
            Operand::Not(_) if !compare::negates(&instruction.opcode, place) => {
                return Err(unsupported("a negated predicate does not stand here"));
            }
            _ => {}
        }
    }
    Ok(Some(selected))
}

fn spelling(instruction: &Instruction) -> String {
    let words = std::iter::once(&instruction.opcode).chain(&instruction.modifiers);
    words.map(String::as_str).collect::<Vec<_>>().join(".")
}

type Family = fn(&mut Form) -> Option<Selected>;

/// Which family knows the opcode; opcodes that several number types share go by the type.
fn family(instruction: &Instruction) -> Option<Family> {
    let has = |word: &str| instruction.modifiers.iter().any(|modifier| modifier == word);
    Some(match instruction.opcode.as_str() {
        "add" | "sub" | "mul" | "mad" | "fma" | "div" | "abs" | "neg" | "min" | "max" => {
            if has("cc") {
                carry::select
            } else if ["f16", "f16x2", "bf16", "bf16x2"].into_iter().any(has) {
                half::select
            } else if has("approx") || has("full") {
                special::select
            } else if has("f32") || has("f32x2") {
                float32::select
            } else if has("f64") {
                float64::select
            } else {
                integer::select
            }
        }
        "addc" | "subc" | "madc" => carry::select,
        "rcp" | "sqrt" if !has("approx") && has("f32") => float32::select,
        "rcp" | "sqrt" if !has("approx") && has("f64") => float64::select,
        "rcp" | "sqrt" | "rsqrt" | "sin" | "cos" | "lg2" | "ex2" | "tanh" => special::select,
        "testp" | "copysign" if has("f64") => float64::select,
        "testp" | "copysign" => float32::select,
        "mul24" | "mad24" | "sad" | "rem" | "popc" | "clz" | "bfind" | "brev" | "dp4a" | "dp2a"
        | "vabsdiff2" | "vabsdiff4" => integer::select,
        "fns" | "bfe" | "bfi" | "szext" | "bmsk" | "and" | "or" | "xor" | "not" | "cnot"
        | "lop3" | "shl" | "shr" | "shf" | "prmt" => bits::select,
        "setp" | "set" | "selp" | "slct" => compare::select,
        "cvt" => convert::select,
        "mov" if instruction.operands.iter().any(|o| matches!(o, Operand::Vector(_))) => {
            return None;
        }
        "mov" => movement::select,
        _ => return None,
    })
}
