//! The file of weights: safetensors with a [`Card`], trusted in nothing.

use super::card::{Card, NAME};
use crate::error::{Error, Result};
use crate::fsx;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// A tensor with its name in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    /// As [`Network::names`](crate::model::Network::names) has it.
    pub name: String,
    pub shape: Vec<usize>,
    /// In PyTorch's order.
    pub values: Vec<f32>,
}

/// The largest file that is read; one of these has about 1.5 MB.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// The bytes of a file; the checksum is filled in.
///
/// # Errors
/// [`Error::NonFinite`] if a weight is no number, [`Error::Checkpoint`] if the card cannot be written.
pub(super) fn encode(card: &Card, tensors: &[Weights], origin: &Path) -> Result<Vec<u8>> {
    let mut sorted: Vec<(&Weights, Vec<u8>)> = tensors
        .iter()
        .map(|t| (t, t.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    // The file's own order, over which the checksum runs.
    sorted.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    if let Some((bad, _)) = sorted.iter().find(|(t, _)| t.values.iter().any(|v| !v.is_finite())) {
        return Err(Error::NonFinite { place: format!("the print features' {}", bad.name) });
    }
    let failed = |reason: String| Error::checkpoint(origin, reason);
    let text = |crc32c: u32| {
        serde_json::to_string(&Card { crc32c, ..card.clone() }).map_err(|e| failed(e.to_string()))
    };
    let sum = checksum(&text(0)?, sorted.iter().map(|(_, bytes)| bytes.as_slice()));
    let views: Vec<(&str, TensorView<'_>)> = sorted
        .iter()
        .map(|(t, bytes)| {
            TensorView::new(Dtype::F32, t.shape.clone(), bytes).map(|v| (t.name.as_str(), v))
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| failed(e.to_string()))?;
    let metadata = HashMap::from([(Card::KEY.to_owned(), text(sum)?)]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| failed(e.to_string()))
}

/// Writes a file whole or not at all; returns the card as whoever reads it finds it.
///
/// # Errors
/// As [`encode`]; [`Error::Io`] if the file cannot be written.
pub(super) fn write(path: &Path, card: &Card, tensors: &[Weights]) -> Result<Card> {
    let bytes = encode(card, tensors, path)?;
    let (card, _) = decode(&bytes, path)?;
    fsx::write_bytes_atomically(path, &bytes)?;
    Ok(card)
}

/// The card and the tensors, by name. `origin` is what errors call the file.
///
/// # Errors
/// [`Error::Checkpoint`] that says what is wrong: not a whole safetensors file, without a card, of another
/// version, damaged, a weight that is no number or a negative variance.
pub(super) fn decode(bytes: &[u8], origin: &Path) -> Result<(Card, Vec<Weights>)> {
    let bad = |reason: String| Error::checkpoint(origin, reason);
    let foreign = |e: safetensors::SafeTensorError| {
        bad(format!(
            "is no file of {NAME}, or a damaged one: {e}; train one with `dermaglyph features train`"
        ))
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(foreign)?;
    let json = metadata.metadata().as_ref().and_then(|map| map.get(Card::KEY)).ok_or_else(|| {
        bad(format!("is no file of {NAME}: it has no \"{}\" metadata; train one with `dermaglyph features train`", Card::KEY))
    })?;
    let card = parse_card(json).map_err(bad)?;
    let file = SafeTensors::deserialize(bytes).map_err(foreign)?;
    let mut names: Vec<&str> = file.names();
    names.sort_unstable();
    let views: Vec<TensorView<'_>> =
        names.iter().map(|name| file.tensor(name).map_err(foreign)).collect::<Result<_>>()?;
    let found = checksum(json, views.iter().map(TensorView::data));
    if found != card.crc32c {
        return Err(bad(format!(
            "is damaged: its checksum is {found:08x}, it was written with {:08x}; fetch it again or train it",
            card.crc32c
        )));
    }
    let tensors = names
        .iter()
        .zip(&views)
        .map(|(name, view)| tensor(name, view).map_err(bad))
        .collect::<Result<_>>()?;
    Ok((card, tensors))
}

fn parse_card(json: &str) -> std::result::Result<Card, String> {
    // The version first: a later one may have other fields.
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let unreadable = |e| format!("its card cannot be read: {e}");
    let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
    if version != Card::VERSION {
        return Err(format!(
            "holds {NAME} of version {version}; this build reads version {}, train those with `dermaglyph features \
             train`",
            Card::VERSION
        ));
    }
    serde_json::from_str(json).map_err(unreadable)
}

fn tensor(name: &str, view: &TensorView<'_>) -> std::result::Result<Weights, String> {
    if view.dtype() != Dtype::F32 {
        return Err(format!("the tensor {name} is of type {:?}, expected F32", view.dtype()));
    }
    let (words, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|&w| f32::from_le_bytes(w)).collect();
    let variance = name.ends_with("running_var");
    if let Some(i) = values.iter().position(|v| !v.is_finite() || (variance && *v < 0.0)) {
        return Err(format!(
            "the tensor {name} holds {} at index {i}, expected a finite number{}",
            values[i],
            if variance { ", 0 or above" } else { "" }
        ));
    }
    Ok(Weights { name: name.to_owned(), shape: view.shape().to_vec(), values })
}

/// CRC-32C over the tensors' bytes, in the order given, and the card's text as it lies, with a 0 for its last
/// field, the checksum.
fn checksum<'a>(card: &str, bytes: impl Iterator<Item = &'a [u8]>) -> u32 {
    const FIELD: &str = ",\"crc32c\":";
    let before = card.rfind(FIELD).map_or(card, |at| &card[..at]);
    let tensors = bytes.fold(0, crc32c::crc32c_append);
    let text = crc32c::crc32c_append(tensors, before.as_bytes());
    crc32c::crc32c_append(text, format!("{FIELD}0}}").as_bytes())
}
