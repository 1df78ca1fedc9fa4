//! What the heads should say, and how wrong they are.
//!
//! With o the outputs of one picture, t the targets, p = softmax of the class logits, s = σ(o_print):
//!
//! ```text
//! class     w · (ln Σ eᵒ − o_class)                     ∂/∂oᵢ = w · (pᵢ − [i = class])
//! print     w · (max(o, 0) − t o + ln(1 + e^−|o|))      ∂/∂o  = w · (s − t)
//! measures  w · ½ (o − t)²                              ∂/∂o  = w · (o − t)
//! flow      w · ½ Σ (o − t)² / (number of known cells)  ∂/∂o  = w · (o − t) / (known cells)
//! ```
//!
//! The loss of a batch is the mean over its pictures. What is unknown about a picture has no loss and no
//! gradient: of what is not a print, only that it is none is known.

use super::network::{CELLS, CLASSES, FLOW, Measure, OUTPUTS, PRINT, sigmoid, softmax};

/// What is known about one picture: everything about a print, nothing about something else.
pub(super) type Target = Option<PrintTarget>;

/// What is known about one print, as it is shown to the network.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PrintTarget {
    /// Index in [`HenryClass::ALL`](crate::data::procedural::HenryClass::ALL).
    pub class: usize,
    /// The value of each of [`Measure::ALL`], in its own unit, where it is known.
    pub measures: [Option<f64>; Measure::ALL.len()],
    /// Mean (cos 2θ, sin 2θ) of each cell with enough of the finger in it.
    pub flow: [Option<[f64; 2]>; CELLS * CELLS],
}

/// The parts of a loss, weighted; a batch's are means.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Parts {
    pub class: f64,
    pub print: f64,
    pub measures: f64,
    pub flow: f64,
}

impl Parts {
    /// The loss.
    pub fn total(&self) -> f64 {
        self.class + self.print + self.measures + self.flow
    }

    /// Adds `other` · `factor`.
    pub fn add(&mut self, other: &Self, factor: f64) {
        self.class += factor * other.class;
        self.print += factor * other.print;
        self.measures += factor * other.measures;
        self.flow += factor * other.flow;
    }
}

const CLASS_WEIGHT: f64 = 1.0;
const PRINT_WEIGHT: f64 = 0.5;
const FLOW_WEIGHT: f64 = 2.0;

/// The weight of a measure: how much its share of the features is worth.
const fn weight(measure: Measure) -> f64 {
    match measure {
        Measure::LogPeriod | Measure::Blur | Measure::Noise => 0.5,
        Measure::Pressure | Measure::Contact => 0.25,
        // The print shows it least.
        Measure::Dryness => 0.1,
    }
}

/// Writes the gradient of the mean loss over `outputs`, `[targets.len(), OUTPUTS]`, into `gradient`.
pub(super) fn batch(outputs: &[f32], targets: &[Target], gradient: &mut [f32]) -> Parts {
    let share = 1.0 / targets.len() as f64;
    let mut mean = Parts::default();
    let (rows, _) = outputs.as_chunks::<OUTPUTS>();
    let (gradients, _) = gradient.as_chunks_mut::<OUTPUTS>();
    for ((row, target), gradient) in rows.iter().zip(targets).zip(gradients) {
        let (parts, exact) = one(&row.map(f64::from), target);
        mean.add(&parts, share);
        *gradient = exact.map(|g| (g * share) as f32);
    }
    mean
}

/// The loss of one picture and its gradient.
fn one(o: &[f64; OUTPUTS], target: &Target) -> (Parts, [f64; OUTPUTS]) {
    let mut gradient = [0.0; OUTPUTS];
    let mut parts = Parts::default();
    let label = if target.is_some() { 1.0 } else { 0.0 };
    let z = o[PRINT];
    parts.print = PRINT_WEIGHT * (z.max(0.0) - label * z + (-z.abs()).exp().ln_1p());
    gradient[PRINT] = PRINT_WEIGHT * (sigmoid(z) - label);
    if let Some(print) = target {
        parts.class = class(o, print.class, &mut gradient);
        for (measure, value) in Measure::ALL.into_iter().zip(&print.measures) {
            let Some(value) = value else { continue };
            let i = measure.index();
            let off = o[i] - measure.encode(*value);
            parts.measures += weight(measure) * 0.5 * off * off;
            gradient[i] = weight(measure) * off;
        }
        parts.flow = flow(o, &print.flow, &mut gradient);
    }
    (parts, gradient)
}

/// Cross-entropy.
fn class(o: &[f64; OUTPUTS], class: usize, gradient: &mut [f64; OUTPUTS]) -> f64 {
    let logits: [f64; CLASSES] = std::array::from_fn(|i| o[i]);
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = largest + logits.iter().map(|z| (z - largest).exp()).sum::<f64>().ln();
    for (i, p) in softmax(&logits).into_iter().enumerate() {
        gradient[i] = CLASS_WEIGHT * (p - if i == class { 1.0 } else { 0.0 });
    }
    CLASS_WEIGHT * (log_sum - logits[class])
}

