//! Instructions of the text → drafts. What is not known here, opcode or modifier, does not load.

mod control;
mod memory;
mod warp;

pub use control::system_call;

use super::draft::{Draft, Next, Passing, Ref};
use super::flatten::Builder;
use super::scope::{Register, Spot};
use crate::error::LoadError;
use crate::exec::alu;
use crate::exec::inst::{Action, Class, OPERANDS, Ty};
use crate::exec::ops::movement::{self, Special};
use crate::exec::program::Meta;
use crate::memory::{LOCAL_WINDOW, SHARED_WINDOW};
use crate::ptx::ast::{Base, Guard, Instruction, Operand, Type};

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
    if instruction.opcode == "mov" && moves(builder, instruction)? {
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

fn rows(ty: Ty) -> u8 {
    if matches!(ty, Ty::D | Ty::F64) { 2 } else { 1 }
}

impl Builder<'_> {
    /// The register of that name, or an error that names it.
    fn register(&mut self, instruction: &Instruction, name: &str) -> Result<Register, LoadError> {
        let undeclared = || invalid(instruction, format!("{name} is not a declared register"));
        self.scopes.register(name).ok_or_else(undeclared)
    }

    /// Whether the name is a 64-bit data register.
    pub fn is_double(&mut self, name: &str) -> bool {
        match self.scopes.register(name) {
            Some(Register::Data(reg)) => self.scopes.widths[reg as usize] == 2,
            _ => false,
        }
    }

    /// Whether the name is a predicate.
    pub fn is_predicate(&mut self, name: &str) -> bool {
        matches!(self.scopes.register(name), Some(Register::Pred(_)))
    }

    /// A result of kind `ty`; one that nobody wants (`_`) gets a register of its own.
    pub fn result(
        &mut self,
        instruction: &Instruction,
        operand: &Operand,
        ty: Ty,
    ) -> Result<Ref, LoadError> {
        match self.optional_result(instruction, operand, ty)? {
            Ref::None => Ok(self.temporary(match ty {
                Ty::Pred => Type::Pred,
                _ if rows(ty) == 2 => Type::B64,
                _ => Type::B32,
            })),
            result => Ok(result),
        }
    }

    /// A result of kind `ty`, or [`Ref::None`] for `_`: for instructions that look.
    pub fn optional_result(
        &mut self,
        instruction: &Instruction,
        operand: &Operand,
        ty: Ty,
    ) -> Result<Ref, LoadError> {
        let name = match operand {
            Operand::Sink => return Ok(Ref::None),
            Operand::Name(name) => name,
            _ => return Err(invalid(instruction, "a result that is no register")),
        };
        match (self.register(instruction, name)?, ty) {
            (Register::Pred(pred), Ty::Pred) => Ok(Ref::Pred(pred)),
            (Register::Data(reg), _)
                if ty != Ty::Pred && self.scopes.widths[reg as usize] == rows(ty) =>
            {
                Ok(Ref::Reg(reg))
            }
            _ => Err(invalid(instruction, format!("{name} is of another size than the result"))),
        }
    }

    /// A source of kind `ty`.
    pub fn source(
        &mut self,
        instruction: &Instruction,
        operand: &Operand,
        ty: Ty,
    ) -> Result<Ref, LoadError> {
        match operand {
            Operand::Name(name) => self.named_source(instruction, name, ty),
            Operand::Not(name) if ty == Ty::Pred => self.negated(instruction, name),
            Operand::Int(bits) => self.constant(instruction, *bits, ty),
            Operand::F32(bits) => match ty {
                Ty::F64 => Ok(Ref::Double(f64::from(f32::from_bits(*bits)).to_bits())),
                Ty::D => Err(invalid(instruction, "an f32 number for a 64-bit operand")),
                _ => self.constant(instruction, u64::from(*bits), ty),
            },
            Operand::F64(bits) => match ty {
                Ty::F32 => Ok(Ref::Word((f64::from_bits(*bits) as f32).to_bits())),
                Ty::F64 | Ty::D => Ok(Ref::Double(*bits)),
                _ => Err(invalid(instruction, "an f64 number for a 32-bit operand")),
            },
            _ => Err(invalid(instruction, "an operand of a kind that does not belong here")),
        }
    }

    fn constant(&mut self, instruction: &Instruction, bits: u64, ty: Ty) -> Result<Ref, LoadError> {
        match ty {
            Ty::Pred => self.truth(instruction, bits != 0),
            Ty::D | Ty::F64 => Ok(Ref::Double(bits)),
            _ => Ok(Ref::Word(bits as u32)),
        }
    }

    fn named_source(
        &mut self,
        instruction: &Instruction,
        name: &str,
        ty: Ty,
    ) -> Result<Ref, LoadError> {
        if name == "WARP_SZ" {
            return self.constant(instruction, 32, ty);
        }
        match (self.register(instruction, name)?, ty) {
            (Register::Pred(pred), Ty::Pred) => Ok(Ref::Pred(pred)),
            (Register::Data(reg), _) if ty != Ty::Pred => {
                match (self.scopes.widths[reg as usize], rows(ty)) {
                    (have, want) if have == want => Ok(Ref::Reg(reg)),
                    // A wider register than the type: its low part.
                    (2, 1) => {
                        let low = self.temporary(Type::B32);
                        let mut draft = draft(
                            self,
                            instruction,
                            Action::Warp(movement::unpack_64),
                            Class::Move,
                        )?;
                        draft.meta.synthetic = true;
                        draft.results = vec![low, Ref::None];
                        draft.sources = vec![Ref::Reg(reg)];
                        self.push(draft);
                        Ok(low)
                    }
                    _ => Err(invalid(
                        instruction,
                        format!("{name} is of another size than the operand"),
                    )),
                }
            }
            _ => Err(invalid(instruction, format!("{name} is of another kind than the operand"))),
        }
    }

    /// A number as a predicate: true unless it is 0, put into a predicate of its own.
    fn truth(&mut self, instruction: &Instruction, value: bool) -> Result<Ref, LoadError> {
        let result = self.temporary(Type::Pred);
        let mut draft = draft(self, instruction, Action::Alu(TRUTH.pick()), Class::Move)?;
        draft.meta.synthetic = true;
        draft.imm = i64::from(value);
        draft.results = vec![result];
        self.push(draft);
        Ok(result)
    }

    /// `!p` as a source: computed into a predicate of its own.
    fn negated(&mut self, instruction: &Instruction, name: &str) -> Result<Ref, LoadError> {
        let source = self.named_source(instruction, name, Ty::Pred)?;
        let result = self.temporary(Type::Pred);
        let mut draft = draft(self, instruction, Action::Alu(NOT.pick()), Class::Integer)?;
        draft.meta.synthetic = true;
        draft.results = vec![result];
        draft.sources = vec![source];
        self.push(draft);
        Ok(result)
    }

    /// A register that the text does not have.
    pub fn temporary(&mut self, ty: Type) -> Ref {
        match self.scopes.fresh(ty) {
            Register::Data(reg) => Ref::Reg(reg),
            Register::Pred(pred) => Ref::Pred(pred),
        }
    }

    /// Base and offset of an address. The flag says that the base is a 64-bit register.
    pub fn address(
        &mut self,
        instruction: &Instruction,
        operand: &Operand,
    ) -> Result<Address, LoadError> {
        let Operand::Address { base, offset } = operand else {
            return Err(invalid(instruction, "an operand that is no [address]"));
        };
        let name = match base {
            Base::Absolute(address) => {
                return Ok(Address {
                    base: Ref::Double(*address),
                    offset: *offset,
                    wide: true,
                    spot: None,
                });
            }
            Base::Name(name) => name,
        };
        if let Some(register) = self.scopes.register(name) {
            let Register::Data(reg) = register else {
                return Err(invalid(instruction, format!("an address in the predicate {name}")));
            };
            let wide = self.scopes.widths[reg as usize] == 2;
            return Ok(Address { base: Ref::Reg(reg), offset: *offset, wide, spot: None });
        }
        let spot = self.spot(name, instruction.line)?;
        let spot = spot.ok_or_else(|| invalid(instruction, format!("{name} is not declared")))?;
        let (base, wide) = match spot {
            Spot::Param(at) | Spot::Frame(at) | Spot::Local(at) | Spot::Shared(at) => {
                (Ref::Word(at), false)
            }
            Spot::Dynamic(offset) => (Ref::Dynamic { offset, double: false }, false),
            Spot::Global(address) => (Ref::Double(address), true),
        };
        Ok(Address { base, offset: *offset, wide, spot: Some(spot) })
    }
}

