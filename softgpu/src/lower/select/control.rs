//! Branches, returns, calls of the system, and instructions without an effect.

use super::super::draft::{Next, Passing, Ref};
use super::super::flatten::Builder;
use super::super::scope::{Register, Spot};
use super::{Words, draft, invalid, unsupported};
use crate::error::LoadError;
use crate::exec::inst::{Action, Class, Ty, WarpFn};
use crate::exec::ops::{call, control, load_store};
use crate::ptx::ast::{Instruction, Operand, Type};

/// False when the opcode is not of this family.
pub fn select(builder: &mut Builder, instruction: &Instruction) -> Result<bool, LoadError> {
    let mut words = Words::new(instruction);
    match instruction.opcode.as_str() {
        "bra" => {
            words.take("uni");
            words.done()?;
            let [Operand::Name(name)] = instruction.operands.as_slice() else {
                return Err(invalid(instruction, "bra has one label"));
            };
            let label = label(builder, instruction, name)?;
            let mut out =
                draft(builder, instruction, Action::Warp(control::branch), Class::Control)?;
            out.next = Next::Jump(label);
            builder.push(out);
        }
        "brx" => {
            words.take("uni");
            if !words.take("idx") {
                return Err(unsupported(instruction, "brx without .idx"));
            }
            words.done()?;
            let [index, Operand::Name(table)] = instruction.operands.as_slice() else {
                return Err(invalid(instruction, "brx.idx has an index and a table"));
            };
            let targets = builder.scopes.table(table);
            let targets = targets
                .ok_or_else(|| invalid(instruction, format!("{table} is no .branchtargets")))?;
            let labels: Result<Vec<_>, _> =
                targets.iter().map(|name| label(builder, instruction, name)).collect();
            let run = control::branch_indexed;
            let source = builder.source(instruction, index, Ty::W)?;
            let mut out = draft(builder, instruction, Action::Warp(run), Class::Control)?;
            out.sources = vec![source];
            out.next = Next::Indexed(labels?);
            builder.push(out);
        }
        "ret" | "exit" => {
            words.take("uni");
            words.done()?;
            let target = builder.return_to.filter(|_| instruction.opcode == "ret");
            let (run, next): (WarpFn, _) = match target {
                Some(label) => (control::branch, Next::Jump(label)),
                None => (control::exit, Next::End),
            };
            let mut out = draft(builder, instruction, Action::Warp(run), Class::Control)?;
            out.next = next;
            builder.push(out);
        }
        "trap" | "brkpt" => {
            words.done()?;
            let mut out = draft(builder, instruction, Action::Warp(control::trap), Class::Control)?;
            out.next = Next::End;
            builder.push(out);
        }
        // Hints and pauses: PTX lets an implementation ignore them.
        "nanosleep" | "prefetch" | "prefetchu" | "applypriority" | "pmevent" | "griddepcontrol"
        | "discard" => {
            let out = draft(builder, instruction, Action::Warp(control::nothing), Class::Control)?;
            builder.push(out);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn label(builder: &Builder, instruction: &Instruction, name: &str) -> Result<u32, LoadError> {
    builder
        .scopes
        .label(name)
        .ok_or_else(|| invalid(instruction, format!("there is no label {name}")))
}

/// A call of a function that the system provides: drafts for it, or `None` if it provides none of that
/// name.
pub fn system_call(
    builder: &mut Builder,
    instruction: &Instruction,
    name: &str,
    returns: &[Operand],
    arguments: &[Operand],
) -> Option<Result<(), LoadError>> {
    let (run, types): (WarpFn, &[Type]) = match name {
        "vprintf" => (call::print, &[Type::B64, Type::B64]),
        "__assertfail" => (call::assert_fail, &[Type::B64, Type::B64, Type::B32, Type::B64]),
        _ => return None,
    };
    Some(emit_system_call(builder, instruction, run, types, returns, arguments))
}

fn emit_system_call(
    builder: &mut Builder,
    instruction: &Instruction,
    run: WarpFn,
    types: &[Type],
    returns: &[Operand],
    arguments: &[Operand],
) -> Result<(), LoadError> {
    if arguments.len() < types.len() {
        return Err(invalid(
            instruction,
            format!("{} arguments, {} wanted", arguments.len(), types.len()),
        ));
    }
    let mut sources = Vec::new();
    for (operand, &ty) in arguments.iter().zip(types) {
        let value = builder.temporary(ty);
        let frame = frame(builder, instruction, operand)?;
        let Some(load) = load_store::load(load_store::Target::Frame, ty.bytes() as u32, 1) else {
            return Err(unsupported(instruction, "an argument of this size"));
        };
        let mut out = draft(builder, instruction, Action::Warp(load.pick()), Class::Move)?;
        out.meta.synthetic = true;
        out.results = vec![value];
        out.sources = vec![frame];
        out.passing = Passing::Either(0);
        builder.push(out);
        sources.push(value);
    }
    let result = if returns.is_empty() { Ref::None } else { builder.temporary(Type::B32) };
    let mut out = draft(builder, instruction, Action::Warp(run), Class::Control)?;
    if name_is_print(run) {
        out.results = vec![result];
    }
    out.sources = sources;
    builder.push(out);
    if let (Some(operand), true) = (returns.first(), result != Ref::None) {
        let frame = frame(builder, instruction, operand)?;
        let Some(store) = load_store::store(load_store::Target::Frame, 4, 1) else {
            return Err(unsupported(instruction, "a result of this size"));
        };
        let mut out = draft(builder, instruction, Action::Warp(store.pick()), Class::Move)?;
        out.meta.synthetic = true;
        out.sources = vec![frame, result];
        builder.push(out);
    }
    Ok(())
}

fn name_is_print(run: WarpFn) -> bool {
    std::ptr::fn_addr_eq(run, call::print as WarpFn)
}

/// The local address of a call parameter.
fn frame(
    builder: &Builder,
    instruction: &Instruction,
    operand: &Operand,
) -> Result<Ref, LoadError> {
    match operand {
        Operand::Name(name) => match builder.scopes.variable(name) {
            Some(Spot::Frame(offset)) => Ok(Ref::Word(offset)),
            _ => Err(invalid(instruction, format!("{name} is no .param variable"))),
        },
        _ => Err(invalid(instruction, "a call argument that is no .param variable")),
    }
}

/// A predicate operand, perhaps negated.
pub fn predicate(
    builder: &mut Builder,
    instruction: &Instruction,
    operand: &Operand,
) -> Result<(Ref, bool), LoadError> {
    let (name, negated) = match operand {
        Operand::Name(name) => (name, false),
        Operand::Not(name) => (name, true),
        _ => return Err(invalid(instruction, "an operand that is no predicate")),
    };
    match builder.scopes.register(name) {
        Some(Register::Pred(pred)) => Ok((Ref::Pred(pred), negated)),
        _ => Err(invalid(instruction, format!("{name} is no predicate"))),
    }
}
