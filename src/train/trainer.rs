//! The loop around the training step: batches, cadence, checkpoints, stopping.
//!
//! Everything random is a function of (seed, step), so a run that stops and goes on computes the same
//! numbers as one that never stopped. On any failure but divergence the present state is saved before
//! the error is returned.

use super::log::{Metrics, RunLog, read_metrics};
pub use super::observer::{Observer, Outcome, Progress};
use super::pictures::{fixed_latents, reals};
use super::plot;
use super::run_dir::RunDir;
use super::session::Log;
use super::step::{Gan, Hyper, Losses, Weights};
use super::watch::{Best, Watch};
use crate::backend::Backend;
use crate::checkpoint::{Meta, Store, WeightFile};
use crate::config::{Every, RawConfig, RunConfig};
use crate::data::{BatchOrder, Dataset};
use crate::error::{Error, Result};
use crate::sample::Sampler;
use crate::sample::image::to_image;
use crate::sample::stream::batch_for;
use crate::sample::writer::{Format, write_image};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A run in training.
pub struct Trainer<'a, B: Backend> {
    config: &'a RunConfig,
    run: &'a RunDir,
    dataset: &'a Dataset,
    gan: Gan<B>,
    set: B::Bytes,
    order: BatchOrder,
    sampler: Sampler<B>,
    store: Store,
    progress: Progress,
    /// The step and file of the newest checkpoint.
    saved: Option<(u64, PathBuf)>,
    /// The evaluation in the background, if it is asked for and works.
    watch: Option<Watch>,
}

impl<'a, B: Backend> Trainer<'a, B> {
    /// Builds networks and buffers, and goes on from the latest checkpoint if the run has one.
    ///
    /// # Errors
    /// [`Error::Config`] for impossible sizes, a set smaller than a batch, or a run that has reached
    /// its length; [`Error::Checkpoint`] if the checkpoint is damaged or of another run;
    /// [`Error::Data`] if the images are not those the run was started with.
    pub fn new(
        backend: B,
        config: &'a RunConfig,
        run: &'a RunDir,
        dataset: &'a Dataset,
    ) -> Result<Self> {
        let order = BatchOrder::new(config.seed, &dataset.train, config.batch_size as usize)?;
        let steps_per_epoch = order.steps_per_epoch();
        let total = checked_total(config, steps_per_epoch)?;
        let set = backend.upload_bytes(&dataset.pixels)?;
        let check_every_pass = !backend.is_asynchronous();
        let gan = Gan::new(backend, Hyper { check_every_pass, ..config.hyper() })?;
        let image = gan.generator.blocks().last().map(|block| block.output());
        let batch = image.map_or(1, batch_for);
        let sampler = Sampler::new(&gan.backend, &gan.ema, batch)?;
        let store = Store::new(run.path(), config.keep);
        let progress = Progress { step: 0, total, steps_per_epoch, resumed_at: 0 };
        let (saved, watch) = (None, None);
        let mut trainer =
            Self { config, run, dataset, gan, set, order, sampler, store, progress, saved, watch };
        if let Some(path) = trainer.store.latest()? {
            trainer.restore(path)?;
        }
        Ok(trainer)
    }

    /// The backend in words.
    pub fn describe_backend(&self) -> String {
        self.gan.backend.describe()
    }

