//! How long each kernel takes on hardware: a pair of events around every launch, while somebody asks.

use super::Cuda;
use super::error;
use super::kernels::Kernel;
use crate::error::Result;
use cudarc::driver::CudaEvent;
use std::sync::{Mutex, PoisonError};

/// A launch and the events around it.
#[derive(Debug)]
pub(super) struct Timed {
    pub kernel: Kernel,
    pub start: CudaEvent,
    pub end: CudaEvent,
}

/// The launches since recording began; nothing where it has not.
#[derive(Debug, Default)]
pub(super) struct Timeline(Mutex<Option<Vec<Timed>>>);

impl Timeline {
    pub fn is_recording(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub fn push(&self, timed: Timed) {
        if let Some(launches) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            launches.push(timed);
        }
    }

    fn set(&self, launches: Option<Vec<Timed>>) -> Option<Vec<Timed>> {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), launches)
    }
}

impl Cuda {
    /// Begins to time every launch. Events between launches keep the device a little busier than a plain
    /// run does.
    pub fn start_timing(&self) {
        self.timeline.set(Some(Vec::new()));
    }

    /// Ends it: the launches in order, each with its milliseconds by the device's clock. Waits. On the
    /// software device they are times of an interpreter.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if a kernel has failed meanwhile.
    pub fn stop_timing(&self) -> Result<Vec<(Kernel, f32)>> {
        let launches = self.timeline.set(None).unwrap_or_default();
        let milliseconds = |timed: &Timed| {
            let failed =
                |e| error::failure(&self.name, format!("timing {}", timed.kernel.name()), e);
            Ok((timed.kernel, timed.start.elapsed_ms(&timed.end).map_err(failed)?))
        };
        launches.iter().map(milliseconds).collect()
    }
}
