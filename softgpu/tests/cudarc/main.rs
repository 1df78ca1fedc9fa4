//! The unmodified cudarc on the software device, end to end.
//!
//! The device is loaded before cudarc's first call and answers its dlopen of `libcuda.so`. Tests that
//! break their context, capture, or read what is printed, run in a process of their own (`alone`).

mod alone;
mod capture;
mod failures;
mod misuse;
mod programs;
mod raw;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DriverError, LaunchConfig,
    PushKernelArg,
};
use cudarc::nvrtc::Ptx;
use softgpu::Report;
use softgpu::client::{Scope, SoftwareDevice};

const PTX: &str = include_str!("../ptx/end_to_end.ptx");

/// The device in this process, and a context on it.
fn context() -> (SoftwareDevice, Arc<CudaContext>) {
    let device = SoftwareDevice::load().expect("libsoftgpu.so beside the test");
    (device, CudaContext::new(0).unwrap())
}

fn module(context: &Arc<CudaContext>) -> Arc<CudaModule> {
    context.load_module(Ptx::from_src(PTX)).unwrap()
}

fn one_block(threads: u32, shared: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (1, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: shared }
}

fn code<T>(result: Result<T, DriverError>) -> CUresult {
    result.err().map_or(CUresult::CUDA_SUCCESS, |DriverError(code)| code)
}

fn saxpy(
    stream: &Arc<CudaStream>,
    f: &CudaFunction,
    a: f32,
    x: &CudaSlice<f32>,
    y: &mut CudaSlice<f32>,
) {
    let n = x.len() as u32;
    let mut launch = stream.launch_builder(f);
    launch.arg(x).arg(y).arg(&a).arg(&n);
    let config = LaunchConfig { grid_dim: (n.div_ceil(64), 1, 1), ..one_block(64, 0) };
    unsafe { launch.launch(config) }.unwrap();
}

#[test]
fn the_device_says_what_it_is() {
    let (device, context) = context();
    assert_eq!(device.version(), env!("CARGO_PKG_VERSION"));
    assert_eq!(CudaContext::device_count().unwrap(), 1);
    assert!(context.name().unwrap().contains("softgpu"));
    assert_eq!(context.compute_capability().unwrap(), (9, 0));
    use sys::CUdevice_attribute::*;
    let of = |attribute| context.attribute(attribute).unwrap();
    assert_eq!(of(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT), 132);
    assert_eq!(of(CU_DEVICE_ATTRIBUTE_WARP_SIZE), 32);
    assert_eq!(of(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), 227 << 10);
    assert!(context.has_async_alloc());
    let (free, total) = context.mem_get_info().unwrap();
    assert_eq!(total, context.total_mem().unwrap());
    assert!(free <= total && total == 16 << 30);
    context.uuid().unwrap();
    assert_eq!(code(CudaContext::new(1)), CUresult::CUDA_ERROR_INVALID_DEVICE);
}

#[test]
fn saxpy_between_copies_and_events() {
    let (device, context) = context();
    let stream = context.new_stream().unwrap();
    let f = module(&context).load_function("saxpy").unwrap();
    let n = 1000;
    let x: Vec<f32> = (0..n).map(|i| i as f32 * 0.25 - 7.0).collect();
    let y: Vec<f32> = (0..n).map(|i| 100.0 - i as f32).collect();
    let (dx, mut dy) = (stream.clone_htod(&x).unwrap(), stream.clone_htod(&y).unwrap());
    let timing = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
    let collection = device.collect(Scope::Thread).unwrap();
    let start = stream.record_event(timing).unwrap();
    saxpy(&stream, &f, 1.5, &dx, &mut dy);
    let end = stream.record_event(timing).unwrap();
    stream.synchronize().unwrap();
    assert!(end.is_complete());
    let elapsed = start.elapsed_ms(&end).unwrap();
    assert!(elapsed > 0.0 && elapsed < 60_000.0, "{elapsed} ms");
    let out = stream.clone_dtoh(&dy).unwrap();
    for i in 0..n {
        assert_eq!(out[i], 1.5f32.mul_add(x[i], y[i]), "element {i}");
    }
    let reports = collection.reports().unwrap();
    assert_eq!(reports.len(), 1);
    let Report { kernel, counters, findings, .. } = &reports[0];
    assert_eq!((kernel.as_str(), counters.blocks, counters.warps), ("saxpy", 16, 32));
    assert_eq!(counters.fmas, n as u64);
    assert!(findings.is_empty());
    drop(collection);
    // Events made for waiting only have no time.
    let untimed = stream.record_event(None).unwrap();
    assert_eq!(code(untimed.elapsed_ms(&end)), CUresult::CUDA_ERROR_INVALID_HANDLE);
}

