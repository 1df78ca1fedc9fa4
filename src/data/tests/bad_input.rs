//! Whatever is wrong with the input, the message names the file and the reason, and nothing panics.

use super::*;
use crate::data::source::{ReadLimits, Source, read_at_most};
use crate::error::Error;
use proptest::prelude::*;
use std::path::PathBuf;

/// A folder of `good` pictures and one bad file.
fn folder_with(good: u32, bad_name: &str, bad: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for seed in 0..good {
        let bytes = encode(&picture(20, 20, seed), ImageFormat::Png);
        fs::write(root.path().join(format!("good{seed:02}.png")), bytes).unwrap();
    }
    fs::write(root.path().join(bad_name), bad).unwrap();
    root
}

/// The bad file is skipped with a warning that names it and holds `phrase`; with `strict` it is the
/// error.
fn expect_skipped(name: &str, bad: &[u8], phrase: &str) {
    let root = folder_with(12, name, bad);
    let (set, warnings) = load_heard(&config(root.path()));
    let set = set.unwrap();
    assert_eq!((set.count, set.skipped.len()), (12, 1), "{name}");
    assert!(set.describe().ends_with("; 1 unusable"), "{}", set.describe());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(name) && warnings[0].contains(phrase), "{warnings:?}");

    let strict = load(&DataConfig { strict: true, ..config(root.path()) }, &mut ());
    let Err(Error::Data { path, reason }) = strict else { panic!("{name}: strict let it pass") };
    assert_eq!(path, root.path().join(name));
    assert!(reason.contains(phrase), "{reason}");
}

#[test]
fn files_that_are_no_images_are_skipped_by_name() {
    expect_skipped("empty.png", b"", "zero bytes");
    expect_skipped("text.jpg", b"It was a dark and stormy night.", "not a PNG, JPEG, BMP or TIFF");
    expect_skipped("picture.png", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "not a PNG");
    expect_skipped("short.bmp", b"BM", "cannot be decoded");
}

#[test]
fn truncated_files_are_skipped_whatever_the_format() {
    let image = picture(60, 60, 3);
    for (name, format) in [
        ("cut.png", ImageFormat::Png),
        ("cut.bmp", ImageFormat::Bmp),
        ("cut.tif", ImageFormat::Tiff),
    ] {
        let bytes = encode(&image, format);
        expect_skipped(name, &bytes[..bytes.len() * 3 / 4], "cannot be decoded");
    }
    let jpeg = encode(&image, ImageFormat::Jpeg);
    expect_skipped("cut.jpg", &jpeg[..jpeg.len() * 3 / 4], "end marker");
    let framed = framed_bmp(stripes(1));
    expect_skipped("7__M_Left_thumb_finger.BMP", &framed[..20_000], "cannot be decoded");
}

#[test]
fn huge_dimensions_are_refused_before_memory_is_taken() {
    let mut wide = plain_bmp(4, 4, |_, _| [0; 3]);
    wide[18..22].copy_from_slice(&60_000u32.to_le_bytes());
    expect_skipped("wide.bmp", &wide, "cannot be decoded");
    let mut large = plain_bmp(4, 4, |_, _| [0; 3]);
    large[18..22].copy_from_slice(&16_000u32.to_le_bytes());
    large[22..26].copy_from_slice(&16_000u32.to_le_bytes());
    expect_skipped("large.bmp", &large, "16000×16000 pixels");
    let mut flat = plain_bmp(4, 4, |_, _| [0; 3]);
    flat[18..22].copy_from_slice(&0u32.to_le_bytes());
    expect_skipped("flat.bmp", &flat, "");
}

/// A PNG of 100 megapixels in 100 kilobytes.
#[test]
fn a_png_bomb_is_refused() {
    let mut bytes = encode(&picture(8, 8, 0), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&10_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&10_000u32.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    expect_skipped("bomb.png", &bytes, "10000×10000 pixels");
}

/// The CRC-32 of PNG and zip, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_skipped_and_a_loop_of_links_ends() {
    let root = folder_with(12, "notes.txt", b"");
    std::os::unix::fs::symlink("nowhere.png", root.path().join("dangling.png")).unwrap();
    std::os::unix::fs::symlink(root.path(), root.path().join("again")).unwrap();
    let (set, warnings) = load_heard(&config(root.path()));
    assert_eq!(set.unwrap().count, 12);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("again") && warnings[0].contains("not followed"));
    assert!(warnings[1].contains("dangling.png"), "{warnings:?}");
}

