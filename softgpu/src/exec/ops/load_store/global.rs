//! ld and st in global memory.

use std::sync::atomic::Ordering::Relaxed;

use super::{Values, flags, is_strong, read_sources, slot, write_results};
use crate::exec::global::{self, Access, Part};
use crate::exec::inst::Inst;
use crate::exec::order;
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp, lanes};

#[inline(always)]
pub fn load<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = global::addresses(warp, slot::<N>(warp, inst, N), inst.imm);
    let mut values = [[0; LANES]; W];
    let flow = fetch::<SIZE, N, W>(warp, inst, &addresses, mask, &mut values);
    write_results::<SIZE, N, W>(warp, inst, mask, &values);
    flow
}

#[inline(always)]
pub fn fetch<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u64; LANES],
    mask: u32,
    values: &mut Values<W>,
) -> Flow {
    let bytes = SIZE * N as u32;
    if is_strong(inst) {
        order::note(warp, Access::Load, inst.wide & flags::ORDERED != 0);
    }
    global::for_parts(warp, addresses, mask, bytes, Access::Load, |warp, part| {
        global::count(&mut warp.worker.tally.global_loads, &part, bytes);
        global::check_written(warp, &part, bytes);
        global::check_races(warp, &part, bytes, Access::Load, is_strong(inst));
        gather::<SIZE, N, W>(&part, values);
        Flow::Next
    })
}

#[inline(always)]
fn gather<const SIZE: u32, const N: usize, const W: usize>(part: &Part, values: &mut Values<W>) {
    let words = part.region.allocation.words();
    if SIZE >= 4 {
        let each = N * SIZE as usize / 4;
        for (first, lanes) in part.runs() {
            let at = part.offsets[first] / 4;
            let Some(span) = words.get(at..at + lanes * each) else { continue };
            for lane in 0..lanes {
                for word in 0..each {
                    values[word][first + lane] = span[lane * each + word].load(Relaxed);
                }
            }
        }
        for lane in lanes(part.same) {
            for word in 0..each {
                values[word][lane] = values[word][lane - 1];
            }
        }
        return;
    }
    for lane in lanes(part.mask) {
        for element in 0..N {
            let offset = part.offsets[lane] + element * SIZE as usize;
            let word = words[offset / 4].load(Relaxed);
            values[element][lane] = word >> (offset % 4 * 8) & ((1 << (8 * SIZE)) - 1);
        }
    }
}

#[inline(always)]
pub fn store<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = global::addresses(warp, inst.ops[0], inst.imm);
    put::<SIZE, N, W>(warp, inst, &addresses, mask)
}

#[inline(always)]
pub fn put<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u64; LANES],
    mask: u32,
) -> Flow {
    let bytes = SIZE * N as u32;
    let values = read_sources::<SIZE, N, W>(warp, inst);
    if is_strong(inst) {
        order::note(warp, Access::Store, inst.wide & flags::ORDERED != 0);
    }
    global::for_parts(warp, addresses, mask, bytes, Access::Store, |warp, part| {
        global::count(&mut warp.worker.tally.global_stores, &part, bytes);
        global::check_races(warp, &part, bytes, Access::Store, is_strong(inst));
        scatter::<SIZE, N, W>(&part, &values);
        global::mark_written(&part, bytes);
        Flow::Next
    })
}

#[inline(always)]
fn scatter<const SIZE: u32, const N: usize, const W: usize>(part: &Part, values: &Values<W>) {
    let allocation = &part.region.allocation;
    if SIZE >= 4 {
        let words = allocation.words();
        let each = N * SIZE as usize / 4;
        for lane in lanes(part.mask) {
            for word in 0..each {
                words[part.offsets[lane] / 4 + word].store(values[word][lane], Relaxed);
            }
        }
        return;
    }
    for lane in lanes(part.mask) {
        for element in 0..N {
            let offset = part.offsets[lane] + element * SIZE as usize;
            let shift = offset % 4 * 8;
            let mask = ((1u32 << (8 * SIZE)) - 1) << shift;
            allocation.set_bits(offset / 4, mask, values[element][lane] << shift);
        }
    }
}
