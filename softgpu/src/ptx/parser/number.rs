//! Literals and constant expressions (PTX ISA, "Constants").

use super::Parser;
use crate::error::LoadError;
use crate::ptx::lexer::Kind;

/// Nesting of parentheses and of right-hand sides in a constant expression.
const DEEPEST: u32 = 32;

/// A literal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(u64),
    /// The bits of an f32: `0f3F800000`.
    F32(u32),
    /// The bits of an f64: `0d3FF0000000000000`, `1.0`.
    F64(u64),
}

/// The value of a literal, or `None` where the text is not one or does not fit 64 bits.
pub fn number(text: &str) -> Option<Number> {
    let hex = |digits: &str, count: usize| {
        let whole = digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if whole { u64::from_str_radix(digits, 16).ok() } else { None }
    };
    match text.as_bytes() {
        [b'0', b'f' | b'F', ..] => {
            return hex(text.get(2..)?, 8)
                .and_then(|bits| u32::try_from(bits).ok())
                .map(Number::F32);
        }
        [b'0', b'd' | b'D', ..] => return hex(text.get(2..)?, 16).map(Number::F64),
        _ => {}
    }
    if let Some(value) = integer(text) {
        return Some(Number::Int(value));
    }
    let decimal =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !decimal || !text.contains(['.', 'e', 'E']) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    value.is_finite().then_some(Number::F64(value.to_bits()))
}

/// Hexadecimal, octal, binary or decimal, with or without the `U` of unsigned constants.
fn integer(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('U').unwrap_or(text);
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (digits.get(2..)?, 16),
        [b'0', b'b' | b'B', ..] => (digits.get(2..)?, 2),
        [b'0', _, ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    // The standard library's reader would take a sign too.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Operators of two operands, tightest binding last: those whose result modulo 2⁶⁴ does not depend on
/// whether PTX takes the operands as signed (`/`, `%`, `>>` and comparisons are refused).
fn precedence(sign: &str) -> Option<u32> {
    Some(match sign {
        "|" => 1,
        "^" => 2,
        "&" => 3,
        "<<" => 4,
        "+" | "-" => 5,
        "*" => 6,
        _ => return None,
    })
}

impl Parser<'_> {
    /// The literal that comes next.
    pub fn literal(&mut self, what: &str) -> Result<Number, LoadError> {
        let token = self.peek();
        let value = if token.kind == Kind::Number { number(token.text) } else { None };
        let value = value.ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(value)
    }

    /// A plain non-negative integer of 32 bits, as directives take them.
    pub fn small(&mut self, what: &str) -> Result<u32, LoadError> {
        let token = self.peek();
        let value = match (token.kind, number(token.text)) {
            (Kind::Number, Some(Number::Int(value))) => u32::try_from(value).ok(),
            _ => None,
        };
        let value =
            value.ok_or_else(|| self.expected(&format!("{what} (an integer of 32 bits)")))?;
        self.at += 1;
        Ok(value)
    }

    /// An integer constant expression, computed modulo 2⁶⁴.
    pub fn constant(&mut self) -> Result<u64, LoadError> {
        self.binary(1, 0)
    }

    /// `+4`, `-4`, `+4*2-8` behind a name: the signed byte offset, 0 where no sign follows.
    pub fn offset(&mut self) -> Result<i64, LoadError> {
        let mut sum = 0u64;
        while self.is("+") || self.is("-") {
            let negative = self.next().text == "-";
            let term = self.binary(6, 0)?;
            sum = if negative { sum.wrapping_sub(term) } else { sum.wrapping_add(term) };
        }
        Ok(sum.cast_signed())
    }

    /// Precedence climbing: an expression whose operators bind at least as tightly as `least`.
    fn binary(&mut self, least: u32, depth: u32) -> Result<u64, LoadError> {
        let mut left = self.unary(depth)?;
        loop {
            let token = self.peek();
            let found = if token.kind == Kind::Sign { precedence(token.text) } else { None };
            let Some(binding) = found.filter(|binding| *binding >= least) else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.binary(binding + 1, depth + 1)?;
            let amount = u32::try_from(right).unwrap_or(u32::MAX);
            left = match token.text {
                "|" => left | right,
                "^" => left ^ right,
                "&" => left & right,
                "<<" => left.checked_shl(amount).unwrap_or(0),
                "+" => left.wrapping_add(right),
                "-" => left.wrapping_sub(right),
                _ => left.wrapping_mul(right),
            };
        }
    }

    fn unary(&mut self, depth: u32) -> Result<u64, LoadError> {
        if depth > DEEPEST {
            return Err(LoadError::syntax(
                self.line(),
                "expected a constant expression less deeply nested",
            ));
        }
        if self.eat("-") {
            return Ok(self.unary(depth + 1)?.wrapping_neg());
        }
        if self.eat("+") {
            return self.unary(depth + 1);
        }
        if self.eat("~") {
            return Ok(!self.unary(depth + 1)?);
        }
        if self.eat("(") {
            let value = self.binary(1, depth + 1)?;
            self.expect(")")?;
            return Ok(value);
        }
        let line = self.line();
        match self.literal("an integer")? {
            Number::Int(value) => Ok(value),
            _ => Err(LoadError::syntax(line, "expected an integer, found a floating number")),
        }
    }
}
