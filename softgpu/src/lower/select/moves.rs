//! mov of special registers, addresses and registers put together from parts.

use super::super::draft::Ref;
use super::super::flatten::Builder;
use super::super::scope::Spot;
use super::{Words, draft, invalid, unsupported};
use crate::error::LoadError;
use crate::exec::inst::{Action, Alu, Class, Ty, WarpFn, alu};
use crate::exec::ops::movement::{self, Special};
use crate::exec::regs::map1;
use crate::ptx::ast::{Instruction, Operand, Type};

/// `mov` that is more than a copy of a register or number. False for the others.
pub fn select(builder: &mut Builder, instruction: &Instruction) -> Result<bool, LoadError> {
    let [to, from] = instruction.operands.as_slice() else {
        return Err(invalid(instruction, "mov has two operands"));
    };
    let mut words = Words::new(instruction);
    let ty = words.ty()?;
    let wide = ty.bytes() == 8;
    let kind = if wide { Ty::D } else { Ty::W };
    match (to, from) {
        (Operand::Vector(parts), _) => unpack(builder, instruction, ty, parts, from)?,
        (_, Operand::Vector(parts)) => pack(builder, instruction, ty, to, parts)?,
        (_, Operand::Name(name))
            if name.starts_with('%') && builder.scopes.register(name).is_none() =>
        {
            let special = Special::from_name(name);
            let special = special.ok_or_else(|| {
                invalid(instruction, format!("{name} is not a register known here"))
            })?;
            let mut out =
                draft(builder, instruction, Action::Warp(movement::special), Class::Move)?;
            out.imm = special.code() | if wide { 0x100 } else { 0 };
            out.results = vec![builder.result(instruction, to, kind)?];
            builder.push(out);
        }
        (_, Operand::Name(name))
            if builder.scopes.register(name).is_none() && name != "WARP_SZ" =>
        {
            symbol(builder, instruction, to, name, 0, wide)?;
        }
        (_, Operand::NameOffset(name, offset)) => {
            symbol(builder, instruction, to, name, *offset, wide)?
        }
        _ => return Ok(false),
    }
    words.done()?;
    Ok(true)
}

/// `mov` of an address: a constant.
fn symbol(
    builder: &mut Builder,
    instruction: &Instruction,
    to: &Operand,
    name: &str,
    offset: i64,
    wide: bool,
) -> Result<(), LoadError> {
    let spot = builder.spot(name, instruction.line)?;
    let spot = spot.ok_or_else(|| invalid(instruction, format!("{name} is not declared")))?;
    let at = |base: u32| i64::from(base).wrapping_add(offset) as u64;
    let value = match spot {
        Spot::Dynamic(base) => Ref::Dynamic { offset: at(base) as u32, double: wide },
        Spot::Global(address) if wide => Ref::Double(address.wrapping_add_signed(offset)),
        Spot::Global(_) => {
            return Err(invalid(instruction, format!("{name} has a 64-bit address")));
        }
        Spot::Param(base) | Spot::Frame(base) | Spot::Local(base) | Spot::Shared(base) if wide => {
            Ref::Double(at(base))
        }
        Spot::Param(base) | Spot::Frame(base) | Spot::Local(base) | Spot::Shared(base) => {
            Ref::Word(at(base) as u32)
        }
    };
    let copy = if wide { COPY_64 } else { COPY_32 };
    let mut out = draft(builder, instruction, Action::Alu(copy.pick()), Class::Move)?;
    out.results = vec![builder.result(instruction, to, if wide { Ty::D } else { Ty::W })?];
    out.sources = vec![value];
    builder.push(out);
    Ok(())
}

const COPY_32: Alu = alu!(|regs, inst, mask| {
    map1(regs, inst.ops[0], inst.ops[1], mask, |a: u32| a);
});
const COPY_64: Alu = alu!(|regs, inst, mask| {
    map1(regs, inst.ops[0], inst.ops[1], mask, |a: u64| a);
});

fn unpack(
    builder: &mut Builder,
    instruction: &Instruction,
    ty: Type,
    parts: &[Operand],
    from: &Operand,
) -> Result<(), LoadError> {
    let (run, part, whole): (WarpFn, _, _) = match (ty.bytes(), parts.len()) {
        (8, 2) => (movement::unpack_64, Ty::W, Ty::D),
        (8, 4) => (movement::unpack_64_of_4, Ty::H, Ty::D),
        (4, 2) => (movement::unpack_32, Ty::H, Ty::W),
        (2, 2) => (movement::unpack_16, Ty::H, Ty::H),
        _ => return Err(unsupported(instruction, "unpacking into parts of this size")),
    };
    let mut out = draft(builder, instruction, Action::Warp(run), Class::Move)?;
    out.sources = vec![builder.source(instruction, from, whole)?];
    for operand in parts {
        out.results.push(builder.optional_result(instruction, operand, part)?);
    }
    builder.push(out);
    Ok(())
}

fn pack(
    builder: &mut Builder,
    instruction: &Instruction,
    ty: Type,
    to: &Operand,
    parts: &[Operand],
) -> Result<(), LoadError> {
    let (run, part, whole): (WarpFn, _, _) = match (ty.bytes(), parts.len()) {
        (8, 2) => (movement::pack_64, Ty::W, Ty::D),
        (8, 4) => (movement::pack_64_of_4, Ty::H, Ty::D),
        (4, 2) => (movement::pack_32, Ty::H, Ty::W),
        (2, 2) => (movement::pack_16, Ty::H, Ty::H),
        _ => return Err(unsupported(instruction, "packing of parts of this size")),
    };
    let mut out = draft(builder, instruction, Action::Warp(run), Class::Move)?;
    for operand in parts {
        let source = builder.source(instruction, operand, part)?;
        out.sources.push(source);
    }
    out.results = vec![builder.result(instruction, to, whole)?];
    builder.push(out);
    Ok(())
}
