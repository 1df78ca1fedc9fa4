//! Lines for the user. Neither function panics when nobody reads.

use std::fmt::Display;
use std::io::{self, Write};

/// A result: one line on standard output.
///
/// # Errors
/// The reader's end of the pipe is closed, or the disk that takes the output is full.
pub fn print(line: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// A message: one line on standard error.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
