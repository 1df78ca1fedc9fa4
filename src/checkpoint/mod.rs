//! Everything that resuming needs, in PyTorch's names.
//!
//! A checkpoint is one safetensors file:
//!
//! | tensors | what |
//! |---|---|
//! | `generator.main.0.weight` … | G with its running statistics: a PyTorch state dict under a prefix |
//! | `discriminator.main.0.weight` … | D, likewise |
//! | `generator_ema.main.0.weight` … | the moving average of G, what samples are drawn from |
//! | `adam.generator.main.0.weight.exp_avg`, `….exp_avg_sq` | Adam's moments, for both networks |
//! | `….num_batches_tracked` | I64 scalars that PyTorch's strict loading asks for |
//!
//! All random numbers are functions of (seed, step), so these tensors, the step and the
//! configuration in the metadata are the whole state of a run. Numbers are F32, or F64 from the
//! reference backend; either loads into both.
//!
//! * [`write()`](write()) writes one file, whole or not at all.
//! * [`WeightFile`] reads one, trusting nothing in it, and also reads PyTorch's bare state dicts.
//! * [`Store`] keeps the newest few of a run and says which is the latest.

mod infer;
mod read;
mod store;
mod write;

pub use infer::{Source, generator_source, load_generator};
pub use read::WeightFile;
pub use store::{Store, resolve};
pub use write::write;

use serde::{Deserialize, Serialize};

/// What a checkpoint says about itself: one JSON text under the key `dermaglyph` of the file's
/// metadata, so that equal states make equal bytes (several keys would come in random order).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Layout of the file; this build writes and reads [`Meta::FORMAT`].
    pub format: u32,
    /// The version of this crate that wrote it.
    pub version: String,
    /// Finished training steps.
    pub step: u64,
    /// The run's `config.toml`.
    pub config: String,
    /// The fingerprint of the training images ([`Dataset`](crate::data::Dataset)).
    pub data: String,
    /// CRC-32C of the tensors' bytes, in the file's order.
    pub crc32c: u32,
}

impl Meta {
    /// The current layout.
    pub const FORMAT: u32 = 1;
    /// The key in the file's metadata.
    pub const KEY: &str = "dermaglyph";

    /// What a checkpoint after `step` steps of the run `config` (TOML) on images with the fingerprint
    /// `data` says; [`write()`](write()) fills in the checksum.
    pub fn new(step: u64, config: String, data: String) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: Self::FORMAT, version, step, config, data, crc32c: 0 }
    }
}

#[cfg(test)]
mod tests;
