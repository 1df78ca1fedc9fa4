//! Declarations of variables and parameters (PTX ISA, "Variables", "Initializers").

use super::number::{self, Number};
use super::{Parser, shortened};
use crate::error::LoadError;
use crate::ptx::ast::{Init, Space, Type, Variable};
use crate::ptx::lexer::Kind;

/// A variable larger than this cannot be meant; sizes below it never overflow.
const LARGEST: u64 = 1 << 48;
const LARGEST_ALIGNMENT: u64 = 1 << 20;
const MOST_DIMENSIONS: usize = 16;

/// The words between a state space and the first name.
pub struct Qualifiers {
    pub ty: Type,
    pub vector: u32,
    align: Option<u64>,
}

/// Where a number of an initialiser goes.
struct Shape {
    ty: Type,
    /// Elements of one entry of each dimension, outermost first, the vector's last.
    strides: Vec<u64>,
}

impl Parser<'_> {
    /// `.align 4 .v2 .f32`, `.u64 .ptr .global .align 16`, in any order up to the type.
    pub fn qualifiers(&mut self) -> Result<Qualifiers, LoadError> {
        let (mut ty, mut vector, mut align) = (None, 1, None);
        while self.peek().kind == Kind::Dot {
            let word = self.peek().text;
            match word {
                ".align" => {
                    self.at += 1;
                    align = Some(self.alignment()?);
                }
                ".v2" | ".v4" => {
                    self.at += 1;
                    vector = if word == ".v2" { 2 } else { 4 };
                }
                ".ptr" if ty.is_some() => {
                    self.at += 1;
                    self.pointee()?;
                }
                ".attribute" => self.attribute()?,
                ".texref" | ".samplerref" | ".surfref" => {
                    return Err(self.unsupported(word, "this device has no textures and surfaces"));
                }
                _ => match word.strip_prefix('.').and_then(Type::from_name) {
                    Some(found) if ty.is_none() => {
                        self.at += 1;
                        ty = Some(found);
                    }
                    _ => return Err(self.expected("a type, `.align` or a name")),
                },
            }
        }
        let ty = ty.ok_or_else(|| self.expected("a type"))?;
        Ok(Qualifiers { ty, vector, align })
    }

    fn alignment(&mut self) -> Result<u64, LoadError> {
        let line = self.line();
        let align = u64::from(self.small("an alignment in bytes")?);
        if align.is_power_of_two() && align <= LARGEST_ALIGNMENT {
            return Ok(align);
        }
        Err(LoadError::invalid(
            line,
            format!("an alignment of {align} bytes: not a power of two up to 2^20"),
        ))
    }

    /// Space and alignment of what a pointer parameter points to: hints, not needed to execute.
    fn pointee(&mut self) -> Result<(), LoadError> {
        let _known =
            [".const", ".global", ".local", ".shared"].iter().any(|space| self.eat_dot(space));
        if self.eat_dot(".align") {
            self.alignment()?;
        }
        Ok(())
    }

    /// `.attribute(.managed)`: memory that the host reaches too, as it does all of this device's.
    fn attribute(&mut self) -> Result<(), LoadError> {
        self.at += 1;
        self.expect("(")?;
        if !self.eat_dot(".managed") {
            return Err(self.expected("`.managed`"));
        }
        self.expect(")")
    }

    /// Everything behind the state space: `.align 4 .b8 a[16], b[8] = {1, 2};`, the semicolon included.
    pub fn variables(&mut self, space: Space, is_extern: bool) -> Result<Vec<Variable>, LoadError> {
        let qualifiers = self.qualifiers()?;
        let mut all = Vec::new();
        loop {
            let (mut variable, dimensions) = self.declarator(space, &qualifiers)?;
            variable.is_extern = is_extern;
            if self.eat("=") {
                self.initialiser(&mut variable, &dimensions)?;
            }
            all.push(variable);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(";")?;
        Ok(all)
    }

    /// One parameter: `.param .align 4 .b8 name[16]`, `.reg .b32 name`.
    pub fn parameter(&mut self) -> Result<Variable, LoadError> {
        let space = match self.peek().text {
            ".param" => Space::Param,
            ".reg" => Space::Reg,
            _ => return Err(self.expected("`.param`")),
        };
        self.at += 1;
        let qualifiers = self.qualifiers()?;
        Ok(self.declarator(space, &qualifiers)?.0)
    }

    /// A name and its dimensions, `None` the open one.
    fn declarator(
        &mut self,
        space: Space,
        of: &Qualifiers,
    ) -> Result<(Variable, Vec<Option<u64>>), LoadError> {
        let line = self.line();
        let name = self.word("a name")?.to_owned();
        let mut dimensions = Vec::new();
        while self.eat("[") {
            if dimensions.len() >= MOST_DIMENSIONS {
                return Err(LoadError::syntax(line, "expected fewer dimensions"));
            }
            dimensions.push(if self.is("]") { None } else { Some(self.constant()?) });
            self.expect("]")?;
        }
        if dimensions.iter().skip(1).any(Option::is_none) {
            return Err(LoadError::syntax(
                line,
                "expected the length of every dimension but the first",
            ));
        }
        let unit = u64::from(of.vector) * of.ty.bytes() as u64;
        let mut known = dimensions.iter().flatten();
        let known = known.try_fold(1u64, |product, length| product.checked_mul(*length));
        let known =
            known.filter(|count| count.checked_mul(unit).is_some_and(|bytes| bytes <= LARGEST));
        let known = known.ok_or_else(|| {
            LoadError::invalid(line, format!("`{}` is larger than 2^48 bytes", shortened(&name)))
        })?;
        let open = dimensions.first().is_some_and(Option::is_none);
        let variable = Variable {
            name,
            space,
            ty: of.ty,
            vector: of.vector,
            align: of.align.unwrap_or(unit),
            elements: if open { None } else { Some(known) },
            init: Vec::new(),
            is_extern: false,
            line,
        };
        Ok((variable, dimensions))
    }

    fn initialiser(
        &mut self,
        variable: &mut Variable,
        dimensions: &[Option<u64>],
    ) -> Result<(), LoadError> {
        let mut stride = u64::from(variable.vector);
        let mut strides = Vec::new();
        if stride > 1 {
            strides.push(1);
        }
        for length in dimensions.iter().rev() {
            strides.push(stride);
            // The declarator has bounded the product.
            stride = stride.saturating_mul(length.unwrap_or(1));
        }
        strides.reverse();
        let line = self.line();
        let shape = Shape { ty: variable.ty, strides };
        if shape.strides.is_empty() {
            variable.init.push(self.initial_value(variable.ty)?);
            return Ok(());
        }
        self.initial_list(&shape, 0, &mut variable.init)?;
        let unit = u64::from(variable.vector);
        let given = variable.init.len() as u64;
        match variable.elements {
            None if given.is_multiple_of(unit) => variable.elements = Some(given / unit),
            Some(count) if given <= count.saturating_mul(unit) => {}
            _ => {
                let name = shortened(&variable.name);
                return Err(LoadError::invalid(
                    line,
                    format!("{given} initial values do not fit `{name}`"),
                ));
            }
        }
        Ok(())
    }

    /// `{a, b, {c, d}}`. Inner lists must be complete: the tree holds the values in a row.
    fn initial_list(
        &mut self,
        shape: &Shape,
        depth: usize,
        into: &mut Vec<Init>,
    ) -> Result<(), LoadError> {
        self.expect("{")?;
        let stride = shape.strides.get(depth).copied().unwrap_or(1);
        if self.eat("}") {
            return Ok(());
        }
        loop {
            if self.is("{") {
                let line = self.line();
                if depth + 1 >= shape.strides.len() {
                    return Err(self.expected("a value (the variable has no further dimension)"));
                }
                let before = into.len();
                self.initial_list(shape, depth + 1, into)?;
                if (into.len() - before) as u64 != stride {
                    return Err(LoadError::invalid(
                        line,
                        format!("this list must hold {stride} values"),
                    ));
                }
            } else {
                into.push(self.initial_value(shape.ty)?);
            }
            if !self.eat(",") {
                break;
            }
        }
        self.expect("}")
    }

    /// A number, `symbol+offset`, `generic(symbol)+offset` or `mask(one of these)`.
    fn initial_value(&mut self, ty: Type) -> Result<Init, LoadError> {
        let token = self.peek();
        match token.kind {
            Kind::Word => {
                let (symbol, offset, generic) = self.initial_address()?;
                if ty.bytes() < 4 {
                    let what =
                        format!("the address of `{}` does not fit an element", shortened(&symbol));
                    return Err(LoadError::invalid(token.line, what));
                }
                Ok(Init::Address { symbol, offset, generic })
            }
            Kind::Number if self.is_at(1, "(") => self.initial_byte(),
            _ => self.initial_number(ty).map(Init::Bits),
        }
    }

    fn initial_address(&mut self) -> Result<(String, i64, bool), LoadError> {
        let first = self.word("a symbol")?;
        let generic = first == "generic" && self.eat("(");
        let symbol = if generic { self.word("a symbol")? } else { first };
        if generic {
            self.expect(")")?;
        }
        Ok((symbol.to_owned(), self.offset()?, generic))
    }

    /// `0xFF00(generic(symbol)+4)`: byte 1 of the address.
    fn initial_byte(&mut self) -> Result<Init, LoadError> {
        let mask = match number::number(self.peek().text) {
            Some(Number::Int(mask)) => mask,
            _ => return Err(self.expected("a mask of one byte")),
        };
        let byte = mask.trailing_zeros() / 8;
        if mask == 0 || mask != 0xffu64.checked_shl(byte * 8).unwrap_or(0) {
            return Err(self.expected("a mask of one whole byte"));
        }
        self.at += 1;
        self.expect("(")?;
        let (symbol, offset, generic) = self.initial_address()?;
        self.expect(")")?;
        Ok(Init::AddressByte { symbol, offset, generic, byte })
    }

    /// The bits of a number for an element of this type; ptxas refuses the same mixtures.
    fn initial_number(&mut self, ty: Type) -> Result<u64, LoadError> {
        let line = self.line();
        let negative = self.is("-") && self.peek_at(1).kind == Kind::Number;
        let literal = if negative { self.peek_at(1) } else { self.peek() };
        let value = if literal.kind == Kind::Number { number::number(literal.text) } else { None };
        let value = match value {
            Some(value @ (Number::F32(_) | Number::F64(_))) => {
                self.at += 1 + usize::from(negative);
                if negative { value.negated() } else { value }
            }
            _ => Number::Int(self.constant()?),
        };
        match (value, ty) {
            (Number::Int(_), Type::F32 | Type::F64) | (_, Type::Pred) => {}
            (Number::Int(bits), _) => return Ok(bits),
            (Number::F32(bits), Type::F32 | Type::B32) => return Ok(u64::from(bits)),
            (Number::F64(bits), Type::F64 | Type::B64) => return Ok(bits),
            // ptxas rounds a double literal to the type of the variable.
            (Number::F64(bits), Type::F32) => {
                return Ok(u64::from((f64::from_bits(bits) as f32).to_bits()));
            }
            (Number::F32(bits), Type::F64) => return Ok(f64::from(f32::from_bits(bits)).to_bits()),
            _ => {}
        }
        Err(LoadError::invalid(line, "an initial value of another kind than the variable"))
    }
}
