//! Instructions and their operands (PTX ISA, "Instruction Statements", "Instruction Operands").

use super::Parser;
use super::number::{self, Number};
use crate::error::LoadError;
use crate::ptx::ast::{Base, Guard, Instruction, Operand, SourceLoc};
use crate::ptx::lexer::Kind;

/// Lists of vectors are the deepest that PTX has.
const DEEPEST: u32 = 4;

impl Number {
    /// The number with its sign changed.
    pub fn negated(self) -> Number {
        match self {
            Number::Int(bits) => Number::Int(bits.wrapping_neg()),
            Number::F32(bits) => Number::F32(bits ^ 1 << 31),
            Number::F64(bits) => Number::F64(bits ^ 1 << 63),
        }
    }
}

impl Parser<'_> {
    /// One instruction with its guard and its semicolon.
    pub fn instruction(&mut self, source: Option<SourceLoc>) -> Result<Instruction, LoadError> {
        let guard = if self.eat("@") {
            let negated = self.eat("!");
            Some(Guard { register: self.word("the register of a guard")?.to_owned(), negated })
        } else {
            None
        };
        let line = self.line();
        let opcode = self.word("an opcode")?;
        if !opcode.starts_with(|first: char| first.is_ascii_lowercase()) {
            self.at -= 1;
            return Err(self.expected("an opcode"));
        }
        let mut modifiers = Vec::new();
        while self.peek().kind == Kind::Dot {
            let word = self.next().text;
            modifiers.push(word.strip_prefix('.').unwrap_or(word).to_owned());
        }
        let mut operands = Vec::new();
        if !self.is(";") {
            operands = self.operands(opcode, 0)?;
        }
        self.expect(";")?;
        Ok(Instruction { guard, opcode: opcode.to_owned(), modifiers, operands, line, source })
    }

    fn operands(&mut self, opcode: &str, depth: u32) -> Result<Vec<Operand>, LoadError> {
        let mut all = Vec::new();
        loop {
            all.push(self.operand(opcode, depth)?);
            if !self.eat(",") {
                return Ok(all);
            }
        }
    }

    fn operand(&mut self, opcode: &str, depth: u32) -> Result<Operand, LoadError> {
        if depth > DEEPEST {
            return Err(LoadError::syntax(self.line(), "expected an operand less deeply nested"));
        }
        let token = self.peek();
        match (token.kind, token.text) {
            (Kind::Word, _) => self.named(),
            (Kind::Sign, "!") => {
                self.at += 1;
                Ok(Operand::Not(self.name()?))
            }
            (Kind::Sign, "{") => {
                self.at += 1;
                let elements = self.operands(opcode, depth + 1)?;
                self.expect("}")?;
                Ok(Operand::Vector(elements))
            }
            (Kind::Sign, "[") => self.address(opcode),
            // Elsewhere a parenthesis belongs to a constant.
            (Kind::Sign, "(") if opcode == "call" => {
                self.at += 1;
                let mut elements = Vec::new();
                if !self.is(")") {
                    elements = self.operands(opcode, depth + 1)?;
                }
                self.expect(")")?;
                Ok(Operand::List(elements))
            }
            (Kind::Number, _) | (Kind::Sign, "-" | "+" | "~" | "(") => self.immediate(),
            _ if depth == 0 => Err(self.expected("an operand or `;`")),
            _ => Err(self.expected("an operand")),
        }
    }

    /// A name with its components: `%tid.x`, `%r1.b0`.
    fn name(&mut self) -> Result<String, LoadError> {
        let mut name = self.word("a register or symbol")?.to_owned();
        while self.peek().kind == Kind::Dot {
            name.push_str(self.next().text);
        }
        Ok(name)
    }

    /// What begins with a name: itself, `symbol+4`, `a|b`.
    fn named(&mut self) -> Result<Operand, LoadError> {
        let name = self.name()?;
        if !name.starts_with('%') && name != "_" && (self.is("+") || self.is("-")) {
            return Ok(Operand::NameOffset(name, self.offset()?));
        }
        let first = if name == "_" { Operand::Sink } else { Operand::Name(name) };
        if !self.eat("|") {
            return Ok(first);
        }
        let name = self.name()?;
        let second = if name == "_" { Operand::Sink } else { Operand::Name(name) };
        Ok(Operand::Pair(Box::new(first), Box::new(second)))
    }

    /// A floating literal, perhaps negative, or an integer constant expression.
    fn immediate(&mut self) -> Result<Operand, LoadError> {
        let negative = usize::from(self.is("-"));
        let token = self.peek_at(negative);
        let value = if token.kind == Kind::Number { number::number(token.text) } else { None };
        let value = match value {
            Some(value @ (Number::F32(_) | Number::F64(_))) => {
                self.at += 1 + negative;
                if negative > 0 { value.negated() } else { value }
            }
            _ => Number::Int(self.constant()?),
        };
        Ok(match value {
            Number::Int(bits) => Operand::Int(bits),
            Number::F32(bits) => Operand::F32(bits),
            Number::F64(bits) => Operand::F64(bits),
        })
    }

    /// `[%rd1]`, `[%rd1+-4]`, `[symbol+8]`, `[16]`.
    fn address(&mut self, opcode: &str) -> Result<Operand, LoadError> {
        self.expect("[")?;
        let (base, offset) = if self.peek().kind == Kind::Word {
            (Base::Name(self.name()?), self.offset()?)
        } else {
            (Base::Absolute(self.constant()?), 0)
        };
        if self.is(",") {
            return Err(self.unsupported(opcode, "an address with coordinates"));
        }
        self.expect("]")?;
        Ok(Operand::Address { base, offset })
    }
}
