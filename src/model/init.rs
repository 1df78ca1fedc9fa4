//! The first weights, as the DCGAN paper and PyTorch's example draw them: every filter from
//! N(0, 0.02), batch norm's γ from N(1, 0.02), β = 0.

use crate::rng::{Philox, Stream};

/// Standard deviation of every initial weight.
pub const DEVIATION: f64 = 0.02;

/// `len` numbers from N(`mean`, 0.02). `tensor` numbers the tensor within the whole model, so that
/// each draws from a row of its own and adding a layer changes no other tensor's numbers.
pub fn normal(seed: u64, tensor: u32, mean: f64, len: usize) -> Vec<f32> {
    let mut z = vec![0.0; len];
    Philox::new(seed).fill_normal(Stream::Init, 0, tensor, &mut z);
    z.iter().map(|z| (mean + DEVIATION * z) as f32).collect()
}
