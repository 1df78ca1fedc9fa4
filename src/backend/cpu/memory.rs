//! Memory for tensors and for working space.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Zeroed f32 in pages of their own.
///
/// They start at a page, so that no vector load of a panel crosses two cache lines (which halves the speed
/// of a matrix product), and on Linux the system is asked for huge pages, so that a walk over a matrix does
/// not miss the TLB at every row.
pub struct Storage {
    pages: Option<memmap2::MmapMut>,
    len: usize,
}

/// A huge page of the usual processors. Storage of half of one and more is made of whole ones.
const HUGE: usize = 2 << 20;

impl Storage {
    /// No memory at all.
    pub const fn empty() -> Self {
        Self { pages: None, len: 0 }
    }

    /// `len` zeros, or what the system says where it has no room for them.
    pub fn zeros(len: usize) -> std::io::Result<Self> {
        if len == 0 {
            return Ok(Self::empty());
        }
        let bytes =
            len.checked_mul(size_of::<f32>()).filter(|bytes| *bytes <= isize::MAX as usize / 2);
        let bytes = bytes.ok_or(std::io::ErrorKind::OutOfMemory)?;
        let huge = bytes >= HUGE / 2;
        let rounded = if huge { bytes.next_multiple_of(HUGE) } else { bytes };
        let pages = memmap2::MmapMut::map_anon(rounded)?;
        #[cfg(target_os = "linux")]
        if huge {
            // A refusal costs speed only.
            let _ = pages.advise(memmap2::Advice::HugePage);
        }
        Ok(Self { pages: Some(pages), len })
    }
}

impl Deref for Storage {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.pages {
            Some(pages) => bytemuck::cast_slice(&pages[..self.len * size_of::<f32>()]),
            None => &[],
        }
    }
}

impl DerefMut for Storage {
    fn deref_mut(&mut self) -> &mut [f32] {
        match &mut self.pages {
            Some(pages) => bytemuck::cast_slice_mut(&mut pages[..self.len * size_of::<f32>()]),
            None => &mut [],
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} f32", self.len)
    }
}
