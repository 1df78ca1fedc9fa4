//! The commands, one file each, and what they share: the parser, the exit code, the choice of the
//! device.

mod bench;
mod device;
mod doctor;
mod evaluate;
mod features;
mod generate;
mod output;
mod profile;
mod progress;
mod synth;
mod train;

use clap::{Parser, Subcommand};
use dermaglyph::Error;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

/// Trains a GAN on fingerprints and generates synthetic ones.
#[derive(Parser)]
#[command(version, about, long_about = None, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Args>),
    Generate(generate::Args),
    Evaluate(evaluate::Args),
    Synth(synth::Args),
    Profile(Box<profile::Args>),
    Bench(bench::Args),
    Features(features::Args),
    Doctor(doctor::Args),
}

const AFTER_HELP: &str = "\
Examples:
  dermaglyph train                                     fingerprints in minutes, from no data at all
  dermaglyph train --preset seed --data SOCOFing.zip   the published network on real prints
  dermaglyph generate --from runs/quick-001 --seeds 0-63 --grid 8x8 --out prints.png
  dermaglyph evaluate --fake runs/quick-001 --out report   are they realistic, varied, private?
  dermaglyph synth --count 1000 --out prints           prints from a formula, with labels
  dermaglyph profile --device software --preset tiny   what a training step is made of
  dermaglyph bench step                                how fast the cpu backend is
  dermaglyph features card                             the network that prints are compared with
  dermaglyph doctor                                    what this machine can compute on

Exit codes:
  0  done, or stopped by Ctrl-C with everything saved
  1  an error not listed here
  2  the command line or the configuration
  3  the training images
  4  a checkpoint or a file of weights
  5  the file system: a full disk, a missing or read-only folder
  6  training diverged: a NaN or an infinity
  7  the device
  130  stopped at once by a second Ctrl-C";

/// Parses the command line, runs the command and reports its failure as one line and a code.
pub fn main() -> ExitCode {
    let started = Instant::now();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Where nobody reads the message any more, there is nobody to tell.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Train(args) => train::run(*args),
        Command::Generate(args) => generate::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Synth(args) => synth::run(args),
        Command::Profile(args) => profile::run(*args),
        Command::Bench(args) => bench::run(args, started),
        Command::Features(args) => features::run(args),
        Command::Doctor(args) => doctor::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if is_broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            let ours = e.downcast_ref::<Error>();
            // Our messages name their cause already; others are printed with theirs.
            match ours {
                Some(error) => output::note(format_args!("error: {error}")),
                None => output::note(format_args!("error: {e:#}")),
            }
            ExitCode::from(ours.map_or(1, Error::exit_code))
        }
    }
}

/// Whether the reader of our output went away, as `| head` does: no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
