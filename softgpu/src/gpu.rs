//! The device as a Rust program uses it: memory, modules, launches. The Driver API is built on this.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytemuck::Pod;

use crate::error::LoadError;
use crate::exec::program::Program;
use crate::launch::{Arg, Dim3, LaunchError, Report};
use crate::memory::{Kind, Memory, MemoryError};
use crate::properties::Properties;
use crate::sanitizer::Checks;

/// A device address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DevicePtr(pub u64);

impl DevicePtr {
    /// The address `bytes` further on.
    pub fn byte_add(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

/// How a device behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Orders blocks and warps; launch `n` of a device uses a seed made of this and `n`.
    pub seed: u64,
    /// Threads that run blocks; 0 for one per core. With one, a seed repeats a run exactly.
    pub workers: usize,
    pub checks: Checks,
    /// Findings make a launch fail. If not, they are only reported.
    pub fail_on_findings: bool,
    /// Most instructions a thread may execute; 0 for no limit.
    pub watchdog: u64,
    /// Moves results of approximate functions away from the accurate one by up to this share of the
    /// error bound that the PTX manual states; 0 for none.
    pub perturb: f32,
    pub properties: Properties,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            workers: 0,
            checks: Checks::ALL,
            fail_on_findings: true,
            watchdog: 2_000_000_000,
            perturb: 0.0,
            properties: Properties::default(),
        }
    }
}

/// A module-scope variable on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub address: DevicePtr,
    pub bytes: usize,
}

/// A loaded module. Its variables live on the device until it is dropped.
pub struct Module {
    pub(crate) memory: Arc<Memory>,
    pub(crate) kernels: HashMap<String, Arc<Program>>,
    pub(crate) symbols: HashMap<String, Symbol>,
}

impl Module {
    /// The kernel of that name.
    pub fn kernel(&self, name: &str) -> Option<Arc<Program>> {
        self.kernels.get(name).cloned()
    }

    /// Names of the kernels, sorted.
    pub fn kernel_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.kernels.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// A `.global` or `.const` variable.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        for symbol in self.symbols.values() {
            // A variable was allocated by the loader and is freed only here.
            let _ = self.memory.free(symbol.address.0);
        }
    }
}

/// One software device.
pub struct Gpu {
    pub options: Options,
    pub(crate) memory: Arc<Memory>,
    launches: AtomicU64,
}

impl Gpu {
    pub fn new(options: Options) -> Self {
        let memory = Arc::new(Memory::new(options.properties.memory_bytes));
        Self { options, memory, launches: AtomicU64::new(0) }
    }

    /// The device's memory: allocate, free, place, info.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Allocates `bytes` that nobody has written yet.
    ///
    /// # Errors
    /// [`MemoryError::Empty`], [`MemoryError::OutOfMemory`].
    pub fn alloc(&self, bytes: usize) -> Result<DevicePtr, MemoryError> {
        Ok(DevicePtr(self.memory.allocate(bytes, Kind::Device)?.base))
    }

    /// Frees what [`Gpu::alloc`] gave.
    ///
    /// # Errors
    /// [`MemoryError::DoubleFree`], [`MemoryError::NotAllocated`].
    pub fn free(&self, address: DevicePtr) -> Result<(), MemoryError> {
        self.memory.free(address.0)
    }

    /// Copies to the device.
    ///
    /// # Errors
    /// [`MemoryError::OutOfBounds`].
    pub fn write<T: Pod>(&self, to: DevicePtr, data: &[T]) -> Result<(), MemoryError> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let (allocation, offset) = self.memory.range(to.0, bytes.len())?;
        allocation.write(offset, bytes);
        Ok(())
    }

    /// Copies from the device. Bytes never written arrive as 0xFF.
    ///
    /// # Errors
    /// [`MemoryError::OutOfBounds`].
    pub fn read<T: Pod>(&self, from: DevicePtr, out: &mut [T]) -> Result<(), MemoryError> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
        let (allocation, offset) = self.memory.range(from.0, bytes.len())?;
        allocation.read(offset, bytes);
        Ok(())
    }

    /// Allocates room for `data` and copies it there.
    ///
    /// # Errors
    /// As [`Gpu::alloc`].
    pub fn upload<T: Pod>(&self, data: &[T]) -> Result<DevicePtr, MemoryError> {
        let address = self.alloc(size_of_val(data))?;
        self.write(address, data)?;
        Ok(address)
    }

    /// Copies `count` elements from the device.
    ///
    /// # Errors
    /// [`MemoryError::OutOfBounds`].
    pub fn download<T: Pod>(&self, from: DevicePtr, count: usize) -> Result<Vec<T>, MemoryError> {
        let mut out = vec![T::zeroed(); count];
        self.read(from, &mut out)?;
        Ok(out)
    }

    /// Loads PTX text: every instruction of every kernel is understood, or nothing loads.
    ///
    /// # Errors
    /// [`LoadError`] with the line that is wrong or not supported.
    pub fn load_ptx(&self, text: &str) -> Result<Module, LoadError> {
        crate::lower::load(&self.memory, text)
    }

    /// Runs a kernel to its end.
    ///
    /// # Errors
    /// [`LaunchError::Invalid`] before it starts, [`LaunchError::Found`] when the sanitizer found
    /// something.
    pub fn launch(
        &self,
        module: &Module,
        kernel: &str,
        grid: Dim3,
        block: Dim3,
        dynamic_shared: u32,
        args: &[Arg],
    ) -> Result<Report, LaunchError> {
        let invalid = |what: String| LaunchError::Invalid { kernel: kernel.to_owned(), what };
        let program = module.kernel(kernel).ok_or_else(|| {
            invalid(format!("the module has no such kernel; it has {:?}", module.kernel_names()))
        })?;
        if args.len() != program.params.len() {
            let (given, wanted) = (args.len(), program.params.len());
            return Err(invalid(format!("{given} arguments given, {wanted} wanted")));
        }
        let mut block_of_params = vec![0; program.param_bytes];
        for (arg, param) in args.iter().zip(&program.params) {
            if arg.0.len() != param.bytes {
                let given = arg.0.len();
                let what =
                    format!("argument {} is {given} bytes, wanted {}", param.name, param.bytes);
                return Err(invalid(what));
            }
            block_of_params[param.offset..][..param.bytes].copy_from_slice(&arg.0);
        }
        self.launch_program(&program, grid, block, dynamic_shared, block_of_params)
    }

    /// Runs a kernel whose parameters are already one block of bytes, laid out as
    /// [`Program::params`] says.
    ///
    /// # Errors
    /// As [`Gpu::launch`].
    pub fn launch_program(
        &self,
        program: &Arc<Program>,
        grid: Dim3,
        block: Dim3,
        dynamic_shared: u32,
        params: Vec<u8>,
    ) -> Result<Report, LaunchError> {
        let number = self.launches.fetch_add(1, Relaxed);
        let seed = self.options.seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let geometry = crate::exec::grid::Geometry { grid, block, dynamic_shared };
        crate::exec::grid::run(&self.memory, &self.options, program, geometry, params, seed)
    }
}
