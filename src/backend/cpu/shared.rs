//! Numbers that several tasks write at once, each its own.

use super::simd::{LANES, Line};
use std::marker::PhantomData;

/// A slice whose lines different tasks write at the same time.
pub struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for a `&mut [T]`; that no two tasks use one number is the promise of its callers.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// Where the numbers begin.
    pub fn as_ptr(&self) -> *const T {
        self.start
    }

    /// `len` numbers from `at` on.
    ///
    /// # Safety
    /// While the reference lives nobody else reads or writes these numbers.
    #[allow(clippy::mut_from_ref)] // What `Shared` is for.
    pub unsafe fn slice(&self, at: usize, len: usize) -> &'a mut [T] {
        assert!(at <= self.len && len <= self.len - at);
        // SAFETY: the numbers lie in the slice by the assertion; nobody else has them by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}

impl Shared<'_> {
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
