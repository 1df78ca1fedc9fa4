//! A zip archive as a source of images: nothing it says about itself is believed.

use super::source::{Listing, Place, ReadLimits, read_at_most};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use zip::ZipArchive;

/// Entries below this size are not held to the compression ratio: an empty page is no bomb.
const RATIO_FROM: u64 = 1 << 20;

/// An opened zip whose entries can be read from many threads.
#[derive(Debug)]
pub struct Archive {
    zip: ZipArchive<SharedFile>,
}

impl Archive {
    /// Opens the archive and lists its entries.
    pub(super) fn open(path: &Path, limits: ReadLimits) -> Result<(Self, Listing)> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let shared = SharedFile { file: Arc::new(Mutex::new(file)), position: 0 };
        let zip = ZipArchive::new(shared).map_err(|e| {
            Error::data(path, format!("the zip archive is damaged ({e}); download it again"))
        })?;
        let listing = list(path, &zip, limits)?;
        Ok((Self { zip }, listing))
    }

    /// Inflates one entry in memory.
    pub(super) fn read(&self, index: usize, limits: ReadLimits) -> Result<Vec<u8>, String> {
        // A clone shares the directory; only the position in the file is its own.
        let mut zip = self.zip.clone();
        let entry = zip.by_index(index).map_err(|e| format!("cannot be unpacked: {e}"))?;
        let (size, compressed) = (entry.size(), entry.compressed_size());
        if size > RATIO_FROM && size / compressed.max(1) > limits.ratio {
            return Err(format!(
                "unpacks from {compressed} to {size} bytes, which no image does; taken for a zip bomb"
            ));
        }
        read_at_most(entry, size, limits)
    }
}

fn list(path: &Path, zip: &ZipArchive<SharedFile>, limits: ReadLimits) -> Result<Listing> {
    let mut listing = Listing::default();
    if zip.has_duplicate_names() {
        let path = path.display();
        listing.notes.push(format!("{path}: holds entries of the same name; the last one counts"));
    }
    for index in 0..zip.len() {
        let unreadable = |e| Error::data(path, format!("the zip archive is damaged ({e})"));
        let entry = zip.by_index_data(index).map_err(unreadable)?;
        let raw = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let name = entry.name().map_or(raw, |name| name.into_owned()).replace('\\', "/");
        if entry.is_dir() {
            continue;
        }
        if leaves_the_archive(&name) {
            let reason = "the name points outside the archive".to_owned();
            listing.rejected.push((path.join(name.escape_debug().to_string()), reason));
        } else if entry.is_symlink() {
            listing.ignored += 1;
        } else {
            listing.add(name, entry.size(), u128::from(entry.crc32()), Place::Entry(index));
        }
    }
    let total = listing.candidates.iter().try_fold(0u64, |sum, c| sum.checked_add(c.bytes));
    match total {
        Some(total) if total <= limits.total_bytes => Ok(listing),
        _ => Err(Error::data(
            path,
            format!(
                "the zip says that its images unpack to more than {} bytes; taken for a zip bomb",
                limits.total_bytes
            ),
        )),
    }
}

/// Absolute names, drive letters and `..`: an extractor would write outside its folder.
fn leaves_the_archive(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with('/') || drive || name.contains('\0') || name.split('/').any(|p| p == "..")
}

/// A file that several readers share, each with a position of its own.
#[derive(Clone, Debug)]
struct SharedFile {
    file: Arc<Mutex<File>>,
    position: u64,
}

impl Read for SharedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        let read = file.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => {
                let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                file.metadata()?.len().checked_add_signed(by)
            }
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
