//! How well the network does on prints that it was not trained on.

use super::PrintFeatures;
use super::augment::changed;
use super::draw::Drawn;
use super::foreign::Foreign;
use super::loss::PrintTarget;
use super::network::{CELLS, CLASSES, Measure, Output};
use super::pixels::Square;
use crate::backend::Backend;
use crate::data::procedural::HenryClass;
use crate::error::Result;
use crate::rng::{Sequence, Stream};
use serde::{Deserialize, Serialize};

/// The rows of [`Stream::FeatureAugment`] that judging draws from; epochs count from 0.
const DEGRADED: u32 = u32::MAX;
const FOREIGN: u32 = u32::MAX - 1;
/// Cells whose ridges run less parallel than this have no direction to be wrong about.
const COHERENT: f64 = 0.8;
/// Prints that one pass of judging holds as squares.
const CHUNK: usize = 256;

/// Figures on held-out prints. Errors are means of absolute differences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Prints judged, all classes as frequent; as many again degraded, and as many that are no prints.
    pub prints: u32,
    /// Share of the prints whose class is found, 0 to 1.
    pub class_accuracy: f64,
    /// The same if classes were as frequent as in nature: Σ frequency · recall.
    pub class_accuracy_natural: f64,
    /// The same for blurred, noisy, faded, moved and mirrored prints.
    pub class_accuracy_degraded: f64,
    /// Row: the class; column: the class found; in the order of [`HenryClass::ALL`].
    pub confusion: [[u32; CLASSES]; CLASSES],
    /// Mean error of the ridge period in per cent.
    pub period_error_percent: f64,
    /// 95 % of the prints are within this.
    pub period_error_percent_p95: f64,
    /// Mean error of the ridges' direction in the middle cell, degrees, where the coherence is at least 0.8.
    pub orientation_error_degrees: f64,
    /// The same over all nine cells.
    pub flow_error_degrees: f64,
    /// Mean error of the blur on degraded prints, pixels of the square.
    pub blur_error: f64,
    /// Mean error of the noise on degraded prints, grey levels.
    pub noise_error: f64,
    /// Mean error of the pressure.
    pub pressure_error: f64,
    /// Mean error of the dryness.
    pub dryness_error: f64,
    /// Mean error of the share of the square that the finger touches.
    pub contact_error: f64,
    /// Area under the curve of prints against the rest: the share of pairs of a print (degraded or not) and
    /// something else in which the print has the higher probability.
    pub print_auc: f64,
    /// What is no print, and the share of it that is given a probability above ½.
    pub foreign_accepted: Vec<(String, f64)>,
}

impl Scores {
    /// Rounds every figure.
    fn round(&mut self) {
        let figures = [
            &mut self.class_accuracy,
            &mut self.class_accuracy_natural,
            &mut self.class_accuracy_degraded,
            &mut self.period_error_percent,
            &mut self.period_error_percent_p95,
            &mut self.orientation_error_degrees,
            &mut self.flow_error_degrees,
            &mut self.blur_error,
            &mut self.noise_error,
            &mut self.pressure_error,
            &mut self.dryness_error,
            &mut self.contact_error,
            &mut self.print_auc,
        ];
        let shares = self.foreign_accepted.iter_mut().map(|(_, share)| share);
        figures.into_iter().chain(shares).for_each(|figure| *figure = rounded(*figure));
    }
}

/// To six decimals: more say nothing, and so few come back from a text exactly.
pub(super) fn rounded(figure: f64) -> f64 {
    (1e6 * figure).round() / 1e6
}

/// A mean that is built up.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// Judges the network on `drawn`, on the same prints degraded and on what is no print.
pub(super) fn judge<B: Backend>(
    features: &mut PrintFeatures<B>,
    seed: u64,
    drawn: &[Drawn],
) -> Result<Scores> {
    let mut scores = Scores { prints: drawn.len() as u32, ..Scores::default() };
    let (mut prints, mut others) = (Vec::new(), Vec::new());
    let plain = |_: u32, d: &Drawn| (Square::from_bytes(&d.pixels), d.target.clone());
    let outputs = run(features, drawn, &mut prints, plain)?;
    judge_plain(&mut scores, &outputs);
    let degraded = |index: u32, d: &Drawn| {
        let mut rng = Sequence::new(seed, Stream::FeatureAugment, DEGRADED, index);
        changed(Square::from_bytes(&d.pixels), &d.target, &mut rng)
    };
    let outputs = run(features, drawn, &mut prints, degraded)?;
    judge_degraded(&mut scores, &outputs);
    let foreign = |index: u32, d: &Drawn| {
        let mut rng = Sequence::new(seed, Stream::FeatureAugment, FOREIGN, index);
        let square = kind(index).draw(&Square::from_bytes(&d.pixels), &mut rng);
        (square, d.target.clone())
    };
    run(features, drawn, &mut others, foreign)?;
    scores.foreign_accepted = accepted(&others);
    scores.print_auc = auc(&prints, &others);
    scores.round();
    Ok(scores)
}

