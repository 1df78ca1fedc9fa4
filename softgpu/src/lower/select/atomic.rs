//! atom and red.

use super::super::draft::{Passing, Ref};
use super::super::flatten::Builder;
use super::memory::base;
use super::{Words, draft, invalid, unsupported};
use crate::error::LoadError;
use crate::exec::inst::{Action, Class, Ty, WarpFn};
use crate::exec::ops::atomic::{self, Op};
use crate::exec::ops::load_store::{Target, flags};
use crate::ptx::ast::{Instruction, Type};

/// `atom` and `red`.
pub fn select(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut words = Words::new(instruction);
    let shared = words.take("shared") || words.take("shared::cta");
    let global = words.take("global");
    let ordered = words.find(|word| match word {
        "relaxed" => Some(0),
        "acquire" | "release" | "acq_rel" => Some(flags::ORDERED),
        _ => None,
    });
    words.find(|word| matches!(word, "cta" | "cluster" | "gpu" | "sys").then_some(()));
    words.take("noftz");
    let name = words.find(|word| {
        let known = ["exch", "cas", "and", "or", "xor", "add", "inc", "dec", "min", "max"];
        known.into_iter().find(|known| *known == word)
    });
    let name = name.ok_or_else(|| unsupported(instruction, "without an operation known here"))?;
    let ty = words.ty()?;
    words.done()?;
    let op = operation(name, ty)
        .ok_or_else(|| unsupported(instruction, "this operation on this type"))?;
    let size = ty.bytes() as u32;
    let (target, run): (Target, WarpFn) = match (shared, global) {
        (true, false) => (Target::Shared, |w, i, m| atomic::atomic(w, i, m, Target::Shared)),
        (false, true) => (Target::Global, |w, i, m| atomic::atomic(w, i, m, Target::Global)),
        _ => (Target::Generic, |w, i, m| atomic::atomic(w, i, m, Target::Generic)),
    };
    if target != Target::Global {
        builder.shared_granule = builder.shared_granule.min(size);
    }
    if target != Target::Shared {
        builder.global_granule = builder.global_granule.min(size);
    }
    let returns = instruction.opcode == "atom";
    let (result, rest) = match (returns, instruction.operands.split_first()) {
        (true, Some((first, rest))) => (Some(first), rest),
        _ => (None, instruction.operands.as_slice()),
    };
    let wanted = if op == Op::CompareSwap { 3 } else { 2 };
    if rest.len() != wanted {
        return Err(invalid(instruction, format!("{} operands, {wanted} wanted", rest.len())));
    }
    let address = builder.address(instruction, &rest[0])?;
    let kind = match ty {
        Type::F32 => Ty::F32,
        Type::F64 => Ty::F64,
        _ if size == 8 => Ty::D,
        _ => Ty::W,
    };
    let (base, flag) = base(instruction, target, &address)?;
    let offset = i32::try_from(address.offset)
        .map_err(|_| invalid(instruction, "an offset of more than 32 bits"))?;
    let mut sources = vec![base];
    for operand in &rest[1..] {
        sources.push(builder.source(instruction, operand, kind)?);
    }
    if sources.len() == 2 {
        sources.push(Ref::None);
    }
    let mut out = draft(builder, instruction, Action::Warp(run), Class::Atomic)?;
    out.results = vec![match result {
        Some(result) => builder.optional_result(instruction, result, kind)?,
        None => Ref::None,
    }];
    out.sources = sources;
    out.imm = atomic::pack(offset, op, size);
    out.passing = Passing::InPlace(flag | ordered.unwrap_or(0));
    builder.push(out);
    Ok(())
}

fn operation(name: &str, ty: Type) -> Option<Op> {
    use Type::*;
    let bits32 = matches!(ty, B32 | U32 | S32);
    let bits = bits32 || matches!(ty, B64 | U64 | S64);
    let unsigned = matches!(ty, U32 | U64);
    let signed = matches!(ty, S32 | S64);
    Some(match name {
        "exch" if bits => Op::Exchange,
        "cas" if bits || ty == B16 => Op::CompareSwap,
        "and" if bits => Op::And,
        "or" if bits => Op::Or,
        "xor" if bits => Op::Xor,
        "add" => match ty {
            U32 | S32 | U64 | S64 => Op::Add,
            F32 => Op::AddF32,
            F64 => Op::AddF64,
            F16x2 => Op::AddF16x2,
            Bf16x2 => Op::AddBf16x2,
            F16 => Op::AddF16,
            Bf16 => Op::AddBf16,
            _ => return None,
        },
        "inc" if ty == U32 => Op::Inc,
        "dec" if ty == U32 => Op::Dec,
        "min" if unsigned => Op::MinU,
        "max" if unsigned => Op::MaxU,
        "min" if signed => Op::MinS,
        "max" if signed => Op::MaxS,
        _ => return None,
    })
}
