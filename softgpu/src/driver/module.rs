//! Modules and libraries: PTX in, functions and variables out.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, c_char, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicI32, AtomicU32};
use std::sync::{Arc, Mutex, Weak};

use super::abi::{CUdeviceptr, CUresult, Handle, handle, number};
use super::error::{Answer, Code, Failure, answer, fail, put, put_if};
use super::state::{Context, Driver, current, ready};
use super::table::{lock, next_number};
use crate::exec::program::Program;
use crate::gpu::Module;
use crate::ptx::image::{image_bytes, ptx_text};

/// A loaded module.
pub struct Loaded {
    pub context: u64,
    pub number: u64,
    pub module: Module,
    /// Handles given out for its functions.
    functions: Mutex<BTreeMap<String, u64>>,
}

/// A kernel that a program has a handle to. A CUkernel is the same thing under another name.
pub struct Function {
    pub context: u64,
    /// Dead once the module is unloaded.
    pub module: Weak<Loaded>,
    pub module_number: u64,
    pub program: Arc<Program>,
    pub name: CString,
    /// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.
    pub max_dynamic: AtomicU32,
    pub carveout: AtomicI32,
}

/// A library holds one module.
pub struct Library {
    pub context: u64,
    pub module: u64,
}

impl Loaded {
    /// The handle of the function of that name, the same one each time.
    ///
    /// # Errors
    /// CUDA_ERROR_NOT_FOUND.
    pub fn function(self: &Arc<Self>, driver: &Driver, name: &str) -> Answer<u64> {
        let mut functions = lock(&self.functions);
        if let Some(known) = functions.get(name) {
            return Ok(*known);
        }
        let Some(program) = self.module.kernel(name) else {
            let names = self.module.kernel_names();
            return fail(Code::NOT_FOUND, format!("no kernel `{name}`; the module has {names:?}"));
        };
        let properties = &driver.gpu.options.properties;
        // Without the attribute, static and dynamic shared memory have to fit the old limit.
        let max_dynamic = properties.shared_per_block.saturating_sub(program.shared_bytes);
        let function = Function {
            context: self.context,
            module: Arc::downgrade(self),
            module_number: self.number,
            program,
            name: CString::new(name).map_err(|_| Code::NOT_FOUND)?,
            max_dynamic: AtomicU32::new(max_dynamic),
            carveout: AtomicI32::new(-1),
        };
        let made = next_number();
        driver.functions.insert_at(made, Arc::new(function));
        functions.insert(name.to_owned(), made);
        Ok(made)
    }
}

fn load(driver: &Driver, context: &Context, image: &[u8]) -> Answer<u64> {
    driver.captures.check_unsafe("loading a module")?;
    let module = driver.gpu.load_ptx(&ptx_text(image)?)?;
    let number = next_number();
    let functions = Mutex::default();
    let loaded = Loaded { context: context.id, number, module, functions };
    driver.modules.insert_at(number, Arc::new(loaded));
    Ok(number)
}

/// # Safety
/// `image` is null or leads to a complete image.
unsafe fn load_data(image: *const c_void) -> Answer<u64> {
    let (driver, context) = ready()?;
    if image.is_null() {
        return Err(Code::INVALID_VALUE.into());
    }
    // SAFETY: as the caller vouches.
    load(driver, &context, unsafe { image_bytes(image) }?)
}

/// # Safety
/// `name` is null or leads to a NUL-terminated text.
unsafe fn load_file(name: *const c_char) -> Answer<u64> {
    let (driver, context) = ready()?;
    if name.is_null() {
        return Err(Code::INVALID_VALUE.into());
    }
    // SAFETY: as the caller vouches.
    let name = OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes());
    match std::fs::read(name) {
        Ok(image) => load(driver, &context, &image),
        Err(error) => fail(Code::FILE_NOT_FOUND, format!("{}: {error}", name.display())),
    }
}

