//! Copies from global to shared memory that a warp's threads have under way (cp.async).
//!
//! The source is read when the copy is issued; the destination gets its bytes when the thread waits for
//! the copy's group. In between, shared memory knows the destination as pending.

use super::regs::LANES;

/// 4 bytes on their way.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub lane: u8,
    /// Group of the copy, counted from 0 per thread.
    pub group: u32,
    pub address: u32,
    pub value: u32,
}

/// Copies of the threads of one warp.
#[derive(Default)]
pub struct Copies {
    pub pieces: Vec<Piece>,
    /// Groups that each thread has committed.
    committed: [u32; LANES],
}

impl Copies {
    /// A new block.
    pub fn reset(&mut self) {
        self.pieces.clear();
        self.committed = [0; LANES];
    }

    /// Adds a word to the open group of a thread.
    pub fn add(&mut self, lane: usize, address: u32, value: u32) {
        let group = self.committed[lane];
        self.pieces.push(Piece { lane: lane as u8, group, address, value });
    }

    /// Closes the open group of these lanes.
    pub fn commit(&mut self, mask: u32) {
        for lane in super::warp::lanes(mask) {
            self.committed[lane] += 1;
        }
    }

    /// Takes out what is done when these lanes wait until at most `pending` of their groups are under
    /// way; `None` for all copies, committed or not.
    pub fn finish(&mut self, mask: u32, pending: Option<u32>) -> Vec<Piece> {
        let committed = &self.committed;
        let done = |piece: &mut Piece| {
            let lane = usize::from(piece.lane);
            mask >> lane & 1 != 0
                && pending.is_none_or(|pending| piece.group + pending < committed[lane])
        };
        self.pieces.extract_if(.., done).collect()
    }
}
