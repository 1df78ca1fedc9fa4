//! ld and st in every state space.
//!
//! Operands: `ld` has its results, then the base address; `st` the base address, then its values. The
//! offset is `imm`, the rest stands in `wide` as flags (see [`flags`]). An element of 8 bytes takes two
//! of the words that [`Values`] holds per lane.

use super::banks::{self, Pattern};
use super::{WarpOp, warp_op};
use crate::counters::SharedTraffic;
use crate::exec::global::{self, Access, Part, Window};
use crate::exec::inst::{Inst, NONE};
use crate::exec::launch::Worker;
use crate::exec::order;
use crate::exec::regs::{FULL, LANES, Slot};
use crate::exec::shared::{Accessor, Hazard};
use crate::exec::warp::{Flow, Warp, lanes};
use crate::memory::{LOCAL_WINDOW, SHARED_WINDOW};
use crate::sanitizer::FindingKind;
use std::sync::atomic::Ordering::Relaxed;

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

/// Most words of one lane (`.v8.b32`).
const WORDS: usize = 8;

/// Elements on their way between memory and registers, word by word.
pub type Values = [[u32; LANES]; WORDS];

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
                $((Target::Global, $size, $count) => warp_op!(|w, i, m| load_global::<$size, $count>(w, i, m)),
                (Target::Shared, $size, $count) => warp_op!(|w, i, m| load_shared::<$size, $count>(w, i, m)),
                (Target::Local, $size, $count) => warp_op!(|w, i, m| load_local::<$size, $count>(w, i, m, true)),
                (Target::Frame, $size, $count) => warp_op!(|w, i, m| load_local::<$size, $count>(w, i, m, false)),
                (Target::Generic, $size, $count) => warp_op!(|w, i, m| load_generic::<$size, $count>(w, i, m)),
                (Target::Param, $size, $count) => warp_op!(|w, i, m| load_param::<$size, $count>(w, i, m)),)*
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
                $((Target::Global, $size, $count) => warp_op!(|w, i, m| store_global::<$size, $count>(w, i, m)),
                (Target::Shared, $size, $count) => warp_op!(|w, i, m| store_shared::<$size, $count>(w, i, m)),
                (Target::Local | Target::Frame, $size, $count) => {
                    warp_op!(|w, i, m| store_local::<$size, $count>(w, i, m))
                }
                (Target::Generic, $size, $count) => warp_op!(|w, i, m| store_generic::<$size, $count>(w, i, m)),)*
                _ => return None,
            }
        };
    }
    Some(
        forms!(1 x 1, 1 x 2, 1 x 4, 2 x 1, 2 x 2, 2 x 4, 4 x 1, 4 x 2, 4 x 4, 4 x 8, 8 x 1, 8 x 2, 8 x 4),
    )
}

/// The operands of an instruction with `count` values: in place, or in the program's table where they
/// are more than fit.
fn operands<'a>(warp: &Warp<'a>, inst: &Inst) -> [Slot; 9] {
    let mut all = [NONE; 9];
    if inst.wide >> 8 == 0 {
        all[..inst.ops.len()].copy_from_slice(&inst.ops);
    } else if let Some(wide) = warp.launch.program.wide.get((inst.wide >> 8) as usize..) {
        let count = wide.len().min(9);
        all[..count].copy_from_slice(&wide[..count]);
    }
    all
}

#[inline(always)]
fn write_results<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
    values: &Values,
) {
    let ops = operands(warp, inst);
    for element in 0..N {
        let slot = ops[element];
        if slot == NONE {
            continue;
        }
        if SIZE == 8 {
            let (low, high) = (&values[2 * element], &values[2 * element + 1]);
            let whole = std::array::from_fn(|l| u64::from(low[l]) | u64::from(high[l]) << 32);
            warp.regs.write::<u64>(slot, mask, &whole);
            continue;
        }
        let word = &values[element];
        let signed = inst.wide & flags::SIGNED != 0;
        let shift = 32 - 8 * SIZE.min(4);
        let extended: [u32; LANES] = std::array::from_fn(|l| {
            if signed { ((word[l] << shift) as i32 >> shift) as u32 } else { word[l] }
        });
        if inst.wide & flags::WIDE_REGISTER != 0 {
            let whole: [u64; LANES] = std::array::from_fn(|l| {
                if signed { extended[l] as i32 as i64 as u64 } else { u64::from(extended[l]) }
            });
            warp.regs.write::<u64>(slot, mask, &whole);
        } else {
            warp.regs.write::<u32>(slot, mask, &extended);
        }
    }
}

