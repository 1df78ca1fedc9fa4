//! atom and red. Lanes take effect one after the other, in a random order, as hardware promises none.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::load_store::{
    Target, accessor, check_shared, count_shared, flags, narrow_addresses, shared_hazard,
};
use crate::exec::alu::soft;
use crate::exec::global::{self, Access, Window};
use crate::exec::inst::{Inst, NONE};
use crate::exec::launch::mix;
use crate::exec::order;
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp, lanes};
use crate::memory::SHARED_WINDOW;
use crate::sanitizer::FindingKind;

/// What an atomic does, on the bits of its type: (operation, old, b, c) → new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Exchange,
    CompareSwap,
    And,
    Or,
    Xor,
    Add,
    Inc,
    Dec,
    MinU,
    MaxU,
    MinS,
    MaxS,
    AddF32,
    /// The same where subnormals count as zeros.
    AddF32Flush,
    AddF64,
    AddF16x2,
    AddBf16x2,
    AddF16,
    AddBf16,
}

const OPS: [Op; 19] = [
    Op::Exchange,
    Op::CompareSwap,
    Op::And,
    Op::Or,
    Op::Xor,
    Op::Add,
    Op::Inc,
    Op::Dec,
    Op::MinU,
    Op::MaxU,
    Op::MinS,
    Op::MaxS,
    Op::AddF32,
    Op::AddF32Flush,
    Op::AddF64,
    Op::AddF16x2,
    Op::AddBf16x2,
    Op::AddF16,
    Op::AddBf16,
];

impl Op {
    /// The number that `Inst::imm` carries in bits 32…
    pub fn code(self) -> u32 {
        OPS.iter().position(|op| *op == self).unwrap_or(0) as u32
    }

    fn apply(self, old: u64, b: u64, c: u64, size: u32) -> u64 {
        let signed =
            |value: u64| if size == 8 { value as i64 } else { i64::from(value as u32 as i32) };
        let pair = |f: fn(u16, u16) -> u16| {
            let low = f(old as u16, b as u16);
            u64::from(low) | u64::from(f((old >> 16) as u16, (b >> 16) as u16)) << 16
        };
        match self {
            Op::Exchange => b,
            Op::CompareSwap => {
                if old == b {
                    c
                } else {
                    old
                }
            }
            Op::And => old & b,
            Op::Or => old | b,
            Op::Xor => old ^ b,
            Op::Add => old.wrapping_add(b),
            Op::Inc => {
                if old >= b {
                    0
                } else {
                    old + 1
                }
            }
            Op::Dec => {
                if old == 0 || old > b {
                    b
                } else {
                    old - 1
                }
            }
            Op::MinU => old.min(b),
            Op::MaxU => old.max(b),
            Op::MinS => {
                if signed(b) < signed(old) {
                    b
                } else {
                    old
                }
            }
            Op::MaxS => {
                if signed(b) > signed(old) {
                    b
                } else {
                    old
                }
            }
            Op::AddF32 => {
                u64::from((f32::from_bits(old as u32) + f32::from_bits(b as u32)).to_bits())
            }
            Op::AddF32Flush => {
                let sum = flush(f32::from_bits(old as u32)) + flush(f32::from_bits(b as u32));
                u64::from(flush(sum).to_bits())
            }
            Op::AddF64 => (f64::from_bits(old) + f64::from_bits(b)).to_bits(),
            Op::AddF16x2 => pair(add_f16),
            Op::AddBf16x2 => pair(add_bf16),
            Op::AddF16 => u64::from(add_f16(old as u16, b as u16)),
            Op::AddBf16 => u64::from(add_bf16(old as u16, b as u16)),
        }
    }
}

/// A subnormal as a zero of its sign.
fn flush(value: f32) -> f32 {
    if value.is_subnormal() { 0f32.copysign(value) } else { value }
}

fn add_f16(a: u16, b: u16) -> u16 {
    add_small(soft::F16, a, b)
}

