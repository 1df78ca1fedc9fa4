use super::*;
use crate::backend::NormSaved;
use crate::backend::block::NormStats;
use crate::backend::ops::BatchNorm;
use crate::shape::Nchw;

/// What a batch normalisation's passes leave, in one backend.
struct Outcome {
    names: Vec<&'static str>,
    tensors: Vec<Vec<f64>>,
}

struct Inputs {
    p: BatchNorm,
    x: Vec<f32>,
    dy: Vec<f32>,
}

fn vector<B: Backend>(backend: &B, seed: u64, len: usize, positive: bool) -> B::Buffer {
    let mut values = normals(seed, len);
    if positive {
        values.iter_mut().for_each(|v| *v = 0.5 + v.abs());
    }
    tensor(backend, TensorShape::Vector(len), &values)
}

fn outcome<B: Backend>(backend: &B, inputs: &Inputs) -> Outcome {
    let Inputs { p, x, dy } = inputs;
    let (p, c) = (*p, p.shape.c as usize);
    let shape = TensorShape::Image(p.shape);
    let x = tensor(backend, shape, x);
    let (gamma, beta) = (vector(backend, 11, c, false), vector(backend, 12, c, false));
    let mut running =
        NormStats { mean: vector(backend, 13, c, false), var: vector(backend, 14, c, true) };
    let grads = || (vector(backend, 15, c, false), vector(backend, 16, c, false));

    let (mut eval_y, mut eval_dx) = (poisoned(backend, shape), tensor(backend, shape, dy));
    let (mut eval_dgamma, mut eval_dbeta) = grads();
    backend.batch_norm_eval_forward(p, &mut eval_y, &running, &x, &gamma, &beta).unwrap();
    let eval_grads = Some((&mut eval_dgamma, &mut eval_dbeta));
    backend.batch_norm_eval_backward(p, &mut eval_dx, eval_grads, &x, &gamma, &running).unwrap();

    let channels = TensorShape::Vector(c);
    let mut saved =
        NormSaved { mean: poisoned(backend, channels), inv_std: poisoned(backend, channels) };
    let (mut y, mut dx) = (poisoned(backend, shape), tensor(backend, shape, dy));
    let (mut dgamma, mut dbeta) = grads();
    backend.batch_norm_forward(p, &mut y, &mut saved, &mut running, &x, &gamma, &beta).unwrap();
    let grads = Some((&mut dgamma, &mut dbeta));
    backend.batch_norm_backward(p, &mut dx, grads, &x, &gamma, &saved).unwrap();
    let mut frozen_dx = tensor(backend, shape, dy);
    backend.batch_norm_backward(p, &mut frozen_dx, None, &x, &gamma, &saved).unwrap();

    let all = [
        ("y", y),
        ("mean", saved.mean),
        ("inv_std", saved.inv_std),
        ("running mean", running.mean),
        ("running var", running.var),
        ("dx", dx),
        ("dgamma", dgamma),
        ("dbeta", dbeta),
        ("dx, frozen", frozen_dx),
        ("eval y", eval_y),
        ("eval dx", eval_dx),
        ("eval dgamma", eval_dgamma),
        ("eval dbeta", eval_dbeta),
    ];
    Outcome {
        names: all.iter().map(|(name, _)| *name).collect(),
        tensors: all.iter().map(|(_, buffer)| values(backend, buffer)).collect(),
    }
}

fn inputs(shape: Nchw, x: impl Fn(usize, f32) -> f32) -> Inputs {
    let noise = normals(1, shape.len());
    Inputs {
        p: BatchNorm { eps: 1e-5, momentum: 0.3, shape },
        x: noise
            .iter()
            .enumerate()
            .map(|(i, &v)| x(i / shape.area() % shape.c as usize, v))
            .collect(),
        dy: normals(2, shape.len()),
    }
}

#[test]
fn every_pass_matches_the_reference() {
    let shapes = [(2, 1, 3, 5), (5, 3, 4, 4), (3, 17, 8, 7), (1, 4, 2, 3), (9, 70, 31, 32)];
    for (n, c, h, w) in shapes {
        let inputs = inputs(Nchw::new(n, c, h, w), |channel, v| 3.0 * v + channel as f32);
        let (found, wanted) = (outcome(&cpu(), &inputs), outcome(&Reference, &inputs));
        for (name, (f, w)) in found.names.iter().zip(found.tensors.iter().zip(&wanted.tensors)) {
            assert_close(&format!("{name} of {}", inputs.p.shape), f, w, 1e-6);
        }
    }
}

