//! Allocating and freeing: device, pinned and managed memory.

use std::ffi::{c_int, c_uint, c_void};

use super::abi::{CUdeviceptr, CUresult, Handle, number};
use super::error::{Answer, Code, answer, fail, put};
use super::state::{Context, Driver, current, ready};
use super::stream::target;
use super::table::lock;
use crate::memory::{Kind, Place};
use crate::sanitizer::FindingKind;

/// How an allocation was made, which says how it may be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// cuMemAlloc and its like, in no pool.
    Device,
    /// cuMemAllocAsync, from this pool.
    Pool(u64),
    /// cuMemHostAlloc with its flags.
    Pinned(u32),
    /// cuMemAllocManaged: like pinned memory, one address for host and device.
    Managed,
}

/// What is known of an allocation of the program's.
#[derive(Clone, Copy, Debug)]
pub struct Owned {
    pub context: u64,
    pub how: How,
}

/// Allocates for a context; the address.
pub fn allocate(driver: &Driver, context: &Context, bytes: usize, how: How) -> Answer<u64> {
    let kind = match how {
        How::Device | How::Pool(_) => Kind::Device,
        How::Pinned(_) | How::Managed => Kind::Host,
    };
    let made = driver.gpu.memory().allocate(bytes, kind)?;
    lock(&driver.owned).insert(made.base, Owned { context: context.id, how });
    Ok(made.base)
}

/// Frees what `wanted` says may be freed this way. A second free of an address is a finding.
pub fn free(driver: &Driver, address: u64, wanted: impl Fn(How) -> bool) -> Answer {
    let mut owned = lock(&driver.owned);
    match owned.get(&address).map(|owned| owned.how) {
        Some(how) if wanted(how) => {
            owned.remove(&address);
            drop(owned);
            // No kernel is using it: the device works on one thing at a time.
            let _work = driver.engine();
            Ok(driver.gpu.memory().free(address)?)
        }
        Some(how) => fail(
            Code::INVALID_VALUE,
            format!("{address:#x} is {how:?} memory: another call frees it"),
        ),
        None => {
            drop(owned);
            not_owned(driver, address)
        }
    }
}

