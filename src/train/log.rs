//! What a run writes down while it trains: `metrics.jsonl`, `metrics.csv`, TensorBoard events.
//!
//! Every line is one write of its own, so a killed process loses at most the last one.

pub use super::metrics::Metrics;
use super::tensorboard::EventWriter;
use crate::error::{Error, Result};
use crate::fsx::{remove_leftovers, write_bytes_atomically};
use image::DynamicImage;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const JSONL: &str = "metrics.jsonl";
const CSV: &str = "metrics.csv";

/// The open log files of a run.
#[derive(Debug)]
pub struct RunLog {
    jsonl: AppendedFile,
    csv: AppendedFile,
    events: EventWriter,
    /// The step of the newest line of this session.
    last: Option<u64>,
}

impl RunLog {
    /// Starts the logs of a new run in `run_dir`, which exists.
    ///
    /// # Errors
    /// [`Error::Io`] if there is a log already or the folder cannot be written to.
    pub fn create(run_dir: impl AsRef<Path>) -> Result<Self> {
        let run_dir = run_dir.as_ref();
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        let jsonl = AppendedFile::open(run_dir.join(JSONL), &options)?;
        let mut csv = AppendedFile::open(run_dir.join(CSV), &options)?;
        csv.append(&csv_header(&csv.path)?)?;
        Ok(Self { jsonl, csv, events: EventWriter::create(run_dir, None)?, last: None })
    }

    /// Goes on with the logs of a run whose checkpoint holds `at_step` finished steps. Lines of later
    /// steps (trained after that checkpoint, and about to be trained again) and a last line that was
    /// cut off are removed; TensorBoard is told to forget the same steps. Missing files start anew, and
    /// the CSV file of a version that knew fewer figures gets their columns, empty in its rows.
    ///
    /// # Errors
    /// [`Error::Data`] naming the line if a log is damaged elsewhere than at its end;
    /// [`Error::Io`] if a file cannot be read or written.
    pub fn resume(run_dir: impl AsRef<Path>, at_step: u64) -> Result<Self> {
        let run_dir = run_dir.as_ref();
        remove_leftovers(run_dir)?;
        let mut options = OpenOptions::new();
        options.append(true).create(true);

        let path = run_dir.join(JSONL);
        keep_lines(&path, &[], |line| Some(json_line(line)?.step <= at_step))?;
        let jsonl = AppendedFile::open(path, &options)?;

        let path = run_dir.join(CSV);
        keep_lines(&path, &csv_header(&path)?, |line| Some(csv_step(line)? <= at_step))?;
        let csv = AppendedFile::open(path, &options)?;
        Ok(Self {
            jsonl,
            csv,
            events: EventWriter::create(run_dir, Some(at_step.saturating_add(1)))?,
            last: None,
        })
    }

    /// Writes one step down everywhere: a second line of the same step, which has its evaluation, adds
    /// to TensorBoard's curves only what is new.
    ///
    /// # Errors
    /// [`Error::Io`]: the disk is full or the run directory is gone.
    pub fn append(&mut self, metrics: &Metrics) -> Result<()> {
        let mut line = serde_json::to_vec(metrics).map_err(|e| self.jsonl.failed(e.into()))?;
        line.push(b'\n');
        self.jsonl.append(&line)?;

        let row = csv_rows(metrics, false).map_err(|e| self.csv.failed(e))?;
        self.csv.append(&row)?;

        if self.last.replace(metrics.step) != Some(metrics.step) {
            self.events.scalars(metrics.step, &metrics.scalars())?;
        }
        match metrics.eval_step {
            Some(step) => self.events.scalars(step, &metrics.evaluation()),
            None => Ok(()),
        }
    }

    /// Shows a picture in TensorBoard under `tag`, for example a grid of samples.
    ///
    /// # Errors
    /// [`Error::Io`]: the disk is full or the run directory is gone.
    pub fn image(&mut self, step: u64, tag: &str, image: &DynamicImage) -> Result<()> {
        self.events.image(step, tag, image)
    }
}

/// All steps in the `metrics.jsonl` of a run, oldest first. A last line without its end, as a killed
/// process may leave it, is not read; no file is no steps. Numbers read back to within one unit in
/// the last place.
///
/// # Errors
/// [`Error::Data`] naming the line that is damaged; [`Error::Io`] if the file cannot be read.
pub fn read_metrics(run_dir: impl AsRef<Path>) -> Result<Vec<Metrics>> {
    let path = run_dir.as_ref().join(JSONL);
    let text = read_or_empty(&path)?;
    complete_lines(&text)
        .enumerate()
        .map(|(index, line)| json_line(line).ok_or_else(|| damaged(&path, index)))
        .collect()
}

/// A file that only grows, one whole line at a time.
#[derive(Debug)]
struct AppendedFile {
    path: PathBuf,
    file: File,
}

impl AppendedFile {
    fn open(path: PathBuf, options: &OpenOptions) -> Result<Self> {
        match options.open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(Error::io("open for appending", path, source)),
        }
    }

    fn append(&mut self, line: &[u8]) -> Result<()> {
        self.file.write_all(line).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::io("append to", &self.path, source)
    }
}

/// Rewrites a log so that it holds `header` and the lines after it that `keep` says yes to; `None`
/// stands for a line that cannot be read. A header of an earlier version gives way to `header`, and rows
/// with fewer fields than it get empty ones.
fn keep_lines(path: &Path, header: &[u8], keep: impl Fn(&[u8]) -> Option<bool>) -> Result<()> {
    let text = read_or_empty(path)?;
    let mut kept = header.to_vec();
    let commas = |line: &[u8]| line.iter().filter(|&&byte| byte == b',').count();
    for (index, line) in complete_lines(&text).enumerate() {
        if index == 0 && !header.is_empty() && line.starts_with(b"step,") {
            continue;
        }
        if keep(line).ok_or_else(|| damaged(path, index))? {
            kept.extend_from_slice(&line[..line.len() - 1]);
            kept.resize(kept.len() + commas(header).saturating_sub(commas(line)), b',');
            kept.push(b'\n');
        }
    }
    write_bytes_atomically(path, &kept)
}

fn read_or_empty(path: &Path) -> Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|e| Error::io("read", path, e)),
    }
}

fn complete_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

fn json_line(line: &[u8]) -> Option<Metrics> {
    serde_json::from_slice(line).ok()
}

fn csv_step(line: &[u8]) -> Option<u64> {
    std::str::from_utf8(line).ok()?.split(',').next()?.parse().ok()
}

/// A row, or the header and a row.
fn csv_rows(metrics: &Metrics, header: bool) -> io::Result<Vec<u8>> {
    let mut rows = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    rows.serialize(metrics)?;
    rows.into_inner().map_err(|e| e.into_error())
}

fn csv_header(path: &Path) -> Result<Vec<u8>> {
    let rows = csv_rows(&Metrics::default(), true).map_err(|e| Error::io("write", path, e))?;
    Ok(complete_lines(&rows).next().unwrap_or_default().to_vec())
}

fn damaged(path: &Path, index: usize) -> Error {
    let line = index + 1;
    Error::data(
        path,
        format!("line {line} is damaged; remove that line, or the file, and try again"),
    )
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
