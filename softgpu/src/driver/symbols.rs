//! Finding calls by name, for programs that do not link.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use super::abi::{CUresult, Uuid};
use super::error::{Answer, Code, answer, put, put_if};
use super::unsupported::unsupported;
use super::{
    capture::*, context::*, error::*, event::*, function::*, graph::*, init::*, launch::*,
    library::*, memory::*, module::*, pointer::*, pool::*, stream::*, transfer::*,
};

macro_rules! supported {
    ($($name:ident)*) => {
        /// Names and addresses of the calls that do something.
        fn supported() -> Vec<(&'static str, *const ())> {
            vec![$((stringify!($name), $name as *const ())),*]
        }
    };
}

supported! {
    cuCtxCreate_v2 cuCtxCreate_v4 cuCtxDestroy_v2 cuCtxGetApiVersion cuCtxGetCacheConfig
    cuCtxGetCurrent cuCtxGetDevice cuCtxGetFlags cuCtxGetId cuCtxGetLimit
    cuCtxGetStreamPriorityRange cuCtxPopCurrent_v2 cuCtxPushCurrent_v2 cuCtxSetCacheConfig
    cuCtxSetCurrent cuCtxSetFlags cuCtxSetLimit cuCtxSynchronize cuDeviceCanAccessPeer
    cuDeviceComputeCapability cuDeviceGet cuDeviceGetAttribute cuDeviceGetByPCIBusId
    cuDeviceGetCount cuDeviceGetDefaultMemPool cuDeviceGetMemPool cuDeviceGetName
    cuDeviceGetPCIBusId cuDeviceGetProperties cuDeviceGetUuid cuDeviceGetUuid_v2
    cuDevicePrimaryCtxGetState cuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2
    cuDevicePrimaryCtxReset cuDevicePrimaryCtxReset_v2 cuDevicePrimaryCtxRetain
    cuDevicePrimaryCtxSetFlags_v2 cuDeviceSetMemPool cuDeviceTotalMem_v2 cuDriverGetVersion
    cuEventCreate cuEventDestroy_v2 cuEventElapsedTime cuEventElapsedTime_v2 cuEventQuery
    cuEventRecord cuEventRecordWithFlags cuEventSynchronize cuFuncGetAttribute cuFuncGetModule
    cuFuncGetName cuFuncGetParamInfo cuFuncIsLoaded cuFuncLoad cuFuncSetAttribute
    cuFuncSetCacheConfig cuGetErrorName cuGetErrorString cuGetExportTable cuGetProcAddress
    cuGetProcAddress_v2 cuGraphDestroy cuGraphExecDestroy cuGraphExecGetFlags cuGraphExecUpdate_v2
    cuGraphGetNodes cuGraphGetRootNodes cuGraphInstantiateWithFlags cuGraphInstantiateWithParams
    cuGraphLaunch cuGraphNodeGetType cuGraphUpload cuInit cuKernelGetAttribute cuKernelGetFunction
    cuKernelGetName cuKernelGetParamInfo cuKernelSetAttribute cuKernelSetCacheConfig
    cuLaunchHostFunc cuLaunchKernel cuLaunchKernelEx cuLibraryGetGlobal cuLibraryGetKernel
    cuLibraryGetKernelCount cuLibraryGetModule cuLibraryLoadData cuLibraryLoadFromFile
    cuLibraryUnload cuMemAdvise_v2 cuMemAllocAsync cuMemAllocFromPoolAsync cuMemAllocHost_v2
    cuMemAllocManaged cuMemAllocPitch_v2 cuMemAlloc_v2 cuMemFreeAsync cuMemFreeHost cuMemFree_v2
    cuMemGetAddressRange_v2 cuMemGetInfo_v2 cuMemHostAlloc cuMemHostGetDevicePointer_v2
    cuMemHostGetFlags cuMemHostRegister_v2 cuMemHostUnregister cuMemPoolCreate cuMemPoolDestroy
    cuMemPoolGetAttribute cuMemPoolSetAttribute cuMemPoolTrimTo cuMemPrefetchAsync_v2 cuMemcpy
    cuMemcpy2DAsync_v2 cuMemcpy2DUnaligned_v2 cuMemcpy2D_v2 cuMemcpyAsync cuMemcpyDtoDAsync_v2
    cuMemcpyDtoD_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2 cuMemcpyHtoD_v2
    cuMemcpyPeer cuMemcpyPeerAsync cuMemsetD16Async cuMemsetD16_v2 cuMemsetD2D16Async
    cuMemsetD2D16_v2 cuMemsetD2D32Async cuMemsetD2D32_v2 cuMemsetD2D8Async cuMemsetD2D8_v2
    cuMemsetD32Async cuMemsetD32_v2 cuMemsetD8Async cuMemsetD8_v2 cuModuleEnumerateFunctions
    cuModuleGetFunction cuModuleGetFunctionCount cuModuleGetGlobal_v2 cuModuleGetLoadingMode
    cuModuleLoad cuModuleLoadData cuModuleLoadDataEx cuModuleLoadFatBinary cuModuleUnload
    cuOccupancyAvailableDynamicSMemPerBlock cuOccupancyMaxActiveBlocksPerMultiprocessor
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags cuOccupancyMaxPotentialBlockSize
    cuOccupancyMaxPotentialBlockSizeWithFlags cuPointerGetAttribute cuPointerGetAttributes
    cuProfilerStart cuProfilerStop cuStreamAddCallback cuStreamAttachMemAsync
    cuStreamBeginCapture_v2 cuStreamCreate cuStreamCreateWithPriority cuStreamDestroy_v2
    cuStreamEndCapture cuStreamGetCaptureInfo_v2 cuStreamGetCaptureInfo_v3 cuStreamGetCtx
    cuStreamGetDevice cuStreamGetFlags cuStreamGetId cuStreamGetPriority cuStreamIsCapturing
    cuStreamQuery cuStreamSynchronize cuStreamWaitEvent cuThreadExchangeStreamCaptureMode
}

