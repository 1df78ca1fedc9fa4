//! What a usable ONNX file looks like, and what to say about another.

use super::{FEATURES, SIDE};
use crate::error::{Error, Result};
use rten::{DataType, Dimension, LoadErrorKind, Model, ModelOptions, NodeId, ValueType};
use std::path::Path;

const WANTED: &str = "expected is Inception v3 as one ONNX file with one input of 32-bit floats \
     [batch, 3, height, width] and an output of 2048 features (pool3), of 1000 or 1008 classes, or \
     both";

/// Numbers of classes that a head may have: ImageNet's, or those with TensorFlow's spare ones.
const CLASSES: [usize; 2] = [1000, 1008];

/// Where the images go in.
pub(super) struct Input {
    pub id: NodeId,
    pub name: String,
    /// Height and width in pixels.
    pub side: usize,
    /// Images in a run, if the file fixes that.
    pub batch: Option<usize>,
}

/// What comes out and is of use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Features,
    Classes(usize),
}

impl Role {
    /// The role of an output with these values for each image, if it has one.
    pub fn of(values: usize) -> Option<Self> {
        match values {
            FEATURES => Some(Self::Features),
            count if CLASSES.contains(&count) => Some(Self::Classes(count)),
            _ => None,
        }
    }
}

/// An error that says what was found and what is expected.
pub(super) fn foreign(path: &Path, found: impl std::fmt::Display) -> Error {
    Error::checkpoint(path, format!("{found}; {WANTED}"))
}

/// Reads the network out of the bytes of an ONNX file.
pub(super) fn load(path: &Path, bytes: Vec<u8>) -> Result<Model> {
    // Weights laid out for the matrix products once instead of at each run.
    ModelOptions::with_all_ops().prepack_weights(true).load(bytes).map_err(|error| {
        let what = match error.kind() {
            LoadErrorKind::UnknownFileType | LoadErrorKind::ParseError => {
                "this is not an ONNX file, or it is damaged"
            }
            LoadErrorKind::FormatNotEnabled => "this is an RTen file, not an ONNX file",
            LoadErrorKind::ExternalDataError => {
                "its weights lie in another file; save it anew with the weights inside, so that one \
                 checksum covers all"
            }
            _ => "this network cannot be run here",
        };
        foreign(path, format!("{what} ({error})"))
    })
}

/// Finds the one input and checks its type and shape.
pub(super) fn input(path: &Path, model: &Model) -> Result<Input> {
    let &[id] = model.input_ids() else {
        let names: Vec<String> = model.input_ids().iter().map(|&id| name(model, id)).collect();
        let found = format!("it has {} inputs ({})", names.len(), names.join(", "));
        return Err(foreign(path, found));
    };
    let name = name(model, id);
    let info = model.node_info(id);
    match info.as_ref().and_then(rten::NodeInfo::dtype) {
        None | Some(ValueType::Tensor(DataType::Float)) => {}
        Some(other) => {
            return Err(foreign(path, format!("its input \"{name}\" is of type {other}")));
        }
    }
    let shape = info.and_then(|info| info.shape()).unwrap_or_default();
    let found = || foreign(path, format!("its input \"{name}\" has the shape {}", print(&shape)));
    let [batch, channels, height, width] = shape.as_slice() else { return Err(found()) };
    if fixed(channels).is_some_and(|count| count != 3) {
        return Err(found());
    }
    let side = match (fixed(height), fixed(width)) {
        (Some(height), Some(width)) if height != width || height == 0 => return Err(found()),
        (Some(side), _) | (None, Some(side)) => side,
        (None, None) => SIDE,
    };
    let batch = fixed(batch);
    if batch == Some(0) || side > 4096 || batch.is_some_and(|count| count > 4096) {
        return Err(found());
    }
    Ok(Input { id, name, side, batch })
}

/// The outputs, of which at least one is needed.
pub(super) fn outputs(path: &Path, model: &Model) -> Result<Vec<NodeId>> {
    let ids = model.output_ids();
    if ids.is_empty() {
        return Err(foreign(path, "it has no outputs"));
    }
    Ok(ids.to_vec())
}

/// The name that the file gives a value.
pub(super) fn name(model: &Model, id: NodeId) -> String {
    model.node_info(id).and_then(|info| info.name().map(str::to_owned)).unwrap_or_default()
}

fn fixed(dimension: &Dimension) -> Option<usize> {
    match dimension {
        Dimension::Fixed(size) => Some(*size),
        Dimension::Symbolic(_) => None,
    }
}

fn print(shape: &[Dimension]) -> String {
    let sizes: Vec<String> = shape
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Symbolic(name) => name.clone(),
        })
        .collect();
    format!("[{}]", sizes.join(", "))
}
