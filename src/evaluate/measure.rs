//! A set of prints → what is measured on each of them.

use super::features::{FEATURES, PrintFeatures};
use super::prints::Prints;
use super::ridges::spectrum::BINS;
use super::ridges::{Measures, RadialSpectrum};
use super::stats::Features;
use crate::data::Reporter;
use crate::data::procedural::HenryClass;
use crate::error::Result;
use image::GrayImage;
use rayon::prelude::*;
use serde::Serialize;

/// Prints that are in memory as images at a time.
const CHUNK: usize = 256;

/// One number of a print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    RidgePeriod,
    Coherence,
    Clarity,
    RidgeShare,
    Foreground,
    Ink,
    Contrast,
}

impl Trait {
    /// All of them, in the report's order.
    pub const ALL: [Self; 7] = [
        Self::RidgePeriod,
        Self::Coherence,
        Self::Clarity,
        Self::RidgeShare,
        Self::Foreground,
        Self::Ink,
        Self::Contrast,
    ];

    /// What it is, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::RidgePeriod => "ridge period, px",
            Self::Coherence => "orientation coherence",
            Self::Clarity => "ridge clarity",
            Self::RidgeShare => "blocks with ridges",
            Self::Foreground => "foreground",
            Self::Ink => "ink in the foreground",
            Self::Contrast => "contrast",
        }
    }

    /// Its value on one print; `None` where the print has none.
    pub fn of(self, measures: &Measures) -> Option<f64> {
        let quality = &measures.quality;
        match self {
            Self::RidgePeriod => measures.period,
            Self::Coherence => measures.coherence,
            Self::Clarity => Some(quality.clarity),
            Self::RidgeShare => Some(quality.ridges),
            Self::Foreground => Some(quality.foreground),
            Self::Ink => Some(quality.ink),
            Self::Contrast => Some(quality.contrast),
        }
    }
}

/// What is measured on a set.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Feature vectors, `[n, 64]`.
    pub features: Features,
    /// Class probabilities, `[n, 5]` in the order of [`HenryClass::ALL`].
    pub classes: Features,
    /// The traits of each print, in the order of [`Trait::ALL`].
    traits: Vec<[Option<f64>; Trait::ALL.len()]>,
    /// Spectra, empty for prints without contrast.
    spectra: Vec<Vec<f64>>,
}

impl Measured {
    /// Measures every print. `what` names the set in reports of progress.
    ///
    /// # Errors
    /// As [`PrintFeatures::of`].
    pub fn of(
        prints: &Prints,
        what: &str,
        network: &mut PrintFeatures,
        reporter: &mut dyn Reporter,
    ) -> Result<Self> {
        let (mut features, mut classes) = (Vec::new(), Vec::new());
        let (mut traits, mut spectra) = (Vec::new(), Vec::new());
        let what = format!("measuring {what}");
        for first in (0..prints.len()).step_by(CHUNK) {
            reporter.progress(&what, first, prints.len());
            let last = prints.len().min(first + CHUNK);
            let images: Vec<GrayImage> = (first..last).map(|index| prints.image(index)).collect();
            for output in network.of(&images)? {
                features.extend(output.features);
                classes.extend(output.class_probabilities);
            }
            let measured: Vec<Measures> = images.par_iter().map(Measures::of).collect();
            for print in &measured {
                traits.push(Trait::ALL.map(|quantity| quantity.of(print)));
                spectra.push(print.spectrum.as_ref().map_or(vec![], |s| s.shares().to_vec()));
            }
        }
        reporter.progress(&what, prints.len(), prints.len());
        Ok(Self {
            features: Features::new(FEATURES, features)?,
            classes: Features::new(HenryClass::ALL.len(), classes)?,
            traits,
            spectra,
        })
    }

    /// Number of prints.
    pub fn len(&self) -> usize {
        self.traits.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.traits.is_empty()
    }

    /// The prints `indices`, in their order.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            features: self.features.select(indices),
            classes: self.classes.select(indices),
            traits: indices.iter().map(|&index| self.traits[index]).collect(),
            spectra: indices.iter().map(|&index| self.spectra[index].clone()).collect(),
        }
    }

    /// The values of a trait over the prints that have one.
    pub fn values(&self, quantity: Trait) -> Vec<f64> {
        let at = quantity as usize;
        self.traits.iter().filter_map(|traits| traits[at]).collect()
    }

    /// The mean share of the variance at each frequency, cycles per pixel; `None` if no print has contrast.
    pub fn spectrum(&self) -> Option<Vec<(f64, f64)>> {
        let present: Vec<&Vec<f64>> = self.spectra.iter().filter(|s| !s.is_empty()).collect();
        if present.is_empty() {
            return None;
        }
        let mean = |bin: usize| present.iter().map(|s| s[bin]).sum::<f64>() / present.len() as f64;
        Some((0..BINS).map(|bin| (RadialSpectrum::frequency(bin), mean(bin))).collect())
    }

    /// The share of prints whose likeliest class is each of [`HenryClass::ALL`].
    pub fn class_shares(&self) -> [f64; HenryClass::ALL.len()] {
        let mut shares = [0.0; HenryClass::ALL.len()];
        for row in self.classes.rows() {
            let likeliest = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            if let Some(share) = likeliest.and_then(|class| shares.get_mut(class)) {
                *share += 1.0 / self.len() as f64;
            }
        }
        shares
    }
}
