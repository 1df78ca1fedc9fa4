//! `dermaglyph synth` through the built binary: what it writes, and what it says when it cannot.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

fn synth(out: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("dermaglyph").expect("the binary is built");
    command.arg("synth").arg("--out").arg(out).args(arguments);
    command
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn files_are_socofings_and_labels_list_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("new/prints");
    synth(&out, &["--count", "22", "--frame", "--impressions", "2"]).assert().success();
    let mut rows = csv::Reader::from_path(out.join("labels.csv")).expect("labels");
    assert_eq!(
        rows.headers().expect("a header"),
        vec!["file", "subject", "gender", "hand", "finger", "class", "impression", "seed"]
    );
    let mut listed = vec!["labels.csv".to_owned()];
    for (i, row) in rows.records().enumerate() {
        let row = row.expect("a row");
        let suffix = if i % 2 == 0 { "" } else { "_imp2" };
        let (subject, gender, hand, digit) = (&row[1], &row[2], &row[3], &row[4]);
        let name = format!("{subject}__{gender}_{hand}_{digit}_finger{suffix}.BMP");
        assert_eq!(&row[0], name);
        assert_eq!(subject, if i < 20 { "1" } else { "2" });
        assert_eq!(&row[6], if i % 2 == 0 { "1" } else { "2" });
        let bytes = fs::read(out.join(&name)).expect("a listed file");
        assert_eq!(bytes.len(), 39_690);
        let image = image::load_from_memory(&bytes).expect("a BMP").to_rgba8();
        assert_eq!(image.get_pixel(0, 50).0, [160, 160, 160, 255]);
        assert_eq!(image.get_pixel(50, 1).0, [105, 105, 105, 255]);
        assert_eq!(image.get_pixel(95, 50).0, [0, 0, 0, 0]);
        listed.push(name);
    }
    listed.sort();
    assert_eq!(files(&out), listed);
    assert_eq!(listed.len(), 23);
}

#[test]
fn the_same_seed_gives_the_same_files_whatever_the_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let draw = |name: &str, threads: &str, seed: &str| {
        let out = folder.path().join(name);
        let size = ["--size", "64x64", "--format", "png", "--class", "whorl"];
        synth(&out, &["--count", "9", "--threads", threads, "--seed", seed])
            .args(size)
            .assert()
            .success();
        let content = |name: String| fs::read(out.join(name)).expect("a file");
        files(&out).into_iter().map(content).collect::<Vec<_>>()
    };
    let one = draw("one", "1", "5");
    assert_eq!(one, draw("two", "2", "5"));
    assert_ne!(one, draw("other", "2", "6"));
    let labels = fs::read_to_string(folder.path().join("one/labels.csv")).expect("labels");
    assert_eq!(labels.matches(",whorl,").count(), 9);
}

#[test]
fn json_is_one_object_with_the_figures() {
    let folder = tempfile::tempdir().expect("a folder");
    let output =
        synth(&folder.path().join("a"), &["--count", "7", "--json"]).output().expect("ran");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!((&value["prints"], &value["width"]), (&7.into(), &96.into()));
    assert!(value["prints_per_second"].as_f64().is_some_and(|rate| rate > 0.0));
    let classes = value["classes"].as_object().expect("classes");
    assert_eq!(classes.values().filter_map(|n| n.as_u64()).sum::<u64>(), 7);
}

#[test]
fn a_folder_with_files_is_left_alone_unless_forced() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("mine.txt"), "mine").expect("written");
    synth(folder.path(), &["--count", "1"])
        .assert()
        .code(2)
        .stderr(contains("is not empty").and(contains("--force")));
    assert_eq!(files(folder.path()), ["mine.txt"]);
    synth(folder.path(), &["--count", "1", "--force"]).assert().success();
    assert_eq!(files(folder.path()).len(), 3);
}

#[test]
fn what_cannot_be_drawn_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("prints");
    let cases: [(&[&str], &str); 9] = [
        (&["--count", "0"], "at least 1"),
        (&["--count", "-3"], "--count"),
        (&["--count", "1", "--impressions", "0"], "at least 1"),
        (&["--count", "1", "--size", "8x8"], "16 to 1024"),
        (&["--count", "1", "--size", "99999x99999"], "16 to 1024"),
        (&["--count", "1", "--size", "large"], "96x103"),
        (&["--count", "1", "--size", "4x4", "--frame"], "frame"),
        (&["--count", "1", "--class", "spiral"], "tented-arch"),
        (&["--count", "1", "--threads", "0"], "--threads"),
    ];
    for (arguments, message) in cases {
        synth(&out, arguments).assert().code(2).stderr(contains(message));
        assert!(!out.exists(), "{arguments:?} made the folder");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    for out in [file.clone(), file.join("below")] {
        synth(&out, &["--count", "1"])
            .assert()
            .code(5)
            .stderr(contains("file").and(contains("cannot create the folder")));
    }
}
