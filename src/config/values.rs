//! Values of flags that are more than a number: how often, how many, on which machine.

use crate::sample::grid::Grid;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// How often something happens during training.
///
/// Written `2` or `2 epochs`, `100 steps`, or `never`; spaces are optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    Never,
    Epochs(u32),
    Steps(u32),
}

impl Every {
    /// Whether it is due after `step` finished steps.
    pub fn due(self, step: u64, steps_per_epoch: u64) -> bool {
        let period = match self {
            Self::Never => return false,
            Self::Epochs(n) => u64::from(n).saturating_mul(steps_per_epoch),
            Self::Steps(n) => u64::from(n),
        };
        step.checked_rem(period) == Some(0)
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Epochs(1) => f.write_str("1 epoch"),
            Self::Epochs(n) => write!(f, "{n} epochs"),
            Self::Steps(1) => f.write_str("1 step"),
            Self::Steps(n) => write!(f, "{n} steps"),
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "never" || text == "0" {
            return Ok(Self::Never);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number = number.parse::<u32>().ok().filter(|&n| n > 0);
        match (number, unit.trim()) {
            (Some(n), "" | "e" | "epoch" | "epochs") => Ok(Self::Epochs(n)),
            (Some(n), "s" | "step" | "steps") => Ok(Self::Steps(n)),
            _ => Err("expected a number of epochs such as \"1\", steps such as \"100steps\", \
                      or \"never\""
                .to_owned()),
        }
    }
}

/// The machine a run computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The fastest one that is there.
    Auto,
    /// f64 loops on one core: the oracle, slow.
    Reference,
    /// f32 on every core.
    Cpu,
    /// A CUDA device by its index.
    Cuda(u32),
    /// The software CUDA device.
    Software,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Reference => f.write_str("reference"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Software => f.write_str("software"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = match text {
            "auto" => Some(Self::Auto),
            "reference" => Some(Self::Reference),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            "software" => Some(Self::Software),
            _ => text.strip_prefix("cuda:").and_then(|n| n.parse().ok()).map(Self::Cuda),
        };
        known.ok_or_else(|| "expected auto, cpu, reference, cuda, cuda:N or software".to_owned())
    }
}

/// Serialises a type as its `Display` text and reads it back by `FromStr`.
macro_rules! serde_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextVisitor(std::marker::PhantomData))
            }
        }
    )*};
}
serde_as_text!(Every, Grid, Device);

/// Accepts a string, or a bare non-negative integer as its digits (`sample_every = 2`).
struct TextVisitor<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}
