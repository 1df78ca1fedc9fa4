//! Many prints at once: rendered on all threads, delivered in order, a few at a time.

use std::ops::{ControlFlow, Range};

use image::GrayImage;
use rayon::prelude::*;

use super::{Finger, HenryClass, Master, SynthLabel, check_size};
use crate::error::{Error, Result};

/// A set of prints: fingers 0, 1, 2 … of a population with the same number of impressions each.
#[derive(Clone, Debug)]
pub struct SynthSet {
    /// Prints in the set. The last finger has fewer impressions where the division leaves a rest.
    pub count: u64,
    /// The population.
    pub seed: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Impressions of each finger, at least 1.
    pub impressions: u32,
    /// One class for all fingers, or by natural frequency.
    pub class: Option<HenryClass>,
}

/// One rendered print.
#[derive(Clone, Debug)]
pub struct SynthPrint {
    pub image: GrayImage,
    pub label: SynthLabel,
}

impl SynthSet {
    /// Fails with what is wrong with the numbers.
    pub fn check(&self) -> Result<()> {
        check_size(self.width, self.height)?;
        if self.count == 0 || self.impressions == 0 {
            return Err(Error::Config(
                "a set of no prints: the count and the impressions must be at least 1".into(),
            ));
        }
        if self.count.div_ceil(u64::from(self.impressions)) > u64::from(u32::MAX) {
            return Err(Error::Config(format!(
                "{} prints of {} impressions each need more than {} fingers",
                self.count,
                self.impressions,
                u32::MAX
            )));
        }
        Ok(())
    }

    /// Renders the set on rayon's current pool and hands the prints to `sink` in order: finger by
    /// finger, impression by impression. Stops early, without an error, when `sink` breaks.
    ///
    /// Only a few prints for each thread are in memory at a time.
    pub fn render(
        &self,
        mut sink: impl FnMut(SynthPrint) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.check()?;
        // Enough prints in flight to keep every thread busy while the slowest of a batch ends.
        let batch = 16 * rayon::current_num_threads() as u64;
        let mut first = 0;
        while first < self.count {
            let last = self.count.min(first.saturating_add(batch));
            for print in self.render_batch(first..last) {
                if sink(print?)?.is_break() {
                    return Ok(());
                }
            }
            first = last;
        }
        Ok(())
    }

    /// Renders some of the set's prints: first their fingers on all threads, then each impression,
    /// so that many impressions of one finger are shared among the threads too.
    fn render_batch(&self, prints: Range<u64>) -> Vec<Result<SynthPrint>> {
        let per_finger = u64::from(self.impressions);
        let first = prints.start / per_finger;
        let fingers = (first..prints.end.div_ceil(per_finger)).into_par_iter();
        let masters: Vec<Master> =
            fingers.map(|finger| self.finger(finger as u32).grow()).collect();
        let render = |print: u64| {
            let master = &masters[(print / per_finger - first) as usize];
            let number = (print % per_finger) as u32 + 1;
            let image = master.impression(number, self.width, self.height)?;
            Ok(SynthPrint { image, label: master.finger().label(number) })
        };
        prints.into_par_iter().map(render).collect()
    }

    fn finger(&self, index: u32) -> Finger {
        match self.class {
            Some(class) => Finger::with_class(self.seed, index, class),
            None => Finger::new(self.seed, index),
        }
    }
}
