//! One whole training step of the published network (batch 128, 64×64×3, nz 100, ngf = ndf = 64): CUDA
//! kernels against the CPU engine. On the software device this takes minutes.

#[path = "support/cuda.rs"]
mod device;

use dermaglyph::backend::cpu::Convolutions;
use dermaglyph::backend::ops::{Adam, Ema};
use dermaglyph::backend::{Backend, Cpu};
use dermaglyph::model::ModelConfig;
use dermaglyph::rng::{Sequence, Stream};
use dermaglyph::train::{Gan, Hyper, Losses};
use std::time::Instant;

const BATCH: usize = 128;

fn hyper() -> Hyper {
    Hyper {
        model: ModelConfig { image_size: 64, channels: 3, nz: 100, ngf: 64, ndf: 64 },
        batch_size: BATCH,
        adam: Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
        ema: Ema { decay: 0.999 },
        seed: 20_261_127,
        check_every_pass: false,
    }
}

/// Named tensors after one step from the seed's weights on the same images.
type State = Vec<(String, Vec<f64>)>;

/// The losses, the gradients, and the state of one step.
fn one_step<B: Backend>(backend: B) -> (Losses, State, State) {
    let started = Instant::now();
    let mut gan = Gan::new(backend, hyper()).unwrap();
    let mut numbers = Sequence::new(5, Stream::Init, 9, 0);
    let reals: Vec<f32> =
        (0..BATCH * 3 * 64 * 64).map(|_| numbers.range(-1.0, 0.7) as f32).collect();
    gan.upload_reals(&reals).unwrap();
    gan.step().unwrap();
    let losses = gan.losses().unwrap();
    let b = &gan.backend;
    println!("{}: one step in {:.1} s", b.describe(), started.elapsed().as_secs_f64());
    let mut gradients = State::new();
    for (prefix, network, optimiser) in
        [("G", &gan.generator, &gan.g_optimiser), ("D", &gan.discriminator, &gan.d_optimiser)]
    {
        let tensors = optimiser.grads.iter().flat_map(|g| g.tensors());
        for (name, tensor) in network.param_names().iter().zip(tensors) {
            gradients.push((format!("{prefix}.{name}"), b.snapshot(tensor).unwrap().to_f64()));
        }
    }
    let state = gan.state().unwrap().into_iter().map(|t| (t.name, t.data.to_f64())).collect();
    (losses, gradients, state)
}

/// ‖found − wanted‖/‖wanted‖; a NaN anywhere is an error.
fn distance(name: &str, found: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len(), "{name}");
    let norm = wanted.iter().map(|w| w * w).sum::<f64>().sqrt();
    let error = found.iter().zip(wanted).map(|(f, w)| (f - w).powi(2)).sum::<f64>().sqrt();
    assert!(error.is_finite() && norm.is_finite() && norm > 0.0, "{name}: {error} of {norm}");
    error / norm
}

#[test]
fn a_full_size_step_is_the_cpus() {
    // By the definition's multiplications too: another algorithm would shut other ReLUs.
    let cpu = Cpu::new(None).unwrap().with_convolutions(Convolutions::Direct);
    let (wanted, wanted_gradients, wanted_state) = one_step(cpu);
    let (found, gradients, state) = one_step(device::cuda());
    for (name, found, wanted) in [
        ("loss of D on reals", found.d_real, wanted.d_real),
        ("loss of D on fakes", found.d_fake, wanted.d_fake),
        ("loss of G", found.g, wanted.g),
        ("D(x)", found.d_x, wanted.d_x),
        ("D(G(z)) before", found.d_g_z1, wanted.d_g_z1),
        ("D(G(z)) after", found.d_g_z2, wanted.d_g_z2),
    ] {
        println!("{name}: {found} against {wanted}");
        assert!((found - wanted).abs() <= 2e-4 * wanted.abs(), "{name}: {found} against {wanted}");
    }
    for ((name, found), (_, wanted)) in gradients.iter().zip(&wanted_gradients) {
        let bound = if name.starts_with("D.") { 1e-3 } else { 4e-2 };
        let distance = distance(name, found, wanted);
        println!("gradient {name}: {distance:.1e}");
        assert!(distance <= bound, "gradient {name}: {distance:.1e} > {bound:e}");
    }
    for ((name, found), (_, wanted)) in state.iter().zip(&wanted_state) {
        let found = match gradient_of(name, &wanted_gradients) {
            Some(gradient) => without_undecided_signs(name, found, wanted, gradient),
            None => found.clone(),
        };
        let (distance, bound) = (distance(name, &found, wanted), bound(name));
        println!("{name}: {distance:.1e}");
        assert!(distance <= bound, "{name}: {distance:.1e} > {bound:e}");
    }
}

/// The gradient by which this tensor of the state was updated.
fn gradient_of<'a>(name: &str, gradients: &'a State) -> Option<&'a [f64]> {
    let short = ["generator_ema.", "generator.", "discriminator."]
        .iter()
        .zip(["G.", "G.", "D."])
        .find_map(|(long, short)| Some(format!("{short}{}", name.strip_prefix(long)?)))?;
    gradients.iter().find(|(name, _)| *name == short).map(|(_, gradient)| &gradient[..])
}

/// `found`, where rounding decided the sign of a gradient, and with it that of Adam's first step: there
/// `wanted`, after a check that nothing but the step differs. A bias starts at 0, so one such sign among
/// 512 would be a distance of 2/√512.
fn without_undecided_signs(
    name: &str,
    found: &[f64],
    wanted: &[f64],
    gradient: &[f64],
) -> Vec<f64> {
    let size = (gradient.iter().map(|g| g * g).sum::<f64>() / gradient.len() as f64).sqrt();
    let undecided = |i: usize| gradient[i].abs() < UNDECIDED * size;
    let step = 2.0 * hyper().adam.lr;
    let mut rest = found.to_vec();
    for i in (0..found.len()).filter(|&i| undecided(i)) {
        let error = (found[i] - wanted[i]).abs();
        assert!(error <= 1.01 * step, "{name}[{i}]: {} against {}", found[i], wanted[i]);
        rest[i] = wanted[i];
    }
    rest
}

/// Gradients smaller than this part of their root mean square may have either sign.
const UNDECIDED: f64 = 1e-2;

/// How far apart f32 rounding may move a tensor of the state.
///
/// Forward passes agree to rounding. In a gradient, a ReLU whose input is almost 0 is open here and shut there.
/// Adam's first step is lr·sign(g), so the updated D differs by 2·lr wherever rounding decides the sign of a
/// gradient near 0, and the generator's gradients come through that D.
fn bound(name: &str) -> f64 {
    let of_generator = name.contains("generator");
    match name {
        _ if name.starts_with("adam.") && of_generator => 6e-2,
        _ if name.starts_with("adam.") => 2e-3,
        _ if name.contains("running") && of_generator => 1e-6,
        _ if name.contains("running") => 3e-4,
        _ if of_generator => 5e-3,
        _ => 5e-4,
    }
}
