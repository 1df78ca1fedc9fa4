//! Match scores of many pairs of prints.

use super::measure::{Measured, Trait};
use super::prints::Prints;
use super::ridges::matcher::{Matcher, Scratch, Template};
use crate::data::Reporter;
use crate::error::Result;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// A print of the first set and one of the second.
pub type Pair = (usize, usize);

/// First prints between two reports of progress.
const CHUNK: usize = 32;

/// The median ridge period of `real` prints in pixels, or why there is none.
pub fn ridge_period(real: &Measured) -> std::result::Result<f64, String> {
    let mut periods = real.values(Trait::RidgePeriod);
    if periods.is_empty() {
        return Err("no real print has ridges that could be matched".into());
    }
    let middle = periods.len() / 2;
    Ok(*periods.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// A matcher for `real` prints of `size` pixels, or why there is none.
pub fn matcher(size: u32, real: &Measured) -> std::result::Result<Matcher, String> {
    let period = ridge_period(real)?;
    Matcher::new(size as usize, size as usize, period.clamp(2.0, 14.0)).map_err(|e| e.to_string())
}

/// The score of each of `pairs`, which are in ascending order: turned first prints against second ones, 0 to 1.
///
/// Only a few first prints are prepared at a time, all second ones at once.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for prints of another size than the matcher's.
pub fn scores(
    matcher: &Matcher,
    first: &Prints,
    second: &Prints,
    pairs: &[Pair],
    what: &str,
    reporter: &mut dyn Reporter,
) -> Result<Vec<f64>> {
    let wanted: BTreeSet<usize> = pairs.iter().map(|pair| pair.1).collect();
    let templates: Vec<Option<Template>> = (0..second.len())
        .into_par_iter()
        .map(|index| {
            wanted.contains(&index).then(|| matcher.template(&second.image(index))).transpose()
        })
        .collect::<Result<_>>()?;
    let runs: Vec<&[Pair]> = pairs.chunk_by(|a, b| a.0 == b.0).collect();
    let mut scores = Vec::with_capacity(pairs.len());
    for (chunk, runs_of_chunk) in runs.chunks(CHUNK).enumerate() {
        reporter.progress(what, chunk * CHUNK, runs.len());
        let found: Vec<Vec<f64>> = runs_of_chunk
            .par_iter()
            .map_init(Scratch::default, |scratch, run| {
                let Some(&(index, _)) = run.first() else { return Ok(Vec::new()) };
                let probe = matcher.probe(&first.image(index))?;
                let templates = run.iter().filter_map(|pair| templates[pair.1].as_ref());
                Ok(templates
                    .map(|template| matcher.compare(&probe, template, scratch).score)
                    .collect())
            })
            .collect::<Result<_>>()?;
        scores.extend(found.into_iter().flatten());
    }
    reporter.progress(what, runs.len(), runs.len());
    Ok(scores)
}
