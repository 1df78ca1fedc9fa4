//! Tokens → syntax tree. One function per construct of the PTX ISA; none recurses deeper than a fixed
//! bound, whatever the text.

mod function;
mod instruction;
mod module;
mod number;
mod variable;

#[cfg(test)]
mod tests;

use crate::error::LoadError;
use crate::ptx::ast::Module;
use crate::ptx::lexer::{self, Kind, Token};

/// Reads one PTX module.
///
/// Only the grammar is checked: opcodes, modifiers and names mean nothing here. Debug sections and
/// pragmas are read and dropped; every other word that is not known is an error. Time and memory are
/// linear in the length of the text.
///
/// # Errors
/// [`LoadError::Syntax`] where the text is not PTX, [`LoadError::Invalid`] where a declaration
/// contradicts itself, [`LoadError::Unsupported`] for a construct that the tree cannot hold.
pub fn parse(text: &str) -> Result<Module, LoadError> {
    Parser { tokens: lexer::tokens(text)?, at: 0 }.module()
}

/// A place in the tokens of a text.
struct Parser<'a> {
    /// The last one is of kind [`Kind::End`].
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Token<'a> {
        let end = Token { kind: Kind::End, text: "", line: 1 };
        let found = self.tokens.get(self.at.saturating_add(ahead)).or(self.tokens.last());
        found.copied().unwrap_or(end)
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn line(&self) -> u32 {
        self.peek().line
    }

    /// Whether the next token is this sign.
    fn is(&self, sign: &str) -> bool {
        self.is_at(0, sign)
    }

    fn is_at(&self, ahead: usize, sign: &str) -> bool {
        let token = self.peek_at(ahead);
        token.kind == Kind::Sign && token.text == sign
    }

    /// Takes the sign if it comes next.
    fn eat(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), LoadError> {
        if self.eat(sign) { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    /// Takes the dotted word if it comes next.
    fn eat_dot(&mut self, word: &str) -> bool {
        let token = self.peek();
        let found = token.kind == Kind::Dot && token.text == word;
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, what: &str) -> Result<&'a str, LoadError> {
        match self.peek() {
            Token { kind: Kind::Word, text, .. } => {
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// The error that the next token is not what must stand here.
    fn expected(&self, what: &str) -> LoadError {
        let token = self.peek();
        let found = match token.kind {
            Kind::End => "the end of the text".to_owned(),
            Kind::Text => format!("the string \"{}\"", shortened(token.text)),
            _ => format!("`{}`", shortened(token.text)),
        };
        LoadError::syntax(token.line, format!("expected {what}, found {found}"))
    }

    fn unsupported(&self, instruction: &str, what: &str) -> LoadError {
        LoadError::Unsupported {
            line: self.line(),
            instruction: shortened(instruction),
            what: what.to_owned(),
        }
    }
}

/// The start of a text, for messages.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
