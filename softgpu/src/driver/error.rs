//! Result codes of the Driver API, and the way from a Rust result to one.

use std::ffi::c_char;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::abi::CUresult;
use crate::error::LoadError;
use crate::memory::MemoryError;

/// A result code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

macro_rules! codes {
    ($($number:literal $name:ident $text:literal)*) => {
        // The whole list, also what nothing here gives.
        #[allow(dead_code)]
        impl Code {
            $(pub const $name: Code = Code($number);)*
        }
        /// Number, name and description of every code, both with a NUL behind them.
        const CODES: &[(u32, &str, &str)] = &[
            (0, "CUDA_SUCCESS\0", "no error\0"),
            $(($number, concat!("CUDA_ERROR_", stringify!($name), "\0"), concat!($text, "\0")),)*
        ];
    };
}

codes! {
    1 INVALID_VALUE "invalid argument"
    2 OUT_OF_MEMORY "out of memory"
    3 NOT_INITIALIZED "the driver is not initialised"
    4 DEINITIALIZED "the driver is shutting down"
    5 PROFILER_DISABLED "the profiler is disabled"
    6 PROFILER_NOT_INITIALIZED "the profiler is not initialised"
    7 PROFILER_ALREADY_STARTED "the profiler is running already"
    8 PROFILER_ALREADY_STOPPED "the profiler is not running"
    34 STUB_LIBRARY "the loaded driver is a stub"
    46 DEVICE_UNAVAILABLE "the device is not available"
    100 NO_DEVICE "no device"
    101 INVALID_DEVICE "no device of this ordinal"
    102 DEVICE_NOT_LICENSED "the device is not licensed"
    200 INVALID_IMAGE "the module image is invalid"
    201 INVALID_CONTEXT "no context is current, or the context is invalid"
    202 CONTEXT_ALREADY_CURRENT "the context is current already"
    205 MAP_FAILED "mapping failed"
    206 UNMAP_FAILED "unmapping failed"
    207 ARRAY_IS_MAPPED "the array is mapped"
    208 ALREADY_MAPPED "the resource is mapped already"
    209 NO_BINARY_FOR_GPU "the image holds no code for this device"
    210 ALREADY_ACQUIRED "the resource is acquired already"
    211 NOT_MAPPED "the resource is not mapped"
    212 NOT_MAPPED_AS_ARRAY "the resource is not mapped as an array"
    213 NOT_MAPPED_AS_POINTER "the resource is not mapped as a pointer"
    214 ECC_UNCORRECTABLE "uncorrectable memory error"
    215 UNSUPPORTED_LIMIT "the device has no such limit"
    216 CONTEXT_ALREADY_IN_USE "another thread uses the context"
    217 PEER_ACCESS_UNSUPPORTED "these devices cannot reach each other's memory"
    218 INVALID_PTX "the PTX does not compile"
    219 INVALID_GRAPHICS_CONTEXT "invalid graphics context"
    220 NVLINK_UNCORRECTABLE "uncorrectable link error"
    221 JIT_COMPILER_NOT_FOUND "no PTX compiler"
    222 UNSUPPORTED_PTX_VERSION "the PTX is of a newer version"
    223 JIT_COMPILATION_DISABLED "compiling PTX is disabled"
    224 UNSUPPORTED_EXEC_AFFINITY "the device has no such execution affinity"
    225 UNSUPPORTED_DEVSIDE_SYNC "the code synchronises on the device in an unsupported way"
    226 CONTAINED "an error was contained"
    300 INVALID_SOURCE "the kernel source is invalid"
    301 FILE_NOT_FOUND "file not found"
    302 SHARED_OBJECT_SYMBOL_NOT_FOUND "a shared object lacks a symbol"
    303 SHARED_OBJECT_INIT_FAILED "a shared object did not initialise"
    304 OPERATING_SYSTEM "a call of the operating system failed"
    400 INVALID_HANDLE "invalid handle"
    401 ILLEGAL_STATE "the object is in a state that does not allow this"
    402 LOSSY_QUERY "the answer would lose information"
    500 NOT_FOUND "named symbol not found"
    600 NOT_READY "not finished yet"
    700 ILLEGAL_ADDRESS "a kernel accessed an illegal address"
    701 LAUNCH_OUT_OF_RESOURCES "the launch needs more than the device has"
    702 LAUNCH_TIMEOUT "the kernel ran too long"
    703 LAUNCH_INCOMPATIBLE_TEXTURING "incompatible texturing"
    704 PEER_ACCESS_ALREADY_ENABLED "peer access is enabled already"
    705 PEER_ACCESS_NOT_ENABLED "peer access is not enabled"
    708 PRIMARY_CONTEXT_ACTIVE "the primary context is active"
    709 CONTEXT_IS_DESTROYED "the context was destroyed"
    710 ASSERT "a device-side assert failed"
    711 TOO_MANY_PEERS "too many peers"
    712 HOST_MEMORY_ALREADY_REGISTERED "the host memory is registered already"
    713 HOST_MEMORY_NOT_REGISTERED "the host memory is not registered"
    714 HARDWARE_STACK_ERROR "hardware stack error"
    715 ILLEGAL_INSTRUCTION "illegal instruction"
    716 MISALIGNED_ADDRESS "a kernel accessed a misaligned address"
    717 INVALID_ADDRESS_SPACE "an instruction met an address of the wrong space"
    718 INVALID_PC "invalid program counter"
    719 LAUNCH_FAILED "a kernel failed"
    720 COOPERATIVE_LAUNCH_TOO_LARGE "too many blocks for a cooperative launch"
    721 TENSOR_MEMORY_LEAK "tensor memory was not freed"
    800 NOT_PERMITTED "not permitted"
    801 NOT_SUPPORTED "not supported"
    802 SYSTEM_NOT_READY "the system is not ready"
    803 SYSTEM_DRIVER_MISMATCH "driver versions differ"
    804 COMPAT_NOT_SUPPORTED_ON_DEVICE "no forward compatibility on this device"
    805 MPS_CONNECTION_FAILED "no connection to the MPS server"
    806 MPS_RPC_FAILURE "a call to the MPS server failed"
    807 MPS_SERVER_NOT_READY "the MPS server is not ready"
    808 MPS_MAX_CLIENTS_REACHED "too many MPS clients"
    809 MPS_MAX_CONNECTIONS_REACHED "too many MPS connections"
    810 MPS_CLIENT_TERMINATED "the MPS server ended this client"
    811 CDP_NOT_SUPPORTED "no dynamic parallelism"
    812 CDP_VERSION_MISMATCH "versions of dynamic parallelism differ"
    900 STREAM_CAPTURE_UNSUPPORTED "not permitted while a stream is capturing"
    901 STREAM_CAPTURE_INVALIDATED "an earlier error invalidated the capture"
    902 STREAM_CAPTURE_MERGE "would merge two captures"
    903 STREAM_CAPTURE_UNMATCHED "the capture was not begun in this stream"
    904 STREAM_CAPTURE_UNJOINED "a stream that joined the capture was not joined back"
    905 STREAM_CAPTURE_ISOLATION "would make the capture depend on work outside of it"
    906 STREAM_CAPTURE_IMPLICIT "would make the capture depend on the legacy stream"
    907 CAPTURED_EVENT "the event was last recorded in a capture"
    908 STREAM_CAPTURE_WRONG_THREAD "another thread began the capture"
    909 TIMEOUT "timeout"
    910 GRAPH_EXEC_UPDATE_FAILURE "the graph differs too much for an update"
    911 EXTERNAL_DEVICE "an external device failed"
    912 INVALID_CLUSTER_SIZE "invalid cluster size"
    913 FUNCTION_NOT_LOADED "the function is not loaded"
    914 INVALID_RESOURCE_TYPE "invalid resource type"
    915 INVALID_RESOURCE_CONFIGURATION "invalid resource configuration"
    916 KEY_ROTATION "key rotation"
    999 UNKNOWN "unknown error"
}

