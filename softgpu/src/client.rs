//! Choosing the software device at run time, and asking it what launches did.
//!
//! The device is a shared library whose SONAME is `libcuda.so`. Loaded before the first CUDA call it
//! answers whoever opens `libcuda.so` later, cudarc among them:
//!
//! ```no_run
//! let device = softgpu::client::SoftwareDevice::load()?;
//! // … cudarc::driver::CudaContext::new(0), launches …
//! for report in device.findings()? {
//!     println!("{report}");
//! }
//! # Ok::<(), softgpu::client::ClientError>(())
//! ```
//!
//! It has to be asked through this client: a program that also links the `softgpu` crate has a second
//! device in it, which knows nothing of what cudarc does.

use std::ffi::{CStr, c_char, c_int};
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, RTLD_NOW};
use serde::de::DeserializeOwned;

use crate::launch::Report;
use crate::sanitizer::Finding;

/// File name of the library as cargo builds it.
const FILE: &str = "libsoftgpu.so";
/// Names under which a driver is loaded.
const DRIVERS: [&str; 2] = ["libcuda.so", "libcuda.so.1"];
/// dlopen's flag for "only if it is loaded already" (dlfcn.h of Linux).
const RTLD_NOLOAD: c_int = 4;

/// Why the software device is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Another driver answers already; it cannot be replaced.
    #[error("{0} is loaded already, and it is not softgpu: load the software device first")]
    RealDriver(&'static str),
    /// No library in the places that were looked at.
    #[error("no {FILE} in {0:?}; build softgpu, or name the file in SOFTGPU_LIBRARY")]
    NotFound(Vec<PathBuf>),
    #[error("{path}: {source}")]
    Open { path: PathBuf, source: libloading::Error },
    /// A library of another version.
    #[error("the library lacks {0}")]
    Symbol(&'static str),
    #[error("the library's answer: {0}")]
    Answer(#[from] serde_json::Error),
    /// A question that makes sense only after cuInit.
    #[error("the driver is not initialised")]
    NotInitialised,
}

type Text = unsafe extern "C" fn(*mut c_char, usize) -> usize;
type TextOf = unsafe extern "C" fn(u64, *mut c_char, usize) -> usize;

/// The loaded library's functions.
#[derive(Clone, Copy, Debug)]
struct Calls {
    version: unsafe extern "C" fn() -> *const c_char,
    last: Text,
    start: unsafe extern "C" fn(c_int) -> u64,
    reports: TextOf,
    stop: unsafe extern "C" fn(u64) -> c_int,
    findings: Text,
    clear: unsafe extern "C" fn(),
}

/// The software device in this process. A copy is the same device.
#[derive(Clone, Copy, Debug)]
pub struct SoftwareDevice {
    calls: Calls,
}

/// Whose launches a [`Collection`] gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the thread that began it.
    Thread,
    /// Those of the whole process.
    Process,
}

/// Reports of launches since it began. Dropping it ends it.
pub struct Collection<'a> {
    device: &'a SoftwareDevice,
    key: u64,
}

impl SoftwareDevice {
    /// Loads the library named by `SOFTGPU_LIBRARY`, else the one beside the executable or in `deps/`
    /// beside it. It stays loaded. A second call finds the first one's.
    ///
    /// # Errors
    /// [`ClientError::RealDriver`], [`ClientError::NotFound`], [`ClientError::Open`],
    /// [`ClientError::Symbol`].
    pub fn load() -> Result<Self, ClientError> {
        let places = match std::env::var_os("SOFTGPU_LIBRARY") {
            Some(path) => vec![PathBuf::from(path)],
            None => candidates(),
        };
        match places.iter().find(|path| path.is_file()) {
            Some(path) => Self::load_from(path),
            None => match loaded()? {
                Some(library) => Self::with(library),
                None => Err(ClientError::NotFound(places)),
            },
        }
    }

    /// Loads the library of that file.
    ///
    /// # Errors
    /// As [`SoftwareDevice::load`].
    pub fn load_from(path: &Path) -> Result<Self, ClientError> {
        if let Some(library) = loaded()? {
            return Self::with(library);
        }
        // SAFETY: the library's initialisers are Rust's own and depend on nothing.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
        Self::with(library.map_err(|source| ClientError::Open { path: path.to_owned(), source })?)
    }

    fn with(library: Library) -> Result<Self, ClientError> {
        // SAFETY: the types are those of the functions in `driver::extensions`.
        let calls = unsafe {
            Calls {
                version: symbol(&library, "softgpu_version")?,
                last: symbol(&library, "softgpu_last_report_json")?,
                start: symbol(&library, "softgpu_reports_start")?,
                reports: symbol(&library, "softgpu_reports_json")?,
                stop: symbol(&library, "softgpu_reports_stop")?,
                findings: symbol(&library, "softgpu_findings_json")?,
                clear: symbol(&library, "softgpu_findings_clear")?,
            }
        };
        // Never unloaded: cudarc keeps pointers into it for the process's life.
        std::mem::forget(library);
        Ok(Self { calls })
    }

