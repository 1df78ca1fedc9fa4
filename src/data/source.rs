//! Where images come from: a folder or a zip, seen as one sorted list of names.
//!
//! Nothing is ever written to disk from an archive; a zip is read entry by entry, and each entry is
//! held to the [`ReadLimits`] before and while it is inflated.

use super::archive::Archive;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use walkdir::WalkDir;

/// File-name extensions that are read; everything else is counted and left alone.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// What one file or archive may cost.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Bytes of one encoded image.
    pub file_bytes: u64,
    /// Uncompressed bytes over compressed ones, for zip entries above 1 MiB. Photographs and prints
    /// stay below 20; deflate can reach 1,032.
    pub ratio: u64,
    /// Uncompressed bytes of all images of an archive together.
    pub total_bytes: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { file_bytes: 256 << 20, ratio: 250, total_bytes: 1 << 40 }
    }
}

/// One image that has not been read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Path below the source with `/` between folders; not valid UTF-8 is replaced.
    pub name: String,
    /// Bytes of the encoded image, as the file system or the archive states them.
    pub bytes: u64,
    /// Changes when the file does: nanoseconds since 1970 in a folder, CRC-32 in a zip.
    pub stamp: u128,
    place: Place,
}

impl Candidate {
    /// The last part of the name.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

/// How a source finds the bytes of a candidate again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Entry(usize),
}

/// What was found under a path.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files with an image's extension, sorted by name.
    pub candidates: Vec<Candidate>,
    /// Files and folders that cannot be used, with the reason.
    pub rejected: Vec<(PathBuf, String)>,
    /// Files of other kinds, and hidden ones.
    pub ignored: usize,
    /// Oddities that cost nothing but should be known.
    pub notes: Vec<String>,
}

impl Listing {
    /// Takes a file into the list, or counts it if it is not an image by name.
    pub(super) fn add(&mut self, name: String, bytes: u64, stamp: u128, place: Place) {
        if is_image_name(&name) {
            self.candidates.push(Candidate { name, bytes, stamp, place });
        } else {
            self.ignored += 1;
        }
    }
}

/// An opened folder or zip.
#[derive(Debug)]
pub enum Source {
    /// A folder, read recursively.
    Folder(PathBuf),
    /// A zip archive.
    Zip(Archive),
}

impl Source {
    /// Opens `path` and lists the images in it.
    ///
    /// # Errors
    /// If there is nothing at `path`, if it is neither a folder nor a zip, or if the archive's
    /// directory is damaged. A single unreadable file is no error: it stands in
    /// [`Listing::rejected`].
    pub fn open(path: &Path, limits: ReadLimits) -> Result<(Self, Listing)> {
        let metadata = fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::data(
                path,
                "there is no such folder or zip file; give the folder of images or SOCOFing's zip",
            ),
            _ => Error::io("open", path, e),
        })?;
        let (source, mut listing) = if metadata.is_dir() {
            (Self::Folder(path.to_owned()), list_folder(path)?)
        } else {
            if !starts_like_zip(path)? {
                return Err(Error::data(
                    path,
                    "is neither a folder nor a zip archive; give the folder that holds the images",
                ));
            }
            let (archive, listing) = Archive::open(path, limits)?;
            (Self::Zip(archive), listing)
        };
        listing.candidates.sort_by(|a, b| a.name.cmp(&b.name));
        listing.rejected.sort();
        Ok((source, listing))
    }

    /// The bytes of one candidate, or why there are none.
    pub fn read(&self, candidate: &Candidate, limits: ReadLimits) -> Result<Vec<u8>, String> {
        if candidate.bytes > limits.file_bytes {
            return Err(too_large(candidate.bytes, limits));
        }
        match (self, &candidate.place) {
            (Self::Folder(_), Place::File(path)) => {
                let file = File::open(path).map_err(|e| format!("cannot be opened: {e}"))?;
                read_at_most(file, candidate.bytes, limits)
            }
            (Self::Zip(archive), Place::Entry(index)) => archive.read(*index, limits),
            _ => Err("belongs to another source".into()),
        }
    }
}

/// Reads to the end, but not past the limit, whatever the size was said to be.
pub(super) fn read_at_most(
    reader: impl Read,
    expected: u64,
    limits: ReadLimits,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(expected.min(1 << 20) as usize);
    let read = reader.take(limits.file_bytes + 1).read_to_end(&mut bytes);
    read.map_err(|e| format!("cannot be read: {e}"))?;
    match bytes.len() as u64 {
        0 => Err("is empty (zero bytes)".into()),
        length if length > limits.file_bytes => Err(too_large(length, limits)),
        _ => Ok(bytes),
    }
}

fn too_large(bytes: u64, limits: ReadLimits) -> String {
    let limit = limits.file_bytes;
    format!("has {bytes} bytes, more than the {limit} an image file may have here")
}

/// Whether the name ends like an image's and is not hidden. macOS writes a hidden `._name.png` that
/// is no image beside each file of a zip.
fn is_image_name(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    !hidden && EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn starts_like_zip(path: &Path) -> Result<bool> {
    let mut head = [0; 4];
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    match file.read_exact(&mut head) {
        Ok(()) => Ok(head == *b"PK\x03\x04" || head == *b"PK\x05\x06"),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

fn list_folder(root: &Path) -> Result<Listing> {
    fs::read_dir(root).map_err(|e| Error::io("list", root, e))?;
    let mut listing = Listing::default();
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                let path = e.path().unwrap_or(root).to_owned();
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
                if let Some(ancestor) = e.loop_ancestor() {
                    let target = ancestor.display();
                    listing
                        .notes
                        .push(format!("{}: a link back to {target}; not followed", path.display()));
                } else if path.is_dir() || is_image_name(&name) {
                    let reason = e.io_error().map_or_else(|| e.to_string(), ToString::to_string);
                    listing.rejected.push((path, format!("cannot be read: {reason}")));
                } else {
                    listing.ignored += 1;
                }
                continue;
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/");
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                let modified = metadata.modified().ok();
                let stamp = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let stamp = stamp.map_or(0, |time| time.as_nanos());
                listing.add(name, metadata.len(), stamp, Place::File(entry.into_path()));
            }
            _ => listing.ignored += 1,
        }
    }
    Ok(listing)
}
