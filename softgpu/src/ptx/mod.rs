//! Module image → PTX text → syntax tree.

pub mod ast;
pub mod image;
mod lexer;
mod parser;

pub use parser::parse;
