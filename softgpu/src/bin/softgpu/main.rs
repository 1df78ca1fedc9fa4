//! `softgpu`: runs one kernel of a PTX file and shows what it counted and what was found.

mod argument;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A software CUDA device on the command line.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the kernels of a PTX file or uncompressed fatbin: parameters, registers, memory
    List {
        /// PTX text, or a fatbin made with --compress-mode=none
        file: PathBuf,
    },
    /// Run one kernel and print its counters and what the sanitizer found
    Run(run::Run),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::List { file } => run::list(&file),
        Command::Run(run) => run.run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        // The sanitizer found something.
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
