use super::*;
use crate::backend::ops::{Activation, Adam, Bce, Ema};
use crate::shape::Nchw;

const ACTIVATIONS: [Activation; 5] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.2 },
    Activation::Tanh,
    Activation::Sigmoid,
];

/// Zeros of both signs, denormals, the edges of every exponential, infinities, NaN, and a sweep.
fn awkward() -> Vec<f32> {
    let sizes = [0.0, 1e-45, 1e-40, 1e-20, 1e-4, 0.5, 1.0, 9.1, 17.0, 88.5, 104.0, 800.0, 1e30];
    let mut numbers: Vec<f32> = sizes.iter().flat_map(|&v| [v, -v]).collect();
    numbers.extend([f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    numbers.extend((-400..=400).map(|i| i as f32 / 40.0));
    numbers
}

/// Equal to `ulps` units in the last place of f32, infinities and NaN being what they are; an
/// `absolute` difference is allowed where cancellation leaves few digits.
#[track_caller]
fn assert_same(what: &str, found: &[f64], wanted: &[f64], ulps: f64, absolute: f64) {
    assert_eq!(found.len(), wanted.len());
    for (i, (&f, &w)) in found.iter().zip(wanted).enumerate() {
        let rounded = w as f32;
        let unit = f64::from(rounded.abs().next_up()) - f64::from(rounded.abs());
        let close = (f - w).abs() <= ulps * unit + absolute;
        let same_class = f == f64::from(rounded) || (f.is_nan() && w.is_nan());
        assert!(same_class || close, "{what}[{i}]: {f:e} instead of {w:e}");
    }
}

#[test]
fn activations_match_the_reference_everywhere() {
    let x = awkward();
    let shape = TensorShape::Vector(x.len());
    for f in ACTIVATIONS {
        let mut y = Pair::new(shape, &x);
        let mut dx = Pair::random(3, shape);
        cpu().activation_forward(f, &mut y.cpu).unwrap();
        Reference.activation_forward(f, &mut y.reference).unwrap();
        cpu().activation_backward(f, &mut dx.cpu, &y.cpu).unwrap();
        Reference.activation_backward(f, &mut dx.reference, &y.reference).unwrap();
        let [y_cpu, dx_cpu] = [&y.cpu, &dx.cpu].map(|b| values(&cpu(), b));
        let [y_ref, dx_ref] = [&y.reference, &dx.reference].map(|b| values(&Reference, b));
        assert_same(&format!("{f:?}"), &y_cpu, &y_ref, 2.0, 0.0);
        // 1 − y² and 1 − y with y rounded to f32 are 1.2e-7 uncertain, times dy of up to 4.
        assert_same(&format!("{f:?} backward"), &dx_cpu, &dx_ref, 4.0, 1e-6);
    }
}

fn loss<B: Backend>(backend: &B, logits: bool, target: f64, input: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let shape = TensorShape::Image(Nchw::new(input.len(), 1, 1, 1));
    let p = Bce { n: input.len(), target, slot: 1 };
    let input = tensor(backend, shape, input);
    let mut gradient = poisoned(backend, shape);
    let mut stats = tensor(backend, TensorShape::Vector(4), &[9.0; 4]);
    match logits {
        true => backend.bce_with_logits(p, &mut gradient, &mut stats, &input).unwrap(),
        false => backend.bce(p, &mut gradient, &mut stats, &input).unwrap(),
    }
    (values(backend, &gradient), values(backend, &stats))
}

#[test]
fn losses_match_the_reference_one_number_at_a_time() {
    let probabilities: Vec<f32> =
        [0.0, 1e-45, 1e-38, 1e-12, 1e-7, 0.3, 0.5, 0.999, 1.0 - f32::EPSILON / 2.0, 1.0].into();
    let logits: Vec<f32> = awkward().into_iter().filter(|z| z.is_finite()).collect();
    for target in [0.0, 0.1, 0.9, 1.0] {
        for (is_logit, inputs) in [(false, &probabilities), (true, &logits)] {
            for &input in inputs {
                let what = format!("target {target}, logit {is_logit}, {input:e}");
                let (gradient, stats) = loss(&cpu(), is_logit, target, &[input]);
                let (gradient_ref, stats_ref) = loss(&Reference, is_logit, target, &[input]);
                assert_same(&what, &gradient, &gradient_ref, 1.0, 0.0);
                assert_same(&what, &stats, &stats_ref, 1.0, 0.0);
            }
        }
    }
}

#[test]
fn a_loss_is_the_mean_and_leaves_the_other_slots() {
    let z = normals(1, 77);
    for is_logit in [false, true] {
        let input: Vec<f32> =
            z.iter().map(|z| if is_logit { *z } else { 1.0 / (1.0 + z.exp()) }).collect();
        let (gradient, stats) = loss(&cpu(), is_logit, 1.0, &input);
        let (gradient_ref, stats_ref) = loss(&Reference, is_logit, 1.0, &input);
        assert_close("gradient", &gradient, &gradient_ref, 1e-7);
        assert_close("stats", &stats, &stats_ref, 1e-7);
        assert_eq!((stats[0], stats[3]), (9.0, 9.0));
    }
}

#[test]
fn losses_show_nan_and_survive_infinite_logits() {
    for is_logit in [false, true] {
        let (gradient, stats) = loss(&cpu(), is_logit, 1.0, &[0.5, f32::NAN]);
        assert!(gradient[1].is_nan() && stats[1].is_nan() && stats[2].is_nan());
    }
    let (gradient, stats) = loss(&cpu(), true, 1.0, &[f32::INFINITY]);
    assert_eq!((gradient[0], stats[1], stats[2]), (0.0, 0.0, 1.0));
    let (gradient, stats) = loss(&cpu(), true, 1.0, &[f32::NEG_INFINITY]);
    assert_eq!((gradient[0], stats[1], stats[2]), (-1.0, f64::INFINITY, 0.0));
}

#[test]
fn losses_refuse_what_does_not_fit() {
    let backend = cpu();
    let input = backend.alloc(TensorShape::Vector(3)).unwrap();
    let mut gradient = backend.alloc(TensorShape::Vector(3)).unwrap();
    let mut stats = backend.alloc(TensorShape::Vector(2)).unwrap();
    let p = Bce { n: 3, target: 1.0, slot: 0 };
    backend.bce(p, &mut gradient, &mut stats, &input).unwrap();
    let refused = [Bce { slot: 1, ..p }, Bce { slot: usize::MAX, ..p }, Bce { n: 4, ..p }];
    for p in refused {
        assert!(backend.bce(p, &mut gradient, &mut stats, &input).is_err(), "{p:?}");
    }
}

/// Ten updates with a gradient that changes sign and size.
#[test]
fn adam_and_ema_follow_the_reference() {
    let backend = cpu();
    let shape = TensorShape::Filter([5, 3, 4, 4]);
    for (lr, beta1, beta2) in [(2e-4, 0.5, 0.999), (1e-3, 0.9, 0.99)] {
        let p = Adam { lr, beta1, beta2, eps: 1e-8 };
        let zeros = || Pair::new(shape, &vec![0.0; shape.len()]);
        let (mut param, mut m, mut v) = (Pair::random(1, shape), zeros(), zeros());
        let mut average = Pair::random(2, shape);
        let mut step = Pair::new(TensorShape::Vector(1), &[0.0]);
        for update in 0..10 {
            let g = Pair::random(10 + update, shape);
            backend.adam(p, &mut param.cpu, &mut m.cpu, &mut v.cpu, &g.cpu, &step.cpu).unwrap();
            let r = (&mut param.reference, &mut m.reference, &mut v.reference);
            Reference.adam(p, r.0, r.1, r.2, &g.reference, &step.reference).unwrap();
            let ema = Ema { decay: 0.5 };
            backend.ema(ema, &mut average.cpu, &param.cpu, &step.cpu).unwrap();
            Reference.ema(ema, &mut average.reference, &param.reference, &step.reference).unwrap();
            backend.advance(&mut step.cpu).unwrap();
            Reference.advance(&mut step.reference).unwrap();
        }
        param.assert_close("param", 1e-7);
        m.assert_close("m", 2e-7);
        v.assert_close("v", 2e-7);
        average.assert_close("average", 2e-7);
        assert_eq!(values(&backend, &step.cpu), [10.0]);
    }
}

#[test]
fn the_optimiser_refuses_what_does_not_fit() {
    let backend = cpu();
    let of = |len| backend.alloc(TensorShape::Vector(len)).unwrap();
    let p = Adam { lr: 1e-3, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
    let error = backend.adam(p, &mut of(3), &mut of(3), &mut of(2), &of(3), &of(1)).unwrap_err();
    assert_eq!(error.to_string(), "adam: v has shape [2], expected [3]");
    let error = backend.ema(Ema { decay: 0.9 }, &mut of(3), &of(3), &of(2)).unwrap_err();
    assert_eq!(error.to_string(), "ema: step has shape [2], expected [1]");
}
