//! `dermaglyph synth`: fingerprints from a formula, as files named and laid out like SOCOFing's.

use std::fs;
use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::output;
use anyhow::Context;
use clap::ValueEnum;
use dermaglyph::data::procedural::{HenryClass, SynthLabel, SynthPrint, SynthSet};
use dermaglyph::data::socofing::{Gender, SocofingName};
use dermaglyph::data::socofing_bmp::{FRAME, framed, opaque, write_bmp};
use dermaglyph::fsx::{Aside, Survives, remove_leftovers};
use dermaglyph::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// Draws synthetic fingerprints from a formula: no training, no data of any person.
///
/// Ridges grow along an orientation field given by cores and deltas; then the finger is put down,
/// more or less dry, more or less whole. Files are named as in SOCOFing
/// (12__F_Left_index_finger.BMP; the second impression of a finger ends in _imp2), ten fingers a
/// subject. labels.csv lists them with class and seed. A print depends on the seed, its finger and
/// its impression only: a larger --count adds prints and changes none.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dermaglyph synth --count 1000 --out prints
      a thousand prints of 100 subjects, 96x103 pixels, with labels.csv beside them
  dermaglyph synth --count 1000 --out prints --frame
      the same laid out exactly as SOCOFing's files, with the frame around each print
  dermaglyph synth --count 400 --impressions 4 --out pairs --size 240x258 --format png
      four impressions of each of 100 fingers at 500 ppi
  dermaglyph synth --count 20 --class whorl --seed 7 --out whorls")]
pub struct Args {
    /// How many prints to draw
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    count: u64,

    /// Folder for the files; made if missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Width and height in pixels, each 16 to 1024
    #[arg(long, value_name = "WxH", default_value = "96x103", value_parser = parse_size)]
    size: (u32, u32),

    /// Chooses the population: the same seed gives the same prints
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,

    /// Impressions of each finger: mated pairs from 2 on
    #[arg(long, value_name = "K", default_value_t = 1)]
    impressions: u32,

    /// Draw SOCOFing's frame inside the given size; the print is 6 pixels smaller
    #[arg(long)]
    frame: bool,

    /// Draw one class only [default: all, by natural frequency]
    #[arg(long, value_enum, value_name = "NAME")]
    class: Option<HenryClass>,

    /// Files to write: 32-bit BMP as SOCOFing's, or PNG
    #[arg(long, value_enum, default_value_t = Format::Bmp)]
    format: Format,

    /// CPU threads [default: one per core]; prints do not depend on it
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,

    /// Write into a folder that is not empty, replacing files of the same name
    #[arg(long)]
    force: bool,

    /// Print the figures as one JSON object
    #[arg(long)]
    json: bool,
}

/// Image files that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Bmp,
    Png,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once(['x', 'X']).map(|(w, h)| (w.parse().ok(), h.parse().ok()));
    match sides {
        Some((Some(width), Some(height))) => Ok((width, height)),
        _ => Err("a size is width x height in pixels, as 96x103".into()),
    }
}

/// Renders and writes the prints.
pub fn run(args: Args) -> anyhow::Result<()> {
    let set = planned_set(&args)?;
    prepare_folder(&args.out, args.force)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0) as usize)
        .build()
        .context("cannot start the threads; try a smaller --threads")?;
    let bar = ProgressBar::new(set.count).with_style(
        ProgressStyle::with_template("{bar:32} {pos}/{len} prints, {per_sec}, {eta} left")
            .context("progress bar")?,
    );
    let start = Instant::now();
    let classes = pool.install(|| write_set(&set, &args, &bar))?;
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    report(&args, &set, elapsed, pool.current_num_threads(), &classes)?;
    Ok(())
}

/// The set that the arguments describe, or what is wrong with them.
fn planned_set(args: &Args) -> Result<SynthSet> {
    let (mut width, mut height) = args.size;
    if args.frame {
        let smaller = |side: u32| {
            side.checked_sub(FRAME).ok_or_else(|| {
                Error::Config(format!("--size: a side of {side} pixels has no room for the frame"))
            })
        };
        (width, height) = (smaller(width)?, smaller(height)?);
    }
    let set = SynthSet {
        count: args.count,
        seed: args.seed,
        width,
        height,
        impressions: args.impressions,
        class: args.class,
    };
    set.check()?;
    Ok(set)
}

