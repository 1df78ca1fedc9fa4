//! Memory pools: a name that allocations carry. Nothing is cached; freed memory goes back at once.

use std::collections::BTreeMap;
use std::ffi::{c_uint, c_void};
use std::sync::{Arc, Mutex};

use super::abi::{CUdevice, CUdeviceptr, CUresult, Handle, PoolProperties, handle, number};
use super::error::{Answer, Code, answer, fail, put};
use super::memory::{How, allocate_async};
use super::state::{Driver, driver};
use super::table::lock;

#[derive(Default)]
pub struct Pool {
    /// Attributes that the program has set.
    attributes: Mutex<BTreeMap<u32, u64>>,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocFromPoolAsync(
    address: *mut CUdeviceptr,
    bytes: usize,
    pool: Handle,
    stream: Handle,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuMemAllocFromPoolAsync", || unsafe {
        allocate_async(address, bytes, stream, Some(pool))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetDefaultMemPool(
    pool: *mut Handle,
    device: CUdevice,
) -> CUresult {
    answer("cuDeviceGetDefaultMemPool", || {
        let driver = driver()?;
        driver.device(device)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(pool, handle(driver.default_pool)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetMemPool(pool: *mut Handle, device: CUdevice) -> CUresult {
    answer("cuDeviceGetMemPool", || {
        let driver = driver()?;
        driver.device(device)?;
        let now = *lock(&driver.current_pool);
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(pool, handle(now)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceSetMemPool(device: CUdevice, pool: Handle) -> CUresult {
    answer("cuDeviceSetMemPool", || {
        let driver = driver()?;
        driver.device(device)?;
        driver.pools.get(pool)?;
        *lock(&driver.current_pool) = number(pool);
        Ok(())
    })
}

/// A pool of pinned memory on device 0; nothing else can be asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolCreate(
    pool: *mut Handle,
    properties: *const PoolProperties,
) -> CUresult {
    answer("cuMemPoolCreate", || {
        let driver = driver()?;
        // SAFETY: null or what the API's caller vouches for.
        let properties = unsafe { properties.as_ref() };
        let Some(properties) = properties.filter(|_| !pool.is_null()) else {
            return Err(Code::INVALID_VALUE.into());
        };
        // CU_MEM_ALLOCATION_TYPE_PINNED, no sharing between processes, CU_MEM_LOCATION_TYPE_DEVICE.
        let location = properties.location;
        if properties.alloc_type != 1 || properties.handle_types != 0 || location.kind != 1 {
            return fail(Code::NOT_SUPPORTED, "a pool that is shared, or not on the device");
        }
        driver.device(location.id)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(pool, driver.pools.insert(Arc::new(Pool::default()))) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolDestroy(pool: Handle) -> CUresult {
    answer("cuMemPoolDestroy", || {
        let driver = driver()?;
        if number(pool) == driver.default_pool {
            return fail(Code::INVALID_VALUE, "the default pool cannot be destroyed");
        }
        driver.pools.remove(pool)?;
        let mut current = lock(&driver.current_pool);
        if *current == number(pool) {
            *current = driver.default_pool;
        }
        Ok(())
    })
}

/// Nothing is kept that could be trimmed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolTrimTo(pool: Handle, _keep: usize) -> CUresult {
    answer("cuMemPoolTrimTo", || driver()?.pools.get(pool).map(|_| ()))
}

/// CUmemPool_attribute: three switches of 32 bits, then numbers of 64 bits.
const SWITCHES: std::ops::RangeInclusive<u32> = 1..=3;
const RELEASE_THRESHOLD: u32 = 4;

/// Bytes allocated from a pool.
fn used(driver: &Driver, pool: Handle) -> u64 {
    let owned = lock(&driver.owned);
    let bytes_of = |address: u64| driver.gpu.memory().range(address, 1).map_or(0, |(a, _)| a.bytes);
    let ours = owned.iter().filter(|(_, owned)| owned.how == How::Pool(number(pool)));
    ours.map(|(address, _)| bytes_of(*address) as u64).sum()
}

fn attribute(pool: Handle, attribute: u32) -> Answer<u64> {
    let driver = driver()?;
    let set = lock(&driver.pools.get(pool)?.attributes).get(&attribute).copied();
    match attribute {
        1..=3 => Ok(set.unwrap_or(1)),
        RELEASE_THRESHOLD => Ok(set.unwrap_or(0)),
        // Reserved and used, now and at most; the most is not tracked.
        5..=8 => Ok(used(driver, pool)),
        _ => fail(Code::INVALID_VALUE, format!("unknown pool attribute {attribute}")),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolGetAttribute(
    pool: Handle,
    name: c_uint,
    value: *mut c_void,
) -> CUresult {
    answer("cuMemPoolGetAttribute", || {
        let now = attribute(pool, name)?;
        // SAFETY: the API's caller vouches for the pointer; its type follows from the attribute.
        unsafe {
            if SWITCHES.contains(&name) {
                put(value.cast(), now as i32)
            } else {
                put(value.cast(), now)
            }
        }
    })
}

/// Kept and answered; how a pool caches is not modelled. The high-water marks can only be reset to 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolSetAttribute(
    pool: Handle,
    name: c_uint,
    value: *mut c_void,
) -> CUresult {
    answer("cuMemPoolSetAttribute", || {
        attribute(pool, name)?;
        if value.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: not null; the API's caller vouches for the pointer, whose type follows from the
        // attribute.
        let new = unsafe {
            if SWITCHES.contains(&name) {
                u64::from(value.cast::<u32>().read())
            } else {
                value.cast::<u64>().read()
            }
        };
        match name {
            1..=4 => drop(lock(&driver()?.pools.get(pool)?.attributes).insert(name, new)),
            6 | 8 if new == 0 => {}
            _ => return fail(Code::INVALID_VALUE, format!("pool attribute {name} is read-only")),
        }
        Ok(())
    })
}
