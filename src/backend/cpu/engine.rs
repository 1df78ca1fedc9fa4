//! What the op families share: threads, the instruction set, and working memory that is kept.

use super::memory::Storage;
use super::simd::Isa;
use crate::error::{Error, Result};
use rayon::ThreadPool;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Threads and their working memory.
#[derive(Debug)]
pub struct Engine {
    pub isa: Isa,
    pub pool: ThreadPool,
    /// One for each thread, as large as the largest use so far.
    scratch: Vec<Mutex<Storage>>,
    /// What a whole op works on. Two ops at once have two; a lock held by a thread that waits for its tasks
    /// could stop that very thread, which meanwhile takes up other tasks.
    shared: Mutex<Vec<Storage>>,
}

impl Engine {
    /// An engine on `threads` threads, or on as many as the machine has cores.
    pub fn new(threads: Option<usize>, isa: Isa) -> Result<Self> {
        if threads == Some(0) {
            return Err(Error::Config("the number of threads must be at least 1".into()));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.unwrap_or(0))
            .thread_name(|index| format!("cpu-{index}"))
            .build()
            .map_err(|error| Error::Device { device: "cpu".into(), reason: error.to_string() })?;
        let scratch = (0..pool.current_num_threads()).map(|_| Mutex::new(Storage::empty()));
        Ok(Self { isa, scratch: scratch.collect(), pool, shared: Mutex::default() })
    }

    /// Gives every thread room for `numbers` in [`with_scratch`](Self::with_scratch).
    pub fn reserve_scratch(&self, numbers: usize) -> Result<()> {
        for scratch in &self.scratch {
            grow(&mut lock(scratch), numbers)?;
        }
        Ok(())
    }

    /// Calls `work` with `len` numbers of unspecified content, the calling thread's own, which
    /// [`reserve_scratch`](Self::reserve_scratch) has made. `work` must not start parallel work.
    pub fn with_scratch<R>(&self, len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
        let thread = rayon::current_thread_index().unwrap_or(0);
        work(&mut lock(&self.scratch[thread])[..len])
    }

    /// Calls `work` with `len` numbers of unspecified content for all threads to share.
    pub fn with_shared<R>(&self, len: usize, work: impl FnOnce(&mut [f32]) -> R) -> Result<R> {
        let mut storage = lock(&self.shared).pop().unwrap_or(Storage::empty());
        grow(&mut storage, len)?;
        let result = work(&mut storage[..len]);
        lock(&self.shared).push(storage);
        Ok(result)
    }
}

/// The content is unspecified anyway, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn grow(storage: &mut Storage, numbers: usize) -> Result<()> {
    if storage.len() < numbers {
        // The old pages go first: the two need not exist at once.
        *storage = Storage::empty();
        *storage = Storage::zeros(numbers).map_err(|error| Error::Device {
            device: "cpu".into(),
            reason: format!(
                "out of memory: no room for {} MiB of working memory ({error}); lower --batch-size, \
                 --ngf or --ndf",
                (numbers * size_of::<f32>()) >> 20
            ),
        })?;
    }
    Ok(())
}
