//! The evaluation in the background: how good the averaged generator is while the run goes on.
//!
//! The training thread only copies the averaged weights and hands them over; a thread of this module's own,
//! which computes on one core, makes prints of them and measures these as `dermaglyph evaluate` does. Weights
//! that are due while it is busy are skipped: training never waits for it before its end. Nothing that
//! training computes depends on it.
//!
//! | file | what |
//! |---|---|
//! | `judge.rs` | weights → prints → figures |
//! | `mod.rs` | the thread, what goes in and out, the best so far |

mod judge;
#[cfg(test)]
mod tests;

use super::log::Metrics;
use super::metrics::Figures;
use super::observer::Observer;
use crate::checkpoint::{self, Meta, Store, WeightFile};
use crate::config::RunConfig;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::{ModelConfig, NamedTensor};
use judge::{Judge, Reals};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

/// The evaluation with the lowest Fréchet distance of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// The step whose averaged generator it was.
    pub step: u64,
    /// Squared Fréchet distance of the print features.
    pub frechet: f64,
    /// That generator, to generate with: `checkpoints/best.safetensors`.
    pub file: PathBuf,
}

/// The averaged generator after `meta.step` steps.
struct Job {
    meta: Meta,
    tensors: Vec<NamedTensor>,
}

/// What became of a job.
struct Answer {
    step: u64,
    found: Result<Found>,
}

struct Found {
    figures: Figures,
    /// What to tell the user about it, a line each.
    notes: Vec<String>,
    /// Whether `best.safetensors` is of this step now.
    is_best: bool,
}

/// The thread of a session, as the training thread sees it. Dropped, it ends within a moment.
pub struct Watch {
    /// `None` once no more jobs come.
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    /// `None` once it has ended.
    thread: Option<JoinHandle<Result<()>>>,
    stop: Arc<AtomicBool>,
    /// The step being evaluated.
    pending: Option<u64>,
    /// The step of the newest job.
    newest: Option<u64>,
    /// Whether the user knows that steps are skipped.
    told: bool,
    file: PathBuf,
    best: Option<Best>,
}

impl Watch {
    /// Starts the thread for the run that `store` keeps and that has logged `metrics` so far. Also says what
    /// prints are compared, as the end of a sentence.
    ///
    /// # Errors
    /// [`Error::Device`] if the system gives no thread.
    pub fn start(
        config: &RunConfig,
        dataset: &Dataset,
        store: &Store,
        metrics: &[Metrics],
    ) -> Result<(Self, String)> {
        let (reals, described) = Reals::choose(dataset, config.seed)?;
        let best = best_so_far(&store.best(), metrics);
        let stop = Arc::new(AtomicBool::new(false));
        let (jobs, inbox) = channel();
        let (outbox, answers) = channel();
        let worker = Worker {
            inbox,
            outbox,
            file: store.best(),
            lowest: best.as_ref().map_or(f64::INFINITY, |best| best.frechet),
        };
        let (model, stopped) = (config.model(), Arc::clone(&stop));
        let refused = |reason: String| Error::Device { device: "cpu".into(), reason };
        // The statistics use the threads of the pool they run in: this one, not those of the machine.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|e| refused(e.to_string()))?;
        let thread = std::thread::Builder::new()
            .name("evaluation".into())
            .spawn(move || pool.install(|| worker.work(reals, model, stopped)))
            .map_err(|e| refused(e.to_string()))?;
        let watch = Self {
            jobs: Some(jobs),
            answers,
            thread: Some(thread),
            stop,
            pending: None,
            newest: None,
            told: false,
            file: store.best(),
            best,
        };
        Ok((watch, described))
    }

    /// Whether it has time for `step`. The first time it has not, the observer learns of it.
    pub fn is_free(&mut self, step: u64, observer: &mut dyn Observer) -> bool {
        let Some(pending) = self.pending else { return self.thread.is_some() };
        if !self.told {
            self.told = true;
            observer.note(&format!(
                "step {step} is not evaluated: the evaluation of step {pending} is not done yet; training \
                 does not wait for it, nor will it later (--evaluate-every may be too often)"
            ));
        }
        false
    }

    /// Hands over the averaged generator after `meta.step` steps.
    pub fn offer(&mut self, meta: Meta, tensors: Vec<NamedTensor>) {
        let step = meta.step;
        if let Some(jobs) = &self.jobs {
            // A thread that has ended takes none: the next look at its answers says why.
            let _ = jobs.send(Job { meta, tensors });
        }
        (self.pending, self.newest) = (Some(step), Some(step));
    }