/// Addresses by name, as numbers.
fn symbols() -> &'static HashMap<&'static str, usize> {
    static SYMBOLS: OnceLock<HashMap<&str, usize>> = OnceLock::new();
    SYMBOLS.get_or_init(|| {
        let all = supported().into_iter().chain(unsupported());
        all.map(|(name, address)| (name, address.expose_provenance())).collect()
    })
}

/// Names whose meaning changed with a CUDA version: from which version on they mean which symbol,
/// newest first. All others mean their newest symbol.
const CHANGED: &[(&str, c_int, &str)] = &[
    ("cuCtxCreate", 13000, "cuCtxCreate_v4"),
    ("cuCtxCreate", 0, "cuCtxCreate_v2"),
    ("cuCtxGetDevice", 0, "cuCtxGetDevice"),
    ("cuCtxSynchronize", 0, "cuCtxSynchronize"),
    ("cuGetProcAddress", 12000, "cuGetProcAddress_v2"),
    ("cuGetProcAddress", 0, "cuGetProcAddress"),
    ("cuGraphInstantiate", 12000, "cuGraphInstantiateWithFlags"),
    ("cuMemAdvise", 13000, "cuMemAdvise_v2"),
    ("cuMemAdvise", 0, "cuMemAdvise"),
    ("cuMemPrefetchAsync", 13000, "cuMemPrefetchAsync_v2"),
    ("cuMemPrefetchAsync", 0, "cuMemPrefetchAsync"),
    ("cuStreamGetCaptureInfo", 13000, "cuStreamGetCaptureInfo_v3"),
    ("cuStreamGetCaptureInfo", 0, "cuStreamGetCaptureInfo_v2"),
    ("cuStreamGetCtx", 0, "cuStreamGetCtx"),
];

fn resolve(name: &str, version: c_int) -> Option<usize> {
    let changed = CHANGED.iter().find(|(of, since, _)| *of == name && *since <= version);
    if let Some((.., symbol)) = changed {
        return symbols().get(symbol).copied();
    }
    let newest = ["_v4", "_v3", "_v2", ""];
    newest.iter().find_map(|suffix| symbols().get(format!("{name}{suffix}").as_str()).copied())
}

/// # Safety
/// `symbol` is null or leads to a NUL-terminated text; the others are null or writable.
unsafe fn look_up(
    symbol: *const c_char,
    to: *mut *mut c_void,
    version: c_int,
    status: *mut c_uint,
) -> Answer {
    if symbol.is_null() || to.is_null() {
        return Err(Code::INVALID_VALUE.into());
    }
    // SAFETY: not null, and as the caller vouches.
    unsafe {
        let found = CStr::from_ptr(symbol).to_str().ok().and_then(|name| resolve(name, version));
        // CUdriverProcAddressQueryResult: success, symbol not found.
        put_if(status, c_uint::from(found.is_none()));
        put(to, std::ptr::with_exposed_provenance_mut(found.unwrap_or(0)))?;
        found.map(|_| ()).ok_or(Code::NOT_FOUND.into())
    }
}

/// The symbol that a name means in a CUDA version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetProcAddress_v2(
    symbol: *const c_char,
    to: *mut *mut c_void,
    version: c_int,
    _flags: u64,
    status: *mut c_uint,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointers.
    answer("cuGetProcAddress", || unsafe { look_up(symbol, to, version, status) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetProcAddress(
    symbol: *const c_char,
    to: *mut *mut c_void,
    version: c_int,
    _flags: u64,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointers.
    answer("cuGetProcAddress", || unsafe { look_up(symbol, to, version, std::ptr::null_mut()) })
}

/// There are no private tables.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetExportTable(table: *mut *const c_void, _id: *const Uuid) -> CUresult {
    answer("cuGetExportTable", || {
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(table, std::ptr::null())? };
        Err(Code::NOT_SUPPORTED.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_symbol_of_its_version() {
        let at = |name| symbols().get(name).copied();
        assert!(at("cuCtxCreate_v4").is_some());
        assert_eq!(resolve("cuCtxCreate", 13000), at("cuCtxCreate_v4"));
        assert_eq!(resolve("cuCtxCreate", 12080), at("cuCtxCreate_v2"));
        assert_eq!(resolve("cuMemAlloc", 13000), at("cuMemAlloc_v2"));
        assert_eq!(resolve("cuCtxGetDevice", 13000), at("cuCtxGetDevice"));
        assert_eq!(resolve("cuNothing", 13000), None);
    }

    #[test]
    fn no_two_names_share_an_address_unless_their_code_is_the_same() {
        let supported = supported().len();
        assert!(supported > 170, "{supported}");
        assert_eq!(symbols().len(), supported + unsupported().len(), "a name is in both tables");
    }
}
