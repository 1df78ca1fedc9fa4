//! Speed of the interpreter on one core, the sanitizer on unless the name says otherwise.
//!
//! `cargo bench -p softgpu` runs all of it in about two minutes. Throughput is in elements: lanes'
//! fused multiply-adds, multiply-adds of mma, or loads of warps.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use softgpu::{Arg, Checks, DevicePtr, Dim3, Gpu, Module, Options, Report};

const ARCH: u32 = 80;

fn gpu(checks: Checks) -> Gpu {
    Gpu::new(Options { workers: 1, checks, ..Options::default() })
}

fn micro(gpu: &Gpu) -> Module {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/micro.cu");
    gpu.load_ptx(&support::compile(&file, ARCH)).expect("the kernels load")
}

fn floats(gpu: &Gpu, count: usize) -> DevicePtr {
    let values: Vec<f32> = (0..count).map(|i| (i * 37 % 101) as f32 / 64.0 - 0.7).collect();
    gpu.upload(&values).expect("device memory")
}

/// One kernel with everything it is launched with.
struct Launch<'a> {
    gpu: &'a Gpu,
    module: &'a Module,
    kernel: &'a str,
    grid: Dim3,
    block: Dim3,
    args: Vec<Arg>,
}

impl Launch<'_> {
    fn run(&self) -> Report {
        let launched =
            self.gpu.launch(self.module, self.kernel, self.grid, self.block, 0, &self.args);
        launched.expect("a clean kernel")
    }

    fn bench(
        &self,
        group: &mut BenchmarkGroup<WallTime>,
        name: &str,
        elements: fn(&Report) -> u64,
    ) {
        group.throughput(Throughput::Elements(elements(&self.run())));
        group.bench_function(name, |bencher| bencher.iter(|| self.run()));
    }
}

fn fmas(report: &Report) -> u64 {
    report.counters.fmas
}

fn macs(report: &Report) -> u64 {
    report.counters.mma_macs
}

fn arithmetic(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("arithmetic");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    let gpu = gpu(Checks::ALL);
    let module = micro(&gpu);
    let out = floats(&gpu, 8 * 128);
    let launch = |kernel, args: &[Arg]| Launch {
        gpu: &gpu,
        module: &module,
        kernel,
        grid: Dim3::x(8),
        block: Dim3::x(128),
        args: args.to_vec(),
    };
    let chain = [out.into(), 0.5f32.into(), 1f32.into(), 500i32.into()];
    launch("fma_chains", &chain).bench(&mut group, "fma, all lanes", fmas);
    launch("fma_divergent", &chain).bench(&mut group, "fma, every other lane", fmas);
    let rounds = [out.into(), 100i32.into()];
    launch("mma_tf32_loop", &rounds).bench(&mut group, "mma tf32 with ldmatrix", macs);
    launch("mma_bf16_loop", &rounds).bench(&mut group, "mma bf16 with ldmatrix", macs);
    group.finish();
}

fn memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memory");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    let gpu = gpu(Checks::ALL);
    let module = micro(&gpu);
    let (out, size) = (floats(&gpu, 8 * 128), 1 << 16);
    let input = floats(&gpu, size);
    let launch = |kernel, args: Vec<Arg>| Launch {
        gpu: &gpu,
        module: &module,
        kernel,
        grid: Dim3::x(8),
        block: Dim3::x(128),
        args,
    };
    for (name, stride) in [("ld.global, coalesced", 1i32), ("ld.global, scattered", 33)] {
        let args =
            vec![out.into(), input.into(), stride.into(), 500i32.into(), (size as i32).into()];
        launch("load_global", args).bench(&mut group, name, |r| r.counters.global_loads.requests);
    }
    for (name, stride) in [("ld.shared, no conflict", 1i32), ("ld.shared, 32-way conflict", 32)] {
        let args = vec![out.into(), stride.into(), 500i32.into()];
        launch("load_shared", args).bench(&mut group, name, |r| r.counters.shared_loads.requests);
    }
    group.finish();
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matrix products 512³");
    group.sample_size(10).measurement_time(Duration::from_secs(6));
    let size = 512;
    for (suffix, checks) in [("", Checks::ALL), (", bounds checks only", Checks::NONE)] {
        let gpu = gpu(checks);
        let (a, b) = (floats(&gpu, size * size), floats(&gpu, size * size));
        let c = gpu.alloc(size * size * 4).expect("device memory");
        let n = size as i32;
        let args = vec![a.into(), b.into(), c.into(), n.into(), n.into(), n.into()];
        type Elements = fn(&Report) -> u64;
        let kernels: [(&str, &str, u32, Dim3, Elements); 3] = [
            ("gemm_tiled", "gemm_tiled", 16, Dim3::new(16, 16, 1), fmas),
            ("gemm_blocked", "gemm_blocked", 128, Dim3::x(256), fmas),
            ("gemm_tensor", "gemm_tf32", 64, Dim3::x(128), macs),
        ];
        for (file, kernel, tile, block, elements) in kernels {
            let module = gpu.load_ptx(&support::ptx(file, ARCH)).expect("the kernel loads");
            let side = (size as u32).div_ceil(tile);
            let grid = Dim3::new(side, side, 1);
            let launch =
                Launch { gpu: &gpu, module: &module, kernel, grid, block, args: args.clone() };
            launch.bench(&mut group, &format!("{kernel}{suffix}"), elements);
        }
    }
    group.finish();
}

criterion_group!(benches, arithmetic, memory, products);
criterion_main!(benches);
