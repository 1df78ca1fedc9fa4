//! Small networks made by `testdata/test_networks.py`, run beside onnxruntime's numbers.

use super::{Network, Outputs, Preparation};
use crate::error::Error;
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::path::PathBuf;

const SIDE: u32 = 17;

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/evaluate/inception/testdata");
    PathBuf::from(folder).join(name)
}

fn open(name: &str) -> Network {
    Network::open(file(name), Preparation::PytorchFid).unwrap()
}

/// The picture of that number in test_networks.py.
fn picture(index: u32) -> RgbImage {
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        Rgb([0, 1, 2]
            .map(|c| ((x * x * 7 + y * 13 + x * y * (c + 2) + 31 * c + 97 * index) % 256) as u8))
    })
}

fn pictures(count: u32) -> Vec<RgbImage> {
    (0..count).map(picture).collect()
}

fn expected(network: &str, output: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all[network][output].as_array().unwrap().clone()
}

/// Compares every 97th value and the sum of each row with onnxruntime's.
fn assert_rows(found: &[f32], rows: &[Value], logits: bool) {
    let each = found.len() / rows.len();
    for (row, wanted) in found.chunks(each).zip(rows) {
        let picked: Vec<f64> = row.iter().step_by(97).map(|&v| f64::from(v)).collect();
        let mut numbers: Vec<f64> =
            wanted["every_97th"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(picked.len(), numbers.len());
        if logits {
            // The rest of the row is not stored: ratios of probabilities are differences of logits.
            numbers = numbers.iter().map(|v| (v - numbers[0]).exp() * picked[0]).collect();
        } else {
            let sum: f64 = row.iter().map(|&v| f64::from(v)).sum();
            let wanted = wanted["sum"].as_f64().unwrap();
            assert!((sum - wanted).abs() <= 1e-5 * wanted.abs(), "{sum} {wanted}");
        }
        for (a, b) in picked.iter().zip(&numbers) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1e-3), "{a} {b}");
        }
    }
}

#[test]
fn features_and_probabilities_are_those_of_onnxruntime() {
    let network = open("both.onnx");
    assert_eq!((network.side(), network.classes(), network.has_features()), (17, Some(1000), true));
    let outputs = network.run(&pictures(3)).unwrap();
    assert_rows(&outputs.features.unwrap(), &expected("both", "pool"), false);
    assert_rows(&outputs.probabilities.unwrap(), &expected("both", "classes"), false);
}

#[test]
fn logits_are_turned_into_probabilities() {
    let network = open("logits.onnx");
    assert_eq!((network.classes(), network.has_features()), (Some(1008), false));
    let outputs = network.run(&pictures(3)).unwrap();
    let rows = outputs.probabilities.unwrap();
    assert!(outputs.features.is_none());
    for row in rows.chunks(1008) {
        let sum: f64 = row.iter().map(|&v| f64::from(v)).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
    assert_rows(&rows, &expected("logits", "logits"), true);
}

#[test]
fn a_fixed_batch_is_filled_up_and_the_filling_dropped() {
    let network = open("fixed_batch.onnx");
    let two = network.run(&pictures(2)).unwrap();
    assert_rows(two.features.as_deref().unwrap(), &expected("fixed_batch", "features"), false);
    let five = network.run(&pictures(5)).unwrap();
    let rows = five.features.unwrap();
    assert_eq!(rows.len(), 5 * 2048);
    assert!(rows[..2 * 2048] == two.features.unwrap());
    assert_rows(&rows, &open_features("both.onnx", 5), false);
}

/// Rows in the form of `expected.json`, from another network of the same weights.
fn open_features(name: &str, count: u32) -> Vec<Value> {
    let features = open(name).run(&pictures(count)).unwrap().features.unwrap();
    let row = |row: &[f32]| {
        let picked: Vec<f32> = row.iter().copied().step_by(97).collect();
        let sum: f64 = row.iter().map(|&v| f64::from(v)).sum();
        serde_json::json!({ "every_97th": picked, "sum": sum })
    };
    features.chunks(2048).map(row).collect()
}

#[test]
fn results_depend_neither_on_threads_nor_on_batches() {
    let images = pictures(19);
    let all = open("both.onnx").with_threads(1).run(&images).unwrap();
    let more = open("both.onnx").with_threads(3).run(&images).unwrap();
    assert!(more == all, "threads change the result");
    let network = open("both.onnx");
    let mut one_by_one = Outputs { features: Some(vec![]), probabilities: Some(vec![]) };
    for image in &images {
        let found = network.run(std::slice::from_ref(image)).unwrap();
        one_by_one.features.as_mut().unwrap().extend(found.features.unwrap());
        one_by_one.probabilities.as_mut().unwrap().extend(found.probabilities.unwrap());
    }
    assert!(one_by_one == all, "the batch changes the result");
    assert_eq!(network.run(&[]).unwrap().features.unwrap(), Vec::<f32>::new());
}

#[test]
fn the_description_names_the_file_by_its_checksum() {
    let network = open("both.onnx");
    let bytes = std::fs::read(file("both.onnx")).unwrap();
    assert_eq!(network.sha256().len(), 64);
    let line = network.describe();
    for part in
        [network.sha256(), "both.onnx", "17x17", "1000 classes (softmax inside)", "pytorch-fid"]
    {
        assert!(line.contains(part), "{line}");
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("other-name");
    std::fs::write(&copy, &bytes).unwrap();
    let same = Network::open(&copy, Preparation::ImageNet).unwrap();
    assert_eq!(same.sha256(), network.sha256());
    std::fs::write(&copy, b"abc").unwrap();
    assert!(Network::open(&copy, Preparation::ImageNet).is_err());
}

fn refused(name: &str) -> String {
    match Network::open(file(name), Preparation::PytorchFid) {
        Err(error @ Error::Checkpoint { .. }) => error.to_string(),
        Err(error) => panic!("{name}: {error:?}"),
        Ok(network) => panic!("{name} was accepted: {}", network.describe()),
    }
}

#[test]
fn foreign_networks_are_refused_with_what_was_found() {
    for (name, found) in [
        ("no_image.onnx", "\"tokens\" has the shape [N, 2048]"),
        ("two_inputs.onnx", "2 inputs (a, b)"),
        ("two_channels.onnx", "[N, 2, 17, 17]"),
        ("bytes.onnx", "\"bytes\" is of type"),
        ("small_head.onnx", "\"classes\" with 10 values"),
        ("expected.json", "not an ONNX file"),
        ("test_networks.py", "not an ONNX file"),
    ] {
        let text = refused(name);
        assert!(text.contains(found), "{name}: {text}");
        assert!(text.contains("expected is Inception v3"), "{text}");
    }
    let missing = Network::open(file("missing.onnx"), Preparation::PytorchFid);
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_never_a_panic() {
    let bytes = std::fs::read(file("both.onnx")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.onnx");
    for length in (0..bytes.len()).step_by(61) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let opened = Network::open(&path, Preparation::PytorchFid);
        assert!(matches!(opened, Err(Error::Checkpoint { .. })), "{length} bytes");
    }
}

#[test]
fn a_network_that_gives_no_numbers_says_so() {
    // The logarithm of negative inputs.
    let network = open("not_a_number.onnx");
    let error = network.run(&pictures(1)).unwrap_err().to_string();
    assert!(error.contains("\"features\" is NaN for image 0"), "{error}");
    let error = network.run(&[picture(0), RgbImage::new(0, 5)]).unwrap_err();
    assert!(error.to_string().contains("image 1 has no pixels"), "{error}");
}
