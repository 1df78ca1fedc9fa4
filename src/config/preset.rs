//! Named starting points.

use super::raw::RawConfig;
use super::values::{Device, Every};
use crate::data::Fit;
use crate::sample::grid::Grid;
use serde::{Deserialize, Serialize};

/// A complete set of hyperparameters with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Preset {
    /// The published hyperparameters: 64×64 RGB, batch 128, 150 epochs
    #[serde(rename = "seed")]
    Seed,
    /// Fingertips with ridges in minutes on two cores: 64×64 grey, half the width, 2000 steps
    #[serde(rename = "quick")]
    Quick,
    /// Seconds on anything, to see that everything works: 32×32 grey, 20 steps
    #[serde(rename = "tiny")]
    Tiny,
    /// 96×96 grey: the size that keeps the ridges of SOCOFing
    #[serde(rename = "96")]
    #[value(name = "96")]
    Px96,
    /// 128×128 grey
    #[serde(rename = "128")]
    #[value(name = "128")]
    Px128,
}

impl Preset {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Quick => "quick",
            Self::Tiny => "tiny",
            Self::Px96 => "96",
            Self::Px128 => "128",
        }
    }

    /// Its values. `seed` is the DCGAN of Radford, Metz & Chintala (2016) as published for this
    /// system; the others change what their description says.
    pub fn values(self) -> RawConfig {
        let published = RawConfig {
            preset: Some(self),
            data: None,
            altered: Some(Vec::new()),
            fit: Some(Fit::Pad),
            synth_count: Some(6000),
            held_out: Some(0.1),
            strict: Some(false),
            max_bad: Some(0.1),
            cache: None,
            no_cache: Some(false),
            image_size: Some(64),
            channels: Some(3),
            nz: Some(100),
            ngf: Some(64),
            ndf: Some(64),
            batch_size: Some(128),
            epochs: Some(150),
            steps: None,
            lr: Some(2e-4),
            beta1: Some(0.5),
            beta2: Some(0.999),
            ema_decay: Some(0.999),
            seed: Some(0),
            sample_every: Some(Every::Epochs(1)),
            checkpoint_every: Some(Every::Epochs(1)),
            evaluate_every: Some(Every::Never),
            keep: Some(3),
            log_every: Some(10),
            grid: Some(Grid { columns: 8, rows: 8 }),
            device: Some(Device::Auto),
            threads: None,
            conv: None,
        };
        let changes = match self {
            Self::Seed => RawConfig::default(),
            // The same 32,000 images in 500 steps of 64 make outlines with hatching: early on, the
            // number of updates counts. And ridges move from step to step while they form, so an
            // average over many steps blurs them away.
            Self::Quick => RawConfig {
                synth_count: Some(2048),
                channels: Some(1),
                ngf: Some(32),
                ndf: Some(32),
                batch_size: Some(16),
                steps: Some(2000),
                sample_every: Some(Every::Steps(100)),
                ema_decay: Some(0.95),
                ..RawConfig::default()
            },
            Self::Tiny => RawConfig {
                synth_count: Some(96),
                image_size: Some(32),
                channels: Some(1),
                nz: Some(16),
                ngf: Some(8),
                ndf: Some(8),
                batch_size: Some(16),
                steps: Some(20),
                ema_decay: Some(0.9),
                log_every: Some(1),
                grid: Some(Grid { columns: 4, rows: 4 }),
                ..RawConfig::default()
            },
            Self::Px96 => RawConfig {
                image_size: Some(96),
                channels: Some(1),
                batch_size: Some(64),
                ..RawConfig::default()
            },
            // With batches of 32, D has won for good after 400 steps and G draws one texture
            // (docs/runs.md); with 16, prints form.
            Self::Px128 => RawConfig {
                image_size: Some(128),
                channels: Some(1),
                ngf: Some(32),
                ndf: Some(32),
                batch_size: Some(16),
                ..RawConfig::default()
            },
        };
        published.overlaid_by(changes)
    }
}