    /// Finished steps.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    fn restore(&mut self, path: PathBuf) -> Result<()> {
        let mut file = WeightFile::open(&path)?;
        let Some(meta) = file.meta().cloned() else {
            return Err(Error::checkpoint(
                &path,
                "has weights only; training cannot go on from it",
            ));
        };
        if meta.data != self.dataset.fingerprint {
            let source = self.config.data.clone().unwrap_or_else(|| "procedural prints".into());
            return Err(Error::data(
                source,
                "these are not the images the run was started with (their number, names, order or \
                 pixels differ); give the same --data, or start a new run",
            ));
        }
        self.check_config(&path, &meta.config)?;
        if meta.step >= self.progress.total {
            return Err(Error::Config(format!(
                "the run has finished its {} steps ({} were asked for); to go on, raise --steps or \
                 --epochs, which are totals",
                meta.step, self.progress.total
            )));
        }
        self.gan.restore(meta.step, &mut |name, shape| file.tensor(name, shape))?;
        self.progress.step = meta.step;
        self.progress.resumed_at = meta.step;
        self.saved = Some((meta.step, path));
        Ok(())
    }

    /// The checkpoint carries the configuration it was trained with, so an edited `config.toml` does
    /// not pass for it.
    fn check_config(&self, path: &Path, trained: &str) -> Result<()> {
        let trained = RawConfig::from_toml(trained)
            .map_err(Error::Config)
            .and_then(RunConfig::new)
            .map_err(|e| Error::checkpoint(path, format!("its configuration is invalid: {e}")))?;
        let changes = trained.changes_that_resuming_forbids(self.config);
        if changes.is_empty() {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{}/config.toml is not what {} was trained with; these settings differ:\n  {}",
            self.run.path().display(),
            path.display(),
            changes.join("\n  ")
        )))
    }

    /// Trains to the end of the run or until the observer wants to stop, then saves.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the step and the layer; [`Error::Io`] if something cannot be written,
    /// after an attempt to save the present state. The last checkpoint is intact in either case.
    pub fn train(mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let mut log = self.start()?;
        observer.started(&self.progress);
        self.start_watch(&log, observer);
        loop {
            let step = self.progress.step;
            let ended = step >= self.progress.total || observer.wants_to_stop();
            if ended {
                break;
            }
            self.gan.load_reals(&self.set, self.order.indices(step))?;
            self.gan.step()?;
            self.progress.step += 1;
            if let Err(error) = self.after_step(&mut log, observer) {
                return Err(self.rescue(error, observer));
            }
        }
        let checkpoint = self.save()?;
        self.finish(&mut log)?;
        let best = self.finish_watch(&mut log, observer)?;
        let metrics = log.metrics.last().copied();
        Ok(Outcome { progress: self.progress, metrics, checkpoint, best })
    }

    /// Writes what stands at the beginning of a run, or opens the logs of one that goes on.
    fn start(&mut self) -> Result<Log> {
        let step = self.progress.step;
        if step == 0 && self.saved.is_none() {
            let reals = reals(self.dataset, self.config.grid)?;
            write_image(self.run.path().join("reals.png"), &reals, Format::Png)?;
            self.save()?;
        }
        // A run that was killed before its first checkpoint has begun its logs already.
        let files = RunLog::resume(self.run.path(), step)?;
        let metrics = read_metrics(self.run.path())?;
        let before = metrics.last().map_or(0.0, |m| m.seconds);
        let mut log = Log::new(files, metrics, before, step);
        if step == 0 {
            self.sample(&mut log)?;
        }
        Ok(log)
    }

    /// An evaluation that cannot begin is no reason not to train.
    fn start_watch(&mut self, log: &Log, observer: &mut dyn Observer) {
        if self.config.evaluate_every == Every::Never {
            return;
        }
        match Watch::start(self.config, self.dataset, &self.store, &log.metrics) {
            Ok((watch, beside)) => {
                observer.note(&format!("evaluating every {} {beside}", self.config.evaluate_every));
                self.watch = Some(watch);
            }
            Err(e) => observer.note(&format!("training goes on without evaluation: {e}")),
        }
    }

    /// Takes in what the evaluation found meanwhile, and gives it the present weights if they are due
    /// and it has time.
    fn watch(&mut self, log: &mut Log, observer: &mut dyn Observer) -> Result<()> {
        let Progress { step, steps_per_epoch, .. } = self.progress;
        let Some(watch) = &mut self.watch else { return Ok(()) };
        log.found.extend(watch.poll(observer));
        if self.config.evaluate_every.due(step, steps_per_epoch) && watch.is_free(step, observer) {
            self.offer()?;
        }
        Ok(())
    }

    fn offer(&mut self) -> Result<()> {
        let (meta, tensors) = (self.meta()?, self.gan.average_state()?);
        if let Some(watch) = &mut self.watch {
            watch.offer(meta, tensors);
        }
        Ok(())
    }

    /// Waits for the evaluation under way and, where the run has reached its length, for that of its
    /// last step. What no line has held yet is written as the last step's line once more.
    fn finish_watch(&mut self, log: &mut Log, observer: &mut dyn Observer) -> Result<Option<Best>> {
        let Some(watch) = &mut self.watch else { return Ok(None) };
        let pause = Instant::now();
        log.found.extend(watch.wait(observer));
        let Progress { step, total, .. } = self.progress;
        if step == total && watch.newest() != Some(step) {
            self.offer()?;
            log.found.extend(self.watch.as_mut().and_then(|watch| watch.wait(observer)));
        }
        log.paused += pause.elapsed().as_secs_f64();
        while !log.found.is_empty() {
            let line = match log.metrics.last() {
                Some(last) if last.step == step => *last,
                _ => self.metrics(log)?,
            };
            observer.logged(&log.append(line)?);
        }
        Ok(self.watch.take().and_then(Watch::into_best))
    }

    /// Metrics, samples and checkpoints that are due: the checkpoint last, so that a process killed
    /// in between makes the others again instead of missing them.
    fn after_step(&mut self, log: &mut Log, observer: &mut dyn Observer) -> Result<()> {
        let Progress { step, total, steps_per_epoch, .. } = self.progress;
        self.watch(log, observer)?;
        if step.is_multiple_of(u64::from(self.config.log_every)) || step == total {
            let metrics = self.metrics(log)?;
            observer.logged(&log.append(metrics)?);
        }
        observer.stepped(&self.progress);
        let pause = Instant::now();
        if self.config.sample_every.due(step, steps_per_epoch) {
            self.sample(log)?;
            self.plot(log)?;
        }
        if self.config.checkpoint_every.due(step, steps_per_epoch) {
            self.save()?;
        }
        log.paused += pause.elapsed().as_secs_f64();
        Ok(())
    }

    /// The pictures of the last step.
    fn finish(&mut self, log: &mut Log) -> Result<()> {
        let Progress { step, steps_per_epoch, .. } = self.progress;
        if !self.config.sample_every.due(step, steps_per_epoch) {
            self.sample(log)?;
        }
        self.plot(log)
    }

    /// Saves the present state if it is not on disk yet, so that a failed log or picture costs
    /// nothing. Returns the error to report.
    fn rescue(&mut self, error: Error, observer: &mut dyn Observer) -> Error {
        if matches!(error, Error::Diverged { .. } | Error::NonFinite { .. }) {
            return error;
        }
        match self.save() {
            Ok(path) => {
                observer
                    .note(&format!("saved the present state before stopping: {}", path.display()));
            }
            Err(_) => {
                observer.note("the present state cannot be saved; the last checkpoint is intact")
            }
        }
        error
    }

    /// Writes a checkpoint of the present state unless it is there already.
    fn save(&mut self) -> Result<PathBuf> {
        let step = self.progress.step;
        if let Some((saved, path)) = &self.saved
            && *saved == step
        {
            return Ok(path.clone());
        }
        self.gan.check_state()?;
        let path = self.store.save(&self.meta()?, &self.gan.state()?)?;
        self.saved = Some((step, path.clone()));
        Ok(path)
    }

    fn meta(&self) -> Result<Meta> {
        let (config, data) = (self.config.to_toml()?, self.dataset.fingerprint.clone());
        Ok(Meta::new(self.progress.step, config, data))
    }

    fn metrics(&self, log: &mut Log) -> Result<Metrics> {
        let Losses { d_real, d_fake, g, d_x, d_g_z1, d_g_z2 } = self.gan.finite_losses()?;
        let Progress { step, steps_per_epoch, .. } = self.progress;
        let batch = u64::from(self.config.batch_size);
        let seconds = log.seconds();
        let (steps, elapsed) = (step - log.last_step, seconds - log.last_seconds - log.paused);
        (log.last_step, log.last_seconds, log.paused) = (step, seconds, 0.0);
        Ok(Metrics {
            step,
            epoch: step as f64 / steps_per_epoch as f64,
            images_seen: step * batch,
            seconds,
            images_per_second: (steps * batch) as f64 / elapsed.max(1e-9),
            loss_d: d_real + d_fake,
            loss_d_real: d_real,
            loss_d_fake: d_fake,
            loss_g: g,
            d_x,
            d_g_z1,
            d_g_z2,
            ..Metrics::default()
        })
    }

    /// Draws the fixed latents with the averaged weights.
    fn sample(&mut self, log: &mut Log) -> Result<()> {
        let step = self.progress.step;
        let RunConfig { grid, nz, seed, .. } = *self.config;
        let latents = fixed_latents(seed, grid.cells() as usize, nz as usize);
        let pixels = self.gan.sample(&mut self.sampler, Weights::Average, &latents)?;
        let shape = self.sampler.output_shape();
        let dims = [shape.c as usize, shape.h as usize, shape.w as usize];
        let images = pixels
            .chunks_exact(shape.image_len())
            .enumerate()
            .map(|(i, values)| to_image(values, dims, format_args!("sample {i} at step {step}")))
            .collect::<Result<Vec<_>>>()?;
        let picture = grid.compose(&images)?;
        let folder = self.run.path().join("samples");
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, e))?;
        let path = folder.join(format!("step-{step:07}.png"));
        write_image(path, &picture, Format::Png)?;
        log.files.image(step, "samples", &picture)
    }

    fn plot(&self, log: &Log) -> Result<()> {
        plot::write_losses(self.run.path().join("losses.png"), &log.metrics)
    }
}

/// The total number of steps, which the device counts exactly.
fn checked_total(config: &RunConfig, steps_per_epoch: u64) -> Result<u64> {
    const MOST: u64 = 1 << 24;
    let total = config.total_steps(steps_per_epoch);
    if total > MOST {
        return Err(Error::Config(format!(
            "the run would take {total} steps ({steps_per_epoch} an epoch); at most {MOST} are \
             counted exactly, so lower --epochs"
        )));
    }
    Ok(total)
}
