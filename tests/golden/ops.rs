//! Every operator of `ops.safetensors`, on any backend.

use crate::fixtures::{Golden, Tensor, buffer, close, poisoned, read};
use dermaglyph::backend::block::NormStats;
use dermaglyph::backend::ops::{Activation, Adam, BatchNorm, Bce};
use dermaglyph::backend::{Backend, NormSaved};
use dermaglyph::shape::{ConvGeometry, Nchw, TensorShape};

fn nchw(t: &Tensor) -> Nchw {
    Nchw::new(t.dims[0], t.dims[1], t.dims[2], t.dims[3])
}

fn filter(t: &Tensor) -> TensorShape {
    TensorShape::Filter(t.dims.clone().try_into().unwrap())
}

/// Stride, padding and output padding of a stored case.
fn config(golden: &Golden, name: &str) -> [[u32; 2]; 3] {
    let c: Vec<u32> = golden.get(&format!("{name}.cfg")).data.iter().map(|&v| v as u32).collect();
    [[c[0], c[1]], [c[2], c[3]], [c[4], c[5]]]
}

fn case_names(golden: &Golden, prefix: &str) -> Vec<String> {
    let names = golden.names(prefix).into_iter();
    names.filter_map(|n| n.strip_suffix(".cfg").map(str::to_owned)).collect()
}

/// Convolution: `y`, `dx` and `dw`, the last on top of what `dw` held.
pub fn conv<B: Backend>(b: &B, run: &str, tolerance: f64) {
    let golden = Golden::open("ops");
    let names = case_names(&golden, "conv.");
    assert_eq!(names.len(), 10);
    for name in names {
        let input = |k: &str| golden.get(&format!("{name}.in.{k}"));
        let [stride, padding, _] = config(&golden, &name);
        let (x, w, dy) = (input("x"), input("w"), input("dy"));
        let kernel = [w.dims[2] as u32, w.dims[3] as u32];
        let g = ConvGeometry::conv(nchw(x), w.dims[0], kernel, stride, padding).unwrap();
        assert_eq!(g.y, nchw(dy), "{name}: output size");
        let xb = buffer(b, TensorShape::Image(g.x), &x.data);
        let wb = buffer(b, g.filter(), &w.data);
        let dyb = buffer(b, TensorShape::Image(g.y), &dy.data);
        let (mut y, mut dx) =
            (poisoned(b, TensorShape::Image(g.y)), poisoned(b, TensorShape::Image(g.x)));
        let mut dw = b.alloc(g.filter()).unwrap();
        b.conv_forward(g, &mut y, &xb, &wb).unwrap();
        b.conv_backward_data(g, &mut dx, &dyb, &wb).unwrap();
        b.conv_backward_weights(g, &mut dw, &xb, &dyb).unwrap();
        golden.compare(&format!("{name}.{run}.y"), &read(b, &y), tolerance);
        golden.compare(&format!("{name}.{run}.dx"), &read(b, &dx), tolerance);
        golden.compare(&format!("{name}.{run}.dw"), &read(b, &dw), tolerance);
    }
}

/// Transposed convolution, output padding included.
pub fn conv_transpose<B: Backend>(b: &B, run: &str, tolerance: f64) {
    let golden = Golden::open("ops");
    let names = case_names(&golden, "convT.");
    assert_eq!(names.len(), 11);
    for name in names {
        let input = |k: &str| golden.get(&format!("{name}.in.{k}"));
        let [stride, padding, output_padding] = config(&golden, &name);
        let (x, w, dy) = (input("x"), input("w"), input("dy"));
        let kernel = [w.dims[2] as u32, w.dims[3] as u32];
        let g = ConvGeometry::conv_transpose(
            nchw(x),
            w.dims[1],
            kernel,
            stride,
            padding,
            output_padding,
        )
        .unwrap();
        assert_eq!(g.x, nchw(dy), "{name}: output size");
        assert_eq!(g.filter(), filter(w), "{name}: filter");
        let xb = buffer(b, TensorShape::Image(g.y), &x.data);
        let wb = buffer(b, g.filter(), &w.data);
        let dyb = buffer(b, TensorShape::Image(g.x), &dy.data);
        let (mut y, mut dx) =
            (poisoned(b, TensorShape::Image(g.x)), poisoned(b, TensorShape::Image(g.y)));
        let mut dw = b.alloc(g.filter()).unwrap();
        b.conv_transpose_forward(g, &mut y, &xb, &wb).unwrap();
        b.conv_transpose_backward_data(g, &mut dx, &dyb, &wb).unwrap();
        b.conv_transpose_backward_weights(g, &mut dw, &xb, &dyb).unwrap();
        golden.compare(&format!("{name}.{run}.y"), &read(b, &y), tolerance);
        golden.compare(&format!("{name}.{run}.dx"), &read(b, &dx), tolerance);
        golden.compare(&format!("{name}.{run}.dw"), &read(b, &dw), tolerance);
    }
}

