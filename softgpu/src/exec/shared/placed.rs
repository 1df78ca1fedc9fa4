//! Where in a page an array begins.

use std::ops::{Deref, DerefMut};

/// Words in a page of 4096 bytes.
const PAGE: usize = 1024;

/// An array of words that begins at a chosen place in a page.
///
/// A CPU tells loads from earlier stores by the lower 12 bits of their addresses first. Words and tags of
/// shared memory are accessed at the same index one after the other; arrays of the allocator's choice begin
/// at the same place in a page often enough, and then every load waits for a store that it has nothing to
/// do with. That takes twice the time.
pub struct Placed {
    data: Vec<u32>,
    start: usize,
    len: usize,
}

impl Placed {
    /// `len` zeros that begin `place` words after the start of a page.
    pub fn zeroed(len: usize, place: usize) -> Self {
        let data = vec![0u32; len + PAGE];
        let here = data.as_ptr() as usize / 4 % PAGE;
        Self { data, start: (place + PAGE - here) % PAGE, len }
    }
}

impl Deref for Placed {
    type Target = [u32];

    #[inline(always)]
    fn deref(&self) -> &[u32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl DerefMut for Placed {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_its_length_and_begins_where_it_was_told_to() {
        for (len, place) in [(0, 0), (1, 336), (5000, 672), (1024, 1023)] {
            let mut array = Placed::zeroed(len, place);
            assert_eq!(array.len(), len);
            assert_eq!(array.as_ptr() as usize % 4096, 4 * place);
            array.fill(7);
            assert!(array.iter().all(|word| *word == 7));
        }
    }
}
