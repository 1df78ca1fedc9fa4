//! A figure of the report, or why it is not there.

use super::stats::refusal::or_left_out;
use super::stats::{Judged, LeftOut};
use crate::error::Result;
use serde::Serialize;

/// A figure, or the reason for which it was left out: never a silent number.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Outcome<T> {
    Given(T),
    Missing { missing: String },
}

impl<T> Outcome<T> {
    /// A figure of [`stats`](super::stats).
    ///
    /// # Errors
    /// What ends an evaluation: broken numbers, not too few of them.
    pub fn of(judged: Judged<T>) -> Result<Self> {
        Ok(or_left_out(judged)?.into())
    }

    /// No figure, for this reason.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self::Missing { missing: reason.into() }
    }

    /// The figure, or the reason.
    pub fn get(&self) -> std::result::Result<&T, &str> {
        match self {
            Self::Given(figure) => Ok(figure),
            Self::Missing { missing } => Err(missing),
        }
    }

    /// The figure made into another; a reason stays.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Given(figure) => Outcome::Given(change(figure)),
            Self::Missing { missing } => Outcome::Missing { missing },
        }
    }
}

impl<T> From<std::result::Result<T, LeftOut>> for Outcome<T> {
    fn from(figure: std::result::Result<T, LeftOut>) -> Self {
        match figure {
            Ok(figure) => Self::Given(figure),
            Err(reason) => Self::missing(reason.to_string()),
        }
    }
}
