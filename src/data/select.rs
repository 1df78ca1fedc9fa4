//! Which of the files found are trained on, and in which order.

use super::DataConfig;
use super::socofing::{Alteration, AlteredLevel, SocofingName};
use super::source::{Candidate, Listing};
use crate::error::{Error, Result};
use std::path::Path;

/// A file that will be decoded, with what its name and folder say.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub candidate: Candidate,
    pub print: Option<SocofingName>,
    pub level: Option<AlteredLevel>,
}

/// Chooses from a listing.
///
/// If at least half of the images have SOCOFing's names, the set is taken for SOCOFing: `Real` and
/// the altered sets asked for are used, in the order of level, subject, hand and finger, so that the
/// folder and the zip give the same order; images with other names are rejected. Otherwise every
/// image is used, in the order of paths.
///
/// # Errors
/// If nothing is left to use, with what there is instead.
pub fn select(root: &Path, listing: &mut Listing, config: &DataConfig) -> Result<Vec<Chosen>> {
    let found = std::mem::take(&mut listing.candidates);
    let total = found.len();
    if total == 0 && listing.rejected.is_empty() {
        return Err(Error::data(
            root,
            format!(
                "holds no images; PNG, JPEG, BMP and TIFF files are read ({} other files seen)",
                listing.ignored
            ),
        ));
    }
    let (named, others): (Vec<Chosen>, Vec<Chosen>) = found
        .into_iter()
        .map(|candidate| {
            let print = SocofingName::parse(candidate.file_name());
            let level = AlteredLevel::from_path(&candidate.name).or_else(|| level_of_root(root));
            Chosen { candidate, print, level }
        })
        .partition(|chosen| chosen.print.is_some());
    if named.len() * 2 < total {
        let plain = |chosen: Chosen| Chosen { print: None, level: None, ..chosen };
        let mut all: Vec<Chosen> = named.into_iter().chain(others).map(plain).collect();
        all.sort_by(|a, b| a.candidate.name.cmp(&b.candidate.name));
        return Ok(all);
    }
    for other in others {
        let reason = "is not named as SOCOFing's files are, but most images here are";
        listing.rejected.push((root.join(&other.candidate.name), reason.into()));
    }
    let mut chosen: Vec<Chosen> =
        named.into_iter().filter_map(|chosen| wanted(chosen, config)).collect();
    if chosen.is_empty() && total > 0 {
        return Err(Error::data(
            root,
            "holds only altered prints, which are not used unless asked for; \
             name their sets (easy, medium, hard) or give the folder of real ones",
        ));
    }
    chosen.sort_by(|a, b| key(a).cmp(&key(b)));
    let before = chosen.len();
    chosen.dedup_by(|later, first| (later.level, later.print) == (first.level, first.print));
    if chosen.len() < before {
        let repeated = before - chosen.len();
        let root = root.display();
        listing.notes.push(format!(
            "{root}: {repeated} files repeat the name of another; the first by path counts"
        ));
    }
    Ok(chosen)
}

/// Real prints always, altered ones if their level is asked for. Altered prints outside of folders
/// that state a level count as any level.
fn wanted(chosen: Chosen, config: &DataConfig) -> Option<Chosen> {
    let print = chosen.print?;
    if print.alteration == Alteration::None {
        return Some(Chosen { level: None, ..chosen });
    }
    let asked = match chosen.level {
        Some(level) => config.altered.contains(&level),
        None => !config.altered.is_empty(),
    };
    asked.then_some(chosen)
}

fn key(chosen: &Chosen) -> (Option<AlteredLevel>, Option<SocofingName>, &str) {
    (chosen.level, chosen.print, &chosen.candidate.name)
}

/// The level that the source's own name states: someone may point at `Altered-Easy` itself.
fn level_of_root(root: &Path) -> Option<AlteredLevel> {
    AlteredLevel::from_path(&root.file_stem()?.to_string_lossy())
}