/// Mean 1000, deviation 0.01: f32 keeps the mean to 3e-5, which is 0.3 % of the deviation. The
/// forward pass must not lose that; what the batch normalisation hands on to its backward pass is an
/// f32 mean, which costs about as much as its rounding.
#[test]
fn a_large_mean_costs_no_digits_forward() {
    let inputs = inputs(Nchw::new(4, 3, 8, 8), |channel, v| 1000.0 + channel as f32 + 0.01 * v);
    let (found, wanted) = (outcome(&cpu(), &inputs), outcome(&Reference, &inputs));
    for (name, (f, w)) in found.names.iter().zip(found.tensors.iter().zip(&wanted.tensors)) {
        let bound = if name.starts_with('d') { 5e-3 } else { 1e-6 };
        assert_close(name, f, w, bound);
    }
}

#[test]
fn constant_and_nearly_constant_channels_match_the_reference() {
    let inputs = inputs(Nchw::new(4, 3, 3, 3), |channel, v| match channel {
        0 => 7.0,
        1 => 1e-6 * v,
        _ => 7.0 + 1e-3 * v,
    });
    let (found, wanted) = (outcome(&cpu(), &inputs), outcome(&Reference, &inputs));
    for (name, (f, w)) in found.names.iter().zip(found.tensors.iter().zip(&wanted.tensors)) {
        assert_close(name, f, w, if name.starts_with('d') { 1e-4 } else { 1e-6 });
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let inputs = inputs(Nchw::new(9, 70, 31, 32), |_, v| v);
    let run = |threads| {
        let backend = Cpu::new(Some(threads)).unwrap();
        let tensors = outcome(&backend, &inputs).tensors.concat();
        tensors.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    let one = run(1);
    for threads in [2, 3, 7] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_single_value_has_no_variance() {
    let backend = cpu();
    let p = BatchNorm::new(Nchw::new(1, 3, 1, 1));
    let image = || backend.alloc(TensorShape::Image(p.shape)).unwrap();
    let channel = || backend.alloc(TensorShape::Vector(3)).unwrap();
    let mut saved = NormSaved { mean: channel(), inv_std: channel() };
    let mut running = NormStats::new(&backend, 3).unwrap();
    let (x, mut y) = (image(), image());
    let error = backend
        .batch_norm_forward(p, &mut y, &mut saved, &mut running, &x, &channel(), &channel())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "batch_norm_forward: [1, 3, 1, 1] has 1 values per channel, at least 2 are needed"
    );
    backend.batch_norm_eval_forward(p, &mut y, &running, &x, &channel(), &channel()).unwrap();
}

#[test]
fn shape_mismatches_are_errors_that_name_the_tensor() {
    let backend = cpu();
    let p = BatchNorm::new(Nchw::new(2, 3, 2, 2));
    let x = backend.alloc(TensorShape::Image(p.shape)).unwrap();
    let mut dy = backend.alloc(TensorShape::Image(Nchw::new(2, 2, 3, 2))).unwrap();
    let three = || backend.alloc(TensorShape::Vector(3)).unwrap();
    let mut four = backend.alloc(TensorShape::Vector(4)).unwrap();
    let saved = NormSaved { mean: three(), inv_std: three() };
    let error = backend.batch_norm_backward(p, &mut dy, None, &x, &three(), &saved).unwrap_err();
    assert_eq!(
        error.to_string(),
        "batch_norm_backward: dy has shape [2, 2, 3, 2], expected [2, 3, 2, 2]"
    );
    let mut dy = backend.alloc(TensorShape::Image(p.shape)).unwrap();
    let grads = Some((&mut four, &mut dy));
    let mut dx = backend.alloc(TensorShape::Image(p.shape)).unwrap();
    let error = backend.batch_norm_backward(p, &mut dx, grads, &x, &three(), &saved).unwrap_err();
    assert_eq!(error.to_string(), "batch_norm_backward: dgamma has shape [4], expected [3]");
}
