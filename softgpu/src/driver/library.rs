//! Libraries: a module under the newer names. A kernel's handle is its function's.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::Arc;

use super::abi::{CUdevice, CUdeviceptr, CUresult, Handle, handle};
use super::error::{Answer, Code, answer, put, put_if};
use super::function;
use super::module::{Library, global, load_logged, name_of, unload};
use super::state::{current, ready};

fn library(module: u64) -> Answer<Handle> {
    let (driver, context) = ready()?;
    Ok(driver.libraries.insert(Arc::new(Library { context: context.id, module })))
}

/// Loads an image into the current context alone. Options of the library change nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryLoadData(
    to: *mut Handle,
    image: *const c_void,
    names: *mut c_uint,
    values: *mut *mut c_void,
    count: c_uint,
    _library_names: *mut c_uint,
    _library_values: *mut *mut c_void,
    _library_count: c_uint,
) -> CUresult {
    answer("cuLibraryLoadData", || {
        if to.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: the API's caller vouches for the pointers.
        unsafe { put(to, library(load_logged(image, count, names, values, false)?)?) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryLoadFromFile(
    to: *mut Handle,
    file: *const c_char,
    names: *mut c_uint,
    values: *mut *mut c_void,
    count: c_uint,
    _library_names: *mut c_uint,
    _library_values: *mut *mut c_void,
    _library_count: c_uint,
) -> CUresult {
    answer("cuLibraryLoadFromFile", || {
        if to.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: the API's caller vouches for the pointers.
        unsafe { put(to, library(load_logged(file.cast(), count, names, values, true)?)?) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryUnload(library: Handle) -> CUresult {
    answer("cuLibraryUnload", || {
        let (driver, context) = current()?;
        let gone = driver.libraries.remove(library)?;
        unload(driver, handle(gone.module))?;
        context.healthy()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetModule(module: *mut Handle, library: Handle) -> CUresult {
    answer("cuLibraryGetModule", || {
        let (driver, _) = ready()?;
        let found = driver.libraries.get(library)?.module;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(module, handle(found)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetKernel(
    kernel: *mut Handle,
    library: Handle,
    name: *const c_char,
) -> CUresult {
    answer("cuLibraryGetKernel", || {
        let (driver, _) = ready()?;
        let module = driver.modules.get(handle(driver.libraries.get(library)?.module))?;
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            let found = module.function(driver, name_of(name)?)?;
            put(kernel, handle(found))
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetKernelCount(count: *mut c_uint, library: Handle) -> CUresult {
    answer("cuLibraryGetKernelCount", || {
        let (driver, _) = ready()?;
        let module = driver.modules.get(handle(driver.libraries.get(library)?.module))?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(count, module.module.kernel_names().len() as c_uint) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryGetGlobal(
    address: *mut CUdeviceptr,
    bytes: *mut usize,
    library: Handle,
    name: *const c_char,
) -> CUresult {
    answer("cuLibraryGetGlobal", || {
        let (driver, _) = ready()?;
        let module = driver.libraries.get(library)?.module;
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            let (at, length) = global(driver, handle(module), name_of(name)?)?;
            put_if(address, at);
            put_if(bytes, length);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetFunction(function: *mut Handle, kernel: Handle) -> CUresult {
    answer("cuKernelGetFunction", || {
        let (driver, _) = ready()?;
        driver.functions.get(kernel)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(function, kernel) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetName(name: *mut *const c_char, kernel: Handle) -> CUresult {
    // SAFETY: the same contract.
    unsafe { function::cuFuncGetName(name, kernel) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetParamInfo(
    kernel: Handle,
    index: usize,
    offset: *mut usize,
    bytes: *mut usize,
) -> CUresult {
    // SAFETY: the same contract.
    unsafe { function::cuFuncGetParamInfo(kernel, index, offset, bytes) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelGetAttribute(
    value: *mut c_int,
    name: c_uint,
    kernel: Handle,
    _device: CUdevice,
) -> CUresult {
    // SAFETY: the same contract.
    unsafe { function::cuFuncGetAttribute(value, name, kernel) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelSetAttribute(
    name: c_uint,
    value: c_int,
    kernel: Handle,
    _device: CUdevice,
) -> CUresult {
    // SAFETY: the same contract.
    unsafe { function::cuFuncSetAttribute(kernel, name, value) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuKernelSetCacheConfig(
    kernel: Handle,
    config: c_uint,
    _device: CUdevice,
) -> CUresult {
    // SAFETY: the same contract.
    unsafe { function::cuFuncSetCacheConfig(kernel, config) }
}