#[test]
fn too_many_bad_images_are_an_error_that_names_the_first() {
    let root = tempfile::tempdir().unwrap();
    for seed in 0..30 {
        let bytes = encode(&picture(20, 20, seed), ImageFormat::Png);
        fs::write(root.path().join(format!("good{seed:02}.png")), bytes).unwrap();
    }
    for bad in 0..10 {
        fs::write(root.path().join(format!("bad{bad}.png")), b"bad").unwrap();
    }
    let error = load(&config(root.path()), &mut ()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(text.contains("of 40 images") && text.contains("share of 0.1"), "{text}");
    assert!(text.contains("bad0.png") && text.contains("bad4.png"), "{text}");

    let (set, warnings) = load_heard(&DataConfig { max_bad_share: 0.25, ..config(root.path()) });
    assert_eq!(set.unwrap().count, 30);
    assert_eq!(warnings.len(), 6);
    assert!(warnings[5].contains("10 of 40"), "{warnings:?}");
}

#[test]
fn nothing_usable_is_an_error_even_if_all_may_be_bad() {
    let root = folder_with(0, "only.png", b"bad");
    let all = DataConfig { max_bad_share: 1.0, ..config(root.path()) };
    assert!(load(&all, &mut ()).unwrap_err().to_string().contains("only.png"));
}

#[test]
fn a_stranger_among_socofings_files_is_skipped() {
    let root = tempfile::tempdir().unwrap();
    write_socofing(root.path(), 3);
    let sheet = encode(&picture(100, 100, 0), ImageFormat::Png);
    fs::write(root.path().join("overview.png"), sheet).unwrap();
    let (set, warnings) = load_heard(&config(root.path()));
    assert_eq!(set.unwrap().count, 30);
    assert!(warnings[0].contains("overview.png") && warnings[0].contains("not named"));
}

fn error_of(path: &Path) -> String {
    let error = load(&config(path), &mut ()).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    text
}

#[test]
fn sources_that_hold_nothing_say_so() {
    let root = tempfile::tempdir().unwrap();
    assert!(error_of(root.path()).contains("holds no images"));
    fs::write(root.path().join("readme.txt"), "hello").unwrap();
    assert!(error_of(root.path()).contains("1 other files"));
    assert!(error_of(&root.path().join("missing")).contains("no such folder"));
    assert!(error_of(&root.path().join("readme.txt")).contains("neither a folder nor a zip"));
    let empty = root.path().join("empty.zip");
    fs::write(&empty, zip_of(&[])).unwrap();
    assert!(error_of(&empty).contains("holds no images"));
    fs::write(&empty, "").unwrap();
    assert!(error_of(&empty).contains("neither a folder nor a zip"));
}

fn pictures(count: u32) -> Vec<(String, Vec<u8>)> {
    (0..count)
        .map(|seed| (format!("p{seed:02}.png"), encode(&picture(20, 20, seed), ImageFormat::Png)))
        .collect()
}

fn zip_at(root: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = root.path().join("set.zip");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_cut_zip_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let bytes = zip_of(&pictures(5));
    for keep in [10, bytes.len() / 2, bytes.len() - 10] {
        assert!(error_of(&zip_at(&root, &bytes[..keep])).contains("damaged"));
    }
}

#[test]
fn an_entry_with_a_wrong_checksum_is_skipped() {
    let root = tempfile::tempdir().unwrap();
    let mut bytes = zip_of(&pictures(20));
    // In the deflated data of the first entry, whose header has 30 bytes and the name 7.
    bytes[60] ^= 0xFF;
    let (set, warnings) = load_heard(&config(&zip_at(&root, &bytes)));
    assert_eq!(set.unwrap().count, 19);
    assert!(warnings[0].contains("p00.png"), "{warnings:?}");
}

#[test]
fn an_encrypted_zip_says_that_it_is() {
    let root = tempfile::tempdir().unwrap();
    let mut bytes = zip_of(&pictures(3));
    // The encryption bit of the general-purpose flags: at 6 in local headers, at 8 in the directory.
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let starts: Vec<usize> =
            (0..bytes.len() - 4).filter(|&at| bytes[at..].starts_with(signature)).collect();
        assert_eq!(starts.len(), 3);
        for start in starts {
            bytes[start + flags] |= 1;
        }
    }
    let text = error_of(&zip_at(&root, &bytes)).to_lowercase();
    assert!(text.contains("password") || text.contains("encrypted"), "{text}");
}

