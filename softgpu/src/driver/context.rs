//! Contexts: the primary one, others, and which is current.

use std::ffi::{c_int, c_uint};
use std::sync::atomic::Ordering::Relaxed;

use super::abi::{CUdevice, CUresult, ContextParams, Handle, handle, number};
use super::error::{Answer, Code, answer, fail, put, put_if};
use super::state::{
    Driver, current, current_id, driver, pop_current, push_current, ready, set_current,
};
use super::table::lock;

/// All flags of CUctx_flags.
const ALL_FLAGS: u32 = 0xFF;

fn check_flags(flags: u32) -> Answer {
    if flags & !ALL_FLAGS == 0 {
        Ok(())
    } else {
        fail(Code::INVALID_VALUE, format!("unknown context flags {flags:#x}"))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(
    context: *mut Handle,
    device: CUdevice,
) -> CUresult {
    answer("cuDevicePrimaryCtxRetain", || {
        let driver = driver()?;
        driver.device(device)?;
        if context.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        let mut primary = lock(&driver.primary);
        let id = match primary.context {
            Some(id) => id,
            None => {
                let id = number(driver.new_context(true, primary.flags));
                *primary.context.insert(id)
            }
        };
        primary.retained += 1;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(context, handle(id)) }
    })
}

fn release_primary(device: CUdevice) -> Answer {
    let driver = driver()?;
    driver.device(device)?;
    let ended = {
        let mut primary = lock(&driver.primary);
        match primary.retained.checked_sub(1) {
            None => return fail(Code::INVALID_CONTEXT, "the primary context is not retained"),
            Some(left) => primary.retained = left,
        }
        if primary.retained == 0 { primary.context.take() } else { None }
    };
    if let Some(id) = ended {
        driver.end_context(id);
    }
    Ok(())
}

/// The last release ends the context: what is still allocated is reported as leaked and freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(device: CUdevice) -> CUresult {
    answer("cuDevicePrimaryCtxRelease", || release_primary(device))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease(device: CUdevice) -> CUresult {
    answer("cuDevicePrimaryCtxRelease", || release_primary(device))
}

fn reset_primary(device: CUdevice) -> Answer {
    let driver = driver()?;
    driver.device(device)?;
    let id = lock(&driver.primary).context;
    if let Some(id) = id {
        driver.purge(id, false);
        driver.contexts.get(handle(id))?.heal();
    }
    Ok(())
}

/// Frees everything the primary context owns and clears its sticky error; it stays retained.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxReset_v2(device: CUdevice) -> CUresult {
    answer("cuDevicePrimaryCtxReset", || reset_primary(device))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxReset(device: CUdevice) -> CUresult {
    answer("cuDevicePrimaryCtxReset", || reset_primary(device))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxSetFlags_v2(
    device: CUdevice,
    flags: c_uint,
) -> CUresult {
    answer("cuDevicePrimaryCtxSetFlags", || {
        let driver = driver()?;
        driver.device(device)?;
        check_flags(flags)?;
        let mut primary = lock(&driver.primary);
        primary.flags = flags;
        if let Some(id) = primary.context {
            driver.contexts.get(handle(id))?.flags.store(flags, Relaxed);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxGetState(
    device: CUdevice,
    flags: *mut c_uint,
    active: *mut c_int,
) -> CUresult {
    answer("cuDevicePrimaryCtxGetState", || {
        let driver = driver()?;
        driver.device(device)?;
        let primary = lock(&driver.primary);
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            put(flags, primary.flags)?;
            put(active, c_int::from(primary.context.is_some()))
        }
    })
}

/// # Safety
/// `context` is null or writable.
unsafe fn create(context: *mut Handle, flags: u32, device: CUdevice) -> Answer {
    let driver = driver()?;
    driver.device(device)?;
    check_flags(flags)?;
    if context.is_null() {
        return Err(Code::INVALID_VALUE.into());
    }
    let made = driver.new_context(false, flags);
    push_current(number(made));
    // SAFETY: the caller vouches for the pointer.
    unsafe { put(context, made) }
}

/// A context of the program's own. Parameters (affinity, graphics) are not supported.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v4(
    context: *mut Handle,
    params: *const ContextParams,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    answer("cuCtxCreate", || {
        // SAFETY: null or what the API's caller vouches for.
        if let Some(params) = unsafe { params.as_ref() }
            && (params.affinity_count != 0 || !params.cig.is_null())
        {
            return fail(Code::NOT_SUPPORTED, "context parameters");
        }
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { create(context, flags, device) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxCreate_v2(
    context: *mut Handle,
    flags: c_uint,
    device: CUdevice,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuCtxCreate", || unsafe { create(context, flags, device) })
}

/// Ends a context that cuCtxCreate made, with a report of what it still owns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxDestroy_v2(context: Handle) -> CUresult {
    answer("cuCtxDestroy", || {
        let driver = driver()?;
        if find(driver, context)?.primary {
            return fail(Code::INVALID_CONTEXT, "the primary context is released, not destroyed");
        }
        driver.end_context(number(context));
        if current_id() == Some(number(context)) {
            pop_current();
        }
        Ok(())
    })
}

fn find(driver: &Driver, context: Handle) -> Answer<std::sync::Arc<super::state::Context>> {
    driver.contexts.get(context).map_err(|_| Code::INVALID_CONTEXT.into())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> CUresult {
    answer("cuCtxGetCurrent", || {
        driver()?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(context, handle(current_id().unwrap_or(0))) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCurrent(context: Handle) -> CUresult {
    answer("cuCtxSetCurrent", || {
        let driver = driver()?;
        if !context.is_null() {
            find(driver, context)?;
        }
        set_current(number(context));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPushCurrent_v2(context: Handle) -> CUresult {
    answer("cuCtxPushCurrent", || {
        find(driver()?, context)?;
        push_current(number(context));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxPopCurrent_v2(context: *mut Handle) -> CUresult {
    answer("cuCtxPopCurrent", || {
        driver()?;
        let Some(id) = pop_current() else { return Err(Code::INVALID_CONTEXT.into()) };
        // SAFETY: null or what the API's caller vouches for.
        unsafe { put_if(context, handle(id)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice(device: *mut CUdevice) -> CUresult {
    answer("cuCtxGetDevice", || {
        current()?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(device, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetFlags(flags: *mut c_uint) -> CUresult {
    answer("cuCtxGetFlags", || {
        let (_, context) = current()?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(flags, context.flags.load(Relaxed)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetFlags(flags: c_uint) -> CUresult {
    answer("cuCtxSetFlags", || {
        let (_, context) = current()?;
        check_flags(flags)?;
        context.flags.store(flags, Relaxed);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetId(context: Handle, id: *mut u64) -> CUresult {
    answer("cuCtxGetId", || {
        let context = if context.is_null() { current()?.1 } else { find(driver()?, context)? };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(id, context.id) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetApiVersion(context: Handle, version: *mut c_uint) -> CUresult {
    answer("cuCtxGetApiVersion", || {
        if context.is_null() {
            current()?;
        } else {
            find(driver()?, context)?;
        }
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(version, 3020) }
    })
}

/// Everything is finished already: operations run at their call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> CUresult {
    answer("cuCtxSynchronize", || {
        let (driver, context) = ready()?;
        driver.captures.context_synchronize(context.id)
    })
}

/// Every stream has the same priority.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetStreamPriorityRange(
    least: *mut c_int,
    greatest: *mut c_int,
) -> CUresult {
    answer("cuCtxGetStreamPriorityRange", || {
        current()?;
        // SAFETY: null or what the API's caller vouches for.
        unsafe {
            put_if(least, super::stream::PRIORITIES.0);
            put_if(greatest, super::stream::PRIORITIES.1);
        }
        Ok(())
    })
}

/// What CUlimit starts with, by its number; `None` where there is no such limit.
fn default_limit(limit: u32) -> Option<usize> {
    match limit {
        // Stack, printf buffer, device heap.
        0 => Some(1024),
        1 => Some(1 << 20),
        2 => Some(8 << 20),
        // Granularity of L2 fetches, persisting L2.
        5 => Some(64),
        6 => Some(0),
        _ => None,
    }
}

/// Limits are kept and answered; none of them limits anything here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetLimit(limit: c_uint, value: usize) -> CUresult {
    answer("cuCtxSetLimit", || {
        let (_, context) = ready()?;
        if default_limit(limit).is_none() {
            return Err(Code::UNSUPPORTED_LIMIT.into());
        }
        lock(&context.limits).insert(limit, value);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetLimit(value: *mut usize, limit: c_uint) -> CUresult {
    answer("cuCtxGetLimit", || {
        let (_, context) = current()?;
        let Some(default) = default_limit(limit) else {
            return Err(Code::UNSUPPORTED_LIMIT.into());
        };
        let now = lock(&context.limits).get(&limit).copied().unwrap_or(default);
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(value, now) }
    })
}

/// Kept and answered; caches are not modelled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCacheConfig(config: c_uint) -> CUresult {
    answer("cuCtxSetCacheConfig", || {
        let (_, context) = current()?;
        if config > 3 {
            return Err(Code::INVALID_VALUE.into());
        }
        context.cache_config.store(config, Relaxed);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCacheConfig(config: *mut c_uint) -> CUresult {
    answer("cuCtxGetCacheConfig", || {
        let (_, context) = current()?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(config, context.cache_config.load(Relaxed)) }
    })
}

/// There is nothing to profile; accepted so that programs with profiler ranges run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuProfilerStart() -> CUresult {
    answer("cuProfilerStart", || ready().map(|_| ()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuProfilerStop() -> CUresult {
    answer("cuProfilerStop", || ready().map(|_| ()))
}
