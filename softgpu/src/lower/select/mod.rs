//! Instructions of the text → drafts. What is not known here, opcode or modifier, does not load.

mod async_copy;
mod atomic;
mod control;
mod matrix;
mod memory;
mod moves;
mod operands;
mod warp;

pub use control::system_call;
pub use operands::Address;

use super::draft::{Draft, Next, Passing};
use super::flatten::Builder;
use super::scope::Register;
use crate::error::LoadError;
use crate::exec::alu;
use crate::exec::inst::{Action, Class, OPERANDS, Ty};
use crate::exec::program::Meta;
use crate::ptx::ast::{Guard, Instruction, Operand, Type};

/// The modifiers of an instruction, ticked off one by one.
pub struct Words<'a> {
    instruction: &'a Instruction,
    left: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub fn new(instruction: &'a Instruction) -> Self {
        Self { instruction, left: instruction.modifiers.iter().map(String::as_str).collect() }
    }

    /// Takes a word if it is there.
    pub fn take(&mut self, word: &str) -> bool {
        let at = self.left.iter().position(|left| *left == word);
        at.map(|at| self.left.remove(at)).is_some()
    }

    /// Takes the first word that `f` knows.
    pub fn find<T>(&mut self, f: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (at, found) =
            self.left.iter().enumerate().find_map(|(at, word)| Some((at, f(word)?)))?;
        self.left.remove(at);
        Some(found)
    }

    /// The type, which every typed instruction must name.
    ///
    /// # Errors
    /// There is none.
    pub fn ty(&mut self) -> Result<Type, LoadError> {
        self.find(Type::from_name).ok_or_else(|| unsupported(self.instruction, "without a type"))
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// A word is.
    pub fn done(&self) -> Result<(), LoadError> {
        match self.left.first() {
            None => Ok(()),
            Some(word) => Err(unsupported(
                self.instruction,
                &format!("modifier .{word} is not supported here"),
            )),
        }
    }
}

/// The instruction's words, as in the text.
pub fn name_of(instruction: &Instruction) -> String {
    let words = instruction.modifiers.iter().map(|word| format!(".{word}"));
    format!("{}{}", instruction.opcode, words.collect::<String>())
}

pub fn unsupported(instruction: &Instruction, what: &str) -> LoadError {
    LoadError::Unsupported {
        line: instruction.line,
        instruction: name_of(instruction),
        what: what.to_owned(),
    }
}

pub fn invalid(instruction: &Instruction, what: impl std::fmt::Display) -> LoadError {
    LoadError::invalid(instruction.line, format!("`{}`: {what}", name_of(instruction)))
}

/// Adds the drafts of an instruction.
///
/// # Errors
/// [`LoadError::Unsupported`] for an opcode or modifier that is not known, [`LoadError::Invalid`] for
/// operands that do not fit.
pub fn select(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    if instruction.opcode == "mov" && moves::select(builder, instruction)? {
        return Ok(());
    }
    if let Some(selected) = alu::select(instruction)? {
        return register_instruction(builder, instruction, selected);
    }
    if memory::select(builder, instruction)?
        || warp::select(builder, instruction)?
        || control::select(builder, instruction)?
    {
        return Ok(());
    }
    Err(unsupported(instruction, "this opcode is not supported"))
}

/// What a draft starts from.
pub fn draft(
    builder: &mut Builder,
    instruction: &Instruction,
    action: Action,
    class: Class,
) -> Result<Draft, LoadError> {
    let guard = match &instruction.guard {
        None => None,
        Some(Guard { register, negated }) => match builder.scopes.register(register) {
            Some(Register::Pred(pred)) => Some((pred, *negated)),
            _ => return Err(invalid(instruction, format!("guard {register} is no predicate"))),
        },
    };
    Ok(Draft {
        action,
        imm: 0,
        results: Vec::new(),
        sources: Vec::new(),
        passing: Passing::InPlace(0),
        guard,
        next: Next::Straight,
        meta: Meta {
            line: instruction.line,
            source: instruction.source,
            class,
            fmas: 0,
            macs: 0,
            synthetic: false,
        },
    })
}

/// What a kernel runs into that does not return: its threads exit.
pub fn exit_at_end(line: u32) -> Draft {
    let class = Class::Control;
    Draft {
        action: Action::Warp(crate::exec::ops::control::exit),
        imm: 0,
        results: Vec::new(),
        sources: Vec::new(),
        passing: Passing::InPlace(0),
        guard: None,
        next: Next::End,
        meta: Meta { line, source: None, class, fmas: 0, macs: 0, synthetic: true },
    }
}

/// An instruction that `exec::alu` knows.
fn register_instruction(
    builder: &mut Builder,
    instruction: &Instruction,
    selected: crate::exec::inst::Selected,
) -> Result<(), LoadError> {
    let mut operands: Vec<&Operand> = Vec::new();
    if let Some((first, rest)) = instruction.operands.split_first() {
        match first {
            Operand::Pair(a, b) => operands.extend([&**a, &**b]),
            _ => {
                operands.push(first);
                // A second result that the text leaves out.
                operands.extend((selected.results.len() == 2).then_some(&Operand::Sink));
            }
        }
        operands.extend(rest);
    }
    let (wanted, given) = (selected.results.len() + selected.sources.len(), operands.len());
    if wanted != given {
        return Err(invalid(instruction, format!("{given} operands, {wanted} wanted")));
    }
    let (results, sources) = operands.split_at(selected.results.len());
    let mut out = draft(builder, instruction, Action::Alu(selected.alu.pick()), selected.class)?;
    out.imm = selected.imm;
    out.meta.fmas = selected.fmas;
    for (operand, &ty) in sources.iter().zip(selected.sources) {
        if ty == Ty::Imm {
            let Operand::Int(value) = operand else {
                return Err(invalid(instruction, "an operand that must be a number known at load"));
            };
            out.imm = *value as i64;
            continue;
        }
        let source = builder.source(instruction, operand, ty)?;
        out.sources.push(source);
    }
    for (at, (operand, &ty)) in results.iter().zip(selected.results).enumerate() {
        // A body writes its first result always.
        out.results.push(match at {
            0 => builder.result(instruction, operand, ty)?,
            _ => builder.optional_result(instruction, operand, ty)?,
        });
    }
    if out.results.len() + out.sources.len() > OPERANDS {
        return Err(unsupported(instruction, "too many operands"));
    }
    builder.push(out);
    Ok(())
}
