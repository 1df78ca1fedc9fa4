//! Repeated timing.

use crate::backend::Cpu;
use crate::error::Result;
use serde::Serialize;
use std::time::Instant;

/// The distribution of a repeated measurement, in whatever unit was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub runs: usize,
}

impl Spread {
    /// Of `values`; all NaN where there is none.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let runs = sorted.len();
        Self {
            median: (at(runs.saturating_sub(1) / 2) + at(runs / 2)) / 2.0,
            min: at(0),
            max: at(runs.saturating_sub(1)),
            runs,
        }
    }

    /// The same measurement in another unit.
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            median: self.median * factor,
            min: self.min * factor,
            max: self.max * factor,
            runs: self.runs,
        }
    }
}

/// Times repeated runs and, between them, the peak of the same minute: a virtual machine's clock is
/// another one a minute later.
pub struct Clock {
    /// Only the peak runs on it.
    cpu: Cpu,
    runs: u32,
    peaks: Vec<f64>,
    /// Seconds of runs since the peak was measured last.
    since: f64,
}

impl Clock {
    /// Seconds of one measurement of the peak.
    const PEAK: f64 = 0.1;
    /// Seconds of runs after which it is measured again.
    const PERIOD: f64 = 0.25;

    /// Times `runs` runs of each op, at least one, beside the peak of `cpu`.
    pub fn new(cpu: Cpu, runs: u32) -> Self {
        Self { cpu, runs, peaks: Vec::new(), since: f64::INFINITY }
    }

    /// Seconds of each run of `op`. The caller has run it once already.
    ///
    /// # Errors
    /// Whatever `op` fails with.
    pub fn time(&mut self, mut op: impl FnMut() -> Result<()>) -> Result<Spread> {
        let mut seconds = Vec::new();
        for _ in 0..self.runs.max(1) {
            if self.since > Self::PERIOD {
                self.peaks.push(self.cpu.fma_peak(Self::PEAK));
                self.since = 0.0;
            }
            let started = Instant::now();
            op()?;
            let elapsed = started.elapsed().as_secs_f64();
            self.since += elapsed;
            seconds.push(elapsed);
        }
        Ok(Spread::of(&seconds))
    }

    /// GFLOP/s of the peak so far.
    pub fn peak(&self) -> Spread {
        Spread::of(&self.peaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_two_middle_ones() {
        let spread = Spread::of(&[3.0, 1.0, 7.0]);
        assert_eq!(spread, Spread { median: 3.0, min: 1.0, max: 7.0, runs: 3 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 9.0]).median, 3.0);
        assert_eq!(Spread::of(&[5.0]), Spread { median: 5.0, min: 5.0, max: 5.0, runs: 1 });
        let none = Spread::of(&[]);
        assert!(none.median.is_nan() && none.min.is_nan() && none.max.is_nan());
        assert_eq!(spread.scaled(2.0).max, 14.0);
    }

    #[test]
    fn every_run_is_made_and_the_peak_is_measured_beside_them() {
        let mut clock = Clock::new(Cpu::new(Some(1)).unwrap(), 3);
        let mut calls = 0;
        let spread = clock.time(|| {
            calls += 1;
            Ok(())
        });
        assert_eq!((calls, spread.unwrap().runs), (3, 3));
        assert_eq!(clock.peak().runs, 1);
        assert!(clock.peak().median > 0.0);
        let mut least = Clock::new(Cpu::new(Some(1)).unwrap(), 0);
        assert_eq!(least.time(|| Ok(())).unwrap().runs, 1);
    }
}
