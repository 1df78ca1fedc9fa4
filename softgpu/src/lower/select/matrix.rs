//! Instructions whose operands are small matrices spread over a warp: mma, ldmatrix, stmatrix.

use super::super::draft::Passing;
use super::super::flatten::Builder;
use super::warp::operands;
use super::{Words, draft, invalid, memory, unsupported};
use crate::error::LoadError;
use crate::exec::inst::{Action, Class, Ty};
use crate::exec::ops::load_store::Target;
use crate::exec::ops::{WarpOp, matrix, mma, warp_op};
use crate::ptx::ast::{Instruction, Operand};

/// `mma.sync`.
pub fn multiply(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let words: Vec<&str> = instruction.modifiers.iter().map(String::as_str).collect();
    // Elements of a lane in a row of A (and in a column of B), and elements in a register.
    macro_rules! forms {
        ($(($shape:literal, $ty:literal) => $element:ident, $parts:literal, $packed:literal);*) => {
            match words.as_slice() {
                $(["sync", "aligned", $shape, "row", "col", "f32", $ty, $ty, "f32"] => (
                    warp_op!(|w, i, m| mma::multiply::<$parts, $packed, mma::$element>(w, i, m)),
                    $parts,
                    $packed,
                ),)*
                _ => return Err(unsupported(
                    instruction,
                    "mma.sync is known with f32 accumulation as m16n8k4/k8 tf32 and m16n8k8/k16 f16, bf16",
                )),
            }
        };
    }
    let (run, parts, packed): (WarpOp, usize, usize) = forms!(
        ("m16n8k4", "tf32") => Tf32, 1, 1; ("m16n8k8", "tf32") => Tf32, 2, 1;
        ("m16n8k8", "f16") => F16, 2, 2; ("m16n8k16", "f16") => F16, 4, 2;
        ("m16n8k8", "bf16") => Bf16, 2, 2; ("m16n8k16", "bf16") => Bf16, 4, 2
    );
    let registers = [4, 2 * parts / packed, parts / packed, 4];
    let groups: [&Operand; 4] = operands(instruction)?;
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::Mma)?;
    out.passing = Passing::Table;
    out.meta.macs = 16 * 8 * 4 * parts as u32;
    for (group, (operand, count)) in groups.into_iter().zip(registers).enumerate() {
        for element in vector(instruction, operand, count)? {
            if group == 0 {
                let result = builder.result(instruction, element, Ty::W)?;
                out.results.push(result);
            } else {
                let source = builder.source(instruction, element, Ty::W)?;
                out.sources.push(source);
            }
        }
    }
    builder.push(out);
    Ok(())
}

/// Number of matrices and whether transposed, of `ldmatrix` and `stmatrix`.
fn matrix_form(instruction: &Instruction) -> Result<(usize, bool), LoadError> {
    let mut words = Words::new(instruction);
    let known =
        words.take("sync") && words.take("aligned") && words.take("m8n8") && words.take("b16");
    let transposed = words.take("trans");
    let space = words.take("shared") || words.take("shared::cta");
    let count = words.find(|word| match word {
        "x1" => Some(1),
        "x2" => Some(2),
        "x4" => Some(4),
        _ => None,
    });
    words.done()?;
    match count {
        Some(count) if known && space => Ok((count, transposed)),
        _ => Err(unsupported(
            instruction,
            "known as .sync.aligned.m8n8.{x1,x2,x4}{.trans}.shared.b16",
        )),
    }
}

fn vector<'a>(
    instruction: &Instruction,
    operand: &'a Operand,
    count: usize,
) -> Result<&'a [Operand], LoadError> {
    let elements = match operand {
        Operand::Vector(elements) => elements.as_slice(),
        _ => std::slice::from_ref(operand),
    };
    if elements.len() != count {
        return Err(invalid(instruction, format!("{} registers, {count} wanted", elements.len())));
    }
    Ok(elements)
}

/// `ldmatrix`.
pub fn load(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let (count, transposed) = matrix_form(instruction)?;
    let run = match count {
        1 => warp_op!(|w, i, m| matrix::load::<1>(w, i, m)),
        2 => warp_op!(|w, i, m| matrix::load::<2>(w, i, m)),
        _ => warp_op!(|w, i, m| matrix::load::<4>(w, i, m)),
    };
    let [to, from] = operands(instruction)?;
    let address = builder.address(instruction, from)?;
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::MatrixLoad)?;
    for element in vector(instruction, to, count)? {
        out.results.push(builder.result(instruction, element, Ty::W)?);
    }
    out.imm = address.offset;
    let (base, flag) = memory::base(instruction, Target::Shared, &address)?;
    out.sources = vec![base];
    out.passing = Passing::InPlace(flag | if transposed { matrix::TRANSPOSED } else { 0 });
    builder.push(out);
    Ok(())
}

/// `stmatrix`.
pub fn store(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let (count, transposed) = matrix_form(instruction)?;
    let run = match count {
        1 => warp_op!(|w, i, m| matrix::store::<1>(w, i, m)),
        2 => warp_op!(|w, i, m| matrix::store::<2>(w, i, m)),
        _ => warp_op!(|w, i, m| matrix::store::<4>(w, i, m)),
    };
    let [to, from] = operands(instruction)?;
    let address = builder.address(instruction, to)?;
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::StoreShared)?;
    let (base, flag) = memory::base(instruction, Target::Shared, &address)?;
    out.sources = vec![base];
    for element in vector(instruction, from, count)? {
        let source = builder.source(instruction, element, Ty::W)?;
        out.sources.push(source);
    }
    out.imm = address.offset;
    out.passing = Passing::InPlace(flag | if transposed { matrix::TRANSPOSED } else { 0 });
    builder.push(out);
    Ok(())
}
