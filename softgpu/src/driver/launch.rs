//! Kernel launches.

use std::ffi::{c_uint, c_void};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use super::abi::{CUresult, Handle, LaunchAttribute, LaunchConfig};
use super::error::{Answer, Code, answer, fail};
use super::function::max_threads;
use super::module::{Function, Loaded};
use super::op::{Op, submit};
use super::state::{Context, Driver, ready};
use crate::exec::program::Program;
use crate::launch::{Dim3, LaunchError, Report};
use crate::sanitizer::FindingKind;

/// A launch with its arguments, ready to run any number of times.
pub struct Kernel {
    module: Weak<Loaded>,
    program: Arc<Program>,
    grid: Dim3,
    block: Dim3,
    dynamic: u32,
    params: Vec<u8>,
}

/// Sizes of a launch as a call gives them.
struct Shape {
    grid: Dim3,
    block: Dim3,
    dynamic: u32,
}

impl Shape {
    /// # Errors
    /// CUDA_ERROR_INVALID_VALUE, as cuLaunchKernel has it for every size that is out of range.
    fn check(&self, driver: &Driver, function: &Function) -> Answer {
        let Self { grid, block, dynamic } = self;
        let properties = &driver.gpu.options.properties;
        let inside = |size: &Dim3, most: [u32; 3]| {
            [size.x, size.y, size.z].iter().zip(most).all(|(size, most)| (1..=most).contains(size))
        };
        let refuse = |what: String| {
            fail(Code::INVALID_VALUE, format!("launch of `{}`: {what}", function.program.name))
        };
        if !inside(grid, properties.max_grid) {
            return refuse(format!("grid {grid}, at most {:?}", properties.max_grid));
        }
        if !inside(block, properties.max_block) {
            return refuse(format!("block {block}, at most {:?}", properties.max_block));
        }
        let most = max_threads(driver, function);
        if block.count() > u64::from(most) {
            return refuse(format!("{} threads per block, at most {most}", block.count()));
        }
        if let Some(required) = function.program.required_threads
            && required != [block.x, block.y, block.z]
        {
            return refuse(format!("block {block}, and the kernel requires {required:?}"));
        }
        let allowed = function.max_dynamic.load(Relaxed);
        if *dynamic > allowed {
            return refuse(format!(
                "{dynamic} bytes of dynamic shared memory, at most {allowed} \
                 (CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)"
            ));
        }
        Ok(())
    }
}

impl Kernel {
    /// # Errors
    /// CUDA_ERROR_INVALID_HANDLE where the module is gone.
    pub fn check(&self, _: &Driver) -> Answer {
        self.module().map(|_| ())
    }

    fn module(&self) -> Answer<Arc<Loaded>> {
        match self.module.upgrade() {
            Some(module) => Ok(module),
            None => {
                let name = &self.program.name;
                fail(Code::INVALID_HANDLE, format!("the module of `{name}` was unloaded"))
            }
        }
    }

    /// Runs to the end. What is found fails the launch and the context, with the code that hardware
    /// would give.
    ///
    /// # Errors
    /// As [`Kernel::check`]; CUDA_ERROR_INVALID_VALUE for a launch that is impossible; the code of the
    /// first finding that ends a kernel, else CUDA_ERROR_LAUNCH_FAILED.
    pub fn run(&self, driver: &Driver, context: &Context) -> Answer {
        let _module = self.module()?;
        let Self { program, grid, block, dynamic, params, .. } = self;
        let result = {
            let _work = driver.engine();
            driver.gpu.launch_program(program, *grid, *block, *dynamic, params.clone())
        };
        let (report, failed) = match result {
            Ok(report) => (report, false),
            Err(LaunchError::Found(report)) => (*report, true),
            Err(error @ LaunchError::Invalid { .. }) => {
                return fail(Code::INVALID_VALUE, error.to_string());
            }
        };
        let code = verdict(&report, failed);
        driver.journal.launch(report);
        match code {
            None => Ok(()),
            Some(code) => {
                context.fail(code);
                Err(code.into())
            }
        }
    }
}

