//! dermaglyph trains a DCGAN on fingerprint images and generates synthetic prints.
//!
//! Every kernel and every backward pass is written by hand: there is no autograd. The rooms, in the
//! order in which data flows through them:
//!
//! | room | what happens there |
//! |---|---|
//! | [`data`] | pixels → batches: SOCOFing, plain folders, prints from a formula |
//! | [`model`] | batches → generator and discriminator: lists of blocks, forward and backward |
//! | [`backend`] | the trait that computes: `reference` (f64, to be read), `cpu` (f32, all cores), `cuda` (hand-written kernels) |
//! | [`train`] | one GAN step, the loop around it, logs |
//! | [`checkpoint`] | everything that resuming needs, in PyTorch's names |
//! | [`sample`] | latents → prints: grids, files, interpolation |
//! | [`evaluate`] | prints → a judgement: realism, variety, privacy, and a report |
//! | [`mod@bench`] | how fast the `cpu` backend is, checked and beside the machine's peak |
//!
//! Beside the path: [`config`] (flags and TOML → a validated run), [`shape`] (the only size
//! arithmetic), [`rng`] (counter-based random numbers, the same on every backend), [`error`], [`fsx`]
//! (files that a crash cannot halve).

pub mod backend;
pub mod bench;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod error;
pub mod evaluate;
pub mod fsx;
pub mod model;
pub mod rng;
pub mod sample;
pub mod shape;
pub mod train;

pub use error::{Error, Result};
