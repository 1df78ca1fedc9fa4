//! Bank conflicts of an access to shared memory; the model stands at
//! [`SharedTraffic`].

use crate::counters::SharedTraffic;
use crate::exec::regs::LANES;

/// How the addresses of neighbouring lanes of a full warp relate, as lane masks.
#[derive(Clone, Copy)]
pub struct Pattern {
    /// Lanes with the address of the lane before.
    pub same: u32,
    /// Lanes whose access starts where that of the lane before ends.
    pub next: u32,
    /// Lanes 16… repeat the addresses of lanes 0…15.
    pub halves: bool,
}

impl Pattern {
    /// Of accesses of `bytes` per lane.
    #[inline(always)]
    pub fn new(addresses: &[u32; LANES], bytes: u32) -> Self {
        let mut before = [u32::MAX; LANES];
        before[1..].copy_from_slice(&addresses[..LANES - 1]);
        let (mut same, mut next) = (0, 0);
        for lane in 0..LANES {
            same |= u32::from(addresses[lane] == before[lane]) << lane;
            next |= u32::from(addresses[lane] == before[lane].wrapping_add(bytes)) << lane;
        }
        let (low, high) = addresses.split_at(LANES / 2);
        Self { same: same & !1, next: next & !1, halves: low == high }
    }
}

/// Counts a request of `bytes` per lane at these addresses. `pattern` is theirs where all lanes take
/// part and access at least a word. True when the lanes are known to have a bank each.
#[inline(always)]
pub fn count(
    traffic: &mut SharedTraffic,
    addresses: &[u32; LANES],
    mask: u32,
    bytes: u32,
    pattern: Option<&Pattern>,
) -> bool {
    let parts = bytes.div_ceil(4);
    traffic.requests += 1;
    traffic.bytes += u64::from(bytes) * u64::from(mask.count_ones());
    let lanes = LANES as u32 / parts;
    let whole = ((1u64 << lanes) - 1) as u32;
    let mut apart = true;
    for part in 0..parts {
        let mut here = mask >> (part * lanes) & whole;
        if here == 0 {
            continue;
        }
        if let Some(pattern) = pattern {
            let (same, next) = (pattern.same >> (part * lanes), pattern.next >> (part * lanes));
            if parts == 1 && pattern.halves {
                here &= 0xFFFF;
            }
            let others = here & !1;
            if next & others == others || same & others == others {
                traffic.wavefronts += 1;
                apart = false;
                continue;
            }
            here &= !same | 1;
        }
        let addresses = &addresses[(part * lanes) as usize..((part + 1) * lanes) as usize];
        if groups(addresses, here, parts).count_ones() == here.count_ones() {
            traffic.wavefronts += 1;
            apart &= here == whole;
            continue;
        }
        apart = false;
        let wavefronts = busiest(addresses, here, parts);
        traffic.wavefronts += wavefronts;
        traffic.conflicts += wavefronts - 1;
    }
    apart && parts == 1
}

/// The groups of `words` banks that the lanes in `mask` touch.
#[inline(always)]
fn groups(addresses: &[u32], mask: u32, words: u32) -> u32 {
    let (last, shift) = (32 / words - 1, 2 + words.trailing_zeros());
    let mut seen = 0;
    for (lane, address) in addresses.iter().enumerate() {
        seen |= (mask >> lane & 1) << (address >> shift & last);
    }
    seen
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
    use crate::exec::regs::FULL;

    fn wavefronts(bytes: u32, mask: u32, address: impl Fn(u32) -> u32) -> u64 {
        let mut traffic = SharedTraffic::default();
        let addresses = std::array::from_fn(|lane| address(lane as u32));
        count(&mut traffic, &addresses, mask, bytes, None);
        if mask == FULL && bytes >= 4 {
            let mut again = SharedTraffic::default();
            count(&mut again, &addresses, mask, bytes, Some(&Pattern::new(&addresses, bytes)));
            assert_eq!(again, traffic, "with and without the pattern");
        }
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
        for round in 0..4000 {
            let bytes = [1, 2, 4, 8, 16][round % 5];
            let mut table: [u32; 32] = std::array::from_fn(|_| random() % 512 * bytes);
            // Runs, repetitions and equal halves, at random places.
            for lane in 1..32 {
                match random() % 4 {
                    0 => table[lane] = table[lane - 1],
                    1 | 2 => table[lane] = table[lane - 1] + bytes,
                    _ => {}
                }
            }
            if random() % 4 == 0 {
                table.copy_within(..16, 16);
            }
            let mask = if random() % 2 == 0 { FULL } else { random() | 1 << (random() % 32) };
            let address = |lane: u32| table[lane as usize];
            assert_eq!(wavefronts(bytes, mask, address), by_definition(bytes, mask, address));
        }
    }
}
