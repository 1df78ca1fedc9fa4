//! cuInit, versions, the device and what it says of itself.

use std::ffi::{CStr, c_char, c_int, c_uint};

use super::abi::{CUdevice, CUresult, DeviceProperties, Uuid};
use super::error::{Code, answer, fail, put};
use super::state::{driver, initialise};
use crate::properties::Properties;

/// The CUDA version that this driver stands for.
const VERSION: c_int = 13000;
const PCI_BUS_ID: &CStr = c"0000:00:00.0";
/// Nobody else's: the letters of the name.
const UUID: Uuid = Uuid { bytes: *b"softgpu device 0" };

/// Makes the device, with what the environment says (see [`config`](super::config)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuInit(flags: c_uint) -> CUresult {
    answer("cuInit", || {
        if flags != 0 {
            return fail(Code::INVALID_VALUE, "flags must be 0");
        }
        initialise()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuDriverGetVersion", || unsafe { put(version, VERSION) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut CUdevice, ordinal: c_int) -> CUresult {
    answer("cuDeviceGet", || {
        driver()?.device(ordinal)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(device, ordinal) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> CUresult {
    answer("cuDeviceGetCount", || {
        driver()?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(count, 1) }
    })
}

/// Copies a text with its NUL, cut to `len` bytes.
///
/// # Safety
/// `to` is null or points to `len` bytes.
unsafe fn put_text(to: *mut c_char, len: c_int, text: &str) -> super::error::Answer {
    let room = usize::try_from(len).unwrap_or(0);
    if to.is_null() || room == 0 {
        return fail(Code::INVALID_VALUE, "no room for the text");
    }
    let bytes = text.as_bytes();
    let count = bytes.len().min(room - 1);
    // SAFETY: `count` < `room`, and the caller vouches for `room` bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, count);
        to.add(count).write(0);
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(
    name: *mut c_char,
    len: c_int,
    device: CUdevice,
) -> CUresult {
    answer("cuDeviceGetName", || {
        let driver = driver()?;
        driver.device(device)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put_text(name, len, &driver.gpu.options.properties.name) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: *mut Uuid, device: CUdevice) -> CUresult {
    answer("cuDeviceGetUuid", || {
        driver()?.device(device)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(uuid, UUID) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid(uuid: *mut Uuid, device: CUdevice) -> CUresult {
    // SAFETY: the same contract.
    unsafe { cuDeviceGetUuid_v2(uuid, device) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetPCIBusId(
    id: *mut c_char,
    len: c_int,
    device: CUdevice,
) -> CUresult {
    answer("cuDeviceGetPCIBusId", || {
        driver()?.device(device)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put_text(id, len, &PCI_BUS_ID.to_string_lossy()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetByPCIBusId(
    device: *mut CUdevice,
    id: *const c_char,
) -> CUresult {
    answer("cuDeviceGetByPCIBusId", || {
        driver()?;
        if id.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        // SAFETY: not null; the API's caller vouches for the text.
        if unsafe { CStr::from_ptr(id) } != PCI_BUS_ID {
            return Err(Code::INVALID_DEVICE.into());
        }
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(device, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: CUdevice) -> CUresult {
    answer("cuDeviceTotalMem", || {
        let driver = driver()?;
        driver.device(device)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(bytes, driver.gpu.options.properties.memory_bytes) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceComputeCapability(
    major: *mut c_int,
    minor: *mut c_int,
    device: CUdevice,
) -> CUresult {
    answer("cuDeviceComputeCapability", || {
        let driver = driver()?;
        driver.device(device)?;
        let (high, low) = driver.gpu.options.properties.compute;
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            put(major, clamp(high))?;
            put(minor, clamp(low))
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceCanAccessPeer(
    can: *mut c_int,
    device: CUdevice,
    peer: CUdevice,
) -> CUresult {
    answer("cuDeviceCanAccessPeer", || {
        let driver = driver()?;
        driver.device(device)?;
        driver.device(peer)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(can, 0) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(
    value: *mut c_int,
    attribute: c_uint,
    device: CUdevice,
) -> CUresult {
    answer("cuDeviceGetAttribute", || {
        let driver = driver()?;
        driver.device(device)?;
        if !(1..LAST_ATTRIBUTE).contains(&attribute) {
            return fail(Code::INVALID_VALUE, format!("there is no device attribute {attribute}"));
        }
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(value, device_attribute(&driver.gpu.options.properties, attribute)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetProperties(
    properties: *mut DeviceProperties,
    device: CUdevice,
) -> CUresult {
    answer("cuDeviceGetProperties", || {
        let driver = driver()?;
        driver.device(device)?;
        let of = |attribute| device_attribute(&driver.gpu.options.properties, attribute);
        let all = DeviceProperties {
            max_threads_per_block: of(1),
            max_threads_dim: [of(2), of(3), of(4)],
            max_grid_size: [of(5), of(6), of(7)],
            shared_per_block: of(8),
            constant_memory: of(9),
            simd_width: of(10),
            pitch: of(11),
            registers_per_block: of(12),
            clock_rate: of(13),
            texture_align: of(14),
        };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(properties, all) }
    })
}

fn clamp(value: u32) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

/// CU_DEVICE_ATTRIBUTE_MAX of CUDA 13.0.
const LAST_ATTRIBUTE: u32 = 148;

/// A device attribute (CUdevice_attribute). What the device has not (textures, surfaces, clusters,
/// cooperative launches, virtual memory, peers) is 0. Clocks, bus and cache are those of an H100, so
/// that a program which divides by them gets a number; nothing here runs at that speed.
fn device_attribute(properties: &Properties, attribute: u32) -> c_int {
    let p = properties;
    match attribute {
        1 => clamp(p.max_threads_per_block),
        2 => clamp(p.max_block[0]),
        3 => clamp(p.max_block[1]),
        4 => clamp(p.max_block[2]),
        5 => clamp(p.max_grid[0]),
        6 => clamp(p.max_grid[1]),
        7 => clamp(p.max_grid[2]),
        8 => clamp(p.shared_per_block),
        // Constant memory, bytes.
        9 => 64 << 10,
        // Warp size.
        10 => 32,
        // Largest pitch of a copy.
        11 => c_int::MAX,
        12 | 82 => clamp(p.registers_per_multiprocessor),
        // Clock, kHz.
        13 => 1_980_000,
        // Texture and surface alignment, texture pitch alignment.
        14 | 30 => 512,
        51 => 32,
        // Copies overlap kernels; concurrent kernels; asynchronous engines.
        15 | 31 => 1,
        40 => 3,
        16 => clamp(p.multiprocessors),
        // Mapped host memory; unified addressing.
        19 | 41 => 1,
        // Memory clock, kHz; bus width, bits; L2 cache, bytes.
        36 => 2_619_000,
        37 => 5120,
        38 => 50 << 20,
        39 => clamp(p.threads_per_multiprocessor),
        75 => clamp(p.compute.0),
        76 => clamp(p.compute.1),
        // Stream priorities; caching of globals and locals in L1.
        78..=80 => 1,
        81 => clamp(p.shared_per_multiprocessor),
        // Managed memory, also while the device works.
        83 | 89 => 1,
        // f32 operations per f64 operation.
        87 => 2,
        97 => clamp(p.shared_per_block_optin),
        // Host memory can be registered.
        99 => 1,
        106 => clamp(p.blocks_per_multiprocessor),
        111 => clamp(p.reserved_shared_per_block),
        // Memory pools.
        115 => 1,
        // NUMA nodes of device and host: none known.
        131 | 134 => -1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_launch_code_divides_by_are_those_of_an_sm_90() {
        let of = |attribute| device_attribute(&Properties::default(), attribute);
        let expected = [(1, 1024), (8, 49152), (10, 32), (12, 65536), (16, 132), (39, 2048)];
        for (attribute, value) in expected {
            assert_eq!(of(attribute), value, "attribute {attribute}");
        }
        let expected = [(75, 9), (76, 0), (81, 233_472), (97, 232_448), (106, 32), (115, 1)];
        for (attribute, value) in expected {
            assert_eq!(of(attribute), value, "attribute {attribute}");
        }
        // 95: cooperative launch, which cuLaunchCooperativeKernel refuses.
        assert_eq!(of(95), 0);
    }
}
