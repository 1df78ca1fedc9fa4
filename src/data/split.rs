//! Which images are for training and which are held out for later evaluation.
//!
//! The unit is the subject: all fingers of a person, in all impressions and alterations, are on one
//! side, because the ten fingers of one hand pair resemble each other. Images without a subject are
//! units of their own; identical ones are one unit.

use super::dataset::Entry;
use crate::rng::{Philox, Stream};
use std::collections::{BTreeSet, HashSet};

/// Indices into the data set, both in ascending order, no index in both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<u32>,
    pub held_out: Vec<u32>,
    /// Images in neither list: they belong to held-out subjects, but a training subject has the very
    /// same pixels. SOCOFing holds a dozen such pairs; scored as unseen they would be a leak.
    pub leaking: Vec<u32>,
}

/// What is held out as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Subject(u32),
    Content([u8; 16]),
}

impl Unit {
    fn of(entry: &Entry) -> Self {
        entry.subject().map_or(Self::Content(entry.digest), Self::Subject)
    }

    /// A random rank that depends on the seed and this unit alone, so that adding or removing other
    /// subjects leaves nearly all of them on their side.
    fn rank(&self, philox: &Philox) -> [u32; 4] {
        let [a, b, c] = match *self {
            Self::Subject(subject) => [subject, 0, 0],
            Self::Content(digest) => {
                let word = |at: usize| {
                    u32::from_le_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]])
                };
                [word(0), word(4), word(8)]
            }
        };
        philox.block([a, b, c, Stream::Split as u32])
    }
}

/// Holds out the share `held_out` of the subjects: rounded, at least one where the share is not zero,
/// and never all.
pub fn split(entries: &[Entry], held_out: f64, seed: u64) -> Split {
    let philox = Philox::new(seed);
    let distinct: BTreeSet<Unit> = entries.iter().map(Unit::of).collect();
    let mut units: Vec<Unit> = distinct.into_iter().collect();
    units.sort_by_key(|unit| (unit.rank(&philox), *unit));
    let share = (held_out * units.len() as f64).round() as usize;
    let at_least = usize::from(held_out > 0.0);
    let count = share.max(at_least).min(units.len().saturating_sub(1));
    let chosen: BTreeSet<Unit> = units.into_iter().take(count).collect();

    let mut split = Split::default();
    for (index, entry) in (0u32..).zip(entries) {
        if chosen.contains(&Unit::of(entry)) {
            split.held_out.push(index);
        } else {
            split.train.push(index);
        }
    }
    let digest = |index: &u32| entries[*index as usize].digest;
    let trained: HashSet<[u8; 16]> = split.train.iter().map(digest).collect();
    let (leaking, held_out) =
        split.held_out.iter().partition(|index| trained.contains(&digest(index)));
    Split { leaking, held_out, ..split }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::socofing::SocofingName;
    use proptest::prelude::*;

    fn print(subject: u32, finger: usize, content: u64) -> Entry {
        let finger = ["thumb", "index", "middle", "ring", "little"][finger];
        let name = format!("{subject}__M_Left_{finger}_finger.BMP");
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&content.to_le_bytes());
        Entry { print: SocofingName::parse(&name), name, level: None, digest }
    }

    fn set(subjects: u32) -> Vec<Entry> {
        (1..=subjects)
            .flat_map(|s| (0..5).map(move |f| print(s, f, u64::from(s) * 10 + f as u64)))
            .collect()
    }

    fn subjects(entries: &[Entry], indices: &[u32]) -> BTreeSet<u32> {
        indices.iter().filter_map(|&i| entries[i as usize].subject()).collect()
    }

    proptest! {
        #[test]
        fn subjects_are_on_one_side_and_the_share_is_kept(
            count in 2u32..80, share in 0.0..0.9, seed: u64,
        ) {
            let entries = set(count);
            let found = split(&entries, share, seed);
            let (train, held) =
                (subjects(&entries, &found.train), subjects(&entries, &found.held_out));
            prop_assert!(train.is_disjoint(&held));
            prop_assert_eq!(found.train.len() + found.held_out.len(), entries.len());
            prop_assert!((held.len() as f64 - share * f64::from(count)).abs() <= 1.0);
            prop_assert!(!train.is_empty());
            prop_assert_eq!(&found, &split(&entries, share, seed));
        }
    }

    #[test]
    fn another_seed_holds_out_others_and_a_lost_subject_moves_no_one_else() {
        let entries = set(100);
        let held = |entries: &[Entry], seed| subjects(entries, &split(entries, 0.1, seed).held_out);
        let first = held(&entries, 0);
        assert_eq!(first.len(), 10);
        assert_ne!(first, held(&entries, 1));
        let lost = *first.iter().next().unwrap();
        let fewer: Vec<Entry> =
            entries.iter().filter(|e| e.subject() != Some(lost)).cloned().collect();
        let after = held(&fewer, 0);
        assert_eq!(first.intersection(&after).count(), 9);
        assert_eq!(after.len(), 10);
    }

    #[test]
    fn a_held_out_twin_of_a_training_print_is_used_nowhere() {
        let mut entries = set(20);
        let clean = split(&entries, 0.5, 3);
        let (twin, original) = (clean.held_out[0], clean.train[0]);
        entries[twin as usize].digest = entries[original as usize].digest;
        let found = split(&entries, 0.5, 3);
        assert_eq!(found.leaking, vec![twin]);
        assert_eq!(found.train, clean.train);
        assert_eq!(found.held_out, clean.held_out[1..]);
    }

    #[test]
    fn images_without_a_subject_are_split_one_by_one_with_copies_together() {
        let plain = |content: u64| Entry { print: None, ..print(1, 0, content) };
        let entries: Vec<Entry> = (0..200).map(|i| plain(i / 2)).collect();
        let found = split(&entries, 0.1, 5);
        assert_eq!((found.held_out.len(), found.train.len()), (20, 180));
        for pair in found.held_out.chunks(2) {
            assert_eq!(pair[0] + 1, pair[1]);
            assert_eq!(pair[0] % 2, 0);
        }
    }

    #[test]
    fn one_subject_is_never_held_out_and_share_zero_holds_out_none() {
        assert!(split(&set(1), 0.5, 0).held_out.is_empty());
        assert!(split(&set(50), 0.0, 0).held_out.is_empty());
        assert_eq!(split(&[], 0.1, 0), Split::default());
    }
}
