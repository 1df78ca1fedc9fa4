//! Two sets of prints → their minutiae, and those of sets whose judgement is known.

use super::judge::{self, Control, Figures};
use super::points::Minutiae;
use super::{extract, prepare};
use crate::data::Reporter;
use crate::error::Result;
use crate::evaluate::controls::Controls;
use crate::evaluate::matching::Pair;
use crate::evaluate::outcome::Outcome;
use crate::evaluate::prints::{Draw, Prints, choose};
use crate::evaluate::variety;
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

/// Finds and compares minutiae of real and synthetic prints. `period` is the ridge period of the real prints in pixels: both sets are
/// enlarged until it is what MINDTCT is tuned to.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) if the library refuses a print.
pub fn judge(
    [real, synthetic]: [&Prints; 2],
    controls: &Controls,
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
    let controls = against_controls(controls, &found[1], scale, reporter)?;
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

/// One half of the real prints against the other half, the synthetic ones and the controls; some of each.
fn against_controls(
    controls: &Controls,
    synthetic: &[Minutiae],
    scale: f64,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Control>> {
    let some: Vec<usize> = (0..controls.half.len().min(CONTROL)).collect();
    let half = controls.half.subset(&some);
    let half = minutiae_of(&half, scale, "one half of the real", reporter)?;
    let mut compared = Vec::new();
    for (name, prints) in &controls.sets {
        let found = minutiae_of(&prints.subset(&some), scale, name, reporter)?;
        compared.push(Control::new(name, &half, &found)?);
    }
    let own = &synthetic[..synthetic.len().min(some.len())];
    compared.insert(1, Control::new("synthetic", &half, own)?);
    Ok(compared)
}
