//! The checkpoints of one run.

use super::{Meta, write};
use crate::error::{Error, Result};
use crate::fsx;
use crate::model::NamedTensor;
use std::path::{Path, PathBuf};

/// The folder `checkpoints/` of a run: `step-0000300.safetensors`, … and the small text file
/// `latest` that names the newest; beside them `best.safetensors`, if the run is evaluated.
///
/// A new checkpoint is whole before `latest` names it, and older ones go only afterwards, so at any
/// moment of a kill or a power cut the run has its newest complete checkpoint.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    keep: usize,
}

const LATEST: &str = "latest";
const BEST: &str = "best.safetensors";

impl Store {
    /// The checkpoints of the run directory `run`, of which the newest `keep` stay.
    pub fn new(run: &Path, keep: u32) -> Self {
        Self { folder: run.join("checkpoints"), keep: keep.max(1) as usize }
    }

    /// Writes the state after `meta.step` steps, points `latest` to it and removes the oldest.
    ///
    /// # Errors
    /// As [`write()`](write()); the earlier checkpoints are then untouched.
    pub fn save(&self, meta: &Meta, tensors: &[NamedTensor]) -> Result<PathBuf> {
        let name = format!("step-{:07}.safetensors", meta.step);
        let path = self.folder.join(&name);
        std::fs::create_dir_all(&self.folder)
            .map_err(|e| Error::io("create the folder", &self.folder, e))?;
        write(&path, meta, tensors)?;
        fsx::write_bytes_atomically(self.folder.join(LATEST), format!("{name}\n").as_bytes())?;
        self.prune(&path)?;
        Ok(path)
    }

    /// The newest checkpoint, `None` if there is none yet: the one `latest` names, or else the one
    /// with the highest step.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn latest(&self) -> Result<Option<PathBuf>> {
        let pointer = self.folder.join(LATEST);
        if let Ok(name) = std::fs::read_to_string(&pointer) {
            // Only a name of ours: the pointer must not lead out of the folder.
            let named = self.folder.join(name.trim());
            if step_of(Path::new(name.trim())).is_some() && named.is_file() {
                return Ok(Some(named));
            }
        }
        Ok(self.all()?.pop().map(|(_, path)| path))
    }

    /// Where the averaged generator lies that an evaluation liked best: weights to generate with, which
    /// no run goes on from and which is never removed.
    pub fn best(&self) -> PathBuf {
        self.folder.join(BEST)
    }

    /// Every checkpoint with its step, oldest first.
    fn all(&self) -> Result<Vec<(u64, PathBuf)>> {
        let list = match std::fs::read_dir(&self.folder) {
            Ok(list) => list,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("list", &self.folder, e)),
        };
        let mut found = Vec::new();
        for entry in list {
            let path = entry.map_err(|e| Error::io("list", &self.folder, e))?.path();
            if let Some(step) = path.file_name().and_then(|name| step_of(Path::new(name))) {
                found.push((step, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn prune(&self, newest: &Path) -> Result<()> {
        let mut all = self.all()?;
        all.retain(|(_, path)| path != newest);
        let excess = all.len().saturating_sub(self.keep - 1);
        for (_, path) in all.into_iter().take(excess) {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        Ok(())
    }
}

/// The step in a name such as `step-0000300.safetensors`; `None` for any other name.
fn step_of(name: &Path) -> Option<u64> {
    let digits = name.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The file that `--from` means: the file itself, or the latest checkpoint of a run directory.
///
/// # Errors
/// [`Error::Checkpoint`] if there is nothing there or no checkpoint in the run yet.
pub fn resolve(from: &Path) -> Result<PathBuf> {
    let status = std::fs::metadata(from).map_err(|e| Error::io("read", from, e))?;
    if !status.is_dir() {
        return Ok(from.to_owned());
    }
    Store::new(from, 1).latest()?.ok_or_else(|| {
        Error::checkpoint(
            from,
            "holds no checkpoint: expected a run directory with checkpoints/step-*.safetensors",
        )
    })
}
