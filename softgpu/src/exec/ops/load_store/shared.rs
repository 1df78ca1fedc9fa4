//! ld and st in shared memory, and what every access to it has in common.

use super::super::banks::{self, Pattern};
use super::{Values, flags, is_strong, read_sources, slot, write_results};
use crate::counters::SharedTraffic;
use crate::exec::global::{self, Access};
use crate::exec::inst::Inst;
#[cfg(target_arch = "x86_64")]
use crate::exec::inst::has_fast_path;
use crate::exec::launch::Worker;
use crate::exec::regs::{CHUNK, FULL, LANES, Slot};
use crate::exec::shared::{Accessor, Hazard};
use crate::exec::warp::{Flow, Warp, lanes};
use crate::sanitizer::FindingKind;

/// The 32-bit addresses of a shared or local access.
#[inline(always)]
pub fn narrow_addresses(warp: &Warp, slot: Slot, inst: &Inst) -> [u32; LANES] {
    if inst.wide & flags::WIDE_ADDRESS != 0 {
        let wide = global::addresses(warp, slot, inst.imm);
        // What is beyond 32 bits stays beyond every size, and as aligned as it was.
        return wide.map(|address| u32::try_from(address).unwrap_or(!15 | address as u32 & 15));
    }
    let offset = inst.imm as u32;
    let mut addresses = warp.regs.read::<u32>(slot);
    for address in &mut addresses {
        *address = address.wrapping_add(offset);
    }
    addresses
}

/// Who a lane is to shared memory.
#[inline(always)]
pub fn accessor(warp: &Warp, lane: usize, strong: bool) -> Accessor {
    Accessor {
        thread: warp.index * 32 + lane as u32,
        block_sync: warp.state.block_sync,
        warp_sync: warp.state.warp_sync,
        strong,
    }
}

/// Checks that the lanes are inside shared memory and aligned.
#[inline(always)]
pub fn check_shared(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    mask: u32,
    bytes: u32,
    access: Access,
) -> Flow {
    let (mut together, mut high) = (0, 0);
    for lane in 0..LANES {
        let here = if mask >> lane & 1 != 0 { addresses[lane] } else { 0 };
        together |= here;
        high = high.max(here);
    }
    if together & (bytes - 1) == 0 && warp.block.shared.inside(high, bytes) {
        return Flow::Next;
    }
    shared_fault(warp, addresses, mask, bytes, access)
}

#[cold]
fn shared_fault(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    mask: u32,
    bytes: u32,
    access: Access,
) -> Flow {
    let shared = &warp.block.shared;
    for lane in lanes(mask) {
        let address = addresses[lane];
        // The first of the lanes may have got no further than a gap, where later ones left it.
        let kind = if !shared.inside(address, bytes) || shared.in_gap(address) {
            FindingKind::OutOfBounds
        } else if !address.is_multiple_of(bytes) {
            FindingKind::Misaligned
        } else {
            continue;
        };
        let place = warp.launch.program.shared_place(address, shared.bytes());
        let message =
            format!("{access:?} of {bytes} bytes at shared address {address:#x}: {place}");
        return warp.found(kind, lane as u32, message);
    }
    Flow::Next
}

/// Reports a hazard of a shared access.
#[cold]
pub fn shared_hazard(
    warp: &mut Warp,
    lane: usize,
    address: u32,
    access: Access,
    hazard: Hazard,
) -> Flow {
    let checks = warp.launch.options.checks;
    let place = warp.launch.program.shared_place(address, warp.block.shared.bytes());
    let what = format!("{access:?} at shared address {address:#x}, {place}");
    let block = warp.launch.geometry.block;
    let name = |thread: u32| block.position(u64::from(thread));
    let (kind, message) = match hazard {
        Hazard::Gap => (FindingKind::OutOfBounds, what),
        Hazard::Unwritten if !checks.uninitialized => return Flow::Next,
        Hazard::Unwritten => {
            (FindingKind::Uninitialized, format!("{what}: no thread of the block has written it"))
        }
        _ if !checks.shared_races => return Flow::Next,
        Hazard::Pending => (
            FindingKind::AsyncCopyPending,
            format!("{what}: a cp.async into it was issued and not waited for"),
        ),
        Hazard::RaceWithWrite(thread) => (
            FindingKind::SharedRace,
            format!("{what}: thread {} wrote it, and no barrier lies between", name(thread)),
        ),
        Hazard::RaceWithRead(thread) => (
            FindingKind::SharedRace,
            format!("{what}: thread {} read it, and no barrier lies between", name(thread)),
        ),
    };
    warp.found(kind, lane as u32, message)
}

