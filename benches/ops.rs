//! Every op at the shapes of a 64×64×3 DCGAN with ngf = ndf = 64 and nz = 100, on every device that is
//! there: the CPU, and the first card if it can be used.
//!
//! `cargo bench --bench ops` runs all of it in a few minutes, `-- cpu/conv_forward` a part. Convolutions
//! report floating-point operations (two per multiply-accumulate, taps on padding included), the
//! others bytes read and written. `DERMAGLYPH_BENCH_THREADS` sets the number of CPU threads.
//!
//! On a card an op is timed until it is done, its launch included. The software device is left out: an
//! interpreter's time is no figure (`dermaglyph profile --device software` counts what kernels do).

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main, measurement::WallTime,
};
use dermaglyph::backend::block::NormStats;
use dermaglyph::backend::cuda::device;
use dermaglyph::backend::ops::{Activation, Adam, BatchNorm, Bce, Ema, Gather, Noise};
use dermaglyph::backend::{Backend, Cpu, Cuda, NormSaved};
use dermaglyph::rng::{Sequence, Stream};
use dermaglyph::shape::{ConvGeometry, Nchw, TensorShape};
use std::time::Duration;

const BATCHES: [usize; 2] = [128, 16];

fn random<B: Backend>(backend: &B, shape: TensorShape) -> B::Buffer {
    let mut sequence = Sequence::new(1, Stream::Init, 0, 0);
    let values: Vec<f32> = (0..shape.len()).map(|_| sequence.range(-1.0, 1.0) as f32).collect();
    let mut buffer = backend.alloc(shape).expect("memory");
    backend.upload(&mut buffer, &values).expect("as many values as the shape holds");
    buffer
}

/// The convolutions of D, and those of G seen from the side of D: G's transposed convolutions have
/// the same geometries, except for its first.
fn geometries(n: usize) -> Vec<(&'static str, ConvGeometry)> {
    let halving = |c, size, o| {
        ConvGeometry::conv(Nchw::new(n, c, size, size), o, [4, 4], [2, 2], [1, 1]).expect("fits")
    };
    let whole =
        |c, o| ConvGeometry::conv(Nchw::new(n, c, 4, 4), o, [4, 4], [1, 1], [0, 0]).expect("fits");
    vec![
        ("3x64x64 to 64x32x32", halving(3, 64, 64)),
        ("64x32x32 to 128x16x16", halving(64, 32, 128)),
        ("128x16x16 to 256x8x8", halving(128, 16, 256)),
        ("256x8x8 to 512x4x4", halving(256, 8, 512)),
        ("512x4x4 to 1x1x1", whole(512, 1)),
        ("512x4x4 to 100x1x1", whole(512, 100)),
    ]
}

fn maps(n: usize) -> [Nchw; 4] {
    [(64, 32), (128, 16), (256, 8), (512, 4)].map(|(c, size)| Nchw::new(n, c, size, size))
}

/// A backend and its name among the benches.
struct On<'a, B> {
    device: &'a str,
    backend: &'a B,
}

fn group<'a, B>(
    criterion: &'a mut Criterion,
    on: &On<'_, B>,
    name: &str,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(format!("{}/{name}", on.device));
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    group
}

/// Measures `op` until it is done.
fn measure<B: Backend>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    backend: &B,
    id: BenchmarkId,
    throughput: Throughput,
    mut op: impl FnMut() -> dermaglyph::Result<()>,
) {
    group.throughput(throughput).bench_function(id, |bencher| {
        bencher.iter(|| {
            op().expect("an op on matching shapes");
            backend.synchronize().expect("a device that works");
        });
    });
}

/// The throughput of an op that reads and writes `tensors` tensors of `numbers` f32.
fn bytes(tensors: usize, numbers: usize) -> Throughput {
    Throughput::Bytes((tensors * numbers * size_of::<f32>()) as u64)
}

