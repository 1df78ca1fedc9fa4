//! `dermaglyph profile`: what a training step is made of.
//!
//! On a card: the time of every kernel, by events around its launches. On the software device: what every
//! kernel did, counted. On `cpu` and `reference`: the time of the whole step; on `cpu` the algorithm of every
//! layer too (its passes' times are `dermaglyph bench ops`).

use super::{device, output};
use dermaglyph::backend::{Backend, Cpu, Cuda, Reference, cuda};
use dermaglyph::bench::step::on_noise;
use dermaglyph::config::{Device, RawConfig, RunConfig};
use dermaglyph::train::{Gan, Hyper};
use dermaglyph::{Error, Result};
use serde::Serialize;
use softgpu::client::Scope;
use std::fmt;
use std::time::{Duration, Instant};

/// Takes a training step apart: times on a card, counts on the software device.
///
/// The images are random numbers; a step costs the same whatever they show. Counts are exact and are no
/// times; times of the software device are an interpreter's and are not shown.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dermaglyph profile --device cuda --preset seed          milliseconds per kernel
  dermaglyph profile --device software --preset tiny      instructions, traffic, bank conflicts per kernel
  dermaglyph profile --device cpu --preset seed           the whole step, and every layer's algorithm")]
pub struct Args {
    /// Steps that are measured, after one that is not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,

    /// Use the plain kernels, rung 1
    #[arg(long)]
    plain: bool,

    /// Report as JSON on standard output
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: RawConfig,
}

/// One step, by kernel.
#[derive(Serialize)]
struct Report {
    device: String,
    batch_size: u32,
    /// Seconds of a step, kernels not looked at; `null` on the software device.
    step_seconds: Option<f64>,
    images_per_second: Option<f64>,
    kernels: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    convolutions: Vec<Layer>,
}

/// A convolution, and the algorithm of its three passes.
#[derive(Serialize)]
struct Layer {
    layer: String,
    geometry: String,
    algorithm: String,
}

/// What all launches of a kernel in one step took or did.
#[derive(Default, Serialize)]
struct Row {
    kernel: String,
    launches: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
}

#[derive(Default, Serialize)]
struct Counts {
    blocks: u64,
    warp_instructions: u64,
    fmas: u64,
    global_bytes: u64,
    global_sectors: u64,
    shared_wavefronts: u64,
    bank_conflicts: u64,
    divergent_branches: u64,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let config = RunConfig::new(args.settings.clone())?;
    device::check(config.device)?;
    let (chosen, why) = device::resolve(config.device);
    if let Some(why) = why {
        output::note(format_args!("--device auto: {chosen} ({why})"));
    }
    let threads = config.threads.map(|n| n as usize);
    let report = match chosen {
        Device::Cuda(index) => on_card(rung(&args, Cuda::open(index)?), &config, args.repeat)?,
        Device::Software => on_software(rung(&args, Cuda::software()?), &config)?,
        Device::Reference => whole(Reference, &config, args.repeat)?,
        Device::Cpu | Device::Auto => on_cpu(
            Cpu::new(threads)?.with_convolutions(config.conv.unwrap_or_default()),
            &config,
            args.repeat,
        )?,
    };
    if args.json {
        return Ok(output::print(serde_json::to_string(&report)?)?);
    }
    Ok(output::print(report)?)
}

fn rung(args: &Args, cuda: Cuda) -> Cuda {
    cuda.with_rung(if args.plain { cuda::Rung::Plain } else { cuda::Rung::Tiled })
}

/// A network on random images that has made one step: kernels are loaded, working memory is there.
fn warm<B: Backend>(backend: B, config: &RunConfig) -> Result<Gan<B>> {
    let check_every_pass = !backend.is_asynchronous();
    let mut gan = on_noise(backend, Hyper { check_every_pass, ..config.hyper() })?;
    gan.step()?;
    gan.backend.synchronize()?;
    Ok(gan)
}

/// Seconds of a step, the median over `steps` of them.
fn step_seconds<B: Backend>(gan: &mut Gan<B>, steps: u32) -> Result<f64> {
    let mut times = (0..steps)
        .map(|_| {
            let started = Instant::now();
            gan.step()?;
            gan.backend.synchronize()?;
            Ok(started.elapsed())
        })
        .collect::<Result<Vec<Duration>>>()?;
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64())
}

fn whole<B: Backend>(backend: B, config: &RunConfig, steps: u32) -> Result<Report> {
    let mut gan = warm(backend, config)?;
    let seconds = step_seconds(&mut gan, steps)?;
    Ok(Report::new(gan.backend.describe(), config, Some(seconds), Vec::new()))
}

fn on_cpu(cpu: Cpu, config: &RunConfig, steps: u32) -> Result<Report> {
    let mut gan = warm(cpu, config)?;
    let seconds = step_seconds(&mut gan, steps)?;
    let mut report = Report::new(gan.backend.describe(), config, Some(seconds), Vec::new());
    for (name, network) in [("generator", &gan.generator), ("discriminator", &gan.discriminator)] {
        for (index, block) in network.blocks().iter().enumerate() {
            report.convolutions.push(Layer {
                layer: format!("{name} main.{}", network.conv_index(index)),
                geometry: block.geometry.to_string(),
                algorithm: gan.backend.algorithm(block.geometry).to_string(),
            });
        }
    }
    Ok(report)
}

