//! Events. A time is the host's clock when the work before the event had run: differences are times of
//! interpretation, not of a GPU.

use std::ffi::c_uint;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::abi::{CUresult, Handle};
use super::capture::Captures;
use super::error::{Answer, Code, answer, fail, put};
use super::op::Op;
use super::state::{current, ready};
use super::stream::target;
use super::table::lock;

/// CU_EVENT_DISABLE_TIMING.
const NO_TIMING: u32 = 2;
/// CU_EVENT_INTERPROCESS.
const INTERPROCESS: u32 = 4;

/// What an event was last recorded for.
#[derive(Clone, Debug, Default)]
pub enum Recorded {
    /// Never recorded.
    #[default]
    Never,
    /// Work that had finished then.
    At(Instant),
    /// A place in a capture: its number and the nodes that a waiter depends on.
    Captured { capture: u64, after: Vec<usize> },
}

pub struct Event {
    pub context: u64,
    pub flags: u32,
    pub recorded: Mutex<Recorded>,
}

impl Event {
    pub fn record_now(&self) {
        *lock(&self.recorded) = Recorded::At(Instant::now());
    }

    /// Whether it can be asked and waited for by the host.
    ///
    /// # Errors
    /// CUDA_ERROR_CAPTURED_EVENT, which invalidates the event's capture.
    fn outside_of_captures(&self, captures: &Captures) -> Answer<Recorded> {
        let recorded = lock(&self.recorded).clone();
        if let Recorded::Captured { capture, .. } = recorded {
            captures.invalidate(capture);
            return Err(Code::CAPTURED_EVENT.into());
        }
        Ok(recorded)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut Handle, flags: c_uint) -> CUresult {
    answer("cuEventCreate", || {
        let (driver, context) = ready()?;
        if flags & !7 != 0 || event.is_null() {
            return fail(Code::INVALID_VALUE, format!("event flags {flags:#x}, or a null pointer"));
        }
        if flags & INTERPROCESS != 0 {
            return fail(Code::NOT_SUPPORTED, "events between processes");
        }
        let made = Event { context: context.id, flags, recorded: Mutex::default() };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(event, driver.events.insert(Arc::new(made))) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(event: Handle) -> CUresult {
    answer("cuEventDestroy", || {
        let (driver, context) = current()?;
        driver.events.remove(event)?;
        context.healthy()
    })
}

fn record(event: Handle, stream: Handle, flags: u32) -> Answer {
    let (driver, context) = ready()?;
    let target = target(driver, &context, stream)?;
    let event = driver.events.get(event)?;
    if event.context != context.id {
        return fail(Code::INVALID_HANDLE, "event and stream belong to different contexts");
    }
    match flags {
        0 => driver.captures.record(&target, &event),
        1 => match driver.captures.add(&target, Op::EventRecord(event.clone()))? {
            None => Ok(()),
            Some(_) => fail(Code::INVALID_VALUE, "an external record outside of a capture"),
        },
        _ => fail(Code::INVALID_VALUE, format!("unknown record flags {flags:#x}")),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> CUresult {
    answer("cuEventRecord", || record(event, stream, 0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecordWithFlags(
    event: Handle,
    stream: Handle,
    flags: c_uint,
) -> CUresult {
    answer("cuEventRecordWithFlags", || record(event, stream, flags))
}

fn finished(event: Handle) -> Answer {
    let (driver, _) = ready()?;
    driver.events.get(event)?.outside_of_captures(&driver.captures)?;
    driver.captures.check_unsafe("asking for an event")
}

/// Work runs at its call, so that every recorded event has happened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventQuery(event: Handle) -> CUresult {
    answer("cuEventQuery", || finished(event))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(event: Handle) -> CUresult {
    answer("cuEventSynchronize", || finished(event))
}

/// # Safety
/// `milliseconds` is null or writable.
unsafe fn elapsed(milliseconds: *mut f32, start: Handle, end: Handle) -> Answer {
    let (driver, _) = ready()?;
    let (start, end) = (driver.events.get(start)?, driver.events.get(end)?);
    if (start.flags | end.flags) & NO_TIMING != 0 {
        return fail(Code::INVALID_HANDLE, "an event was created without timing");
    }
    let captures = &driver.captures;
    let (start, end) = (start.outside_of_captures(captures)?, end.outside_of_captures(captures)?);
    let (Recorded::At(start), Recorded::At(end)) = (start, end) else {
        return fail(Code::INVALID_HANDLE, "an event was never recorded");
    };
    let span = match end.checked_duration_since(start) {
        Some(span) => span.as_secs_f64(),
        None => -start.duration_since(end).as_secs_f64(),
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { put(milliseconds, (span * 1e3) as f32) }
}

/// Host time between two events, in milliseconds: how long interpreting took.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime_v2(
    milliseconds: *mut f32,
    start: Handle,
    end: Handle,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuEventElapsedTime", || unsafe { elapsed(milliseconds, start, end) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(
    milliseconds: *mut f32,
    start: Handle,
    end: Handle,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuEventElapsedTime", || unsafe { elapsed(milliseconds, start, end) })
}
