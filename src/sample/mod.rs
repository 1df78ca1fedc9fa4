//! Latents → prints: grids, files, interpolation.

pub mod grid;
pub mod image;
pub mod interpolate;
pub mod latent;
pub mod sampler;
pub mod seeds;
pub mod stream;
pub mod writer;

pub use sampler::Sampler;
