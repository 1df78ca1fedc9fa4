//! Edge pairs that share minutiae, joined into groups.
//!
//! From each pair on, the pairs that start or end where the group already is are added, as long as no
//! minutia gets two counterparts. Minutiae with several possible counterparts are kept aside as
//! conflicts, and the group is grown again for each way to settle them.
//!
//! The order of all steps and a few oddities are those of the C code (`bz_match_score`, `bz_sift`),
//! because the scores depend on them. Unlike there, nothing is read that another comparison left.

use super::group::Groups;
use super::pairs::Pair;
use super::{OVERFLOW_SCORE, Point, mean_angle, turned};

/// Smallest group in pairs.
const SMALLEST: usize = 3;

/// From this many conflicts on, no more are kept.
const MAX_CONFLICTS: usize = 10;

/// Most groups.
const MAX_GROUPS: usize = 2000;

/// Most entries in the queue of minutiae.
const MAX_QUEUE: usize = 4000;

/// Most attempts to settle the conflicts from one pair on. The C code has no limit and can
/// take hours over sets that are made to confuse it; prints stay far below.
const MAX_ATTEMPTS: u32 = 100_000;

/// The queue ran out of room: the prints are nearly the same.
struct Overflow;

/// A minutia with several possible counterparts.
struct Conflict {
    /// 0 if the minutia is in the first print, 1 if in the second.
    side: usize,
    minutia: usize,
    /// Its possible counterparts in the other print.
    options: Vec<usize>,
    /// Which of them is tried.
    tried: usize,
    /// The minutia of the first print that it linked.
    linked: usize,
}

/// The state of one comparison.
pub(super) struct Search<'a> {
    pairs: &'a [Pair],
    /// The pairs in ascending order of where they end.
    by_end: Vec<usize>,
    points: [&'a [Point]; 2],
    /// The counterpart of each minutia: of the first print's in the second, and the reverse.
    counterpart: [Vec<Option<usize>>; 2],
    /// Which conflict a minutia of either print has.
    conflict_of: [Vec<Option<usize>>; 2],
    conflicts: Vec<Conflict>,
    /// Number of the growth in which a pair was last taken; 0 never, −1 released from the first.
    taken: Vec<i64>,
    /// What `taken` was before.
    before: Vec<i64>,
    /// Minutiae of the first print still to be looked at or done.
    queue: Vec<usize>,
    /// Whether the minutia (or, an oddity of the C code, the pair) of this number was queued.
    queued: Vec<bool>,
    /// Pairs in the group that grows.
    group: Vec<usize>,
    growth: i64,
    groups: Groups,
    /// Attempts left for this seed.
    attempts: u32,
}

impl<'a> Search<'a> {
    pub fn new(pairs: &'a [Pair], first: &'a [Point], second: &'a [Point]) -> Self {
        let points = [first, second];
        let mut by_end: Vec<usize> = (0..pairs.len()).collect();
        by_end.sort_by_key(|&index| (pairs[index].end(), index));
        Self {
            pairs,
            by_end,
            points,
            counterpart: points.map(|side| vec![None; side.len()]),
            conflict_of: points.map(|side| vec![None; side.len()]),
            conflicts: Vec::new(),
            taken: vec![0; pairs.len()],
            before: vec![0; pairs.len()],
            queue: Vec::new(),
            queued: vec![false; pairs.len().max(first.len())],
            group: Vec::new(),
            growth: 0,
            groups: Groups::default(),
            attempts: 0,
        }
    }

    /// The match score.
    pub fn run(mut self) -> u32 {
        for seed in 0..self.pairs.len().saturating_sub(1) {
            if self.taken[seed] != 0 {
                continue;
            }
            if self.grow_all(seed).is_err() {
                return OVERFLOW_SCORE;
            }
            if self.groups.count() >= MAX_GROUPS {
                break;
            }
        }
        self.groups.score()
    }