fn add_bf16(a: u16, b: u16) -> u16 {
    add_small(soft::BF16, a, b)
}

/// The sum rounded once. By way of f64 and f32 it would be rounded twice.
fn add_small(format: soft::Format, a: u16, b: u16) -> u16 {
    let nearest = soft::Round::Nearest;
    let number = |bits: u16| soft::unpack(format, u64::from(bits));
    soft::pack(format, soft::add(number(a), number(b), nearest), nearest) as u16
}

/// Where the pieces of an atomic stand in `Inst::imm`: offset below, operation and size above.
pub fn pack(offset: i32, op: Op, size: u32) -> i64 {
    i64::from(offset as u32) | i64::from(op.code()) << 32 | i64::from(size) << 40
}

fn unpack(imm: i64) -> (i32, Op, u32) {
    (imm as i32, OPS[(imm >> 32 & 0xFF) as usize % OPS.len()], (imm >> 40) as u32)
}

/// Guards 64-bit atomics, whose halves are two words of memory.
static WIDE: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

/// `atom` and `red`. Operands: d or NONE, address, b, c or NONE. Both operand registers are rows of the
/// type's size.
pub fn atomic(warp: &mut Warp, inst: &Inst, mask: u32, target: Target) -> Flow {
    let (offset, op, size) = unpack(inst.imm);
    let [d, address, b, c, ..] = inst.ops;
    let read = |slot: i32| -> [u64; LANES] {
        if slot == NONE {
            [0; LANES]
        } else if size == 8 {
            warp.regs.read::<u64>(slot)
        } else {
            // Above a 16-bit register's bits there may be those of a sign.
            let bits = if size == 2 { 0xFFFF } else { u32::MAX };
            warp.regs.read::<u32>(slot).map(|word| u64::from(word & bits))
        }
    };
    let (bs, cs) = (read(b), read(c));
    let mut old = [0u64; LANES];
    let plan = Plan { op, size, ordered: inst.wide & flags::ORDERED != 0, bs, cs };
    let flow = match target {
        Target::Shared => {
            let narrowed = Inst { imm: i64::from(offset), ..*inst };
            let addresses = narrow_addresses(warp, address, &narrowed);
            on_shared(warp, &addresses, mask, &plan, &mut old)
        }
        _ => {
            let addresses = global::addresses(warp, address, i64::from(offset));
            let windows = global::windows(&addresses, mask);
            let [(_, global), (_, shared), (_, local)] = if target == Target::Global {
                [(Window::Global, mask), (Window::Shared, 0), (Window::Local, 0)]
            } else {
                windows
            };
            if local != 0 {
                let message = "an atomic on local memory".to_owned();
                return warp.found(FindingKind::OutOfBounds, local.trailing_zeros(), message);
            }
            let inside = addresses.map(|address| address.wrapping_sub(SHARED_WINDOW) as u32);
            let mut flow = Flow::Next;
            if shared != 0 {
                flow = on_shared(warp, &inside, shared, &plan, &mut old);
            }
            if global != 0 && flow == Flow::Next {
                flow = on_global(warp, &addresses, global, &plan, &mut old);
            }
            flow
        }
    };
    if d != NONE {
        if size == 8 {
            warp.regs.write::<u64>(d, mask, &old);
        } else {
            warp.regs.write::<u32>(d, mask, &old.map(|value| value as u32));
        }
    }
    flow
}

struct Plan {
    op: Op,
    size: u32,
    /// Acquires, releases or both.
    ordered: bool,
    bs: [u64; LANES],
    cs: [u64; LANES],
}

/// The lanes of a mask in an order drawn anew each time.
fn shuffled_lanes(warp: &mut Warp, mask: u32) -> impl Iterator<Item = usize> + use<> {
    let turn = (mix(warp.worker.random()) % 32) as u32;
    let rotated = mask.rotate_right(turn);
    lanes(rotated).map(move |lane| (lane + turn as usize) % LANES)
}

