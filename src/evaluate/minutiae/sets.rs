//! Two sets of prints → their minutiae, and those of sets whose judgement is known.

use super::judge::{self, Control, Figures};
use super::points::Minutiae;
use super::{extract, prepare};
use crate::data::Reporter;
use crate::error::Result;
use crate::evaluate::matching::Pair;
use crate::evaluate::outcome::Outcome;
use crate::evaluate::prints::{Draw, Prints, choose};
use crate::evaluate::{controls, variety};
use rayon::prelude::*;

/// Prints of each set in which minutiae are looked for: 16 ms each.
const PRINTS: usize = 800;
/// Prints of each control.
const CONTROL: usize = 400;
/// Prints of each set that are matched with each other, and their pairs at most: 0.9 ms each.
const MATCHED: usize = 300;
const PAIRS: usize = 10_000;
/// Prints between two reports of progress.
const CHUNK: usize = 64;

/// Finds and compares minutiae. `period` is the ridge period of the real prints in pixels: both sets are
/// enlarged until it is what MINDTCT is tuned to.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) if the library refuses a print.
pub fn judge(
    real: &Prints,
    synthetic: &Prints,
    period: f64,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Outcome<Figures>> {
    let scale = match prepare::scale_for_period(period) {
        Ok(scale) => scale,
        Err(reason) => return Ok(Outcome::missing(reason.to_string())),
    };
    let some = |set: &Prints, count| set.subset(&choose(set.len(), count, seed, Draw::Minutiae));
    let sets = [some(real, PRINTS), some(synthetic, PRINTS)];
    let mut found = Vec::new();
    for (set, name) in sets.iter().zip(["real", "synthetic"]) {
        found.push(minutiae_of(set, scale, name, reporter)?);
    }
    let controls = against_controls(real, &found[1], scale, seed, reporter)?;
    let pairs = sets.each_ref().map(|set| pairs_of(set, seed));
    let found = [found[0].as_slice(), found[1].as_slice()];
    let pairs = [pairs[0].as_slice(), pairs[1].as_slice()];
    Ok(Outcome::Given(judge::compare(found, pairs, (scale, seed), controls, reporter)?))
}

/// The minutiae of each print.
fn minutiae_of(
    prints: &Prints,
    scale: f64,
    name: &str,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Minutiae>> {
    let what = format!("minutiae of {name} prints");
    let mut found = Vec::with_capacity(prints.len());
    for first in (0..prints.len()).step_by(CHUNK) {
        reporter.progress(&what, first, prints.len());
        let some = first..prints.len().min(first + CHUNK);
        let of = |index| extract(&prints.image(index), scale);
        found.extend(some.into_par_iter().map(of).collect::<Result<Vec<_>>>()?);
    }
    reporter.progress(&what, prints.len(), prints.len());
    Ok(found)
}

/// Pairs of the first prints that are not of one person.
fn pairs_of(prints: &Prints, seed: u64) -> Vec<Pair> {
    let first: Vec<usize> = (0..prints.len().min(MATCHED)).collect();
    variety::different(&prints.subset(&first), PAIRS, seed)
}

/// One half of the real prints against the other half, the synthetic ones and the controls.
fn against_controls(
    real: &Prints,
    synthetic: &[Minutiae],
    scale: f64,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Control>> {
    let [half, other] = real.halves(seed).map(|half| half.sample(CONTROL, seed));
    let count = half.len();
    let half = minutiae_of(&half, scale, "one half of the real", reporter)?;
    let sets = [
        ("real, the other half", other.clone()),
        ("procedural prints", controls::procedural(count.max(1), real.size, seed, reporter)?),
        ("real, blurred", controls::blurred(&other)?),
        ("white noise", controls::noise(count, real.size, seed)?),
    ];
    let mut compared = Vec::new();
    for (name, prints) in sets {
        let found = minutiae_of(&prints, scale, name, reporter)?;
        compared.push(Control::new(name, &half, &found)?);
    }
    let own = &synthetic[..synthetic.len().min(count)];
    compared.insert(1, Control::new("synthetic", &half, own)?);
    Ok(compared)
}
