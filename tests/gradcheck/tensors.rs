//! Asymmetric random tensors on a backend.

use dermaglyph::backend::{Backend, HostTensor};
use dermaglyph::rng::{Sequence, Stream};
use dermaglyph::shape::TensorShape;

/// `len` numbers from N(0, 1) + 0.3: an asymmetric distribution, so that a swapped sign or a
/// reflected index cannot cancel.
pub fn random(seed: u64, len: usize) -> Vec<f64> {
    let mut numbers = Sequence::new(seed, Stream::Init, 99, 0);
    (0..len).map(|_| numbers.normal(0.3, 1.0)).collect()
}

pub fn buffer<B: Backend>(b: &B, shape: TensorShape, data: &[f64]) -> B::Buffer {
    let mut buffer = b.alloc(shape).unwrap();
    b.restore(&mut buffer, &HostTensor::F64(data.to_vec())).unwrap();
    buffer
}

pub fn random_buffer<B: Backend>(b: &B, shape: TensorShape, seed: u64) -> B::Buffer {
    buffer(b, shape, &random(seed, shape.len()))
}

pub fn poisoned<B: Backend>(b: &B, shape: TensorShape) -> B::Buffer {
    let mut buffer = b.alloc(shape).unwrap();
    b.fill(&mut buffer, f32::NAN).unwrap();
    buffer
}

pub fn read<B: Backend>(b: &B, buffer: &B::Buffer) -> Vec<f64> {
    b.snapshot(buffer).unwrap().to_f64()
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
