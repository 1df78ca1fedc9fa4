//! What a run writes down while it trains: `metrics.jsonl`, `metrics.csv`, TensorBoard events.
//!
//! Every line is one write of its own, so a killed process loses at most the last one.

use super::tensorboard::EventWriter;
use crate::error::{Error, Result};
use crate::fsx::{remove_leftovers, write_bytes_atomically};
use image::DynamicImage;
use serde::{Deserialize, Deserializer, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const JSONL: &str = "metrics.jsonl";
const CSV: &str = "metrics.csv";

/// The figures of one logged step, as they stand in `metrics.jsonl` and `metrics.csv`.
///
/// JSON has no NaN and no infinities: both are written as `null` there, which reads back as NaN. The
/// CSV file says `NaN`, `inf` or `-inf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Finished steps: 1 after the first.
    pub step: u64,
    /// Passes over the training set so far, with fraction.
    #[serde(deserialize_with = "null_is_nan")]
    pub epoch: f64,
    /// Training images D has looked at so far, repetitions included.
    pub images_seen: u64,
    /// Wall-clock time spent training, in seconds, over all sessions of the run.
    #[serde(deserialize_with = "null_is_nan")]
    pub seconds: f64,
    /// Training images per second since the line before; pictures and checkpoints are not counted.
    #[serde(deserialize_with = "null_is_nan")]
    pub images_per_second: f64,
    /// D's loss: `loss_d_real + loss_d_fake`.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_d: f32,
    /// D's loss on real images.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_d_real: f32,
    /// D's loss on fakes.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_d_fake: f32,
    /// G's loss.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_g: f32,
    /// D's mean probability that real images are real.
    #[serde(deserialize_with = "null_is_nan")]
    pub d_x: f32,
    /// The same for fakes, before D's update.
    #[serde(deserialize_with = "null_is_nan")]
    pub d_g_z1: f32,
    /// The same for the same fakes, after D's update.
    #[serde(deserialize_with = "null_is_nan")]
    pub d_g_z2: f32,
}

impl Metrics {
    /// The curves TensorBoard shows, by the names it groups them under.
    fn scalars(&self) -> [(&'static str, f32); 9] {
        [
            ("loss/d", self.loss_d),
            ("loss/d_real", self.loss_d_real),
            ("loss/d_fake", self.loss_d_fake),
            ("loss/g", self.loss_g),
            ("output/d_x", self.d_x),
            ("output/d_g_z1", self.d_g_z1),
            ("output/d_g_z2", self.d_g_z2),
            ("progress/epoch", self.epoch as f32),
            ("progress/images_per_second", self.images_per_second as f32),
        ]
    }
}

fn null_is_nan<'de, D: Deserializer<'de>, F: Deserialize<'de> + From<f32>>(
    deserializer: D,
) -> std::result::Result<F, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(|| F::from(f32::NAN)))
}

