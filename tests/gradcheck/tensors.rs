//! Asymmetric random tensors on a backend.

pub use crate::buffers::{buffer, poisoned, read};
use dermaglyph::backend::Backend;
use dermaglyph::rng::{Sequence, Stream};
use dermaglyph::shape::TensorShape;

/// `len` numbers from N(0, 1) + 0.3: an asymmetric distribution, so that a swapped sign or a
/// reflected index cannot cancel.
pub fn random(seed: u64, len: usize) -> Vec<f64> {
    let mut numbers = Sequence::new(seed, Stream::Init, 99, 0);
    (0..len).map(|_| numbers.normal(0.3, 1.0)).collect()
}

pub fn random_buffer<B: Backend>(b: &B, shape: TensorShape, seed: u64) -> B::Buffer {
    buffer(b, shape, &random(seed, shape.len()))
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
