//! Two sets → everything that is said about them.

use super::compare::Comparison;
use super::controls::Controls;
use super::features::PrintFeatures;
use super::health::Health;
use super::inception::judge::Choice;
use super::measure::Measured;
use super::nearest::{self, Nearest};
use super::outcome::Outcome;
use super::prints::{Draw, Prints, choose};
use super::privacy::{self, Depth, Privacy};
use super::ridges::matcher::Matcher;
use super::sources::{self, Sets, Sources};
use super::tsne::{self, Map};
use super::variety::{self, Variety};
use super::{inception, matching, minutiae};
use crate::data::Reporter;
use crate::data::procedural::HenryClass;
use crate::error::Result;
use serde::Serialize;

/// The level of all intervals.
pub const LEVEL: f64 = 0.95;
/// Prints of each set on a t-SNE map.
const MAPPED: usize = 2000;

/// What to evaluate, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Options {
    pub sources: Sources,
    /// Match every pair: inside the sets in place of a sample, and for privacy in place of those that look alike.
    pub all_pairs: bool,
    /// The network for the ImageNet figures.
    pub inception: Option<Choice>,
}

/// What is said about a set of synthetic prints: `report.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The version of this crate.
    pub version: String,
    pub seed: u64,
    /// Height and width at which the sets were compared.
    pub size: u32,
    /// The network in whose space distances are measured.
    pub features: String,
    pub real: About,
    pub synthetic: About,
    /// What was done to make the sets comparable.
    pub notes: Vec<String>,
    /// The whole sets.
    pub comparison: Comparison,
    /// One half of the real prints against: the other half, the synthetic ones, and sets whose judgement is
    /// known beforehand; the same number of prints each.
    pub controls: Vec<Comparison>,
    pub variety: Outcome<Variety>,
    pub privacy: Outcome<Privacy>,
    /// By NIST's algorithms.
    pub minutiae: Outcome<minutiae::judge::Figures>,
    /// The ImageNet figures: FID, KID, Inception Score.
    pub inception: Outcome<inception::judge::Figures>,
    /// Share of prints of each class, in the order of [`HenryClass::ALL`]: real, synthetic.
    pub class_shares: [[f64; HenryClass::ALL.len()]; 2],
}

/// What is known of a set.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    pub source: String,
    pub health: Health,
}

/// What the pictures of a report are made of.
#[derive(Debug)]
pub struct Material {
    pub sets: Sets,
    pub real: Measured,
    pub synthetic: Measured,
    /// Spectra of the controls by name.
    pub control_spectra: Vec<(String, Vec<(f64, f64)>)>,
    /// A map of real prints, then synthetic ones.
    pub map: Outcome<Embedding>,
    /// Some synthetic prints and the real ones they are nearest to.
    pub nearest: Vec<Nearest>,
}

/// Places of prints on a common map.
#[derive(Debug)]
pub struct Embedding {
    pub map: Map,
    /// How many of the points are real; the rest are synthetic.
    pub real: usize,
    /// The likeliest class of each point, an index into [`HenryClass::ALL`].
    pub classes: Vec<usize>,
}

/// Evaluates.
///
/// # Errors
/// If the sources cannot be read or a number is not finite. Figures for which there are too few prints are
/// left out with the reason instead.
pub fn run(options: &Options, reporter: &mut dyn Reporter) -> Result<(Evaluation, Material)> {
    let sources = &options.sources;
    let seed = sources.seed;
    let inception = inception::open(options.inception.as_ref(), sources.threads)?;
    let mut network = PrintFeatures::embedded(sources.threads)?;
    let sets = sources::load(sources, reporter)?;
    let real = Measured::of(&sets.real, "real prints", &mut network, reporter)?;
    let synthetic = Measured::of(&sets.fake, "synthetic prints", &mut network, reporter)?;
    let comparison = Comparison::between("synthetic", &real, &synthetic, seed, LEVEL)?;
    let controls = Controls::new(&sets.real, sets.real_shape, seed, reporter)?;
    let (compared, control_spectra) =
        against_controls(&controls, &synthetic, seed, &mut network, reporter)?;
    let matcher = matching::matcher(sets.real.size, &real);
    let (variety, privacy) =
        matched(options, &sets, &synthetic, matcher.as_ref(), &mut network, reporter)?;
    let nearest = nearest::find(&sets, [&real, &synthetic], matcher.as_ref().ok(), seed)?;
    let period = matching::ridge_period(&real);
    let minutiae = minutiae::judge([&sets.real, &sets.fake], &controls, period, seed, reporter)?;
    let inception = match inception {
        Ok(judge) => Outcome::Given(judge.judge(&sets.real, &sets.fake, seed, reporter)?),
        Err(reason) => Outcome::missing(reason),
    };
    let map = embed(&real, &synthetic, seed, reporter)?;
    let about = |source: &str, prints: &Prints| About {
        source: source.to_owned(),
        health: Health::of(prints),
    };
    let evaluation = Evaluation {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed,
        size: sets.real.size,
        features: network.card().title(),
        real: about(&sets.real_label, &sets.real),
        synthetic: about(&sets.fake_label, &sets.fake),
        notes: sets.notes.clone(),
        comparison,
        controls: compared,
        variety,
        privacy,
        minutiae,
        inception,
        class_shares: [real.class_shares(), synthetic.class_shares()],
    };
    Ok((evaluation, Material { sets, real, synthetic, control_spectra, map, nearest }))
}