    /// Version of the library.
    pub fn version(&self) -> String {
        // SAFETY: the library gives a text that stays.
        let text = unsafe { CStr::from_ptr((self.calls.version)()) };
        text.to_string_lossy().into_owned()
    }

    /// Report of the last launch in the process; `None` before the first.
    ///
    /// # Errors
    /// [`ClientError::Answer`].
    pub fn last_report(&self) -> Result<Option<Report>, ClientError> {
        // SAFETY: the buffer has the room that is said.
        parse(|to, room| unsafe { (self.calls.last)(to, room) })
    }

    /// Everything found since cuInit or [`SoftwareDevice::clear_findings`]; leaks and double frees too.
    ///
    /// # Errors
    /// [`ClientError::Answer`].
    pub fn findings(&self) -> Result<Vec<Finding>, ClientError> {
        // SAFETY: the buffer has the room that is said.
        let found = parse(|to, room| unsafe { (self.calls.findings)(to, room) });
        Ok(found?.unwrap_or_default())
    }

    pub fn clear_findings(&self) {
        // SAFETY: it takes nothing.
        unsafe { (self.calls.clear)() }
    }

    /// Begins to gather the reports of launches.
    ///
    /// # Errors
    /// [`ClientError::NotInitialised`] before cuInit.
    pub fn collect(&self, scope: Scope) -> Result<Collection<'_>, ClientError> {
        // SAFETY: it takes a number.
        let key = unsafe { (self.calls.start)(c_int::from(scope == Scope::Process)) };
        if key == 0 {
            return Err(ClientError::NotInitialised);
        }
        Ok(Collection { device: self, key })
    }
}

impl Collection<'_> {
    /// The reports so far, in the order of the launches.
    ///
    /// # Errors
    /// [`ClientError::Answer`].
    pub fn reports(&self) -> Result<Vec<Report>, ClientError> {
        // SAFETY: the buffer has the room that is said.
        let reports = parse(|to, room| unsafe { (self.device.calls.reports)(self.key, to, room) });
        Ok(reports?.unwrap_or_default())
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        // SAFETY: it takes a number.
        unsafe { (self.device.calls.stop)(self.key) };
    }
}

/// `deps/` beside the executable, where cargo keeps the newest one, beside it, and the same one directory
/// further up, where the executable is a test or an example.
fn candidates() -> Vec<PathBuf> {
    let executable = std::env::current_exe().ok();
    let above = executable.iter().flat_map(|path| path.ancestors().skip(1).take(2));
    above.flat_map(|directory| [directory.join("deps").join(FILE), directory.join(FILE)]).collect()
}

/// The library, if it is loaded under a driver's name.
fn loaded() -> Result<Option<Library>, ClientError> {
    for name in DRIVERS {
        // SAFETY: nothing is loaded, so that no initialiser runs.
        let Ok(library) = (unsafe { Library::open(Some(name), RTLD_LAZY | RTLD_NOLOAD) }) else {
            continue;
        };
        // SAFETY: the symbol is only looked for.
        match unsafe { library.get::<unsafe extern "C" fn()>(b"softgpu_version") } {
            Ok(_) => return Ok(Some(library)),
            Err(_) => return Err(ClientError::RealDriver(name)),
        }
    }
    Ok(None)
}

/// # Safety
/// `T` is the type of the symbol, a function pointer.
unsafe fn symbol<T: Copy>(library: &Library, name: &'static str) -> Result<T, ClientError> {
    // SAFETY: as the caller vouches.
    match unsafe { library.get::<T>(name.as_bytes()) } {
        Ok(found) => Ok(*found),
        Err(_) => Err(ClientError::Symbol(name)),
    }
}

/// Asks for a text until the buffer is large enough (it may have grown meanwhile), and reads it as JSON.
fn parse<T: DeserializeOwned>(
    ask: impl Fn(*mut c_char, usize) -> usize,
) -> Result<Option<T>, ClientError> {
    let mut buffer = Vec::<u8>::new();
    loop {
        let length = ask(buffer.as_mut_ptr().cast(), buffer.len());
        if length == 0 {
            return Ok(None);
        }
        if let Some(text) = buffer.get(..length).filter(|_| length < buffer.len()) {
            return Ok(Some(serde_json::from_slice(text)?));
        }
        buffer = vec![0; length + 1];
    }
}
