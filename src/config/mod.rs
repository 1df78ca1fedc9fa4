//! Flags and TOML → a validated run.
//!
//! [`RawConfig`] is what the user wrote, every value optional; [`RunConfig`] is complete and valid.
//! Layers: preset, then `--config FILE.toml`, then flags, the later hiding the earlier. The result is
//! echoed into the run directory as `config.toml`, which is itself a valid `--config`.

mod preset;
mod raw;
mod validate;
mod values;

pub use preset::Preset;
pub use raw::RawConfig;
pub use values::{Device, Every};

use crate::backend::cpu::Convolutions;
use crate::backend::ops::{Adam, Ema};
use crate::data::{AlteredLevel, DataConfig, Fit};
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::sample::grid::Grid;
use crate::train::Hyper;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Everything that decides what a run computes, complete and within the limits.
///
/// It serialises to the TOML that [`RawConfig`] reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    pub preset: Preset,
    /// `None`: procedural prints.
    pub data: Option<PathBuf>,
    pub altered: Vec<AlteredLevel>,
    pub fit: Fit,
    pub synth_count: u32,
    /// Share of the subjects held out, in [0, 0.9].
    pub held_out: f64,
    pub strict: bool,
    /// Share of the images, in [0, 1].
    pub max_bad: f64,
    /// `None`: the user's cache folder.
    pub cache: Option<PathBuf>,
    pub no_cache: bool,
    /// Pixels; base·2^k.
    pub image_size: u32,
    pub channels: u32,
    pub nz: u32,
    pub ngf: u32,
    pub ndf: u32,
    pub batch_size: u32,
    /// Total; the run ends where `epochs` or `steps` is reached first. At least one is set.
    pub epochs: Option<u32>,
    /// Total.
    pub steps: Option<u32>,
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub ema_decay: f64,
    pub seed: u64,
    pub sample_every: Every,
    pub checkpoint_every: Every,
    /// How often the averaged generator is judged in the background.
    pub evaluate_every: Every,
    pub keep: u32,
    /// Steps.
    pub log_every: u32,
    pub grid: Grid,
    pub device: Device,
    /// `None`: one per core.
    pub threads: Option<u32>,
    /// `None`: the faster algorithm for each layer.
    pub conv: Option<Convolutions>,
}

impl RunConfig {
    /// Layers `upper` over the preset it names (`quick` if it names none) and validates.
    ///
    /// # Errors
    /// [`Error::Config`] that names the flag, the value and the limits.
    pub fn new(upper: RawConfig) -> Result<Self> {
        let preset = upper.preset.unwrap_or(Preset::Quick);
        let config = Self::complete(preset, preset.values().overlaid_by(upper))?;
        validate::validate(&config)?;
        Ok(config)
    }

    /// Reads a `config.toml` of a run.
    ///
    /// # Errors
    /// As [`RawConfig::read`] and [`RunConfig::new`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::new(RawConfig::read(path)?)
    }

    /// The text of `config.toml`.
    ///
    /// # Errors
    /// [`Error::Config`] if the path of the data is not UTF-8.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| {
            Error::Config(format!("this configuration cannot be written as TOML: {e}"))
        })
    }

    /// The architecture.
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            image_size: self.image_size as usize,
            channels: self.channels as usize,
            nz: self.nz as usize,
            ngf: self.ngf as usize,
            ndf: self.ndf as usize,
        }
    }

    /// What a training step depends on.
    pub fn hyper(&self) -> Hyper {
        Hyper {
            model: self.model(),
            batch_size: self.batch_size as usize,
            adam: Adam { lr: self.lr, beta1: self.beta1, beta2: self.beta2, eps: 1e-8 },
            ema: Ema { decay: self.ema_decay },
            seed: self.seed,
            check_every_pass: true,
        }
    }

    /// What to train on.
    pub fn data_config(&self) -> DataConfig {
        DataConfig {
            source: self.data.clone(),
            altered: self.altered.clone(),
            size: self.image_size,
            channels: self.channels,
            fit: self.fit,
            strict: self.strict,
            max_bad_share: self.max_bad,
            held_out: self.held_out,
            seed: self.seed,
            procedural_count: self.synth_count,
            at_most: None,
            cache_dir: self.cache.clone(),
            no_cache: self.no_cache,
        }
    }

    /// The total number of steps on a set that gives `steps_per_epoch`.
    pub fn total_steps(&self, steps_per_epoch: u64) -> u64 {
        let epochs = self.epochs.map(|n| u64::from(n).saturating_mul(steps_per_epoch));
        let steps = self.steps.map(u64::from);
        epochs.into_iter().chain(steps).min().unwrap_or(0)
    }

    /// The settings of `resumed` that may not differ from those the run was started with: all that
    /// decide its numbers, and a shorter length. (What `data` means is compared by content.)
    pub fn changes_that_resuming_forbids(&self, resumed: &Self) -> Vec<String> {
        const FREE: [&str; 14] = [
            "data",
            "strict",
            "max_bad",
            "cache",
            "no_cache",
            "sample_every",
            "checkpoint_every",
            "evaluate_every",
            "keep",
            "log_every",
            "grid",
            "device",
            "threads",
            "conv",
        ];
        let (Ok(Value::Object(saved)), Ok(Value::Object(now))) =
            (serde_json::to_value(self), serde_json::to_value(resumed))
        else {
            return vec!["the configuration cannot be compared".to_owned()];
        };
        let mut changes = Vec::new();
        for (name, before) in &saved {
            let after = now.get(name).unwrap_or(&Value::Null);
            let free = match name.as_str() {
                "epochs" => self.epochs.is_none_or(|n| resumed.epochs.is_none_or(|m| m >= n)),
                "steps" => self.steps.is_none_or(|n| resumed.steps.is_none_or(|m| m >= n)),
                name => FREE.contains(&name),
            };
            if before != after && !free {
                changes.push(format!("{name}: {before} in the run, {after} now"));
            }
        }
        changes
    }

    fn complete(preset: Preset, raw: RawConfig) -> Result<Self> {
        macro_rules! required {
            ($($field:ident)*; $($optional:ident)*) => {
                Self {
                    preset,
                    $($field: raw.$field.ok_or_else(|| {
                        Error::Config(format!("{} has no value", stringify!($field)))
                    })?,)*
                    $($optional: raw.$optional,)*
                }
            };
        }
        Ok(
            required!(altered fit synth_count held_out strict max_bad no_cache image_size channels nz ngf ndf batch_size lr beta1
            beta2 ema_decay seed sample_every checkpoint_every evaluate_every keep log_every
            grid device;
            data cache epochs steps threads conv),
        )
    }
}

#[cfg(test)]
mod tests;