    /// Grows groups from one pair on, one for each way to settle the conflicts.
    fn grow_all(&mut self, seed: usize) -> Result<(), Overflow> {
        let (first, second) = self.pairs[seed].start();
        self.link(first, second);
        let mut settled = 0;
        self.attempts = MAX_ATTEMPTS;
        loop {
            self.growth += 1;
            self.group.clear();
            self.queue.clear();
            self.queue.push(first);
            self.spread(seed)?;
            self.drop_outliers();
            self.keep_group();
            self.unlink_all(settled);
            let found = self.settle();
            if self.groups.count() >= MAX_GROUPS {
                return Ok(());
            }
            settled = self.conflicts.len();
            if !found {
                break;
            }
        }
        self.unlink(first);
        for conflict in self.conflicts.drain(..) {
            self.conflict_of[conflict.side][conflict.minutia] = None;
        }
        Ok(())
    }

    fn link(&mut self, first: usize, second: usize) {
        self.counterpart[0][first] = Some(second);
        self.counterpart[1][second] = Some(first);
    }

    /// Takes a minutia of the first print from its counterpart; whether it had one.
    fn unlink(&mut self, first: usize) -> bool {
        let Some(second) = self.counterpart[0][first].take() else { return false };
        self.counterpart[1][second] = None;
        true
    }

    /// Adds the pairs of the same start as the seed, and then those that touch a queued minutia.
    fn spread(&mut self, seed: usize) -> Result<(), Overflow> {
        let pairs = self.pairs;
        let start = pairs[seed].start();
        let mut next = seed;
        while pairs.get(next).is_some_and(|pair| pair.start() == start) {
            self.sift(next, pairs[next].end())?;
            next += 1;
        }
        let later = next;
        let mut at = 1;
        while let Some(&minutia) = self.queue.get(at) {
            self.spread_back(minutia, start, later)?;
            self.spread_on(minutia, later)?;
            at += 1;
        }
        Ok(())
    }

    /// Adds the later pairs that end at the minutia.
    fn spread_back(
        &mut self,
        minutia: usize,
        (first, second): (usize, usize),
        later: usize,
    ) -> Result<(), Overflow> {
        let pairs = self.pairs;
        let Some(counterpart) = self.counterpart[0][minutia] else { return Ok(()) };
        let end = (minutia, counterpart);
        let from = self.by_end.partition_point(|&index| (pairs[index].end(), index) < (end, later));
        for at in from..self.by_end.len() {
            let index = self.by_end[at];
            let pair = &pairs[index];
            if pair.end() != end {
                break;
            }
            if pair.first[0] != first && pair.second[0] != second {
                self.sift(index, pair.start())?;
            }
        }
        Ok(())
    }

    /// Adds the later pairs that start at the minutia.
    fn spread_on(&mut self, minutia: usize, later: usize) -> Result<(), Overflow> {
        let pairs = self.pairs;
        let Some(second) = self.counterpart[0][minutia] else { return Ok(()) };
        let start = (minutia, second);
        let mut next = later + pairs[later..].partition_point(|pair| pair.start() < start);
        while pairs.get(next).is_some_and(|pair| pair.start() == start) {
            self.sift(next, pairs[next].end())?;
            next += 1;
        }
        Ok(())
    }

    /// Takes a pair into the group if the two minutiae at its far end are free or linked with each
    /// other; notes a conflict if not.
    fn sift(&mut self, index: usize, (first, second): (usize, usize)) -> Result<(), Overflow> {
        let ahead = self.counterpart[0][first];
        let back = self.counterpart[1][second];
        if ahead.is_none() && back.is_none() {
            self.take(index);
            self.enqueue(first)?;
            self.link(first, second);
        } else if ahead == Some(second) {
            if self.taken[index] != self.growth {
                if !self.queued[index] {
                    self.enqueue(first)?;
                }
                self.take(index);
            }
        } else if self.conflicts.len() < MAX_CONFLICTS {
            if let Some(other) = ahead {
                self.note(0, first, other, second);
            }
            if let Some(other) = back {
                self.note(1, second, other, first);
            }
        }
        Ok(())
    }

