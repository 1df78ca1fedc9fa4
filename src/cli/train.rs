//! `dermaglyph train`: a new run, or more of an old one.

use super::device::{self, Job};
use super::output;
use super::progress::Display;
use anyhow::Context;
use dermaglyph::Result;
use dermaglyph::backend::Backend;
use dermaglyph::config::{RawConfig, RunConfig};
use dermaglyph::data::{self, BatchOrder, Dataset};
use dermaglyph::train::Gan;
use dermaglyph::train::run_dir::RunDir;
use dermaglyph::train::summary::Summary;
use dermaglyph::train::trainer::{Outcome, Trainer};
use dermaglyph::train::watch::Best;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Trains a DCGAN on fingerprints.
///
/// Settings come in layers, the later hiding the earlier: --preset, --config, flags. The result is
/// written to RUN/config.toml, which --config reads. Ctrl-C finishes the step, saves and exits; a
/// second one exits at once.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dermaglyph train                                        the quick preset, no data needed
  dermaglyph train --preset tiny --steps 5 --device reference
  dermaglyph train --preset seed --data SOCOFing.zip --out runs/socofing
  dermaglyph train --preset 96 --data prints/ --altered easy,medium --lr 1e-4
  dermaglyph train --preset 128 --evaluate-every 5        judge it meanwhile, keep the best
  dermaglyph train --resume runs/socofing --epochs 300    go on; lengths are totals
  dermaglyph train --config runs/socofing/config.toml     the same run again
  dermaglyph train --preset 128 --dry-run                 what would be built

A run directory holds config.toml, metrics.jsonl, metrics.csv, losses.png, reals.png, samples/,
checkpoints/ and TensorBoard events. Exit codes are listed by `dermaglyph --help`.")]
pub struct Args {
    /// The run directory, new or empty [default: runs/PRESET-NNN]
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,

    /// Read settings from a TOML file: the flags' names with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Go on with a run from its latest checkpoint, bit for bit as if it had not stopped
    #[arg(long, value_name = "RUN", conflicts_with = "out")]
    resume: Option<PathBuf>,

    /// Check everything and say what would be built; write nothing
    #[arg(long)]
    dry_run: bool,

    /// Report as JSON on standard output
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: RawConfig,
}

/// Checks what can be checked early, loads the images, then trains.
pub fn run(args: Args) -> anyhow::Result<()> {
    let flags = match &args.config {
        Some(path) => RawConfig::read(path)?.overlaid_by(args.settings.clone()),
        None => args.settings.clone(),
    };
    let (config, resumed) = match &args.resume {
        Some(path) => {
            let run = RunDir::open(path)?;
            (run.resumed_config(flags)?, Some(run))
        }
        None => {
            args.out.as_deref().map_or(Ok(()), RunDir::check_new)?;
            (RunConfig::new(flags)?, None)
        }
    };
    device::check(config.device)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut display = Display::new(Arc::clone(&stop));
    let (chosen, threads, conv) = (config.device, config.threads, config.conv);
    if args.dry_run {
        let data = describe_data(&config, &mut display)?;
        return device::run_on(chosen, threads, conv, DryRun { config, data, json: args.json });
    }
    if config.data.is_none() {
        output::note(format_args!(
            "no --data: training on {} prints made from a formula",
            config.synth_count
        ));
    }
    let dataset = data::load(&config.data_config(), &mut display);
    display.clear();
    let dataset = dataset?;
    output::note(dataset.describe());
    // A set smaller than a batch must not leave a run directory behind.
    BatchOrder::new(config.seed, &dataset.train, config.batch_size as usize)?;
    install_signal_handler(stop)?;
    let job = Train { args: &args, config, resumed, dataset, display };
    device::run_on(chosen, threads, conv, job)
}

/// The first Ctrl-C or SIGTERM asks the loop to stop, the second stops the process.
fn install_signal_handler(stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        output::note("stopping after this step; once more to stop at once without saving");
    })
    .context("cannot install the handler for Ctrl-C")
}

struct Train<'a> {
    args: &'a Args,
    config: RunConfig,
    resumed: Option<RunDir>,
    dataset: Dataset,
    display: Display,
}

