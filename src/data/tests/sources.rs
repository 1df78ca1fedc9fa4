//! Folders and zips → data sets.

use super::*;
use crate::data::{AlteredLevel, BatchOrder, Fit};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn loaded(config: &DataConfig) -> Dataset {
    let (result, warnings) = load_heard(config);
    assert_eq!(warnings, Vec::<String>::new());
    result.unwrap()
}

fn names(set: &Dataset) -> Vec<&str> {
    set.entries.iter().map(|entry| entry.name.as_str()).collect()
}

#[test]
fn the_real_prints_of_socofing_are_split_by_subject() {
    let root = tempfile::tempdir().unwrap();
    write_socofing(root.path(), 20);
    let set = loaded(&DataConfig { channels: 3, ..config(root.path()) });
    assert_eq!((set.count, set.size, set.channels), (200, 32, 3));
    assert_eq!(set.pixels.len(), 200 * 32 * 32 * 3);
    assert_eq!((set.train.len(), set.held_out.len()), (180, 20));
    let subject = |&index: &u32| set.entries[index as usize].subject().unwrap();
    let train: BTreeSet<u32> = set.train.iter().map(subject).collect();
    let held: BTreeSet<u32> = set.held_out.iter().map(subject).collect();
    assert!(train.is_disjoint(&held));
    assert_eq!((train.len(), held.len()), (18, 2));
    let line = format!(
        "200 prints of 20 subjects from {}, 18 subjects for training",
        root.path().display()
    );
    assert_eq!(set.describe(), line);
    assert_eq!(set.entries[0].name, "Real/1__M_Left_thumb_finger.BMP");
    let mut order = BatchOrder::new(1, &set.train, 64).unwrap();
    assert_eq!(order.steps_per_epoch(), 2);
    assert_eq!(order.indices(1).len(), 64);
}

/// A zip and a folder, whatever the folders inside are called, give the same images in the same
/// order: the run that follows is the same bit for bit.
#[test]
fn every_way_to_the_same_prints_gives_the_same_data_set() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("SOCOFing");
    write_socofing(&home, 6);
    let flat = root.path().join("flat");
    fs::create_dir(&flat).unwrap();
    for file in fs::read_dir(home.join("Real")).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, flat.join(path.file_name().unwrap())).unwrap();
    }
    let zip = root.path().join("archive.zip");
    fs::write(&zip, zip_folder(&home, "SOCOFing/")).unwrap();
    let nested = root.path().join("socofing.zip");
    fs::write(&nested, zip_folder(&home, "socofing/SOCOFing/")).unwrap();

    let first = loaded(&config(&home));
    assert_eq!(first.count, 60);
    for path in [home.join("Real"), flat, zip, nested] {
        let other = loaded(&config(&path));
        assert_eq!(other.pixels, first.pixels, "{}", path.display());
        assert_eq!((&other.train, &other.held_out), (&first.train, &first.held_out));
        assert_eq!(other.fingerprint, first.fingerprint, "{}", path.display());
    }
    let smaller = loaded(&DataConfig { size: 16, ..config(&home) });
    assert_ne!(smaller.fingerprint, first.fingerprint);
}

#[test]
fn altered_prints_come_only_when_asked_for() {
    let root = tempfile::tempdir().unwrap();
    write_socofing(root.path(), 5);
    let with = |path: PathBuf, altered: &[AlteredLevel]| DataConfig {
        altered: altered.to_vec(),
        ..config(&path)
    };
    let easy = loaded(&with(root.path().into(), &[AlteredLevel::Easy]));
    assert_eq!(easy.count, 100);
    let altered = easy.entries.iter().filter(|entry| entry.level.is_some()).count();
    assert_eq!(altered, 50);
    let hard = loaded(&with(root.path().into(), &[AlteredLevel::Hard]));
    assert_eq!(hard.count, 50);

    let folder = root.path().join("Altered/Altered-Easy");
    assert_eq!(loaded(&with(folder.clone(), &[AlteredLevel::Easy])).count, 50);
    let refused = load(&config(&folder), &mut ()).unwrap_err().to_string();
    assert!(refused.contains("only altered prints") && refused.contains("easy"), "{refused}");
}

/// Altered-Easy and Altered-Hard hold files of the same name.
#[test]
fn the_same_name_at_two_levels_is_two_prints_but_twice_at_one_level_is_one() {
    let root = tempfile::tempdir().unwrap();
    for (at, folder) in ["Altered-Easy", "Altered-Hard", "Real", "copy/Real"].iter().enumerate() {
        let suffix = if folder.starts_with("Altered") { "_CR" } else { "" };
        fs::create_dir_all(root.path().join(folder)).unwrap();
        for (finger, name) in ten_fingers(1, suffix).iter().enumerate() {
            let bytes = framed_bmp(stripes((at * 100 + finger) as u32));
            fs::write(root.path().join(folder).join(name), bytes).unwrap();
        }
    }
    let altered = vec![AlteredLevel::Easy, AlteredLevel::Hard];
    let (set, warnings) = load_heard(&DataConfig { altered, ..config(root.path()) });
    assert_eq!(set.unwrap().count, 30);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("10 files repeat the name"), "{warnings:?}");
}

