//! One GAN step, the loop around it, and its logs.

pub mod log;
pub mod run_dir;
pub mod step;
pub mod tensorboard;

pub use step::{Gan, Hyper, Losses, Weights};
