//! Every op against the reference's f64 loops on the same random numbers.

mod conv;
mod fused;
mod norm;
mod pointwise;
mod storage;
mod winograd;

use super::engine::Engine;
use super::{Buffer, Cpu};
use crate::backend::{Backend, Reference, reference};
use crate::rng::{Sequence, Stream};
use crate::shape::TensorShape;

fn cpu() -> Cpu {
    Cpu::new(Some(3)).expect("three threads")
}

/// Standard normal numbers, different for every `seed`.
fn normals(seed: u64, len: usize) -> Vec<f32> {
    let mut sequence = Sequence::new(seed, Stream::Init, 0, 0);
    (0..len).map(|_| sequence.normal(0.0, 1.0) as f32).collect()
}

/// A tensor of `backend` that holds `values`.
fn tensor<B: Backend>(backend: &B, shape: TensorShape, values: &[f32]) -> B::Buffer {
    let mut buffer = backend.alloc(shape).expect("memory");
    backend.upload(&mut buffer, values).expect("as many values as the shape holds");
    buffer
}

/// A tensor of NaN: an element that an op forgets to overwrite shows.
fn poisoned<B: Backend>(backend: &B, shape: TensorShape) -> B::Buffer {
    let mut buffer = backend.alloc(shape).expect("memory");
    backend.fill(&mut buffer, f32::NAN).expect("fill");
    buffer
}

fn values<B: Backend>(backend: &B, buffer: &B::Buffer) -> Vec<f64> {
    backend.snapshot(buffer).expect("snapshot").to_f64()
}

fn bits(buffer: &Buffer) -> Vec<u32> {
    buffer.data.iter().map(|v| v.to_bits()).collect()
}

/// `‖found − wanted‖/‖wanted‖` must be below `bound`; NaN is not.
#[track_caller]
fn assert_close(what: &str, found: &[f64], wanted: &[f64], bound: f64) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let error = norm(&mut found.iter().zip(wanted).map(|(f, w)| f - w));
    let scale = norm(&mut wanted.iter().copied());
    assert!(error <= bound * scale, "{what}: error {error:e} beside {scale:e}");
}

/// One tensor in both backends.
struct Pair {
    cpu: Buffer,
    reference: reference::Buffer,
}

impl Pair {
    fn new(shape: TensorShape, values: &[f32]) -> Self {
        Self { cpu: tensor(&cpu(), shape, values), reference: tensor(&Reference, shape, values) }
    }

    fn random(seed: u64, shape: TensorShape) -> Self {
        Self::new(shape, &normals(seed, shape.len()))
    }

    fn poisoned(shape: TensorShape) -> Self {
        Self { cpu: poisoned(&cpu(), shape), reference: poisoned(&Reference, shape) }
    }

    #[track_caller]
    fn assert_close(&self, what: &str, bound: f64) {
        assert_close(what, &values(&cpu(), &self.cpu), &values(&Reference, &self.reference), bound);
    }
}
