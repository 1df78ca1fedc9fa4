//! `dermaglyph evaluate` and `dermaglyph features`.

use crate::common::{Place, stderr};
#[cfg(feature = "onnx")]
use sha2::Digest;

fn evaluate(place: &Place, args: &str) -> String {
    let output = place
        .command(&format!("evaluate {args}"))
        .env("DERMAGLYPH_CACHE", place.path("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{args}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The page without its date.
fn page(place: &Place, folder: &str) -> String {
    let page = std::fs::read_to_string(place.path(folder).join("report.html")).unwrap();
    let (before, after) = page.split_once("Date").unwrap();
    let year = after.find("T").map(|_| after.split_once('Z').unwrap().1).unwrap();
    format!("{before}{year}")
}

#[test]
fn a_run_is_judged_beside_its_own_images_and_the_report_is_the_same_again() {
    let place = Place::new();
    place.train("--steps 3 --out run");
    let summary = evaluate(&place, "--fake run --count 40 --out a");
    assert!(summary.contains("missing  Privacy is not judged"), "{summary}");
    assert!(summary.contains("too small to match; use larger images"), "{summary}");
    assert!(summary.contains("a/report.html"), "{summary}");
    evaluate(&place, "--fake run --count 40 --threads 1 --out b");
    let json =
        |folder: &str| std::fs::read_to_string(place.path(folder).join("report.json")).unwrap();
    assert_eq!(json("a"), json("b"));
    assert_eq!(page(&place, "a"), page(&place, "b"));
    let report: serde_json::Value = serde_json::from_str(&json("a")).unwrap();
    assert_eq!(report["comparison"]["prints"], serde_json::json!([40, 40]));
    assert_eq!(report["controls"].as_array().unwrap().len(), 5);
    let names = place.names("a/figures");
    assert!(names.contains(&"spectrum.png".to_owned()), "{names:?}");
    for name in &names {
        let [svg, png] =
            ["svg", "png"].map(|e| format!("{}.{e}", name.rsplit_once('.').unwrap().0));
        assert!(names.contains(&svg) && names.contains(&png), "{name} alone");
    }
}

#[test]
fn what_cannot_be_judged_is_refused_with_what_to_do() {
    let place = Place::new();
    place.refuse("evaluate --fake images --out report", 2, &["--real is missing"]);
    place.refuse("evaluate --real none --fake images --out report", 3, &["no such folder"]);
    place.refuse("evaluate --real images --fake images --out images", 2, &["not empty", "--force"]);
    place.refuse(
        "evaluate --real images --fake images --size 8 --out report",
        2,
        &["from 16 to 512"],
    );
    place.refuse(
        "evaluate --real images --fake images --run images --out report",
        4,
        &["no checkpoint"],
    );
    std::fs::write(place.path("foreign.safetensors"), "nothing").unwrap();
    place.refuse("evaluate --real images --fake foreign.safetensors --out report", 4, &["foreign"]);
    assert!(!place.path("report").exists());
}

/// White images and one image again and again are named, and no figure is made up for them.
#[test]
fn blank_and_identical_prints_are_named() {
    let place = Place::new();
    std::fs::create_dir(place.path("white")).unwrap();
    for i in 0..12 {
        let white = image::GrayImage::from_pixel(32, 32, image::Luma([255]));
        white.save(place.path(&format!("white/{i:02}.png"))).unwrap();
    }
    let summary = evaluate(&place, "--real images --fake white --out report");
    assert!(
        summary.contains("bad      All 12 synthetic prints are one and the same image"),
        "{summary}"
    );
    assert!(summary.contains("all are blank"), "{summary}");
    let json = std::fs::read_to_string(place.path("report/report.json")).unwrap();
    assert!(!json.contains("null") && json.contains("\"missing\""), "{json}");
}

#[test]
fn the_card_of_the_features_is_shown() {
    let place = Place::new();
    let card = place.succeed("features card");
    assert!(card.starts_with("dermaglyph print features v1"), "{card}");
}

fn report(place: &Place, folder: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(place.path(folder).join("report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A folder larger than `--count` is not read whole, and the report says so.
#[test]
fn of_a_large_folder_only_a_sample_is_read() {
    let place = Place::new();
    evaluate(&place, "--real images --fake images --count 11 --out some");
    let some = report(&place, "some");
    let source = some["real"]["source"].as_str().unwrap();
    assert!(source.contains("11 of 48 files, drawn by the seed"), "{source}");
    assert_eq!(some["comparison"]["prints"], serde_json::json!([11, 11]));

    std::fs::write(place.path("images/damaged.png"), "no image").unwrap();
    evaluate(&place, "--real images --fake images --out all");
    let source = report(&place, "all")["real"]["source"].as_str().unwrap().to_owned();
    assert!(source.ends_with("; 1 unusable files left out"), "{source}");
}

/// What the program was built without is named in the report, with the way to get it.
#[test]
fn figures_of_optional_libraries_say_how_to_get_them() {
    let place = Place::new();
    evaluate(&place, "--real images --fake images --count 11 --out report");
    let report = report(&place, "report");
    let asked = report["inception"]["missing"].as_str().unwrap();
    assert!(asked.contains("--inception FILE") && asked.contains("--features onnx"), "{asked}");
    if cfg!(feature = "nbis") {
        assert!(report["minutiae"]["missing"].is_string() || report["minutiae"]["prints"][0] == 11);
    } else {
        let missing = report["minutiae"]["missing"].as_str().unwrap();
        assert!(missing.contains("--features nbis"), "{missing}");
    }
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_network_is_refused_by_a_program_that_cannot_run_it() {
    let place = Place::new();
    place.refuse(
        "evaluate --real images --fake images --inception net.onnx --out report",
        2,
        &["without an ONNX", "--features onnx"],
    );
}

/// The figures of a network of 17x17 pixels with Inception's outputs, and everything that belongs beside them.
#[cfg(feature = "onnx")]
#[test]
fn an_onnx_network_gives_its_figures_beside_its_checksum() {
    let place = Place::new();
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/src/evaluate/inception/testdata/both.onnx");
    std::fs::copy(network, place.path("net.onnx")).unwrap();
    let images = "--real images --fake images --count 24 --inception net.onnx";
    evaluate(&place, &format!("{images} --out report"));
    evaluate(&place, &format!("{images} --threads 1 --out again"));
    let (report, again) = (report(&place, "report"), report(&place, "again"));
    assert_eq!(report, again);
    let figures = &report["inception"];
    let sum = sha2::Sha256::digest(std::fs::read(network).unwrap());
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = figures["network"].as_str().unwrap();
    assert!(name.contains(&sum) && name.contains("pytorch-fid"), "{name}");
    let rows = figures["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    // The sets are the same prints.
    assert!(rows[0]["kid"]["low"].as_f64().unwrap() <= 0.0, "{figures}");
    let missing = rows[0]["fid"]["missing"].as_str().unwrap();
    assert!(missing.contains("at least 2049") && missing.contains("there are 24"), "{missing}");
    assert_eq!(figures["scores"][0]["splits"], 10);
    assert_eq!(figures["scores"][0], figures["scores"][1]);
    let page = std::fs::read_to_string(place.path("report/report.html")).unwrap();
    assert!(page.contains(&sum));

    std::fs::write(place.path("foreign.onnx"), "nothing").unwrap();
    place.refuse(
        "evaluate --real images --fake images --inception foreign.onnx --out other",
        4,
        &["not an ONNX file", "expected is Inception v3"],
    );
    assert!(!place.path("other").exists());
}

/// Any number of threads trains the same file; its card can be shown, and a damaged one is refused.
#[test]
fn features_are_trained_to_the_same_file_on_any_number_of_threads() {
    let place = Place::new();
    let train = "features train --prints 128 --held-out 64 --epochs 1 --date 2026-01-02";
    let card = place.succeed(&format!("{train} --threads 1 --out a.safetensors"));
    place.succeed(&format!("{train} --threads 3 --out b.safetensors"));
    let [a, b] = ["a", "b"].map(|name| std::fs::read(place.path(&format!("{name}.safetensors"))));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a == b, "threads change the network");
    assert!(card.contains("128") && card.contains("2026-01-02"), "{card}");
    assert_eq!(place.succeed("features card --file a.safetensors"), card);
    std::fs::write(place.path("cut.safetensors"), &a[..a.len() - 9]).unwrap();
    place.refuse("features card --file cut.safetensors", 4, &["cut.safetensors"]);
}
