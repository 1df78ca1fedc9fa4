//! One GAN step, the loop around it, and its logs.

pub mod step;

pub use step::{Gan, Hyper, Losses, Weights};