pub fn unload(driver: &Driver, module: Handle) -> Answer {
    let gone = driver.modules.remove(module)?;
    for function in std::mem::take(&mut *lock(&gone.functions)).into_values() {
        let _ = driver.functions.remove(handle(function));
    }
    // Its variables go with the last owner, which no kernel is now.
    let _work = driver.engine();
    drop(gone);
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoad(module: *mut Handle, name: *const c_char) -> CUresult {
    answer("cuModuleLoad", || {
        if module.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: the API's caller vouches for the pointers.
        unsafe { put(module, handle(load_file(name)?)) }
    })
}

/// Loads PTX text or a fatbin with PTX in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, image: *const c_void) -> CUresult {
    answer("cuModuleLoadData", || {
        if module.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: the API's caller vouches for the pointers.
        unsafe { put(module, handle(load_data(image)?)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadFatBinary(
    module: *mut Handle,
    image: *const c_void,
) -> CUresult {
    // SAFETY: the same contract.
    unsafe { cuModuleLoadData(module, image) }
}

/// Options of the PTX compiler. Those that tune it mean nothing here; logs are written.
struct Jit<'a> {
    names: &'a [c_uint],
    values: &'a mut [*mut c_void],
}

impl<'a> Jit<'a> {
    /// # Safety
    /// `names` and `values` lead to `count` elements each, or `count` is 0.
    unsafe fn new(count: c_uint, names: *mut c_uint, values: *mut *mut c_void) -> Answer<Self> {
        if count == 0 {
            return Ok(Self { names: &[], values: &mut [] });
        }
        if names.is_null() || values.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: as the caller vouches.
        let (names, values): (&'a [c_uint], &'a mut [*mut c_void]) = unsafe {
            let count = count as usize;
            let names = std::slice::from_raw_parts(names, count);
            (names, std::slice::from_raw_parts_mut(values, count))
        };
        // CU_JIT_GLOBAL_SYMBOL_COUNT, CU_JIT_LTO: symbols of the host, link-time optimisation.
        let wanted = names
            .iter()
            .zip(&*values)
            .find(|(name, value)| matches!(name, 19 | 20) && number(**value) != 0);
        match (wanted, names.iter().find(|name| **name > 34)) {
            (Some((name, _)), _) => fail(Code::NOT_SUPPORTED, format!("JIT option {name}")),
            (_, Some(name)) => fail(Code::INVALID_VALUE, format!("unknown JIT option {name}")),
            _ => Ok(Self { names, values }),
        }
    }

    /// Writes a log into the buffer that option `buffer` names, cut to the size in the option after it,
    /// which becomes the length written.
    ///
    /// # Safety
    /// The buffer is as large as its size option says.
    unsafe fn log(&mut self, buffer: u32, text: &str) {
        let at = |wanted| self.names.iter().position(|name| *name == wanted);
        let (Some(buffer), Some(size)) = (at(buffer), at(buffer + 1)) else { return };
        let (Some(to), Some(room)) = (self.values.get(buffer), self.values.get(size)) else {
            return;
        };
        let (to, room) = (to.cast::<u8>(), number(*room) as usize);
        let count = text.len().min(room.saturating_sub(1));
        if !to.is_null() && room > 0 {
            // SAFETY: `count` < `room`, which the caller vouches for.
            unsafe {
                std::ptr::copy_nonoverlapping(text.as_ptr(), to, count);
                to.add(count).write(0);
            }
        }
        if let Some(size) = self.values.get_mut(size) {
            *size = handle(count as u64);
        }
    }
}

/// CU_JIT_INFO_LOG_BUFFER and CU_JIT_ERROR_LOG_BUFFER.
const INFO_LOG: u32 = 3;
const ERROR_LOG: u32 = 5;

/// As [`cuModuleLoadData`]; the error log gets the message of a module that does not load.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Handle,
    image: *const c_void,
    count: c_uint,
    names: *mut c_uint,
    values: *mut *mut c_void,
) -> CUresult {
    answer("cuModuleLoadDataEx", || {
        if module.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: the API's caller vouches for the pointers.
        unsafe { put(module, handle(load_logged(image, count, names, values, false)?)) }
    })
}

/// # Safety
/// As [`load_data`], [`load_file`] (where `is_file`) and [`Jit::new`], and log buffers have their sizes.
pub unsafe fn load_logged(
    image: *const c_void,
    count: c_uint,
    names: *mut c_uint,
    values: *mut *mut c_void,
    is_file: bool,
) -> Answer<u64> {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut jit = Jit::new(count, names, values)?;
        jit.log(INFO_LOG, "");
        let loaded = if is_file { load_file(image.cast()) } else { load_data(image) };
        let log = match &loaded {
            Err(Failure { why: Some(why), .. }) => why.as_str(),
            _ => "",
        };
        jit.log(ERROR_LOG, log);
        loaded
    }
}

/// Ends the module: its functions' handles are invalid, its variables freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(module: Handle) -> CUresult {
    answer("cuModuleUnload", || {
        let (driver, context) = current()?;
        driver.captures.check_unsafe("unloading a module")?;
        unload(driver, module)?;
        context.healthy()
    })
}

/// A name from C.
///
/// # Errors
/// CUDA_ERROR_INVALID_VALUE for null; CUDA_ERROR_NOT_FOUND for what cannot be a PTX name.
///
/// # Safety
/// `name` is null or leads to a NUL-terminated text that stays.
pub unsafe fn name_of<'a>(name: *const c_char) -> Answer<&'a str> {
    if name.is_null() {
        return Err(Code::INVALID_VALUE.into());
    }
    // SAFETY: as the caller vouches.
    unsafe { CStr::from_ptr(name) }.to_str().map_err(|_| Code::NOT_FOUND.into())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(
    function: *mut Handle,
    module: Handle,
    name: *const c_char,
) -> CUresult {
    answer("cuModuleGetFunction", || {
        let (driver, _) = ready()?;
        let module = driver.modules.get(module)?;
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            let found = module.function(driver, name_of(name)?)?;
            put(function, handle(found))
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunctionCount(count: *mut c_uint, module: Handle) -> CUresult {
    answer("cuModuleGetFunctionCount", || {
        let (driver, _) = ready()?;
        let found = driver.modules.get(module)?.module.kernel_names().len();
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(count, found as c_uint) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleEnumerateFunctions(
    functions: *mut Handle,
    count: c_uint,
    module: Handle,
) -> CUresult {
    answer("cuModuleEnumerateFunctions", || {
        let (driver, _) = ready()?;
        let module = driver.modules.get(module)?;
        if functions.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        for (at, name) in module.module.kernel_names().iter().take(count as usize).enumerate() {
            let found = module.function(driver, name)?;
            // SAFETY: the API's caller vouches for `count` elements.
            unsafe { functions.add(at).write(handle(found)) };
        }
        Ok(())
    })
}

pub fn global(driver: &Driver, module: Handle, name: &str) -> Answer<(u64, usize)> {
    match driver.modules.get(module)?.module.symbol(name) {
        Some(symbol) => Ok((symbol.address.0, symbol.bytes)),
        None => fail(Code::NOT_FOUND, format!("the module has no variable `{name}`")),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetGlobal_v2(
    address: *mut CUdeviceptr,
    bytes: *mut usize,
    module: Handle,
    name: *const c_char,
) -> CUresult {
    answer("cuModuleGetGlobal", || {
        let (driver, _) = ready()?;
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            let (at, length) = global(driver, module, name_of(name)?)?;
            put_if(address, at);
            put_if(bytes, length);
        }
        Ok(())
    })
}

/// Modules are loaded whole (CU_MODULE_EAGER_LOADING).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetLoadingMode(mode: *mut c_uint) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuModuleGetLoadingMode", || unsafe { put(mode, 1) })
}
