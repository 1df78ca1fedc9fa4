//! Training on prints from the formula.

use super::*;
use crate::data::dataset::Images;
use crate::data::formula::load_formula;
use crate::data::procedural::Finger;
use crate::data::socofing::{Finger as Digit, Hand};
use std::collections::BTreeSet;

fn drawn(count: u32) -> DataConfig {
    DataConfig { source: None, procedural_count: count, ..config(Path::new("unused")) }
}

#[test]
fn a_set_is_drawn_labelled_and_split_by_subject() {
    let mut heard = Heard::default();
    let set = load(&DataConfig { held_out: 0.5, ..drawn(40) }, &mut heard).unwrap();
    assert_eq!((set.count, set.size, set.channels), (40, 32, 1));
    assert_eq!(
        set.describe(),
        "40 prints of 4 subjects from the formula (seed 0), 2 subjects for training"
    );
    assert_eq!((set.train.len(), set.held_out.len(), set.copies()), (20, 20, 0));
    assert_eq!((heard.progress.first(), heard.progress.last()), (Some(&(0, 40)), Some(&(40, 40))));
    assert!(heard.warnings.is_empty());
    let fingers: BTreeSet<(u32, Hand, Digit)> = set
        .entries
        .iter()
        .map(|entry| entry.print.unwrap())
        .map(|print| (print.subject, print.hand, print.finger))
        .collect();
    assert_eq!(fingers.len(), 40);
}

/// From 96 pixels on nothing is resampled.
#[test]
fn the_pixels_are_the_renderers() {
    for size in [96, 128] {
        let set = load(&DataConfig { size, seed: 5, ..drawn(3) }, &mut ()).unwrap();
        let print = Finger::new(5, 2).grow().impression(1, size, size).unwrap();
        assert_eq!(set.image(2), print.as_raw(), "{size} pixels");
    }
}

/// Ten prints a cache file.
fn start(config: &DataConfig) -> (Images, Heard) {
    let mut heard = Heard::default();
    (load_formula(config, 10, &mut heard).unwrap(), heard)
}

#[test]
fn a_second_start_draws_nothing_and_a_larger_set_begins_with_the_smaller() {
    let root = tempfile::tempdir().unwrap();
    let kept = |count| DataConfig {
        no_cache: false,
        cache_dir: Some(root.path().to_owned()),
        channels: 3,
        ..drawn(count)
    };
    let (first, _) = start(&kept(11));
    let files = || fs::read_dir(root.path()).unwrap().count();
    // Two shards and the images that were made from them.
    assert_eq!(files(), 3);
    let (second, heard) = start(&kept(11));
    assert!(heard.progress.is_empty() && heard.warnings.is_empty());
    assert_eq!(first, second);

    // Drawn anew: only what lies beyond the first file.
    let (larger, heard) = start(&kept(13));
    assert_eq!(heard.progress.first(), Some(&(10, 13)));
    assert_eq!(larger.pixels[..first.pixels.len()], first.pixels);

    // The same prints at another size come from the same files.
    let (_, heard) = start(&DataConfig { size: 64, channels: 1, ..kept(11) });
    assert!(heard.progress.is_empty());
    assert_eq!(files(), 6);
    let (other, heard) = start(&DataConfig { seed: 1, ..kept(11) });
    assert!(!heard.progress.is_empty());
    assert_ne!(other.pixels, first.pixels);
}

#[test]
fn an_unwritable_cache_is_one_warning() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let cache_dir = Some(file.path().join("cache"));
    let (images, heard) = start(&DataConfig { no_cache: false, cache_dir, ..drawn(21) });
    assert_eq!(images.entries.len(), 21);
    let warnings = heard.warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("cache"), "{warnings:?}");
}

#[test]
fn an_impossible_count_is_named() {
    assert!(load(&drawn(0), &mut ()).unwrap_err().to_string().contains("at least 1"));
    let huge = DataConfig { size: 4096, channels: 3, ..drawn(u32::MAX) };
    let error = load(&huge, &mut ()).unwrap_err();
    assert!(error.to_string().contains("do not fit into memory"), "{error}");
}
