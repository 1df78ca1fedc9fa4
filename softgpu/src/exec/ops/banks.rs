//! Bank conflicts of an access to shared memory; the model stands at
//! [`SharedTraffic`](crate::counters::SharedTraffic).

use crate::counters::SharedTraffic;
use crate::exec::regs::{FULL, LANES};

/// Counts a request of `bytes` per lane at these addresses.
#[inline(always)]
pub fn count(traffic: &mut SharedTraffic, addresses: &[u32; LANES], mask: u32, bytes: u32) {
    let parts = bytes.div_ceil(4);
    traffic.requests += 1;
    traffic.bytes += u64::from(bytes) * u64::from(mask.count_ones());
    if mask == FULL && bytes == 4 {
        let mut ascending = true;
        let mut equal = true;
        for lane in 0..LANES {
            ascending &= addresses[lane] == addresses[0].wrapping_add(lane as u32 * 4);
            equal &= addresses[lane] == addresses[0];
        }
        if ascending || equal {
            traffic.wavefronts += 1;
            return;
        }
    }
    let lanes = LANES as u32 / parts;
    for part in 0..parts {
        let here = mask >> (part * lanes) & (((1u64 << lanes) - 1) as u32);
        if here == 0 {
            continue;
        }
        let wavefronts = busiest(&addresses[(part * lanes) as usize..], here, parts);
        traffic.wavefronts += wavefronts;
        traffic.conflicts += wavefronts - 1;
    }
}

/// Different words in the busiest bank, of the lanes in `mask` with `words` words each. An access is
/// aligned to its size, so it takes whole groups of `words` banks, and counting groups is enough.
#[inline(always)]
fn busiest(addresses: &[u32], mask: u32, words: u32) -> u64 {
    let groups = 32 / words;
    let shift = 2 + words.trailing_zeros();
    // Per group up to one unit is kept in place; a group that sees a second one goes to the list.
    let mut first = [u32::MAX; 32];
    let mut more = [0u32; LANES];
    let mut extra = 0;
    let mut left = mask;
    while left != 0 {
        let lane = left.trailing_zeros() as usize;
        left &= left - 1;
        let unit = addresses[lane] >> shift;
        let group = (unit & (groups - 1)) as usize;
        if first[group] == u32::MAX {
            first[group] = unit;
        } else if first[group] != unit && !more[..extra].contains(&unit) {
            more[extra] = unit;
            extra += 1;
        }
    }
    if extra == 0 {
        return 1;
    }
    let mut depth = [1u8; 32];
    more[..extra].iter().for_each(|unit| depth[(unit & (groups - 1)) as usize] += 1);
    u64::from(depth.into_iter().max().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wavefronts(bytes: u32, mask: u32, address: impl Fn(u32) -> u32) -> u64 {
        let mut traffic = SharedTraffic::default();
        count(&mut traffic, &std::array::from_fn(|lane| address(lane as u32)), mask, bytes);
        traffic.wavefronts
    }

    /// The definition, lane by lane and bank by bank, with sets.
    fn by_definition(bytes: u32, mask: u32, address: impl Fn(u32) -> u32) -> u64 {
        let parts = bytes.div_ceil(4);
        let mut sum = 0;
        for part in 0..parts {
            let mut banks = vec![std::collections::HashSet::new(); 32];
            for lane in (part * 32 / parts..(part + 1) * 32 / parts).filter(|l| mask >> l & 1 != 0)
            {
                for word in address(lane) / 4..(address(lane) + bytes).div_ceil(4) {
                    banks[word as usize % 32].insert(word);
                }
            }
            sum += banks.iter().map(|bank| bank.len() as u64).max().unwrap_or(0);
        }
        sum
    }

    #[test]
    fn the_textbook_cases_come_out_as_in_the_textbook() {
        assert_eq!(wavefronts(4, FULL, |lane| 4 * lane), 1);
        assert_eq!(wavefronts(4, FULL, |_| 64), 1, "one word for all is a broadcast");
        assert_eq!(wavefronts(4, FULL, |lane| 8 * lane), 2);
        assert_eq!(wavefronts(4, FULL, |lane| 128 * lane), 32);
        assert_eq!(wavefronts(4, FULL, |lane| 132 * lane), 1, "padded column");
        assert_eq!(wavefronts(16, FULL, |lane| 16 * lane), 4);
        assert_eq!(wavefronts(8, FULL, |lane| 8 * lane), 2);
        assert_eq!(wavefronts(1, FULL, |lane| lane), 1, "four lanes share a word");
    }

    #[test]
    fn any_pattern_counts_as_the_definition_says() {
        let mut state = 1u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        for round in 0..2000 {
            let bytes = [1, 2, 4, 8, 16][round % 5];
            let table: [u32; 32] = std::array::from_fn(|_| random() % 512 * bytes);
            let mask = random() | random() & 1;
            let mask = if mask == 0 { 1 } else { mask };
            let address = |lane: u32| table[lane as usize];
            assert_eq!(wavefronts(bytes, mask, address), by_definition(bytes, mask, address));
        }
    }
}
