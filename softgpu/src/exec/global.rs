//! Global memory as the blocks of a launch see it: which region an access goes to, whether it was
//! written, which block touched it.
//!
//! Each granule (4 bytes, or as few as the smallest global access of the kernel) has two tags for the
//! time of one launch: the last block that wrote it (plus one, bit 31 for an atomic or volatile write)
//! and the block that read it (plus one, or `MANY`). Two blocks of a launch have no order between them,
//! so touching the same granule, one of them writing, is a race. The exceptions are the classic protocols:
//! a fence followed by an atomic or a volatile store on one side, an atomic or a volatile load followed by
//! a fence on the other, or accesses that acquire and release themselves. What they order exactly is not
//! tracked, blocks that follow them are believed.
//!
//! An access sets its own tag first and looks at the other one after. With one worker that misses
//! nothing; with several, two accesses of one word within the few nanoseconds that a store takes to reach
//! the other core can miss each other. No finding is ever invented.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::launch::Launch;
use super::order::{MANY, published};
use super::regs::{LANES, Slot};
use super::warp::{Flow, Warp, lanes};
use crate::counters::Traffic;
use crate::memory::{
    Allocation, Kind, LOCAL_WINDOW, Memory, Place, SECTOR, SHARED_WINDOW, WINDOW_BYTES,
};
use crate::sanitizer::FindingKind;

const STRONG: u32 = 1 << 31;
const ID: u32 = MANY;

/// Writer and reader of one granule.
type Tags = [AtomicU32; 2];

/// One allocation during a launch.
pub struct Region {
    pub allocation: Arc<Allocation>,
    tags: OnceLock<Box<[Tags]>>,
}

impl Region {
    /// The tags; empty where the system has no memory for them, and then races there go unseen.
    fn tags(&self, shift: u32) -> &[Tags] {
        self.tags.get_or_init(|| {
            let count = (self.allocation.bytes + 3).next_multiple_of(4) >> shift;
            bytemuck::allocation::try_zeroed_slice_box(count).unwrap_or_default()
        })
    }
}

/// All regions of a launch, by address.
pub struct GlobalView {
    pub regions: Vec<Region>,
    /// Binary logarithm of the bytes of a granule.
    pub shift: u32,
}

impl GlobalView {
    /// The device's memory as it is now, tracked in granules of `granule` bytes.
    pub fn new(memory: &Memory, granule: u32) -> Self {
        let region = |allocation| Region { allocation, tags: OnceLock::new() };
        let regions = memory.live().into_iter().map(region).collect();
        Self { regions, shift: granule.trailing_zeros() }
    }

    /// The region that holds all of `first..last`.
    #[inline(always)]
    fn find(&self, hint: usize, first: u64, last: u64) -> Option<usize> {
        let holds =
            |region: &Region| first >= region.allocation.base && last <= region.allocation.end();
        if self.regions.get(hint).is_some_and(holds) {
            return Some(hint);
        }
        let at = self.regions.partition_point(|region| region.allocation.base <= first);
        at.checked_sub(1).filter(|&at| holds(&self.regions[at]))
    }

    /// Different bytes that the launch touched.
    pub fn unique_bytes(&self) -> u64 {
        let used = |tags: &&Tags| tags.iter().any(|tag| tag.load(Relaxed) != 0);
        let touched = |region: &Region| {
            region.tags.get().map_or(0, |tags| tags.iter().filter(used).count() as u64)
        };
        self.regions.iter().map(touched).sum::<u64>() << self.shift
    }
}

/// How an access is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Load,
    Store,
    Atomic,
}

/// Lanes of one access that lie in one region: offsets in it.
pub struct Part<'a> {
    pub region: &'a Region,
    pub mask: u32,
    pub offsets: [usize; LANES],
    /// Lanes whose bytes begin where those of the lane before end, and lanes with the same bytes as the
    /// lane before; both lanes take part.
    pub next: u32,
    pub same: u32,
}

