//! The second start.

use super::*;
use crate::data::Fit;
use std::path::PathBuf;

struct Setting {
    _root: tempfile::TempDir,
    prints: PathBuf,
    cache: PathBuf,
}

impl Setting {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (prints, cache) = (root.path().join("prints"), root.path().join("a/cache"));
        write_socofing(&prints, 4);
        Self { _root: root, prints, cache }
    }

    fn config(&self) -> DataConfig {
        DataConfig { no_cache: false, cache_dir: Some(self.cache.clone()), ..config(&self.prints) }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.cache).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }
}

/// Whether images were decoded, and what was warned of.
fn start(config: &DataConfig) -> (Dataset, bool, Vec<String>) {
    let mut heard = Heard::default();
    let set = load(config, &mut heard).unwrap();
    (set, !heard.progress.is_empty(), heard.warnings)
}

#[test]
fn the_second_start_decodes_nothing_and_gives_the_same() {
    let setting = Setting::new();
    let (first, decoded, warnings) = start(&setting.config());
    assert!(decoded && warnings.is_empty());
    let (second, decoded, warnings) = start(&setting.config());
    assert!(!decoded && warnings.is_empty());
    assert_eq!(first.pixels, second.pixels);
    assert_eq!(first.entries, second.entries);
    assert_eq!(first.fingerprint, second.fingerprint);
    assert_eq!(first.describe(), second.describe());
    assert_eq!(setting.files().len(), 1);

    // The split is made anew: it needs no pixels.
    let other = DataConfig { seed: 9, held_out: 0.5, ..setting.config() };
    let (other, decoded, _) = start(&other);
    assert!(!decoded);
    assert_eq!(other.held_out.len(), 20);
}

#[test]
fn other_options_and_changed_files_are_decoded_anew() {
    let setting = Setting::new();
    let base = setting.config();
    start(&base);
    for changed in [
        DataConfig { size: 16, ..base.clone() },
        DataConfig { channels: 3, ..base.clone() },
        DataConfig { fit: Fit::Crop, ..base.clone() },
        DataConfig { altered: vec![crate::data::AlteredLevel::Easy], ..base.clone() },
    ] {
        assert!(start(&changed).1, "{changed:?}");
        assert!(!start(&changed).1, "{changed:?}");
    }
    let file = setting.prints.join("Real/1__M_Left_thumb_finger.BMP");
    let handle = fs::File::options().append(true).open(&file).unwrap();
    handle.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    assert!(start(&base).1, "a new modification time");
    fs::remove_file(&file).unwrap();
    let (set, decoded, _) = start(&base);
    assert!(decoded);
    assert_eq!(set.count, 39);
}

#[test]
fn a_damaged_cache_is_replaced_with_a_warning() {
    let setting = Setting::new();
    let (first, ..) = start(&setting.config());
    let file = setting.files().remove(0);
    let whole = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut damaged = vec![Vec::new(), b"junk".to_vec(), [&whole[..], b"more"].concat()];
    damaged.extend([4, 8, 15, 16, whole.len() - 1].map(|keep| whole[..keep].to_vec()));
    let spread = (0..16).map(|part| part * (whole.len() - 1) / 15);
    damaged.extend(spread.map(flipped));
    // The bytes of the header's length, the highest included.
    damaged.extend((8..16).map(flipped));
    for bytes in damaged {
        fs::write(&file, &bytes).unwrap();
        let (set, decoded, warnings) = start(&setting.config());
        assert!(decoded, "{} damaged bytes were believed", bytes.len());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(&file.display().to_string()), "{warnings:?}");
        assert_eq!(set.pixels, first.pixels);
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
    assert_eq!(setting.files().len(), 1, "something was left beside the cache file");
}

/// A file copied over another's name has a sound checksum and the wrong images.
#[test]
fn a_cache_file_under_anothers_name_is_not_believed() {
    let setting = Setting::new();
    start(&setting.config());
    let small = setting.files().remove(0);
    let config = DataConfig { size: 16, ..setting.config() };
    start(&config);
    let other = setting.files().into_iter().find(|file| *file != small).unwrap();
    fs::copy(&small, &other).unwrap();
    let (set, decoded, warnings) = start(&config);
    assert!(decoded && warnings.len() == 1, "{warnings:?}");
    assert_eq!(set.size, 16);
}

#[test]
fn skipped_files_are_remembered() {
    let setting = Setting::new();
    fs::write(setting.prints.join("Real/9__M_Left_ring_finger.BMP"), b"BM").unwrap();
    let (first, _, cold) = start(&setting.config());
    let (second, decoded, warm) = start(&setting.config());
    assert!(!decoded);
    assert_eq!(first.skipped, second.skipped);
    assert_eq!(cold, warm);
    assert!(warm[0].contains("9__M_Left_ring_finger.BMP"), "{warm:?}");
    let strict = DataConfig { strict: true, ..setting.config() };
    assert!(load(&strict, &mut ()).is_err());
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning() {
    let setting = Setting::new();
    let config = DataConfig {
        // A folder below a file cannot be made, not even by root.
        cache_dir: Some(setting.prints.join("Real/1__M_Left_thumb_finger.BMP/cache")),
        ..setting.config()
    };
    let (set, _, warnings) = start(&config);
    assert_eq!(set.count, 40);
    assert!(warnings.iter().any(|w| w.contains("create the cache folder")), "{warnings:?}");
}

#[test]
fn a_zip_is_cached_too() {
    let setting = Setting::new();
    let zip = setting.prints.join("socofing.zip");
    fs::write(&zip, zip_folder(&setting.prints, "SOCOFing/")).unwrap();
    let config = DataConfig { source: Some(zip), ..setting.config() };
    let (first, decoded, _) = start(&config);
    assert!(decoded);
    let (second, decoded, _) = start(&config);
    assert!(!decoded);
    assert_eq!(first.pixels, second.pixels);
}

#[test]
fn without_a_cache_none_is_written() {
    let setting = Setting::new();
    start(&DataConfig { no_cache: true, ..setting.config() });
    assert!(!setting.cache.exists());
}
