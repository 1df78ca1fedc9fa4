//! `dermaglyph bench`: how fast the `cpu` backend is.

use super::output;
use clap::Subcommand;
use dermaglyph::Error;
use dermaglyph::backend::cpu::Convolutions;
use dermaglyph::bench::{self, Report, Setup, generate::Batch};
use dermaglyph::config::{Preset, RawConfig, RunConfig};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufRead};
use std::time::Instant;

/// Measures the cpu backend: results are checked, then timed, beside the machine's peak.
///
/// Rates count the multiplications of the definition, so one by an algorithm that saves some can exceed
/// the peak. Other programs on the machine falsify the times.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dermaglyph bench step                              the published network, batch 128
  dermaglyph bench step --batch-size 16 --threads 1  one thread
  dermaglyph bench ops --conv direct                 every layer and pass, by the direct algorithm
  dermaglyph bench generate --preset 128 --json      images a second
  DERMAGLYPH_CPU_ISA=avx2 dermaglyph bench step      another instruction set")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A whole training step
    Step(Served),
    /// Every convolution pass by pass; batch norm, activations, Adam, input
    Ops(Options),
    /// The generator in evaluation mode, 64 images at a time
    Generate(Served),
}

#[derive(clap::Args)]
struct Served {
    #[command(flatten)]
    options: Options,

    /// Obey standard input: `step` answers `T SECONDS`, `quit` ends
    #[arg(long, hide = true, conflicts_with = "json")]
    serve: bool,
}

#[derive(clap::Args)]
struct Options {
    /// Sizes that no other flag sets
    #[arg(long, value_name = "NAME", default_value = "seed")]
    preset: Preset,

    /// Images per step or batch
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    batch_size: Option<u32>,

    /// 1 for grey, 3 for RGB
    #[arg(long, value_name = "1|3", allow_negative_numbers = true)]
    channels: Option<u32>,

    /// Side of the square images in pixels
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true)]
    image_size: Option<u32>,

    /// Length of the latent vector
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    nz: Option<u32>,

    /// Width of the generator
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    ngf: Option<u32>,

    /// Width of the discriminator
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    ndf: Option<u32>,

    /// CPU threads [default: one per core]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    threads: Option<u32>,

    /// Timed runs, after one that is checked
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,

    /// How convolutions are computed
    #[arg(long, value_name = "HOW", default_value = "auto")]
    conv: Convolutions,

    /// Report as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// Images of a batch of `bench generate` where no flag says it.
const GENERATE_BATCH: u32 = 64;

/// `started` is when the process was.
pub fn run(args: Args, started: Instant) -> anyhow::Result<()> {
    match args.what {
        What::Step(Served { options, serve }) => {
            let setup = options.setup()?;
            if serve {
                let mut gan = bench::step::on_noise(setup.backend()?, setup.hyper)?;
                return answer(started, || gan.step());
            }
            print(&options, bench::step::run(&setup, command())?)
        }
        What::Ops(options) => print(&options, bench::layers::run(&options.setup()?, command())?),
        What::Generate(Served { mut options, serve }) => {
            options.batch_size.get_or_insert(GENERATE_BATCH);
            let setup = options.setup()?;
            if serve {
                let mut batch = Batch::new(&setup)?;
                return answer(started, || batch.images().map(drop));
            }
            print(&options, bench::generate::run(&setup, command())?)
        }
    }
}

impl Options {
    /// The limits are those of `train`.
    fn setup(&self) -> Result<Setup, Error> {
        let config = RunConfig::new(RawConfig {
            preset: Some(self.preset),
            batch_size: self.batch_size,
            channels: self.channels,
            image_size: self.image_size,
            nz: self.nz,
            ngf: self.ngf,
            ndf: self.ndf,
            threads: self.threads,
            ..RawConfig::default()
        })?;
        Ok(Setup {
            hyper: config.hyper(),
            threads: config.threads.map(|n| n as usize),
            convolutions: self.conv,
            runs: self.steps,
        })
    }
}

fn print<T: Serialize + Display>(options: &Options, report: Report<T>) -> anyhow::Result<()> {
    if options.json {
        return Ok(output::print(serde_json::to_string(&report)?)?);
    }
    Ok(output::print(report)?)
}

/// The command line as typed, whatever path the program was called by.
fn command() -> String {
    let arguments = std::env::args_os().skip(1);
    let words = arguments.map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once("dermaglyph".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Runs `op` once, then as often as standard input asks for, so that another program can take turns with
/// this one.
fn answer(started: Instant, mut op: impl FnMut() -> dermaglyph::Result<()>) -> anyhow::Result<()> {
    op()?;
    output::print(format_args!("FIRST {:.6}", started.elapsed().as_secs_f64()))?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::io("read", "standard input", error))?;
        match line.trim() {
            "step" => {
                let asked = Instant::now();
                op()?;
                output::print(format_args!("T {:.6}", asked.elapsed().as_secs_f64()))?;
            }
            "quit" => break,
            other => {
                let message = format!("standard input: expected step or quit, not {other:?}");
                return Err(Error::Config(message).into());
            }
        }
    }
    Ok(())
}
