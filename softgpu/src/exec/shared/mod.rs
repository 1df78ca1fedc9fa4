//! Shared memory of a block, with who wrote and who read each place last.
//!
//! A block is run by one thread, so nothing here is atomic. Time is a counter of synchronisations: it
//! goes up by one at every block barrier and every warp barrier. Each granule of shared memory (4 bytes,
//! or as few as the smallest access of the kernel) has two tags, one for its last write and one for its
//! reads:
//!
//! ```text
//! bits 31..16  time of the access, 0 for never
//! bits 15..6   thread
//! bits  5..0   write: WRITTEN, PENDING (destination of a cp.async), STRONG (atomic, volatile)
//!              read:  MANY_LANES, MANY_WARPS (more than one thread has read since)
//! ```
//!
//! Two accesses to a granule, one of them a write, by different threads, are ordered when the earlier
//! one's time lies before the last block barrier of the later one's warp, or in the same warp before
//! that warp's last warp barrier. Otherwise they race.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
mod placed;
#[cfg(test)]
mod tests;

use std::ops::Range;

use placed::Placed;

const WRITTEN: u32 = 1;
const PENDING: u32 = 2;
const STRONG: u32 = 4;
const MANY_LANES: u32 = 1;
const MANY_WARPS: u32 = 2;
const MANY: u32 = MANY_LANES | MANY_WARPS;
const TIME: u32 = 16;
const LATEST: u32 = 0xFFFE;
/// Write tag of a granule between two variables.
const GAP: u32 = 0xFFFF << TIME;

/// Shared memory of the block that runs.
pub struct SharedMemory {
    words: Placed,
    writes: Placed,
    reads: Placed,
    bytes: u32,
    /// Binary logarithm of the bytes of a granule.
    shift: u32,
    now: u32,
}

/// Who accesses, and what is ordered before it.
#[derive(Clone, Copy)]
pub struct Accessor {
    pub thread: u32,
    /// Time of the last block barrier that its warp went through, and of its last warp barrier.
    pub block_sync: u32,
    pub warp_sync: u32,
    /// An atomic or volatile access: it does not race with others of its kind.
    pub strong: bool,
}

/// What is wrong with an access that is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hazard {
    Gap,
    Unwritten,
    Pending,
    /// With the last write of this thread.
    RaceWithWrite(u32),
    /// With a read of this thread.
    RaceWithRead(u32),
}

impl SharedMemory {
    /// Time at the start of a block: behind the 0 of tags that nobody has set.
    pub const START: u32 = 1;

    /// `bytes` in all, gaps included, tracked in granules of `granule` (1, 2 or 4) bytes.
    pub fn new(bytes: u32, granule: u32) -> Self {
        let words = bytes.div_ceil(4) as usize;
        let granules = words * 4 / granule as usize;
        Self {
            // As far apart as three arrays in a page can be.
            words: Placed::zeroed(words, 0),
            writes: Placed::zeroed(granules, 336),
            reads: Placed::zeroed(granules, 672),
            bytes,
            shift: granule.trailing_zeros(),
            now: Self::START,
        }
    }

    /// Forgets everything: a new block.
    pub fn reset(&mut self, gaps: &[Range<u32>]) {
        self.writes.fill(0);
        self.reads.fill(0);
        for gap in gaps {
            let range = (gap.start >> self.shift) as usize..(gap.end >> self.shift) as usize;
            if let Some(tags) = self.writes.get_mut(range) {
                tags.fill(GAP);
            }
        }
        self.now = Self::START;
    }

    /// Size in bytes, gaps included.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// A synchronisation happened; the new time.
    pub fn tick(&mut self) -> u32 {
        if self.now == LATEST {
            // Time starts again: what is known about order so far is forgotten, which can miss a race
            // but never invents one.
            let low = (1 << TIME) - 1;
            self.writes.iter_mut().filter(|tag| **tag < GAP).for_each(|tag| *tag &= low);
            self.reads.fill(0);
            self.now = 0;
        }
        self.now += 1;
        self.now
    }