fn on_card(cuda: Cuda, config: &RunConfig, steps: u32) -> Result<Report> {
    let mut gan = warm(cuda, config)?;
    let seconds = step_seconds(&mut gan, steps)?;
    gan.backend.start_timing();
    for _ in 0..steps {
        gan.step()?;
    }
    let mut rows: Vec<Row> = Vec::new();
    for (kernel, milliseconds) in gan.backend.stop_timing()? {
        let row = row_of(&mut rows, kernel.name());
        row.launches += 1;
        *row.milliseconds.get_or_insert(0.0) += f64::from(milliseconds);
    }
    for row in &mut rows {
        row.launches /= u64::from(steps);
        row.milliseconds = row.milliseconds.map(|ms| ms / f64::from(steps));
    }
    rows.sort_by(|a, b| {
        b.milliseconds.partial_cmp(&a.milliseconds).unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(Report::new(gan.backend.describe(), config, Some(seconds), rows))
}

fn on_software(cuda: Cuda, config: &RunConfig) -> Result<Report> {
    let mut gan = warm(cuda, config)?;
    let failed = |reason: String| Error::Device { device: "software".into(), reason };
    let device = gan.backend.software_device().copied();
    let device = device.ok_or_else(|| failed("it is not loaded".into()))?;
    let unanswered = |error| failed(format!("the counters cannot be read: {error}"));
    let collection = device.collect(Scope::Process).map_err(unanswered)?;
    gan.step()?;
    gan.backend.synchronize()?;
    let launches = collection.reports().map_err(unanswered)?;
    let mut rows: Vec<Row> = Vec::new();
    for launch in &launches {
        let row = row_of(&mut rows, &launch.kernel);
        row.launches += 1;
        row.counts.get_or_insert_default().add(&launch.counters);
    }
    rows.sort_by_key(|row| {
        std::cmp::Reverse(row.counts.as_ref().map_or(0, |c| c.warp_instructions))
    });
    Ok(Report::new(gan.backend.describe(), config, None, rows))
}

fn row_of<'a>(rows: &'a mut Vec<Row>, kernel: &str) -> &'a mut Row {
    let at = rows.iter().position(|row| row.kernel == kernel).unwrap_or_else(|| {
        rows.push(Row { kernel: kernel.to_owned(), ..Row::default() });
        rows.len() - 1
    });
    &mut rows[at]
}

impl Counts {
    fn add(&mut self, c: &softgpu::counters::Counters) {
        self.blocks += c.blocks;
        self.warp_instructions += c.warp_instructions.values().sum::<u64>();
        self.fmas += c.fmas;
        for traffic in [c.global_loads, c.global_stores, c.global_atomics] {
            self.global_bytes += traffic.bytes;
            self.global_sectors += traffic.sectors;
        }
        for traffic in [c.shared_loads, c.shared_stores] {
            self.shared_wavefronts += traffic.wavefronts;
            self.bank_conflicts += traffic.conflicts;
        }
        self.divergent_branches += c.divergent_branches;
    }
}

impl Report {
    fn new(device: String, config: &RunConfig, seconds: Option<f64>, kernels: Vec<Row>) -> Self {
        let images_per_second = seconds.map(|s| f64::from(config.batch_size) / s);
        let batch_size = config.batch_size;
        Self {
            device,
            batch_size,
            step_seconds: seconds,
            images_per_second,
            kernels,
            convolutions: Vec::new(),
        }
    }

    fn write_times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: f64 = self.kernels.iter().filter_map(|row| row.milliseconds).sum();
        write!(f, "\n{:<32}{:>9}{:>12}{:>8}", "kernel, one step", "launches", "ms", "share")?;
        for row in &self.kernels {
            let ms = row.milliseconds.unwrap_or(0.0);
            let share = 100.0 * ms / total.max(f64::MIN_POSITIVE);
            write!(f, "\n{:<32}{:>9}{ms:>12.4}{share:>7.1}%", row.kernel, row.launches)?;
        }
        write!(f, "\n{:<32}{:>9}{total:>12.4}", "all kernels", self.launches())
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\n{:<32}{:>9}{:>9}{:>14}{:>12}{:>10}{:>8}{:>11}{:>10}",
            "kernel, one step",
            "launches",
            "blocks",
            "warp instr.",
            "MFMA",
            "MB moved",
            "asked",
            "wavefronts",
            "conflicts"
        )?;
        for row in &self.kernels {
            let Some(c) = &row.counts else { continue };
            let moved = 32.0 * c.global_sectors as f64;
            write!(
                f,
                "\n{:<32}{:>9}{:>9}{:>14}{:>12.2}{:>10.2}{:>7.0}%{:>11}{:>10}",
                row.kernel,
                row.launches,
                c.blocks,
                c.warp_instructions,
                c.fmas as f64 / 1e6,
                moved / 1e6,
                100.0 * c.global_bytes as f64 / moved.max(1.0),
                c.shared_wavefronts,
                c.bank_conflicts
            )?;
        }
        write!(f, "\n{:<32}{:>9}", "all kernels", self.launches())?;
        f.write_str(
            "\n\nCounts, exact for this step; they are no times. MB moved: 32-byte sectors that requests touch, \
             whatever a cache\nwould save; asked: the share of them that threads asked for.",
        )
    }

    fn launches(&self) -> u64 {
        self.kernels.iter().map(|row| row.launches).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, batch {}", self.device, self.batch_size)?;
        if let (Some(seconds), Some(rate)) = (self.step_seconds, self.images_per_second) {
            write!(f, ": {:.3} ms a step, {rate:.1} images/s", 1e3 * seconds)?;
        }
        for Layer { layer, geometry, algorithm } in &self.convolutions {
            write!(f, "\n{layer:<24}{algorithm:<10}{geometry}")?;
        }
        match self.kernels.first() {
            None => Ok(()),
            Some(Row { milliseconds: Some(_), .. }) => self.write_times(f),
            Some(_) => self.write_counts(f),
        }
    }
}