#[inline(always)]
pub fn load<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = narrow_addresses(warp, slot::<N>(warp, inst, N), inst);
    let mut values = [[0; LANES]; W];
    let flow = fetch::<SIZE, N, W>(warp, inst, &addresses, mask, &mut values);
    write_results::<SIZE, N, W>(warp, inst, mask, &values);
    flow
}

#[inline(always)]
pub fn fetch<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u32; LANES],
    mask: u32,
    values: &mut Values<W>,
) -> Flow {
    let bytes = SIZE * N as u32;
    if check_shared(warp, addresses, mask, bytes, Access::Load) == Flow::Stop {
        return Flow::Stop;
    }
    if is_strong(inst) {
        warp.polled();
    }
    let pattern = (SIZE >= 4 && mask == FULL).then(|| Pattern::new(addresses, bytes));
    let traffic = &mut warp.worker.tally.shared_loads;
    let apart = banks::count(traffic, addresses, mask, bytes, pattern.as_ref());
    if let Some(pattern) = pattern
        && warp.block.shared.by_words()
        && !is_strong(inst)
    {
        // A word for each lane is one of W; the compiler does not see that.
        let calm = match W {
            1 if apart && read_scattered(warp, addresses, &mut values[0]) => true,
            1 => read_runs::<1, W>(warp, addresses, &pattern, values),
            2 => read_runs::<2, W>(warp, addresses, &pattern, values),
            4 => read_runs::<4, W>(warp, addresses, &pattern, values),
            _ => false,
        };
        if calm {
            return Flow::Next;
        }
    }
    for lane in lanes(mask) {
        let by = accessor(warp, lane, is_strong(inst));
        let mut found = None;
        for word in 0..(bytes as usize).div_ceil(4).max(N) {
            let size = SIZE.min(4);
            let (value, hazard) =
                warp.block.shared.load(addresses[lane] + word as u32 * size, size, by);
            values[word][lane] = value;
            found = found.or(hazard);
        }
        if let Some(hazard) = found
            && shared_hazard(warp, lane, addresses[lane], Access::Load, hazard) == Flow::Stop
        {
            return Flow::Stop;
        }
    }
    Flow::Next
}

/// The usual shared load: all lanes, whole words, nothing wrong. Lanes that read what another lane reads
/// too (a broadcast, the second half of a warp repeating the first) are noted once. False when
/// something is wrong: the lanes must be gone through one by one.
#[inline(always)]
fn read_runs<const EACH: usize, const W: usize>(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    pattern: &Pattern,
    values: &mut Values<W>,
) -> bool {
    let base = accessor(warp, 0, false);
    let shared = &mut warp.block.shared;
    let end = if pattern.halves { LANES / 2 } else { LANES };
    let mut lane = 0;
    let mut calm = true;
    while lane < end {
        let by = Accessor { thread: base.thread + lane as u32, ..base };
        let same = (pattern.same >> lane >> 1).trailing_ones() as usize;
        let length = 1 + (pattern.next >> lane >> 1).trailing_ones() as usize;
        let length = length.min(end - lane);
        if length == 1 {
            let many = same > 0 || pattern.halves;
            calm &= shared.read_words::<EACH>(addresses[lane], many, by).is_some();
            lane += 1 + same;
            continue;
        }
        calm &= shared.read_run::<EACH>(addresses[lane], length * EACH, pattern.halves, by);
        lane += length;
    }
    calm && spread_words::<EACH, W>(warp, addresses, values)
}

