//! How fast the `cpu` backend is: results are checked, then timed, beside what the machine can do at
//! most in the same minute.
//!
//! | file | what |
//! |---|---|
//! | `harness.rs` | repeated timing, medians, the peak between the runs |
//! | `roofline.rs` | how many floating-point operations a pass and a step are |
//! | `machine.rs` | what was measured where, when and from which commit |
//! | `step.rs`, `generate.rs` | a whole training step; the generator alone |
//! | `layers.rs`, `pointwise.rs` | every convolution; every op that moves data |
//! | `report.rs` | tables |
//!
//! Rates are *direct-equivalent*: the multiplications of the definition over the time, whatever algorithm
//! ran. So rates of two algorithms compare like their times, and one with fewer multiplications can
//! exceed the peak.

pub mod generate;
pub mod harness;
pub mod layers;
pub mod machine;
pub mod pointwise;
pub mod report;
pub mod roofline;
pub mod step;

use crate::backend::Cpu;
use crate::backend::cpu::Convolutions;
use crate::error::{Error, Result};
use crate::train::Hyper;

pub use harness::Spread;
pub use machine::Machine;
pub use report::Report;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub hyper: Hyper,
    /// `None`: one per core.
    pub threads: Option<usize>,
    pub convolutions: Convolutions,
    /// Timed repetitions; at least one is made.
    pub runs: u32,
}

impl Setup {
    /// The backend that is measured.
    ///
    /// # Errors
    /// As [`Cpu::new`].
    pub fn backend(&self) -> Result<Cpu> {
        self.backend_with(self.convolutions)
    }

    fn backend_with(&self, convolutions: Convolutions) -> Result<Cpu> {
        Ok(Cpu::new(self.threads)?.with_convolutions(convolutions))
    }
}

/// What was computed is wrong, so its time means nothing.
fn wrong(what: impl std::fmt::Display) -> Error {
    Error::Device { device: "cpu".into(), reason: format!("a wrong result: {what}") }
}

/// The larger of two errors; NaN if either is, where `f64::max` would pass over it.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