fn not_owned(driver: &Driver, address: u64) -> Answer {
    match driver.gpu.memory().place(address) {
        Place::Freed(gone) if gone.base == address => {
            let message = format!("{address:#x} is freed a second time: {gone}");
            driver.journal.found(FindingKind::DoubleFree, message);
            Err(Code::INVALID_VALUE.into())
        }
        Place::Freed(gone) => fail(Code::INVALID_VALUE, format!("{address:#x} is inside {gone}")),
        Place::Live(found, _) => {
            fail(Code::INVALID_VALUE, format!("{address:#x} is inside {found}, not its start"))
        }
        Place::Nowhere(nearest) => {
            fail(Code::INVALID_VALUE, format!("{address:#x} is no allocation: {nearest}"))
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> CUresult {
    answer("cuMemGetInfo", || {
        let (driver, _) = ready()?;
        let (left, all) = driver.gpu.memory().info();
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            put(free, left)?;
            put(total, all)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut CUdeviceptr, bytes: usize) -> CUresult {
    answer("cuMemAlloc", || {
        let (driver, context) = ready()?;
        if address.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        driver.captures.check_unsafe("allocating")?;
        let made = allocate(driver, &context, bytes, How::Device)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(address, made) }
    })
}

/// Rows start at multiples of 512 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocPitch_v2(
    address: *mut CUdeviceptr,
    pitch: *mut usize,
    width: usize,
    height: usize,
    element: c_uint,
) -> CUresult {
    answer("cuMemAllocPitch", || {
        let (driver, context) = ready()?;
        if address.is_null() || pitch.is_null() || !matches!(element, 4 | 8 | 16) {
            return fail(Code::INVALID_VALUE, format!("null, or elements of {element} bytes"));
        }
        driver.captures.check_unsafe("allocating")?;
        let row = width.checked_next_multiple_of(512);
        let Some((row, bytes)) = row.and_then(|row| Some((row, row.checked_mul(height)?))) else {
            return Err(Code::OUT_OF_MEMORY.into());
        };
        let made = allocate(driver, &context, bytes, How::Device)?;
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            put(pitch, row)?;
            put(address, made)
        }
    })
}

/// Frees device or managed memory; null is nothing to free. What a context with a sticky error owned is
/// freed all the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(address: CUdeviceptr) -> CUresult {
    answer("cuMemFree", || {
        let (driver, context) = current()?;
        if address != 0 {
            driver.captures.check_unsafe("freeing")?;
            free(driver, address, |how| !matches!(how, How::Pinned(_)))?;
        }
        context.healthy()
    })
}

/// Allocates in stream order, that is at once. In a capture it would be a node that allocates at replay:
/// not supported.
///
/// # Safety
/// `address` is null or writable.
pub unsafe fn allocate_async(
    address: *mut CUdeviceptr,
    bytes: usize,
    stream: Handle,
    pool: Option<Handle>,
) -> Answer {
    let (driver, context) = ready()?;
    if address.is_null() {
        return Err(Code::INVALID_VALUE.into());
    }
    let pool = match pool {
        Some(pool) => driver.pools.get(pool).map(|_| number(pool))?,
        None => *lock(&driver.current_pool),
    };
    let target = target(driver, &context, stream)?;
    if driver.captures.info(&target)?.is_some() {
        return fail(Code::NOT_SUPPORTED, "allocating in a capture");
    }
    // As the driver does, unlike for cuMemAlloc: nothing, at address 0.
    let made = match bytes {
        0 => 0,
        _ => allocate(driver, &context, bytes, How::Pool(pool))?,
    };
    // SAFETY: the caller vouches for the pointer.
    unsafe { put(address, made) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(
    address: *mut CUdeviceptr,
    bytes: usize,
    stream: Handle,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuMemAllocAsync", || unsafe { allocate_async(address, bytes, stream, None) })
}

/// Frees in stream order, that is at once. Also memory of cuMemAlloc, as CUDA allows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeAsync(address: CUdeviceptr, stream: Handle) -> CUresult {
    answer("cuMemFreeAsync", || {
        let (driver, context) = current()?;
        let target = target(driver, &context, stream)?;
        if driver.captures.info(&target)?.is_some() {
            return fail(Code::NOT_SUPPORTED, "freeing in a capture");
        }
        if address != 0 {
            free(driver, address, |how| !matches!(how, How::Pinned(_)))?;
        }
        context.healthy()
    })
}

/// # Safety
/// `address` is null or writable.
unsafe fn allocate_host(address: *mut *mut c_void, bytes: usize, flags: u32) -> Answer {
    let (driver, context) = ready()?;
    // Portable, mapped, write-combined: all pinned memory is mapped and ordinary here.
    if address.is_null() || flags & !7 != 0 {
        return fail(Code::INVALID_VALUE, format!("null, or unknown flags {flags:#x}"));
    }
    driver.captures.check_unsafe("allocating")?;
    let made = allocate(driver, &context, bytes, How::Pinned(flags))?;
    let made: *mut c_void = std::ptr::with_exposed_provenance_mut(made as usize);
    // SAFETY: the caller vouches for the pointer.
    unsafe { put(address, made) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(
    address: *mut *mut c_void,
    bytes: usize,
    flags: c_uint,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuMemHostAlloc", || unsafe { allocate_host(address, bytes, flags) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocHost_v2(address: *mut *mut c_void, bytes: usize) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuMemAllocHost", || unsafe { allocate_host(address, bytes, 0) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(address: *mut c_void) -> CUresult {
    answer("cuMemFreeHost", || {
        let (driver, context) = current()?;
        if !address.is_null() {
            driver.captures.check_unsafe("freeing")?;
            free(driver, number(address), |how| matches!(how, How::Pinned(_)))?;
        }
        context.healthy()
    })
}

/// Managed memory is pinned memory here: one address, reachable from both sides at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocManaged(
    address: *mut CUdeviceptr,
    bytes: usize,
    flags: c_uint,
) -> CUresult {
    answer("cuMemAllocManaged", || {
        let (driver, context) = ready()?;
        if address.is_null() || !matches!(flags, 1 | 2) {
            return fail(Code::INVALID_VALUE, format!("null, or attach flags {flags:#x}"));
        }
        driver.captures.check_unsafe("allocating")?;
        let made = allocate(driver, &context, bytes, How::Managed)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(address, made) }
    })
}

/// Device address of pinned memory: its host address. Memory that was only registered is not reachable
/// from kernels.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostGetDevicePointer_v2(
    address: *mut CUdeviceptr,
    host: *mut c_void,
    flags: c_uint,
) -> CUresult {
    answer("cuMemHostGetDevicePointer", || {
        let (driver, _) = ready()?;
        if flags != 0 {
            return Err(Code::INVALID_VALUE.into());
        }
        if registered(driver, number(host)).is_some() {
            return fail(Code::NOT_SUPPORTED, "kernels cannot reach registered host memory");
        }
        match driver.gpu.memory().place(number(host)) {
            // SAFETY: the API's caller vouches for the pointer.
            Place::Live(found, _) if found.kind == Kind::Host => unsafe {
                put(address, number(host))
            },
            _ => fail(Code::INVALID_VALUE, format!("{host:p} is not pinned memory")),
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostGetFlags(flags: *mut c_uint, host: *mut c_void) -> CUresult {
    answer("cuMemHostGetFlags", || {
        let (driver, _) = ready()?;
        let pinned = lock(&driver.owned).get(&number(host)).map(|owned| owned.how);
        let value = match pinned {
            Some(How::Pinned(flags)) => flags,
            _ => match registered(driver, number(host)) {
                Some(flags) => flags,
                None => return fail(Code::INVALID_VALUE, format!("{host:p} is not pinned memory")),
            },
        };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(flags, value) }
    })
}

/// Flags of the registered range that an address lies in.
pub fn registered(driver: &Driver, address: u64) -> Option<u32> {
    let ranges = lock(&driver.registered);
    let (start, (bytes, flags, _)) = ranges.range(..=address).next_back()?;
    (address - start < *bytes as u64).then_some(*flags)
}

/// Remembers that a host range is page-locked. Copies work from all host memory anyhow; kernels do not
/// reach it (cuMemHostGetDevicePointer says so).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostRegister_v2(
    host: *mut c_void,
    bytes: usize,
    flags: c_uint,
) -> CUresult {
    answer("cuMemHostRegister", || {
        let (driver, context) = ready()?;
        let start = number(host);
        let end = start.checked_add(bytes as u64);
        let Some(end) = end.filter(|_| start != 0 && bytes != 0 && flags & !0xF == 0) else {
            return fail(Code::INVALID_VALUE, format!("{bytes} bytes at {host:p}, {flags:#x}"));
        };
        driver.captures.check_unsafe("registering")?;
        let mut ranges = lock(&driver.registered);
        let before = ranges.range(..end).next_back();
        if before.is_some_and(|(at, (bytes, ..))| at + *bytes as u64 > start) {
            return Err(Code::HOST_MEMORY_ALREADY_REGISTERED.into());
        }
        ranges.insert(start, (bytes, flags, context.id));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostUnregister(host: *mut c_void) -> CUresult {
    answer("cuMemHostUnregister", || {
        let (driver, context) = current()?;
        driver.captures.check_unsafe("unregistering")?;
        if lock(&driver.registered).remove(&number(host)).is_none() {
            return Err(Code::HOST_MEMORY_NOT_REGISTERED.into());
        }
        context.healthy()
    })
}

/// Checked, and nothing to do: managed memory does not move.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPrefetchAsync_v2(
    address: CUdeviceptr,
    bytes: usize,
    _location: super::abi::MemLocation,
    flags: c_uint,
    stream: Handle,
) -> CUresult {
    answer("cuMemPrefetchAsync", || {
        let (driver, context) = ready()?;
        target(driver, &context, stream)?;
        if flags != 0 {
            return Err(Code::INVALID_VALUE.into());
        }
        managed(driver, address, bytes)
    })
}

/// Checked, and nothing to do: see [`cuMemPrefetchAsync_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAdvise_v2(
    address: CUdeviceptr,
    bytes: usize,
    advice: c_int,
    _location: super::abi::MemLocation,
) -> CUresult {
    answer("cuMemAdvise", || {
        let (driver, _) = ready()?;
        if !(1..=6).contains(&advice) {
            return fail(Code::INVALID_VALUE, format!("unknown advice {advice}"));
        }
        managed(driver, address, bytes)
    })
}

fn managed(driver: &Driver, address: u64, bytes: usize) -> Answer {
    let (found, _) = driver.gpu.memory().range(address, bytes)?;
    match lock(&driver.owned).get(&found.base).map(|owned| owned.how) {
        Some(How::Managed) => Ok(()),
        _ => fail(Code::INVALID_VALUE, format!("{address:#x} is not managed memory")),
    }
}
