//! ld and st in every state space.
//!
//! Operands: `ld` has its results, then the base address; `st` the base address, then its values. The
//! offset is `imm`, the rest stands in `wide` as flags (see [`flags`]). An element of 8 bytes takes two
//! of the words that `Values` holds per lane.

mod generic;
mod global;
mod local;
mod param;
mod shared;

pub use shared::{accessor, check_shared, count_shared, narrow_addresses, shared_hazard};

use super::{WarpOp, warp_op};
use crate::exec::inst::{Inst, NONE, OPERANDS};
use crate::exec::regs::{LANES, Slot};
use crate::exec::warp::Warp;

/// What `Inst::wide` of a load or store says.
pub mod flags {
    /// Sign-extend elements below 4 bytes to the register.
    pub const SIGNED: u32 = 1;
    /// Elements of up to 4 bytes go to or come from 64-bit registers.
    pub const WIDE_REGISTER: u32 = 2;
    /// volatile, relaxed, acquire, release: meant for talking with other threads.
    pub const STRONG: u32 = 4;
    /// The base address is a 64-bit register in a space of 32-bit addresses.
    pub const WIDE_ADDRESS: u32 = 8;
    /// acquire or release: orders other accesses around it.
    pub const ORDERED: u32 = 16;
}

/// Elements on their way between memory and registers, `W` words of each lane, word by word.
type Values<const W: usize> = [[u32; LANES]; W];

/// Words of a lane for `count` elements of `size` bytes: those of 8 bytes take two, others one each.
const fn words(size: usize, count: usize) -> usize {
    if size == 8 { 2 * count } else { count }
}

/// Which memory an instruction names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Global,
    Shared,
    Local,
    Generic,
    /// Call parameters, in the thread's local memory, not checked for being written.
    Frame,
    /// Kernel parameters.
    Param,
}

/// The load of `count` elements of `size` bytes. `None`: there is no such form.
pub fn load(target: Target, size: u32, count: usize) -> Option<WarpOp> {
    macro_rules! forms {
        ($($size:literal x $count:literal),*) => {
            match (target, size, count) {
                $((Target::Global, $size, $count) => warp_op!(|w, i, m| global::load::<$size, $count, { words($size, $count) }>(w, i, m)),
                (Target::Shared, $size, $count) => warp_op!(|w, i, m| shared::load::<$size, $count, { words($size, $count) }>(w, i, m)),
                (Target::Local, $size, $count) => warp_op!(|w, i, m| local::load::<$size, $count, { words($size, $count) }>(w, i, m, true)),
                (Target::Frame, $size, $count) => warp_op!(|w, i, m| local::load::<$size, $count, { words($size, $count) }>(w, i, m, false)),
                (Target::Generic, $size, $count) => warp_op!(|w, i, m| generic::load::<$size, $count, { words($size, $count) }>(w, i, m)),
                (Target::Param, $size, $count) => warp_op!(|w, i, m| param::load::<$size, $count, { words($size, $count) }>(w, i, m)),)*
                _ => return None,
            }
        };
    }
    Some(
        forms!(1 x 1, 1 x 2, 1 x 4, 2 x 1, 2 x 2, 2 x 4, 4 x 1, 4 x 2, 4 x 4, 4 x 8, 8 x 1, 8 x 2, 8 x 4),
    )
}

/// The store of `count` elements of `size` bytes. `None`: there is no such form.
pub fn store(target: Target, size: u32, count: usize) -> Option<WarpOp> {
    macro_rules! forms {
        ($($size:literal x $count:literal),*) => {
            match (target, size, count) {
                $((Target::Global, $size, $count) => warp_op!(|w, i, m| global::store::<$size, $count, { words($size, $count) }>(w, i, m)),
                (Target::Shared, $size, $count) => warp_op!(|w, i, m| shared::store::<$size, $count, { words($size, $count) }>(w, i, m)),
                (Target::Local | Target::Frame, $size, $count) => {
                    warp_op!(|w, i, m| local::store::<$size, $count, { words($size, $count) }>(w, i, m))
                }
                (Target::Generic, $size, $count) => warp_op!(|w, i, m| generic::store::<$size, $count, { words($size, $count) }>(w, i, m)),)*
                _ => return None,
            }
        };
    }
    Some(
        forms!(1 x 1, 1 x 2, 1 x 4, 2 x 1, 2 x 2, 2 x 4, 4 x 1, 4 x 2, 4 x 4, 4 x 8, 8 x 1, 8 x 2, 8 x 4),
    )
}

/// Operand number `at` of an instruction with `N` values: in place, or in the program's table where they
/// are more than fit.
#[inline(always)]
fn slot<const N: usize>(warp: &Warp, inst: &Inst, at: usize) -> Slot {
    if N < OPERANDS {
        return inst.ops[at];
    }
    let first = (inst.wide >> 8) as usize;
    warp.launch.program.wide.get(first + at).copied().unwrap_or(NONE)
}

// Closures over arrays would become calls, here where everything else is loops that become vectors.

/// Writes what a load has fetched to its registers.
#[inline(always)]
fn write_results<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
    values: &Values<W>,
) {
    let signed = SIZE < 4 && inst.wide & flags::SIGNED != 0;
    for element in 0..N {
        let slot = slot::<N>(warp, inst, element);
        if slot == NONE {
            continue;
        }
        if SIZE == 8 || inst.wide & flags::WIDE_REGISTER != 0 {
            let mut whole = [0u64; LANES];
            for (lane, whole) in whole.iter_mut().enumerate() {
                *whole = match SIZE {
                    8 => {
                        let (low, high) =
                            (values[2 * element][lane], values[2 * element + 1][lane]);
                        u64::from(low) | u64::from(high) << 32
                    }
                    4 if inst.wide & flags::SIGNED != 0 => {
                        values[element][lane] as i32 as i64 as u64
                    }
                    _ if signed => extend::<SIZE>(values[element][lane]) as i64 as u64,
                    _ => u64::from(values[element][lane]),
                };
            }
            warp.regs.write::<u64>(slot, mask, &whole);
        } else if signed {
            let mut word = values[element];
            for word in &mut word {
                *word = extend::<SIZE>(*word) as u32;
            }
            warp.regs.write::<u32>(slot, mask, &word);
        } else {
            warp.regs.write::<u32>(slot, mask, &values[element]);
        }
    }
}

/// The lower `SIZE` bytes as a number with a sign.
#[inline(always)]
fn extend<const SIZE: u32>(word: u32) -> i32 {
    let shift = 32 - 8 * SIZE.min(4);
    (word << shift) as i32 >> shift
}

/// Reads what a store is to write.
#[inline(always)]
fn read_sources<const SIZE: u32, const N: usize, const W: usize>(
    warp: &Warp,
    inst: &Inst,
) -> Values<W> {
    let mut values = [[0; LANES]; W];
    for element in 0..N {
        let slot = slot::<N>(warp, inst, 1 + element);
        if SIZE == 8 {
            let whole = warp.regs.read::<u64>(slot);
            for lane in 0..LANES {
                values[2 * element][lane] = whole[lane] as u32;
                values[2 * element + 1][lane] = (whole[lane] >> 32) as u32;
            }
        } else if inst.wide & flags::WIDE_REGISTER != 0 {
            let whole = warp.regs.read::<u64>(slot);
            for lane in 0..LANES {
                values[element][lane] = whole[lane] as u32;
            }
        } else {
            values[element] = warp.regs.read::<u32>(slot);
        }
    }
    values
}

fn is_strong(inst: &Inst) -> bool {
    inst.wide & flags::STRONG != 0
}
