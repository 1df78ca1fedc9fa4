//! The directory of a run: one process at a time, never overwritten.

use crate::config::{Preset, RawConfig, RunConfig};
use crate::error::{Error, Result};
use crate::fsx;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";
const CONFIG: &str = "config.toml";

/// A run directory that this process has to itself until the value is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// The lock is the file's; the system releases it when the process ends, however it ends.
    _lock: File,
}

impl RunDir {
    /// Whether a new run may be made at `out`: early, before minutes are spent on loading images.
    ///
    /// # Errors
    /// [`Error::Config`] if there are files already.
    pub fn check_new(out: &Path) -> Result<()> {
        let mut entries = match std::fs::read_dir(out) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::io("use as a run directory", out, e)),
        };
        // A run that was killed before it wrote anything leaves only its lock.
        let occupied = entries.any(|entry| entry.map_or(true, |e| e.file_name() != LOCK));
        if !occupied {
            return Ok(());
        }
        Err(Error::Config(format!(
            "--out {}: the directory is not empty and nothing is overwritten; give another --out, \
             or --resume {} to go on with the run in it",
            out.display(),
            out.display()
        )))
    }

    /// Makes the directory of a new run: `out`, or the next free `runs/PRESET-NNN`.
    ///
    /// # Errors
    /// [`Error::Config`] if `out` is not empty or in use, [`Error::Io`] if it cannot be made.
    pub fn create(out: Option<&Path>, preset: Preset) -> Result<Self> {
        let Some(out) = out else { return Self::create_numbered(Path::new("runs"), preset) };
        Self::check_new(out)?;
        create_all(out)?;
        let run = Self::lock(out)?;
        // Another process may have finished between the check and the lock.
        Self::check_new(out)?;
        Ok(run)
    }

    fn create_numbered(parent: &Path, preset: Preset) -> Result<Self> {
        create_all(parent)?;
        for number in 1..=u32::MAX {
            let path = parent.join(format!("{}-{number:03}", preset.name()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Self::lock(&path),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create the folder", &path, e)),
            }
        }
        Err(Error::Config(format!("{} holds too many runs", parent.display())))
    }

    /// Takes an existing run.
    ///
    /// # Errors
    /// [`Error::Config`] if there is none or another process has it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).is_file() {
            return Err(Error::Config(format!(
                "{} is no run directory: it has no {CONFIG}",
                path.display()
            )));
        }
        let run = Self::lock(path)?;
        for folder in ["", "checkpoints", "samples"].map(|name| path.join(name)) {
            if folder.is_dir() {
                fsx::remove_leftovers(folder)?;
            }
        }
        Ok(run)
    }

    fn lock(path: &Path) -> Result<Self> {
        let file = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file)
            .map_err(|e| Error::io("create", &file, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            // Some network file systems have no locks; a run is still possible there.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", &file, e)),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Config(format!(
                    "{} is in use by another dermaglyph process",
                    path.display()
                )));
            }
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's configuration under the settings `flags`, for going on with it.
    ///
    /// # Errors
    /// [`Error::Config`] that lists every setting that cannot be changed in the middle of a run.
    pub fn resumed_config(&self, flags: RawConfig) -> Result<RunConfig> {
        let path = self.path.join(CONFIG);
        let raw = RawConfig::read(&path)?;
        let saved = RunConfig::new(raw.clone())?;
        let resumed = RunConfig::new(raw.overlaid_by(flags))?;
        let changes = saved.changes_that_resuming_forbids(&resumed);
        if changes.is_empty() {
            return Ok(resumed);
        }
        Err(Error::Config(format!(
            "--resume {} goes on with the run as it was started, but these settings differ:\n  {}\n\
             leave them out, or start a new run",
            self.path.display(),
            changes.join("\n  ")
        )))
    }

    /// Writes `config.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn write_config(&self, config: &RunConfig) -> Result<()> {
        fsx::write_bytes_atomically(self.path.join(CONFIG), config.to_toml()?.as_bytes())
    }
}

fn create_all(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| Error::io("create the folder", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_error(result: Result<impl std::fmt::Debug>, needle: &str) {
        match result {
            Err(Error::Config(message)) => assert!(message.contains(needle), "{message}"),
            other => panic!("expected a configuration error about {needle:?}, got {other:?}"),
        }
    }

    fn tiny() -> RunConfig {
        RunConfig::new(Preset::Tiny.values()).unwrap()
    }

    #[test]
    fn numbers_count_up_from_the_next_free_one() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("runs");
        std::fs::create_dir_all(parent.join("tiny-002")).unwrap();
        for name in ["tiny-001", "tiny-003"] {
            let run = RunDir::create_numbered(&parent, Preset::Tiny).unwrap();
            assert_eq!(run.path(), parent.join(name));
        }
    }

    #[test]
    fn a_directory_is_never_shared_nor_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/run");
        let run = RunDir::create(Some(&out), Preset::Tiny).unwrap();
        config_error(RunDir::create(Some(&out), Preset::Tiny), "in use");
        run.write_config(&tiny()).unwrap();
        config_error(RunDir::open(&out), "in use");
        config_error(RunDir::create(Some(&out), Preset::Tiny), "not empty");
        drop(run);
        config_error(RunDir::create(Some(&out), Preset::Tiny), "--resume");
        RunDir::open(&out).unwrap();
        config_error(RunDir::open(folder.path()), "no config.toml");
    }

    #[test]
    fn resuming_allows_a_longer_run_and_nothing_that_changes_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(Some(&folder.path().join("run")), Preset::Tiny).unwrap();
        run.write_config(&tiny()).unwrap();
        let resumed = |toml: &str| run.resumed_config(RawConfig::from_toml(toml).unwrap());

        assert_eq!(resumed("").unwrap(), tiny());
        assert_eq!(resumed("preset = 'tiny'\nnz = 16").unwrap(), tiny());
        assert_eq!(resumed("steps = 21").unwrap().steps, Some(21));
        assert_eq!(resumed("keep = 9\nlog_every = 7\nthreads = 1").unwrap().keep, 9);
        config_error(resumed("steps = 19"), "steps: 20 in the run, 19 now");
        config_error(resumed("preset = 'quick'"), "preset: \"tiny\" in the run, \"quick\" now");
        config_error(resumed("lr = 0.1\nbatch_size = 8"), "lr: 0.0002 in the run, 0.1 now");
        config_error(resumed("lr = 0.1\nbatch_size = 8"), "batch_size: 16 in the run, 8 now");
    }
}