/// The open log files of a run.
#[derive(Debug)]
pub struct RunLog {
    jsonl: AppendedFile,
    csv: AppendedFile,
    events: EventWriter,
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
        Ok(Self { jsonl, csv, events: EventWriter::create(run_dir, None)? })
    }

    /// Goes on with the logs of a run whose checkpoint holds `at_step` finished steps. Lines of later
    /// steps (trained after that checkpoint, and about to be trained again) and a last line that was
    /// cut off are removed; TensorBoard is told to forget the same steps. Missing files start anew.
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
        })
    }

    /// Writes one step down everywhere.
    ///
    /// # Errors
    /// [`Error::Io`]: the disk is full or the run directory is gone.
    pub fn append(&mut self, metrics: &Metrics) -> Result<()> {
        let mut line = serde_json::to_vec(metrics).map_err(|e| self.jsonl.failed(e.into()))?;
        line.push(b'\n');
        self.jsonl.append(&line)?;

        let row = csv_rows(metrics, false).map_err(|e| self.csv.failed(e))?;
        self.csv.append(&row)?;

        self.events.scalars(metrics.step, &metrics.scalars())
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
/// stands for a line that cannot be read.
fn keep_lines(path: &Path, header: &[u8], keep: impl Fn(&[u8]) -> Option<bool>) -> Result<()> {
    let text = read_or_empty(path)?;
    let mut kept = header.to_vec();
    for (index, line) in complete_lines(&text).enumerate() {
        if index == 0 && line == header {
            continue;
        }
        if keep(line).ok_or_else(|| damaged(path, index))? {
            kept.extend_from_slice(line);
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
mod tests {
    use super::*;

    fn at(step: u64) -> Metrics {
        Metrics {
            step,
            epoch: step as f64 / 64.0,
            images_seen: step * 128,
            seconds: step as f64 * 0.375,
            images_per_second: 345.0625,
            loss_d: 1.25,
            loss_d_real: 0.1,
            loss_d_fake: 1.15,
            loss_g: 0.7 + step as f32,
            d_x: 0.9,
            d_g_z1: 0.3,
            d_g_z2: 0.2,
        }
    }

    fn lines(folder: &Path, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn write_steps(log: &mut RunLog, steps: std::ops::RangeInclusive<u64>) {
        steps.for_each(|step| log.append(&at(step)).unwrap());
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::create(folder.path()).unwrap();
        assert_eq!(read_metrics(folder.path()).unwrap(), []);
        write_steps(&mut log, 1..=3);
        let read = read_metrics(folder.path()).unwrap();
        assert_eq!(read, [at(1), at(2), at(3)]);

        let json: serde_json::Value =
            serde_json::from_str(&lines(folder.path(), JSONL)[1]).unwrap();
        assert_eq!(json["step"], 2);
        assert_eq!(json["images_seen"], 256);
        assert_eq!(json["images_per_second"], 345.0625);
        let csv = lines(folder.path(), CSV);
        assert_eq!(
            csv[0],
            "step,epoch,images_seen,seconds,images_per_second,loss_d,loss_d_real,loss_d_fake,\
             loss_g,d_x,d_g_z1,d_g_z2"
        );
        assert!(csv[2].starts_with("2,0.03125,256,0.75,345.0625,1.25,0.1,1.15,2.7,"));
        assert_eq!(csv.len(), 4);
    }

    #[test]
    fn what_is_not_a_number_is_null_in_json_and_named_in_csv() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::create(folder.path()).unwrap();
        let bad = Metrics { loss_g: f32::NAN, loss_d: f32::INFINITY, seconds: f64::NAN, ..at(1) };
        log.append(&bad).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&lines(folder.path(), JSONL)[0]).unwrap();
        assert!(json["loss_g"].is_null() && json["loss_d"].is_null() && json["seconds"].is_null());
        let read = read_metrics(folder.path()).unwrap()[0];
        assert!(read.loss_g.is_nan() && read.loss_d.is_nan() && read.seconds.is_nan());
        assert_eq!(lines(folder.path(), CSV)[1].matches("NaN").count(), 2);
        assert_eq!(lines(folder.path(), CSV)[1].matches(",inf,").count(), 1);
    }

    #[test]
    fn a_resumed_log_equals_an_uninterrupted_one() {
        let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_steps(&mut RunLog::create(whole.path()).unwrap(), 1..=9);

        let mut log = RunLog::create(broken.path()).unwrap();
        write_steps(&mut log, 1..=5);
        let different = Metrics { loss_g: -1.0, ..at(6) };
        log.append(&different).unwrap();
        drop(log);
        let mut log = RunLog::resume(broken.path(), 5).unwrap();
        write_steps(&mut log, 6..=9);
        for name in [JSONL, CSV] {
            assert_eq!(lines(broken.path(), name), lines(whole.path(), name));
        }
    }

    #[test]
    fn a_line_cut_off_anywhere_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        write_steps(&mut RunLog::create(folder.path()).unwrap(), 1..=3);
        for name in [JSONL, CSV] {
            let path = folder.path().join(name);
            let whole = std::fs::read(&path).unwrap();
            let third = whole[..whole.len() - 1].iter().rposition(|&b| b == b'\n').unwrap() + 1;
            for cut in (third..whole.len()).step_by(29).chain([whole.len() - 1]) {
                std::fs::write(&path, &whole[..cut]).unwrap();
                assert_eq!(read_metrics(folder.path()).unwrap()[..2], [at(1), at(2)]);
                drop(RunLog::resume(folder.path(), 3).unwrap());
                assert_eq!(std::fs::read(&path).unwrap(), whole[..third], "{name} cut at {cut}");
            }
            std::fs::write(&path, &whole).unwrap();
        }
    }

    #[test]
    fn a_cut_off_header_and_missing_files_start_anew() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CSV), "step,ep").unwrap();
        std::fs::write(folder.path().join(".metrics.csv.abc.tmp"), "half").unwrap();
        let mut log = RunLog::resume(folder.path(), 7).unwrap();
        write_steps(&mut log, 8..=8);
        assert_eq!(read_metrics(folder.path()).unwrap(), [at(8)]);
        let csv = lines(folder.path(), CSV);
        assert!(csv.len() == 2 && csv[0].starts_with("step,epoch") && csv[1].starts_with("8,"));
        assert!(!folder.path().join(".metrics.csv.abc.tmp").exists());
    }

    #[test]
    fn damage_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write_steps(&mut RunLog::create(folder.path()).unwrap(), 1..=3);
        let path = folder.path().join(JSONL);
        let mut bytes = std::fs::read(&path).unwrap();
        let second = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
        bytes[second] = 0xff;
        std::fs::write(&path, bytes).unwrap();
        for error in [
            read_metrics(folder.path()).unwrap_err(),
            RunLog::resume(folder.path(), 3).unwrap_err(),
        ] {
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains("metrics.jsonl: line 2 is damaged"), "{error}");
        }
    }

    #[test]
    fn nothing_is_overwritten_silently() {
        let folder = tempfile::tempdir().unwrap();
        write_steps(&mut RunLog::create(folder.path()).unwrap(), 1..=1);
        let error = RunLog::create(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(read_metrics(folder.path()).unwrap(), [at(1)]);
        assert!(RunLog::create(folder.path().join("missing")).is_err());
    }
}