/// The code that a launch ends with; `None` for success.
fn verdict(report: &Report, failed: bool) -> Option<Code> {
    use FindingKind::*;
    let fatal = report.findings.iter().map(|finding| finding.kind).find(|kind| kind.is_fatal());
    match fatal {
        Some(OutOfBounds | UseAfterFree) => Some(Code::ILLEGAL_ADDRESS),
        Some(Misaligned) => Some(Code::MISALIGNED_ADDRESS),
        Some(Assert) => Some(Code::ASSERT),
        Some(Watchdog) => Some(Code::LAUNCH_TIMEOUT),
        Some(_) => Some(Code::LAUNCH_FAILED),
        None if failed => Some(Code::LAUNCH_FAILED),
        None => None,
    }
}

/// CU_LAUNCH_PARAM_…: what the elements of `extra` are.
const EXTRA_END: usize = 0;
const EXTRA_POINTER: usize = 1;
const EXTRA_SIZE: usize = 2;
/// Of a type of CUDA's, in bytes; structs end at a multiple of their largest member's.
const LARGEST_ALIGNMENT: usize = 16;

/// The parameter block, from pointers to the single parameters or from a ready buffer.
///
/// # Errors
/// CUDA_ERROR_INVALID_VALUE.
///
/// # Safety
/// `params` is null or leads to one pointer per parameter, each null or to a value of the parameter's
/// size; `extra` is null or a list of cuLaunchKernel's form.
unsafe fn gather(
    program: &Program,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Answer<Vec<u8>> {
    let mut block = vec![0; program.param_bytes];
    let name = &program.name;
    if !params.is_null() && !extra.is_null() {
        return fail(Code::INVALID_VALUE, "both kernelParams and extra are given");
    }
    if !extra.is_null() {
        // SAFETY: as the caller vouches.
        let (buffer, given) = unsafe { extra_buffer(extra) }?;
        let wanted = block.len();
        // A C struct of the arguments may end with padding.
        if !(wanted..=wanted.next_multiple_of(LARGEST_ALIGNMENT)).contains(&given) {
            let why = format!("`{name}` takes {wanted} bytes of arguments, {given} given");
            return fail(Code::INVALID_VALUE, why);
        }
        if wanted > 0 {
            if buffer.is_null() {
                return fail(Code::INVALID_VALUE, "extra lacks the buffer");
            }
            // SAFETY: not null, and the caller vouches for at least `wanted` bytes.
            unsafe { std::ptr::copy_nonoverlapping(buffer, block.as_mut_ptr(), wanted) };
        }
        return Ok(block);
    }
    if params.is_null() && !program.params.is_empty() {
        let count = program.params.len();
        return fail(Code::INVALID_VALUE, format!("`{name}` takes {count} arguments, none given"));
    }
    for (at, param) in program.params.iter().enumerate() {
        // SAFETY: as the caller vouches, one pointer per parameter.
        let value = unsafe { params.add(at).read() };
        let room = block.get_mut(param.offset..).and_then(|rest| rest.get_mut(..param.bytes));
        let Some(room) = room.filter(|_| !value.is_null()) else {
            return fail(Code::INVALID_VALUE, format!("argument {at} of `{name}` is null"));
        };
        // SAFETY: not null, and the caller vouches for the parameter's size.
        unsafe { std::ptr::copy_nonoverlapping(value.cast(), room.as_mut_ptr(), room.len()) };
    }
    Ok(block)
}

/// The buffer and its size in bytes.
///
/// # Safety
/// `extra` is a list of cuLaunchKernel's form: names and pointers by turns, ended by 0.
unsafe fn extra_buffer(extra: *mut *mut c_void) -> Answer<(*const u8, usize)> {
    let (mut pointer, mut size) = (std::ptr::null::<u8>(), None);
    // Two entries and the end.
    for at in 0..3 {
        // SAFETY: the list goes on until its end is met.
        match unsafe { extra.add(2 * at).read() }.addr() {
            EXTRA_END => break,
            // SAFETY: a value follows each name.
            EXTRA_POINTER => pointer = unsafe { extra.add(2 * at + 1).read() }.cast(),
            // SAFETY: a value follows each name, here a pointer to the size.
            EXTRA_SIZE => size = unsafe { extra.add(2 * at + 1).read().cast::<usize>().as_ref() },
            other => return fail(Code::INVALID_VALUE, format!("unknown entry {other} in extra")),
        }
    }
    match size {
        Some(size) => Ok((pointer, *size)),
        None => fail(Code::INVALID_VALUE, "extra lacks the buffer's size"),
    }
}

/// # Safety
/// As [`gather`].
unsafe fn launch(
    function: Handle,
    shape: Shape,
    stream: Handle,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Answer {
    let (driver, context) = ready()?;
    let function = driver.functions.get(function)?;
    if function.context != context.id {
        return fail(Code::INVALID_HANDLE, "the function belongs to another context");
    }
    shape.check(driver, &function)?;
    // SAFETY: as the caller vouches.
    let params = unsafe { gather(&function.program, params, extra) }?;
    let kernel = Kernel {
        module: function.module.clone(),
        program: function.program.clone(),
        grid: shape.grid,
        block: shape.block,
        dynamic: shape.dynamic,
        params,
    };
    submit(driver, &context, stream, Op::Kernel(kernel))
}

/// Launches. The kernel runs to its end before this returns, so that its failure is this call's result
/// (and every later call's).
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)] // The API's.
pub unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    dynamic: c_uint,
    stream: Handle,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> CUresult {
    answer("cuLaunchKernel", || {
        let grid = Dim3::new(grid_x, grid_y, grid_z);
        let block = Dim3::new(block_x, block_y, block_z);
        // SAFETY: the API's caller vouches for the arguments.
        unsafe { launch(function, Shape { grid, block, dynamic }, stream, params, extra) }
    })
}

