//! Faults outside kernels: launches that cannot be, memory freed wrongly.

use crate::support::ptx;
use softgpu::memory::MemoryError;
use softgpu::{Arg, DevicePtr, Dim3, Gpu, LaunchError, Options};

#[test]
fn impossible_launches_never_start() {
    let gpu = Gpu::new(Options::default());
    let module = gpu.load_ptx(&ptx("saxpy", 80)).unwrap();
    let (x, y) = (gpu.upload(&[1f32; 64]).unwrap(), gpu.upload(&[2f32; 64]).unwrap());
    let args: Vec<Arg> = vec![x.into(), y.into(), 3f32.into(), 64.into()];
    let block = Dim3::x(64);
    let limit = gpu.options.properties.shared_per_block_optin;
    let cases = [
        ("more than 1024 threads", Dim3::x(1), Dim3::x(1025), 0),
        ("more than 1024 threads in all", Dim3::x(1), Dim3::new(64, 32, 1), 0),
        ("a block deeper than 64", Dim3::x(1), Dim3::new(1, 1, 65), 0),
        ("a block of nothing", Dim3::x(1), Dim3::new(64, 0, 1), 0),
        ("a grid of nothing", Dim3::new(1, 1, 0), block, 0),
        ("a grid higher than 65535", Dim3::new(1, 65_536, 1), block, 0),
        ("a grid wider than 2³¹ − 1", Dim3::x(1 << 31), block, 0),
        ("more shared memory than there is", Dim3::x(1), block, limit + 1),
    ];
    for (what, grid, block, shared) in cases {
        let answer = gpu.launch(&module, "saxpy", grid, block, shared, &args);
        assert!(matches!(answer, Err(LaunchError::Invalid { .. })), "{what}: {answer:?}");
    }
    assert_eq!(gpu.download::<f32>(y, 64).unwrap(), [2f32; 64], "something ran");
    gpu.launch(&module, "saxpy", Dim3::x(1), block, 0, &args).expect("a possible one");
    assert_eq!(gpu.download::<f32>(y, 64).unwrap(), [5f32; 64]);
}

/// The kernel's own variables take their part of what a block may have.
#[test]
fn static_and_dynamic_shared_memory_share_the_limit() {
    let gpu = Gpu::new(Options::default());
    let module = gpu.load_ptx(&ptx("faulty/bounds", 80)).unwrap();
    let (x, y) = (gpu.upload(&[1f32; 64]).unwrap(), gpu.upload(&[2f32; 64]).unwrap());
    let own = 2 * 256;
    let limit = gpu.options.properties.shared_per_block_optin;
    for (dynamic, possible) in [(limit - own + 1, false), (limit - own, true)] {
        let (one, block) = (Dim3::x(1), Dim3::x(63));
        let args = [x.into(), y.into()];
        let answer = gpu.launch(&module, "into_the_next_variable", one, block, dynamic, &args);
        let refused = matches!(answer, Err(LaunchError::Invalid { .. }));
        assert_eq!(refused, !possible, "{dynamic}: {answer:?}");
    }
}

#[test]
fn arguments_of_the_wrong_number_or_size_never_start() {
    let gpu = Gpu::new(Options::default());
    let module = gpu.load_ptx(&ptx("saxpy", 80)).unwrap();
    let x = gpu.upload(&[1f32; 64]).unwrap();
    let launch = |kernel: &str, args: &[Arg]| {
        let answer = gpu.launch(&module, kernel, Dim3::x(1), Dim3::x(64), 0, args);
        assert!(matches!(answer, Err(LaunchError::Invalid { .. })), "{answer:?}");
    };
    launch("saxpy", &[x.into(), x.into(), 3f32.into()]);
    launch("saxpy", &[x.into(), x.into(), 3f32.into(), 64.into(), 64.into()]);
    launch("saxpy", &[x.into(), x.into(), 3f64.into(), 64.into()]);
    launch("saxpie", &[x.into(), x.into(), 3f32.into(), 64.into()]);
}

#[test]
fn memory_freed_twice_or_never_allocated_is_refused() {
    let gpu = Gpu::new(Options::default());
    let x = gpu.upload(&[1f32; 64]).unwrap();
    let inside = gpu.free(x.byte_add(4));
    assert!(matches!(inside, Err(MemoryError::NotAllocated { .. })), "{inside:?}");
    gpu.free(x).unwrap();
    let again = gpu.free(x);
    assert!(matches!(again, Err(MemoryError::DoubleFree { .. })), "{again:?}");
    let never = gpu.free(DevicePtr(12_345));
    assert!(matches!(never, Err(MemoryError::NotAllocated { .. })), "{never:?}");
    assert!(gpu.download::<f32>(x, 1).is_err(), "a copy from freed memory");
    let y = gpu.upload(&[1f32; 4]).unwrap();
    assert!(gpu.download::<f32>(y, 5).is_err(), "a copy past the end");
    assert!(gpu.write(y.byte_add(4), &[1f32; 4]).is_err(), "a copy past the end");
}
