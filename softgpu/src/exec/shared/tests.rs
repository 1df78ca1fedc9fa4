//! The accesses of a whole warp against those of one word, on tags of every kind.
#![cfg(target_arch = "x86_64")]

use super::*;
use crate::exec::inst::has_fast_path;
use crate::exec::regs::LANES;

const WORDS: u32 = 512;
const NOW: u32 = 40;

struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
        (self.0 >> 33) as u32 % end
    }
}

/// Memory whose writes are in order but for one word in `odd`, with reads of all ages by all threads.
fn memory(random: &mut Random, by: Accessor, odd: u32) -> SharedMemory {
    let mut memory = SharedMemory::new(4 * WORDS, 4);
    memory.now = NOW;
    for at in 0..WORDS as usize {
        memory.words[at] = random.below(u32::MAX);
        let calm = random.below(by.block_sync) << TIME | random.below(1024) << 6 | WRITTEN;
        let any = random.below(NOW) << TIME | random.below(1024) << 6 | random.below(8);
        memory.writes[at] = if odd > 0 && random.below(odd) == 0 { any } else { calm };
        let thread =
            if random.below(2) == 0 { by.thread + random.below(40) } else { random.below(1024) };
        memory.reads[at] = random.below(NOW + 1) << TIME | (thread & 0x3FF) << 6 | random.below(4);
    }
    memory
}

fn twin(memory: &SharedMemory) -> SharedMemory {
    let mut twin = SharedMemory::new(memory.bytes, 4);
    twin.now = memory.now;
    twin.words.copy_from_slice(&memory.words);
    twin.writes.copy_from_slice(&memory.writes);
    twin.reads.copy_from_slice(&memory.reads);
    twin
}

fn accessor(random: &mut Random) -> Accessor {
    let block_sync = 1 + random.below(NOW);
    let warp_sync = 1 + random.below(NOW);
    Accessor { thread: 32 * random.below(31), block_sync, warp_sync, strong: false }
}

fn lane(by: Accessor, lane: usize) -> Accessor {
    Accessor { thread: by.thread + lane as u32, ..by }
}

#[test]
fn a_matrix_is_read_as_its_rows_are_one_by_one() {
    let (mut random, mut good) = (Random(1), 0);
    for round in 0..if has_fast_path() { 3000 } else { 0 } {
        let by = accessor(&mut random);
        let mut fast = memory(&mut random, by, if round % 2 == 0 { 0 } else { 64 });
        let mut slow = twin(&fast);
        let rows = std::array::from_fn(|_| 16 * random.below(WORDS / 4));
        let mut out = [0; LANES];
        // SAFETY: AVX2 is there.
        if !unsafe { fast.read_matrix(&rows, by, &mut out) } {
            continue;
        }
        good += 1;
        for (row, words) in out.as_chunks::<4>().0.iter().enumerate() {
            assert_eq!(slow.read_words::<4>(rows[row], false, lane(by, row)), Some(*words));
        }
        assert_eq!(fast.reads[..], slow.reads[..]);
    }
    assert!(!has_fast_path() || good > 1000, "{good} of 3000 in order");
}

#[test]
fn scattered_words_are_read_as_one_by_one() {
    let (mut random, mut good) = (Random(2), 0);
    for round in 0..if has_fast_path() { 3000 } else { 0 } {
        let by = accessor(&mut random);
        let mut fast = memory(&mut random, by, if round % 2 == 0 { 0 } else { 64 });
        let mut slow = twin(&fast);
        // A bank each, in any order.
        let turn = random.below(32);
        let addresses: [u32; LANES] = std::array::from_fn(|at| {
            4 * (32 * random.below(WORDS / 32) + (at as u32 * 5 + turn) % 32)
        });
        let mut out = [0; LANES];
        // SAFETY: AVX2 is there.
        if !unsafe { fast.read_scattered(&addresses, by, &mut out) } {
            continue;
        }
        good += 1;
        for at in 0..LANES {
            let word = slow.read_words::<1>(addresses[at], false, lane(by, at));
            assert_eq!(word, Some([out[at]]));
        }
        assert_eq!(fast.reads[..], slow.reads[..]);
    }
    assert!(!has_fast_path() || good > 1000, "{good} of 3000 in order");
}

#[test]
fn copies_of_a_warp_begin_as_one_by_one_up_to_the_first_that_is_odd() {
    let (mut random, mut whole) = (Random(3), 0);
    for round in 0..if has_fast_path() { 3000 } else { 0 } {
        let by = Accessor { block_sync: NOW + 1, ..accessor(&mut random) };
        let mut fast = memory(&mut random, by, if round % 2 == 0 { 0 } else { 64 });
        fast.writes.iter_mut().for_each(|tag| *tag &= !STRONG);
        let mut slow = twin(&fast);
        let addresses: [u32; LANES] =
            std::array::from_fn(|at| 16 * ((at as u32 * 13 + round) % (WORDS / 4)));
        // SAFETY: AVX2 is there.
        let done = unsafe { fast.begin_rows(&addresses, by) };
        whole += usize::from(done == LANES);
        for at in 0..done {
            assert_eq!(slow.begin_copy(addresses[at], 16, lane(by, at)), None, "lane {at}");
        }
        assert_eq!(fast.writes[..], slow.writes[..]);
        if done < LANES {
            let odd = [addresses[done], addresses[done + 1]].iter().any(|address| {
                let at = *address as usize / 4;
                slow.writes[at..at + 4].iter().any(|tag| tag & PENDING != 0)
            });
            assert!(odd, "stopped at lane {done} for nothing");
        }
    }
    assert!(!has_fast_path() || whole > 1000, "{whole} of 3000 in order");
}

#[test]
fn rows_are_gathered_column_by_column() {
    let mut random = Random(4);
    let by = accessor(&mut random);
    let memory = memory(&mut random, by, 0);
    let mut addresses: [u32; LANES] = std::array::from_fn(|_| 16 * random.below(WORDS / 4));
    let mut out = [[0; LANES]; 4];
    if !has_fast_path() {
        return;
    }
    // SAFETY: AVX2 is there.
    assert!(unsafe { memory.gather_rows(&addresses, &mut out) });
    for (at, address) in addresses.iter().enumerate() {
        for (word, column) in out.iter().enumerate() {
            assert_eq!(column[at], memory.words[*address as usize / 4 + word]);
        }
    }
    addresses[19] = 4 * WORDS;
    // SAFETY: as above.
    assert!(!unsafe { memory.gather_rows(&addresses, &mut out) });
}