/// An address operand.
pub struct Address {
    pub base: Ref,
    pub offset: i64,
    pub wide: bool,
    /// The variable it names.
    pub spot: Option<Spot>,
}

const TRUTH: crate::exec::inst::Alu = crate::exec::inst::alu!(|regs, inst, mask| {
    regs.set_pred(inst.ops[0], mask, if inst.imm != 0 { u32::MAX } else { 0 });
});

const NOT: crate::exec::inst::Alu = crate::exec::inst::alu!(|regs, inst, mask| {
    let value = regs.pred(inst.ops[1]);
    regs.set_pred(inst.ops[0], mask, !value);
});

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

/// `mov` that is more than a copy of a register or number. False for the others.
fn moves(builder: &mut Builder, instruction: &Instruction) -> Result<bool, LoadError> {
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

const COPY_32: crate::exec::inst::Alu = crate::exec::inst::alu!(|regs, inst, mask| {
    crate::exec::regs::map1(regs, inst.ops[0], inst.ops[1], mask, |a: u32| a);
});
const COPY_64: crate::exec::inst::Alu = crate::exec::inst::alu!(|regs, inst, mask| {
    crate::exec::regs::map1(regs, inst.ops[0], inst.ops[1], mask, |a: u64| a);
});

fn unpack(
    builder: &mut Builder,
    instruction: &Instruction,
    ty: Type,
    parts: &[Operand],
    from: &Operand,
) -> Result<(), LoadError> {
    let (run, part, whole): (crate::exec::inst::WarpFn, _, _) = match (ty.bytes(), parts.len()) {
        (8, 2) => (movement::unpack_64, Ty::W, Ty::D),
        (8, 4) => (movement::unpack_64_of_4, Ty::H, Ty::D),
        (4, 2) => (movement::unpack_32, Ty::H, Ty::W),
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
    let (run, part, whole): (crate::exec::inst::WarpFn, _, _) = match (ty.bytes(), parts.len()) {
        (8, 2) => (movement::pack_64, Ty::W, Ty::D),
        (8, 4) => (movement::pack_64_of_4, Ty::H, Ty::D),
        (4, 2) => (movement::pack_32, Ty::H, Ty::W),
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

/// Offset of a window of generic addresses, for `cvta`.
pub fn window(space: &str) -> Option<i64> {
    Some(match space {
        "shared" | "shared::cta" => SHARED_WINDOW as i64,
        "local" => LOCAL_WINDOW as i64,
        "global" | "const" => 0,
        _ => return None,
    })
}
