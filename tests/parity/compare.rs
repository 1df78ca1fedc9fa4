//! The same numbers on two backends, and how far apart the results may be.

use dermaglyph::backend::{Backend, Reference};
use dermaglyph::rng::{Sequence, Stream};
use dermaglyph::shape::TensorShape;

pub const R: Reference = Reference;

/// A tensor on the reference and on the backend under test.
pub struct Twin<B: Backend> {
    pub r: <Reference as Backend>::Buffer,
    pub b: B::Buffer,
}

impl<B: Backend> Twin<B> {
    pub fn upload(b: &B, shape: TensorShape, data: &[f32]) -> Self {
        let mut twin = Self { r: R.alloc(shape).unwrap(), b: b.alloc(shape).unwrap() };
        R.upload(&mut twin.r, data).unwrap();
        b.upload(&mut twin.b, data).unwrap();
        twin
    }

    /// N(0.3, 1): asymmetric, so that a swapped sign or index cannot cancel.
    pub fn random(b: &B, shape: TensorShape, seed: u64) -> Self {
        Self::upload(b, shape, &random(shape.len(), seed))
    }

    /// NaN everywhere: an output that is not fully written cannot pass.
    pub fn poisoned(b: &B, shape: TensorShape) -> Self {
        Self::upload(b, shape, &vec![f32::NAN; shape.len()])
    }

    /// ‖b − r‖ ≤ tolerance·‖r‖, and no single element further off than ten times that share of the
    /// largest magnitude.
    pub fn check(&self, b: &B, what: &str, tolerance: f64) {
        let wanted = R.snapshot(&self.r).unwrap().to_f64();
        let found = b.snapshot(&self.b).unwrap().to_f64();
        assert_eq!(found.len(), wanted.len(), "{what}");
        let norm = wanted.iter().map(|w| w * w).sum::<f64>().sqrt();
        let largest = wanted.iter().fold(0.0f64, |m, w| m.max(w.abs()));
        let mut squares = 0.0;
        for (i, (f, w)) in found.iter().zip(&wanted).enumerate() {
            assert!(f.is_finite() && w.is_finite(), "{what}[{i}]: found {f}, reference {w}");
            let error = (f - w).abs();
            assert!(
                error <= 10.0 * tolerance * largest,
                "{what}[{i}]: found {f:e}, reference {w:e}"
            );
            squares += error * error;
        }
        let relative = squares.sqrt() / norm.max(f64::MIN_POSITIVE);
        assert!(
            squares == 0.0 || relative <= tolerance,
            "{what}: relative error {relative:.2e} > {tolerance:.0e}"
        );
    }
}

pub fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut numbers = Sequence::new(seed, Stream::Init, 77, 0);
    (0..len).map(|_| numbers.normal(0.3, 1.0) as f32).collect()
}