fn flow(
    o: &[f64; OUTPUTS],
    cells: &[Option<[f64; 2]>; CELLS * CELLS],
    gradient: &mut [f64; OUTPUTS],
) -> f64 {
    let known = cells.iter().flatten().count();
    let share = FLOW_WEIGHT / known.max(1) as f64;
    let mut loss = 0.0;
    for (cell, target) in cells.iter().enumerate() {
        let Some(target) = target else { continue };
        for (k, t) in target.iter().enumerate() {
            let i = FLOW + 2 * cell + k;
            let off = o[i] - t;
            loss += share * 0.5 * off * off;
            gradient[i] = share * off;
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Philox, Stream};

    fn numbers(row: u32) -> [f64; OUTPUTS] {
        let mut z = [0.0; OUTPUTS];
        Philox::new(3).fill_normal(Stream::FeatureSet, 0, row, &mut z);
        z.map(|v| 1.7 * v)
    }

    fn print(row: u32) -> Target {
        let n = numbers(row);
        let mut flow = std::array::from_fn(|cell| Some([n[cell], n[cell + 9]]));
        flow[row as usize % 9] = None;
        let mut measures = std::array::from_fn(|i| Some(3.0 + n[i]));
        measures[row as usize % 6] = None;
        Some(PrintTarget { class: row as usize % 5, measures, flow })
    }

    /// Central differences in f64: the error is h²/6 of the third derivative and the rounding 1e-16/h.
    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        for (row, target) in [(11, print(21)), (12, print(22)), (13, None)] {
            let o = numbers(row);
            let (_, gradient) = one(&o, &target);
            for i in 0..OUTPUTS {
                let at = |h: f64| {
                    let mut moved = o;
                    moved[i] += h;
                    one(&moved, &target).0.total()
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let off = (slope - gradient[i]).abs();
                assert!(off < 1e-8 * (1.0 + slope.abs()), "{i}: {slope} {}", gradient[i]);
            }
        }
    }

    #[test]
    fn what_is_unknown_costs_nothing() {
        let Some(mut unknown) = print(21) else { unreachable!() };
        unknown.measures = [None; 6];
        unknown.flow = [None; 9];
        let (parts, gradient) = one(&numbers(1), &Some(unknown));
        assert_eq!((parts.measures, parts.flow), (0.0, 0.0));
        assert!(parts.class > 0.0 && parts.print > 0.0);
        assert!(gradient[PRINT + 1..].iter().all(|g| *g == 0.0));
        let (parts, gradient) = one(&numbers(1), &None);
        assert_eq!(parts.total(), parts.print);
        assert!((0..OUTPUTS).all(|i| (gradient[i] != 0.0) == (i == PRINT)));
    }

    /// Certain of the truth there is no loss; at all zeros it is ln 5 and ½ ln 2.
    #[test]
    fn known_values() {
        let target = Some(PrintTarget { class: 2, measures: [None; 6], flow: [None; 9] });
        let mut o = [0.0; OUTPUTS];
        let (parts, _) = one(&o, &target);
        assert!((parts.class - 5f64.ln()).abs() < 1e-15);
        assert!((parts.print - 0.5 * 2f64.ln()).abs() < 1e-15);
        o[2] = 1000.0;
        o[PRINT] = 1000.0;
        assert_eq!(one(&o, &target).0.total(), 0.0);
        o[2] = -1000.0;
        o[PRINT] = -1000.0;
        let (parts, _) = one(&o, &target);
        assert!((parts.class - (1000.0 + 4f64.ln())).abs() < 1e-12);
        assert!((parts.print - 500.0).abs() < 1e-12);
    }

    /// The batch's loss is the mean, its gradient that of the mean.
    #[test]
    fn a_batch_is_the_mean_of_its_pictures() {
        let targets = [print(1), None, print(3)];
        let rows: Vec<[f64; OUTPUTS]> =
            (31..34).map(|r| numbers(r).map(|v| f64::from(v as f32))).collect();
        let outputs: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
        let mut gradient = vec![f32::NAN; outputs.len()];
        let mean = batch(&outputs, &targets, &mut gradient);
        let mut total = 0.0;
        for (r, (row, target)) in rows.iter().zip(&targets).enumerate() {
            let (parts, exact) = one(row, target);
            total += parts.total() / 3.0;
            for i in 0..OUTPUTS {
                let (got, want) = (f64::from(gradient[r * OUTPUTS + i]), exact[i] / 3.0);
                assert!((got - want).abs() <= 1e-7 * want.abs(), "{got} {want}");
            }
        }
        assert!((mean.total() - total).abs() < 1e-12 * total);
    }
}
