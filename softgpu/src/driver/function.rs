//! What is known of a kernel, what may be set, and how many blocks of it fit.

use std::ffi::{c_char, c_int, c_uint};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::abi::{BlockToShared, CUresult, Handle, handle};
use super::error::{Answer, Code, answer, fail, put, put_if};
use super::module::Function;
use super::state::{Driver, ready};

fn find(function: Handle) -> Answer<(&'static Driver, Arc<Function>)> {
    let (driver, _) = ready()?;
    Ok((driver, driver.functions.get(function)?))
}

fn clamp(value: u32) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

/// Most threads a block of the kernel may have.
pub fn max_threads(driver: &Driver, function: &Function) -> u32 {
    let most = driver.gpu.options.properties.max_threads_per_block;
    function.program.max_threads.map_or(most, |own| own.min(most))
}

/// CUfunction_attribute. Register counts are estimates of what ptxas would allocate; cluster
/// attributes are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetAttribute(
    value: *mut c_int,
    name: c_uint,
    function: Handle,
) -> CUresult {
    answer("cuFuncGetAttribute", || {
        let (driver, function) = find(function)?;
        let (major, minor) = driver.gpu.options.properties.compute;
        let now = match name {
            0 => clamp(max_threads(driver, &function)),
            1 => clamp(function.program.shared_bytes),
            // Constant memory and cache mode are not a kernel's own here.
            2 | 7 => 0,
            3 => clamp(function.program.local_bytes),
            4 => clamp(function.program.registers),
            // PTX and binary version: those of the device.
            5 | 6 => clamp(major * 10 + minor),
            8 => clamp(function.max_dynamic.load(Relaxed)),
            9 => function.carveout.load(Relaxed),
            10..=15 => 0,
            _ => return fail(Code::INVALID_VALUE, format!("unknown function attribute {name}")),
        };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(value, now) }
    })
}

/// Dynamic shared memory (held to at launch) and the carve-out (kept and answered) can be set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetAttribute(
    function: Handle,
    name: c_uint,
    value: c_int,
) -> CUresult {
    answer("cuFuncSetAttribute", || {
        let (driver, function) = find(function)?;
        match name {
            8 => {
                let optin = driver.gpu.options.properties.shared_per_block_optin;
                let most = optin.saturating_sub(function.program.shared_bytes);
                match u32::try_from(value).ok().filter(|bytes| *bytes <= most) {
                    Some(bytes) => function.max_dynamic.store(bytes, Relaxed),
                    None => {
                        let why = format!("{value} bytes of dynamic shared memory, of {most}");
                        return fail(Code::INVALID_VALUE, why);
                    }
                }
            }
            9 if (-1..=100).contains(&value) => function.carveout.store(value, Relaxed),
            14 | 15 if value == 0 => {}
            14 | 15 => return fail(Code::NOT_SUPPORTED, "thread block clusters"),
            _ => {
                let why = format!("function attribute {name} cannot be set to {value}");
                return fail(Code::INVALID_VALUE, why);
            }
        }
        Ok(())
    })
}

/// Caches are not modelled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetCacheConfig(function: Handle, config: c_uint) -> CUresult {
    answer("cuFuncSetCacheConfig", || {
        find(function)?;
        if config > 3 { Err(Code::INVALID_VALUE.into()) } else { Ok(()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetModule(module: *mut Handle, function: Handle) -> CUresult {
    answer("cuFuncGetModule", || {
        let (_, function) = find(function)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(module, handle(function.module_number)) }
    })
}

/// The name lives as long as the function's module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetName(name: *mut *const c_char, function: Handle) -> CUresult {
    answer("cuFuncGetName", || {
        let (_, function) = find(function)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(name, function.name.as_ptr()) }
    })
}

/// Offset and size of a parameter; CUDA_ERROR_INVALID_VALUE behind the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetParamInfo(
    function: Handle,
    index: usize,
    offset: *mut usize,
    bytes: *mut usize,
) -> CUresult {
    answer("cuFuncGetParamInfo", || {
        let (_, function) = find(function)?;
        let Some(param) = function.program.params.get(index) else {
            return Err(Code::INVALID_VALUE.into());
        };
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            put(offset, param.offset)?;
            put_if(bytes, param.bytes);
        }
        Ok(())
    })
}

