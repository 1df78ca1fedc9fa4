//! Calls that cudarc's safe layer does not make.

use std::ffi::{CStr, c_void};

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaSlice, DevicePtr};

use super::alone::alone;
use super::support::fatbin;
use super::{PTX, code, context, module};

const OK: CUresult = CUresult::CUDA_SUCCESS;

fn address(data: &CudaSlice<f32>) -> u64 {
    data.device_ptr(data.stream()).0
}

#[test]
fn a_library_from_a_fatbin_gives_kernels_until_it_is_unloaded() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let x = stream.clone_htod(&[2.0f32; 50]).unwrap();
    let y = stream.clone_htod(&[1.0f32; 50]).unwrap();
    let image = fatbin("saxpy", &["compute_80"], "none");
    let (mut library, mut kernel, mut f) =
        (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
    let none: *mut c_void = std::ptr::null_mut();
    let (mut x, mut y, mut a, mut n) = (address(&x), (address(&y), y), 4.0f32, 50i32);
    let mut params: [*mut c_void; 4] =
        [(&raw mut x).cast(), (&raw mut y.0).cast(), (&raw mut a).cast(), (&raw mut n).cast()];
    unsafe {
        let loaded = sys::cuLibraryLoadData(
            &mut library,
            image.as_ptr().cast(),
            none.cast(),
            none.cast(),
            0,
            none.cast(),
            none.cast(),
            0,
        );
        assert_eq!(loaded, OK);
        let mut count = 0;
        assert_eq!(sys::cuLibraryGetKernelCount(&mut count, library), OK);
        assert!(count >= 3, "{count} kernels");
        assert_eq!(sys::cuLibraryGetKernel(&mut kernel, library, c"saxpy".as_ptr()), OK);
        assert_eq!(sys::cuKernelGetFunction(&mut f, kernel), OK);
        let (mut offset, mut bytes) = (0, 0);
        assert_eq!(sys::cuFuncGetParamInfo(f, 3, &mut offset, &mut bytes), OK);
        assert_eq!((offset, bytes), (20, 4));
        let mut launch = || {
            let legacy = std::ptr::null_mut();
            let extra = std::ptr::null_mut();
            sys::cuLaunchKernel(f, 1, 1, 1, 64, 1, 1, 0, legacy, params.as_mut_ptr(), extra)
        };
        assert_eq!(launch(), OK);
        assert_eq!(stream.clone_dtoh(&y.1).unwrap(), [9.0; 50]);
        assert_eq!(sys::cuLibraryUnload(library), OK);
        assert_eq!(launch(), CUresult::CUDA_ERROR_INVALID_HANDLE);
        assert_eq!(sys::cuLibraryUnload(library), CUresult::CUDA_ERROR_INVALID_HANDLE);
    }
}

#[test]
fn the_error_log_says_where_the_ptx_is_wrong_and_ends_where_its_room_does() {
    let (_device, _context) = context();
    let text = PTX.replace("fma.rn.f32", "fma.sideways.f32") + "\0";
    for room in [400usize, 20] {
        let mut log = [0x55u8; 400];
        let mut names = [
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        let mut values: [*mut c_void; 2] =
            [log.as_mut_ptr().cast(), std::ptr::without_provenance_mut(room)];
        let mut module = std::ptr::null_mut();
        let loaded = unsafe {
            let (names, values) = (names.as_mut_ptr(), values.as_mut_ptr());
            sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 2, names, values)
        };
        assert_eq!(loaded, CUresult::CUDA_ERROR_INVALID_PTX);
        let said = CStr::from_bytes_until_nul(&log).unwrap().to_str().unwrap();
        assert!(said.len() < room, "{said}");
        assert_eq!(said.len(), values[1].addr(), "the length written");
        assert!(room < 400 || said.contains("sideways"), "{said}");
        assert!(log[room.min(said.len() + 1)..].iter().all(|byte| *byte == 0x55));
    }
}

#[test]
fn a_buffer_of_arguments_has_their_size_or_that_of_the_struct() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let f = module(&context).load_function("saxpy").unwrap();
    let x = stream.clone_htod(&[2.0f32; 6]).unwrap();
    let y = stream.clone_htod(&[1.0f32; 6]).unwrap();
    let mut buffer = [0u8; 64];
    buffer[..8].copy_from_slice(&address(&x).to_le_bytes());
    buffer[8..16].copy_from_slice(&address(&y).to_le_bytes());
    buffer[16..20].copy_from_slice(&0.5f32.to_le_bytes());
    buffer[20..24].copy_from_slice(&6u32.to_le_bytes());
    // 24 bytes of arguments; a struct with the alignment of a float4 would have 32.
    let mut launches = 0;
    for (mut size, right) in [(24, true), (32, true), (23, false), (40, false), (usize::MAX, false)]
    {
        let mut extra: [*mut c_void; 5] = [
            std::ptr::without_provenance_mut(1),
            buffer.as_mut_ptr().cast(),
            std::ptr::without_provenance_mut(2),
            (&raw mut size).cast(),
            std::ptr::null_mut(),
        ];
        let (none, legacy) = (std::ptr::null_mut(), std::ptr::null_mut());
        let f = f.cu_function();
        let launched = unsafe {
            sys::cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, legacy, none, extra.as_mut_ptr())
        };
        let expected = if right { OK } else { CUresult::CUDA_ERROR_INVALID_VALUE };
        assert_eq!(launched, expected, "{size} bytes");
        launches += u8::from(right);
        assert_eq!(stream.clone_dtoh(&y).unwrap(), [1.0 + f32::from(launches); 6]);
    }
}

