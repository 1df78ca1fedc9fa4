//! The calls that copy and fill.
//!
//! Host memory of copies is read and written at the call (in a graph: at its launch). Synchronous calls
//! wait for the legacy stream, so that a capture of a blocking stream forbids them.

use std::ffi::{c_uchar, c_uint, c_ushort, c_void};

use super::abi::{CUdeviceptr, CUresult, Handle, Memcpy2D};
use super::copy::{Copy, Fill, Side};
use super::error::{Answer, Code, answer, fail};
use super::op::{Op, submit};
use super::state::{driver, ready};

/// Runs an operation outside of streams.
fn now(what: &str, op: Op) -> Answer {
    let (driver, context) = ready()?;
    op.check(driver)?;
    driver.captures.check_synchronous(context.id, what)?;
    op.run(driver, &context)
}

/// Gives an operation to a stream.
fn later(stream: Handle, op: Op) -> Answer {
    let (driver, context) = ready()?;
    submit(driver, &context, stream, op)
}

fn host(address: *const c_void) -> Side {
    Side::Host(address.expose_provenance() as u64)
}

fn copy(to: Side, from: Side, bytes: usize) -> Op {
    Op::Copy(Copy::linear(to, from, bytes))
}

fn fill(to: u64, value: u32, element: usize, count: usize) -> Op {
    let pitch = count.saturating_mul(element);
    Op::Fill(Fill { to, pitch, value, element, width: count, height: 1 })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoD_v2(
    to: CUdeviceptr,
    from: *const c_void,
    bytes: usize,
) -> CUresult {
    answer("cuMemcpyHtoD", || now("cuMemcpyHtoD", copy(Side::Device(to), host(from), bytes)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: CUdeviceptr,
    from: *const c_void,
    bytes: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemcpyHtoDAsync", || later(stream, copy(Side::Device(to), host(from), bytes)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2(
    to: *mut c_void,
    from: CUdeviceptr,
    bytes: usize,
) -> CUresult {
    answer("cuMemcpyDtoH", || now("cuMemcpyDtoH", copy(host(to), Side::Device(from), bytes)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: CUdeviceptr,
    bytes: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemcpyDtoHAsync", || later(stream, copy(host(to), Side::Device(from), bytes)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoD_v2(
    to: CUdeviceptr,
    from: CUdeviceptr,
    bytes: usize,
) -> CUresult {
    answer("cuMemcpyDtoD", || {
        now("cuMemcpyDtoD", copy(Side::Device(to), Side::Device(from), bytes))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoDAsync_v2(
    to: CUdeviceptr,
    from: CUdeviceptr,
    bytes: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemcpyDtoDAsync", || later(stream, copy(Side::Device(to), Side::Device(from), bytes)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy(to: CUdeviceptr, from: CUdeviceptr, bytes: usize) -> CUresult {
    answer("cuMemcpy", || now("cuMemcpy", copy(Side::Unified(to), Side::Unified(from), bytes)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyAsync(
    to: CUdeviceptr,
    from: CUdeviceptr,
    bytes: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemcpyAsync", || later(stream, copy(Side::Unified(to), Side::Unified(from), bytes)))
}

/// Contexts share the one device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyPeer(
    to: CUdeviceptr,
    to_context: Handle,
    from: CUdeviceptr,
    from_context: Handle,
    bytes: usize,
) -> CUresult {
    answer("cuMemcpyPeer", || {
        let op = peer(to, to_context, from, from_context, bytes)?;
        now("cuMemcpyPeer", op)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyPeerAsync(
    to: CUdeviceptr,
    to_context: Handle,
    from: CUdeviceptr,
    from_context: Handle,
    bytes: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemcpyPeerAsync", || {
        let op = peer(to, to_context, from, from_context, bytes)?;
        later(stream, op)
    })
}

fn peer(to: u64, to_context: Handle, from: u64, from_context: Handle, bytes: usize) -> Answer<Op> {
    let driver = driver()?;
    for context in [to_context, from_context] {
        if driver.contexts.get(context).is_err() {
            return Err(Code::INVALID_CONTEXT.into());
        }
    }
    Ok(copy(Side::Device(to), Side::Device(from), bytes))
}

/// # Safety
/// `params` is null or points to one.
unsafe fn copy_2d(params: *const Memcpy2D) -> Answer<Op> {
    // SAFETY: as the caller vouches.
    let Some(p) = (unsafe { params.as_ref() }) else { return Err(Code::INVALID_VALUE.into()) };
    let side = |kind, host: *const c_void, device: u64, pitch: usize, x: usize, y: usize| {
        let start = pitch.checked_mul(y).and_then(|rows| rows.checked_add(x));
        let at = |base: u64| start.and_then(|start| base.checked_add(start as u64));
        // CUmemorytype: host, device, array, unified.
        let side = match kind {
            1 => at(host.expose_provenance() as u64).map(Side::Host),
            2 => at(device).map(Side::Device),
            4 => at(device).map(Side::Unified),
            _ => return fail(Code::NOT_SUPPORTED, format!("copying memory of type {kind}")),
        };
        side.ok_or(Code::INVALID_VALUE.into())
    };
    // A pitch of 0 means rows without gaps.
    let pitch = |pitch| if pitch == 0 { p.width } else { pitch };
    let (to_pitch, from_pitch) = (pitch(p.dst_pitch), pitch(p.src_pitch));
    let to = side(p.dst_type, p.dst_host, p.dst_device, to_pitch, p.dst_x, p.dst_y)?;
    let from = side(p.src_type, p.src_host, p.src_device, from_pitch, p.src_x, p.src_y)?;
    Ok(Op::Copy(Copy { to, to_pitch, from, from_pitch, width: p.width, height: p.height }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2D_v2(params: *const Memcpy2D) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuMemcpy2D", || now("cuMemcpy2D", unsafe { copy_2d(params) }?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2DUnaligned_v2(params: *const Memcpy2D) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuMemcpy2DUnaligned", || now("cuMemcpy2DUnaligned", unsafe { copy_2d(params) }?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2DAsync_v2(params: *const Memcpy2D, stream: Handle) -> CUresult {
    // SAFETY: the API's caller vouches for the pointer.
    answer("cuMemcpy2DAsync", || later(stream, unsafe { copy_2d(params) }?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8_v2(to: CUdeviceptr, value: c_uchar, count: usize) -> CUresult {
    answer("cuMemsetD8", || now("cuMemsetD8", fill(to, value.into(), 1, count)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async(
    to: CUdeviceptr,
    value: c_uchar,
    count: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemsetD8Async", || later(stream, fill(to, value.into(), 1, count)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16_v2(
    to: CUdeviceptr,
    value: c_ushort,
    count: usize,
) -> CUresult {
    answer("cuMemsetD16", || now("cuMemsetD16", fill(to, value.into(), 2, count)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD16Async(
    to: CUdeviceptr,
    value: c_ushort,
    count: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemsetD16Async", || later(stream, fill(to, value.into(), 2, count)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32_v2(to: CUdeviceptr, value: c_uint, count: usize) -> CUresult {
    answer("cuMemsetD32", || now("cuMemsetD32", fill(to, value, 4, count)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD32Async(
    to: CUdeviceptr,
    value: c_uint,
    count: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemsetD32Async", || later(stream, fill(to, value, 4, count)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D8_v2(
    to: CUdeviceptr,
    pitch: usize,
    value: c_uchar,
    width: usize,
    height: usize,
) -> CUresult {
    answer("cuMemsetD2D8", || {
        now(
            "cuMemsetD2D8",
            Op::Fill(Fill { to, pitch, value: value.into(), element: 1, width, height }),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D8Async(
    to: CUdeviceptr,
    pitch: usize,
    value: c_uchar,
    width: usize,
    height: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemsetD2D8Async", || {
        later(stream, Op::Fill(Fill { to, pitch, value: value.into(), element: 1, width, height }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D16_v2(
    to: CUdeviceptr,
    pitch: usize,
    value: c_ushort,
    width: usize,
    height: usize,
) -> CUresult {
    answer("cuMemsetD2D16", || {
        now(
            "cuMemsetD2D16",
            Op::Fill(Fill { to, pitch, value: value.into(), element: 2, width, height }),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D16Async(
    to: CUdeviceptr,
    pitch: usize,
    value: c_ushort,
    width: usize,
    height: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemsetD2D16Async", || {
        later(stream, Op::Fill(Fill { to, pitch, value: value.into(), element: 2, width, height }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D32_v2(
    to: CUdeviceptr,
    pitch: usize,
    value: c_uint,
    width: usize,
    height: usize,
) -> CUresult {
    answer("cuMemsetD2D32", || {
        now("cuMemsetD2D32", Op::Fill(Fill { to, pitch, value, element: 4, width, height }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD2D32Async(
    to: CUdeviceptr,
    pitch: usize,
    value: c_uint,
    width: usize,
    height: usize,
    stream: Handle,
) -> CUresult {
    answer("cuMemsetD2D32Async", || {
        later(stream, Op::Fill(Fill { to, pitch, value, element: 4, width, height }))
    })
}