#[test]
fn a_plain_folder_is_read_recursively_in_the_order_of_paths() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("b/deep")).unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(root.path().join(name), bytes).unwrap();
    write("z.PNG", encode(&picture(30, 20, 1), ImageFormat::Png));
    write("b/deep/a.jpeg", encode(&picture(20, 30, 2), ImageFormat::Jpeg));
    write("b/c.tif", encode(&picture(30, 30, 3), ImageFormat::Tiff));
    write("a.bmp", encode(&picture(64, 64, 4), ImageFormat::Bmp));
    write("b/wrong-ending.png", encode(&picture(8, 8, 5), ImageFormat::Bmp));
    write("labels.csv", b"a,b".to_vec());
    write(".hidden.png", b"not an image".to_vec());
    let set = loaded(&DataConfig { held_out: 0.2, ..config(root.path()) });
    let expected = ["a.bmp", "b/c.tif", "b/deep/a.jpeg", "b/wrong-ending.png", "z.PNG"];
    assert_eq!(names(&set), expected);
    assert_eq!((set.train.len(), set.held_out.len()), (4, 1));
    let line = format!("5 images from {}, 4 for training", root.path().display());
    assert_eq!(set.describe(), line);

    let zip = root.path().join("set.zip");
    fs::write(&zip, zip_folder(root.path(), "")).unwrap();
    let zipped = loaded(&DataConfig { held_out: 0.2, ..config(&zip) });
    assert_eq!(names(&zipped), expected);
    assert_eq!(zipped.pixels, set.pixels);
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let root = tempfile::tempdir().unwrap();
    write_socofing(root.path(), 15);
    fs::write(root.path().join("Real/1__M_Left_thumb_finger.BMP"), b"BM").unwrap();
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| load(&config(root.path()), &mut ()).unwrap())
    };
    let (one, five) = (with_threads(1), with_threads(5));
    assert_eq!(one.count, 149);
    assert_eq!(one.pixels, five.pixels);
    assert_eq!(one.entries, five.entries);
    assert_eq!(one.skipped, five.skipped);
}

#[test]
fn twins_are_counted_and_kept_out_of_the_held_out_set() {
    let root = tempfile::tempdir().unwrap();
    write_socofing(root.path(), 10);
    let clean = loaded(&config(root.path()));
    assert_eq!((clean.copies(), clean.leaking.len()), (0, 0));
    let path = |index: u32| root.path().join(&clean.entries[index as usize].name);
    fs::copy(path(clean.train[0]), path(clean.held_out[3])).unwrap();
    fs::copy(path(clean.train[1]), path(clean.train[20])).unwrap();
    let set = loaded(&config(root.path()));
    assert_eq!(set.copies(), 2);
    assert_eq!(set.leaking, [clean.held_out[3]]);
    assert_eq!(set.held_out.len(), clean.held_out.len() - 1);
    assert_eq!(set.train, clean.train);
    let line = set.describe();
    assert!(line.contains("; 2 copies of others; 1 left out of the held-out set"), "{line}");
}

#[test]
fn pixels_of_an_image_are_found_by_its_index() {
    let root = tempfile::tempdir().unwrap();
    for value in [0u8, 100, 200] {
        let flat = image::GrayImage::from_pixel(8, 8, image::Luma([value]));
        let bytes = encode(&flat.into(), ImageFormat::Png);
        fs::write(root.path().join(format!("{value:03}.png")), bytes).unwrap();
    }
    let set = loaded(&DataConfig { size: 4, fit: Fit::Stretch, ..config(root.path()) });
    assert_eq!(set.image_len(), 16);
    assert_eq!(set.image(1), [100; 16]);
    assert_eq!(set.image(2), [200; 16]);
    assert!(set.image(3).is_empty());
}

#[test]
fn progress_runs_from_nothing_to_all() {
    let root = tempfile::tempdir().unwrap();
    write_socofing(root.path(), 30);
    let mut heard = Heard::default();
    load(&config(root.path()), &mut heard).unwrap();
    assert_eq!(heard.progress.first(), Some(&(0, 300)));
    assert_eq!(heard.progress.last(), Some(&(300, 300)));
    assert!(heard.progress.is_sorted() && heard.progress.len() > 2);
}

/// Of more files than are wanted some are drawn: the same for one seed, others for another, each read as it
/// would be among all.
#[test]
fn a_limit_draws_files_by_the_seed() {
    let root = tempfile::tempdir().unwrap();
    write_socofing(root.path(), 6);
    let of = |seed, at_most| loaded(&DataConfig { seed, at_most, ..config(root.path()) });
    let (all, few) = (of(1, None), of(1, Some(17)));
    assert_eq!(few.count, 17);
    assert!(few.describe().contains("(17 of 60 files, drawn by the seed)"), "{}", few.describe());
    for (index, entry) in few.entries.iter().enumerate() {
        let at = all.entries.iter().position(|other| other.name == entry.name).unwrap();
        assert_eq!(few.image(index), all.image(at));
    }
    assert_eq!(names(&few), names(&of(1, Some(17))));
    assert_ne!(names(&few), names(&of(2, Some(17))));
    assert_eq!(names(&of(1, Some(60))), names(&all));
    assert!(!of(1, Some(61)).describe().contains("drawn by the seed"));
}
