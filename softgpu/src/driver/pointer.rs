//! What an address is.

use std::ffi::{c_int, c_uint, c_void};

use super::abi::{CUdeviceptr, CUresult, handle};
use super::error::{Answer, Code, answer, fail, put, put_if};
use super::memory::{How, registered};
use super::state::{Driver, driver, ready};
use super::table::lock;
use crate::memory::{Kind, Place};

/// Start and length of the allocation that an address lies in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetAddressRange_v2(
    base: *mut CUdeviceptr,
    bytes: *mut usize,
    address: CUdeviceptr,
) -> CUresult {
    answer("cuMemGetAddressRange", || {
        let (driver, _) = ready()?;
        let Place::Live(found, _) = driver.gpu.memory().place(address) else {
            return Err(Code::NOT_FOUND.into());
        };
        // SAFETY: null or what the API's caller vouches for.
        unsafe {
            put_if(base, found.base);
            put_if(bytes, found.bytes);
        }
        Ok(())
    })
}

/// A value of CUpointer_attribute, in its C type.
enum Value {
    Handle(u64),
    Int(c_int),
    Long(u64),
    Bool(bool),
}

/// # Errors
/// CUDA_ERROR_INVALID_VALUE for an address that CUDA does not know, CUDA_ERROR_NOT_SUPPORTED.
fn attribute(driver: &Driver, name: u32, address: u64) -> Answer<Value> {
    let found = match driver.gpu.memory().place(address) {
        Place::Live(found, _) => found,
        _ if registered(driver, address).is_some() => {
            // Memory type host, its own address, device 0.
            return match name {
                2 => Ok(Value::Int(1)),
                4 => Ok(Value::Long(address)),
                8 => Ok(Value::Bool(false)),
                9 => Ok(Value::Int(0)),
                _ => fail(Code::NOT_SUPPORTED, format!("pointer attribute {name}")),
            };
        }
        _ => return fail(Code::INVALID_VALUE, format!("{address:#x} is no memory of CUDA's")),
    };
    let owned = lock(&driver.owned).get(&found.base).copied();
    let how = owned.map(|owned| owned.how);
    let host = found.kind == Kind::Host;
    Ok(match name {
        // The context; a module's variables answer with none.
        1 => Value::Handle(owned.map_or(0, |owned| owned.context)),
        // CUmemorytype: managed memory counts as the device's.
        2 => Value::Int(if host && how != Some(How::Managed) { 1 } else { 2 }),
        3 => Value::Long(address),
        4 if host => Value::Long(address),
        4 => return fail(Code::INVALID_VALUE, format!("{address:#x} has no host address")),
        6 => Value::Bool(false),
        7 | 20 => Value::Long(found.id),
        8 => Value::Bool(how == Some(How::Managed)),
        9 => Value::Int(0),
        10 | 15 => Value::Bool(false),
        11 | 19 => Value::Long(found.base),
        12 | 18 => Value::Long(found.bytes as u64),
        13 => Value::Bool(true),
        14 => Value::Long(0),
        // Read and write.
        16 => Value::Int(3),
        17 => Value::Handle(pool_of(how)),
        _ => return fail(Code::NOT_SUPPORTED, format!("pointer attribute {name}")),
    })
}

fn pool_of(how: Option<How>) -> u64 {
    match how {
        Some(How::Pool(pool)) => pool,
        _ => 0,
    }
}

/// # Safety
/// `data` is null or writable as the attribute's type.
unsafe fn put_value(data: *mut c_void, value: Value) -> Answer {
    // SAFETY: the caller vouches for the pointer.
    unsafe {
        match value {
            Value::Handle(value) => put(data.cast(), handle(value)),
            Value::Int(value) => put(data.cast(), value),
            Value::Long(value) => put(data.cast(), value),
            Value::Bool(value) => put(data.cast(), value),
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuPointerGetAttribute(
    data: *mut c_void,
    name: c_uint,
    address: CUdeviceptr,
) -> CUresult {
    answer("cuPointerGetAttribute", || {
        let value = attribute(driver()?, name, address)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put_value(data, value) }
    })
}

/// As [`cuPointerGetAttribute`] for several; what an address has not is 0, and an unknown address has
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuPointerGetAttributes(
    count: c_uint,
    names: *mut c_uint,
    data: *mut *mut c_void,
    address: CUdeviceptr,
) -> CUresult {
    answer("cuPointerGetAttributes", || {
        let driver = driver()?;
        if count > 0 && (names.is_null() || data.is_null()) {
            return Err(Code::INVALID_VALUE.into());
        }
        for at in 0..count as usize {
            // SAFETY: the API's caller vouches for `count` elements of both arrays.
            let (name, to) = unsafe { (names.add(at).read(), data.add(at).read()) };
            let value = match attribute(driver, name, address) {
                Ok(value) => value,
                Err(_) => match name {
                    1 | 17 => Value::Handle(0),
                    2 | 16 => Value::Int(0),
                    9 => Value::Int(-2),
                    3 | 4 | 7 | 11 | 12 | 14 | 18 | 19 | 20 => Value::Long(0),
                    6 | 8 | 10 | 13 | 15 => Value::Bool(false),
                    _ => return fail(Code::NOT_SUPPORTED, format!("pointer attribute {name}")),
                },
            };
            // SAFETY: the API's caller vouches for the pointer.
            unsafe { put_value(to, value)? };
        }
        Ok(())
    })
}