    /// Whether `size` bytes at `address` are inside.
    #[inline(always)]
    pub fn inside(&self, address: u32, size: u32) -> bool {
        address.checked_add(size).is_some_and(|end| end <= self.bytes)
    }

    /// Whether an address lies between two variables.
    pub fn in_gap(&self, address: u32) -> bool {
        self.writes.get((address >> self.shift) as usize).is_some_and(|tag| *tag >= GAP)
    }

    /// The granules of an access.
    #[inline(always)]
    fn granules(&self, address: u32, size: u32) -> Range<usize> {
        (address >> self.shift) as usize..((address + size).div_ceil(1 << self.shift)) as usize
    }

    /// Reads `size` (1, 2 or 4) bytes at an aligned address inside.
    #[inline(always)]
    pub fn load(&mut self, address: u32, size: u32, by: Accessor) -> (u32, Option<Hazard>) {
        let mut hazard = None;
        for granule in self.granules(address, size) {
            hazard = hazard.or(self.note_read(granule, by));
        }
        let word = self.words[address as usize / 4];
        (if size == 4 { word } else { word >> (address % 4 * 8) & ((1 << (8 * size)) - 1) }, hazard)
    }

    /// Writes `size` (1, 2 or 4) bytes at an aligned address inside.
    #[inline(always)]
    pub fn store(&mut self, address: u32, size: u32, value: u32, by: Accessor) -> Option<Hazard> {
        let mask = if size == 4 { u32::MAX } else { ((1 << (8 * size)) - 1) << (address % 4 * 8) };
        let value = if size == 4 { value } else { value << (address % 4 * 8) };
        let old = self.words[address as usize / 4];
        let same = old & mask == value & mask;
        let mut hazard = None;
        for granule in self.granules(address, size) {
            hazard = hazard.or(self.note_write(granule, same, by));
        }
        if hazard != Some(Hazard::Gap) {
            self.words[address as usize / 4] = old & !mask | value & mask;
        }
        hazard
    }

    /// The bytes as they are, unchecked, for atomics that have noted their write already.
    pub fn peek(&self, address: u32) -> u32 {
        self.words[address as usize / 4]
    }

    /// Whether an atomic of `size` bytes would read what nobody has written.
    pub fn unwritten(&self, address: u32, size: u32) -> Option<Hazard> {
        let fresh = |granule| self.writes[granule] < GAP && self.writes[granule] & WRITTEN == 0;
        self.granules(address, size).any(fresh).then_some(Hazard::Unwritten)
    }

    /// Starts a copy into `bytes` bytes at an aligned address inside: until it ends, nobody may touch
    /// them.
    #[inline(always)]
    pub fn begin_copy(&mut self, address: u32, bytes: u32, by: Accessor) -> Option<Hazard> {
        let mut hazard = None;
        for granule in self.granules(address, bytes) {
            hazard = hazard.or(self.note_write(granule, false, by));
            if hazard != Some(Hazard::Gap) {
                self.writes[granule] |= PENDING;
            }
        }
        hazard
    }

    /// Ends it.
    #[inline(always)]
    pub fn end_copy(&mut self, address: u32, values: &[u32], by: Accessor) {
        let granules = self.granules(address, 4 * values.len() as u32);
        if let Some(writes) = self.writes.get_mut(granules) {
            writes.fill(self.now << TIME | by.thread << 6 | WRITTEN);
        }
        let first = address as usize / 4;
        if let Some(words) = self.words.get_mut(first..first + values.len()) {
            words.copy_from_slice(values);
        }
    }

    /// Whether granules are words: then neighbouring lanes' accesses can be treated as runs.
    #[inline(always)]
    pub fn by_words(&self) -> bool {
        self.shift == 2
    }

    /// The words as they are, unchecked.
    #[inline(always)]
    pub fn words(&self, address: u32, count: usize) -> Option<&[u32]> {
        self.words.get(address as usize / 4..address as usize / 4 + count)
    }