fn convolutions<B: Backend>(criterion: &mut Criterion, on: &On<'_, B>) {
    let backend = on.backend;
    for n in BATCHES {
        for (name, g) in geometries(n) {
            let mut x = random(backend, TensorShape::Image(g.x));
            let mut y = random(backend, TensorShape::Image(g.y));
            let mut w = random(backend, g.filter());
            let flop = || Throughput::Elements(2 * g.macs());
            let id = || BenchmarkId::new(name, n);
            let mut forward = group(criterion, on, "conv_forward");
            measure(&mut forward, backend, id(), flop(), || {
                backend.conv_forward(g, &mut y, &x, &w)
            });
            forward.finish();
            let mut data = group(criterion, on, "conv_backward_data");
            measure(&mut data, backend, id(), flop(), || {
                backend.conv_backward_data(g, &mut x, &y, &w)
            });
            data.finish();
            let mut weights = group(criterion, on, "conv_backward_weights");
            measure(&mut weights, backend, id(), flop(), || {
                backend.conv_backward_weights(g, &mut w, &x, &y)
            });
            weights.finish();
        }
    }
}

fn batch_norms<B: Backend>(criterion: &mut Criterion, on: &On<'_, B>) {
    let backend = on.backend;
    let mut group = group(criterion, on, "batch_norm");
    for shape in BATCHES.into_iter().flat_map(maps) {
        let p = BatchNorm::new(shape);
        let (image, channels) = (TensorShape::Image(shape), TensorShape::Vector(shape.c as usize));
        let (x, mut y) = (random(backend, image), random(backend, image));
        let (gamma, beta) = (random(backend, channels), random(backend, channels));
        let (mut dgamma, mut dbeta) = (random(backend, channels), random(backend, channels));
        let mut running = NormStats::new(backend, shape.c as usize).expect("memory");
        let mut saved =
            NormSaved { mean: random(backend, channels), inv_std: random(backend, channels) };
        let len = shape.len();
        measure(&mut group, backend, BenchmarkId::new("forward", shape), bytes(4, len), || {
            backend.batch_norm_forward(p, &mut y, &mut saved, &mut running, &x, &gamma, &beta)
        });
        measure(
            &mut group,
            backend,
            BenchmarkId::new("eval_forward", shape),
            bytes(2, len),
            || backend.batch_norm_eval_forward(p, &mut y, &running, &x, &gamma, &beta),
        );
        measure(&mut group, backend, BenchmarkId::new("backward", shape), bytes(5, len), || {
            let grads = Some((&mut dgamma, &mut dbeta));
            backend.batch_norm_backward(p, &mut y, grads, &x, &gamma, &saved)
        });
    }
    group.finish();
}

fn activations<B: Backend>(criterion: &mut Criterion, on: &On<'_, B>) {
    let backend = on.backend;
    let mut group = group(criterion, on, "activation");
    for n in BATCHES {
        let cases = [
            ("relu", Activation::Relu, maps(n)[0]),
            ("leaky_relu", Activation::LeakyRelu { slope: 0.2 }, maps(n)[0]),
            ("tanh", Activation::Tanh, Nchw::new(n, 3, 64, 64)),
            ("sigmoid", Activation::Sigmoid, Nchw::new(n, 1, 1, 1)),
        ];
        for (name, f, shape) in cases {
            let mut y = random(backend, TensorShape::Image(shape));
            let mut dy = random(backend, TensorShape::Image(shape));
            let id = |pass| BenchmarkId::new(format!("{name}_{pass}"), n);
            measure(&mut group, backend, id("forward"), bytes(2, shape.len()), || {
                backend.activation_forward(f, &mut y)
            });
            measure(&mut group, backend, id("backward"), bytes(3, shape.len()), || {
                backend.activation_backward(f, &mut dy, &y)
            });
        }
    }
    group.finish();
}

