//! The primitives.

use crate::compare::{R, Twin, random};
use dermaglyph::Error;
use dermaglyph::backend::block::NormStats;
use dermaglyph::backend::ops::{Activation, Adam, BatchNorm, Bce, Ema, Gather, Noise};
use dermaglyph::backend::{Backend, HostTensor, NormSaved};
use dermaglyph::rng::Stream;
use dermaglyph::shape::{ConvGeometry, Nchw, TensorShape};

/// x [n, c, h, w], out channels, kernel, stride, padding. The first rows are the DCGAN's own layers
/// (64×64 and 96×96) at a small batch; then odd sizes, channel counts 1, 3, 17, and batches 1, 2, 5; then
/// results of so many rows that `cuda` takes its large tiles, tall and wide.
const CONVOLUTIONS: [([usize; 4], usize, u32, u32, u32); 21] = [
    ([2, 3, 64, 64], 64, 4, 2, 1),
    ([2, 64, 32, 32], 32, 4, 2, 1),
    ([2, 64, 16, 16], 128, 4, 2, 1),
    ([2, 128, 8, 8], 256, 4, 2, 1),
    ([5, 256, 4, 4], 1, 4, 1, 0),
    ([5, 128, 4, 4], 100, 4, 1, 0),
    ([2, 1, 96, 96], 16, 4, 2, 1),
    ([3, 64, 6, 6], 10, 6, 1, 0),
    ([2, 16, 14, 14], 16, 4, 2, 1),
    ([1, 17, 9, 9], 3, 4, 2, 1),
    ([5, 3, 10, 10], 17, 4, 2, 1),
    ([1, 1, 4, 4], 1, 4, 1, 0),
    ([2, 17, 5, 5], 17, 1, 1, 0),
    ([2, 1, 7, 7], 3, 3, 2, 1),
    ([5, 3, 11, 11], 1, 5, 3, 2),
    ([1, 3, 2, 2], 5, 2, 1, 1),
    ([33, 4, 8, 8], 8, 4, 2, 1),
    ([130, 8, 4, 4], 3, 4, 2, 1),
    ([3, 8, 75, 75], 8, 2, 1, 1),
    ([3, 4, 75, 75], 68, 1, 1, 0),
    ([3, 68, 75, 75], 4, 1, 1, 0),
];

/// A few rectangles on top.
fn geometries() -> Vec<ConvGeometry> {
    let square = CONVOLUTIONS.iter().map(|&(x, out, k, s, p)| (x, out, [k; 2], [s; 2], [p; 2]));
    let odd =
        [([2, 3, 9, 14], 5, [3, 5], [2, 1], [0, 2]), ([3, 5, 6, 31], 2, [4, 1], [1, 3], [3, 0])];
    square
        .chain(odd)
        .map(|(x, out, k, s, p)| {
            ConvGeometry::conv(Nchw::new(x[0], x[1], x[2], x[3]), out, k, s, p).unwrap()
        })
        .collect()
}

