//! Decoded images on disk, so that a second start reads one file and not six thousand.
//!
//! A cache file holds a magic number, the length of a JSON header, the header, the pixels and a
//! CRC-32C over all of it. Files may be deleted at any time.

use super::Reporter;
use super::dataset::Images;
use crate::error::{Error, Result};
use crate::fsx::write_atomically;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;

/// Part of every key: raise it when decoding or resizing gives other pixels than before, or when the
/// layout of the file changes.
pub const FORMAT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"DGPRINT1";
/// Magic number, header length and checksum.
const FIXED_BYTES: u64 = 8 + 8 + 4;

/// What a look into the cache gave.
#[derive(Debug)]
pub enum Lookup {
    Hit(Images),
    Miss,
    /// There is a file, but it cannot be used, for this reason.
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    images: Images,
}

/// A folder of cache files.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The folder where files are kept unless the user names one: `$DERMAGLYPH_CACHE`, else
    /// `$XDG_CACHE_HOME/dermaglyph`, else `~/.cache/dermaglyph`.
    pub fn default_folder() -> Option<PathBuf> {
        Self::folder_from(|name| std::env::var_os(name), std::env::home_dir())
    }

    fn folder_from(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Option<PathBuf> {
        let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG specification asks to ignore a relative path.
        let xdg = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let shared = || xdg.or_else(|| home.map(|home| home.join(".cache")));
        set("DERMAGLYPH_CACHE").or_else(|| shared().map(|folder| folder.join("dermaglyph")))
    }

    /// The cache in `folder`, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file that holds the images of `key`.
    pub fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.prints"))
    }

    /// Looks `key` up. Nothing read is believed before the checksum holds.
    pub fn get(&self, key: &str) -> Lookup {
        let path = self.path(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e)
                if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&e.kind()) =>
            {
                return Lookup::Miss;
            }
            Err(e) => return Lookup::Damaged(e.to_string()),
        };
        match read(file, key) {
            Ok(images) => Lookup::Hit(images),
            Err(e) => Lookup::Damaged(e.to_string()),
        }
    }

    /// Stores the images of `key`.
    ///
    /// # Errors
    /// If the folder cannot be created or written to, or the disk is full; nothing is left behind.
    pub fn put(&self, key: &str, images: &Images) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .map_err(|e| Error::io("create the cache folder", &self.folder, e))?;
        let header = Header { key: key.into(), images: images.without_pixels() };
        write_atomically(self.path(key), |file| {
            let header = serde_json::to_vec(&header)?;
            let length = (header.len() as u64).to_le_bytes();
            let parts = [MAGIC.as_slice(), &length, &header, &images.pixels];
            for part in parts {
                file.write_all(part)?;
            }
            file.write_all(&checksum(parts).to_le_bytes())
        })
    }
}

/// Takes the images of `key` from the cache, if there is one, or makes and stores them. A cache that
/// fails costs time, never the run: one that cannot be written is given up with one warning. `make`
/// gets the cache for what it keeps itself.
pub(super) fn cached(
    cache: &mut Option<Cache>,
    key: &str,
    reporter: &mut dyn Reporter,
    make: impl FnOnce(&mut Option<Cache>, &mut dyn Reporter) -> Result<Images>,
) -> Result<Images> {
    match cache.as_ref().map(|kept| (kept.get(key), kept.path(key))) {
        Some((Lookup::Hit(images), _)) => return Ok(images),
        None | Some((Lookup::Miss, _)) => {}
        Some((Lookup::Damaged(reason), path)) => {
            reporter.warn(&format!(
                "the images kept in {} cannot be used ({reason}); making them anew",
                path.display()
            ));
        }
    }
    let images = make(cache, reporter)?;
    if let Some(Err(e)) = cache.as_ref().map(|kept| kept.put(key, &images)) {
        reporter.warn(&format!("{e}; the next start will make the images again"));
        *cache = None;
    }
    Ok(images)
}

fn checksum(parts: [&[u8]; 4]) -> u32 {
    parts.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part))
}

fn read(file: File, key: &str) -> io::Result<Images> {
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let length = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut magic = [0; 8];
    let mut header_length = [0; 8];
    file.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(damaged("it is not a cache file"));
    }
    file.read_exact(&mut header_length)?;
    let rest = length.checked_sub(FIXED_BYTES).ok_or_else(|| damaged("it is too short"))?;
    let header_bytes = u64::from_le_bytes(header_length);
    let pixel_bytes = rest.checked_sub(header_bytes).ok_or_else(|| damaged("it is cut off"))?;
    let mut header = vec![0; header_bytes as usize];
    file.read_exact(&mut header)?;
    let mut pixels = vec![0; pixel_bytes as usize];
    file.read_exact(&mut pixels)?;
    let mut sum = [0; 4];
    file.read_exact(&mut sum)?;

    if checksum([MAGIC, &header_length, &header, &pixels]) != u32::from_le_bytes(sum) {
        return Err(damaged("its checksum does not hold"));
    }
    let Header { key: stored, mut images } = serde_json::from_slice(&header)?;
    images.pixels = pixels;
    if stored != key || !images.is_consistent() {
        return Err(damaged("it holds other images than its name says"));
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_follows_the_environment() {
        let folder = |own: &str, xdg: &str, home: Option<&str>| {
            let variable = |name: &str| {
                let value = if name == "DERMAGLYPH_CACHE" { own } else { xdg };
                Some(OsString::from(value))
            };
            Cache::folder_from(variable, home.map(PathBuf::from))
        };
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(folder("/own", "/xdg", Some("/home/a")), path("/own"));
        assert_eq!(folder("", "/xdg", Some("/home/a")), path("/xdg/dermaglyph"));
        assert_eq!(folder("", "", Some("/home/a")), path("/home/a/.cache/dermaglyph"));
        assert_eq!(folder("", "relative", Some("/home/a")), path("/home/a/.cache/dermaglyph"));
        assert_eq!(folder("", "", None), None);
    }
}
