//! `dermaglyph generate`: prints from trained weights.

use super::device::{self, Job};
use super::output;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use dermaglyph::backend::Backend;
use dermaglyph::checkpoint::{self, WeightFile};
use dermaglyph::config::Device;
use dermaglyph::model::{ModelConfig, Network};
use dermaglyph::sample::grid::Grid;
use dermaglyph::sample::interpolate::Walk;
use dermaglyph::sample::latent::latent;
use dermaglyph::sample::seeds::Seeds;
use dermaglyph::sample::stream::{self, Prints};
use dermaglyph::sample::writer::{Format, write_gif, write_image};
use dermaglyph::{Error, Result};
use image::DynamicImage;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Milliseconds that a frame of a walk is shown.
const FRAME_MS: u32 = 60;

/// Generates prints from a run or a file of weights.
///
/// The print of a seed depends on the weights and that seed alone: not on how many are asked for, in
/// which order, or on which device.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dermaglyph generate --from runs/quick-001 --count 1000 --out prints
  dermaglyph generate --from runs/quick-001 --seeds 0-63 --grid 8x8 --out prints.png
  dermaglyph generate --from runs/quick-001 --seeds 3,14,15 --interpolate --out walk
  dermaglyph generate --from pytorch-generator.safetensors --seeds 7 --format bmp --out one")]
pub struct Args {
    /// A run directory (its latest checkpoint), a checkpoint, or the state dict of a PyTorch DCGAN
    /// generator as safetensors
    #[arg(long, value_name = "RUN|FILE")]
    from: PathBuf,

    /// Which prints: seeds and ranges such as 0-63 or 5,7,20-29
    #[arg(long, value_name = "A-B", conflicts_with = "count", required_unless_present_any = ["count", "grid"])]
    seeds: Option<Seeds>,

    /// The prints of the seeds 0 to N-1 [default with --grid: as many as fit]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    count: Option<u64>,

    /// A folder for seed-0000005.png and so on; with --grid the picture; with --interpolate a folder
    /// for walk.gif and its frames, or a .gif file
    #[arg(long, value_name = "PATH")]
    out: PathBuf,

    /// Put all prints on one picture of so many columns and rows
    #[arg(long, value_name = "CxR", conflicts_with = "interpolate")]
    grid: Option<Grid>,

    /// png or bmp [default: png, or what the name of the grid ends in]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    format: Option<Format>,

    /// Walk from seed to seed along great circles (slerp)
    #[arg(long)]
    interpolate: bool,

    /// Frames from one seed to the next
    #[arg(long, value_name = "K", default_value_t = 16, requires = "interpolate",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    frames: u32,

    /// Use the generator's own weights instead of their moving average
    #[arg(long)]
    raw_weights: bool,

    /// Replace existing files
    #[arg(long)]
    force: bool,

    /// Where to compute: auto, cpu, reference (f64, slow), cuda, cuda:N or software
    #[arg(long, value_name = "D", default_value_t = Device::Auto)]
    device: Device,

    /// CPU threads [default: one per core]; prints do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,

    /// Report as JSON on standard output
    #[arg(long)]
    json: bool,
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["png", "bmp"]).try_map(|name| name.parse::<Format>())
}

/// Checks everything that can be checked before a backend is made, then generates.
pub fn run(args: Args) -> anyhow::Result<()> {
    let plan = Plan::new(&args)?;
    device::run_on(args.device, args.threads, None, Generate { args: &args, plan })
}

/// Where the prints go.
enum Target {
    Folder(Format),
    Grid(Grid, Format),
    Walk { gif: PathBuf, frames: Option<PathBuf>, format: Format },
}

struct Plan {
    seeds: Seeds,
    target: Target,
    weights: PathBuf,
}

impl Plan {
    fn new(args: &Args) -> Result<Self> {
        let count = args.count.or(args.grid.map(Grid::cells));
        let seeds = match (&args.seeds, count) {
            (Some(seeds), _) => seeds.clone(),
            (None, count) => Seeds::first(count.unwrap_or(0))?,
        };
        let target = target(args, &seeds)?;
        Ok(Self { seeds, target, weights: checkpoint::resolve(&args.from)? })
    }
}

fn target(args: &Args, seeds: &Seeds) -> Result<Target> {
    let out = &args.out;
    if let Some(grid) = args.grid {
        if seeds.count() > u128::from(grid.cells()) {
            return Err(Error::Config(format!(
                "{} prints do not fit on a grid of {grid}; leave --grid out for single files",
                seeds.count()
            )));
        }
        return Ok(Target::Grid(grid, grid_format(out, args.format)?));
    }
    let format = args.format.unwrap_or_default();
    if !args.interpolate {
        return Ok(Target::Folder(format));
    }
    let walk = Walk { seeds, frames: args.frames, closed: false };
    // Fails where there is nothing to walk between; the latents themselves come later.
    drop(walk.latents(1)?);
    Ok(if has_extension(out, "gif") {
        Target::Walk { gif: out.clone(), frames: None, format }
    } else {
        Target::Walk { gif: out.join("walk.gif"), frames: Some(out.join("frames")), format }
    })
}

