//! `dermaglyph evaluate`: a judgement of synthetic prints, as a report.

use super::output;
use super::progress::Display;
use dermaglyph::evaluate::document::document;
use dermaglyph::evaluate::inception::Preparation;
use dermaglyph::evaluate::inception::judge::Choice;
use dermaglyph::evaluate::report::State;
use dermaglyph::evaluate::sources::Sources;
use dermaglyph::evaluate::{Options, run as evaluate};
use dermaglyph::fsx::write_bytes_atomically;
use dermaglyph::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime};

/// Judges synthetic prints beside real ones: realism, variety, privacy.
///
/// Writes report.html (one file, no network), report.json, and every plot as PNG and SVG. The same prints and
/// seed give the same report, byte for byte, apart from the date.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dermaglyph evaluate --fake runs/quick-001 --out report
      a run's prints beside those it was trained on, with the privacy test on its held-out subjects
  dermaglyph evaluate --real SOCOFing.zip --fake prints --out report
      a folder of prints beside SOCOFing; without a run nothing says who was trained on
  dermaglyph evaluate --real SOCOFing.zip --fake prints --run runs/seed-001 --out report
      the same, with that run's split into training and held-out subjects
  dermaglyph evaluate --fake runs/seed-001 --inception inception-v3.onnx --out report
      FID, KID and Inception Score of that network, too")]
pub struct Args {
    /// Real prints: a folder or zip [default: those the run was trained on]
    #[arg(long, value_name = "DIR|ZIP")]
    real: Option<PathBuf>,

    /// Synthetic prints: a folder or zip, a run directory (its latest checkpoint), or a checkpoint
    #[arg(long, value_name = "DIR|RUN|FILE")]
    fake: PathBuf,

    /// The run that a folder of synthetic prints is from: its split says who was trained on
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,

    /// Folder for the report; made if missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Prints of each set at most
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    count: u32,

    /// Height and width at which prints are compared [default: that of the synthetic ones]
    #[arg(long, value_name = "PX")]
    size: Option<u32>,

    /// Chooses samples, pairs and permutations
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,

    /// Inception v3 as an ONNX file, for FID, KID and the usual Inception Score (needs a build with
    /// --features onnx)
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,

    /// How images are made ready for it: as the tool whose figures these shall stand beside
    #[arg(long, value_name = "HOW", default_value = "pytorch-fid", requires = "inception")]
    inception_preparation: Preparation,

    /// Match every pair, not a sample inside the sets and those that look alike between them: of 5,000 prints
    /// at 96 pixels half an hour on two cores, by calculation
    #[arg(long)]
    all_pairs: bool,

    /// CPU threads [default: one per core]; the report does not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,

    /// Write into a folder that is not empty
    #[arg(long)]
    force: bool,

    /// Print report.json on standard output, too
    #[arg(long)]
    json: bool,
}

/// Evaluates and writes the report.
pub fn run(args: Args) -> anyhow::Result<()> {
    let started = Instant::now();
    check_folder(&args.out, args.force)?;
    let threads = args.threads.map(|n| n as usize);
    let options = Options {
        sources: Sources {
            real: args.real,
            fake: args.fake,
            run: args.run,
            size: args.size,
            count: args.count as usize,
            seed: args.seed,
            threads,
        },
        all_pairs: args.all_pairs,
        inception: args
            .inception
            .map(|file| Choice { file, preparation: args.inception_preparation }),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build()?;
    let mut display = Display::new(Arc::new(AtomicBool::new(false)));
    let result = pool.install(|| -> Result<_> {
        let (evaluation, material) = evaluate(&options, &mut display)?;
        let json = serde_json::to_string_pretty(&evaluation)
            .map_err(|e| Error::Config(format!("the report cannot be written as JSON: {e}")))?;
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let document = document(&evaluation, &material, &date)?;
        std::fs::create_dir_all(&args.out)
            .map_err(|e| Error::io("create the folder", &args.out, e))?;
        write_bytes_atomically(args.out.join("report.json"), json.as_bytes())?;
        document.write(&args.out)?;
        Ok((document.summary, json))
    });
    display.clear();
    let (summary, json) = result?;
    if args.json {
        return Ok(output::print(json)?);
    }
    for verdict in summary {
        let mark = match verdict.state {
            State::Good => "good   ",
            State::Warning => "warning",
            State::Bad => "bad    ",
            State::Missing => "missing",
        };
        output::print(format_args!("{mark}  {}", verdict.text))?;
    }
    Ok(output::print(format_args!(
        "{} ({:.0} s)",
        args.out.join("report.html").display(),
        started.elapsed().as_secs_f64()
    ))?)
}

/// Refuses a folder in which something could be lost, before minutes are spent.
fn check_folder(out: &Path, force: bool) -> Result<()> {
    let occupied = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !force {
        return Err(Error::Config(format!(
            "{} is not empty; name another folder with --out, or write into it with --force",
            out.display()
        )));
    }
    Ok(())
}