/// The words at the lanes' addresses, whose tags have been seen to.
#[inline(always)]
fn spread_words<const EACH: usize, const W: usize>(
    warp: &Warp,
    addresses: &[u32; LANES],
    values: &mut Values<W>,
) -> bool {
    let shared = &warp.block.shared;
    #[cfg(target_arch = "x86_64")]
    if EACH == 4
        && has_fast_path()
        && let Some(values) = values.first_chunk_mut::<4>()
    {
        // SAFETY: this CPU has AVX2.
        return unsafe { shared.gather_rows(addresses, values) };
    }
    for (chunk, lanes) in addresses.as_chunks::<CHUNK>().0.iter().enumerate() {
        // Through registers: eight words stored one by one and read as a vector wait for each other.
        let mut words = [[0; CHUNK]; EACH];
        for (lane, address) in lanes.iter().enumerate() {
            let Some(here) = shared.words(*address, EACH) else { return false };
            for word in 0..EACH {
                words[word][lane] = here[word];
            }
        }
        for word in 0..EACH {
            values[word].as_chunks_mut::<CHUNK>().0[chunk] = words[word];
        }
    }
    true
}

/// A load of one word by all lanes, each from a bank of its own, in no order that is a run. False when it
/// is none, or something is not plainly in order.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
#[inline(always)]
fn read_scattered(warp: &mut Warp, addresses: &[u32; LANES], out: &mut [u32; LANES]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if has_fast_path() {
        let first = accessor(warp, 0, false);
        // SAFETY: this CPU has AVX2.
        return unsafe { warp.block.shared.read_scattered(addresses, first, out) };
    }
    false
}

/// The usual shared store, as [`read_runs`].
#[inline(always)]
fn write_runs<const EACH: usize, const W: usize>(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    pattern: &Pattern,
    strong: bool,
    values: &Values<W>,
) -> bool {
    let base = accessor(warp, 0, strong);
    let shared = &mut warp.block.shared;
    let mut lane = 0;
    while lane < LANES {
        let by = Accessor { thread: base.thread + lane as u32, ..base };
        let length = 1 + (pattern.next >> lane >> 1).trailing_ones() as usize;
        if !shared.write_run::<EACH>(addresses[lane], length * EACH, by) {
            // Lanes before this one are written; writing them again does no harm.
            return false;
        }
        for at in 0..length {
            for word in 0..EACH {
                shared.poke(addresses[lane + at] as usize / 4 + word, values[word][lane + at]);
            }
        }
        lane += length;
    }
    true
}

#[inline(always)]
pub fn count_shared(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    mask: u32,
    bytes: u32,
    traffic: impl Fn(&mut Worker) -> &mut SharedTraffic,
) {
    banks::count(traffic(warp.worker), addresses, mask, bytes, None);
}

#[inline(always)]
pub fn store<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = narrow_addresses(warp, inst.ops[0], inst);
    put::<SIZE, N, W>(warp, inst, &addresses, mask)
}

#[inline(always)]
pub fn put<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u32; LANES],
    mask: u32,
) -> Flow {
    let bytes = SIZE * N as u32;
    if check_shared(warp, addresses, mask, bytes, Access::Store) == Flow::Stop {
        return Flow::Stop;
    }
    let values = read_sources::<SIZE, N, W>(warp, inst);
    let pattern = (SIZE >= 4 && mask == FULL).then(|| Pattern::new(addresses, bytes));
    let traffic = &mut warp.worker.tally.shared_stores;
    banks::count(traffic, addresses, mask, bytes, pattern.as_ref());
    if let Some(pattern) = pattern
        && warp.block.shared.by_words()
    {
        let calm = match W {
            1 => write_runs::<1, W>(warp, addresses, &pattern, is_strong(inst), &values),
            2 => write_runs::<2, W>(warp, addresses, &pattern, is_strong(inst), &values),
            4 => write_runs::<4, W>(warp, addresses, &pattern, is_strong(inst), &values),
            _ => false,
        };
        if calm {
            return Flow::Next;
        }
    }
    for lane in lanes(mask) {
        let by = accessor(warp, lane, is_strong(inst));
        let mut found = None;
        for word in 0..(bytes as usize).div_ceil(4).max(N) {
            let size = SIZE.min(4);
            let address = addresses[lane] + word as u32 * size;
            found = found.or(warp.block.shared.store(address, size, values[word][lane], by));
        }
        if let Some(hazard) = found
            && shared_hazard(warp, lane, addresses[lane], Access::Store, hazard) == Flow::Stop
        {
            return Flow::Stop;
        }
    }
    Flow::Next
}