impl Code {
    fn entry(self) -> Option<&'static (u32, &'static str, &'static str)> {
        CODES.iter().find(|(number, ..)| *number == self.0)
    }

    /// `CUDA_ERROR_…`.
    pub fn name(self) -> &'static str {
        self.entry().map_or("unknown code", |(_, name, _)| name.trim_end_matches('\0'))
    }
}

/// Why a call fails: the code its caller gets and, where the code alone says too little, a line for
/// stderr.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: Code,
    pub why: Option<String>,
}

pub type Answer<T = ()> = Result<T, Failure>;

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self { code, why: None }
    }
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        let code = match error {
            MemoryError::OutOfMemory { .. } => Code::OUT_OF_MEMORY,
            _ => Code::INVALID_VALUE,
        };
        Self { code, why: Some(error.to_string()) }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let code = match error {
            LoadError::Image { .. } => Code::INVALID_IMAGE,
            LoadError::Memory { .. } => Code::OUT_OF_MEMORY,
            _ => Code::INVALID_PTX,
        };
        Self { code, why: Some(error.to_string()) }
    }
}

/// An `Err` with an explanation.
pub fn fail<T>(code: Code, why: impl Into<String>) -> Answer<T> {
    Err(Failure { code, why: Some(why.into()) })
}

/// A line on stderr. A stderr that is closed must not end the program, as `eprintln!` would.
pub fn say(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "softgpu: {text}");
}

