//! `dermaglyph bench`, on a network so small that no figure means anything.

use crate::common::{Place, stderr};
use serde_json::Value;
use std::io::Write;
use std::process::{Output, Stdio};

fn report(place: &Place, args: &str) -> Value {
    serde_json::from_str(&place.succeed(&format!("bench {args} --preset tiny --json"))).unwrap()
}

/// Runs `dermaglyph bench ARGS --serve` with `input` for standard input.
fn serve(place: &Place, args: &str, input: &str) -> Output {
    let mut command = place.command(&format!("bench {args} --preset tiny --serve"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    output
}

fn positive(value: &Value) -> f64 {
    value.as_f64().filter(|v| *v > 0.0).unwrap_or_else(|| panic!("{value} is no figure"))
}

/// A figure with its spread over `runs`.
fn check_spread(spread: &Value, runs: Option<u64>) {
    let [median, min, max] = ["median", "min", "max"].map(|name| positive(&spread[name]));
    assert!(min <= median && median <= max, "{spread}");
    assert!(runs.is_none_or(|runs| spread["runs"] == runs), "{spread}");
}

fn check_circumstances(report: &Value, command: &str) {
    let machine = &report["machine"];
    for field in ["cpu", "backend", "date", "commit"] {
        assert!(machine[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {machine}");
    }
    assert!(machine["cores"].as_u64() >= Some(1), "{machine}");
    assert!(machine["command"].as_str().unwrap().starts_with(command), "{machine}");
    check_spread(&report["peak_gflops"], None);
}

#[test]
fn a_step_is_checked_and_timed() {
    let place = Place::new();
    let step = report(&place, "step --steps 3 --threads 1 --batch-size 8");
    check_circumstances(&step, "dermaglyph bench step --steps 3");
    assert!(step["machine"]["backend"].as_str().unwrap().starts_with("cpu, 1 thread,"), "{step}");
    assert_eq!((&step["subject"]["batch_size"], &step["subject"]["ngf"]), (&8.into(), &8.into()));
    check_spread(&step["seconds"], Some(3));
    let rate = 8.0 / positive(&step["seconds"]["median"]);
    assert!((positive(&step["images_per_second"]) / rate - 1.0).abs() < 1e-9, "{step}");
    let gflops = positive(&step["gflop"]) / positive(&step["seconds"]["median"]);
    assert!((positive(&step["gflops"]) / gflops - 1.0).abs() < 1e-9, "{step}");
    positive(&step["share_of_peak"]);
    assert!(step["errors"]["before_update"].as_f64().unwrap() < 1e-4, "{step}");
    assert!(step["errors"]["after_update"].as_f64().unwrap() < 1e-2, "{step}");
    // Direct convolutions are what others are checked against.
    let direct = report(&place, "step --steps 1 --conv direct");
    assert_eq!(
        (&direct["subject"]["convolutions"], &direct["errors"]),
        (&"direct".into(), &Value::Null)
    );
    let table = place.succeed("bench step --preset tiny --steps 1");
    for needle in
        ["| ms a batch |", "FMA peak", "commit", "direct convolutions", "`dermaglyph bench"]
    {
        assert!(table.contains(needle), "{needle}: {table}");
    }
}

#[test]
fn every_layer_and_pass_is_checked_and_timed() {
    let place = Place::new();
    let ops = report(&place, "ops --steps 2 --batch-size 4 --image-size 64");
    check_circumstances(&ops, "dermaglyph bench ops");
    let convolutions = ops["convolutions"].as_array().unwrap();
    // Five layers in each network, three passes, but for the gradient of the latents.
    assert_eq!(convolutions.len(), 2 * 5 * 3 - 1);
    for row in convolutions {
        check_spread(&row["seconds"], Some(2));
        positive(&row["gflops"]);
        positive(&row["share_of_peak"]);
        assert!(row["error"].as_f64().unwrap() < 1e-5, "{row}");
    }
    let first = &convolutions[0];
    assert_eq!((&first["layer"], &first["pass"]), (&"G1".into(), &"forward".into()));
    assert_eq!(first["geometry"], "16×1×1 ⇒ 64×4×4, 4×4 s1 p0");
    assert!(convolutions.iter().any(|row| row["algorithm"] != "direct"), "{ops}");
    let pointwise = ops["pointwise"].as_array().unwrap();
    for op in ["batch norm, training", "LeakyReLU, backward", "Adam", "moving average", "gather"] {
        let row = pointwise.iter().find(|row| row["op"] == op);
        positive(&row.unwrap_or_else(|| panic!("{op} is not in {ops}"))["gigabytes_per_second"]);
    }
    let table = place.succeed("bench ops --preset tiny --steps 1 --conv direct");
    assert!(table.contains("weight gradient") && table.contains("GB/s"), "{table}");
    assert!(!table.contains("F("), "an algorithm that was not asked for: {table}");
}

#[test]
fn generated_images_are_checked_and_timed() {
    let place = Place::new();
    let images = report(&place, "generate --steps 2");
    check_circumstances(&images, "dermaglyph bench generate");
    assert_eq!(images["subject"]["batch_size"], 64);
    check_spread(&images["seconds"], Some(2));
    positive(&images["images_per_second"]);
    assert!(images["error"].as_f64().unwrap() < 1e-4, "{images}");
    assert!(place.succeed("bench generate --preset tiny --steps 1").contains("images/s"));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::new();
    for (args, needles) in [
        ("step --batch-size 1", ["--batch-size 1", "batch normalisation"]),
        ("ops --image-size 100", ["100", "96 and 112"]),
        ("generate --channels 2", ["1", "3"]),
        ("step --threads 0", ["--threads 0", "1 to 4096"]),
        ("step --steps 0", ["--steps", "1..=10000"]),
        ("step --conv fft", ["fft", "direct"]),
        ("ops --serve", ["--serve", "unexpected"]),
        ("step --serve --json", ["--serve", "--json"]),
        ("step --batch-size -4", ["--batch-size", "-4"]),
        ("train", ["train", "subcommand"]),
    ] {
        place.refuse(&format!("bench {args}"), 2, &needles);
    }
    let unknown = place.command("bench step").env("DERMAGLYPH_CPU_ISA", "mmx").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
}

#[test]
fn a_served_bench_obeys_line_by_line() {
    let place = Place::new();
    for what in ["step", "generate"] {
        let output = serve(&place, what, "step\nstep\nquit\nstep\n");
        assert!(output.status.success(), "{}", stderr(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = said.lines().map(|line| line.split_once(' ').unwrap()).collect();
        let words: Vec<_> = lines.iter().map(|(word, _)| *word).collect();
        assert_eq!(words, ["FIRST", "T", "T"], "{said}");
        assert!(lines.iter().all(|(_, seconds)| seconds.parse::<f64>().unwrap() > 0.0), "{said}");
    }
    // The end of the input ends it too; anything else is refused.
    assert!(serve(&place, "step", "").status.success());
    let output = serve(&place, "step", "stop\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected step or quit"), "{}", stderr(&output));
}
