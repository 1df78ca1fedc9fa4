//! Latents → prints: grids, files, interpolation.
