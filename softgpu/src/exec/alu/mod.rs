//! Instructions that compute on registers and nothing else, one file per family. Each family has
//! `select`, which knows its opcodes and modifiers, and the bodies.
//!
//! How to add one: find its family, match opcode and modifiers in `select`, write the body with `alu!`
//! and `map1`, `map2` or `map3` on scalars, state the kinds of its operands, and test its form.

mod float32;

use super::inst::Selected;
use crate::error::LoadError;
use crate::ptx::ast::Instruction;

/// Finds what executes `instruction`.
///
/// `Ok(None)`: the opcode is not of these families.
///
/// # Errors
/// The opcode is, but a modifier or combination of modifiers is not known.
pub fn select(instruction: &Instruction) -> Result<Option<Selected>, LoadError> {
    float32::select(instruction)
}
