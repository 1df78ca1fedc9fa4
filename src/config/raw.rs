//! What the user wrote: every hyperparameter, each one optional.

use super::preset::Preset;
use super::values::{Device, Every};
use crate::backend::cpu::Convolutions;
use crate::data::{AlteredLevel, Fit};
use crate::error::{Error, Result};
use crate::sample::grid::Grid;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A layer of settings: the flags of `train`, a TOML file (same names with `_` for `-`), or a
/// preset. Later layers win; see [`RawConfig::overlaid_by`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// Starting point for every value that neither a flag nor --config sets [default: quick]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<Preset>,

    /// Training images: the SOCOFing folder or zip, or any folder of PNG, JPEG, BMP or TIFF files;
    /// without it, prints are made from a formula
    #[arg(long, value_name = "DIR|ZIP", help_heading = "Data")]
    pub data: Option<PathBuf>,

    /// SOCOFing's altered prints to train on beside the real ones: easy,medium,hard
    #[arg(long, value_name = "SETS", help_heading = "Data", value_delimiter = ',')]
    pub altered: Option<Vec<AlteredLevel>>,

    /// How images that are not square become so
    #[arg(long, value_name = "HOW", help_heading = "Data")]
    pub fit: Option<Fit>,

    /// Number of procedural prints to train on where --data is not given
    #[arg(long, value_name = "N", help_heading = "Data", allow_negative_numbers = true)]
    pub synth_count: Option<u32>,

    /// Share of the subjects that is held out for evaluation, 0 to 0.9
    #[arg(long, value_name = "SHARE", help_heading = "Data", allow_negative_numbers = true)]
    pub held_out: Option<f64>,

    /// Stop at the first unreadable image instead of skipping it with a warning
    #[arg(long, value_name = "BOOL", help_heading = "Data", num_args = 0..=1, default_missing_value = "true")]
    pub strict: Option<bool>,

    /// Share of the images that may be unreadable before the run refuses to start, 0 to 1
    #[arg(long, value_name = "SHARE", help_heading = "Data", allow_negative_numbers = true)]
    pub max_bad: Option<f64>,

    /// Where decoded images are kept for the next start [default: the user's cache folder]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub cache: Option<PathBuf>,

    /// Neither read nor write the cache
    #[arg(long, value_name = "BOOL", help_heading = "Data", num_args = 0..=1, default_missing_value = "true")]
    pub no_cache: Option<bool>,

    /// Side of the square images in pixels: 4, 5, 6 or 7 times a power of two, such as 64, 96, 128
    #[arg(long, value_name = "PIXELS", help_heading = "Model", allow_negative_numbers = true)]
    pub image_size: Option<u32>,

    /// 1 for grey, 3 for RGB
    #[arg(long, value_name = "1|3", help_heading = "Model", allow_negative_numbers = true)]
    pub channels: Option<u32>,

    /// Length of the latent vector
    #[arg(long, value_name = "N", help_heading = "Model", allow_negative_numbers = true)]
    pub nz: Option<u32>,

    /// Width of the generator: channels of its last hidden layer
    #[arg(long, value_name = "N", help_heading = "Model", allow_negative_numbers = true)]
    pub ngf: Option<u32>,

    /// Width of the discriminator: channels of its first layer
    #[arg(long, value_name = "N", help_heading = "Model", allow_negative_numbers = true)]
    pub ndf: Option<u32>,

    /// Images per step
    #[arg(long, value_name = "N", help_heading = "Training", allow_negative_numbers = true)]
    pub batch_size: Option<u32>,

    /// Total number of epochs; with --steps too, whichever is reached first ends the run
    #[arg(long, value_name = "N", help_heading = "Training", allow_negative_numbers = true)]
    pub epochs: Option<u32>,

    /// Total number of steps (one step updates D and G once)
    #[arg(long, value_name = "N", help_heading = "Training", allow_negative_numbers = true)]
    pub steps: Option<u32>,

    /// Adam's learning rate
    #[arg(long, value_name = "RATE", help_heading = "Training", allow_negative_numbers = true)]
    pub lr: Option<f64>,

    /// Adam's decay of the mean gradient
    #[arg(long, value_name = "B", help_heading = "Training", allow_negative_numbers = true)]
    pub beta1: Option<f64>,

    /// Adam's decay of the mean squared gradient
    #[arg(long, value_name = "B", help_heading = "Training", allow_negative_numbers = true)]
    pub beta2: Option<f64>,

    /// Decay of the moving average of the generator's weights that samples are drawn from
    #[arg(long, value_name = "D", help_heading = "Training", allow_negative_numbers = true)]
    pub ema_decay: Option<f64>,

    /// Seed of everything random: weights, noise, order of the images, held-out subjects
    #[arg(long, value_name = "S", help_heading = "Training", allow_negative_numbers = true)]
    pub seed: Option<u64>,

    /// How often a picture of samples is drawn: "1" (epochs), "100steps" or "never"
    #[arg(long, value_name = "EVERY", help_heading = "Run directory")]
    pub sample_every: Option<Every>,

    /// How often a checkpoint is written: "1" (epochs), "100steps" or "never" (at the end only)
    #[arg(long, value_name = "EVERY", help_heading = "Run directory")]
    pub checkpoint_every: Option<Every>,

    /// How often the averaged generator is judged in the background: "1" (epochs), "100steps" or
    /// "never"; the best one is kept as checkpoints/best.safetensors
    #[arg(long, value_name = "EVERY", help_heading = "Run directory")]
    pub evaluate_every: Option<Every>,

    /// How many of the newest checkpoints are kept
    #[arg(long, value_name = "N", help_heading = "Run directory", allow_negative_numbers = true)]
    pub keep: Option<u32>,

    /// Steps between two lines of the metrics
    #[arg(
        long,
        value_name = "STEPS",
        help_heading = "Run directory",
        allow_negative_numbers = true
    )]
    pub log_every: Option<u32>,

    /// Prints in a picture of samples
    #[arg(long, value_name = "CxR", help_heading = "Run directory")]
    pub grid: Option<Grid>,

    /// Where to compute: auto, cpu, reference (f64, slow), cuda, cuda:N or software
    #[arg(long, value_name = "D", help_heading = "Machine")]
    pub device: Option<Device>,

    /// CPU threads [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", help_heading = "Machine", allow_negative_numbers = true)]
    pub threads: Option<u32>,

    /// CPU convolutions: auto, or direct for the definition's multiplications [default: auto]
    #[arg(long, value_name = "HOW", help_heading = "Machine", hide_possible_values = true)]
    pub conv: Option<Convolutions>,
}

impl RawConfig {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Config`] with file, line and column if it is not
    /// TOML or holds an unknown or ill-typed key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::from_toml(&text)
            .map_err(|reason| Error::Config(format!("{}: {reason}", path.display())))
    }

    /// Reads TOML text; the error is the reason alone.
    pub fn from_toml(text: &str) -> std::result::Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())
    }

    /// This layer under `upper`: a value of `upper` hides the one here.
    ///
    /// `epochs` and `steps` are two ways to say one thing, the length of the run, so a layer that
    /// sets either hides both of the layers below.
    pub fn overlaid_by(self, upper: Self) -> Self {
        let (epochs, steps) = match (upper.epochs, upper.steps) {
            (None, None) => (self.epochs, self.steps),
            set => set,
        };
        macro_rules! overlay {
            ($($field:ident)*) => {
                Self { epochs, steps, $($field: upper.$field.or(self.$field),)* }
            };
        }
        overlay!(preset data altered fit synth_count held_out strict max_bad cache no_cache image_size channels nz ngf ndf batch_size
            lr beta1 beta2 ema_decay seed sample_every checkpoint_every evaluate_every keep log_every grid
            device threads conv)
    }
}
