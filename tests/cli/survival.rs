//! Signals, kills, full disks, NaN: what was trained is not lost.
#![cfg(unix)]

use crate::common::{Place, stderr};
use dermaglyph::backend::HostTensor;
use dermaglyph::checkpoint::{self, WeightFile, resolve};
use dermaglyph::model::NamedTensor;
use dermaglyph::shape::TensorShape;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ENDLESS: &str = "train --preset tiny --data images --no-cache --steps 1000000 \
    --checkpoint-every 1step --sample-every never --out run";

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// Waits until the run has a checkpoint beyond `step`, and returns its step.
fn wait_for_step(run: &Path, step: u64) -> u64 {
    let started = Instant::now();
    loop {
        if let Ok(path) = resolve(run)
            && let Ok(file) = WeightFile::open(&path)
            && let Some(meta) = file.meta()
            && meta.step > step
        {
            return meta.step;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint after {step}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads every tensor of a checkpoint; returns its step.
fn load(run: &Path) -> u64 {
    let mut file = WeightFile::open(&resolve(run).unwrap()).unwrap();
    for name in file.names().iter().filter(|name| !name.ends_with("num_batches_tracked")) {
        let shape = shape_of(file.dims(name).unwrap());
        file.tensor(name, &shape).unwrap();
    }
    file.meta().unwrap().step
}

fn shape_of(dims: &[usize]) -> TensorShape {
    match *dims {
        [a, b, c, d] => TensorShape::Filter([a, b, c, d]),
        [length] => TensorShape::Vector(length),
        _ => panic!("unexpected dimensions {dims:?}"),
    }
}

#[test]
fn an_interrupt_finishes_the_step_saves_and_says_how_to_go_on() {
    for name in ["-INT", "-TERM"] {
        let place = Place::new();
        let run = place.path("run");
        let child = place.command(ENDLESS).stderr(Stdio::piped()).spawn().unwrap();
        let seen = wait_for_step(&run, 1);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("dermaglyph train --resume run"), "{}", stderr(&output));
        let step = load(&run);
        assert!(step >= seen);
        assert_eq!(place.losses("run").last().map(|l| l.0), Some(step));
    }
}

#[test]
fn a_second_interrupt_stops_at_once() {
    let place = Place::new();
    // Steps of many seconds: f64 loops on one core.
    let slow = "train --preset quick --data images --no-cache --device reference --batch-size 32 \
        --grid 1x1 --out run";
    let mut child = place.command(slow).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !place.path("run/samples/step-0000000.png").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "training does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(load(&place.path("run")), 0);
}

#[test]
fn two_processes_cannot_share_a_run() {
    let place = Place::new();
    let mut child = place.command(ENDLESS).stderr(Stdio::null()).spawn().unwrap();
    wait_for_step(&place.path("run"), 0);
    place.refuse("train --resume run --steps 1000001", 2, &["in use by another"]);
    place.refuse("train --preset tiny --data images --out run", 2, &["run"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    let place = Place::new();
    let run = place.path("run");
    let resume = "train --resume run --steps 1000000";
    let mut step = 0;
    for round in 0..6u64 {
        let args = if round == 0 { ENDLESS } else { resume };
        let mut child = place.command(args).stderr(Stdio::null()).spawn().unwrap();
        wait_for_step(&run, step);
        std::thread::sleep(Duration::from_millis(7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = load(&run);
        assert!(now > step, "round {round}: {now} after {step}");
        step = now;
    }
    let child = place.command(resume).stderr(Stdio::null()).spawn().unwrap();
    wait_for_step(&run, step);
    signal(&child, "-INT");
    assert!(child.wait_with_output().unwrap().status.success());
    let total = load(&run);
    // Without checkpoints on the way.
    let rare = "--checkpoint-every never --sample-every never";
    place.train(&format!("--steps {total} {rare} --out whole"));
    assert_eq!(place.losses("run"), place.losses("whole"));
    assert_eq!(place.tensors("run"), place.tensors("whole"));
    let leftovers: Vec<_> = ["run", "run/checkpoints", "run/samples"]
        .iter()
        .flat_map(|folder| place.names(folder))
        .filter(|name| name.ends_with(".tmp"))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

/// Runs `dermaglyph ARGS` where no file may grow beyond `blocks` of 512 bytes: a full disk.
fn run_limited(place: &Place, blocks: u64, args: &str) -> std::process::Output {
    run_under(place, &format!("trap '' XFSZ; ulimit -f {blocks}"), args)
}

/// Runs `dermaglyph ARGS` in a shell that has set its `limits` first.
fn run_under(place: &Place, limits: &str, args: &str) -> std::process::Output {
    let binary = place.command("").get_program().to_owned();
    let script = format!("{limits}; exec \"$0\" {args}");
    let mut shell = Command::new("sh");
    shell.current_dir(place.path("")).arg("-c").arg(script).arg(binary);
    let output = shell.output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    output
}

#[test]
fn too_little_memory_is_an_error_that_says_what_to_lower() {
    let place = Place::new();
    // 1 GB of address space; the activations alone take more than 2.
    let args = "train --preset seed --batch-size 1024 --threads 2 --dry-run";
    let output = run_under(&place, "ulimit -v 1000000", args);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    for needle in ["out of memory", "[1024, ", "--batch-size"] {
        assert!(stderr(&output).contains(needle), "{}", stderr(&output));
    }
}

#[test]
fn a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on_later() {
    let place = Place::new();
    place.train("--steps 2 --out run");
    place.train("--steps 6 --out whole");
    let before = place.tensors("run");
    // 64 KiB: enough for the logs, too little for a checkpoint.
    let output = run_limited(&place, 128, "train --resume run --steps 6 --sample-every never");
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("step-0000004.safetensors"), "{}", stderr(&output));
    assert!(stderr(&output).contains("last checkpoint is intact"), "{}", stderr(&output));
    assert_eq!(load(&place.path("run")), 2);
    assert_eq!(place.tensors("run"), before);
    place.succeed("train --resume run --steps 6");
    assert_eq!(place.losses("run"), place.losses("whole"));
    assert_eq!(place.tensors("run"), place.tensors("whole"));
}

#[test]
fn metrics_that_cannot_be_written_do_not_lose_the_training() {
    let place = Place::new();
    place.train("--steps 2 --out run");
    let checkpoint = std::fs::metadata(resolve(&place.path("run")).unwrap()).unwrap().len();
    let metrics = place.path("run/metrics.jsonl");
    let line = std::fs::read_to_string(&metrics).unwrap().lines().next().unwrap().to_owned() + "\n";
    // Longer than a checkpoint, so that only the metrics reach the limit.
    let lines = 2 * checkpoint as usize / line.len();
    std::fs::write(&metrics, line.repeat(lines)).unwrap();
    let blocks = (line.len() * lines) as u64 / 512 + 1;
    let output =
        run_limited(&place, blocks, "train --resume run --steps 50 --checkpoint-every never");
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("metrics.jsonl"), "{}", stderr(&output));
    assert!(stderr(&output).contains("saved the present state"), "{}", stderr(&output));
    assert!(load(&place.path("run")) > 2);
}

#[test]
fn divergence_names_step_and_layer_and_keeps_the_last_checkpoint() {
    diverge("cpu", &["diverged at step 3", "discriminator.main.2", "last good checkpoint"]);
}

/// Where ops are asynchronous the losses are looked at when they are logged, here after every step; by then the
/// bad values are everywhere.
#[test]
fn divergence_on_an_asynchronous_device_keeps_the_last_checkpoint() {
    diverge("software", &["diverged at step 3", "main.", "last good checkpoint"]);
}

fn diverge(device: &str, needles: &[&str]) {
    let place = Place::new();
    place.train("--steps 2 --out run");
    // The state after step 2 with one layer's weights near the largest f32.
    let path = resolve(&place.path("run")).unwrap();
    let mut file = WeightFile::open(&path).unwrap();
    let mut tensors = Vec::new();
    for name in file.names().into_iter().filter(|name| !name.ends_with("num_batches_tracked")) {
        let shape = shape_of(file.dims(&name).unwrap());
        let mut data = file.tensor(&name, &shape).unwrap();
        if name == "discriminator.main.2.weight" {
            data = HostTensor::F32(vec![3e38; data.len()]);
        }
        tensors.push(NamedTensor { name, shape, data });
    }
    checkpoint::write(&path, file.meta().unwrap(), &tensors).unwrap();
    let before = std::fs::read(&path).unwrap();
    place.refuse(&format!("train --resume run --steps 9 --device {device}"), 6, needles);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(load(&place.path("run")), 2);
}
