//! Local memory of the 32 threads of a warp, interleaved by word: word `w` of all lanes is one row.

use super::regs::LANES;

pub struct LocalMemory {
    words: Vec<[u32; LANES]>,
    /// Per byte the lanes that have written it.
    written: Vec<u32>,
}

impl LocalMemory {
    /// `bytes` for each thread.
    pub fn new(bytes: u32) -> Self {
        let words = bytes.div_ceil(4) as usize;
        Self { words: vec![[0; LANES]; words], written: vec![0; words * 4] }
    }

    pub fn reset(&mut self) {
        self.written.fill(0);
    }

    /// Bytes of each thread.
    pub fn bytes(&self) -> usize {
        self.words.len() * 4
    }

    /// Reads `size` ≤ 8 bytes at `offset`, a multiple of `size`, and whether all were written. `None`
    /// outside.
    #[inline(always)]
    pub fn load(&self, lane: usize, offset: usize, size: usize) -> Option<(u64, bool)> {
        let written = self.written.get(offset..offset.checked_add(size)?)?;
        let known = written.iter().all(|lanes| lanes >> lane & 1 != 0);
        let word = u64::from(self.words.get(offset / 4)?[lane]);
        let value = match size {
            8 => word | u64::from(self.words.get(offset / 4 + 1)?[lane]) << 32,
            _ => word >> (offset % 4 * 8) & ((1u64 << (8 * size)) - 1),
        };
        Some((value, known))
    }

    /// Writes `size` ≤ 8 bytes at `offset`, a multiple of `size`. `None` outside.
    #[inline(always)]
    pub fn store(&mut self, lane: usize, offset: usize, size: usize, value: u64) -> Option<()> {
        for lanes in self.written.get_mut(offset..offset.checked_add(size)?)? {
            *lanes |= 1 << lane;
        }
        let word = &mut self.words.get_mut(offset / 4)?[lane];
        if size < 4 {
            let shift = offset % 4 * 8;
            let mask = (((1u64 << (8 * size)) - 1) as u32) << shift;
            *word = *word & !mask | (value as u32) << shift & mask;
        } else {
            *word = value as u32;
        }
        if size == 8 {
            self.words.get_mut(offset / 4 + 1)?[lane] = (value >> 32) as u32;
        }
        Some(())
    }
}
