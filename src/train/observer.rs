//! Who listens to a run in training, and how it ends.

use super::log::Metrics;
use super::watch::Best;
use std::path::PathBuf;

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Finished steps.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
    pub steps_per_epoch: u64,
    /// Steps that were finished when this session began.
    pub resumed_at: u64,
}

/// Hears what happens during training and says when to stop. `()` hears nothing and never stops.
pub trait Observer {
    /// Training is about to begin or to go on.
    fn started(&mut self, progress: &Progress);
    /// A step is finished.
    fn stepped(&mut self, progress: &Progress);
    /// A line of metrics was written.
    fn logged(&mut self, metrics: &Metrics);
    /// Something the user should know: one line.
    fn note(&mut self, message: &str);
    /// Whether to save and stop now. Asked after every step.
    fn wants_to_stop(&self) -> bool;
}

impl Observer for () {
    fn started(&mut self, _: &Progress) {}
    fn stepped(&mut self, _: &Progress) {}
    fn logged(&mut self, _: &Metrics) {}
    fn note(&mut self, _: &str) {}
    fn wants_to_stop(&self) -> bool {
        false
    }
}

/// How a session ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub progress: Progress,
    /// The last line of the metrics.
    pub metrics: Option<Metrics>,
    /// The checkpoint of the last step.
    pub checkpoint: PathBuf,
    /// The best of the evaluations, where there were any.
    pub best: Option<Best>,
}

impl Outcome {
    /// Whether the run reached its length, rather than being stopped.
    pub fn is_finished(&self) -> bool {
        self.progress.step >= self.progress.total
    }
}