#[inline(always)]
fn read_sources<const SIZE: u32, const N: usize>(warp: &Warp, inst: &Inst) -> Values {
    let ops = operands(warp, inst);
    let mut values = [[0; LANES]; WORDS];
    for element in 0..N {
        let slot = ops[1 + element];
        if SIZE == 8 {
            let whole = warp.regs.read::<u64>(slot);
            values[2 * element] = std::array::from_fn(|l| whole[l] as u32);
            values[2 * element + 1] = std::array::from_fn(|l| (whole[l] >> 32) as u32);
        } else if inst.wide & flags::WIDE_REGISTER != 0 {
            let whole = warp.regs.read::<u64>(slot);
            values[element] = std::array::from_fn(|l| whole[l] as u32);
        } else {
            values[element] = warp.regs.read::<u32>(slot);
        }
    }
    values
}

fn is_strong(inst: &Inst) -> bool {
    inst.wide & flags::STRONG != 0
}

// Global

#[inline(always)]
fn load_global<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = global::addresses(warp, operands(warp, inst)[N], inst.imm);
    let mut values = [[0; LANES]; WORDS];
    let flow = fetch_global::<SIZE, N>(warp, inst, &addresses, mask, &mut values);
    write_results::<SIZE, N>(warp, inst, mask, &values);
    flow
}

#[inline(always)]
fn fetch_global<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u64; LANES],
    mask: u32,
    values: &mut Values,
) -> Flow {
    let bytes = SIZE * N as u32;
    if is_strong(inst) {
        order::note(warp, Access::Load, inst.wide & flags::ORDERED != 0);
    }
    global::for_parts(warp, addresses, mask, bytes, Access::Load, |warp, part| {
        global::count(&mut warp.worker.tally.global_loads, &part, bytes);
        global::check_written(warp, &part, bytes);
        global::check_races(warp, &part, bytes, Access::Load, is_strong(inst));
        gather::<SIZE, N>(&part, values);
        Flow::Next
    })
}

#[inline(always)]
fn gather<const SIZE: u32, const N: usize>(part: &Part, values: &mut Values) {
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
fn store_global<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = global::addresses(warp, inst.ops[0], inst.imm);
    put_global::<SIZE, N>(warp, inst, &addresses, mask)
}

#[inline(always)]
fn put_global<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u64; LANES],
    mask: u32,
) -> Flow {
    let bytes = SIZE * N as u32;
    let values = read_sources::<SIZE, N>(warp, inst);
    if is_strong(inst) {
        order::note(warp, Access::Store, inst.wide & flags::ORDERED != 0);
    }
    global::for_parts(warp, addresses, mask, bytes, Access::Store, |warp, part| {
        global::count(&mut warp.worker.tally.global_stores, &part, bytes);
        global::check_races(warp, &part, bytes, Access::Store, is_strong(inst));
        scatter::<SIZE, N>(&part, &values);
        global::mark_written(&part, bytes);
        Flow::Next
    })
}

