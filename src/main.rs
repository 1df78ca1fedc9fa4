//! The command line: parse, choose the backend once, call a command.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
