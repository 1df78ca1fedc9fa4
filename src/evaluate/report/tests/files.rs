use super::*;
use image::{ImageFormat, RgbImage};
use std::fs;
use std::path::Path;

#[test]
fn every_figure_is_a_png_and_an_svg_file() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("new/report");
    whole().write(&report).unwrap();
    let mut names: Vec<String> = fs::read_dir(report.join("figures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let ids = ["classes", "curves", "few", "grid", "map", "nearest", "scores", "small"];
    let wanted: Vec<String> =
        ids.iter().flat_map(|id| [format!("{id}.png"), format!("{id}.svg")]).collect();
    assert_eq!(names, wanted);
    for id in ids {
        let bytes = fs::read(report.join(format!("figures/{id}.png"))).unwrap();
        let image = image::load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap();
        match id {
            "grid" => assert_eq!(image, picture(700, 90)),
            "small" => assert_eq!(image, picture(33, 21)),
            _ => assert!(ink(&image.to_rgb8()) > 0.01, "{id}"),
        }
        let svg = fs::read_to_string(report.join(format!("figures/{id}.svg"))).unwrap();
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width="));
        assert!(svg.contains(&format!("<title>what {id} shows &lt;script")), "{id}");
        assert!(!svg.contains("var(--") && !svg.contains("class="), "a file has its own colours");
        assert_balanced(&svg);
    }
    assert_eq!(fs::read_to_string(report.join("report.html")).unwrap(), whole().html().unwrap());
}

/// The share of pixels that are not white.
fn ink(picture: &RgbImage) -> f64 {
    let inked = picture.pixels().filter(|pixel| pixel.0 != [255; 3]).count();
    inked as f64 / picture.pixels().len() as f64
}

#[test]
fn the_same_document_gives_the_same_bytes_with_any_number_of_threads() {
    let files = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| whole().write(folder.path()).unwrap());
        let mut paths: Vec<_> = walk(folder.path());
        paths.sort();
        paths
    };
    let first = files(1);
    assert_eq!(first.len(), 17);
    assert!(first == files(3), "the files differ");
}

/// Names and contents of the files of a report.
fn walk(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = |folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries(folder.to_owned()).chain(entries(folder.join("figures")));
    let files = all.filter(|path| path.is_file());
    files
        .map(|path| {
            (
                path.display().to_string().split_off(folder.as_os_str().len()),
                fs::read(&path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_crowded_scatter_plot_is_thinned_on_the_page_only_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut document = whole();
    with_plot(Plot::Scatter(scatter(20_000)))(&mut document);
    document.write(folder.path()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    // 20,007 points are more than 5 times 4,000.
    assert!(page.contains("every 6th point; <code>figures/curves.png</code>"));
    assert!(page.contains("show all 20,007.") && page.contains("all (n = 20,000)"));
    assert!(page.len() < 1_000_000, "{}", page.len());
    let svg = fs::read_to_string(folder.path().join("figures/curves.svg")).unwrap();
    // A cross begins with one absolute move; so do the markers of the legend and the lines.
    let crosses = svg.matches("m-1.8 -1.8l3.6 3.6m-3.6 0l3.6 -3.6").count();
    assert_eq!(crosses, 20_001);
}

#[test]
fn an_unwritable_folder_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    let error = whole().write(file.join("below")).unwrap_err();
    assert!(error.exit_code() == 5 && error.to_string().contains("file/below"), "{error}");
    let mut bad = whole();
    with_cell(Cell::number(f64::NAN, 2))(&mut bad);
    let report = folder.path().join("report");
    assert!(bad.write(&report).is_err() && !report.exists(), "nothing is written");
}