/// Makes the folder, and refuses one in which something could be lost.
fn prepare_folder(out: &Path, force: bool) -> Result<()> {
    fs::create_dir_all(out).map_err(|e| Error::io("create the folder", out, e))?;
    let mut entries = fs::read_dir(out).map_err(|e| Error::io("list", out, e))?;
    if force {
        remove_leftovers(out)?;
    } else if entries.next().is_some() {
        return Err(Error::Config(format!(
            "{} is not empty; name another folder with --out, or write into it with --force",
            out.display()
        )));
    }
    Ok(())
}

/// Writes every print and `labels.csv`; returns how many prints of each class there are.
fn write_set(set: &SynthSet, args: &Args, bar: &ProgressBar) -> Result<[u64; 5]> {
    let labels_path = args.out.join("labels.csv");
    let csv_error = |e: csv::Error| Error::io("write", &labels_path, e.into());
    let mut labels = csv::Writer::from_writer(Aside::create(&labels_path)?);
    labels
        .write_record([
            "file",
            "subject",
            "gender",
            "hand",
            "finger",
            "class",
            "impression",
            "seed",
        ])
        .map_err(csv_error)?;
    let mut classes = [0; 5];
    set.render(|print| {
        let file = write_print(&print, args)?;
        labels.write_record(label_row(&file, &print.label, set.seed)).map_err(csv_error)?;
        classes[print.label.class as usize] += 1;
        bar.inc(1);
        Ok(ControlFlow::Continue(()))
    })?;
    let labels =
        labels.into_inner().map_err(|e| Error::io("write", &labels_path, e.into_error()))?;
    labels.commit(Survives::Kill)?;
    Ok(classes)
}

/// Writes one print whole or not at all; returns its file name.
fn write_print(print: &SynthPrint, args: &Args) -> Result<String> {
    let extension = match args.format {
        Format::Bmp => "BMP",
        Format::Png => "png",
    };
    let name = format!("{}.{extension}", print.label.name);
    let path = args.out.join(&name);
    let failed = |e| Error::io("write", &path, e);
    let mut file = Aside::create(&path)?;
    match (args.format, args.frame) {
        (Format::Bmp, true) => write_bmp(&mut file, &framed(&print.image)).map_err(failed)?,
        (Format::Bmp, false) => write_bmp(&mut file, &opaque(&print.image)).map_err(failed)?,
        (Format::Png, true) => write_png(&mut file, framed(&print.image).into()).map_err(failed)?,
        (Format::Png, false) => write_png(&mut file, print.image.clone().into()).map_err(failed)?,
    }
    file.commit(Survives::Kill)?;
    Ok(name)
}

fn write_png(file: &mut Aside, image: image::DynamicImage) -> std::io::Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).map_err(std::io::Error::other)?;
    file.write_all(&bytes.into_inner())
}

/// One row of `labels.csv`.
fn label_row(file: &str, label: &SynthLabel, seed: u64) -> [String; 8] {
    let SocofingName { subject, gender, hand, finger, impression, .. } = label.name;
    let letter = if gender == Gender::Male { "M" } else { "F" };
    [
        file.to_owned(),
        subject.to_string(),
        letter.to_owned(),
        format!("{hand:?}"),
        format!("{finger:?}").to_lowercase(),
        label.class.to_string(),
        impression.to_string(),
        seed.to_string(),
    ]
}

/// The last line, or the JSON object.
fn report(
    args: &Args,
    set: &SynthSet,
    elapsed: Duration,
    threads: usize,
    classes: &[u64; 5],
) -> anyhow::Result<()> {
    let seconds = elapsed.as_secs_f64();
    let rate = set.count as f64 / seconds;
    let line = if args.json {
        let by_class: serde_json::Map<_, _> = HenryClass::ALL
            .into_iter()
            .zip(classes)
            .map(|(class, n)| (class.name().to_owned(), (*n).into()))
            .collect();
        serde_json::json!({
            "out": args.out.display().to_string(),
            "prints": set.count,
            "fingers": set.count.div_ceil(u64::from(set.impressions)),
            "width": args.size.0,
            "height": args.size.1,
            "seed": set.seed,
            "impressions": set.impressions,
            "classes": by_class,
            "threads": threads,
            "seconds": seconds,
            "prints_per_second": rate,
        })
        .to_string()
    } else {
        format!(
            "{} prints in {}: {seconds:.1} s, {rate:.1} prints/s on {threads} threads",
            set.count,
            args.out.display()
        )
    };
    Ok(output::print(line)?)
}
