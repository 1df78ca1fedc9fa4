//! What a run leaves behind.

use crate::common::{Place, stderr};
use serde_json::Value;

#[test]
fn help_shows_examples_and_exit_codes_and_the_version_is_known() {
    let place = Place::new();
    let help = place.succeed("--help");
    for needle in ["Examples:", "Exit codes:", "train", "generate"] {
        assert!(help.contains(needle), "{needle:?} not in {help}");
    }
    let train = place.succeed("train --help");
    for flag in [
        "--preset",
        "--data",
        "--out",
        "--epochs",
        "--steps",
        "--seed",
        "--device",
        "--resume",
        "--evaluate-every",
        "--dry-run",
        "--image-size",
        "--channels",
        "--batch-size",
        "--nz",
        "--ngf",
        "--ndf",
        "--lr",
        "--beta1",
        "--config",
        "--json",
        "Examples:",
    ] {
        assert!(train.contains(flag), "{flag} not in {train}");
    }
    let generate = place.succeed("generate --help");
    for flag in [
        "--from",
        "--seeds",
        "--count",
        "--out",
        "--grid",
        "--format",
        "--interpolate",
        "Examples:",
    ] {
        assert!(generate.contains(flag), "{flag} not in {generate}");
    }
    assert_eq!(
        place.succeed("--version").trim(),
        concat!("dermaglyph ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_run_directory_holds_everything_and_its_config_makes_the_same_run_again() {
    let place = Place::new();
    let report = place.train("--steps 4 --sample-every 2steps --out run --json");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["finished"], Value::Bool(true));
    assert_eq!((&report["step"], &report["total_steps"]), (&4.into(), &4.into()));
    assert!(report["images_per_second"].as_f64().unwrap() > 0.0);

    let names = place.names("run");
    for name in
        ["checkpoints", "config.toml", "losses.png", "metrics.csv", "metrics.jsonl", "reals.png"]
    {
        assert!(names.iter().any(|n| n == name), "{name} not in {names:?}");
    }
    assert!(names.iter().any(|n| n.starts_with("events.out.tfevents.")), "{names:?}");
    // 43 training images make 2 steps an epoch, and checkpoints come every epoch.
    assert_eq!(
        place.names("run/checkpoints"),
        [
            "latest",
            "step-0000000.safetensors",
            "step-0000002.safetensors",
            "step-0000004.safetensors"
        ]
    );
    let samples = ["step-0000000.png", "step-0000002.png", "step-0000004.png"];
    assert_eq!(place.names("run/samples"), samples);
    // 4×4 prints of 32 pixels with gaps of 2.
    let grid = image::open(place.path("run/samples/step-0000004.png")).unwrap();
    assert_eq!((grid.width(), grid.height()), (138, 138));
    assert_eq!(place.losses("run").iter().map(|l| l.0).collect::<Vec<_>>(), [1, 2, 3, 4]);

    place.succeed("train --config run/config.toml --out again");
    assert_eq!(place.losses("again"), place.losses("run"));
    assert_eq!(place.tensors("again"), place.tensors("run"));
}

#[test]
fn flags_hide_the_file_and_the_file_hides_the_preset() {
    let place = Place::new();
    std::fs::write(place.path("my.toml"), "preset = 'tiny'\nnz = 5\nlr = 0.001\n").unwrap();
    let text = place.succeed("train --config my.toml --lr 0.002 --epochs 7 --dry-run --json");
    let report: Value = serde_json::from_str(&text).unwrap();
    let config = &report["config"];
    assert_eq!((&config["nz"], &config["lr"]), (&5.into(), &0.002.into()));
    assert_eq!((&config["image_size"], &config["epochs"]), (&32.into(), &7.into()));
    assert_eq!(config["steps"], Value::Null);
}

#[test]
fn a_dry_run_describes_the_networks_and_writes_nothing() {
    let place = Place::new();
    let text = place.succeed("train --preset tiny --data images --dry-run");
    // Counted by hand: 32 = 4·2³, ngf 8: filters 16×32, 32×16, 16×8, 8×1 of 4×4, γ and β of 56.
    let parameters = 16 * (16 * 32 + 32 * 16 + 16 * 8 + 8) + 2 * (32 + 16 + 8);
    assert!(text.contains(&format!("generator: {parameters} parameters")), "{text}");
    assert!(text.contains("48 images"), "{text}");
    assert_eq!(place.names(""), ["images"]);
}

#[test]
fn runs_without_a_name_are_numbered() {
    let place = Place::new();
    for name in ["runs/tiny-001", "runs/tiny-002"] {
        let report = place.train("--steps 1 --json");
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["run"], name);
    }
}

#[test]
fn the_reference_trains_too_and_agrees_with_the_cpu() {
    let place = Place::new();
    for device in ["cpu", "reference"] {
        place.train(&format!("--steps 2 --batch-size 4 --device {device} --out {device}"));
    }
    let (cpu, reference) = (place.losses("cpu"), place.losses("reference"));
    for ((step, cpu), (_, reference)) in cpu.iter().zip(&reference) {
        for (a, b) in cpu.iter().zip(reference) {
            // Two steps of f32 against f64; PyTorch's own gap after ten is a few 1e-6.
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "step {step}: {cpu:?} {reference:?}");
        }
    }
    assert_eq!(cpu.len(), 2);
}

#[test]
fn a_run_without_data_says_what_it_trains_on() {
    let place = Place::new();
    let args = "train --preset tiny --synth-count 40 --steps 1 --cache cache --out run";
    let output = place.run(args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("40 prints made from a formula"), "{}", stderr(&output));
}

/// What is kept of an evaluated run is for generating and for judging, not for going on.
#[test]
fn an_evaluated_run_names_its_best_generator() {
    let place = Place::new();
    let dry = place.train("--evaluate-every 3steps --dry-run");
    assert!(dry.contains("evaluate_every = \"3 steps\""), "{dry}");
    let report = place.train("--steps 3 --evaluate-every 2steps --out run --json");
    let report: Value = serde_json::from_str(&report).unwrap();
    let best = &report["best"];
    assert_eq!(best["file"], "run/checkpoints/best.safetensors");

    let metrics = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let evaluated: Vec<&Value> = lines.iter().filter(|l| !l["eval_step"].is_null()).collect();
    let steps: Vec<_> = evaluated.iter().map(|l| l["eval_step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [2, 3]);
    let lowest = evaluated.iter().map(|l| l["eval_frechet"].as_f64().unwrap());
    let lowest = lowest.fold(f64::INFINITY, f64::min);
    // Read back to within one unit in the last place.
    assert!((best["frechet"].as_f64().unwrap() - lowest).abs() <= 1e-15 * lowest);
    let of_best = evaluated.iter().find(|l| l["eval_step"] == best["step"]).unwrap();
    assert_eq!(of_best["eval_frechet"].as_f64(), Some(lowest));

    place.succeed("generate --from run/checkpoints/best.safetensors --seeds 0-3 --out best");
    assert_eq!(place.names("best").len(), 4);
    place.succeed("evaluate --fake run/checkpoints/best.safetensors --count 20 --out judged");
    place.refuse("train --resume run/checkpoints/best.safetensors", 2, &["no run directory"]);

    // Asked for later, and no more: the best of the run stays known.
    let text = place.succeed("train --resume run --steps 4 --evaluate-every 1");
    assert!(text.contains("best evaluation: step "), "{text}");
    let quiet = place.succeed("train --resume run --steps 5 --evaluate-every never --json");
    assert_eq!(serde_json::from_str::<Value>(&quiet).unwrap()["best"], Value::Null);
}
