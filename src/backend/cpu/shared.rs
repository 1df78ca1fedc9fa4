//! Numbers that several tasks write at once, each its own.

use super::simd::{LANES, Line};
use std::marker::PhantomData;

/// A slice whose lines different tasks write at the same time.
pub struct Shared<'a> {
    start: *mut f32,
    len: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a `&mut [f32]`; that no two tasks use one line is the promise of `line`'s callers.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// `len` numbers from `at` on.
    ///
    /// # Safety
    /// While the reference lives nobody else reads or writes these numbers.
    #[allow(clippy::mut_from_ref)] // What `Shared` is for.
    pub unsafe fn slice(&self, at: usize, len: usize) -> &'a mut [f32] {
        assert!(at <= self.len && len <= self.len - at);
        // SAFETY: the numbers lie in the slice by the assertion; nobody else has them by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }

    /// Sixteen numbers from `at` on.
    ///
    /// # Safety
    /// While the reference lives nobody else reads or writes these numbers.
    #[allow(clippy::mut_from_ref)] // What `Shared` is for.
    #[inline(always)]
    pub unsafe fn line(&self, at: usize) -> &mut Line {
        assert!(at + LANES <= self.len);
        // SAFETY: the numbers lie in the slice by the assertion; nobody else has them by the caller's promise.
        unsafe { &mut *self.start.add(at).cast() }
    }
}