#[test]
fn entries_of_one_name_are_noted() {
    let root = tempfile::tempdir().unwrap();
    let mut bytes = zip_of(&pictures(5));
    let names: Vec<usize> =
        (0..bytes.len() - 7).filter(|&at| bytes[at..].starts_with(b"p04.png")).collect();
    assert_eq!(names.len(), 2);
    for at in names {
        bytes[at + 2] = b'3';
    }
    let (set, warnings) = load_heard(&config(&zip_at(&root, &bytes)));
    assert_eq!(set.unwrap().count, 4);
    assert!(warnings.len() == 1 && warnings[0].contains("the same name"), "{warnings:?}");
}

#[test]
fn names_that_leave_the_archive_are_rejected() {
    let root = tempfile::tempdir().unwrap();
    let mut files = pictures(40);
    for name in ["../evil.png", "/etc/evil.png", "C:/evil.png", "a/../../evil.png"] {
        files.push((name.into(), encode(&picture(9, 9, 1), ImageFormat::Png)));
    }
    files.push(("a\\..\\..\\evil.png".into(), files[0].1.clone()));
    files.push(("__MACOSX/._p00.png".into(), vec![0, 5, 22, 7]));
    let (set, warnings) =
        load_heard(&DataConfig { max_bad_share: 0.2, ..config(&zip_at(&root, &zip_of(&files))) });
    let set = set.unwrap();
    assert_eq!((set.count, set.skipped.len()), (40, 5));
    assert!(warnings.iter().all(|w| w.contains("evil.png") && w.contains("outside the archive")));
}

#[test]
fn zip_bombs_are_refused_by_ratio_size_and_total() {
    let root = tempfile::tempdir().unwrap();
    let mut files = pictures(20);
    files.push(("bomb.png".into(), vec![0; 8 << 20]));
    let path = zip_at(&root, &zip_of(&files));
    let (set, warnings) = load_heard(&config(&path));
    assert_eq!(set.unwrap().count, 20);
    assert!(warnings[0].contains("bomb.png") && warnings[0].contains("zip bomb"), "{warnings:?}");

    let limits = ReadLimits { file_bytes: 1 << 20, ..ReadLimits::default() };
    let (source, listing) = Source::open(&path, limits).unwrap();
    let reason = source.read(&listing.candidates[0], limits).unwrap_err();
    assert!(reason.contains("8388608 bytes"), "{reason}");

    let limits = ReadLimits { total_bytes: 4 << 20, ..ReadLimits::default() };
    let error = Source::open(&path, limits).unwrap_err().to_string();
    assert!(error.contains("zip bomb"), "{error}");
}

/// The headers say 10 bytes, the data unpacks to 8 MiB.
#[test]
fn a_zip_that_lies_about_its_size_is_cut_short() {
    let root = tempfile::tempdir().unwrap();
    let mut bytes = zip_of(&[("liar.png".into(), vec![0; 8 << 20])]);
    let size = (8u32 << 20).to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == size).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + 4].copy_from_slice(&10u32.to_le_bytes());
    }
    let path = zip_at(&root, &bytes);
    let limits = ReadLimits { file_bytes: 1 << 20, ..ReadLimits::default() };
    let (source, listing) = Source::open(&path, limits).unwrap();
    assert_eq!(listing.candidates[0].bytes, 10);
    assert!(source.read(&listing.candidates[0], limits).is_err());
}

/// Whatever a size field says, reading ends at the limit.
#[test]
fn an_endless_file_is_left_at_the_limit() {
    let limits = ReadLimits { file_bytes: 1000, ..ReadLimits::default() };
    let reason = read_at_most(std::io::repeat(7), 10, limits).unwrap_err();
    assert!(reason.contains("more than the 1000"), "{reason}");
    assert_eq!(read_at_most(&[7u8; 1000][..], 0, limits), Ok(vec![7; 1000]));
}

#[test]
fn impossible_settings_are_named() {
    let path = Path::new("unused");
    for (bad, phrase) in [
        (DataConfig { size: 0, ..config(path) }, "image size is 0"),
        (DataConfig { size: 5000, ..config(path) }, "from 1 to 4096"),
        (DataConfig { channels: 2, ..config(path) }, "2 channels"),
        (DataConfig { max_bad_share: -0.1, ..config(path) }, "-0.1"),
        (DataConfig { max_bad_share: f64::NAN, ..config(path) }, "NaN"),
        (DataConfig { held_out: 1.0, ..config(path) }, "held-out share is 1"),
        (DataConfig { held_out: f64::NAN, ..config(path) }, "NaN"),
    ] {
        let error = load(&bad, &mut ()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(phrase), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_zips_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        keep in 0.3..1.2f64,
    ) {
        let root = tempfile::tempdir().unwrap();
        let mut bytes = zip_of(&pictures(3));
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        let _ = load(&config(&zip_at(&root, &bytes)), &mut ());
    }
}
