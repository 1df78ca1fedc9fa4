//! Why a figure is missing: the reason is printed in its place.

use crate::error::{Error, Result};
use serde::Serialize;

/// Why a figure was left out. Its text is one sentence for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum LeftOut {
    /// The figure is not defined, or not worth a line, with so few samples.
    #[error("{metric} needs at least {needs} {of}; there are {has}")]
    TooFew {
        metric: &'static str,
        /// What is counted: "rows", "values", "groups".
        of: &'static str,
        needs: usize,
        has: usize,
    },
    /// There are enough samples, but the figure says nothing about them.
    #[error("{metric} says nothing here: {reason}")]
    Meaningless { metric: &'static str, reason: &'static str },
}

impl LeftOut {
    /// `Ok` where there are at least `needs` of them.
    ///
    /// # Errors
    /// [`LeftOut::TooFew`].
    pub fn unless(
        metric: &'static str,
        of: &'static str,
        needs: usize,
        has: usize,
    ) -> std::result::Result<(), Self> {
        if has < needs { Err(Self::TooFew { metric, of, needs, has }) } else { Ok(()) }
    }
}

/// A figure that cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Print the reason and go on.
    #[error(transparent)]
    LeftOut(#[from] LeftOut),
    /// The input is broken: stop.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A figure, or why there is none.
pub type Judged<T> = std::result::Result<T, Refusal>;

/// Separates what ends the evaluation (the outer error) from what leaves one line out of it (the
/// inner one).
///
/// # Errors
/// The error of [`Refusal::Failed`].
pub fn or_left_out<T>(judged: Judged<T>) -> Result<std::result::Result<T, LeftOut>> {
    match judged {
        Ok(figure) => Ok(Ok(figure)),
        Err(Refusal::LeftOut(reason)) => Ok(Err(reason)),
        Err(Refusal::Failed(error)) => Err(error),
    }
}

impl From<Refusal> for Error {
    /// For callers that cannot go on without the figure.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::LeftOut(reason) => Self::Config(reason.to_string()),
            Refusal::Failed(error) => error,
        }
    }
}

/// # Errors
/// [`Error::NonFinite`] with the position of the first NaN or infinity.
pub(super) fn all_finite(sample: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::NonFinite { place: format!("value {at} of the {sample}") }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_sentence_and_data_for_the_report() {
        let reason = LeftOut::unless("recall", "rows", 6, 5).unwrap_err();
        assert_eq!(reason.to_string(), "recall needs at least 6 rows; there are 5");
        let json = serde_json::to_value(&reason).unwrap();
        assert_eq!(json["why"], "too_few");
        assert_eq!(json["needs"], 6);
        assert!(LeftOut::unless("recall", "rows", 6, 6).is_ok());
    }

    #[test]
    fn only_a_failure_ends_the_evaluation() {
        let reason = LeftOut::Meaningless { metric: "recall", reason: "all rows are equal" };
        let left_out: Judged<f64> = Err(reason.clone().into());
        assert_eq!(or_left_out(left_out).unwrap(), Err(reason.clone()));
        assert_eq!(or_left_out(Ok(1.5)).unwrap(), Ok(1.5));
        let failed: Judged<f64> = Err(all_finite("ages", &[1.0, f64::NAN]).unwrap_err().into());
        let error = or_left_out(failed).unwrap_err();
        assert!(error.to_string().starts_with("value 1 of the ages is a NaN"), "{error}");
        assert_eq!(Error::from(Refusal::from(reason)).exit_code(), 2);
    }
}
