//! One GAN step, the loop around it, and its logs.

pub mod curve;
mod finite;
pub mod log;
mod metrics;
mod observer;
mod pictures;
pub mod plot;
pub mod run_dir;
mod session;
pub mod step;
pub mod summary;
pub mod tensorboard;
pub mod trainer;
pub mod watch;

pub use step::{Gan, Hyper, Losses, Weights};