#[test]
fn copies_fills_and_clones_keep_every_byte() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let data: Vec<u8> = (0..100_003u32).map(|i| (i * 37 % 251) as u8).collect();
    let mut first = stream.clone_htod(&data).unwrap();
    let second = stream.clone_dtod(&first).unwrap();
    stream.memset_zeros(&mut first.slice_mut(1..99_999)).unwrap();
    let cleared = stream.clone_dtoh(&first).unwrap();
    for (i, (byte, original)) in cleared.iter().zip(&data).enumerate() {
        let expected = if (1..99_999).contains(&i) { 0 } else { *original };
        assert_eq!(*byte, expected, "byte {i}");
    }
    assert_eq!(stream.clone_dtoh(&second).unwrap(), data);
    assert_eq!(stream.clone_dtoh(&second.slice(3..70_000)).unwrap(), data[3..70_000]);
    let zeros = stream.alloc_zeros::<u64>(7).unwrap();
    assert_eq!(stream.clone_dtoh(&zeros).unwrap(), [0; 7]);
    // An empty slice is one, too.
    let empty = stream.null::<f32>().unwrap();
    assert_eq!(stream.clone_dtoh(&empty).unwrap(), [0.0; 0]);
}

#[test]
fn pinned_memory_is_reached_from_both_sides() {
    let (_device, context) = context();
    let stream = context.new_stream().unwrap();
    let mut pinned = unsafe { context.alloc_pinned_with_flags::<u32>(64, 0) }.unwrap();
    for (i, word) in pinned.as_mut_slice().unwrap().iter_mut().enumerate() {
        *word = i as u32 * 3;
    }
    let mut on_device = stream.clone_htod(&pinned).unwrap();
    let f = module(&context).load_function("reverse").unwrap();
    // Once in device memory, once in the pinned memory itself.
    for address in [0, pinned.as_ptr().unwrap() as u64] {
        let mut launch = stream.launch_builder(&f);
        if address == 0 {
            launch.arg(&mut on_device);
        } else {
            launch.arg(&address);
        }
        unsafe { launch.arg(&4u32).launch(one_block(64, 256)) }.unwrap();
    }
    let expected: Vec<u32> = (0..64).rev().map(|i| i * 3).collect();
    assert_eq!(pinned.as_slice().unwrap(), expected);
    pinned.as_mut_slice().unwrap().fill(0);
    stream.memcpy_dtoh(&on_device, &mut pinned).unwrap();
    assert_eq!(pinned.as_slice().unwrap(), expected);
}

#[test]
fn arguments_of_every_size_arrive_where_the_kernel_reads_them() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let f = module(&context).load_function("arguments").unwrap();
    let mut out = stream.alloc_zeros::<u64>(7).unwrap();
    let (a, b, c, d) = (0xABu8, -1234i16, 0xDEAD_BEEFu32, i64::MIN + 5);
    let (e, g, h) = (-0.75f32, std::f64::consts::PI, [1u32, 20, u32::MAX]);
    let mut launch = stream.launch_builder(&f);
    launch.arg(&mut out).arg(&a).arg(&b).arg(&c).arg(&d).arg(&e).arg(&g).arg(&h);
    unsafe { launch.launch(one_block(1, 0)) }.unwrap();
    let expected = [
        a.into(),
        i64::from(b) as u64,
        c.into(),
        d as u64,
        f64::from(e).to_bits(),
        g.to_bits(),
        20,
    ];
    assert_eq!(stream.clone_dtoh(&out).unwrap(), expected);
}

#[test]
fn module_variables_have_their_initial_value_and_can_be_set() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let module = module(&context);
    let f = module.load_function("add_bias").unwrap();
    let mut data = stream.clone_htod(&[1.0f32, 2.0]).unwrap();
    let run = |data: &mut CudaSlice<f32>| {
        unsafe { stream.launch_builder(&f).arg(&mut *data).launch(one_block(2, 0)) }.unwrap();
        stream.clone_dtoh(data).unwrap()
    };
    assert_eq!(run(&mut data), [1.5, 2.5]);
    let mut bias = module.get_global("bias", &stream).unwrap();
    stream.memcpy_htod(&10.0f32.to_le_bytes(), &mut bias).unwrap();
    assert_eq!(run(&mut data), [11.5, 12.5]);
    let missing = code(module.get_global("nothing", &stream));
    assert_eq!(missing, CUresult::CUDA_ERROR_NOT_FOUND);
}