/// What `--json` reports at the end.
#[derive(Serialize)]
struct Report {
    run: PathBuf,
    checkpoint: PathBuf,
    finished: bool,
    step: u64,
    total_steps: u64,
    device: String,
    /// Of this session, loading excluded.
    seconds: f64,
    images_per_second: f64,
    metrics: Option<dermaglyph::train::log::Metrics>,
    /// Of all evaluations of the run.
    best: Option<Best>,
}

impl Job for Train<'_> {
    fn run<B: Backend>(self, backend: B) -> anyhow::Result<()> {
        let Self { args, config, resumed, dataset, mut display } = self;
        let is_new = resumed.is_none();
        let run = match resumed {
            Some(run) => run,
            None => RunDir::create(args.out.as_deref(), config.preset)?,
        };
        let started = Instant::now();
        let trainer = Trainer::new(backend, &config, &run, &dataset)?;
        run.write_config(&config)?;
        let device = trainer.describe_backend();
        output::note(format_args!(
            "{} {} on {device}, step {} of {}",
            if is_new { "training" } else { "going on with" },
            run.path().display(),
            trainer.progress().step,
            trainer.progress().total
        ));
        let outcome = trainer.train(&mut display);
        display.clear();
        let outcome = outcome?;
        let seconds = started.elapsed().as_secs_f64();
        let progress = outcome.progress;
        let images = (progress.step - progress.resumed_at) * u64::from(config.batch_size);
        let report = Report {
            run: run.path().to_owned(),
            finished: outcome.is_finished(),
            step: progress.step,
            total_steps: progress.total,
            device,
            seconds,
            images_per_second: images as f64 / seconds.max(1e-9),
            metrics: outcome.metrics,
            best: outcome.best.clone(),
            checkpoint: outcome.checkpoint.clone(),
        };
        report_end(&report, &outcome, args.json)
    }
}

fn report_end(report: &Report, outcome: &Outcome, json: bool) -> anyhow::Result<()> {
    let run = report.run.display();
    if !outcome.is_finished() {
        output::note(format_args!(
            "stopped at step {} of {}; everything is saved; go on with: \
             dermaglyph train --resume {run}",
            report.step, report.total_steps
        ));
    }
    if json {
        return Ok(output::print(serde_json::to_string(report)?)?);
    }
    if outcome.is_finished() {
        output::print(format_args!(
            "{run}: {} steps, {:.0} s, {:.1} images/s; look at samples/ and losses.png, then: \
             dermaglyph generate --from {run} --seeds 0-63 --grid 8x8 --out prints.png",
            report.step, report.seconds, report.images_per_second
        ))?;
    }
    if let Some(Best { step, frechet, file }) = &report.best {
        output::print(format_args!(
            "best evaluation: step {step}, Fréchet distance {frechet:.4} of the print features; its \
             averaged generator is {}",
            file.display()
        ))?;
    }
    Ok(())
}

/// The images in one line. Images that are there are read, without touching the cache; procedural
/// ones are only counted.
fn describe_data(config: &RunConfig, display: &mut Display) -> Result<String> {
    if config.data.is_none() {
        return Ok(format!("{} prints made from a formula", config.synth_count));
    }
    let config = RunConfig { no_cache: true, ..config.clone() };
    let dataset = data::load(&config.data_config(), display);
    display.clear();
    let dataset = dataset?;
    BatchOrder::new(config.seed, &dataset.train, config.batch_size as usize)?;
    Ok(dataset.describe())
}

struct DryRun {
    config: RunConfig,
    data: String,
    json: bool,
}

/// What `--dry-run --json` reports.
#[derive(Serialize)]
struct DryReport<'a> {
    config: &'a RunConfig,
    data: &'a str,
    device: String,
    #[serde(flatten)]
    summary: Summary,
}

impl Job for DryRun {
    fn run<B: Backend>(self, backend: B) -> anyhow::Result<()> {
        let Self { config, data, json } = self;
        let summary = Summary::new(&config)?;
        let device = backend.describe();
        // Built, so that a lack of memory shows now.
        Gan::new(backend, config.hyper())?;
        let report = DryReport { config: &config, data: &data, device, summary };
        let text = if json {
            serde_json::to_string(&report)?
        } else {
            let DryReport { device, summary, .. } = &report;
            let toml = config.to_toml()?;
            format!(
                "{toml}\n{summary}\ndata: {data}\ndevice: {device}\ndry run: nothing was written"
            )
        };
        Ok(output::print(text)?)
    }
}
