//! One GAN step, the loop around it, and its logs.

pub mod curve;
mod finite;
pub mod log;
pub mod plot;
pub mod run_dir;
pub mod step;
pub mod summary;
pub mod tensorboard;
pub mod trainer;

pub use step::{Gan, Hyper, Losses, Weights};
