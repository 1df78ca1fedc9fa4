//! Minutiae: where ridges end or fork, as NIST's algorithms find and compare them.
//!
//! | file | what it does | needs |
//! |---|---|---|
//! | [`points`] | the minutiae of one print and what can be counted in them | – |
//! | [`hull`] | the area they span | – |
//! | [`prepare`] | a small print → an image of 500 ppi with a white margin | – |
//! | `extract` | that image → minutiae, by MINDTCT | feature `nbis` |
//! | [`bozorth`] | two prints → a match score, by BOZORTH3 | – |
//! | [`judge`](mod@judge) | two sets → how far they are apart | – |
//! | `sets` | two sets of prints and the controls → their minutiae, judged | feature `nbis` |
//!
//! The library behind `extract` (`nbis-rs`) brings two hundred packages, so it is built only when
//! asked for: `cargo build --features nbis`. Without it [`judge()`](judge()) says so.

pub mod bozorth;
#[cfg(feature = "nbis")]
pub mod extract;
pub mod hull;
pub mod judge;
pub mod points;
pub mod prepare;
#[cfg(feature = "nbis")]
mod sets;
#[cfg(all(test, feature = "nbis"))]
mod tests;

pub use bozorth::match_score;
#[cfg(feature = "nbis")]
pub use extract::extract;
pub use points::{Kind, Minutia, Minutiae};

use super::controls::Controls;
use super::outcome::Outcome;
use super::prints::Prints;
use crate::data::Reporter;
use crate::error::Result;

/// What to tell a user whose program was built without the feature `nbis`.
pub const MISSING: &str = "minutiae and match scores are left out: this program was built without \
     NIST's algorithms; build it with `cargo build --release --features nbis` (needs a C compiler, \
     about 4 minutes longer)";

/// Finds and compares the minutiae of real and synthetic prints, or says how to get a program that can. `period` is the ridge
/// period of the real prints in pixels, or why it is not known.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) if the library refuses a print.
#[cfg_attr(not(feature = "nbis"), expect(unused_variables, reason = "nothing can be looked for"))]
pub fn judge(
    sets: [&Prints; 2],
    controls: &Controls,
    period: std::result::Result<f64, String>,
    seed: u64,
    reporter: &mut dyn Reporter,
) -> Result<Outcome<judge::Figures>> {
    #[cfg(feature = "nbis")]
    return match period {
        Ok(period) => sets::judge(sets, controls, period, seed, reporter),
        Err(reason) => Ok(Outcome::missing(reason)),
    };
    #[cfg(not(feature = "nbis"))]
    Ok(Outcome::missing(MISSING))
}
