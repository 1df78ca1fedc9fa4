//! Latents → prints: grids, files, interpolation.

pub mod sampler;

pub use sampler::Sampler;