/// What the matcher says: variety, and privacy where the split is known.
fn matched(
    options: &Options,
    sets: &Sets,
    synthetic: &Measured,
    matcher: std::result::Result<&Matcher, &String>,
    network: &mut PrintFeatures,
    reporter: &mut dyn Reporter,
) -> Result<(Outcome<Variety>, Outcome<Privacy>)> {
    let matcher = match matcher {
        Ok(matcher) => matcher,
        Err(reason) => return Ok((Outcome::missing(reason), Outcome::missing(reason))),
    };
    let seed = options.sources.seed;
    let depth = if options.all_pairs { Depth::All } else { Depth::Likely };
    let variety = variety::judge(matcher, &sets.real, &sets.fake, depth, seed, reporter)?;
    let split = match &sets.split {
        Ok(split) => split,
        Err(reason) => return Ok((Outcome::Given(variety), Outcome::missing(reason))),
    };
    let (fake, threshold) = ((&sets.fake, synthetic), &variety.threshold);
    let privacy = privacy::judge(matcher, split, fake, threshold, depth, seed, network, reporter)?;
    Ok((Outcome::Given(variety), privacy))
}

type Spectra = Vec<(String, Vec<(f64, f64)>)>;

/// One half of the real prints against the other half, the synthetic ones and the controls.
fn against_controls(
    controls: &Controls,
    synthetic: &Measured,
    seed: u64,
    network: &mut PrintFeatures,
    reporter: &mut dyn Reporter,
) -> Result<(Vec<Comparison>, Spectra)> {
    let half = &controls.half;
    let reference = Measured::of(half, "one half of the real prints", network, reporter)?;
    let mut spectra = Spectra::new();
    let mut compared = Vec::new();
    for (name, prints) in &controls.sets {
        let measured = Measured::of(prints, name, network, reporter)?;
        compared.push(Comparison::between(name, &reference, &measured, seed, LEVEL)?);
        spectra.extend(measured.spectrum().map(|spectrum| ((*name).to_owned(), spectrum)));
    }
    let own: Vec<usize> = (0..synthetic.len().min(half.len())).collect();
    let own = synthetic.select(&own);
    compared.insert(1, Comparison::between("synthetic", &reference, &own, seed, LEVEL)?);
    Ok((compared, spectra))
}

/// A t-SNE map of some prints of both sets.
fn embed(
    real: &Measured,
    synthetic: &Measured,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Outcome<Embedding>> {
    let pick = |set: &Measured| choose(set.len(), set.len().min(MAPPED), seed, Draw::Embedding);
    let (a, b) = (pick(real), pick(synthetic));
    let count = a.len() + b.len();
    if count < tsne::FEWEST {
        return Ok(Outcome::missing(format!(
            "a map needs at least {} prints; there are {count}",
            tsne::FEWEST
        )));
    }
    reporter.progress("mapping", 0, 1);
    let (rows_a, rows_b) = (real.features.select(&a), synthetic.features.select(&b));
    let rows = [rows_a.values(), rows_b.values()].concat();
    let map = tsne::embed(&rows, real.features.dim(), seed)?;
    let likeliest = |set: &Measured, indices: &[usize]| -> Vec<usize> {
        let of = |row: &[f32]| (0..row.len()).max_by(|&i, &j| row[i].total_cmp(&row[j]));
        indices.iter().map(|&i| of(set.classes.row(i)).unwrap_or_default()).collect()
    };
    let classes = [likeliest(real, &a), likeliest(synthetic, &b)].concat();
    reporter.progress("mapping", 1, 1);
    Ok(Outcome::Given(Embedding { map, real: a.len(), classes }))
}
