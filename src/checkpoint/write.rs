//! Writing a checkpoint.

use super::Meta;
use crate::backend::HostTensor;
use crate::error::{Error, Result};
use crate::fsx;
use crate::model::NamedTensor;
use safetensors::Dtype;
use safetensors::tensor::View;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// A tensor in the form in which the file holds it.
struct Entry<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for &Entry<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes `tensors` to `path`, whole or not at all, with a `num_batches_tracked` beside every
/// `running_var`.
///
/// # Errors
/// [`Error::Diverged`] if a tensor holds a NaN or an infinity: such a state must never replace a
/// good one. [`Error::Io`] if the file cannot be written; what was at `path` is then untouched.
pub fn write(path: &Path, meta: &Meta, tensors: &[NamedTensor]) -> Result<()> {
    let mut entries = Vec::with_capacity(tensors.len() + 16);
    for tensor in tensors {
        if !is_finite(&tensor.data) {
            return Err(Error::Diverged { step: meta.step, place: tensor.name.clone() });
        }
        entries.push(number_entry(tensor));
        entries.extend(batches_tracked(&tensor.name, meta.step));
    }
    // The file's own order, so that the checksum runs over its bytes as they lie.
    entries.sort_by(|a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name)));
    let crc32c = entries.iter().fold(0, |crc, e| crc32c::crc32c_append(crc, &e.bytes));
    let meta = Meta { crc32c, ..meta.clone() };
    let bytes = serialise(&meta, &entries).map_err(|reason| Error::checkpoint(path, reason))?;
    fsx::write_atomically(path, |file| file.write_all(&bytes))
}

fn serialise(meta: &Meta, entries: &[Entry<'_>]) -> std::result::Result<Vec<u8>, String> {
    let json = serde_json::to_string(meta).map_err(|e| e.to_string())?;
    let metadata = HashMap::from([(Meta::KEY.to_owned(), json)]);
    let named = entries.iter().map(|entry| (entry.name.as_str(), entry));
    safetensors::serialize(named, Some(metadata)).map_err(|e| e.to_string())
}

fn is_finite(data: &HostTensor) -> bool {
    match data {
        HostTensor::F32(v) => v.iter().all(|x| x.is_finite()),
        HostTensor::F64(v) => v.iter().all(|x| x.is_finite()),
    }
}

fn number_entry(tensor: &NamedTensor) -> Entry<'_> {
    let (dtype, bytes) = match &tensor.data {
        HostTensor::F32(v) => (Dtype::F32, little_endian(v, |x| x.to_le_bytes())),
        HostTensor::F64(v) => (Dtype::F64, little_endian(v, |x| x.to_le_bytes())),
    };
    Entry { name: tensor.name.clone(), dtype, shape: tensor.shape.dims(), bytes }
}

/// The bytes as they lie where the machine is little-endian already, converted elsewhere.
fn little_endian<T: bytemuck::Pod, const N: usize>(
    values: &[T],
    convert: impl Fn(T) -> [u8; N],
) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        Cow::Owned(values.iter().flat_map(|&value| convert(value)).collect())
    }
}

/// How many batches a batch normalisation has seen: one a step in G; three in D, which sees reals,
/// fakes, and fakes again in G's half of the step.
fn batches_tracked(name: &str, step: u64) -> Option<Entry<'static>> {
    let layer = name.strip_suffix("running_var")?;
    let count = if layer.starts_with("discriminator.") { step.saturating_mul(3) } else { step };
    Some(Entry {
        name: format!("{layer}num_batches_tracked"),
        dtype: Dtype::I64,
        shape: Vec::new(),
        bytes: Cow::Owned((count as i64).to_le_bytes().to_vec()),
    })
}
