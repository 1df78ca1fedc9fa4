//! Calls beyond CUDA's, for programs that have chosen this device: what launches did, and what was
//! found. [`client`](crate::client) is their safe side.
//!
//! A text is asked for in two steps. Every call that gives one returns its length in bytes without the
//! NUL, and writes it, with a NUL, if `room` is larger than that; nothing is written otherwise. 0 means
//! that there is none.

use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::journal::Journal;
use super::state::driver;

/// Runs what must not unwind into C; `T::default()` before cuInit and after a panic.
fn ask<T: Default>(body: impl FnOnce(&Journal) -> T) -> T {
    catch_unwind(AssertUnwindSafe(|| match driver() {
        Ok(driver) => body(&driver.journal),
        Err(_) => T::default(),
    }))
    .unwrap_or_default()
}

/// # Safety
/// `to` is null or has room for `room` bytes.
unsafe fn give(text: Option<String>, to: *mut c_char, room: usize) -> usize {
    let Some(text) = text else { return 0 };
    if !to.is_null() && room > text.len() {
        // SAFETY: the text and its NUL fit, as the caller vouches.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
            to.add(text.len()).write(0);
        }
    }
    text.len()
}

/// Version of the library, `major.minor.patch`; a text that stays.
#[unsafe(no_mangle)]
pub extern "C" fn softgpu_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The last launch's report, a JSON object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn softgpu_last_report_json(to: *mut c_char, room: usize) -> usize {
    // SAFETY: the caller vouches for the buffer.
    ask(|journal| unsafe { give(journal.last(), to, room) })
}

/// Begins to gather the reports of all launches (`all_threads` ≠ 0) or of those that the calling thread
/// makes; a key for the two calls below, or 0 before cuInit.
#[unsafe(no_mangle)]
pub extern "C" fn softgpu_reports_start(all_threads: c_int) -> u64 {
    ask(|journal| journal.collect(all_threads != 0))
}

/// The reports gathered so far, a JSON array. They stay until the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn softgpu_reports_json(key: u64, to: *mut c_char, room: usize) -> usize {
    // SAFETY: the caller vouches for the buffer.
    ask(|journal| unsafe { give(journal.collected(key), to, room) })
}

/// Ends a gathering and forgets its reports; 1, or 0 for a key that is not one.
#[unsafe(no_mangle)]
pub extern "C" fn softgpu_reports_stop(key: u64) -> c_int {
    ask(|journal| c_int::from(journal.end(key)))
}

/// Everything found since cuInit or the last clearing, a JSON array; leaks and double frees too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn softgpu_findings_json(to: *mut c_char, room: usize) -> usize {
    // SAFETY: the caller vouches for the buffer.
    ask(|journal| unsafe { give(journal.findings(), to, room) })
}

#[unsafe(no_mangle)]
pub extern "C" fn softgpu_findings_clear() {
    ask(Journal::clear_findings);
}