/// Modules are loaded whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncLoad(function: Handle) -> CUresult {
    answer("cuFuncLoad", || find(function).map(|_| ()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncIsLoaded(state: *mut c_uint, function: Handle) -> CUresult {
    answer("cuFuncIsLoaded", || {
        find(function)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(state, 1) }
    })
}

/// Blocks that fit on a multiprocessor; 0 where one block is too large.
fn blocks(driver: &Driver, function: &Function, threads: u32, dynamic: usize) -> u32 {
    let properties = &driver.gpu.options.properties;
    let shared = u32::try_from(dynamic).ok();
    let shared = shared.and_then(|dynamic| dynamic.checked_add(function.program.shared_bytes));
    match shared.filter(|shared| *shared <= properties.shared_per_block_optin) {
        Some(shared) if threads <= max_threads(driver, function) => {
            properties.occupancy(threads, function.program.registers, shared).blocks
        }
        _ => 0,
    }
}

fn threads_of(block: c_int) -> Answer<u32> {
    match u32::try_from(block) {
        Ok(threads) if threads > 0 => Ok(threads),
        _ => fail(Code::INVALID_VALUE, format!("blocks of {block} threads")),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    count: *mut c_int,
    function: Handle,
    block: c_int,
    dynamic: usize,
    flags: c_uint,
) -> CUresult {
    answer("cuOccupancyMaxActiveBlocksPerMultiprocessor", || {
        let (driver, function) = find(function)?;
        if flags > 1 {
            return fail(Code::INVALID_VALUE, format!("unknown occupancy flags {flags:#x}"));
        }
        let fit = blocks(driver, &function, threads_of(block)?, dynamic);
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(count, clamp(fit)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    count: *mut c_int,
    function: Handle,
    block: c_int,
    dynamic: usize,
) -> CUresult {
    // SAFETY: the same contract.
    unsafe {
        cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(count, function, block, dynamic, 0)
    }
}

/// Dynamic shared memory that still lets `count` blocks fit on a multiprocessor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyAvailableDynamicSMemPerBlock(
    bytes: *mut usize,
    function: Handle,
    count: c_int,
    block: c_int,
) -> CUresult {
    answer("cuOccupancyAvailableDynamicSMemPerBlock", || {
        let (driver, function) = find(function)?;
        let (count, threads) = (threads_of(count)?, threads_of(block)?);
        if blocks(driver, &function, threads, 0) < count {
            return fail(Code::INVALID_VALUE, format!("{count} such blocks never fit"));
        }
        let properties = &driver.gpu.options.properties;
        // Shared memory is handed out in units of 128 bytes.
        let share = properties.shared_per_multiprocessor / count / 128 * 128;
        let share = share.saturating_sub(properties.reserved_shared_per_block);
        let share = share.min(properties.shared_per_block_optin);
        let left = share.saturating_sub(function.program.shared_bytes);
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(bytes, left as usize) }
    })
}

/// The block size, a multiple of the warp size, with most threads on a multiprocessor; of equals, the
/// largest. The grid fills the device once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxPotentialBlockSizeWithFlags(
    grid: *mut c_int,
    block: *mut c_int,
    function: Handle,
    shared_of: Option<BlockToShared>,
    dynamic: usize,
    limit: c_int,
    flags: c_uint,
) -> CUresult {
    answer("cuOccupancyMaxPotentialBlockSize", || {
        let (driver, function) = find(function)?;
        let most = max_threads(driver, &function);
        let most = match limit {
            0 => most,
            limit => most.min(threads_of(limit)?),
        };
        if flags > 1 {
            return fail(Code::INVALID_VALUE, format!("unknown occupancy flags {flags:#x}"));
        }
        let sizes = (1..=most / 32).map(|warps| warps * 32);
        let sizes = sizes.chain((!most.is_multiple_of(32)).then_some(most));
        let fits = sizes.map(|threads| {
            // SAFETY: the API's caller vouches for the callback.
            let dynamic = shared_of.map_or(dynamic, |of| unsafe { of(clamp(threads)) });
            (threads, blocks(driver, &function, threads, dynamic))
        });
        let best = fits.max_by_key(|(threads, blocks)| threads * blocks);
        let (threads, fit) = best.unwrap_or((0, 0));
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            put(grid, clamp(fit * driver.gpu.options.properties.multiprocessors))?;
            put(block, clamp(threads))
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxPotentialBlockSize(
    grid: *mut c_int,
    block: *mut c_int,
    function: Handle,
    shared_of: Option<BlockToShared>,
    dynamic: usize,
    limit: c_int,
) -> CUresult {
    // SAFETY: the same contract.
    unsafe {
        cuOccupancyMaxPotentialBlockSizeWithFlags(
            grid, block, function, shared_of, dynamic, limit, 0,
        )
    }
}