/// The end of every call: explanation to stderr, code to the caller. A panic of ours must not unwind
/// into C; it becomes CUDA_ERROR_UNKNOWN.
pub fn answer(call: &str, body: impl FnOnce() -> Answer) -> CUresult {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        fail(Code::UNKNOWN, "softgpu panicked: a defect of softgpu, please report it")
    });
    match result {
        Ok(()) => 0,
        Err(Failure { code, why }) => {
            if let Some(why) = why {
                say(format_args!("{call}: {}: {why}", code.name()));
            }
            code.0
        }
    }
}

/// Writes an output argument.
///
/// # Errors
/// CUDA_ERROR_INVALID_VALUE for null.
///
/// # Safety
/// `to` is null or points to room for a `T`.
pub unsafe fn put<T>(to: *mut T, value: T) -> Answer {
    if to.is_null() {
        return fail(Code::INVALID_VALUE, "an output pointer is null");
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes an output argument that the caller may leave out.
///
/// # Safety
/// As [`put`].
pub unsafe fn put_if<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: not null, and the caller vouches for the rest.
        unsafe { to.write(value) };
    }
}

/// Writes one text of a code's entry. Not through [`answer`]: asking for an error's name says nothing
/// itself.
///
/// # Safety
/// As [`put`].
unsafe fn put_text(
    error: CUresult,
    to: *mut *const c_char,
    pick: fn(&(u32, &'static str, &'static str)) -> &'static str,
) -> CUresult {
    if to.is_null() {
        return Code::INVALID_VALUE.0;
    }
    let entry = Code(error).entry();
    let text = entry.map_or(std::ptr::null(), |entry| pick(entry).as_ptr().cast());
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { to.write(text) };
    if entry.is_some() { 0 } else { Code::INVALID_VALUE.0 }
}

/// Name of a code; null and CUDA_ERROR_INVALID_VALUE for an unknown one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(error: CUresult, name: *mut *const c_char) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    unsafe { put_text(error, name, |entry| entry.1) }
}

/// Description of a code; null and CUDA_ERROR_INVALID_VALUE for an unknown one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(error: CUresult, text: *mut *const c_char) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    unsafe { put_text(error, text, |entry| entry.2) }
}
