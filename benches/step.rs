//! One whole training step of the published DCGAN (64×64×3, nz 100, ngf = ndf = 64) on the CPU.
//!
//! `cargo bench --bench step` measures all cores at batch 128 and 16; images/s is the throughput.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dermaglyph::backend::Cpu;
use dermaglyph::backend::ops::{Adam, Ema};
use dermaglyph::model::ModelConfig;
use dermaglyph::rng::{Sequence, Stream};
use dermaglyph::train::{Gan, Hyper};
use std::time::Duration;

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("step 64x64x3");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for batch_size in [16, 128] {
        let hyper = Hyper {
            model: ModelConfig { image_size: 64, channels: 3, nz: 100, ngf: 64, ndf: 64 },
            batch_size,
            adam: Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
            ema: Ema { decay: 0.999 },
            seed: 1,
            check_every_pass: true,
        };
        let mut gan = Gan::new(Cpu::new(None).expect("a thread pool"), hyper).expect("valid sizes");
        let mut numbers = Sequence::new(1, Stream::Init, 0, 0);
        let reals: Vec<f32> =
            (0..batch_size * 3 * 64 * 64).map(|_| numbers.range(-1.0, 1.0) as f32).collect();
        gan.upload_reals(&reals).expect("the batch's size");
        group.throughput(Throughput::Elements(batch_size as u64));
        group.bench_function(BenchmarkId::from_parameter(batch_size), |b| {
            b.iter(|| gan.step().expect("a finite step"));
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
