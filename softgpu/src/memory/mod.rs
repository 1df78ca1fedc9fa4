//! Device memory: allocations in one 64-bit address space, with a bit for every byte that was ever
//! written.
//!
//! Addresses are numbers, not pointers of this process: an access goes through the table of
//! allocations, and what is in none of them is out of bounds. An address is never handed out twice, so
//! a use after free is always recognised. Pinned host memory is the exception: its device address is its
//! host address, as under CUDA's unified addressing.
//!
//! Blocks run in parallel and kernels may race, so the bytes are relaxed atomics of 32 bits: a race of
//! the kernel is a wrong number here, never undefined behaviour.

mod allocation;
mod table;

pub use allocation::{Allocation, Kind, SECTOR, byte_mask};
pub use table::{Freed, Memory, MemoryError, Place};

/// First device address handed out.
pub const DEVICE_BASE: u64 = 0x100_0000_0000;
/// Start of the window through which generic addresses reach shared memory.
pub const SHARED_WINDOW: u64 = 0xF0_0000_0000;
/// Start of the window through which generic addresses reach a thread's local memory.
pub const LOCAL_WINDOW: u64 = 0xE0_0000_0000;
/// Bytes of each of the two windows.
pub const WINDOW_BYTES: u64 = 1 << 32;
