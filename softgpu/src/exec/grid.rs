//! A launch: blocks over the cores.

use std::sync::Arc;

use super::program::Program;
use crate::gpu::Options;
use crate::launch::{Dim3, LaunchError, Report};
use crate::memory::Memory;

/// Sizes of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub grid: Dim3,
    pub block: Dim3,
    /// Dynamic shared memory, bytes.
    pub dynamic_shared: u32,
}

/// Runs a launch to its end.
///
/// # Errors
/// [`LaunchError`].
pub fn run(
    memory: &Memory,
    options: &Options,
    program: &Arc<Program>,
    geometry: Geometry,
    params: Vec<u8>,
    seed: u64,
) -> Result<Report, LaunchError> {
    let _ = (memory, options, geometry, params, seed);
    Err(LaunchError::Invalid {
        kernel: program.name.clone(),
        what: "the executor is not built yet".into(),
    })
}
