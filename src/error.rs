//! Every way in which the library can fail, as one type.
//!
//! A message names what was being done (op, file, flag), what was found (shapes, sizes, values) and
//! what to do about it. [`Error::exit_code`] is the single place where a failure becomes a process
//! exit code.

use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flag, a configuration file or a combination of values that cannot be used.
    #[error("{0}")]
    Config(String),

    /// The training images, or a file among them, cannot be used.
    #[error("{}: {reason}", path.display())]
    Data { path: PathBuf, reason: String },

    /// A checkpoint or weight file is damaged, foreign or of another model.
    #[error("{}: {reason}", path.display())]
    Checkpoint { path: PathBuf, reason: String },

    /// The operating system refused to read or write a file.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        path: PathBuf,
        /// What was attempted, as a verb phrase: "read", "create the folder".
        action: &'static str,
        source: std::io::Error,
    },

    /// An op was called with tensors that do not fit each other.
    #[error("{op}: {reason}")]
    Shape { op: &'static str, reason: String },

    /// A value stopped being a finite number during training.
    #[error(
        "training diverged at step {step}: {place} holds a NaN or an infinity. \
         The last good checkpoint is kept; start a new run with a lower --lr"
    )]
    Diverged { step: u64, place: String },

    /// A trained model produced a value that is not a number.
    #[error("{place} is a NaN or an infinity: the weights are damaged; use an earlier checkpoint")]
    NonFinite { place: String },

    /// The device named on the command line does not exist here or failed.
    #[error("device {device}: {reason}")]
    Device { device: String, reason: String },
}

impl Error {
    /// Wraps an operating-system error with the file and the attempt.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), action, source }
    }

    /// A file or folder of images that cannot be used.
    pub fn data(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Data { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// A checkpoint that cannot be used.
    pub fn checkpoint(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// Tensors that do not fit the op.
    pub fn shape(op: &'static str, reason: impl Into<String>) -> Self {
        Self::Shape { op, reason: reason.into() }
    }

    /// The process exit code that stands for this error; the table is in the README.
    ///
    /// 2 configuration (also clap's own code), 3 data, 4 checkpoint, 5 file system, 6 diverged (NaN),
    /// 7 device, 1 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Shape { .. } => 1,
            Self::Config(_) => 2,
            Self::Data { .. } => 3,
            Self::Checkpoint { .. } => 4,
            Self::Io { .. } => 5,
            Self::Diverged { .. } | Self::NonFinite { .. } => 6,
            Self::Device { .. } => 7,
        }
    }
}
