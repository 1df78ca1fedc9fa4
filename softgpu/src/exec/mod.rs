//! The executor: decoded instructions, warps of 32 lanes, blocks, the grid.

pub mod alu;
pub mod inst;
pub mod regs;
pub mod warp;
