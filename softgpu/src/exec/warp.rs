//! One warp: 32 lanes, their registers and where they are.

use super::regs::Regs;

/// What happens after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next instruction.
    Next,
}

/// A warp while it runs.
pub struct Warp<'a> {
    pub regs: Regs<'a>,
}
