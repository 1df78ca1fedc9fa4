//! Copies from global to shared memory that a warp's threads have under way (cp.async).
//!
//! The source is read when the copy is issued; the destination gets its bytes when the thread waits for
//! the copy's group. In between, shared memory knows the destination as pending.

use super::regs::LANES;
use super::warp::lanes;

/// What one cp.async instruction copies.
#[derive(Clone)]
pub struct Copy {
    /// Lanes whose copy is under way.
    pub lanes: u32,
    /// Group of each lane's copy, counted from 0 per thread.
    groups: [u32; LANES],
    /// Destination in shared memory.
    pub targets: [u32; LANES],
    /// Words of each lane that count.
    pub words: usize,
    pub values: [[u32; 4]; LANES],
}

/// Copies of the threads of one warp.
#[derive(Default)]
pub struct Copies {
    under_way: Vec<Copy>,
    /// Groups that each thread has committed.
    committed: [u32; LANES],
}

impl Copies {
    /// A new block.
    pub fn reset(&mut self) {
        self.under_way.clear();
        self.committed = [0; LANES];
    }

    /// Adds to the open group of these lanes.
    pub fn add(
        &mut self,
        mask: u32,
        targets: [u32; LANES],
        words: usize,
        values: [[u32; 4]; LANES],
    ) {
        self.under_way.push(Copy { lanes: mask, groups: self.committed, targets, words, values });
    }

    /// Closes the open group of these lanes.
    pub fn commit(&mut self, mask: u32) {
        lanes(mask).for_each(|lane| self.committed[lane] += 1);
    }

    /// Hands out, oldest first, what is done when these lanes wait until at most `pending` of their groups
    /// are under way; `None` for all copies, committed or not.
    pub fn finish(&mut self, mask: u32, pending: Option<u32>, mut land: impl FnMut(&Copy)) {
        let committed = &self.committed;
        self.under_way.retain_mut(|copy| {
            let waited = copy.lanes & mask;
            let done = match pending {
                None => waited,
                Some(pending) => lanes(waited)
                    .filter(|&lane| copy.groups[lane].saturating_add(pending) < committed[lane])
                    .fold(0, |set, lane| set | 1 << lane),
            };
            if done != 0 {
                let rest = copy.lanes & !done;
                copy.lanes = done;
                land(copy);
                copy.lanes = rest;
            }
            copy.lanes != 0
        });
    }
}
