//! Scales: their range, their ticks, and where a value stands.

use super::Axis;
use crate::evaluate::report::number::{fixed, power_of_ten, scientific};

/// A scale with its range. Positions are from 0 at its start to 1 at its end.
#[derive(Clone, Debug)]
pub struct Scale {
    log: bool,
    /// The ends; of a logarithmic scale, their logarithms to base 10.
    low: f64,
    high: f64,
}

/// Room between the data and the ends, as a share of the data's range.
const MARGIN: f64 = 0.04;

impl Scale {
    /// A scale that holds all `values`, which are finite, and positive if it is logarithmic. If
    /// `from_zero`, a linear scale holds zero too, and ends there where no value is beyond it.
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>, from_zero: bool) -> Self {
        let seen = |value: f64| if axis.log { value.log10() } else { value };
        let ends = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        let data = values.map(seen).fold((f64::INFINITY, f64::NEG_INFINITY), ends);
        let mut wanted: Vec<f64> =
            axis.at_least.iter().flat_map(|(a, b)| [*a, *b]).map(seen).collect();
        if from_zero && !axis.log {
            wanted.push(0.0);
        }
        let (mut low, mut high) = wanted.iter().copied().fold(data, ends);
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // Numbers so close differ by rounding only, and no tick fits between them.
        let largest = low.abs().max(high.abs());
        if high - low <= 1e-12 * largest || high == low {
            let around = if largest > 0.0 { largest / 20.0 } else { 0.5 };
            return Self { log: axis.log, low: low - around, high: high + around };
        }
        let margin = MARGIN * (high - low);
        let given = |end: f64| wanted.contains(&end);
        Self {
            log: axis.log,
            low: if given(low) { low } else { low - margin },
            high: if given(high) { high } else { high + margin },
        }
    }

    /// A linear scale with these ends.
    pub fn between(low: f64, high: f64) -> Self {
        Self { log: false, low, high }
    }

    /// Where a value stands. What a logarithmic scale cannot show stands at its start.
    pub fn place(&self, value: f64) -> f64 {
        let value = match (self.log, value > 0.0) {
            (false, _) => value,
            (true, true) => value.log10(),
            (true, false) => self.low,
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Round values within the scale and their labels, about `most` of them at most.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let most = most.max(2);
        if self.log { self.log_ticks(most) } else { linear_ticks(self.low, self.high, most) }
    }

    fn log_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        let decades = usize::try_from(last - first + 1).unwrap_or(0);
        if decades >= 3 || (decades == 2 && most < 4) {
            let every = decades.div_ceil(most);
            let exponents = (first..=last).step_by(every);
            return exponents.map(|e| (10f64.powi(e), power_of_ten(e))).collect();
        }
        let within = |tick: &f64| (self.low..=self.high).contains(&tick.log10());
        let ticks: Vec<f64> = (first - 1..=last)
            .flat_map(|e| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(e)))
            .filter(within)
            .collect();
        if ticks.len() < 3 {
            return linear_ticks(10f64.powf(self.low), 10f64.powf(self.high), most);
        }
        let label = |tick: f64| match tick.log10().floor() as i32 {
            e @ -4..=5 => fixed(tick, usize::try_from(-e).unwrap_or(0)),
            _ => scientific(tick, 0),
        };
        ticks.into_iter().map(|tick| (tick, label(tick))).collect()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let least = (high - low) / most as f64;
    let power = 10f64.powf(least.log10().floor());
    let round = [1.0, 2.0, 5.0].map(|factor| factor * power);
    let step = round.into_iter().find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(10.0 * power);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
    let label = |tick: f64| match low.abs().max(high.abs()) {
        largest if largest < 1e7 && decimals <= 5 => fixed(tick, decimals),
        _ if tick == 0.0 => "0".into(),
        largest => {
            let digits = (largest / step).log10().ceil().clamp(0.0, 6.0) as usize;
            scientific(tick, digits.saturating_sub(1))
        }
    };
    (first..=last).map(|k| k as f64 * step).map(|tick| (tick, label(tick))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, most: usize) -> Vec<String> {
        scale.ticks(most).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(
            labels(&Scale::between(0.0, 1.0), 5),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels(&Scale::between(-12.0, 31.0), 5), ["−10", "0", "10", "20", "30"]);
        assert_eq!(
            labels(&Scale::between(0.0, 2600.0), 6),
            ["0", "500", "1,000", "1,500", "2,000", "2,500"]
        );
        assert_eq!(labels(&Scale::between(0.0, 3e9), 3), ["0", "1·10⁹", "2·10⁹", "3·10⁹"]);
        let tiny = labels(&Scale::between(0.0, 2.4e-7), 3);
        assert_eq!(tiny, ["0", "1·10⁻⁷", "2·10⁻⁷"]);
    }

    #[test]
    fn log_ticks_are_powers_or_their_simple_multiples() {
        let scale = |low, high| Scale::new(&Axis::log(""), [low, high].into_iter(), false);
        assert_eq!(labels(&scale(1e-4, 12.0), 9), ["10⁻⁴", "0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(labels(&scale(1e-20, 1.0), 5), ["10⁻²⁰", "10⁻¹⁵", "10⁻¹⁰", "10⁻⁵", "1"]);
        assert_eq!(labels(&scale(1.5, 60.0), 9), ["2", "5", "10", "20", "50"]);
        assert_eq!(labels(&scale(0.3, 0.34), 4), ["0.30", "0.32", "0.34"]);
    }

    #[test]
    fn every_value_has_its_place() {
        let values = [-3.25, 8.0, 100.5];
        let scale = Scale::new(&Axis::new(""), values.into_iter(), false);
        let (low, high) = (scale.place(-3.25), scale.place(100.5));
        assert!(low > 0.01 && high < 0.99 && low < high);
        let share = (8.0 + 3.25) / (100.5 + 3.25);
        assert!((scale.place(8.0) - (low + (high - low) * share)).abs() < 1e-12);

        let log = Scale::new(&Axis::log("").showing(0.01, 100.0), [1.0].into_iter(), false);
        for (value, place) in [(0.01, 0.0), (0.1, 0.25), (1.0, 0.5), (100.0, 1.0), (0.0, 0.0)] {
            assert!((log.place(value) - place).abs() < 1e-12, "{value}");
        }
        let zero = Scale::new(&Axis::new(""), [2.0, 4.0].into_iter(), true);
        assert_eq!(zero.place(0.0), 0.0);
    }

    #[test]
    fn a_single_value_and_none_have_scales() {
        for values in [vec![], vec![0.0], vec![7.0], vec![-1e15, -1e15 - 0.125], vec![1e30, -1e30]]
        {
            let scale = Scale::new(&Axis::new(""), values.iter().copied(), false);
            let ticks = scale.ticks(5);
            assert!((2..=7).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!(values.iter().all(|v| (0.0..=1.0).contains(&scale.place(*v))));
        }
    }
}
