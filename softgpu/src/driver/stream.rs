//! Streams. Work runs at its call, in any stream: one of the orders that CUDA allows.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::abi::{CUdevice, CUresult, Handle, HostFn, StreamCallback, handle, number};
use super::error::{Answer, Code, answer, fail, put};
use super::op::{Op, submit};
use super::state::{Context, Driver, current, ready};

/// (least, greatest) priority.
pub const PRIORITIES: (c_int, c_int) = (0, -5);

/// A stream that a program created.
pub struct Stream {
    pub context: u64,
    pub flags: u32,
    pub priority: c_int,
}

/// Which stream a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The legacy default stream of the context.
    Legacy,
    /// The default stream of a thread, by the thread's number.
    PerThread(u64),
    /// A created one, by its handle.
    Created(u64),
}

/// A stream as a call uses it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub key: Key,
    pub context: u64,
    /// Whether it waits for the legacy stream and the other way round.
    pub blocking: bool,
}

/// A number of the calling thread. Unlike std's, it is there while the thread's locals are destroyed.
pub fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static NUMBER: u64 = NEXT.fetch_add(1, Relaxed));
    NUMBER.with(|number| *number)
}

/// The stream behind a handle: 0 and 1 are the legacy default stream, 2 the thread's own.
///
/// # Errors
/// CUDA_ERROR_INVALID_HANDLE, also for a stream of another context.
pub fn target(driver: &Driver, context: &Context, stream: Handle) -> Answer<Target> {
    let (key, blocking) = match number(stream) {
        0 | 1 => (Key::Legacy, true),
        2 => (Key::PerThread(thread_number()), true),
        id => {
            let found = driver.streams.get(stream)?;
            if found.context != context.id {
                return fail(Code::INVALID_HANDLE, "the stream belongs to another context");
            }
            (Key::Created(id), found.flags & 1 == 0)
        }
    };
    Ok(Target { key, context: context.id, blocking })
}

/// # Safety
/// `stream` is null or writable.
unsafe fn create(stream: *mut Handle, flags: u32, priority: c_int) -> Answer {
    let (driver, context) = ready()?;
    if flags > 1 {
        return fail(Code::INVALID_VALUE, format!("unknown stream flags {flags:#x}"));
    }
    if stream.is_null() {
        return Err(Code::INVALID_VALUE.into());
    }
    let priority = priority.clamp(PRIORITIES.1, PRIORITIES.0);
    let made = driver.streams.insert(Arc::new(Stream { context: context.id, flags, priority }));
    // SAFETY: the caller vouches for the pointer.
    unsafe { put(stream, made) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, flags: c_uint) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuStreamCreate", || unsafe { create(stream, flags, 0) })
}

/// Priorities are kept and answered; they change nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreateWithPriority(
    stream: *mut Handle,
    flags: c_uint,
    priority: c_int,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuStreamCreateWithPriority", || unsafe { create(stream, flags, priority) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamDestroy_v2(stream: Handle) -> CUresult {
    answer("cuStreamDestroy", || {
        let (driver, context) = current()?;
        driver.streams.remove(stream)?;
        driver.captures.forget_stream(driver, Key::Created(number(stream)));
        context.healthy()
    })
}

