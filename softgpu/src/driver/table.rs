//! Handles. They are numbers that are looked up, so a wrong one is an error and nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::abi::{Handle, handle, number};
use super::error::{Answer, Code, fail};

/// A lock whose holder panicked is taken all the same: what it guards is whole between statements.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Objects of one kind behind their handles. A number is never used twice, in no table of the process:
/// a destroyed object's handle and a handle of another kind are both recognised as wrong.
pub struct Table<T> {
    objects: Mutex<BTreeMap<u64, Arc<T>>>,
    what: &'static str,
}

/// The next handle. The first lies above the handles with a meaning of their own (0, 1, 2); steps of 16
/// keep the low bits clear, as in a pointer.
pub fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0x50F7_0000_0010);
    NEXT.fetch_add(16, Relaxed)
}

impl<T> Table<T> {
    /// `what` names the kind in messages.
    pub const fn new(what: &'static str) -> Self {
        Self { objects: Mutex::new(BTreeMap::new()), what }
    }

    pub fn insert(&self, object: Arc<T>) -> Handle {
        let key = next_number();
        lock(&self.objects).insert(key, object);
        handle(key)
    }

    /// Puts an object behind a number from [`next_number`].
    pub fn insert_at(&self, key: u64, object: Arc<T>) {
        lock(&self.objects).insert(key, object);
    }

    /// The object behind a handle.
    ///
    /// # Errors
    /// CUDA_ERROR_INVALID_HANDLE.
    pub fn get(&self, key: Handle) -> Answer<Arc<T>> {
        match lock(&self.objects).get(&number(key)) {
            Some(object) => Ok(object.clone()),
            None => self.unknown(key),
        }
    }

    /// The object behind a handle, which ends.
    ///
    /// # Errors
    /// CUDA_ERROR_INVALID_HANDLE.
    pub fn remove(&self, key: Handle) -> Answer<Arc<T>> {
        match lock(&self.objects).remove(&number(key)) {
            Some(object) => Ok(object),
            None => self.unknown(key),
        }
    }

    fn unknown<R>(&self, key: Handle) -> Answer<R> {
        let (what, key) = (self.what, number(key));
        fail(Code::INVALID_HANDLE, format!("{key:#x} is no {what}, or one that was destroyed"))
    }

    /// Removes the objects that `wanted` says no to.
    pub fn retain(&self, mut wanted: impl FnMut(&T) -> bool) {
        let mut gone = Vec::new();
        lock(&self.objects).retain(|_, object| {
            let keep = wanted(object);
            if !keep {
                gone.push(object.clone());
            }
            keep
        });
        // The last owners go here, with the lock released: their Drop may look into other tables.
        drop(gone);
    }

    /// Handles of the objects that `wanted` says yes to.
    pub fn find(&self, mut wanted: impl FnMut(&T) -> bool) -> Vec<u64> {
        let objects = lock(&self.objects);
        objects.iter().filter(|(_, object)| wanted(object)).map(|(key, _)| *key).collect()
    }
}
