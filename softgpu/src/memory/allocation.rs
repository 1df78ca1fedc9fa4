//! One allocation: its bytes and which of them were written.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What an allocation is, for findings and for what a kernel may do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// cuMemAlloc and its like.
    Device,
    /// Pinned host memory, reachable from kernels at its host address.
    Host,
    /// A module's `.global` variable.
    Global(String),
    /// A module's `.const` variable: kernels only read it.
    Constant(String),
}

/// Bytes that share one word of the written bitmap: a sector of device memory.
pub const SECTOR: usize = 32;

/// Aligned zeroed words that other threads (and, for pinned memory, the host) write to.
struct Words {
    start: NonNull<AtomicU32>,
    count: usize,
}

// SAFETY: the words are atomics, owned by this struct.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

const ALIGNMENT: usize = 4096;

impl Words {
    /// `None` when the system refuses the memory.
    fn zeroed(bytes: usize) -> Option<Self> {
        let count = bytes.div_ceil(4).max(1);
        let layout = Layout::from_size_align(count.checked_mul(4)?, ALIGNMENT).ok()?;
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?.cast();
        Some(Self { start, count })
    }

    fn as_slice(&self) -> &[AtomicU32] {
        // SAFETY: `zeroed` made `count` initialised words, which live as long as self.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Ok(layout) = Layout::from_size_align(self.count * 4, ALIGNMENT) {
            // SAFETY: allocated in `zeroed` with this very layout.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) }
        }
    }
}

/// One allocation.
pub struct Allocation {
    /// Device address of its first byte.
    pub base: u64,
    pub bytes: usize,
    pub kind: Kind,
    /// Number of the allocation in its device, from 1, in the order made.
    pub id: u64,
    words: Words,
    /// One bit per byte, one word per 32-byte sector; empty for host memory, whose writes nobody sees.
    written: Vec<AtomicU32>,
}

impl Allocation {
    /// Memory of `bytes`, at `base`, or at its own host address for [`Kind::Host`].
    ///
    /// `None` when the system refuses the memory.
    pub(super) fn new(base: u64, bytes: usize, kind: Kind, id: u64) -> Option<Self> {
        let words = Words::zeroed(bytes)?;
        let mut written = Vec::new();
        let base = if kind == Kind::Host {
            words.start.as_ptr() as u64
        } else {
            let sectors = bytes.div_ceil(SECTOR);
            written.try_reserve_exact(sectors).ok()?;
            written.resize_with(sectors, || AtomicU32::new(0));
            base
        };
        Some(Self { base, bytes, kind, id, words, written })
    }

    /// First address behind it.
    pub fn end(&self) -> u64 {
        self.base + self.bytes as u64
    }

    /// The words of the allocation; the last one may be part padding.
    #[inline(always)]
    pub fn words(&self) -> &[AtomicU32] {
        self.words.as_slice()
    }

    /// The written bits of a sector, bit `b` for byte `32 sector + b`.
    #[inline(always)]
    pub fn written_bits(&self, sector: usize) -> u32 {
        self.written.get(sector).map_or(u32::MAX, |bits| bits.load(Relaxed))
    }

    /// Marks bytes of a sector as written.
    #[inline(always)]
    pub fn mark_bits(&self, sector: usize, bits: u32) {
        if let Some(word) = self.written.get(sector)
            && word.load(Relaxed) & bits != bits
        {
            word.fetch_or(bits, Relaxed);
        }
    }

    /// Whether all `bytes` bytes from `offset` were written.
    pub fn is_written(&self, offset: usize, bytes: usize) -> bool {
        sectors(offset, bytes).all(|(sector, bits)| self.written_bits(sector) & bits == bits)
    }

    /// Marks `bytes` bytes from `offset` as written.
    pub fn mark_written(&self, offset: usize, bytes: usize) {
        for (sector, bits) in sectors(offset, bytes) {
            self.mark_bits(sector, bits);
        }
    }

    /// Marks `bytes` bytes from `offset` as never written: a copy brings that along from its source.
    pub fn mark_unwritten(&self, offset: usize, bytes: usize) {
        for (sector, bits) in sectors(offset, bytes) {
            if let Some(word) = self.written.get(sector) {
                word.fetch_and(!bits, Relaxed);
            }
        }
    }