fn grid_format(out: &Path, asked: Option<Format>) -> Result<Format> {
    let named = [Format::Png, Format::Bmp].into_iter().find(|f| has_extension(out, f.extension()));
    match (named, asked) {
        (Some(named), Some(asked)) if named != asked => Err(Error::Config(format!(
            "--out {} and --format {} contradict each other",
            out.display(),
            asked.extension()
        ))),
        (Some(format), _) => Ok(format),
        (None, _) => Err(Error::Config(format!(
            "--out {}: with --grid it names the picture; let it end in .png or .bmp",
            out.display()
        ))),
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

struct Generate<'a> {
    args: &'a Args,
    plan: Plan,
}

/// What `--json` reports.
#[derive(Serialize)]
struct Report {
    weights: PathBuf,
    /// `generator_ema`, `generator`, or empty for a bare state dict.
    network: String,
    /// Finished training steps, if the file says so.
    step: Option<u64>,
    model: ModelConfig,
    device: String,
    prints: u64,
    seconds: f64,
    prints_per_second: f64,
    out: PathBuf,
}

impl Job for Generate<'_> {
    fn run<B: Backend>(self, backend: B) -> anyhow::Result<()> {
        let Self { args, plan } = self;
        let mut file = WeightFile::open(&plan.weights)?;
        let source = checkpoint::generator_source(&file, args.raw_weights)?;
        let network = checkpoint::load_generator(&backend, &mut file, &source)?;
        let started = Instant::now();
        let prints = write_prints(&backend, network, source.model.nz, args, &plan)?;
        let seconds = started.elapsed().as_secs_f64();
        let report = Report {
            step: file.meta().map(|m| m.step),
            weights: plan.weights,
            network: source.prefix.trim_end_matches('.').to_owned(),
            model: source.model,
            device: backend.describe(),
            prints,
            seconds,
            prints_per_second: prints as f64 / seconds.max(1e-9),
            out: args.out.clone(),
        };
        if args.json {
            return Ok(output::print(serde_json::to_string(&report)?)?);
        }
        let Report { prints_per_second: speed, weights, out, .. } = report;
        Ok(output::print(format_args!(
            "{prints} prints from {} in {} ({seconds:.1} s, {speed:.0} prints/s)",
            weights.display(),
            out.display()
        ))?)
    }
}

/// Generates and writes; returns the number of prints (frames for a walk).
fn write_prints<B: Backend>(
    backend: &B,
    network: Network<B>,
    nz: usize,
    args: &Args,
    plan: &Plan,
) -> Result<u64> {
    let mut generator = stream::Generator::new(backend, network)?;
    let name = |seed| format!("the print of seed {seed}");
    let one_a_seed = plan.seeds.iter().map(|seed| (name(seed), latent(seed, nz)));
    match &plan.target {
        Target::Folder(format) => {
            let prints = Prints::new(&mut generator, one_a_seed);
            write_files(plan.seeds.iter().zip(prints), args, *format)
        }
        Target::Grid(grid, format) => {
            let prints = Prints::new(&mut generator, one_a_seed);
            let images: Vec<DynamicImage> = prints.collect::<Result<_>>()?;
            create_folder(args.out.parent())?;
            write_new(&args.out, &grid.compose(&images)?, *format, args.force)?;
            Ok(images.len() as u64)
        }
        Target::Walk { gif, frames, format } => {
            let walk = Walk { seeds: &plan.seeds, frames: args.frames, closed: false };
            let latents = walk.latents(nz)?.enumerate().map(|(i, z)| (format!("frame {i}"), z));
            let prints = Prints::new(&mut generator, latents);
            write_walk(prints, gif, frames.as_deref(), *format, args.force)
        }
    }
}

fn write_files(
    prints: impl Iterator<Item = (u64, Result<DynamicImage>)>,
    args: &Args,
    format: Format,
) -> Result<u64> {
    create_folder(Some(&args.out))?;
    let mut count = 0;
    for (seed, print) in prints {
        let path = args.out.join(format!("seed-{seed:07}.{}", format.extension()));
        write_new(&path, &print?, format, args.force)?;
        count += 1;
    }
    Ok(count)
}

fn write_walk(
    prints: impl Iterator<Item = Result<DynamicImage>>,
    gif: &Path,
    frames: Option<&Path>,
    format: Format,
    force: bool,
) -> Result<u64> {
    create_folder(frames.or(gif.parent()))?;
    refuse_existing(gif, force)?;
    let mut count = 0;
    let written = prints.map(|frame| {
        let frame = frame?;
        if let Some(folder) = frames {
            let path = folder.join(format!("frame-{count:07}.{}", format.extension()));
            write_new(&path, &frame, format, force)?;
        }
        count += 1;
        Ok(frame)
    });
    write_gif(gif, written, FRAME_MS)?;
    Ok(count)
}

fn create_folder(path: Option<&Path>) -> Result<()> {
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(path).map_err(|e| Error::io("create the folder", path, e))
}

fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    if force || !path.exists() {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{} exists already; give another --out, or --force to replace it",
        path.display()
    )))
}

fn write_new(path: &Path, image: &DynamicImage, format: Format, force: bool) -> Result<()> {
    refuse_existing(path, force)?;
    write_image(path, image, format)
}