#[inline(always)]
fn scatter<const SIZE: u32, const N: usize>(part: &Part, values: &Values) {
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

// Shared

/// The 32-bit addresses of a shared or local access.
#[inline(always)]
pub fn narrow_addresses(warp: &Warp, slot: Slot, inst: &Inst) -> [u32; LANES] {
    if inst.wide & flags::WIDE_ADDRESS != 0 {
        let wide = global::addresses(warp, slot, inst.imm);
        // What is beyond 32 bits stays beyond every size, and as aligned as it was.
        return wide.map(|address| u32::try_from(address).unwrap_or(!15 | address as u32 & 15));
    }
    let offset = inst.imm as u32;
    warp.regs.read::<u32>(slot).map(|address| address.wrapping_add(offset))
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
fn load_shared<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = narrow_addresses(warp, operands(warp, inst)[N], inst);
    let mut values = [[0; LANES]; WORDS];
    let flow = fetch_shared::<SIZE, N>(warp, inst, &addresses, mask, &mut values);
    write_results::<SIZE, N>(warp, inst, mask, &values);
    flow
}

#[inline(always)]
fn fetch_shared<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u32; LANES],
    mask: u32,
    values: &mut Values,
) -> Flow {
    let bytes = SIZE * N as u32;
    if check_shared(warp, addresses, mask, bytes, Access::Load) == Flow::Stop {
        return Flow::Stop;
    }
    let pattern = (SIZE >= 4 && mask == FULL).then(|| Pattern::new(addresses, bytes));
    let traffic = &mut warp.worker.tally.shared_loads;
    banks::count(traffic, addresses, mask, bytes, pattern.as_ref());
    if let Some(pattern) = pattern
        && warp.block.shared.by_words()
        && !is_strong(inst)
    {
        let calm = match SIZE as usize * N / 4 {
            1 => read_runs::<1>(warp, addresses, &pattern, values),
            2 => read_runs::<2>(warp, addresses, &pattern, values),
            4 => read_runs::<4>(warp, addresses, &pattern, values),
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
fn read_runs<const EACH: usize>(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    pattern: &Pattern,
    values: &mut Values,
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
    if calm {
        for lane in 0..LANES {
            let Some(words) = shared.words(addresses[lane], EACH) else { return false };
            for word in 0..EACH {
                values[word][lane] = words[word];
            }
        }
    }
    calm
}

/// The usual shared store, as [`read_runs`].
#[inline(always)]
fn write_runs<const EACH: usize>(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    pattern: &Pattern,
    strong: bool,
    values: &Values,
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
fn store_shared<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = narrow_addresses(warp, inst.ops[0], inst);
    put_shared::<SIZE, N>(warp, inst, &addresses, mask)
}

#[inline(always)]
fn put_shared<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u32; LANES],
    mask: u32,
) -> Flow {
    let bytes = SIZE * N as u32;
    if check_shared(warp, addresses, mask, bytes, Access::Store) == Flow::Stop {
        return Flow::Stop;
    }
    let values = read_sources::<SIZE, N>(warp, inst);
    let pattern = (SIZE >= 4 && mask == FULL).then(|| Pattern::new(addresses, bytes));
    let traffic = &mut warp.worker.tally.shared_stores;
    banks::count(traffic, addresses, mask, bytes, pattern.as_ref());
    if let Some(pattern) = pattern
        && warp.block.shared.by_words()
    {
        let calm = match SIZE as usize * N / 4 {
            1 => write_runs::<1>(warp, addresses, &pattern, is_strong(inst), &values),
            2 => write_runs::<2>(warp, addresses, &pattern, is_strong(inst), &values),
            4 => write_runs::<4>(warp, addresses, &pattern, is_strong(inst), &values),
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

// Local

#[inline(always)]
fn load_local<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
    checked: bool,
) -> Flow {
    let addresses = narrow_addresses(warp, operands(warp, inst)[N], inst);
    let mut values = [[0; LANES]; WORDS];
    let flow = fetch_local::<SIZE, N>(warp, &addresses, mask, checked, &mut values);
    write_results::<SIZE, N>(warp, inst, mask, &values);
    flow
}

#[inline(always)]
fn fetch_local<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    mask: u32,
    checked: bool,
    values: &mut Values,
) -> Flow {
    for lane in lanes(mask) {
        if !addresses[lane].is_multiple_of(SIZE * N as u32) {
            return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Load);
        }
        for element in 0..N {
            let offset = addresses[lane] as usize + element * SIZE as usize;
            let Some((value, written)) = warp.state.local.load(lane, offset, SIZE as usize) else {
                return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Load);
            };
            if SIZE == 8 {
                values[2 * element][lane] = value as u32;
                values[2 * element + 1][lane] = (value >> 32) as u32;
            } else {
                values[element][lane] = value as u32;
            }
            if checked && !written && warp.launch.options.checks.uninitialized {
                let message =
                    format!("a load of {SIZE} bytes at byte {offset} of the thread's local memory");
                warp.found(FindingKind::Uninitialized, lane as u32, message);
            }
        }
    }
    Flow::Next
}