    fn take(&mut self, index: usize) {
        if self.taken[index] != self.growth {
            self.group.push(index);
            self.before[index] = self.taken[index];
            self.taken[index] = self.growth;
        }
    }

    fn enqueue(&mut self, minutia: usize) -> Result<(), Overflow> {
        if self.queue.len() >= MAX_QUEUE {
            return Err(Overflow);
        }
        self.queue.push(minutia);
        self.queued[minutia] = true;
        Ok(())
    }

    /// Notes that a minutia linked to `linked` could also go with `option`.
    fn note(&mut self, side: usize, minutia: usize, linked: usize, option: usize) {
        let conflicts = &mut self.conflicts;
        let number = *self.conflict_of[side][minutia].get_or_insert_with(|| {
            conflicts.push(Conflict { side, minutia, options: vec![linked], tried: 0, linked: 0 });
            conflicts.len() - 1
        });
        let options = &mut self.conflicts[number].options;
        if !options.contains(&option) {
            options.push(option);
        }
    }

    /// Removes the pairs that turn otherwise than the group.
    fn drop_outliers(&mut self) {
        if self.group.len() >= SMALLEST {
            let pairs = self.pairs;
            let mean = mean_angle(self.group.iter().map(|&index| pairs[index].turn));
            self.group.retain(|&index| !turned(pairs[index].turn, mean));
        }
    }

    /// Stores the group, or releases its pairs if it is too small.
    fn keep_group(&mut self) {
        if self.group.len() >= SMALLEST {
            self.groups.add(self.pairs, &self.group, self.points);
            return;
        }
        for &index in &self.group {
            self.taken[index] = if self.before[index] == 0 { -1 } else { self.before[index] };
        }
        self.growth -= 1;
    }

    /// Unlinks the queued minutiae but the seed's, and those of the first `settled` conflicts.
    fn unlink_all(&mut self, settled: usize) {
        for at in (1..self.queue.len()).rev() {
            let minutia = self.queue[at];
            if self.unlink(minutia) {
                self.queued[minutia] = false;
            }
        }
        for number in (0..settled).rev() {
            let linked = self.conflicts[number].linked;
            self.unlink(linked);
        }
    }

    /// Links the minutiae in conflict in the next way that contradicts nothing; false if there is none.
    fn settle(&mut self) -> bool {
        let mut at = self.conflicts.len();
        while let Some(last) = at.checked_sub(1) {
            let conflict = &mut self.conflicts[last];
            if conflict.tried + 1 == conflict.options.len() {
                conflict.tried = 0;
                at = last;
                continue;
            }
            let Some(left) = self.attempts.checked_sub(1) else { return false };
            self.attempts = left;
            conflict.tried += 1;
            let Some(stuck) = self.try_links() else { return true };
            for number in stuck + 1..self.conflicts.len() {
                let linked = self.conflicts[number].linked;
                self.unlink(linked);
            }
            at = self.conflicts.len();
        }
        false
    }

    /// Links each conflict with the option to be tried, from the last to the first; the number of the
    /// one where that contradicts an earlier link.
    fn try_links(&mut self) -> Option<usize> {
        for number in (0..self.conflicts.len()).rev() {
            let conflict = &self.conflicts[number];
            let option = conflict.options[conflict.tried];
            let (first, second) = match conflict.side {
                0 => (conflict.minutia, option),
                _ => (option, conflict.minutia),
            };
            let free = |link: Option<usize>, wanted| link.is_none_or(|linked| linked == wanted);
            let fits = free(self.counterpart[0][first], second)
                && free(self.counterpart[1][second], first);
            if !fits {
                return Some(number);
            }
            self.link(first, second);
            self.conflicts[number].linked = first;
        }
        None
    }
}
