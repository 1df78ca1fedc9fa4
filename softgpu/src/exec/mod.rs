//! The executor: decoded instructions, warps of 32 lanes, blocks, the grid.

pub mod alu;
pub mod block;
pub mod copies;
pub mod global;
pub mod grid;
pub mod inst;
pub mod launch;
pub mod local;
pub mod ops;
mod order;
pub mod program;
pub mod regs;
pub mod shared;
pub mod warp;