/// Whether a launch attribute asks for what happens anyhow.
fn is_default(attribute: &LaunchAttribute) -> bool {
    let words = attribute.value;
    let first = words[0] as u32;
    match attribute.id {
        // Ignored; how the host waits; priority; memory domains; carve-out.
        0 | 3 | 8 | 9 | 10 | 14 => true,
        // Cooperative; programmatic serialisation: off.
        2 | 6 => first == 0,
        // Cluster of one block.
        4 | 11 => {
            let size = [first, (words[0] >> 32) as u32, words[1] as u32];
            size.iter().all(|size| *size <= 1)
        }
        5 => true,
        // Device-updatable node: off.
        13 => first == 0,
        _ => false,
    }
}

/// As [`cuLaunchKernel`]; attributes that ask for more are CUDA_ERROR_NOT_SUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernelEx(
    config: *const LaunchConfig,
    function: Handle,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> CUresult {
    answer("cuLaunchKernelEx", || {
        // SAFETY: null or what the API's caller vouches for.
        let Some(config) = (unsafe { config.as_ref() }) else {
            return Err(Code::INVALID_VALUE.into());
        };
        for at in 0..config.attribute_count as usize {
            if config.attributes.is_null() {
                return Err(Code::INVALID_VALUE.into());
            }
            // SAFETY: the API's caller vouches for that many attributes.
            let attribute = unsafe { config.attributes.add(at).read() };
            if !is_default(&attribute) {
                let why = format!("launch attribute {} with this value", attribute.id);
                return fail(Code::NOT_SUPPORTED, why);
            }
        }
        let ([x, y, z], [bx, by, bz]) = (config.grid, config.block);
        let shape = Shape {
            grid: Dim3::new(x, y, z),
            block: Dim3::new(bx, by, bz),
            dynamic: config.shared,
        };
        // SAFETY: the API's caller vouches for the arguments.
        unsafe { launch(function, shape, config.stream, params, extra) }
    })
}