    /// Notes that `thread`, `thread + 1` … read `EACH` words each, one behind the other from `address`
    /// on, `count` words in all; `many` is set where lanes of the same warp read the same words in the
    /// same instruction. False when one of the words is not calm: [`SharedMemory::load`] says why.
    #[inline(always)]
    pub fn read_run<const EACH: usize>(
        &mut self,
        address: u32,
        count: usize,
        many: bool,
        by: Accessor,
    ) -> bool {
        let first = address as usize / 4;
        let range = first..first + count;
        let (Some(writes), Some(reads)) =
            (self.writes.get(range.clone()), self.reads.get_mut(range))
        else {
            return false;
        };
        let now = self.now << TIME | if many { MANY_LANES } else { 0 };
        let mut alarm = 0;
        for at in 0..count {
            let thread = by.thread + (at / EACH) as u32;
            let (write, read) = (writes[at], reads[at]);
            let calm = (write >> TIME < by.block_sync) | (write >> 6 & 0x3FF == thread);
            alarm |= u32::from(!calm) | (write & (WRITTEN | PENDING)) ^ WRITTEN;
            let stranger = if read >> 11 & 0x1F == thread >> 5 { MANY_LANES } else { MANY_WARPS };
            let stranger = if read >> 6 & 0x3FF == thread { 0 } else { stranger };
            let over = is_over(read, Accessor { thread, ..by });
            let kept = if over { 0 } else { read & MANY | stranger };
            reads[at] = now | thread << 6 | kept;
        }
        alarm == 0
    }

    /// The same for `N` words of one thread, and the words.
    #[inline(always)]
    pub fn read_words<const N: usize>(
        &mut self,
        address: u32,
        many: bool,
        by: Accessor,
    ) -> Option<[u32; N]> {
        let first = address as usize / 4;
        let range = first..first + N;
        let writes: [u32; N] = self.writes.get(range.clone())?.try_into().ok()?;
        let reads: &mut [u32; N] = self.reads.get_mut(range.clone())?.try_into().ok()?;
        let mine = self.now << TIME | by.thread << 6;
        let now = mine | if many { MANY_LANES } else { 0 };
        let mut alarm = 0;
        let old = *reads;
        for at in 0..N {
            let (write, read) = (writes[at], old[at]);
            let calm = (write >> TIME < by.block_sync) | (write >> 6 & 0x3FF == by.thread);
            alarm |= u32::from(!calm) | (write & (WRITTEN | PENDING)) ^ WRITTEN;
            let stranger = if (read ^ mine) >> 11 & 0x1F == 0 { MANY_LANES } else { MANY_WARPS };
            let stranger = if (read ^ mine) >> 6 & 0x3FF == 0 { 0 } else { stranger };
            let kept = if is_over(read, by) { 0 } else { read & MANY | stranger };
            reads[at] = now | kept;
        }
        if alarm != 0 {
            return None;
        }
        self.words.get(range)?.try_into().ok()
    }

    /// Writes words as [`SharedMemory::read_run`] reads them. False, and nothing is written, when one of
    /// them is not calm.
    #[inline(always)]
    pub fn write_run<const EACH: usize>(
        &mut self,
        address: u32,
        count: usize,
        by: Accessor,
    ) -> bool {
        let first = address as usize / 4;
        let range = first..first + count;
        let (Some(writes), Some(reads)) =
            (self.writes.get_mut(range.clone()), self.reads.get(range))
        else {
            return false;
        };
        let mut alarm = 0;
        for at in 0..count {
            let thread = by.thread + (at / EACH) as u32;
            let (write, read) = (writes[at], reads[at]);
            let calm = (write >> TIME < by.block_sync) | (write >> 6 & 0x3FF == thread);
            let alone = read & (0x3FF << 6 | MANY) == thread << 6;
            alarm |= u32::from(!calm) | write & PENDING;
            alarm |= u32::from(!((read >> TIME < by.block_sync) | alone));
        }
        if alarm != 0 {
            return false;
        }
        let low = WRITTEN | if by.strong { STRONG } else { 0 };
        for (at, write) in writes.iter_mut().enumerate() {
            *write = self.now << TIME | (by.thread + (at / EACH) as u32) << 6 | low;
        }
        true
    }

    /// Sets a word, its tag noted before.
    #[inline(always)]
    pub fn poke(&mut self, index: usize, value: u32) {
        if let Some(word) = self.words.get_mut(index) {
            *word = value;
        }
    }