/// The three passes of both directions; weight gradients on top of what was there.
pub fn convolutions<B: Backend>(b: &B, tolerance: f64) {
    for (i, g) in geometries().into_iter().enumerate() {
        let seed = 10 * i as u64;
        let (xs, ys) = (TensorShape::Image(g.x), TensorShape::Image(g.y));
        let x = Twin::random(b, xs, seed);
        let dy = Twin::random(b, ys, seed + 1);
        let w = Twin::random(b, g.filter(), seed + 2);
        let (mut y, mut dx, mut dw) =
            (Twin::poisoned(b, ys), Twin::poisoned(b, xs), Twin::random(b, g.filter(), seed + 3));
        R.conv_forward(g, &mut y.r, &x.r, &w.r).unwrap();
        b.conv_forward(g, &mut y.b, &x.b, &w.b).unwrap();
        y.check(b, &format!("conv_forward {g:?}"), tolerance);
        R.conv_backward_data(g, &mut dx.r, &dy.r, &w.r).unwrap();
        b.conv_backward_data(g, &mut dx.b, &dy.b, &w.b).unwrap();
        dx.check(b, &format!("conv_backward_data {g:?}"), tolerance);
        R.conv_backward_weights(g, &mut dw.r, &x.r, &dy.r).unwrap();
        b.conv_backward_weights(g, &mut dw.b, &x.b, &dy.b).unwrap();
        dw.check(b, &format!("conv_backward_weights {g:?}"), tolerance);

        let (mut y, mut dx, mut dw) =
            (Twin::poisoned(b, xs), Twin::poisoned(b, ys), Twin::random(b, g.filter(), seed + 4));
        R.conv_transpose_forward(g, &mut y.r, &dy.r, &w.r).unwrap();
        b.conv_transpose_forward(g, &mut y.b, &dy.b, &w.b).unwrap();
        y.check(b, &format!("conv_transpose_forward {g:?}"), tolerance);
        R.conv_transpose_backward_data(g, &mut dx.r, &x.r, &w.r).unwrap();
        b.conv_transpose_backward_data(g, &mut dx.b, &x.b, &w.b).unwrap();
        dx.check(b, &format!("conv_transpose_backward_data {g:?}"), tolerance);
        R.conv_transpose_backward_weights(g, &mut dw.r, &dy.r, &x.r).unwrap();
        b.conv_transpose_backward_weights(g, &mut dw.b, &dy.b, &x.b).unwrap();
        dw.check(b, &format!("conv_transpose_backward_weights {g:?}"), tolerance);
    }
}

/// The tensors of one batch norm on both backends.
struct Norm<B: Backend> {
    saved: (NormSaved<dermaglyph::backend::Reference>, NormSaved<B>),
    running: (NormStats<dermaglyph::backend::Reference>, NormStats<B>),
}

impl<B: Backend> Norm<B> {
    fn new(b: &B, channels: usize) -> Self {
        let shape = TensorShape::Vector(channels);
        let (mean, inv_std) = (Twin::poisoned(b, shape), Twin::poisoned(b, shape));
        let running_mean = Twin::random(b, shape, 71);
        let positive: Vec<f32> = random(channels, 72).iter().map(|v| v * v + 0.1).collect();
        let running_var = Twin::upload(b, shape, &positive);
        Self {
            saved: (
                NormSaved { mean: mean.r, inv_std: inv_std.r },
                NormSaved { mean: mean.b, inv_std: inv_std.b },
            ),
            running: (
                NormStats { mean: running_mean.r, var: running_var.r },
                NormStats { mean: running_mean.b, var: running_var.b },
            ),
        }
    }

    fn check(self, b: &B, what: &str, tolerance: f64) {
        let pairs = [
            ("mean", self.saved.0.mean, self.saved.1.mean),
            ("inv_std", self.saved.0.inv_std, self.saved.1.inv_std),
            ("running mean", self.running.0.mean, self.running.1.mean),
            ("running var", self.running.0.var, self.running.1.var),
        ];
        for (name, r, b_buffer) in pairs {
            Twin { r, b: b_buffer }.check(b, &format!("{what} {name}"), tolerance);
        }
    }
}