impl Part<'_> {
    /// The lanes as runs (first lane, lanes) of bytes that follow one another. Of neighbouring lanes
    /// with the same bytes only the first is named: what they read is the same.
    #[inline(always)]
    pub fn runs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (next, mut starts) = (self.next, self.mask & !self.next & !self.same);
        std::iter::from_fn(move || {
            if starts == 0 {
                return None;
            }
            let lane = starts.trailing_zeros();
            starts &= starts - 1;
            Some((lane as usize, 1 + (next >> lane >> 1).trailing_ones() as usize))
        })
    }
}

/// The 64-bit addresses of an access.
#[inline(always)]
pub fn addresses(warp: &Warp, slot: Slot, offset: i64) -> [u64; LANES] {
    let mut addresses = warp.regs.read::<u64>(slot);
    if offset != 0 {
        for address in &mut addresses {
            *address = address.wrapping_add_signed(offset);
        }
    }
    addresses
}

/// Checks an access of `bytes` (a power of two) a lane and hands its parts to `act`, one per region.
///
/// [`Flow::Stop`] when a lane's address is misaligned, or in no allocation.
#[inline(always)]
pub fn for_parts(
    warp: &mut Warp,
    addresses: &[u64; LANES],
    mask: u32,
    bytes: u32,
    access: Access,
    mut act: impl FnMut(&mut Warp, Part) -> Flow,
) -> Flow {
    let launch = warp.launch;
    let (mut low, mut high, mut together, mut next, mut same) = (u64::MAX, 0, 0, 0, 0);
    let mut before = [u64::MAX; LANES];
    before[1..].copy_from_slice(&addresses[..LANES - 1]);
    for lane in 0..LANES {
        let here = mask >> lane & 1 != 0;
        low = low.min(if here { addresses[lane] } else { u64::MAX });
        high = high.max(if here { addresses[lane] } else { 0 });
        together |= if here { addresses[lane] } else { 0 };
        let follows = addresses[lane] == before[lane].wrapping_add(u64::from(bytes));
        next |= u32::from(follows) << lane;
        same |= u32::from(addresses[lane] == before[lane]) << lane;
    }
    let pairs = mask & mask << 1;
    // Stores to one place happen one after the other.
    let same = if access == Access::Load { same & pairs } else { 0 };
    // A lane behind one that only repeats another begins a run of its own.
    let next = next & pairs & !(same << 1);
    let pc = warp.state.pc;
    let hint = warp.worker.regions.get(pc).map_or(0, |&hint| hint as usize);
    let end = high.saturating_add(u64::from(bytes));
    if together & u64::from(bytes - 1) == 0
        && let Some(at) = launch.global.find(hint, low, end)
    {
        warp.worker.regions[pc] = at as u32;
        let region = &launch.global.regions[at];
        if access != Access::Load && matches!(region.allocation.kind, Kind::Constant(_)) {
            return constant(warp, region, mask);
        }
        let base = region.allocation.base;
        let offsets = std::array::from_fn(|lane| addresses[lane].wrapping_sub(base) as usize);
        return act(warp, Part { region, mask, offsets, next, same });
    }
    apart(warp, addresses, mask, bytes, access, &mut act)
}

#[cold]
fn constant(warp: &mut Warp, region: &Region, mask: u32) -> Flow {
    let message = format!("a write to {}", region.allocation);
    warp.found(FindingKind::WriteToConstant, mask.trailing_zeros(), message)
}