#[test]
fn contexts_are_a_stack_and_a_destroyed_one_is_known_as_such() {
    alone("raw::contexts_are_a_stack_and_a_destroyed_one_is_known_as_such", &[], || {
        let (_device, primary) = context();
        let mut now = std::ptr::null_mut();
        let mut own = std::ptr::null_mut();
        unsafe {
            assert_eq!(sys::cuCtxCreate_v4(&mut own, std::ptr::null_mut(), 0, 0), OK);
            assert_eq!(sys::cuCtxGetCurrent(&mut now), OK);
            assert_eq!(now, own);
            // A null context pops.
            assert_eq!(sys::cuCtxSetCurrent(std::ptr::null_mut()), OK);
            assert_eq!(sys::cuCtxGetCurrent(&mut now), OK);
            assert_eq!(now, primary.cu_ctx());
            assert_eq!(sys::cuCtxPushCurrent_v2(own), OK);
            let mut address = 0;
            assert_eq!(sys::cuMemAlloc_v2(&mut address, 100), OK);
            assert_eq!(sys::cuCtxPopCurrent_v2(&mut now), OK);
            assert_eq!(now, own);
            // Its memory goes with it; another thread that has it current learns of it.
            let handle = own.addr();
            let (destroyed, elsewhere) = std::thread::scope(|scope| {
                let thread = scope.spawn(move || {
                    let own = std::ptr::without_provenance_mut(handle);
                    assert_eq!(sys::cuCtxSetCurrent(own), OK);
                    let destroyed = sys::cuCtxDestroy_v2(own);
                    (destroyed, sys::cuCtxSynchronize())
                });
                thread.join().unwrap()
            });
            assert_eq!(destroyed, OK);
            assert_eq!(elsewhere, CUresult::CUDA_ERROR_INVALID_CONTEXT);
            assert_eq!(sys::cuMemFree_v2(address), CUresult::CUDA_ERROR_INVALID_VALUE);
            assert_eq!(sys::cuCtxSetCurrent(own), CUresult::CUDA_ERROR_INVALID_CONTEXT);
            // The primary context is none that can be destroyed, and works on.
            let refused = sys::cuCtxDestroy_v2(primary.cu_ctx());
            assert_eq!(refused, CUresult::CUDA_ERROR_INVALID_CONTEXT);
        }
        assert_eq!(code(primary.default_stream().clone_htod(&[1u8])), OK);
    });
}

#[test]
fn buffers_in_a_threads_locals_are_freed_when_the_thread_ends() {
    use std::cell::RefCell;
    thread_local!(static KEPT: RefCell<Option<CudaSlice<u8>>> = const { RefCell::new(None) });
    let name = "raw::buffers_in_a_threads_locals_are_freed_when_the_thread_ends";
    alone(name, &[], || {
        let (device, context) = context();
        let (before, _) = context.mem_get_info().unwrap();
        std::thread::scope(|scope| {
            let context = &context;
            let keep = move || {
                // The local first: its destructor runs after those of the device's own.
                KEPT.with_borrow_mut(|kept| assert!(kept.is_none()));
                context.bind_to_thread().unwrap();
                let data = context.default_stream().clone_htod(&[1u8; 1 << 20]).unwrap();
                KEPT.set(Some(data));
            };
            scope.spawn(keep).join().unwrap();
        });
        assert_eq!(context.mem_get_info().unwrap().0, before);
        drop(context);
        assert!(device.findings().unwrap().is_empty());
    });
}

#[test]
fn an_address_of_the_wrong_side_is_refused_before_anything_is_copied() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let data = stream.clone_htod(&[3.0f32; 16]).unwrap();
    let device = address(&data);
    let mut host = [0u8; 64];
    let (null, wrong) = (std::ptr::null_mut::<c_void>(), device as usize);
    let wrong: *mut c_void = std::ptr::without_provenance_mut(wrong);
    let own: *mut c_void = host.as_mut_ptr().cast();
    let refused = CUresult::CUDA_ERROR_INVALID_VALUE;
    unsafe {
        assert_eq!(sys::cuMemcpyHtoD_v2(device, null, 4), refused);
        assert_eq!(sys::cuMemcpyHtoD_v2(device, null.wrapping_byte_add(8), 4), refused);
        assert_eq!(sys::cuMemcpyHtoD_v2(device, wrong, 4), refused);
        assert_eq!(sys::cuMemcpyHtoD_v2(own.expose_provenance() as u64, own, 4), refused);
        assert_eq!(sys::cuMemcpyDtoH_v2(null, device, 4), refused);
        assert_eq!(sys::cuMemcpyDtoH_v2(wrong, device, 4), refused);
        assert_eq!(sys::cuMemcpyDtoH_v2(own, own.expose_provenance() as u64, 4), refused);
        assert_eq!(sys::cuMemcpyDtoH_v2(own, device + 4, 64), refused);
        assert_eq!(sys::cuMemsetD32_v2(device + 2, 0, 1), refused);
        assert_eq!(sys::cuMemsetD32_v2(device, 0, usize::MAX / 2), refused);
    }
    assert_eq!(host, [0; 64]);
    assert_eq!(stream.clone_dtoh(&data).unwrap(), [3.0; 16]);
}
