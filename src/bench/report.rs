//! Tables of Markdown, and what stands above them.

use super::Setup;
use super::harness::Spread;
use super::machine::Machine;
use crate::backend::cpu::Convolutions;
use crate::model::ModelConfig;
use serde::Serialize;
use std::fmt;

/// One measurement with its circumstances.
#[derive(Debug, Serialize)]
pub struct Report<T> {
    pub machine: Machine,
    pub subject: Subject,
    /// GFLOP/s of multiply-adds in registers, measured between the runs.
    pub peak_gflops: Spread,
    #[serde(flatten)]
    pub results: T,
}

/// The network that was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Subject {
    #[serde(flatten)]
    pub model: ModelConfig,
    pub batch_size: usize,
    pub convolutions: Convolutions,
}

impl Subject {
    /// What `setup` measures.
    pub fn of(setup: &Setup) -> Self {
        Self {
            model: setup.hyper.model,
            batch_size: setup.hyper.batch_size,
            convolutions: setup.convolutions,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ModelConfig { image_size, channels, nz, ngf, ndf } = self.model;
        let how = match self.convolutions {
            Convolutions::Auto => "convolutions by the algorithm of each layer",
            Convolutions::Direct => "direct convolutions",
        };
        write!(
            f,
            "DCGAN {image_size}×{image_size}×{channels}, nz {nz}, ngf {ngf}, ndf {ndf}, batch {}; {how}",
            self.batch_size
        )
    }
}

impl<T: fmt::Display> fmt::Display for Report<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { median, min, max, runs } = self.peak_gflops;
        writeln!(f, "{}\n\n{}  ", self.machine, self.subject)?;
        writeln!(
            f,
            "FMA peak between the runs: {median:.1} GFLOP/s ({min:.1} to {max:.1}, measured {runs}×)\n"
        )?;
        write!(f, "{}", self.results)
    }
}

/// A Markdown table whose columns line up as plain text too. The first `left` columns are flush left,
/// the others flush right.
pub fn table(left: usize, header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column).map(String::as_str));
        let all = cells.chain(header.get(column).copied());
        all.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < left { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") }
        });
        format!("|{}", cells.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(column, &width)| {
        let dashes = "-".repeat(width + 1);
        if column < left { format!("{dashes}-|") } else { format!("{dashes}:|") }
    });
    let mut lines =
        vec![line(&mut header.iter().copied()), format!("|{}", rule.collect::<String>())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// The cells "median" and "min to max" of a time in milliseconds.
pub fn milliseconds(seconds: Spread) -> [String; 2] {
    let Spread { median, min, max, .. } = seconds.scaled(1e3);
    [format!("{median:.3}"), format!("{min:.3} to {max:.3}")]
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_and_lines_up() {
        let rows =
            [vec!["G1".to_owned(), "1.5".to_owned()], vec!["×".to_owned(), "22.25".to_owned()]];
        let expected = "\
| layer |    ms |
|-------|------:|
| G1    |   1.5 |
| ×     | 22.25 |";
        assert_eq!(table(1, &["layer", "ms"], &rows), expected);
        assert_eq!(table(1, &["a"], &[]), "| a   |\n|-----|");
    }

    #[test]
    fn times_are_shown_in_milliseconds_with_their_spread() {
        let seconds = Spread { median: 0.0015, min: 0.001, max: 0.01, runs: 4 };
        assert_eq!(milliseconds(seconds), ["1.500", "1.000 to 10.000"]);
        assert_eq!(percent(0.1234), "12.3 %");
    }
}