/// Work runs at its call, so that a stream is always idle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamQuery(stream: Handle) -> CUresult {
    answer("cuStreamQuery", || {
        let (driver, context) = ready()?;
        driver.captures.synchronize(&target(driver, &context, stream)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(stream: Handle) -> CUresult {
    answer("cuStreamSynchronize", || {
        let (driver, context) = ready()?;
        driver.captures.synchronize(&target(driver, &context, stream)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitEvent(
    stream: Handle,
    event: Handle,
    flags: c_uint,
) -> CUresult {
    answer("cuStreamWaitEvent", || {
        let (driver, context) = ready()?;
        let target = target(driver, &context, stream)?;
        let event = driver.events.get(event)?;
        match flags {
            0 => driver.captures.wait(&target, &event),
            // A node that waits at replay, when everything has finished already.
            1 => match driver.captures.add(&target, Op::EventWait)? {
                None => Ok(()),
                Some(_) => fail(Code::INVALID_VALUE, "an external wait outside of a capture"),
            },
            _ => fail(Code::INVALID_VALUE, format!("unknown wait flags {flags:#x}")),
        }
    })
}

/// What a default stream answers for its flags and priority: 0.
fn created<T: Default>(stream: Handle, pick: impl FnOnce(&Stream) -> T) -> Answer<T> {
    let (driver, context) = current()?;
    match target(driver, &context, stream)?.key {
        Key::Created(_) => Ok(pick(&*driver.streams.get(stream)?)),
        Key::Legacy | Key::PerThread(_) => Ok(T::default()),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetFlags(stream: Handle, flags: *mut c_uint) -> CUresult {
    answer("cuStreamGetFlags", || {
        let value = created(stream, |stream| stream.flags)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(flags, value) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetPriority(stream: Handle, priority: *mut c_int) -> CUresult {
    answer("cuStreamGetPriority", || {
        let value = created(stream, |stream| stream.priority)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(priority, value) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetId(stream: Handle, id: *mut u64) -> CUresult {
    answer("cuStreamGetId", || {
        let (driver, context) = current()?;
        let value = match target(driver, &context, stream)?.key {
            Key::Legacy => 1,
            // Above every handle that is ever made.
            Key::PerThread(thread) => thread | 1 << 63,
            Key::Created(id) => id,
        };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(id, value) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCtx(stream: Handle, context: *mut Handle) -> CUresult {
    answer("cuStreamGetCtx", || {
        let (driver, now) = current()?;
        let found = target(driver, &now, stream)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(context, handle(found.context)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetDevice(stream: Handle, device: *mut CUdevice) -> CUresult {
    answer("cuStreamGetDevice", || {
        let (driver, context) = current()?;
        target(driver, &context, stream)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(device, 0) }
    })
}

/// Calls `function` with `data` in stream order. It runs in the calling thread, before this returns, and
/// no lock of the driver is held meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchHostFunc(
    stream: Handle,
    function: Option<HostFn>,
    data: *mut c_void,
) -> CUresult {
    answer("cuLaunchHostFunc", || {
        let (driver, context) = ready()?;
        let Some(function) = function else { return Err(Code::INVALID_VALUE.into()) };
        submit(driver, &context, stream, Op::Host { function, data: data.expose_provenance() })
    })
}

/// The older form: the callback also gets the stream and a status. Not while capturing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamAddCallback(
    stream: Handle,
    callback: Option<StreamCallback>,
    data: *mut c_void,
    flags: c_uint,
) -> CUresult {
    answer("cuStreamAddCallback", || {
        let (driver, context) = ready()?;
        let Some(callback) = callback else { return Err(Code::INVALID_VALUE.into()) };
        if flags != 0 {
            return Err(Code::INVALID_VALUE.into());
        }
        driver.captures.synchronize(&target(driver, &context, stream)?)?;
        // SAFETY: the API's caller vouches for the callback and its data.
        super::state::host_function(|| unsafe { callback(stream, 0, data) });
        Ok(())
    })
}

/// Managed memory is reachable from everywhere at any time, so that there is nothing to attach.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamAttachMemAsync(
    stream: Handle,
    address: u64,
    _length: usize,
    flags: c_uint,
) -> CUresult {
    answer("cuStreamAttachMemAsync", || {
        let (driver, context) = ready()?;
        let target = target(driver, &context, stream)?;
        if !matches!(flags, 1 | 2 | 4) || (flags == 4 && target.key == Key::Legacy) {
            return Err(Code::INVALID_VALUE.into());
        }
        driver.gpu.memory().range(address, 1)?;
        driver.captures.synchronize(&target)
    })
}
