//! cp.async.

use super::super::draft::{Passing, Ref};
use super::super::flatten::Builder;
use super::control::predicate;
use super::memory::base;
use super::{Words, draft, invalid, unsupported};
use crate::error::LoadError;
use crate::exec::inst::{Action, Class, Ty};
use crate::exec::ops::load_store::Target;
use crate::exec::ops::{async_copy, warp_op};
use crate::ptx::ast::{Instruction, Operand};

/// cp.async and its groups.
pub fn select(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut words = Words::new(instruction);
    if !words.take("async") {
        return Err(unsupported(instruction, "cp without .async"));
    }
    if words.take("commit_group") {
        words.done()?;
        let out = draft(builder, instruction, Action::Warp(async_copy::commit), Class::AsyncCopy)?;
        builder.push(out);
        return Ok(());
    }
    let group = words.take("wait_group");
    if group || words.take("wait_all") {
        words.done()?;
        let mut out =
            draft(builder, instruction, Action::Warp(async_copy::wait), Class::AsyncCopy)?;
        out.imm = match instruction.operands.as_slice() {
            [Operand::Int(pending)] if group => *pending as u32 as i64,
            [] if !group => -1,
            _ => return Err(invalid(instruction, "operands that do not belong here")),
        };
        builder.push(out);
        return Ok(());
    }
    let cached = words.take("ca");
    let streamed = words.take("cg");
    let shared = words.take("shared") || words.take("shared::cta");
    let global = words.take("global");
    words.find(|word| matches!(word, "L2::64B" | "L2::128B" | "L2::256B").then_some(()));
    words.done()?;
    if cached == streamed || !shared || !global {
        return Err(unsupported(instruction, "known as cp.async.{ca,cg}.shared.global"));
    }
    let given = instruction.operands.as_slice();
    let [to, from, Operand::Int(bytes), rest @ ..] = given else {
        return Err(invalid(
            instruction,
            "operands are [destination], [source], bytes{, source bytes}",
        ));
    };
    let allowed: &[u64] = if streamed { &[16] } else { &[4, 8, 16] };
    if !allowed.contains(bytes) {
        return Err(invalid(
            instruction,
            format!("copies of {bytes} bytes; {allowed:?} are allowed"),
        ));
    }
    let (to, from) = (builder.address(instruction, to)?, builder.address(instruction, from)?);
    let (target, flag) = base(instruction, Target::Shared, &to)?;
    let (source, _) = base(instruction, Target::Global, &from)?;
    let (mut size, mut ignore) = (Ref::None, Ref::None);
    match rest {
        [] => {}
        [operand @ (Operand::Name(name) | Operand::Not(name))] if builder.is_predicate(name) => {
            let (pred, negated) = predicate(builder, instruction, operand)?;
            if negated {
                return Err(unsupported(instruction, "a negated ignore-src predicate"));
            }
            ignore = pred;
        }
        [operand] => size = builder.source(instruction, operand, Ty::W)?,
        _ => return Err(invalid(instruction, "too many operands")),
    }
    let fits = |offset: i64, bits: u32| offset >= -(1 << (bits - 1)) && offset < 1 << (bits - 1);
    if !fits(to.offset, 24) || !fits(from.offset, 32) {
        return Err(unsupported(instruction, "an offset of this size"));
    }
    let run = warp_op!(|w, i, m| async_copy::copy(w, i, m));
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::AsyncCopy)?;
    out.sources = vec![target, source, size, ignore];
    out.imm = from.offset << 32 | (to.offset & 0xFF_FFFF) << 8 | *bytes as i64;
    out.passing = Passing::InPlace(flag);
    builder.push(out);
    Ok(())
}
