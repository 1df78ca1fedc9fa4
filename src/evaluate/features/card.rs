//! What a file of print features says about itself.

use super::judge::Scores;
use super::network::{FEATURES, SIDE};
use crate::data::procedural::HenryClass;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name under which figures computed with these features are shown, so that nobody takes them for the
/// ImageNet ones.
pub const NAME: &str = "dermaglyph print features";

/// Where the weights come from and how good they are: one JSON text under the key [`Card::KEY`] of the file's
/// metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// [`NAME`].
    pub name: String,
    /// Of the architecture and the meaning of its outputs; this build reads [`Card::VERSION`]. Distances of
    /// different versions cannot be compared.
    pub version: u32,
    /// When they were trained, as whoever trained them says: YYYY-MM-DD.
    pub date: Option<String>,
    /// The version of this crate that trained them.
    pub crate_version: String,
    /// What the prints, their changes and the first weights were drawn from.
    pub seed: u64,
    /// Prints drawn for training.
    pub prints: u32,
    /// How often each was shown.
    pub epochs: u32,
    /// Mean loss over the last epoch.
    pub loss: f64,
    /// How the network does on prints of fingers it was not trained on.
    pub held_out: Scores,
    /// CRC-32C of the tensors' bytes and of this card with a 0 here.
    pub crc32c: u32,
}

impl Card {
    /// The key in the file's metadata.
    pub const KEY: &str = "dermaglyph-print-features";
    /// The version that this build trains and reads.
    pub const VERSION: u32 = 1;

    /// "dermaglyph print features v1", to stand beside every figure.
    pub fn title(&self) -> String {
        format!("{} v{}", self.name, self.version)
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, prints, epochs, loss, held_out, .. } = self;
        let date = self.date.as_deref().unwrap_or("date not given");
        writeln!(f, "{} ({date}, dermaglyph {})", self.title(), self.crate_version)?;
        writeln!(f, "{FEATURES} numbers for a gray print of {SIDE}x{SIDE} pixels")?;
        writeln!(
            f,
            "trained on {prints} prints from the formula (seed {seed}), {epochs} epochs, last loss {loss:.4}"
        )?;
        write!(f, "{held_out}")
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "on {} prints of fingers not trained on:", self.prints)?;
        writeln!(
            f,
            "  class            {:.1} % right with all classes as frequent, {:.1} % at natural frequencies, \
             {:.1} % of degraded prints",
            100.0 * self.class_accuracy,
            100.0 * self.class_accuracy_natural,
            100.0 * self.class_accuracy_degraded
        )?;
        write!(f, "    {:12}", "is / said")?;
        HenryClass::ALL.iter().try_for_each(|class| write!(f, "{:>13}", class.name()))?;
        writeln!(f)?;
        for (class, row) in HenryClass::ALL.iter().zip(&self.confusion) {
            write!(f, "    {:12}", class.name())?;
            row.iter().try_for_each(|count| write!(f, "{count:>13}"))?;
            writeln!(f)?;
        }
        writeln!(
            f,
            "  ridge period     {:.2} % off on average, {:.2} % at the 95th percentile",
            self.period_error_percent, self.period_error_percent_p95
        )?;
        writeln!(
            f,
            "  orientation      {:.2} degrees off on average in the centre, {:.2} in all cells (coherence from 0.8)",
            self.orientation_error_degrees, self.flow_error_degrees
        )?;
        writeln!(f, "  blur             {:.3} px off on average over 0 to 2 px", self.blur_error)?;
        writeln!(
            f,
            "  noise            {:.2} grey levels off on average over 0 to 60",
            self.noise_error
        )?;
        writeln!(
            f,
            "  pressure, dryness, contact   {:.3}, {:.3}, {:.3} off on average",
            self.pressure_error, self.dryness_error, self.contact_error
        )?;
        write!(f, "  print or not     AUC {:.4}; taken for prints:", self.print_auc)?;
        for (kind, share) in &self.foreign_accepted {
            write!(f, " {kind} {:.1} %", 100.0 * share)?;
        }
        Ok(())
    }
}