fn on_global(
    warp: &mut Warp,
    addresses: &[u64; LANES],
    mask: u32,
    plan: &Plan,
    old: &mut [u64; LANES],
) -> Flow {
    let size = plan.size;
    // PTX ISA, "atom" and "red": on global memory .add.f32 flushes subnormal inputs and results to zero
    // of their sign; on shared memory it does not.
    let op = if plan.op == Op::AddF32 { Op::AddF32Flush } else { plan.op };
    order::note(warp, Access::Atomic, plan.ordered);
    global::for_parts(warp, addresses, mask, size, Access::Atomic, |warp, part| {
        global::count(&mut warp.worker.tally.global_atomics, &part, size);
        global::check_written(warp, &part, size);
        global::check_races(warp, &part, size, Access::Atomic, true);
        let words = part.region.allocation.words();
        for lane in shuffled_lanes(warp, part.mask) {
            let (offset, b, c) = (part.offsets[lane], plan.bs[lane], plan.cs[lane]);
            old[lane] = match size {
                8 => wide(words, offset / 4, |now| op.apply(now, b, c, 8)),
                4 => narrow(&words[offset / 4], u32::MAX, 0, |now| op.apply(now, b, c, 4)),
                _ => {
                    let shift = offset as u32 % 4 * 8;
                    narrow(&words[offset / 4], 0xFFFF, shift, |now| op.apply(now, b, c, 2))
                }
            };
        }
        global::mark_written(&part, size);
        Flow::Next
    })
}

/// Applies `f` to the bits `mask << shift` of a word; the old bits.
fn narrow(word: &AtomicU32, mask: u32, shift: u32, f: impl Fn(u64) -> u64) -> u64 {
    let bits = |word: u32| u64::from(word >> shift & mask);
    let change = |now: u32| Some(now & !(mask << shift) | (f(bits(now)) as u32 & mask) << shift);
    match word.fetch_update(Relaxed, Relaxed, change) {
        Ok(old) | Err(old) => bits(old),
    }
}

/// Applies `f` to two words; the old value.
fn wide(words: &[AtomicU32], at: usize, f: impl Fn(u64) -> u64) -> u64 {
    let _guard = WIDE[at / 2 % WIDE.len()].lock().unwrap_or_else(PoisonError::into_inner);
    let old = u64::from(words[at].load(Relaxed)) | u64::from(words[at + 1].load(Relaxed)) << 32;
    let new = f(old);
    words[at].store(new as u32, Relaxed);
    words[at + 1].store((new >> 32) as u32, Relaxed);
    old
}

fn on_shared(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    mask: u32,
    plan: &Plan,
    old: &mut [u64; LANES],
) -> Flow {
    let size = plan.size;
    if check_shared(warp, addresses, mask, size, Access::Atomic) == Flow::Stop {
        return Flow::Stop;
    }
    count_shared(warp, addresses, mask, size, |worker| &mut worker.tally.shared_atomics);
    warp.polled();
    for lane in shuffled_lanes(warp, mask) {
        let address = addresses[lane];
        let by = accessor(warp, lane, true);
        let part = size.min(4);
        let words = size.div_ceil(4);
        let mut now = 0;
        let mut found = None;
        for word in 0..words {
            let at = address + 4 * word;
            found = found.or(warp.block.shared.unwritten(at, part));
            let bits = warp.block.shared.peek(at);
            let bits = if part == 2 { bits >> (at % 4 * 8) & 0xFFFF } else { bits };
            now |= u64::from(bits) << (32 * word);
        }
        old[lane] = now;
        let new = plan.op.apply(now, plan.bs[lane], plan.cs[lane], size);
        for word in 0..words {
            let value = (new >> (32 * word)) as u32;
            let value = if part == 2 { value & 0xFFFF } else { value };
            found = found.or(warp.block.shared.store(address + 4 * word, part, value, by));
        }
        if let Some(hazard) = found
            && shared_hazard(warp, lane, address, Access::Atomic, hazard) == Flow::Stop
        {
            return Flow::Stop;
        }
    }
    Flow::Next
}