/// How far a backend may be from one stored batch-norm tensor.
///
/// `tiny_variance` and `large_mean` subtract nearly equal numbers: in float32 the *inputs'* spacing
/// is up to 6e-5/0.01 of the deviation, and PyTorch's own float32 run is that far from its float64
/// run. So an f32 backend is held to twice PyTorch's own distance, measured per tensor.
///
/// In `n2_1x1` dx is what is left of terms γ·inv_std·dy that cancel to 1e-5 of themselves; PyTorch's distance
/// is then the luck of a few roundings. A backend may be `ulps` of those terms off there.
fn norm_tolerance(golden: &Golden, case: &str, tensor: &str, tolerance: f64, ulps: f64) -> f64 {
    let f32_run = &golden.get(&format!("bn.{case}.f32.{tensor}")).data;
    let f64_run = &golden.get(&format!("bn.{case}.f64.{tensor}")).data;
    let largest = |v: &[f64]| v.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let scale = largest(f64_run);
    let distance = f32_run.iter().zip(f64_run).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    let own = tolerance.max(2.0 * distance / scale);
    if tensor != "train.dx" || case != "n2_1x1" {
        return own;
    }
    let input = |k: &str| &golden.get(&format!("bn.{case}.in.{k}")).data;
    let (gamma, dy, x) = (input("gamma"), input("dy"), input("x"));
    let channels = gamma.len();
    let term = |c: usize| {
        let half_apart = (x[c] - x[c + channels]) / 2.0;
        let inv_std = 1.0 / (half_apart * half_apart + 1e-5).sqrt();
        gamma[c].abs() * inv_std * dy[c].abs().max(dy[c + channels].abs())
    };
    let terms = (0..channels).map(term).fold(0.0, f64::max);
    own.max(ulps * 2f64.powi(-24) * terms / scale)
}

/// Batch norm in training and evaluation, forwards and backwards. Compared with the float64 run;
/// an f32 backend names its `ulps` (see above).
pub fn batch_norm<B: Backend>(b: &B, tolerance: f64, ulps: Option<f64>) {
    let golden = Golden::open("ops");
    for case in ["plain", "c17", "tiny_variance", "large_mean", "n2_1x1", "n1"] {
        let input = |k: &str| golden.get(&format!("bn.{case}.in.{k}"));
        let shape = nchw(input("x"));
        let (image, vector) = (TensorShape::Image(shape), TensorShape::Vector(shape.c as usize));
        let p = BatchNorm::new(shape);
        let check = |tensor: &str, found: &B::Buffer| {
            let tolerance = ulps
                .map_or(tolerance, |ulps| norm_tolerance(&golden, case, tensor, tolerance, ulps));
            let name = format!("bn.{case}.f64.{tensor}");
            close(&name, &read(b, found), &golden.get(&name).data, tolerance);
        };
        let x = buffer(b, image, &input("x").data);
        let (gamma, beta) =
            (buffer(b, vector, &input("gamma").data), buffer(b, vector, &input("beta").data));
        let running = || NormStats::<B> {
            mean: buffer(b, vector, &input("rm").data),
            var: buffer(b, vector, &input("rv").data),
        };
        for mode in ["train", "eval"] {
            let mut stats = running();
            let mut saved =
                NormSaved::<B> { mean: poisoned(b, vector), inv_std: poisoned(b, vector) };
            let mut y = poisoned(b, image);
            let mut d = buffer(b, image, &input("dy").data);
            let (mut dgamma, mut dbeta) = (b.alloc(vector).unwrap(), b.alloc(vector).unwrap());
            let grads = Some((&mut dgamma, &mut dbeta));
            if mode == "train" {
                b.batch_norm_forward(p, &mut y, &mut saved, &mut stats, &x, &gamma, &beta).unwrap();
                b.batch_norm_backward(p, &mut d, grads, &x, &gamma, &saved).unwrap();
                check("train.rm_after", &stats.mean);
                check("train.rv_after", &stats.var);
            } else {
                b.batch_norm_eval_forward(p, &mut y, &stats, &x, &gamma, &beta).unwrap();
                b.batch_norm_eval_backward(p, &mut d, grads, &x, &gamma, &stats).unwrap();
            }
            check(&format!("{mode}.y"), &y);
            check(&format!("{mode}.dx"), &d);
            check(&format!("{mode}.dgamma"), &dgamma);
            check(&format!("{mode}.dbeta"), &dbeta);
        }
    }
}

