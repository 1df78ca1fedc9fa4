//! PTX text → tokens (PTX ISA, "Syntax": "Statements", "Identifiers", "Constants").

use crate::error::LoadError;

/// What a [`Token`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier: `%r1`, `$L__BB0_3`, `fma`, `_`.
    Word,
    /// A word with its leading dot, `::` included: `.u32`, `.shared::cta`, `.L2::128B`.
    Dot,
    /// Something that starts with a digit; the parser says which number.
    Number,
    /// The inside of `"…"`, escapes as written.
    Text,
    /// One sign, or `<<`.
    Sign,
    /// Behind the last token.
    End,
}

/// One token, a view into the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// From 1.
    pub line: u32,
}

/// Splits a text into its tokens, an [`Kind::End`] last. Time and memory are linear in the length of
/// the text.
///
/// # Errors
/// A character that PTX does not have, a comment or string without an end, a dot without a word.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, LoadError> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut all = Vec::with_capacity(text.len() / 6);
    loop {
        let token = lexer.token()?;
        all.push(token);
        if token.kind == Kind::End {
            return Ok(all);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    /// Byte offset of the next character; always on a character boundary.
    at: usize,
    line: u32,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

impl<'a> Lexer<'a> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at.checked_add(ahead)?).copied()
    }

    /// Moves over the bytes that `test` accepts; it must accept ASCII only, or every byte of a
    /// character.
    fn skip_while(&mut self, test: impl Fn(u8) -> bool) {
        while self.byte(0).is_some_and(&test) {
            self.at += 1;
        }
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn token(&mut self) -> Result<Token<'a>, LoadError> {
        self.skip_blank()?;
        let line = self.line;
        let start = self.at;
        let Some(first) = self.byte(0) else {
            return Ok(Token { kind: Kind::End, text: "", line });
        };
        let kind = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => {
                self.skip_while(is_word);
                Kind::Word
            }
            b'%' if self.byte(1).is_some_and(is_word) => {
                self.at += 1;
                self.skip_while(is_word);
                Kind::Word
            }
            b'.' => {
                self.dot()?;
                Kind::Dot
            }
            b'0'..=b'9' => {
                self.number();
                Kind::Number
            }
            b'"' => {
                let text = self.string()?;
                return Ok(Token { kind: Kind::Text, text, line });
            }
            b'<' => {
                self.at += if self.byte(1) == Some(b'<') { 2 } else { 1 };
                Kind::Sign
            }
            b'{' | b'}' | b'(' | b')' | b'[' | b']' | b'>' | b',' | b';' | b':' | b'@' | b'!'
            | b'|' | b'=' | b'+' | b'-' | b'*' | b'/' | b'&' | b'^' | b'~' => {
                self.at += 1;
                Kind::Sign
            }
            _ => return Err(self.strange()),
        };
        Ok(Token { kind, text: self.since(start), line })
    }

    fn strange(&self) -> LoadError {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = found.unwrap_or(char::REPLACEMENT_CHARACTER);
        LoadError::syntax(
            self.line,
            format!("PTX has no character {found:?} outside comments and strings"),
        )
    }

    /// White space and comments.
    fn skip_blank(&mut self) -> Result<(), LoadError> {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'\n'), _) => {
                    self.line = self.line.saturating_add(1);
                    self.at += 1;
                }
                (Some(b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c'), _) => self.at += 1,
                (Some(b'/'), Some(b'/')) => self.skip_while(|byte| byte != b'\n'),
                (Some(b'/'), Some(b'*')) => self.block_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn block_comment(&mut self) -> Result<(), LoadError> {
        let opened = self.line;
        self.at += 2;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'*'), Some(b'/')) => {
                    self.at += 2;
                    return Ok(());
                }
                (Some(byte), _) => {
                    if byte == b'\n' {
                        self.line = self.line.saturating_add(1);
                    }
                    self.at += 1;
                }
                (None, _) => {
                    return Err(LoadError::syntax(opened, "expected `*/` behind this `/*`"));
                }
            }
        }
    }

    fn dot(&mut self) -> Result<(), LoadError> {
        self.at += 1;
        if !self.byte(0).is_some_and(is_word) {
            return Err(LoadError::syntax(self.line, "expected a word right behind `.`"));
        }
        self.skip_while(is_word);
        while self.byte(0) == Some(b':')
            && self.byte(1) == Some(b':')
            && self.byte(2).is_some_and(is_word)
        {
            self.at += 2;
            self.skip_while(is_word);
        }
        Ok(())
    }

    /// A number with everything that clings to it; a decimal one may have a point and an exponent.
    fn number(&mut self) {
        self.skip_while(|byte| byte.is_ascii_digit());
        if self.byte(0) == Some(b'.') {
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        // The digits of `0x1e` end at its `x`, so the `+` of `0x1e+5` stays a sign.
        if matches!(self.byte(0), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(0), Some(b'+' | b'-')) {
                self.at += 1;
            }
        }
        self.skip_while(is_word);
    }

    /// The inside of a string; a backslash keeps the character behind it from ending the string.
    fn string(&mut self) -> Result<&'a str, LoadError> {
        let unfinished = LoadError::syntax(self.line, "expected `\"` at the end of this string");
        self.at += 1;
        let start = self.at;
        loop {
            match self.byte(0) {
                Some(b'"') => {
                    let text = self.since(start);
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') if self.byte(1).is_some_and(|next| next != b'\n') => self.at += 2,
                Some(b'\n') | None => return Err(unfinished),
                Some(_) => self.at += 1,
            }
        }
    }
}
