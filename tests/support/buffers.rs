//! Tensors on a backend from f64 numbers, and back. Shared by the test targets.

use dermaglyph::backend::{Backend, HostTensor};
use dermaglyph::shape::TensorShape;

/// A buffer holding `data`.
pub fn buffer<B: Backend>(b: &B, shape: TensorShape, data: &[f64]) -> B::Buffer {
    let mut buffer = b.alloc(shape).unwrap();
    b.restore(&mut buffer, &HostTensor::F64(data.to_vec())).unwrap();
    buffer
}

/// A buffer full of NaN, for outputs: what an op fails to write cannot pass.
pub fn poisoned<B: Backend>(b: &B, shape: TensorShape) -> B::Buffer {
    let mut buffer = b.alloc(shape).unwrap();
    b.fill(&mut buffer, f32::NAN).unwrap();
    buffer
}

/// A buffer's numbers at full precision.
pub fn read<B: Backend>(b: &B, buffer: &B::Buffer) -> Vec<f64> {
    b.snapshot(buffer).unwrap().to_f64()
}