/// Per element: the same class (NaN, infinity with its sign, zero), else within `tolerance` of the
/// value itself; `floor` is the magnitude below which only the absolute distance counts.
fn each_close(name: &str, found: &[f64], wanted: &[f64], tolerance: f64, floor: f64) {
    assert_eq!(found.len(), wanted.len(), "{name}: length");
    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
        let same_class = f.is_nan() == w.is_nan() && (!w.is_infinite() || f == w);
        let near = w.is_nan() || w.is_infinite() || (f - w).abs() <= tolerance * w.abs().max(floor);
        assert!(same_class && near, "{name}[{i}]: found {f:e}, wanted {w:e}");
    }
}

/// ReLU, LeakyReLU, Tanh, Sigmoid over zeros, denormals, huge values, infinities and NaN.
pub fn activations<B: Backend>(b: &B, run: &str, tolerance: f64, floor: f64) {
    let golden = Golden::open("ops");
    let table = [
        ("relu", Activation::Relu),
        ("lrelu", Activation::LeakyRelu { slope: 0.2 }),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
    ];
    for (name, f) in table {
        let get = |k: &str| &golden.get(&format!("act.{name}.{k}")).data;
        let shape = TensorShape::Vector(get("in.x").len());
        let mut y = buffer(b, shape, get("in.x"));
        b.activation_forward(f, &mut y).unwrap();
        each_close(&format!("{name}.y"), &read(b, &y), get(&format!("{run}.y")), tolerance, floor);
        let mut d = buffer(b, shape, get("in.dy"));
        b.activation_backward(f, &mut d, &y).unwrap();
        // 1 − y² and y(1 − y) cancel where y is near 1: PyTorch has the same cancellation, and what is
        // left of it is absolute, one rounding of 1.
        let backward_floor =
            if matches!(f, Activation::Relu | Activation::LeakyRelu { .. }) { floor } else { 1.0 };
        each_close(
            &format!("{name}.dx"),
            &read(b, &d),
            get(&format!("{run}.dx")),
            tolerance,
            backward_floor,
        );
    }
}

/// Runs a loss over stored cases, one call per stretch of equal targets, and checks the elementwise
/// losses (batches of one), the mean, and the gradient of the mean over the whole list.
fn loss_cases<B: Backend>(
    b: &B,
    inputs: &Tensor,
    targets: &Tensor,
    op: impl Fn(Bce, &mut B::Buffer, &mut B::Buffer, &B::Buffer),
) -> (Vec<f64>, Vec<f64>) {
    let total = inputs.data.len();
    let (mut losses, mut gradients) = (Vec::new(), Vec::new());
    for (&value, &target) in inputs.data.iter().zip(&targets.data) {
        // Targets are stored in float32: 0.9 is its nearest float.
        let p = Bce { n: 1, target, slot: 2 };
        let (mut d, mut stats) =
            (poisoned(b, TensorShape::Vector(1)), poisoned(b, TensorShape::Vector(4)));
        op(p, &mut d, &mut stats, &buffer(b, TensorShape::Vector(1), &[value]));
        losses.push(read(b, &stats)[2]);
        gradients.push(read(b, &d)[0] / total as f64);
    }
    (losses, gradients)
}

/// BCE on probabilities, exact 0 and 1 included.
pub fn bce<B: Backend>(b: &B, run: &str, tolerance: f64) {
    let golden = Golden::open("ops");
    let get = |k: &str| golden.get(&format!("bce.{k}"));
    let (losses, gradients) = loss_cases(b, get("in.p"), get("in.target"), |p, d, stats, x| {
        b.bce(p, d, stats, x).unwrap()
    });
    each_close("bce", &losses, &get(&format!("{run}.elementwise")).data, tolerance, 1e-30);
    each_close(
        "bce gradient",
        &gradients,
        &get(&format!("{run}.dp_of_mean")).data,
        tolerance,
        1e-30,
    );
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    close("bce mean", &[mean], &get(&format!("{run}.mean")).data, tolerance);
}