    /// The step of the newest generator that was handed over in this session.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// What has been found since the last call, without waiting.
    pub fn poll(&mut self, observer: &mut dyn Observer) -> Option<Figures> {
        match self.answers.try_recv() {
            Ok(answer) => self.take_in(answer, observer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.ended(observer),
        }
    }

    /// What is found about the step being evaluated; waits for it.
    pub fn wait(&mut self, observer: &mut dyn Observer) -> Option<Figures> {
        let step = self.pending?;
        observer.note(&format!("waiting for the evaluation of step {step}"));
        match self.answers.recv() {
            Ok(answer) => self.take_in(answer, observer),
            Err(_) => self.ended(observer),
        }
    }

    /// The best of the run's evaluations.
    pub fn into_best(mut self) -> Option<Best> {
        self.best.take()
    }

    fn take_in(&mut self, answer: Answer, observer: &mut dyn Observer) -> Option<Figures> {
        self.pending = None;
        let Answer { step, found } = answer;
        match found {
            Ok(Found { figures, notes, is_best }) => {
                if let (true, Some(frechet)) = (is_best, figures.frechet) {
                    self.best = Some(Best { step, frechet, file: self.file.clone() });
                }
                notes.iter().for_each(|note| observer.note(note));
                Some(figures)
            }
            Err(error) => {
                observer.note(&format!("step {step} cannot be evaluated: {error}"));
                None
            }
        }
    }

    /// The thread ends before the run only where it could not do its work.
    fn ended(&mut self, observer: &mut dyn Observer) -> Option<Figures> {
        self.pending = None;
        let reason = match self.thread.take()?.join() {
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(())) | Err(_) => "its thread has ended".to_owned(),
        };
        observer.note(&format!("training goes on without evaluation: {reason}"));
        None
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Nobody is left to be told how it ended.
            let _ = thread.join();
        }
    }
}

/// The best evaluation in the log, if its generator is still there. A file of another step is from steps that
/// were trained after the checkpoint that is gone on from: they come again.
fn best_so_far(file: &Path, metrics: &[Metrics]) -> Option<Best> {
    let evaluations = metrics.iter().filter_map(|m| Some((m.eval_step?, m.eval_frechet?)));
    let (step, frechet) = evaluations.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let kept = WeightFile::open(file).ok()?.meta()?.step;
    (kept == step).then(|| Best { step, frechet, file: file.to_owned() })
}

/// What the thread has.
struct Worker {
    inbox: Receiver<Job>,
    outbox: Sender<Answer>,
    /// Where the best generator goes.
    file: PathBuf,
    /// The lowest Fréchet distance so far.
    lowest: f64,
}

impl Worker {
    /// Evaluates what comes in, until nothing can come any more or `stop` is set.
    fn work(mut self, reals: Reals, model: ModelConfig, stop: Arc<AtomicBool>) -> Result<()> {
        let Some(mut judge) = Judge::new(reals, model, stop)? else { return Ok(()) };
        while let Ok(job) = self.inbox.recv() {
            let step = job.meta.step;
            let Some(found) = judge.figures(step, &job.tensors).transpose() else { return Ok(()) };
            let found = found.map(|(figures, missing)| self.keep(&job, figures, missing));
            if self.outbox.send(Answer { step, found }).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes the generator down if it is the best so far.
    fn keep(&mut self, job: &Job, figures: Figures, missing: Vec<String>) -> Found {
        let step = figures.step;
        let mut notes: Vec<String> =
            missing.iter().map(|reason| format!("step {step}: {reason}")).collect();
        let mut is_best = false;
        if let Some(frechet) = figures.frechet {
            let mut note =
                format!("step {step}: Fréchet distance {frechet:.4} of the print features");
            if frechet < self.lowest {
                match checkpoint::write(&self.file, &job.meta, &job.tensors) {
                    Ok(()) => {
                        (self.lowest, is_best) = (frechet, true);
                        note.push_str(", the lowest so far");
                    }
                    Err(e) => note.push_str(&format!(", the lowest so far, but not kept: {e}")),
                }
            }
            notes.push(note);
        }
        Found { figures, notes, is_best }
    }
}
