//! Settings, images and places that cannot be used.

use crate::common::Place;

#[test]
fn impossible_settings_are_refused_with_their_limits() {
    let place = Place::new();
    let refuse = |flags: &str, needles: &[&str]| {
        place.refuse(&format!("train --preset tiny --data images --out x {flags}"), 2, needles);
    };
    refuse("--image-size 100", &["100", "96 and 112"]);
    refuse("--image-size 0", &["8"]);
    refuse("--channels 4", &["1", "3"]);
    refuse("--batch-size 0", &["--batch-size 0", "2 to 4096"]);
    refuse("--batch-size 1", &["batch normalisation"]);
    refuse("--nz 0", &["nz"]);
    refuse("--ngf 1000000", &["ngf", "8192"]);
    refuse("--lr 0", &["--lr 0", "above 0"]);
    refuse("--lr -0.1", &["--lr -0.1"]);
    refuse("--lr nan", &["--lr NaN"]);
    refuse("--lr inf", &["--lr inf"]);
    refuse("--beta1 1", &["--beta1 1", "below 1"]);
    refuse("--epochs 0", &["--epochs 0"]);
    refuse("--steps 99999999999999999999", &["--steps"]);
    refuse("--epochs 1000000000", &["--epochs"]);
    refuse("--epochs 999999999999", &["--epochs"]);
    refuse("--seed -1", &["--seed"]);
    refuse("--seed 18446744073709551615", &["--seed"]);
    refuse("--threads 0", &["--threads 0"]);
    refuse("--conv fft", &["--conv", "fft"]);
    refuse("--grid 9", &["COLUMNSxROWS"]);
    refuse("--sample-every sometimes", &["100steps"]);
    refuse("--device tpu", &["software"]);
    place.refuse("train --preset huge", 2, &["huge", "quick"]);
    refuse("--learning-rate 1", &["--learning-rate"]);
    refuse("--batch-size 64", &["43 training images", "--batch-size"]);
    assert!(!place.path("x").exists());
}

#[test]
fn configuration_files_are_refused_with_file_line_and_key() {
    let place = Place::new();
    for (text, needle) in [
        ("nz = 'many'", "line 1"),
        ("\nlearning_rate = 1", "learning_rate"),
        ("nz =", "line 1"),
        ("image_size = 33", "33"),
    ] {
        std::fs::write(place.path("my.toml"), text).unwrap();
        place.refuse("train --config my.toml --out x", 2, &[needle]);
    }
    std::fs::write(place.path("my.toml"), [0xff, 0xfe, 0x00]).unwrap();
    place.refuse("train --config my.toml --out x", 5, &["my.toml"]);
    place.refuse("train --config absent.toml --out x", 5, &["absent.toml"]);
    assert!(!place.path("x").exists());
}

#[test]
fn images_that_are_not_there_are_refused() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.refuse("train --preset tiny --data empty --out x", 3, &["empty"]);
    place.refuse("train --preset tiny --data absent --out x", 3, &["absent"]);
    assert!(!place.path("x").exists());
}

#[test]
fn unreadable_images_are_named_counted_and_skipped_until_they_are_too_many() {
    let place = Place::new();
    std::fs::write(place.path("images/zero.png"), b"").unwrap();
    std::fs::write(place.path("images/text.png"), b"no image").unwrap();
    let train = "train --preset tiny --data images --no-cache --steps 1";
    let output = place.run(&format!("{train} --out skipped"));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    assert!(message.contains("warning"), "{message}");
    assert!(message.contains("text.png") || message.contains("zero.png"), "{message}");
    place.refuse(&format!("{train} --strict --out x"), 3, &[".png"]);
    place.refuse(&format!("{train} --max-bad 0.01 --out x"), 3, &["2"]);
    assert!(!place.path("x").exists());
}

#[test]
fn an_existing_run_is_never_overwritten() {
    let place = Place::new();
    place.train("--steps 1 --out run");
    let before = std::fs::read(place.path("run/metrics.csv")).unwrap();
    let again = "train --preset tiny --data images --out run";
    place.refuse(again, 2, &["not empty", "--resume"]);
    assert_eq!(std::fs::read(place.path("run/metrics.csv")).unwrap(), before);
    place.refuse("train --preset tiny --data images --out images", 2, &["not empty"]);
}

#[test]
fn places_that_cannot_be_written_are_refused() {
    let place = Place::new();
    for out in ["images/00.png/run", "/proc/run", "/dev/null"] {
        place.refuse(
            &format!("train --preset tiny --data images --no-cache --out {out}"),
            5,
            &[out],
        );
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let place = Place::new();
    place.train("--steps 1 --out run");
    for args in [
        "--help",
        "generate --from run --count 1 --out x --json --device cpu",
        "train --preset tiny --dry-run --device cpu",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(args).stdout(writer).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args}: {message}");
        assert_eq!(message, "", "{args}");
    }
}
