//! Reads the stored numbers and compares with them.

pub use crate::buffers::{buffer, poisoned, read};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// One golden file.
pub struct Golden {
    tensors: BTreeMap<String, Tensor>,
}

/// A stored tensor, widened to f64.
#[derive(Clone)]
pub struct Tensor {
    pub dims: Vec<usize>,
    pub data: Vec<f64>,
}

impl Tensor {
    pub fn f32(&self) -> Vec<f32> {
        self.data.iter().map(|&v| v as f32).collect()
    }
}

impl Golden {
    pub fn open(name: &str) -> Self {
        let path = format!("{}/tests/golden/data/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| {
            let data = view.data();
            let data = match view.dtype() {
                Dtype::F32 => {
                    data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
                }
                Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
                Dtype::I64 => {
                    data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect()
                }
                other => panic!("{name}: unexpected {other:?}"),
            };
            (name.to_owned(), Tensor { dims: view.shape().to_vec(), data })
        });
        Self { tensors: tensors.collect() }
    }

    pub fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("no golden tensor {name}"))
    }

    /// Whether the tensor is stored in any form, or any tensor of that group.
    pub fn has(&self, prefix: &str) -> bool {
        self.tensors.keys().any(|k| {
            k.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '@', '%']))
        })
    }

    /// The names that start with `prefix`.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.tensors.keys().filter(|k| k.starts_with(prefix)).cloned().collect()
    }

    /// Compares `found` with the tensor stored under `name`, whole, thinned (`%7`) or as batch item 0
    /// (`@0`, possibly thinned too): the largest difference over the largest magnitude, as in the
    /// table of PyTorch's own errors.
    pub fn compare(&self, name: &str, found: &[f64], tolerance: f64) {
        let stored = |suffix: &str| self.tensors.get(&format!("{name}{suffix}"));
        let (wanted, stride) = match (stored(""), stored("%7"), stored("@0"), stored("@0%7")) {
            (Some(t), ..) | (_, _, Some(t), _) => (t, 1),
            (_, Some(t), ..) | (.., Some(t)) => (t, 7),
            _ => panic!("no golden tensor {name}"),
        };
        let thinned: Vec<f64> =
            found.iter().copied().step_by(stride).take(wanted.data.len()).collect();
        close(name, &thinned, &wanted.data, tolerance);
    }
}

/// The largest difference over the largest magnitude must stay within `tolerance`; a value that is
/// not finite fails.
pub fn close(name: &str, found: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len(), "{name}: length");
    let scale = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
        assert!(f.is_finite() && w.is_finite(), "{name}[{i}]: found {f}, wanted {w}");
        let error = (f - w).abs();
        assert!(
            error <= tolerance * scale,
            "{name}[{i}]: found {f:e}, wanted {w:e}: {:.2e} of the largest, allowed {tolerance:.1e}",
            error / scale
        );
    }
}