/// The lanes lie in more than one region, or one of them in none.
#[cold]
fn apart(
    warp: &mut Warp,
    addresses: &[u64; LANES],
    mut mask: u32,
    bytes: u32,
    access: Access,
    act: &mut dyn FnMut(&mut Warp, Part) -> Flow,
) -> Flow {
    let launch = warp.launch;
    while mask != 0 {
        let first = mask.trailing_zeros() as usize;
        let address = addresses[first];
        let end = address.saturating_add(u64::from(bytes));
        if !address.is_multiple_of(u64::from(bytes)) {
            return misaligned(warp, first, address, bytes, access);
        }
        let Some(at) = launch.global.find(0, address, end) else {
            return outside(warp, first, address, bytes, access);
        };
        let region = &launch.global.regions[at];
        let base = region.allocation.base;
        let mut here = 0;
        for lane in lanes(mask) {
            let inside = addresses[lane] >= base
                && addresses[lane].saturating_add(u64::from(bytes)) <= region.allocation.end();
            here |= u32::from(inside && addresses[lane].is_multiple_of(u64::from(bytes))) << lane;
        }
        if access != Access::Load && matches!(region.allocation.kind, Kind::Constant(_)) {
            return constant(warp, region, here);
        }
        let offsets = std::array::from_fn(|lane| addresses[lane].wrapping_sub(base) as usize);
        if act(warp, Part { region, mask: here, offsets, next: 0, same: 0 }) == Flow::Stop {
            return Flow::Stop;
        }
        mask &= !here;
    }
    Flow::Next
}

#[cold]
fn misaligned(warp: &mut Warp, lane: usize, address: u64, bytes: u32, access: Access) -> Flow {
    let place = match warp.launch.memory.place(address) {
        Place::Live(found, offset) => format!("byte {offset} of {found}"),
        Place::Freed(gone) => gone.to_string(),
        Place::Nowhere(nearest) => nearest,
    };
    let message = format!("{access:?} of {bytes} bytes at global address {address:#x}: {place}");
    warp.found(FindingKind::Misaligned, lane as u32, message)
}

#[cold]
fn outside(warp: &mut Warp, lane: usize, address: u64, bytes: u32, access: Access) -> Flow {
    let what = format!("{access:?} of {bytes} bytes at global address {address:#x}");
    let (kind, place) = match warp.launch.memory.place(address) {
        Place::Freed(gone) => (FindingKind::UseAfterFree, gone.to_string()),
        Place::Live(found, offset) => {
            (FindingKind::OutOfBounds, format!("from byte {offset} over the end of {found}"))
        }
        Place::Nowhere(nearest) => (FindingKind::OutOfBounds, nearest),
    };
    warp.found(kind, lane as u32, format!("{what}: {place}"))
}

/// Adds a request to a count of traffic.
#[inline(always)]
pub fn count(traffic: &mut Traffic, part: &Part, bytes: u32) {
    traffic.requests += 1;
    traffic.bytes += u64::from(bytes) * u64::from(part.mask.count_ones());
    traffic.sectors += sectors(part, bytes);
}

/// Different 32-byte sectors that the lanes touch.
#[inline(always)]
fn sectors(part: &Part, bytes: u32) -> u64 {
    let (mut count, mut behind) = (0, 0);
    for (lane, lanes) in part.runs() {
        let first = part.offsets[lane] / SECTOR;
        let end = (part.offsets[lane] + lanes * bytes as usize).div_ceil(SECTOR);
        if first < behind && first + 1 != behind {
            return scattered_sectors(part, bytes);
        }
        count += end - first.max(behind);
        behind = end;
    }
    count as u64
}

/// The same for runs in any order.
#[cold]
fn scattered_sectors(part: &Part, bytes: u32) -> u64 {
    let mut seen = [usize::MAX; LANES];
    for (place, lane) in lanes(part.mask).enumerate() {
        seen[place] = part.offsets[lane] / SECTOR;
    }
    let seen = &mut seen[..part.mask.count_ones() as usize];
    // An access is aligned to its size, up to 32 bytes: it lies in one sector.
    debug_assert!(bytes as usize <= SECTOR);
    seen.sort_unstable();
    1 + seen.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
}

/// Reports lanes that read bytes never written.
#[inline(always)]
pub fn check_written(warp: &mut Warp, part: &Part, bytes: u32) {
    if !warp.launch.options.checks.uninitialized {
        return;
    }
    let allocation = &part.region.allocation;
    for (lane, lanes) in part.runs() {
        if !allocation.is_written(part.offsets[lane], lanes * bytes as usize) {
            report_unwritten(warp, part, lane, lanes, bytes);
            return;
        }
    }
}