pub fn batch_norm<B: Backend>(b: &B, tolerance: f64) {
    let shapes = [
        [2, 1, 1, 1],
        [5, 3, 4, 4],
        [1, 17, 3, 5],
        [2, 64, 16, 16],
        [128, 8, 1, 1],
        [33, 130, 2, 2],
        [4, 7, 33, 31],
    ];
    for shape in shapes.map(|s| Nchw::new(s[0], s[1], s[2], s[3])) {
        let p = BatchNorm::new(shape);
        let (image, vector) = (TensorShape::Image(shape), TensorShape::Vector(shape.c as usize));
        let x = Twin::random(b, image, 1);
        let (gamma, beta) = (Twin::random(b, vector, 2), Twin::random(b, vector, 3));
        let mut norm = Norm::new(b, shape.c as usize);
        let mut y = Twin::poisoned(b, image);
        R.batch_norm_forward(
            p,
            &mut y.r,
            &mut norm.saved.0,
            &mut norm.running.0,
            &x.r,
            &gamma.r,
            &beta.r,
        )
        .unwrap();
        b.batch_norm_forward(
            p,
            &mut y.b,
            &mut norm.saved.1,
            &mut norm.running.1,
            &x.b,
            &gamma.b,
            &beta.b,
        )
        .unwrap();
        y.check(b, &format!("batch_norm_forward {shape}"), tolerance);

        // With and without parameter gradients; on top of what was there.
        for frozen in [false, true] {
            let mut d = Twin::random(b, image, 4);
            let (mut dgamma, mut dbeta) = (Twin::random(b, vector, 5), Twin::random(b, vector, 6));
            let (mut rg, mut bg) = (None, None);
            if !frozen {
                rg = Some((&mut dgamma.r, &mut dbeta.r));
                bg = Some((&mut dgamma.b, &mut dbeta.b));
            }
            R.batch_norm_backward(p, &mut d.r, rg, &x.r, &gamma.r, &norm.saved.0).unwrap();
            b.batch_norm_backward(p, &mut d.b, bg, &x.b, &gamma.b, &norm.saved.1).unwrap();
            // Two equal values per channel leave dx = 0 up to rounding: nothing to be relative to.
            if p.count() > 2 {
                d.check(b, &format!("batch_norm_backward dx {shape}"), 5.0 * tolerance);
            }
            dgamma.check(b, "dgamma", 5.0 * tolerance);
            dbeta.check(b, "dbeta", 5.0 * tolerance);
        }

        let mut y = Twin::poisoned(b, image);
        R.batch_norm_eval_forward(p, &mut y.r, &norm.running.0, &x.r, &gamma.r, &beta.r).unwrap();
        b.batch_norm_eval_forward(p, &mut y.b, &norm.running.1, &x.b, &gamma.b, &beta.b).unwrap();
        y.check(b, &format!("batch_norm_eval_forward {shape}"), tolerance);
        let mut d = Twin::random(b, image, 7);
        let (mut dgamma, mut dbeta) = (Twin::random(b, vector, 8), Twin::random(b, vector, 9));
        let grads = Some((&mut dgamma.r, &mut dbeta.r));
        R.batch_norm_eval_backward(p, &mut d.r, grads, &x.r, &gamma.r, &norm.running.0).unwrap();
        let grads = Some((&mut dgamma.b, &mut dbeta.b));
        b.batch_norm_eval_backward(p, &mut d.b, grads, &x.b, &gamma.b, &norm.running.1).unwrap();
        d.check(b, &format!("batch_norm_eval_backward {shape}"), tolerance);
        dgamma.check(b, "eval dgamma", 5.0 * tolerance);
        dbeta.check(b, "eval dbeta", 5.0 * tolerance);
        norm.check(b, &format!("batch norm {shape}"), tolerance);
    }
}

pub fn activations<B: Backend>(b: &B, tolerance: f64) {
    let table = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Tanh,
        Activation::Sigmoid,
    ];
    for shape in [
        TensorShape::Vector(1),
        TensorShape::Vector(100_003),
        TensorShape::Image(Nchw::new(3, 17, 5, 7)),
    ] {
        for f in table {
            let (mut y, mut d) = (Twin::random(b, shape, 1), Twin::random(b, shape, 2));
            R.activation_forward(f, &mut y.r).unwrap();
            b.activation_forward(f, &mut y.b).unwrap();
            y.check(b, &format!("{f:?}"), tolerance);
            R.activation_backward(f, &mut d.r, &y.r).unwrap();
            b.activation_backward(f, &mut d.b, &y.b).unwrap();
            d.check(b, &format!("{f:?} backward"), tolerance);
        }
    }
}

pub fn losses<B: Backend>(b: &B, tolerance: f64) {
    for n in [1, 2, 5, 128, 1000] {
        for target in [0.0, 1.0, 0.9] {
            let p = Bce { n, target, slot: 1 };
            let shape = TensorShape::Image(Nchw::new(n, 1, 1, 1));
            let logits = Twin::random(b, shape, n as u64);
            let (mut d, mut stats) =
                (Twin::poisoned(b, shape), Twin::random(b, TensorShape::Vector(4), 3));
            R.bce_with_logits(p, &mut d.r, &mut stats.r, &logits.r).unwrap();
            b.bce_with_logits(p, &mut d.b, &mut stats.b, &logits.b).unwrap();
            d.check(b, "bce_with_logits gradient", tolerance);
            stats.check(b, "bce_with_logits", tolerance);

            let squashed: Vec<f32> =
                random(n, n as u64).iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect();
            let probabilities = Twin::upload(b, shape, &squashed);
            R.bce(p, &mut d.r, &mut stats.r, &probabilities.r).unwrap();
            b.bce(p, &mut d.b, &mut stats.b, &probabilities.b).unwrap();
            d.check(b, "bce gradient", tolerance);
            stats.check(b, "bce", tolerance);
        }
    }
}

