//! cp.async: copies from global to shared memory that a thread waits for later.

use std::sync::atomic::Ordering::Relaxed;

use super::load_store::{accessor, check_shared, narrow_addresses, shared_hazard};
use crate::exec::global::{self, Access};
#[cfg(target_arch = "x86_64")]
use crate::exec::inst::has_fast_path;
use crate::exec::inst::{Inst, NONE};
#[cfg(target_arch = "x86_64")]
use crate::exec::regs::FULL;
use crate::exec::regs::LANES;
use crate::exec::shared::Accessor;
use crate::exec::warp::{Flow, Warp, lanes};
use crate::memory::SECTOR;
use crate::sanitizer::FindingKind;

/// `cp.async`. Operands: destination in shared memory, source, bytes of the source or NONE (the rest of
/// the destination becomes zero), predicate that ignores the source or NONE. `imm`: bytes | offset of
/// the destination << 8 | offset of the source << 32.
#[inline(always)]
pub fn copy(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let bytes = (inst.imm & 0xFF) as u32;
    let (to_offset, from_offset) = (inst.imm << 32 >> 40, inst.imm >> 32);
    let narrowed = Inst { imm: to_offset, ..*inst };
    let targets = narrow_addresses(warp, inst.ops[0], &narrowed);
    let sources = global::addresses(warp, inst.ops[1], from_offset);
    let mut sizes = [bytes; LANES];
    if inst.ops[2] != NONE {
        sizes = warp.regs.read::<u32>(inst.ops[2]).map(|size| size.min(bytes));
    }
    if inst.ops[3] != NONE {
        let ignored = warp.regs.pred(inst.ops[3]);
        lanes(ignored).for_each(|lane| sizes[lane] = 0);
    }
    if check_shared(warp, &targets, mask, bytes, Access::Store) == Flow::Stop {
        return Flow::Stop;
    }
    // Where some lanes copy less than the others, the one request is counted here, else on the way.
    let mut short = 0;
    for (lane, size) in sizes.iter().enumerate() {
        short |= u32::from(*size != bytes) << lane;
    }
    let counted = short & mask != 0;
    if counted && count_partial(warp, &sources, &sizes, mask, bytes) == Flow::Stop {
        return Flow::Stop;
    }
    let mut words = [[0u32; 4]; LANES];
    // Lanes that read the same number of bytes go together, which is all of them but at an edge.
    let with = |wanted: u32| {
        let mut set = 0;
        for (lane, size) in sizes.iter().enumerate() {
            set |= u32::from(*size == wanted) << lane;
        }
        set
    };
    let mut left = mask & !with(0);
    while left != 0 {
        let size = sizes[left.trailing_zeros() as usize];
        let here = left & with(size);
        left &= !here;
        // What is read and checked is the source's size, byte by byte where it is not the whole.
        let whole = size == bytes;
        let each = if whole { bytes } else { 1 };
        for step in 0..if whole { 1 } else { size } {
            let from =
                if whole { sources } else { sources.map(|a| a.wrapping_add(u64::from(step))) };
            let flow = global::for_parts(warp, &from, here, each, Access::Load, |warp, part| {
                if !counted {
                    global::count(&mut warp.worker.tally.async_copies, &part, each);
                }
                global::check_written(warp, &part, each);
                global::check_races(warp, &part, each, Access::Load, false);
                let allocation = &part.region.allocation;
                if whole {
                    let all = allocation.words();
                    for lane in lanes(part.mask) {
                        let at = part.offsets[lane] / 4;
                        let from = all.get(at..at + bytes as usize / 4).unwrap_or(&[]);
                        for (word, from) in words[lane].iter_mut().zip(from) {
                            *word = from.load(Relaxed);
                        }
                    }
                } else {
                    for lane in lanes(part.mask) {
                        let byte = u32::from(allocation.byte(part.offsets[lane]));
                        words[lane][step as usize / 4] |= byte << (step % 4 * 8);
                    }
                }
                Flow::Next
            });
            if flow == Flow::Stop {
                return Flow::Stop;
            }
        }
    }
    let begun = begin_rows(warp, &targets, mask, bytes);
    for lane in lanes(mask).skip(begun) {
        let by = accessor(warp, lane, false);
        if let Some(hazard) = warp.block.shared.begin_copy(targets[lane], bytes, by)
            && shared_hazard(warp, lane, targets[lane], Access::Store, hazard) == Flow::Stop
        {
            return Flow::Stop;
        }
    }
    warp.state.copies.add(mask, targets, bytes as usize / 4, words);
    Flow::Next
}

/// Begins the copies of a whole warp as far as all is plainly in order; the number of lanes begun.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
fn begin_rows(warp: &mut Warp, targets: &[u32; LANES], mask: u32, bytes: u32) -> usize {
    #[cfg(target_arch = "x86_64")]
    if has_fast_path() && mask == FULL && bytes == 16 && warp.block.shared.by_words() {
        let first = accessor(warp, 0, false);
        // SAFETY: this CPU has AVX2.
        return unsafe { warp.block.shared.begin_rows(targets, first) };
    }
    0
}

/// Counts a request whose lanes read `sizes` bytes each, and finds sources that are not aligned to the
/// whole copy.
#[cold]
fn count_partial(
    warp: &mut Warp,
    sources: &[u64; LANES],
    sizes: &[u32; LANES],
    mask: u32,
    bytes: u32,
) -> Flow {
    let mut sectors = Vec::new();
    for lane in lanes(mask).filter(|&lane| sizes[lane] > 0) {
        let source = sources[lane];
        if !source.is_multiple_of(u64::from(bytes)) {
            let message = format!("cp.async of {bytes} bytes from global address {source:#x}");
            return warp.found(FindingKind::Misaligned, lane as u32, message);
        }
        // Aligned to its size, the source lies in one sector.
        sectors.push(source / SECTOR as u64);
    }
    sectors.sort_unstable();
    sectors.dedup();
    let traffic = &mut warp.worker.tally.async_copies;
    traffic.requests += u64::from(!sectors.is_empty());
    traffic.sectors += sectors.len() as u64;
    traffic.bytes += lanes(mask).map(|lane| u64::from(sizes[lane])).sum::<u64>();
    Flow::Next
}

/// `cp.async.commit_group`.
pub fn commit(warp: &mut Warp, _inst: &Inst, mask: u32) -> Flow {
    warp.state.copies.commit(mask);
    Flow::Next
}

/// `cp.async.wait_group imm` and, with a negative `imm`, `cp.async.wait_all`.
pub fn wait(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let first = accessor(warp, 0, false);
    let shared = &mut warp.block.shared;
    warp.state.copies.finish(mask, u32::try_from(inst.imm).ok(), |copy| {
        for lane in lanes(copy.lanes) {
            let by = Accessor { thread: first.thread + lane as u32, ..first };
            shared.end_copy(copy.targets[lane], &copy.values[lane][..copy.words], by);
        }
    });
    Flow::Next
}
