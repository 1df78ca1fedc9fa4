//! `--device software` through the command line: the CUDA engine on the software device.

use crate::common::{Place, stderr};
use std::process::Output;

/// Runs `dermaglyph ARGS` with variables of the environment.
fn run_with(place: &Place, args: &str, variables: &[(&str, &str)]) -> Output {
    let output = place.command(args).envs(variables.iter().copied()).output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{args}: {}", stderr(&output));
    output
}

/// Largest difference between the losses of two runs, step by step.
fn losses_apart(place: &Place, a: &str, b: &str) -> f32 {
    let (a, b) = (place.losses(a), place.losses(b));
    assert_eq!(a.len(), b.len());
    let apart = a.iter().zip(&b).flat_map(|((s, a), (t, b))| {
        assert_eq!(s, t);
        a.iter().zip(b).map(|(a, b)| (a - b).abs())
    });
    apart.fold(0.0, f32::max)
}

#[test]
fn a_run_goes_from_the_software_device_to_the_cpu_and_back() {
    let place = Place::new();
    place.train("--steps 8 --out cpu --device cpu");
    place.train("--steps 4 --out there --device software");
    assert!(place.names("there/samples").contains(&"step-0000004.png".to_owned()));
    place.succeed("train --resume there --steps 8 --device cpu");
    place.train("--steps 4 --out back --device cpu");
    place.succeed("train --resume back --steps 8 --device software");
    // Float32 on both sides, eight steps: the losses move apart by rounding alone.
    for run in ["there", "back"] {
        let apart = losses_apart(&place, "cpu", run);
        assert!(apart > 0.0 && apart < 1e-4, "{run}: {apart:e}");
    }
    let generated =
        place.succeed("generate --from there --seeds 0-3 --out prints --device software --json");
    assert!(generated.contains("softgpu"), "{generated}");
    assert_eq!(place.names("prints").len(), 4);
}

/// Blocks and warps run in the order that the seed draws: if a result depended on it, bits would differ.
#[test]
fn the_same_seed_gives_the_same_bits_in_whatever_order_blocks_run() {
    let place = Place::new();
    let train = "train --preset tiny --data images --no-cache --steps 4 --device software --out";
    for (order, workers) in [("1", "1"), ("2", "2"), ("3", "2")] {
        let variables = [("SOFTGPU_SEED", order), ("SOFTGPU_WORKERS", workers)];
        let output = run_with(&place, &format!("{train} order{order}"), &variables);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert_eq!(place.losses("order1"), place.losses("order2"));
    assert_eq!(place.tensors("order1"), place.tensors("order2"));
    assert_eq!(place.tensors("order1"), place.tensors("order3"));
    // A stop and a resume change nothing either.
    place.train("--steps 2 --out parts --device software");
    place.succeed("train --resume parts --steps 4");
    assert_eq!(place.losses("parts"), place.losses("order1"));
    assert_eq!(place.tensors("parts"), place.tensors("order1"));
}

#[test]
fn too_little_device_memory_is_an_error_that_says_what_to_lower() {
    let place = Place::new();
    let train = "train --preset tiny --data images --no-cache --device software --out run";
    let output = run_with(&place, train, &[("SOFTGPU_MEMORY", "1M")]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    for needle in ["software", "allocating a tensor of shape", "OUT_OF_MEMORY", "--batch-size"] {
        assert!(stderr(&output).contains(needle), "{needle}: {}", stderr(&output));
    }
}

#[test]
fn a_kernel_that_fails_is_named_and_the_last_checkpoint_stays() {
    let place = Place::new();
    let train =
        "train --preset tiny --data images --no-cache --steps 2 --device software --out run";
    // So few instructions that no convolution ends.
    let output = run_with(&place, train, &[("SOFTGPU_WATCHDOG", "100")]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    for needle in ["software", "conv_", "grid", "CUDA_ERROR", "last checkpoint"] {
        assert!(stderr(&output).contains(needle), "{needle}: {}", stderr(&output));
    }
    assert!(place.names("run/checkpoints").contains(&"step-0000000.safetensors".to_owned()));
    place.succeed("train --resume run");
    assert_eq!(place.losses("run").len(), 2);
}

#[test]
fn profile_counts_every_kernel_of_a_step() {
    let place = Place::new();
    let said = place.succeed("profile --preset tiny --device software --json");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let kernels = report["kernels"].as_array().unwrap();
    let of = |name: &str| {
        let row = kernels.iter().find(|row| row["kernel"] == name);
        row.unwrap_or_else(|| panic!("{name} is not in {said}"))
    };
    // Tensors of both networks: 4 + 4 filters, 3 + 2 batch norms of two vectors; each is updated once.
    let updates = of("adam")["launches"].as_u64().unwrap();
    assert_eq!(updates, 8 + 2 * 5);
    assert_eq!(of("advance")["launches"], 1);
    // The last layer of D, in three passes: 16 positions, 4·4·32 multiplications each.
    assert_eq!(of("conv_forward_dot")["launches"], 3);
    assert_eq!(of("conv_forward_dot")["counts"]["fmas"], 3 * 16 * 4 * 4 * 32);
    assert!(report["step_seconds"].is_null(), "an interpreter's time is no figure: {said}");
    let table = place.succeed("profile --preset tiny --device software --plain");
    assert!(table.contains("conv_forward_plain") && table.contains("no times"), "{table}");
    let cpu = place.succeed("profile --preset tiny --device cpu --repeat 1");
    assert!(cpu.contains("images/s"), "{cpu}");
    let sizes = "--ngf 16 --ndf 16 --repeat 1";
    let cpu = place.succeed(&format!("profile --preset tiny --device cpu {sizes}"));
    assert!(cpu.contains("F(4,2)") && cpu.contains("direct"), "{cpu}");
    let cpu = place.succeed(&format!("profile --preset tiny --device cpu {sizes} --conv direct"));
    assert!(!cpu.contains("F(4,2)") && cpu.contains("direct"), "{cpu}");
}

#[test]
fn doctor_says_what_there_is() {
    let place = Place::new();
    let said = place.succeed("doctor");
    for needle in ["kernels", "nvcc", "driver", "software  works", "auto"] {
        assert!(said.contains(needle), "{needle}: {said}");
    }
    let report: serde_json::Value = serde_json::from_str(&place.succeed("doctor --json")).unwrap();
    assert!(report["kernels"]["count"].as_u64() > Some(40), "{report}");
}
