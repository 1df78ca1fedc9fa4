//! The executor: decoded instructions, warps of 32 lanes, blocks, the grid.

pub mod alu;
pub mod grid;
pub mod inst;
pub mod program;
pub mod regs;
pub mod warp;
