//! Operands of the text → values and results of a draft.

use super::super::draft::Ref;
use super::super::flatten::Builder;
use super::super::scope::{Register, Spot};
use super::{draft, invalid};
use crate::error::LoadError;
use crate::exec::inst::{Action, Alu, Class, Ty, alu};
use crate::exec::ops::movement;
use crate::ptx::ast::{Base, Instruction, Operand, Type};

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

const TRUTH: Alu = alu!(|regs, inst, mask| {
    regs.set_pred(inst.ops[0], mask, if inst.imm != 0 { u32::MAX } else { 0 });
});

const NOT: Alu = alu!(|regs, inst, mask| {
    let value = regs.pred(inst.ops[1]);
    regs.set_pred(inst.ops[0], mask, !value);
});
