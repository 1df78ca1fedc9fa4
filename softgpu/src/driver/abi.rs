//! Types of the Driver API's C interface, 64-bit Linux.

use std::ffi::{c_int, c_uint, c_void};

/// What every call returns: a number of [`Code`](super::error::Code).
pub type CUresult = u32;
/// Ordinal of a device.
pub type CUdevice = c_int;
/// A device address.
pub type CUdeviceptr = u64;
/// A context, stream, event, module, …: a number of ours in a pointer's clothes, never dereferenced.
pub type Handle = *mut c_void;

/// The number in a handle.
pub fn number(handle: Handle) -> u64 {
    handle.addr() as u64
}

/// A handle with that number in it.
pub fn handle(number: u64) -> Handle {
    std::ptr::without_provenance_mut(number as usize)
}

/// Runs in stream order on the host.
pub type HostFn = unsafe extern "C" fn(*mut c_void);
/// The older form of [`HostFn`]: stream, status, data.
pub type StreamCallback = unsafe extern "C" fn(Handle, CUresult, *mut c_void);
/// Dynamic shared memory as a function of the block size.
pub type BlockToShared = unsafe extern "C" fn(c_int) -> usize;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Uuid {
    pub bytes: [u8; 16],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DeviceProperties {
    pub max_threads_per_block: c_int,
    pub max_threads_dim: [c_int; 3],
    pub max_grid_size: [c_int; 3],
    pub shared_per_block: c_int,
    pub constant_memory: c_int,
    pub simd_width: c_int,
    pub pitch: c_int,
    pub registers_per_block: c_int,
    pub clock_rate: c_int,
    pub texture_align: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Memcpy2D {
    pub src_x: usize,
    pub src_y: usize,
    pub src_type: c_uint,
    pub src_host: *const c_void,
    pub src_device: CUdeviceptr,
    pub src_array: Handle,
    pub src_pitch: usize,
    pub dst_x: usize,
    pub dst_y: usize,
    pub dst_type: c_uint,
    pub dst_host: *mut c_void,
    pub dst_device: CUdeviceptr,
    pub dst_array: Handle,
    pub dst_pitch: usize,
    pub width: usize,
    pub height: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LaunchAttribute {
    pub id: c_uint,
    pub pad: [u8; 4],
    /// A union of 64 bytes; what its bytes mean depends on `id`.
    pub value: [u64; 8],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LaunchConfig {
    pub grid: [c_uint; 3],
    pub block: [c_uint; 3],
    pub shared: c_uint,
    pub stream: Handle,
    pub attributes: *mut LaunchAttribute,
    pub attribute_count: c_uint,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MemLocation {
    pub kind: c_uint,
    pub id: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PoolProperties {
    pub alloc_type: c_uint,
    pub handle_types: c_uint,
    pub location: MemLocation,
    pub security: *mut c_void,
    pub max_size: usize,
    pub usage: u16,
    pub reserved: [u8; 54],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct InstantiateParams {
    pub flags: u64,
    pub upload_stream: Handle,
    pub error_node: Handle,
    pub result: c_uint,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct UpdateResult {
    pub result: c_uint,
    pub error_node: Handle,
    pub error_from_node: Handle,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ContextParams {
    pub affinity: *mut c_void,
    pub affinity_count: c_int,
    pub cig: *mut c_void,
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use cudarc::driver::sys;

    use super::*;

    #[test]
    fn layouts_are_those_of_the_public_headers() {
        assert_eq!(size_of::<Uuid>(), size_of::<sys::CUuuid>());
        assert_eq!(size_of::<DeviceProperties>(), size_of::<sys::CUdevprop>());
        assert_eq!(size_of::<Memcpy2D>(), size_of::<sys::CUDA_MEMCPY2D>());
        assert_eq!(offset_of!(Memcpy2D, dst_host), offset_of!(sys::CUDA_MEMCPY2D, dstHost));
        assert_eq!(offset_of!(Memcpy2D, height), offset_of!(sys::CUDA_MEMCPY2D, Height));
        assert_eq!(size_of::<LaunchAttribute>(), size_of::<sys::CUlaunchAttribute>());
        assert_eq!(offset_of!(LaunchAttribute, value), offset_of!(sys::CUlaunchAttribute, value));
        assert_eq!(size_of::<LaunchConfig>(), size_of::<sys::CUlaunchConfig>());
        assert_eq!(offset_of!(LaunchConfig, stream), offset_of!(sys::CUlaunchConfig, hStream));
        assert_eq!(size_of::<MemLocation>(), size_of::<sys::CUmemLocation>());
        assert_eq!(size_of::<PoolProperties>(), size_of::<sys::CUmemPoolProps>());
        assert_eq!(offset_of!(PoolProperties, max_size), offset_of!(sys::CUmemPoolProps, maxSize));
        let (ours, theirs) =
            (size_of::<InstantiateParams>(), size_of::<sys::CUDA_GRAPH_INSTANTIATE_PARAMS>());
        assert_eq!(ours, theirs);
        assert_eq!(size_of::<UpdateResult>(), size_of::<sys::CUgraphExecUpdateResultInfo>());
        assert_eq!(size_of::<ContextParams>(), size_of::<sys::CUctxCreateParams>());
    }
}
