//! The standard network for generated images, Inception v3, from a file that the user supplies.
//!
//! Fréchet and kernel distance (FID, KID) compare its 2,048 pooled features, the Inception Score its
//! class probabilities. Its weights are not shipped here: `Network::open` takes any ONNX file with
//! one image as input and such an output, and the file's SHA-256 belongs beside every figure.
//!
//! | file | what it does | needs |
//! |---|---|---|
//! | [`prepare`] | images → the numbers the network was trained on | – |
//! | `network` | those → features and probabilities | feature `onnx` |
//! | [`judge`](mod@judge) | those of two sets → FID, KID, Inception Score | – |
//! | `sets` | two sets of prints → their outputs, judged | feature `onnx` |
//! | `contract` | what a usable file looks like, and what to say about another | feature `onnx` |
//!
//! The runtime (`rten`, pure Rust) costs about two minutes of processor time in a cold build, so it is
//! a feature: `cargo build --features onnx`. Without it [`open`] says so.

#[cfg(feature = "onnx")]
mod contract;
pub mod judge;
#[cfg(feature = "onnx")]
pub mod network;
pub mod prepare;
#[cfg(feature = "onnx")]
mod sets;
#[cfg(all(test, feature = "onnx"))]
mod tests;

#[cfg(feature = "onnx")]
pub use network::{Network, Outputs};
pub use prepare::Preparation;

/// Length of the feature vector, the output of Inception v3's last pooling ("pool3").
pub const FEATURES: usize = 2048;

/// Side of the images that Inception v3 was trained on, in pixels.
pub const SIDE: usize = 299;

use super::prints::Prints;
use crate::data::Reporter;
use crate::error::Result;
use judge::{Choice, Figures};

/// What to tell a user whose program was built without the feature `onnx`.
pub const MISSING: &str = "--inception: this program was built without an ONNX runtime; build it with \
     `cargo build --release --features onnx` (about a minute longer)";

/// Why a report has no such figures when none were asked for.
const NOT_ASKED: &str = "no network was given: FID, KID and the usual Inception Score need the weights of \
     Inception v3, which are not part of this program; give them as an ONNX file with `--inception FILE` to a \
     program built with `cargo build --release --features onnx`";

/// A network that is ready to judge prints.
#[cfg(feature = "onnx")]
pub struct Judge(Network);

/// There is none in a program without the feature `onnx`.
#[cfg(not(feature = "onnx"))]
pub enum Judge {}

/// Opens the network that was asked for, before minutes are spent on anything else; the inner error says why
/// there is none.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) without the feature `onnx`, otherwise as `Network::open`.
#[cfg_attr(not(feature = "onnx"), expect(unused_variables, reason = "nothing can be opened"))]
pub fn open(
    choice: Option<&Choice>,
    threads: Option<usize>,
) -> Result<std::result::Result<Judge, &'static str>> {
    let Some(choice) = choice else { return Ok(Err(NOT_ASKED)) };
    #[cfg(not(feature = "onnx"))]
    return Err(crate::Error::Config(MISSING.into()));
    #[cfg(feature = "onnx")]
    {
        let network = Network::open(&choice.file, choice.preparation)?;
        Ok(Ok(Judge(match threads {
            Some(threads) => network.with_threads(threads),
            None => network,
        })))
    }
}

impl Judge {
    /// Runs both sets through the network and compares them.
    ///
    /// # Errors
    /// As `Network::run`.
    #[cfg_attr(not(feature = "onnx"), expect(unused_variables, reason = "there is no judge"))]
    pub fn judge(
        &self,
        real: &Prints,
        synthetic: &Prints,
        seed: u64,
        reporter: &mut dyn Reporter,
    ) -> Result<Figures> {
        #[cfg(feature = "onnx")]
        return sets::judge(&self.0, real, synthetic, seed, reporter);
        #[cfg(not(feature = "onnx"))]
        match *self {}
    }
}
