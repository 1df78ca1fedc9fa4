//! What enters the network: pixels of the training set and noise.

use super::kept::Kept;
use crate::backend::ops::{Gather, Noise};
use crate::error::{Error, Result};
use crate::rng::Philox;
use rayon::prelude::*;

/// `b/127.5 − 1` for every byte, rounded once.
fn levels() -> [f32; 256] {
    std::array::from_fn(|byte| (byte as f64 / 127.5 - 1.0) as f32)
}

/// Images in `set` lie as they do in `y`: pixel by pixel, channels innermost.
pub fn gather(p: Gather, y: &mut [f32], set: &[u8], indices: &[u32]) -> Result<()> {
    let len = p.shape.image_len();
    let count = set.len().checked_div(len).unwrap_or(0);
    if let Some(index) = indices.iter().find(|&&index| index as usize >= count) {
        return Err(Error::shape(
            "gather",
            format!("image {index} is not among the {count} of the set"),
        ));
    }
    let levels = levels();
    y.par_chunks_exact_mut(len).zip(indices).for_each(|(y, &index)| {
        let pixels = &set[index as usize * len..][..len];
        y.iter_mut().zip(pixels).for_each(|(y, &byte)| *y = levels[usize::from(byte)]);
    });
    Ok(())
}

/// Row `i` of `z` is `Philox::fill_normal(stream, step, i)`, rounded to f32.
pub fn noise(p: Noise, z: &mut [f32], step: f32) {
    let philox = Philox::new(p.seed);
    let rows = z.par_chunks_exact_mut(p.len.max(1)).enumerate();
    rows.for_each_init(
        || Kept::zeros(p.len),
        |normals, (row, z)| {
            philox.fill_normal(p.stream, step as u32, row as u32, normals);
            z.iter_mut().zip(&*normals).for_each(|(z, v)| *z = *v as f32);
        },
    );
}