    #[inline(always)]
    fn note_read(&mut self, granule: usize, by: Accessor) -> Option<Hazard> {
        let write = self.writes[granule];
        let calm = (write >> TIME) < by.block_sync || write >> 6 & 0x3FF == by.thread;
        let hazard = if calm && write & (WRITTEN | PENDING) == WRITTEN {
            None
        } else {
            self.read_hazard(write, by)
        };
        let mine = self.now << TIME | by.thread << 6;
        let read = self.reads[granule];
        self.reads[granule] = if is_over(read, by) {
            mine
        } else if read >> 6 & 0x3FF == by.thread {
            mine | read & MANY
        } else {
            let many = if read >> 11 & 0x1F == by.thread >> 5 { MANY_LANES } else { MANY_WARPS };
            mine | many | read & MANY
        };
        hazard
    }

    #[inline(always)]
    fn note_write(&mut self, granule: usize, same_value: bool, by: Accessor) -> Option<Hazard> {
        let (write, read) = (self.writes[granule], self.reads[granule]);
        let calm = ((write >> TIME) < by.block_sync || write >> 6 & 0x3FF == by.thread)
            && ((read >> TIME) < by.block_sync || read & (0x3FF << 6 | MANY) == by.thread << 6)
            && write & PENDING == 0;
        let hazard = if calm { None } else { self.write_hazard(write, read, same_value, by) };
        if hazard != Some(Hazard::Gap) {
            let strong = if by.strong { STRONG } else { 0 };
            let pending = write & PENDING;
            self.writes[granule] = self.now << TIME | by.thread << 6 | WRITTEN | strong | pending;
        }
        hazard
    }

    /// Whether an access tagged `tag` is ordered before one by `by`.
    fn is_ordered(tag: u32, many: u32, by: Accessor) -> bool {
        let (time, thread) = (tag >> TIME, tag >> 6 & 0x3FF);
        time < by.block_sync
            || thread == by.thread && many == 0
            || thread >> 5 == by.thread >> 5 && many & MANY_WARPS == 0 && time < by.warp_sync
    }

    #[cold]
    fn read_hazard(&self, write: u32, by: Accessor) -> Option<Hazard> {
        if write >= GAP {
            Some(Hazard::Gap)
        } else if write & PENDING != 0 {
            Some(Hazard::Pending)
        } else if write & WRITTEN == 0 {
            Some(Hazard::Unwritten)
        } else if Self::is_ordered(write, 0, by) || by.strong && write & STRONG != 0 {
            None
        } else {
            Some(Hazard::RaceWithWrite(write >> 6 & 0x3FF))
        }
    }

    #[cold]
    fn write_hazard(
        &self,
        write: u32,
        read: u32,
        same_value: bool,
        by: Accessor,
    ) -> Option<Hazard> {
        if write >= GAP {
            return Some(Hazard::Gap);
        }
        if write & PENDING != 0 {
            return Some(Hazard::Pending);
        }
        let thread = write >> 6 & 0x3FF;
        let both_strong = by.strong && write & STRONG != 0;
        // Lanes of one instruction may write one value to one place: whichever wins, it is the same.
        let together = same_value && write >> TIME == self.now && thread >> 5 == by.thread >> 5;
        if write & WRITTEN != 0 && !Self::is_ordered(write, 0, by) && !both_strong && !together {
            return Some(Hazard::RaceWithWrite(thread));
        }
        // The reads of atomics are noted as writes; a read found here was a plain one.
        if !Self::is_ordered(read, read & MANY, by) {
            return Some(Hazard::RaceWithRead(read >> 6 & 0x3FF));
        }
        None
    }
}

/// Whether the reads of a tag are ordered before an access by `by`, so that the tag may forget them: a
/// write by another warp that would race with them races with this access too.
#[inline(always)]
fn is_over(read: u32, by: Accessor) -> bool {
    let time = read >> TIME;
    let own_warp = (read >> 11 & 0x1F == by.thread >> 5) & (read & MANY_WARPS == 0);
    (time < by.block_sync) | (own_warp & (time < by.warp_sync))
}
