//! One launch: its arguments, its geometry, and what is said if it fails.

use super::Cuda;
use super::error;
use super::kernels::Kernel;
use super::profile::Timed;
use crate::error::Result;
use cudarc::driver::{LaunchArgs, LaunchConfig, PushKernelArg, sys::CUevent_flags};
use std::fmt;

/// Threads of a block where nothing speaks for another number.
pub const THREADS: usize = 256;

/// The most blocks along y and z, on every card.
const MOST_ALONG_Y: usize = 65_535;

/// A kernel that is about to be launched.
pub struct Launch<'a> {
    cuda: &'a Cuda,
    kernel: Kernel,
    /// What it works on, for the error message.
    on: &'a dyn fmt::Display,
    arguments: LaunchArgs<'a>,
}

impl Cuda {
    /// Begins a launch; `on` says in an error what it was working on.
    pub(super) fn prepare<'a>(
        &'a self,
        kernel: Kernel,
        on: &'a dyn fmt::Display,
    ) -> Result<Launch<'a>> {
        let function = self.kernels.get(&self.name, kernel)?;
        Ok(Launch { cuda: self, kernel, on, arguments: self.stream.launch_builder(function) })
    }
}

impl<'a> Launch<'a> {
    /// The next parameter of the kernel.
    pub fn arg<T>(&mut self, value: T) -> &mut Self
    where
        LaunchArgs<'a>: PushKernelArg<T>,
    {
        self.arguments.arg(value);
        self
    }

    /// Launches one thread for each of `count` pieces of work, [`THREADS`] a block. Nothing happens for none.
    ///
    /// # Safety
    /// As [`blocks`](Self::blocks), and the kernel looks at how many pieces there are.
    pub unsafe fn threads(&mut self, count: usize) -> Result<()> {
        // SAFETY: as the caller vouches.
        unsafe { self.blocks([count.div_ceil(THREADS), 1, 1], [THREADS, 1]) }
    }

    /// Launches `grid` blocks of `block` threads. Nothing happens if there is no block.
    ///
    /// # Safety
    /// The arguments are the kernel's parameters in type, number and order, and with this geometry it
    /// stays inside the buffers it was given.
    pub unsafe fn blocks(&mut self, grid: [usize; 3], block: [usize; 2]) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        let Self { cuda, kernel, on, arguments } = self;
        if grid[0] > i32::MAX as usize || grid[1].max(grid[2]) > MOST_ALONG_Y {
            let reason = format!(
                "{} on {on}: a grid of {grid:?} blocks is too large; lower --batch-size",
                kernel.name()
            );
            return Err(error::unusable(&cuda.name, reason));
        }
        let [x, y, z] = grid.map(|blocks| blocks as u32);
        let config = LaunchConfig {
            grid_dim: (x, y, z),
            block_dim: (block[0] as u32, block[1] as u32, 1),
            shared_mem_bytes: 0,
        };
        if cuda.timeline.is_recording() {
            arguments.record_kernel_launch(CUevent_flags::CU_EVENT_DEFAULT);
        }
        // SAFETY: as the caller vouches; the function belongs to the stream's context.
        let events = unsafe { arguments.launch(config) }.map_err(|driver| {
            let doing = format!("{} on {on}, grid {grid:?}, block {block:?}", kernel.name());
            cuda.failed(&doing, driver)
        })?;
        if let Some((start, end)) = events {
            cuda.timeline.push(Timed { kernel: *kernel, start, end });
        }
        Ok(())
    }
}