pub fn optimiser<B: Backend>(b: &B, tolerance: f64) {
    let shape = TensorShape::Filter([17, 3, 4, 4]);
    let p = Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
    let (mut w, mut m, mut v) = (
        Twin::random(b, shape, 1),
        Twin::upload(b, shape, &[0.0; 816]),
        Twin::upload(b, shape, &[0.0; 816]),
    );
    let mut average = Twin::random(b, shape, 2);
    let mut step = Twin::upload(b, TensorShape::Vector(1), &[0.0]);
    for i in 0..20 {
        let grad = Twin::random(b, shape, 100 + i);
        R.adam(p, &mut w.r, &mut m.r, &mut v.r, &grad.r, &step.r).unwrap();
        b.adam(p, &mut w.b, &mut m.b, &mut v.b, &grad.b, &step.b).unwrap();
        R.ema(Ema { decay: 0.9 }, &mut average.r, &w.r, &step.r).unwrap();
        b.ema(Ema { decay: 0.9 }, &mut average.b, &w.b, &step.b).unwrap();
        R.advance(&mut step.r).unwrap();
        b.advance(&mut step.b).unwrap();
    }
    for (name, twin) in
        [("param", &w), ("m", &m), ("v", &v), ("average", &average), ("step", &step)]
    {
        twin.check(b, name, tolerance);
    }
}

/// Batches from bytes, and noise.
pub fn input<B: Backend>(b: &B, tolerance: f64) {
    for channels in [1, 3] {
        let shape = Nchw::new(4, channels, 6, 5);
        let bytes: Vec<u8> =
            random(9 * shape.image_len(), 5).iter().map(|v| (v * 60.0 + 100.0) as u8).collect();
        let (set_r, set_b) = (R.upload_bytes(&bytes).unwrap(), b.upload_bytes(&bytes).unwrap());
        let mut y = Twin::poisoned(b, TensorShape::Image(shape));
        let indices = [8, 0, 3, 3];
        R.gather(Gather { shape }, &mut y.r, &set_r, &indices).unwrap();
        b.gather(Gather { shape }, &mut y.b, &set_b, &indices).unwrap();
        y.check(b, "gather", tolerance);
        let error = b.gather(Gather { shape }, &mut y.b, &set_b, &[0, 1, 2, 9]).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
        assert!(b.gather(Gather { shape }, &mut y.b, &set_b, &[0, 1, 2]).is_err());
    }
    for (n, len) in [(1, 1), (5, 100), (3, 17)] {
        let p = Noise { seed: 123_456_789_012, stream: Stream::TrainNoise, n, len };
        let mut z = Twin::poisoned(b, TensorShape::Image(Nchw::new(n, len, 1, 1)));
        let step = Twin::upload(b, TensorShape::Vector(1), &[41.0]);
        R.noise(p, &mut z.r, &step.r).unwrap();
        b.noise(p, &mut z.b, &step.b).unwrap();
        z.check(b, "noise", tolerance);
    }
}