/// The loss from logits up to ±800, as a mean over each half of the batch and element by element.
///
/// PyTorch takes the difference σ(z) − t in float64, which leaves an absolute error of 2⁻⁵³ over the number
/// of elements; below that `exact` backends, which make the same difference, are still held to it.
pub fn bce_with_logits<B: Backend>(b: &B, run: &str, tolerance: f64, exact: bool) {
    let golden = Golden::open("ops");
    let get = |k: &str| golden.get(&format!("sigmoid_bce.{k}"));
    let (inputs, targets) = (get("in.logit"), get("in.target"));
    let (losses, gradients) =
        loss_cases(b, inputs, targets, |p, d, stats, x| b.bce_with_logits(p, d, stats, x).unwrap());
    each_close(
        "logits gradient",
        &gradients,
        &get(&format!("{run}.with_logits_dlogit")).data,
        tolerance,
        if exact { 1e-30 } else { 2f64.powi(-53) / inputs.data.len() as f64 / tolerance },
    );
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    close("logits mean", &[mean], &get(&format!("{run}.with_logits_mean")).data, tolerance);

    let half = inputs.data.len() / 2;
    for (start, target) in [(0, 0.0), (half, 1.0)] {
        let logits = buffer(b, TensorShape::Vector(half), &inputs.data[start..start + half]);
        let (mut d, mut stats) =
            (poisoned(b, TensorShape::Vector(half)), poisoned(b, TensorShape::Vector(2)));
        b.bce_with_logits(Bce { n: half, target, slot: 0 }, &mut d, &mut stats, &logits).unwrap();
        let mean_loss = losses[start..start + half].iter().sum::<f64>() / half as f64;
        let p = &get(&format!("{run}.p")).data[start..start + half];
        let mean_p = p.iter().sum::<f64>() / half as f64;
        close("mean loss and probability", &read(b, &stats), &[mean_loss, mean_p], tolerance);
        let scaled: Vec<f64> = read(b, &d).iter().map(|v| v / 2.0).collect();
        let wanted = &get(&format!("{run}.with_logits_dlogit")).data[start..start + half];
        close("gradient of the batch", &scaled, wanted, tolerance);
    }
}

/// Where PyTorch's Sigmoid and BCELoss saturate in float32, their gradient is exactly 0 and the loss
/// 100; from logits both keep their true values.
pub fn saturation<B: Backend>(b: &B) {
    let golden = Golden::open("ops");
    let get = |k: &str| &golden.get(&format!("sigmoid_bce.{k}")).data;
    let (logits, targets) = (get("in.logit"), get("in.target"));
    let dead: Vec<usize> = (0..logits.len())
        .filter(|&i| get("f32.dlogit_of_mean")[i] == 0.0 && get("f32.elementwise")[i] == 100.0)
        .collect();
    assert!(!dead.is_empty(), "the stored cases saturate somewhere");
    for i in dead {
        let (mut d, mut stats) =
            (poisoned(b, TensorShape::Vector(1)), poisoned(b, TensorShape::Vector(2)));
        let p = Bce { n: 1, target: targets[i], slot: 0 };
        b.bce_with_logits(
            p,
            &mut d,
            &mut stats,
            &buffer(b, TensorShape::Vector(1), &logits[i..=i]),
        )
        .unwrap();
        // This wrong by a whole logit: the slope is ±1 and the loss is |z|.
        let slope = 1.0 - 2.0 * targets[i];
        close("true gradient", &read(b, &d), &[slope], 1e-6);
        close("true loss", &read(b, &stats)[..1], &[logits[i].abs()], 1e-6);
    }
}

/// Ten Adam updates over gradients from 1e-9 to 1e3 and zeros.
pub fn adam<B: Backend>(b: &B, run: &str, tolerance: f64, moment_tolerance: f64) {
    let golden = Golden::open("ops");
    for case in ["dcgan", "default"] {
        let get = |k: &str| &golden.get(&format!("adam.{case}.{k}")).data;
        let cfg = get("cfg");
        let p = Adam { lr: cfg[0], beta1: cfg[1], beta2: cfg[2], eps: cfg[3] };
        let start = get("in.p0");
        let shape = TensorShape::Vector(start.len());
        let mut param = buffer(b, shape, start);
        let (mut m, mut v) = (b.alloc(shape).unwrap(), b.alloc(shape).unwrap());
        let mut step = b.alloc(TensorShape::Vector(1)).unwrap();
        let wanted = get(&format!("{run}.p_after_each_step"));
        for (i, grad) in get("in.grads").chunks(start.len()).enumerate() {
            b.adam(p, &mut param, &mut m, &mut v, &buffer(b, shape, grad), &step).unwrap();
            b.advance(&mut step).unwrap();
            let wanted = &wanted[i * start.len()..][..start.len()];
            close(&format!("adam.{case} step {i}"), &read(b, &param), wanted, tolerance);
        }
        // A moment is a sum of gradients of either sign: its rounding is relative to their magnitudes.
        for (name, buffer, power) in [("exp_avg", &m, 1), ("exp_avg_sq", &v, 2)] {
            let wanted = get(&format!("{run}.{name}"));
            for (i, (found, wanted)) in read(b, buffer).iter().zip(wanted).enumerate() {
                let grads = get("in.grads").iter().skip(i).step_by(start.len());
                let largest = grads.fold(0.0f64, |m, g| m.max(g.abs())).powi(power);
                let error = (found - wanted).abs();
                assert!(
                    error <= moment_tolerance * largest,
                    "adam.{case} {name}[{i}]: found {found:e}, wanted {wanted:e}"
                );
            }
        }
    }
}