#[test]
fn more_than_48_kib_of_shared_memory_need_the_attribute() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let f = module(&context).load_function("reverse").unwrap();
    let threads = 1024u32;
    let data: Vec<u32> = (0..threads).map(|i| i ^ 0x55).collect();
    // 96 bytes between a thread's words and the next one's: 98304 bytes in all.
    let run = |expected: CUresult| {
        let mut buffer = stream.clone_htod(&data).unwrap();
        let mut launch = stream.launch_builder(&f);
        launch.arg(&mut buffer).arg(&96u32);
        assert_eq!(code(unsafe { launch.launch(one_block(threads, 96 << 10)) }), expected);
        stream.clone_dtoh(&buffer).unwrap()
    };
    assert_eq!(run(CUresult::CUDA_ERROR_INVALID_VALUE), data);
    let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    assert_eq!(
        code(f.set_attribute(attribute, (227 << 10) + 1)),
        CUresult::CUDA_ERROR_INVALID_VALUE
    );
    f.set_attribute(attribute, 96 << 10).unwrap();
    assert_eq!(f.get_attribute(attribute).unwrap(), 96 << 10);
    let reversed: Vec<u32> = data.iter().rev().copied().collect();
    assert_eq!(run(CUresult::CUDA_SUCCESS), reversed);
}

#[test]
fn occupancy_follows_threads_and_shared_memory() {
    let (_device, context) = context();
    let f = module(&context).load_function("reverse").unwrap();
    let blocks = |threads, shared| {
        f.occupancy_max_active_blocks_per_multiprocessor(threads, shared, None).unwrap()
    };
    // By hand, for an sm_90: 2048 threads, 32 blocks, 228 KiB of which each block loses one.
    assert_eq!((blocks(1024, 0), blocks(256, 0), blocks(32, 0)), (2, 8, 32));
    assert_eq!((blocks(256, 56 << 10), blocks(256, 227 << 10), blocks(256, 228 << 10)), (4, 1, 0));
    assert_eq!(f.occupancy_available_dynamic_smem_per_block(4, 256).unwrap(), 56 << 10);
    extern "C" fn none(_: std::ffi::c_int) -> usize {
        0
    }
    let (grid, block) = f.occupancy_max_potential_block_size(none, 0, 0, None).unwrap();
    assert_eq!((grid, block), (264, 1024));
}

#[test]
fn threads_with_streams_of_their_own_do_not_meet() {
    let (_device, context) = context();
    let f = module(&context).load_function("saxpy").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (context, f) = (&context, &f);
            scope.spawn(move || {
                context.bind_to_thread().unwrap();
                let stream = context.new_stream().unwrap();
                let x = stream.clone_htod(&vec![thread as f32; 300]).unwrap();
                let mut y = stream.alloc_zeros::<f32>(300).unwrap();
                for _ in 0..10 {
                    saxpy(&stream, f, 1.0, &x, &mut y);
                }
                assert_eq!(stream.clone_dtoh(&y).unwrap(), [10.0 * thread as f32; 300]);
            });
        }
    });
}

#[test]
fn a_stream_sees_what_another_did_before_the_event_it_waits_for() {
    let (_device, context) = context();
    let (producer, consumer) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let f = module(&context).load_function("saxpy").unwrap();
    let x = producer.clone_htod(&vec![1.0f32; 64]).unwrap();
    let mut y = producer.alloc_zeros::<f32>(64).unwrap();
    saxpy(&producer, &f, 5.0, &x, &mut y);
    let done = producer.record_event(None).unwrap();
    consumer.wait(&done).unwrap();
    let mut z = consumer.clone_dtod(&y).unwrap();
    saxpy(&consumer, &f, 2.0, &x, &mut z);
    consumer.join(&producer).unwrap();
    assert_eq!(consumer.clone_dtoh(&z).unwrap(), [7.0; 64]);
    let fork = consumer.fork().unwrap();
    assert_eq!(fork.clone_dtoh(&z).unwrap(), [7.0; 64]);
}

#[test]
fn unified_memory_is_one_memory() {
    let (_device, context) = context();
    let stream = context.default_stream();
    let f = module(&context).load_function("add_bias").unwrap();
    let mut data = unsafe { context.alloc_unified::<f32>(8, true) }.unwrap();
    data.as_mut_slice().unwrap().fill(1.0);
    unsafe { stream.launch_builder(&f).arg(&mut data).launch(one_block(8, 0)) }.unwrap();
    assert_eq!(data.as_slice().unwrap(), [1.5; 8]);
    data.prefetch().unwrap();
}
