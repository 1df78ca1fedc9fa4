//! One whole training step of the published DCGAN (64×64×3, nz 100, ngf = ndf = 64) on every device that is
//! there: the CPU, all cores, and the first card if it can be used.
//!
//! `cargo bench --bench step` measures batch 128 and 16; images/s is the throughput.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dermaglyph::backend::cuda::device;
use dermaglyph::backend::ops::{Adam, Ema};
use dermaglyph::backend::{Backend, Cpu, Cuda};
use dermaglyph::model::ModelConfig;
use dermaglyph::rng::{Sequence, Stream};
use dermaglyph::train::{Gan, Hyper};
use std::time::Duration;

fn step<B: Backend>(c: &mut Criterion, device: &str, backend: impl Fn() -> B) {
    let mut group = c.benchmark_group(format!("{device}/step 64x64x3"));
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for batch_size in [16, 128] {
        let backend = backend();
        let hyper = Hyper {
            model: ModelConfig { image_size: 64, channels: 3, nz: 100, ngf: 64, ndf: 64 },
            batch_size,
            adam: Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
            ema: Ema { decay: 0.999 },
            seed: 1,
            check_every_pass: !backend.is_asynchronous(),
        };
        let mut gan = Gan::new(backend, hyper).expect("valid sizes");
        let mut numbers = Sequence::new(1, Stream::Init, 0, 0);
        let reals: Vec<f32> =
            (0..batch_size * 3 * 64 * 64).map(|_| numbers.range(-1.0, 1.0) as f32).collect();
        gan.upload_reals(&reals).expect("the batch's size");
        group.throughput(Throughput::Elements(batch_size as u64));
        group.bench_function(BenchmarkId::from_parameter(batch_size), |b| {
            b.iter(|| {
                gan.step().expect("a finite step");
                gan.backend.synchronize().expect("a device that works");
            });
        });
    }
    group.finish();
}

fn steps(c: &mut Criterion) {
    step(c, "cpu", || Cpu::new(None).expect("a thread pool"));
    match device::usable(0) {
        Ok(_) => step(c, "cuda", || Cuda::open(0).expect("a card that can be used")),
        Err(reason) => eprintln!("no bench on a card: {reason}"),
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