/// What goes up comes down, in PyTorch's order, whatever the layout inside.
pub fn storage<B: Backend>(b: &B) {
    let shapes = [
        TensorShape::Vector(7),
        // More than every thread of a full grid has one of.
        TensorShape::Vector(150_001),
        TensorShape::Image(Nchw::new(3, 5, 2, 7)),
        TensorShape::Image(Nchw::new(1, 130, 9, 1)),
        TensorShape::Filter([5, 3, 4, 2]),
        TensorShape::Filter([64, 17, 4, 4]),
    ];
    for shape in shapes {
        let data = random(shape.len(), 1);
        let mut buffer = b.alloc(shape).unwrap();
        assert_eq!(b.shape(&buffer), shape);
        assert_eq!(
            b.snapshot(&buffer).unwrap().to_f32(),
            vec![0.0; shape.len()],
            "{shape}: alloc is zero"
        );
        b.upload(&mut buffer, &data).unwrap();
        let mut down = vec![f32::NAN; shape.len()];
        b.download(&mut down, &buffer).unwrap();
        assert_eq!(down, data, "{shape}");
        assert_eq!(b.snapshot(&buffer).unwrap().to_f32(), data, "{shape}");
        let mut copy = b.alloc(shape).unwrap();
        b.copy(&mut copy, &buffer).unwrap();
        b.fill(&mut buffer, -2.5).unwrap();
        assert_eq!(b.snapshot(&buffer).unwrap().to_f32(), vec![-2.5; shape.len()], "{shape}");
        b.restore(&mut buffer, &HostTensor::F32(data.clone())).unwrap();
        assert_eq!(b.snapshot(&buffer).unwrap(), b.snapshot(&copy).unwrap(), "{shape}");
        assert_eq!(b.count_non_finite(&buffer).unwrap(), 0);
        let mut broken = data;
        (broken[0], broken[shape.len() - 1]) = (f32::NAN, f32::NEG_INFINITY);
        b.upload(&mut buffer, &broken).unwrap();
        assert_eq!(b.count_non_finite(&buffer).unwrap(), 2, "{shape}");
    }
}

/// Wrong shapes are typed errors, never a wrong read.
pub fn mismatched_shapes<B: Backend>(b: &B) {
    let g = ConvGeometry::conv(Nchw::new(2, 3, 8, 8), 4, [4; 2], [2; 2], [1; 2]).unwrap();
    let image = |shape| b.alloc(TensorShape::Image(shape)).unwrap();
    let (mut x, mut y, mut w) = (image(g.x), image(g.y), b.alloc(g.filter()).unwrap());
    let mut small = image(g.y.with_batch(1));
    let mut short = b.alloc(TensorShape::Vector(3)).unwrap();
    let expect_shape = |what: &str, result: dermaglyph::Result<()>| {
        assert!(matches!(result, Err(Error::Shape { .. })), "{what}: {result:?}");
    };
    expect_shape("y", b.conv_forward(g, &mut small, &x, &w));
    expect_shape("x", b.conv_forward(g, &mut y, &small, &w));
    expect_shape("w", b.conv_forward(g, &mut y, &x, &short));
    expect_shape("dx", b.conv_backward_data(g, &mut small, &y, &w));
    expect_shape("dw", b.conv_backward_weights(g, &mut short, &x, &y));
    expect_shape("dy", b.conv_backward_weights(g, &mut w, &x, &small));
    expect_shape("upload", b.upload(&mut x, &[0.0; 3]));
    expect_shape("download", b.download(&mut [0.0; 3], &x));
    expect_shape("restore", b.restore(&mut x, &HostTensor::F32(vec![0.0; 3])));
    expect_shape("copy", b.copy(&mut y, &x));
    expect_shape("activation", b.activation_backward(Activation::Relu, &mut y, &x));
    let adam = Adam { lr: 1.0, beta1: 0.5, beta2: 0.9, eps: 1e-8 };
    let step = b.alloc(TensorShape::Vector(1)).unwrap();
    let (mut m, mut v) = (b.alloc(g.filter()).unwrap(), b.alloc(g.filter()).unwrap());
    expect_shape("grad", b.adam(adam, &mut w, &mut m, &mut v, &short, &step));
    let (mut d, logits) =
        (b.alloc(TensorShape::Vector(4)).unwrap(), b.alloc(TensorShape::Vector(4)).unwrap());
    let p = Bce { n: 4, target: 1.0, slot: 2 };
    expect_shape("slot", b.bce_with_logits(p, &mut d, &mut short, &logits));
    let p = BatchNorm::new(Nchw::new(1, 3, 1, 1));
    let one = image(p.shape);
    let mut norm = Norm::new(b, 3);
    let mut out = image(p.shape);
    let (gamma, beta) =
        (b.alloc(TensorShape::Vector(3)).unwrap(), b.alloc(TensorShape::Vector(3)).unwrap());
    let result = b.batch_norm_forward(
        p,
        &mut out,
        &mut norm.saved.1,
        &mut norm.running.1,
        &one,
        &gamma,
        &beta,
    );
    expect_shape("one value per channel", result);
}
