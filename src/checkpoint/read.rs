//! Reading a file of weights that anybody may have written or damaged.

use super::Meta;
use crate::backend::HostTensor;
use crate::error::{Error, Result};
use crate::shape::TensorShape;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The largest header that is read: a DCGAN's has some tens of kilobytes.
const MAX_HEADER: u64 = 16 << 20;

/// An open safetensors file whose header has been checked against the file's size.
///
/// Tensors are read one at a time, so memory holds the largest of them, not the file.
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    file: File,
    header: Metadata,
    meta: Option<Meta>,
    /// Where the tensors' bytes begin.
    start: u64,
}

impl WeightFile {
    /// Opens and checks a file: header, offsets, size, and for our own checkpoints the format and
    /// the checksum.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Checkpoint`] if it is not a whole safetensors
    /// file or of a later format.
    pub fn open(path: &Path) -> Result<Self> {
        let bad = |reason: String| Error::checkpoint(path, reason);
        let io = |e| Error::io("read", path, e);
        let mut file = File::open(path).map_err(io)?;
        let status = file.metadata().map_err(io)?;
        if !status.is_file() {
            return Err(bad("is not a file; give a .safetensors file or a run directory".into()));
        }
        let (header, start) = read_header(&mut file, status.len()).map_err(bad)?;
        let text = header.metadata().as_ref().and_then(|map| map.get(Meta::KEY));
        let meta = text.map(|json| parse_meta(json)).transpose().map_err(bad)?;
        let mut opened = Self { path: path.to_owned(), file, header, meta, start };
        opened.check_sum()?;
        Ok(opened)
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says about itself, if this program wrote it.
    pub fn meta(&self) -> Option<&Meta> {
        self.meta.as_ref()
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort_unstable();
        names
    }

    /// The dimensions of a tensor, if the file holds it.
    pub fn dims(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// Reads one tensor.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] that names the tensor if it is missing, of another shape or type, or
    /// holds a number that no trained network holds: NaN, infinity, too large for f32, a negative
    /// variance.
    pub fn tensor(&mut self, name: &str, shape: &TensorShape) -> Result<HostTensor> {
        let path = self.path.clone();
        let bad = |reason: String| Error::checkpoint(&path, reason);
        let Some(info) = self.header.info(name) else {
            return Err(bad(format!("the tensor {name} of shape {shape} is missing")));
        };
        if info.shape != shape.dims() {
            return Err(bad(format!(
                "the tensor {name} has the shape {:?}, expected {shape}",
                info.shape
            )));
        }
        let (begin, end, dtype) = (info.data_offsets.0, info.data_offsets.1, info.dtype);
        if !matches!(dtype, Dtype::F32 | Dtype::F64) {
            return Err(bad(format!(
                "the tensor {name} is of type {dtype:?}, expected F32 or F64; convert it before saving"
            )));
        }
        let mut bytes = vec![0; end - begin];
        let read = self.file.seek(SeekFrom::Start(self.start + begin as u64));
        read.and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|e| Error::io("read", &path, e))?;
        let data = decode(dtype, &bytes);
        check_values(name, &data).map_err(bad)?;
        Ok(data)
    }

    /// Compares the tensors' bytes with the checksum in the metadata.
    fn check_sum(&mut self) -> Result<()> {
        let Some(expected) = self.meta.as_ref().map(|m| m.crc32c) else {
            return Ok(());
        };
        let io = |e| Error::io("read", &self.path, e);
        self.file.seek(SeekFrom::Start(self.start)).map_err(io)?;
        let mut reader = BufReader::with_capacity(1 << 20, &self.file);
        let mut found = 0;
        loop {
            let chunk = std::io::BufRead::fill_buf(&mut reader).map_err(io)?;
            if chunk.is_empty() {
                break;
            }
            found = crc32c::crc32c_append(found, chunk);
            let length = chunk.len();
            std::io::BufRead::consume(&mut reader, length);
        }
        if found != expected {
            return Err(Error::checkpoint(
                &self.path,
                format!(
                    "is damaged: its tensors have the checksum {found:08x}, it was written with \
                     {expected:08x}; use an older checkpoint"
                ),
            ));
        }
        Ok(())
    }
}

/// Parses and checks the header; returns it with the offset of the first tensor byte.
fn read_header(file: &mut File, size: u64) -> std::result::Result<(Metadata, u64), String> {
    let foreign = |what: &str| format!("is not a safetensors file: {what}");
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| foreign(&format!("it has only {size} bytes")))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(foreign(&format!(
            "its header claims {length} bytes, at most {MAX_HEADER} are read"
        )));
    }
    if length + 8 > size {
        return Err(format!("is truncated: a header of {length} bytes in a file of {size}"));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(|e| e.to_string())?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|e| foreign(&format!("its header: {e}")))?;
    let expected = (header.data_len() as u64).saturating_add(length + 8);
    if expected != size {
        return Err(format!(
            "is truncated or damaged: it has {size} bytes, its header describes {expected}"
        ));
    }
    Ok((header, length + 8))
}

fn parse_meta(json: &str) -> std::result::Result<Meta, String> {
    // The format first: a later one may have other fields.
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let unreadable = |e| format!("its \"{}\" metadata cannot be read: {e}", Meta::KEY);
    let Format { format } = serde_json::from_str(json).map_err(unreadable)?;
    if format != Meta::FORMAT {
        return Err(format!(
            "is a checkpoint of format {format}; this version of dermaglyph reads format {}",
            Meta::FORMAT
        ));
    }
    serde_json::from_str(json).map_err(unreadable)
}

fn decode(dtype: Dtype, bytes: &[u8]) -> HostTensor {
    if dtype == Dtype::F64 {
        HostTensor::F64(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect())
    } else {
        HostTensor::F32(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
    }
}

fn check_values(name: &str, data: &HostTensor) -> std::result::Result<(), String> {
    let not_negative = name.ends_with("running_var") || name.ends_with("exp_avg_sq");
    // A NaN fails both comparisons.
    let good = |x: f64| x.abs() <= f64::from(f32::MAX) && (!not_negative || x >= 0.0);
    let position = match data {
        HostTensor::F32(v) => v.iter().position(|&x| !good(f64::from(x))),
        HostTensor::F64(v) => v.iter().position(|&x| !good(x)),
    };
    let Some(i) = position else { return Ok(()) };
    let value = match data {
        HostTensor::F32(v) => f64::from(v[i]),
        HostTensor::F64(v) => v[i],
    };
    let range = if not_negative { "a finite number, 0 or above" } else { "a finite f32 number" };
    Err(format!("the tensor {name} holds {value} at index {i}, expected {range}"))
}