fn losses<B: Backend>(criterion: &mut Criterion, on: &On<'_, B>) {
    let backend = on.backend;
    let mut group = group(criterion, on, "loss");
    for n in BATCHES {
        let p = Bce { n, target: 1.0, slot: 0 };
        let shape = TensorShape::Image(Nchw::new(n, 1, 1, 1));
        let mut input = random(backend, shape);
        backend.activation_forward(Activation::Sigmoid, &mut input).expect("sigmoid");
        let mut gradient = random(backend, shape);
        let mut stats = random(backend, TensorShape::Vector(2));
        measure(&mut group, backend, BenchmarkId::new("bce", n), bytes(2, n), || {
            backend.bce(p, &mut gradient, &mut stats, &input)
        });
        measure(&mut group, backend, BenchmarkId::new("bce_with_logits", n), bytes(2, n), || {
            backend.bce_with_logits(p, &mut gradient, &mut stats, &input)
        });
    }
    group.finish();
}

fn optimiser<B: Backend>(criterion: &mut Criterion, on: &On<'_, B>) {
    let backend = on.backend;
    let mut group = group(criterion, on, "optimiser");
    for filter in [[64, 3, 4, 4], [512, 256, 4, 4]] {
        let shape = TensorShape::Filter(filter);
        let [mut param, mut m, mut average, grad] = [(); 4].map(|()| random(backend, shape));
        let mut v = backend.alloc(shape).expect("memory");
        let step = backend.alloc(TensorShape::Vector(1)).expect("memory");
        let p = Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
        measure(
            &mut group,
            backend,
            BenchmarkId::new("adam", shape),
            bytes(7, shape.len()),
            || backend.adam(p, &mut param, &mut m, &mut v, &grad, &step),
        );
        measure(&mut group, backend, BenchmarkId::new("ema", shape), bytes(3, shape.len()), || {
            backend.ema(Ema { decay: 0.999 }, &mut average, &param, &step)
        });
    }
    group.finish();
}

fn input<B: Backend>(criterion: &mut Criterion, on: &On<'_, B>) {
    let backend = on.backend;
    let mut group = group(criterion, on, "input");
    let step = backend.alloc(TensorShape::Vector(1)).expect("memory");
    for n in BATCHES {
        let shape = Nchw::new(n, 3, 64, 64);
        let set = backend.upload_bytes(&vec![200; 256 * shape.image_len()]).expect("memory");
        let indices: Vec<u32> = (0..n as u32).map(|i| i * 37 % 256).collect();
        let mut y = random(backend, TensorShape::Image(shape));
        measure(&mut group, backend, BenchmarkId::new("gather", n), bytes(1, shape.len()), || {
            backend.gather(Gather { shape }, &mut y, &set, &indices)
        });
        let p = Noise { seed: 1, stream: Stream::TrainNoise, n, len: 100 };
        let mut z = random(backend, TensorShape::Image(Nchw::new(n, 100, 1, 1)));
        measure(&mut group, backend, BenchmarkId::new("noise", n), bytes(1, n * 100), || {
            backend.noise(p, &mut z, &step)
        });
    }
    group.finish();
}

fn every_op<B: Backend>(criterion: &mut Criterion, device: &str, backend: &B) {
    let on = On { device, backend };
    convolutions(criterion, &on);
    batch_norms(criterion, &on);
    activations(criterion, &on);
    losses(criterion, &on);
    optimiser(criterion, &on);
    input(criterion, &on);
}

fn ops(criterion: &mut Criterion) {
    let threads = std::env::var("DERMAGLYPH_BENCH_THREADS").ok().and_then(|v| v.parse().ok());
    every_op(criterion, "cpu", &Cpu::new(threads).expect("a CPU backend"));
    match device::usable(0) {
        Ok(_) => every_op(criterion, "cuda", &Cuda::open(0).expect("a card that can be used")),
        Err(reason) => eprintln!("no bench on a card: {reason}"),
    }
}

criterion_group!(benches, ops);
criterion_main!(benches);