    /// Byte `offset`.
    pub fn byte(&self, offset: usize) -> u8 {
        (self.words()[offset / 4].load(Relaxed) >> (offset % 4 * 8)) as u8
    }

    /// Sets the bits of `mask` in a word without touching the others, which another thread may be
    /// writing.
    #[inline(always)]
    pub fn set_bits(&self, word: usize, mask: u32, value: u32) {
        let _ = self.words()[word]
            .fetch_update(Relaxed, Relaxed, |old| Some(old & !mask | value & mask));
    }

    /// Copies bytes from `offset` on to the host. Bytes never written read as 0xFF: a float made of
    /// them is NaN. The caller has checked the range.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        let mut at = 0;
        while at < out.len() {
            let position = offset + at;
            if position.is_multiple_of(4) && out.len() - at >= 4 {
                let mut word = self.words()[position / 4].load(Relaxed);
                let written = self.written_bits(position / SECTOR) >> (position % SECTOR) & 0xF;
                if written != 0xF {
                    word |= byte_mask(!written & 0xF);
                }
                out[at..at + 4].copy_from_slice(&word.to_le_bytes());
                at += 4;
            } else {
                out[at] = if self.is_written(position, 1) { self.byte(position) } else { 0xFF };
                at += 1;
            }
        }
    }

    /// Copies bytes from the host to `offset` on. The caller has checked the range.
    pub fn write(&self, offset: usize, data: &[u8]) {
        let mut at = 0;
        while at < data.len() {
            let position = offset + at;
            if position.is_multiple_of(4) && data.len() - at >= 4 {
                let word = [data[at], data[at + 1], data[at + 2], data[at + 3]];
                self.words()[position / 4].store(u32::from_le_bytes(word), Relaxed);
                at += 4;
            } else {
                let shift = position % 4 * 8;
                self.set_bits(position / 4, 0xFF << shift, u32::from(data[at]) << shift);
                at += 1;
            }
        }
        self.mark_written(offset, data.len());
    }
}

/// A mask of whole bytes from a mask of bytes: bit `b` → bits `8 b ..`.
pub fn byte_mask(bytes: u32) -> u32 {
    (0..4).filter(|b| bytes >> b & 1 != 0).fold(0, |mask, b| mask | 0xFF << (8 * b))
}

/// The sectors of a range of bytes with the bits it takes in each.
fn sectors(offset: usize, bytes: usize) -> impl Iterator<Item = (usize, u32)> {
    let end = offset + bytes;
    (offset / SECTOR..end.div_ceil(SECTOR)).map(move |sector| {
        let start = sector * SECTOR;
        let first = offset.max(start) - start;
        let last = end.min(start + SECTOR) - start;
        (sector, ((1u64 << last) - (1u64 << first)) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_marks_its_own_bytes_and_no_neighbour() {
        let memory = Allocation::new(0x1000, 200, Kind::Device, 1).unwrap();
        memory.mark_written(30, 70);
        for byte in 0..200 {
            assert_eq!(memory.is_written(byte, 1), (30..100).contains(&byte), "byte {byte}");
        }
        assert!(
            memory.is_written(30, 70) && !memory.is_written(29, 2) && !memory.is_written(99, 2)
        );
    }

    #[test]
    fn unmarking_a_range_leaves_its_neighbours_written() {
        let memory = Allocation::new(0x1000, 100, Kind::Device, 1).unwrap();
        memory.mark_written(0, 100);
        memory.mark_unwritten(31, 34);
        for byte in 0..100 {
            assert_eq!(memory.is_written(byte, 1), !(31..65).contains(&byte), "byte {byte}");
        }
    }

    #[test]
    fn bytes_never_written_read_as_all_ones_between_written_ones() {
        let memory = Allocation::new(0x1000, 16, Kind::Device, 1).unwrap();
        memory.write(1, &[1, 2]);
        memory.write(5, &[3, 4, 5, 6, 7]);
        let mut out = [9; 12];
        memory.read(0, &mut out);
        assert_eq!(out, [255, 1, 2, 255, 255, 3, 4, 5, 6, 7, 255, 255]);
        let mut odd = [9; 3];
        memory.read(2, &mut odd);
        assert_eq!(odd, [2, 255, 255]);
    }
}
