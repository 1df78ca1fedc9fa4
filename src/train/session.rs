//! The logs of one session of a run.

use super::log::{Metrics, RunLog};
use super::metrics::Figures;
use crate::error::Result;
use std::collections::VecDeque;
use std::time::Instant;

/// The logs of a session and its clock.
pub(super) struct Log {
    pub(super) files: RunLog,
    pub(super) metrics: Vec<Metrics>,
    /// What was found by evaluations and stands in no line yet.
    pub(super) found: VecDeque<Figures>,
    started: Instant,
    /// Training time of the sessions before this one.
    seconds_before: f64,
    pub(super) last_step: u64,
    pub(super) last_seconds: f64,
    /// Seconds since the last line that went into pictures and checkpoints: they would hide how fast
    /// the steps are.
    pub(super) paused: f64,
}

impl Log {
    pub(super) fn new(
        files: RunLog,
        metrics: Vec<Metrics>,
        seconds_before: f64,
        step: u64,
    ) -> Self {
        let (started, last_seconds) = (Instant::now(), seconds_before);
        let found = VecDeque::new();
        Self {
            files,
            metrics,
            found,
            started,
            seconds_before,
            last_step: step,
            last_seconds,
            paused: 0.0,
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Writes a line, with the oldest evaluation that has none yet; returns it.
    pub(super) fn append(&mut self, metrics: Metrics) -> Result<Metrics> {
        let line = self.found.pop_front().map_or(metrics, |found| metrics.with(found));
        self.metrics.push(line);
        self.files.append(&line)?;
        Ok(line)
    }
}
