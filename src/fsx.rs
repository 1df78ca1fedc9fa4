//! Files that are either whole or not there.
//!
//! A process can be killed and a disk can fill up at any byte. What a run cannot afford to lose is
//! therefore written aside, flushed to the disk and renamed over its predecessor: whoever opens the
//! path sees the old content or the new, never a part of either.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What a file is called before it has its name: `.NAME.` + random letters + `.tmp`.
const ASIDE_PREFIX: &str = ".";
const ASIDE_SUFFIX: &str = ".tmp";

/// A file on its way to `path`: it is written beside its place, with a buffer and seeking, and gets
/// its name from [`commit`](Self::commit). Dropped before that, it is removed and what was at `path`
/// is untouched. Only a killed process leaves one behind: [`remove_leftovers`] clears those.
#[derive(Debug)]
pub struct Aside {
    writer: BufWriter<File>,
    aside: tempfile::TempPath,
    path: PathBuf,
}

/// What a committed file must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// The end of the process. For what can be made again: pictures, plots.
    Kill,
    /// A power cut too, at the price of waiting for the disk. For checkpoints.
    PowerCut,
}

impl Aside {
    /// Opens a new file in the folder of `path`.
    ///
    /// # Errors
    /// [`Error::Io`] that names `path`: the folder is missing or read-only.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))
            .map_err(|e| Error::io("create", path, e))?;
        let (file, aside) = create_aside(folder_of(path), name)
            .map_err(|e| Error::io("create", path, e))?
            .into_parts();
        Ok(Self { writer: BufWriter::new(file), aside, path: path.to_owned() })
    }

    /// Gives the file its name, in place of what had it.
    ///
    /// # Errors
    /// [`Error::Io`] that names the path: the disk is full, or a folder is in the place. The file
    /// aside is removed.
    pub fn commit(self, survives: Survives) -> Result<()> {
        let Self { writer, aside, path } = self;
        let failed = |action| {
            let path = &path;
            move |source| Error::io(action, path, source)
        };
        let file = writer.into_inner().map_err(|e| failed("write")(e.into_error()))?;
        if survives == Survives::PowerCut {
            file.sync_all().map_err(failed("flush to the disk"))?;
        }
        // Some systems do not rename an open file.
        drop(file);
        aside.persist(&path).map_err(|e| failed("replace")(e.error))?;
        if survives == Survives::PowerCut {
            sync_folder(folder_of(&path)).map_err(failed("flush the folder of"))?;
        }
        Ok(())
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Seek for Aside {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.writer.seek(to)
    }
}

/// Writes a file so that a crash at any moment, a power cut included, leaves either the old content
/// or the new: `fill` writes aside, the file is flushed to the disk and renamed to `path`, and the
/// folder is flushed, so that the rename lasts too. On any error the old content is untouched.
///
/// # Errors
/// [`Error::Io`] that names `path`: the folder is missing or read-only, the disk is full, `fill`
/// failed, or `path` is a folder.
pub fn write_atomically(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut Aside) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let mut aside = Aside::create(path)?;
    fill(&mut aside).map_err(|e| Error::io("write", path, e))?;
    aside.commit(Survives::PowerCut)
}

/// [`write_atomically`] for content that is already in memory.
pub fn write_bytes_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |file| file.write_all(bytes))
}

/// Removes the files aside that killed processes left in `folder` (not below it) and says how many.
/// Only for a folder that no other process writes to, as a run directory is.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be listed or a leftover cannot be removed.
pub fn remove_leftovers(folder: impl AsRef<Path>) -> Result<usize> {
    let folder = folder.as_ref();
    let mut removed = 0;
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))? {
        let path = entry.map_err(|e| Error::io("list", folder, e))?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with(ASIDE_PREFIX) && name.ends_with(ASIDE_SUFFIX) && path.is_file() {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn create_aside(folder: &Path, name: &OsStr) -> io::Result<tempfile::NamedTempFile> {
    let mut prefix = std::ffi::OsString::from(ASIDE_PREFIX);
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(ASIDE_SUFFIX);
    // The crate's own default is private to the user; a run's files get what the umask gives.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn new_and_replaced_files_hold_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomically(&path, |f| {
            f.write_all(b"0000 tail")?;
            f.seek(SeekFrom::Start(0))?;
            f.write_all(b"head")
        })
        .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"head tail");
        write_bytes_atomically(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_failing_writer_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_bytes_atomically(&path, b"old").unwrap();
        let error = write_atomically(&path, |f| {
            f.write_all(&[7; 100_000])?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(error.exit_code(), 5);
        assert!(error.to_string().contains("a.bin: cannot write"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_panicking_writer_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_bytes_atomically(&path, b"old").unwrap();
        let panicked = std::panic::catch_unwind(|| {
            write_atomically(&path, |f| {
                f.write_all(b"half")?;
                panic!("in the middle")
            })
        });
        assert!(panicked.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn impossible_paths_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_bytes_atomically(&file, b"x").unwrap();
        for bad in [file.join("below a file"), folder.path().join("no/folder"), "/".into()] {
            let error = write_bytes_atomically(&bad, b"y").unwrap_err();
            assert!(matches!(error, Error::Io { ref path, .. } if *path == bad), "{error}");
        }

        let occupied = folder.path().join("occupied");
        std::fs::create_dir(&occupied).unwrap();
        let error = write_bytes_atomically(&occupied, b"y").unwrap_err();
        assert!(matches!(error, Error::Io { action: "replace", .. }), "{error}");
        assert_eq!(names(folder.path()), ["file", "occupied"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_an_ordinary_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (folder.path().join("ours"), folder.path().join("ordinary"));
        write_bytes_atomically(&ours, b"x").unwrap();
        std::fs::write(&ordinary, b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }

    #[test]
    fn leftovers_of_a_killed_process_are_removed_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let (_, aside) = create_aside(folder.path(), OsStr::new("a.bin")).unwrap().keep().unwrap();
        assert!(aside.exists());
        for kept in ["a.bin", ".hidden", "notes.tmp"] {
            std::fs::write(folder.path().join(kept), b"x").unwrap();
        }
        assert_eq!(remove_leftovers(folder.path()).unwrap(), 1);
        assert_eq!(names(folder.path()), [".hidden", "a.bin", "notes.tmp"]);
        assert_eq!(remove_leftovers(folder.path()).unwrap(), 0);
    }
}