#[inline(always)]
fn store_local<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = narrow_addresses(warp, inst.ops[0], inst);
    put_local::<SIZE, N>(warp, inst, &addresses, mask)
}

#[inline(always)]
fn put_local<const SIZE: u32, const N: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u32; LANES],
    mask: u32,
) -> Flow {
    let values = read_sources::<SIZE, N>(warp, inst);
    for lane in lanes(mask) {
        if !addresses[lane].is_multiple_of(SIZE * N as u32) {
            return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Store);
        }
        for element in 0..N {
            let offset = addresses[lane] as usize + element * SIZE as usize;
            let value = if SIZE == 8 {
                u64::from(values[2 * element][lane])
                    | u64::from(values[2 * element + 1][lane]) << 32
            } else {
                u64::from(values[element][lane])
            };
            if warp.state.local.store(lane, offset, SIZE as usize, value).is_none() {
                return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Store);
            }
        }
    }
    Flow::Next
}

#[cold]
fn local_fault(warp: &mut Warp, lane: usize, address: u32, bytes: u32, access: Access) -> Flow {
    let size = warp.state.local.bytes();
    let what = format!("{access:?} of {bytes} bytes at local address {:#x}", address as i32);
    if address.is_multiple_of(bytes) {
        let message = format!("{what}: the thread has {size} bytes");
        return warp.found(FindingKind::OutOfBounds, lane as u32, message);
    }
    warp.found(FindingKind::Misaligned, lane as u32, what)
}

// Generic

#[inline(always)]
fn load_generic<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = global::addresses(warp, operands(warp, inst)[N], inst.imm);
    let mut values = [[0; LANES]; WORDS];
    for (window, part) in global::windows(&addresses, mask) {
        if part == 0 {
            continue;
        }
        let flow = match window {
            Window::Global => fetch_global::<SIZE, N>(warp, inst, &addresses, part, &mut values),
            Window::Shared => {
                let inside = addresses.map(|address| address.wrapping_sub(SHARED_WINDOW) as u32);
                fetch_shared::<SIZE, N>(warp, inst, &inside, part, &mut values)
            }
            Window::Local => {
                let inside = addresses.map(|address| address.wrapping_sub(LOCAL_WINDOW) as u32);
                fetch_local::<SIZE, N>(warp, &inside, part, true, &mut values)
            }
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    write_results::<SIZE, N>(warp, inst, mask, &values);
    Flow::Next
}

#[inline(always)]
fn store_generic<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = global::addresses(warp, inst.ops[0], inst.imm);
    for (window, part) in global::windows(&addresses, mask) {
        if part == 0 {
            continue;
        }
        let flow = match window {
            Window::Global => put_global::<SIZE, N>(warp, inst, &addresses, part),
            Window::Shared => {
                let inside = addresses.map(|address| address.wrapping_sub(SHARED_WINDOW) as u32);
                put_shared::<SIZE, N>(warp, inst, &inside, part)
            }
            Window::Local => {
                let inside = addresses.map(|address| address.wrapping_sub(LOCAL_WINDOW) as u32);
                put_local::<SIZE, N>(warp, inst, &inside, part)
            }
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::Next
}

// Parameters

/// `ld.param` of a kernel: the same bytes for every thread.
#[inline(always)]
fn load_param<const SIZE: u32, const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = narrow_addresses(warp, operands(warp, inst)[N], inst);
    let mut values = [[0; LANES]; WORDS];
    let params = warp.launch.params;
    for lane in lanes(mask) {
        for element in 0..N {
            let at = addresses[lane] as usize + element * SIZE as usize;
            let Some(bytes) = params.get(at..at + SIZE as usize) else {
                let message = format!(
                    "Load of {SIZE} bytes at byte {at} of the kernel's {} bytes of parameters",
                    params.len()
                );
                return warp.found(FindingKind::OutOfBounds, lane as u32, message);
            };
            let value = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            if SIZE == 8 {
                values[2 * element][lane] = value as u32;
                values[2 * element + 1][lane] = (value >> 32) as u32;
            } else {
                values[element][lane] = value as u32;
            }
        }
    }
    write_results::<SIZE, N>(warp, inst, mask, &values);
    Flow::Next
}
