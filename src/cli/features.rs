//! `dermaglyph features`: the network in whose space sets of prints are compared.

use super::{output, progress::Display};
use clap::Subcommand;
use dermaglyph::evaluate::features::{Card, PrintFeatures, TrainConfig, train};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The feature network for prints that comes with the program: its card, and how to train another.
///
/// Distances between sets of prints are measured in the space of this network's 64 numbers. It was trained
/// by this program on prints from a formula. It is no ImageNet network: a Fréchet distance in its space is
/// no FID and compares with no published one.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dermaglyph features card
      what the built-in network was trained on and how good it is
  dermaglyph features train --out print-features-v1.safetensors --date 2026-11-28
      the same training again: about ten minutes of two free cores")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(TrainArgs),
    Card(CardArgs),
}

/// Draw prints from the formula, train the network on them, judge it on other fingers, write the file.
///
/// The file depends on --prints, --held-out, --epochs, --seed and --date only: any number of threads gives
/// the same bytes.
#[derive(clap::Args)]
struct TrainArgs {
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Prints to draw for training
    #[arg(long, value_name = "N", default_value_t = 18_000)]
    prints: u32,

    /// Prints of other fingers to judge the result on
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    held_out: u32,

    /// How often each print is shown
    #[arg(long, value_name = "E", default_value_t = 20)]
    epochs: u32,

    /// All randomness: the same seed gives the same file
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// The date to write on the card, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    date: Option<String>,

    /// CPU threads [default: one per core]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,

    /// Print the card as one JSON object
    #[arg(long)]
    json: bool,
}

/// Say what a network was trained on and how good it is.
#[derive(clap::Args)]
struct CardArgs {
    /// A file that `features train` wrote [default: the built-in network]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the sub-command.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Train(args) => run_train(args),
        Command::Card(CardArgs { file, json }) => {
            let card = match &file {
                Some(path) => PrintFeatures::card_of(path)?,
                None => PrintFeatures::embedded_card()?,
            };
            show(&card, json)
        }
    }
}

fn run_train(args: TrainArgs) -> anyhow::Result<()> {
    let config = TrainConfig {
        prints: args.prints,
        epochs: args.epochs,
        held_out: args.held_out,
        seed: args.seed,
        threads: args.threads.map(|n| n as usize),
        date: args.date,
    };
    let mut display = Display::new(Arc::default());
    let started = Instant::now();
    let card = train(&config, &args.out, &mut display);
    display.clear();
    let card = card?;
    output::note(format_args!(
        "{} written in {:.0} s",
        args.out.display(),
        started.elapsed().as_secs_f64()
    ));
    show(&card, args.json)
}

fn show(card: &Card, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string(card)? } else { card.to_string() };
    Ok(output::print(text)?)
}