/// The kinds in turn.
fn kind(index: u32) -> Foreign {
    Foreign::ALL[index as usize % Foreign::ALL.len()]
}

/// What the network says about every print as `show` shows it, with the truth; print probabilities are added
/// to `probabilities`.
fn run<B: Backend>(
    features: &mut PrintFeatures<B>,
    drawn: &[Drawn],
    probabilities: &mut Vec<f32>,
    show: impl Fn(u32, &Drawn) -> (Square, PrintTarget),
) -> Result<Vec<(Output, PrintTarget)>> {
    let mut all = Vec::with_capacity(drawn.len());
    let mut index = 0;
    for chunk in drawn.chunks(CHUNK) {
        let mut squares = Vec::with_capacity(chunk.len());
        let mut targets = Vec::with_capacity(chunk.len());
        for d in chunk {
            let (square, target) = show(index, d);
            squares.push(square);
            targets.push(target);
            index += 1;
        }
        let outputs = features.of_squares(&squares)?;
        probabilities.extend(outputs.iter().map(|o| o.print_probability));
        all.extend(outputs.into_iter().zip(targets));
    }
    Ok(all)
}

fn judge_plain(scores: &mut Scores, outputs: &[(Output, PrintTarget)]) {
    let mut periods = Vec::with_capacity(outputs.len());
    let (mut middle, mut cells) = (Mean::default(), Mean::default());
    let mut errors = [Mean::default(); 3];
    for (output, target) in outputs {
        scores.confusion[target.class][output.class() as usize] += 1;
        let truth = |m: Measure| known(target, m);
        if let Some(log_period) = truth(Measure::LogPeriod) {
            periods.push(100.0 * (f64::from(output.period) / log_period.exp() - 1.0).abs());
        }
        let said = [output.pressure, output.dryness, output.contact];
        let measures = [Measure::Pressure, Measure::Dryness, Measure::Contact];
        for ((error, said), measure) in errors.iter_mut().zip(said).zip(measures) {
            if let Some(value) = truth(measure) {
                error.add((f64::from(said) - value).abs());
            }
        }
        for (cell, (said, known)) in output.flow.iter().zip(&target.flow).enumerate() {
            let Some(known) = known.filter(|[c, s]| c.hypot(*s) >= COHERENT) else { continue };
            let error = angle_error(*said, known);
            cells.add(error);
            if cell == CELLS * CELLS / 2 {
                middle.add(error);
            }
        }
    }
    periods.sort_by(f64::total_cmp);
    let mut period = Mean::default();
    periods.iter().for_each(|p| period.add(*p));
    scores.period_error_percent = period.value();
    scores.period_error_percent_p95 =
        periods.get(periods.len() * 95 / 100).copied().unwrap_or_default();
    scores.orientation_error_degrees = middle.value();
    scores.flow_error_degrees = cells.value();
    [scores.pressure_error, scores.dryness_error, scores.contact_error] = errors.map(|e| e.value());
    (scores.class_accuracy, scores.class_accuracy_natural) = accuracies(&scores.confusion);
}

fn judge_degraded(scores: &mut Scores, outputs: &[(Output, PrintTarget)]) {
    let (mut blur, mut noise, mut class) = (Mean::default(), Mean::default(), Mean::default());
    for (output, target) in outputs {
        class.add(if output.class() as usize == target.class { 1.0 } else { 0.0 });
        if let Some(value) = known(target, Measure::Blur) {
            blur.add((f64::from(output.blur) - value).abs());
        }
        if let Some(value) = known(target, Measure::Noise) {
            noise.add((f64::from(output.noise) - value).abs());
        }
    }
    scores.class_accuracy_degraded = class.value();
    scores.blur_error = blur.value();
    scores.noise_error = noise.value();
}

