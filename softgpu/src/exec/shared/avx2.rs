//! Accesses of a whole warp to shared memory, eight words at a time, in the form that the compiler does
//! not find by itself. What they do to the tags is what [`SharedMemory::read_words`] and
//! [`SharedMemory::begin_copy`] do; whatever is not plainly in order they leave to those, which know why.

use std::arch::x86_64::*;

use super::{Accessor, MANY, MANY_LANES, MANY_WARPS, PENDING, SharedMemory, TIME, WRITTEN};
use crate::exec::regs::{CHUNK, LANES};

const THREAD: u32 = 0x3FF << 6;
const WARP: u32 = 0x1F << 11;

/// One number in all places.
#[inline]
#[target_feature(enable = "avx2")]
fn all(value: u32) -> __m256i {
    _mm256_set1_epi32(value as i32)
}

/// Where `a >= b`, as numbers without a sign.
#[inline]
#[target_feature(enable = "avx2")]
fn at_least(a: __m256i, b: __m256i) -> __m256i {
    _mm256_cmpeq_epi32(_mm256_max_epu32(a, b), a)
}

/// Two groups of four words as one vector.
#[inline]
#[target_feature(enable = "avx2")]
fn join(low: [u32; 4], high: [u32; 4]) -> __m256i {
    let low = _mm256_castsi128_si256(bytemuck::cast(low));
    _mm256_inserti128_si256(low, bytemuck::cast(high), 1)
}

/// The tags of one access: (time of the access | thread) of each word, and what is ordered before it.
struct Reader {
    me: __m256i,
    block: __m256i,
    warp: __m256i,
}

impl Reader {
    /// Words 0…3 are those of `by`, words 4…7 of the thread behind it; or, `EACH` being 1, each word is
    /// that of another thread.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new<const EACH: usize>(now: u32, by: Accessor) -> Self {
        let threads: [u32; CHUNK] = std::array::from_fn(|at| (at / EACH) as u32 * 64);
        let first = all(now << TIME | by.thread << 6);
        Self {
            me: _mm256_add_epi32(first, bytemuck::cast(threads)),
            block: all(by.block_sync << TIME),
            warp: all(by.warp_sync << TIME),
        }
    }

    /// Goes on to the threads `count` further.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn advance(&mut self, count: u32) {
        self.me = _mm256_add_epi32(self.me, all(count << 6));
    }

    /// Not zero where a word's last write is not plainly in order, or there was none.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn alarm(&self, write: __m256i) -> __m256i {
        let state = _mm256_and_si256(write, all(WRITTEN | PENDING));
        _mm256_or_si256(at_least(write, self.block), _mm256_xor_si256(state, all(WRITTEN)))
    }

    /// The new read tags.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn note(&self, read: __m256i) -> __m256i {
        let zero = _mm256_setzero_si256();
        let other = _mm256_xor_si256(read, self.me);
        let my_warp = _mm256_cmpeq_epi32(_mm256_and_si256(other, all(WARP)), zero);
        let mine = _mm256_cmpeq_epi32(_mm256_and_si256(other, all(THREAD)), zero);
        // MANY_WARPS, in the same warp one less, which is MANY_LANES; nothing for the same thread.
        const { assert!(MANY_WARPS - 1 == MANY_LANES) };
        let stranger = _mm256_andnot_si256(mine, _mm256_add_epi32(all(MANY_WARPS), my_warp));
        let kept = _mm256_or_si256(_mm256_and_si256(read, all(MANY)), stranger);
        let one_warp = _mm256_cmpeq_epi32(_mm256_and_si256(read, all(MANY_WARPS)), zero);
        let over_in_warp =
            _mm256_andnot_si256(at_least(read, self.warp), _mm256_and_si256(my_warp, one_warp));
        let lasting = _mm256_andnot_si256(over_in_warp, at_least(read, self.block));
        _mm256_or_si256(self.me, _mm256_and_si256(kept, lasting))
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn is_zero(alarm: __m256i) -> bool {
    _mm256_testz_si256(alarm, alarm) != 0
}

