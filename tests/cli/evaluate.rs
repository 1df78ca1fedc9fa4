//! `dermaglyph evaluate` and `dermaglyph features`.

use crate::common::{Place, stderr};

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