#[cold]
fn report_unwritten(warp: &mut Warp, part: &Part, first: usize, lanes: usize, bytes: u32) {
    let allocation = &part.region.allocation;
    let fresh = |lane: &usize| !allocation.is_written(part.offsets[*lane], bytes as usize);
    let lane = (first..first + lanes).find(fresh).unwrap_or(first);
    let offset = part.offsets[lane];
    let message = format!("a load of {bytes} bytes at byte {offset} of {allocation}");
    warp.found(FindingKind::Uninitialized, lane as u32, message);
}

/// Marks what the lanes write.
#[inline(always)]
pub fn mark_written(part: &Part, bytes: u32) {
    for (lane, lanes) in part.runs() {
        part.region.allocation.mark_written(part.offsets[lane], lanes * bytes as usize);
    }
}

/// Notes who touched what, and reports races with other blocks.
#[inline(always)]
pub fn check_races(warp: &mut Warp, part: &Part, bytes: u32, access: Access, strong: bool) {
    if !warp.launch.options.checks.global_races {
        return;
    }
    let launch = warp.launch;
    let shift = launch.global.shift;
    let tags = part.region.tags(shift);
    let me = (warp.block.index % u64::from(ID - 1)) as u32 + 1;
    let count = (bytes as usize >> shift).max(1);
    let mut race = None;
    for (lane, lanes) in part.runs() {
        let first = part.offsets[lane] >> shift;
        let Some(tags) = tags.get(first..first + lanes * count) else { continue };
        for (at, tags) in tags.iter().enumerate() {
            if let Some(other) = note_access(launch, tags, me, access, strong) {
                race = race.or(Some((lane + at / count, first + at, other)));
            }
        }
    }
    if let Some((lane, granule, (other, wrote))) = race {
        report_race(warp, part, lane, granule << shift, other, wrote);
    }
}

/// Sets the tags of a granule. The block that this access races with, and whether it wrote.
#[inline(always)]
fn note_access(
    launch: &Launch,
    [writer, reader]: &Tags,
    me: u32,
    access: Access,
    strong: bool,
) -> Option<(u32, bool)> {
    if access == Access::Load {
        let readers = reader.load(Relaxed);
        if readers != me && readers != MANY && !strong {
            reader.store(if readers == 0 { me } else { MANY }, Relaxed);
        }
    }
    let by = writer.load(Relaxed);
    if access != Access::Load {
        writer.store(me | if strong { STRONG } else { 0 }, Relaxed);
    }
    if by != 0 && by & ID != me {
        let both_strong = strong && by & STRONG != 0;
        if !both_strong && !published(launch, by & ID, me) {
            return Some((by & ID, true));
        }
    }
    if access != Access::Load {
        let readers = reader.load(Relaxed);
        if readers != 0 && readers != me && !published(launch, readers, me) {
            return Some((readers, false));
        }
    }
    None
}

#[cold]
fn report_race(warp: &mut Warp, part: &Part, lane: usize, byte: usize, other: u32, wrote: bool) {
    let verb = if wrote { "wrote" } else { "read" };
    let who = if other == MANY {
        "several blocks".to_owned()
    } else {
        format!("block {}", warp.launch.geometry.grid.position(u64::from(other - 1)))
    };
    let message = format!(
        "byte {byte} of {}: {who} {verb} it in the same launch, and nothing orders the two",
        part.region.allocation
    );
    warp.found(FindingKind::GlobalRace, lane as u32, message);
}

/// Which memory a generic address lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Global,
    Shared,
    Local,
}

/// Sorts the lanes of a generic access by the memory they go to: (global, shared, local).
pub fn windows(addresses: &[u64; LANES], mask: u32) -> [(Window, u32); 3] {
    let inside = |window: u64| {
        let hit = |lane: &usize| addresses[*lane].wrapping_sub(window) < WINDOW_BYTES;
        lanes(mask).filter(hit).fold(0, |mask, lane| mask | 1u32 << lane)
    };
    let (shared, local) = (inside(SHARED_WINDOW), inside(LOCAL_WINDOW));
    [(Window::Global, mask & !shared & !local), (Window::Shared, shared), (Window::Local, local)]
}