fn known(target: &PrintTarget, measure: Measure) -> Option<f64> {
    let mut values = Measure::ALL.into_iter().zip(target.measures);
    values.find(|(m, _)| *m == measure).and_then(|(_, value)| value)
}

/// The share on the diagonal, and the same with each class as frequent as in nature.
fn accuracies(confusion: &[[u32; CLASSES]; CLASSES]) -> (f64, f64) {
    let (mut right, mut all, mut natural, mut seen) = (0.0, 0.0, 0.0, 0.0);
    for (class, (row, frequency)) in confusion.iter().zip(HenryClass::FREQUENCIES).enumerate() {
        let total: u32 = row.iter().sum();
        right += f64::from(row[class]);
        all += f64::from(total);
        if total > 0 {
            natural += frequency * f64::from(row[class]) / f64::from(total);
            seen += frequency;
        }
    }
    (right / f64::max(all, 1.0), if seen > 0.0 { natural / seen } else { 0.0 })
}

/// The angle between two directions that are given doubled, degrees, 0 to 90.
fn angle_error(said: [f32; 2], known: [f64; 2]) -> f64 {
    let [c, s] = said.map(f64::from);
    let cross = c * known[1] - s * known[0];
    let dot = c * known[0] + s * known[1];
    0.5 * cross.atan2(dot).abs().to_degrees()
}

fn accepted(others: &[f32]) -> Vec<(String, f64)> {
    let share = |(i, kind): (usize, Foreign)| {
        let mut mean = Mean::default();
        let own = others.iter().skip(i).step_by(Foreign::ALL.len());
        own.for_each(|p| mean.add(if *p > 0.5 { 1.0 } else { 0.0 }));
        (kind.name().to_owned(), mean.value())
    };
    Foreign::ALL.into_iter().enumerate().map(share).collect()
}

/// The share of pairs in which the first of the pair is larger, ties counting half: Mann and Whitney's U
/// divided by the number of pairs ("On a test of whether one of two random variables is stochastically
/// larger than the other", Annals of Mathematical Statistics 18, 1947). ½ where a side is empty.
fn auc(higher: &[f32], lower: &[f32]) -> f64 {
    if higher.is_empty() || lower.is_empty() {
        return 0.5;
    }
    let mut sorted = lower.to_vec();
    sorted.sort_by(f32::total_cmp);
    let beaten = |value: &f32| {
        let below = sorted.partition_point(|v| v < value);
        let up_to = sorted.partition_point(|v| v <= value);
        0.5 * (below + up_to) as f64
    };
    higher.iter().map(beaten).sum::<f64>() / (higher.len() as f64 * lower.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_pairs() {
        assert_eq!(auc(&[0.9, 0.8], &[0.1, 0.2, 0.3]), 1.0);
        assert_eq!(auc(&[0.1], &[0.2, 0.3]), 0.0);
        // Pairs: (.5,.5) tie, (.5,.2) won, (.3,.5) lost, (.3,.2) won: 2.5 of 4.
        assert_eq!(auc(&[0.5, 0.3], &[0.5, 0.2]), 0.625);
        assert_eq!(auc(&[], &[0.2]), 0.5);
    }

    #[test]
    fn directions_are_compared_modulo_a_half_turn() {
        let doubled = |degrees: f64| {
            let (s, c) = (2.0 * degrees.to_radians()).sin_cos();
            [c, s]
        };
        for (a, b, error) in [(10.0, 12.0, 2.0), (179.0, 1.0, 2.0), (0.0, 90.0, 90.0)] {
            // A direction's length says nothing of its angle.
            let said = doubled(a).map(|v| 0.3 * v as f32);
            assert!((angle_error(said, doubled(b)) - error).abs() < 1e-4);
        }
    }

    #[test]
    fn natural_frequencies_weigh_the_recalls() {
        let mut confusion = [[0; CLASSES]; CLASSES];
        for (class, row) in confusion.iter_mut().enumerate() {
            row[class] = 8;
            row[(class + 1) % CLASSES] = 2;
        }
        let (plain, natural) = accuracies(&confusion);
        assert!((plain - 0.8).abs() < 1e-12 && (natural - 0.8).abs() < 1e-12);
        // No arch is found: a fifth of the prints here, 3.7 % of them in nature.
        confusion[0] = [0, 10, 0, 0, 0];
        let (plain, natural) = accuracies(&confusion);
        assert!((plain - 0.64).abs() < 1e-12);
        assert!((natural - 0.8 * (1.0 - 0.037)).abs() < 1e-12);
    }
}