impl SharedMemory {
    /// Reads eight rows of 16 bytes, the first by `by`, the next by the thread behind it and so on. False
    /// when something is not plainly in order.
    ///
    /// Rows are aligned; granules are words.
    #[target_feature(enable = "avx2")]
    pub(crate) fn read_matrix(
        &mut self,
        rows: &[u32; CHUNK],
        by: Accessor,
        out: &mut [u32; LANES],
    ) -> bool {
        let words = self.words.as_chunks::<4>().0;
        let count = words.len();
        let (Some(writes), Some(reads)) = (
            self.writes.as_chunks::<4>().0.get(..count),
            self.reads.as_chunks_mut::<4>().0.get_mut(..count),
        ) else {
            return false;
        };
        let mut reader = Reader::new::<4>(self.now, by);
        let mut alarm = _mm256_setzero_si256();
        for (pair, out) in rows.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<CHUNK>().0) {
            let [a, b] = pair.map(|row| row as usize / 16);
            // The second of two threads with one row must see the tag of the first.
            if a >= count || b >= count || a == b {
                return false;
            }
            alarm = _mm256_or_si256(alarm, reader.alarm(join(writes[a], writes[b])));
            let tags = reader.note(join(reads[a], reads[b]));
            reads[a] = bytemuck::cast(_mm256_castsi256_si128(tags));
            reads[b] = bytemuck::cast(_mm256_extracti128_si256(tags, 1));
            *out = bytemuck::cast(join(words[a], words[b]));
            reader.advance(2);
        }
        is_zero(alarm)
    }

    /// Reads one word by each lane of a warp, `by` being the first; no two lanes may name one word. False
    /// when something is not plainly in order.
    #[target_feature(enable = "avx2")]
    pub(crate) fn read_scattered(
        &mut self,
        addresses: &[u32; LANES],
        by: Accessor,
        out: &mut [u32; LANES],
    ) -> bool {
        let count = self.words.len();
        let words = &self.words[..];
        let (Some(writes), Some(reads)) = (self.writes.get(..count), self.reads.get_mut(..count))
        else {
            return false;
        };
        let mut reader = Reader::new::<1>(self.now, by);
        let mut alarm = _mm256_setzero_si256();
        for (lanes, out) in
            addresses.as_chunks::<CHUNK>().0.iter().zip(out.as_chunks_mut::<CHUNK>().0)
        {
            let (mut word, mut write, mut read) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
            for lane in 0..CHUNK {
                let at = lanes[lane] as usize / 4;
                if at >= count {
                    return false;
                }
                (word[lane], write[lane], read[lane]) = (words[at], writes[at], reads[at]);
            }
            alarm = _mm256_or_si256(alarm, reader.alarm(bytemuck::cast(write)));
            let tags: [u32; CHUNK] = bytemuck::cast(reader.note(bytemuck::cast(read)));
            for lane in 0..CHUNK {
                if let Some(read) = reads.get_mut(lanes[lane] as usize / 4) {
                    *read = tags[lane];
                }
            }
            *out = word;
            reader.advance(8);
        }
        is_zero(alarm)
    }

    /// The four words at each of 32 aligned addresses as they are, unchecked: `out[word][lane]`. False
    /// when one is outside.
    #[target_feature(enable = "avx2")]
    pub(crate) fn gather_rows(
        &self,
        addresses: &[u32; LANES],
        out: &mut [[u32; LANES]; 4],
    ) -> bool {
        let words = self.words.as_chunks::<4>().0;
        for (chunk, lanes) in addresses.as_chunks::<CHUNK>().0.iter().enumerate() {
            let mut rows = [_mm256_setzero_si256(); 4];
            for lane in 0..4 {
                let at = |lane: usize| words.get(lanes[lane] as usize / 16);
                let (Some(low), Some(high)) = (at(lane), at(lane + 4)) else { return false };
                rows[lane] = join(*low, *high);
            }
            let columns = transpose(rows.map(|row| _mm256_castsi256_ps(row)));
            for (column, out) in columns.into_iter().zip(out.iter_mut()) {
                out.as_chunks_mut::<CHUNK>().0[chunk] = bytemuck::cast(column);
            }
        }
        true
    }

    /// Starts a copy of 16 bytes by each lane of a warp, as [`SharedMemory::begin_copy`] does for one, up
    /// to the first where something is not plainly in order. The number of lanes done.
    #[target_feature(enable = "avx2")]
    pub(crate) fn begin_rows(&mut self, addresses: &[u32; LANES], by: Accessor) -> usize {
        let reads = self.reads.as_chunks::<4>().0;
        let count = reads.len();
        let Some(writes) = self.writes.as_chunks_mut::<4>().0.get_mut(..count) else { return 0 };
        let mut writer = Reader::new::<4>(self.now, by);
        for (done, pair) in addresses.as_chunks::<2>().0.iter().enumerate() {
            let [a, b] = pair.map(|row| row as usize / 16);
            if a >= count || b >= count || a == b {
                return 2 * done;
            }
            let write = join(writes[a], writes[b]);
            let last = _mm256_max_epu32(write, join(reads[a], reads[b]));
            let pending = _mm256_and_si256(write, all(PENDING));
            if !is_zero(_mm256_or_si256(at_least(last, writer.block), pending)) {
                return 2 * done;
            }
            let tags = _mm256_or_si256(writer.me, all(WRITTEN | PENDING));
            writes[a] = bytemuck::cast(_mm256_castsi256_si128(tags));
            writes[b] = bytemuck::cast(_mm256_extracti128_si256(tags, 1));
            writer.advance(2);
        }
        LANES
    }
}

/// Transposes 4×4 words in both halves: place `j` of row `i` to place `i` of row `j`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn transpose([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
    let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
    [
        _mm256_shuffle_ps(ab, cd, 0x44),
        _mm256_shuffle_ps(ab, cd, 0xEE),
        _mm256_shuffle_ps(ab_high, cd_high, 0x44),
        _mm256_shuffle_ps(ab_high, cd_high, 0xEE),
    ]
}
