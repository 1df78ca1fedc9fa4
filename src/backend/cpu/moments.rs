//! Mean and variance of a convolution's output, taken chunk by chunk while it is still in cache.
//!
//! A chunk's sums are taken of the deviations from its first pixel, which cancels a large mean, and in runs
//! short enough that f32 loses nothing that matters; between runs they are f64. Chunks are merged in their
//! order by the rule of Chan, Golub & LeVeque ("Updating Formulae and a Pairwise Algorithm for Computing
//! Sample Variances", 1979): `M₂ = M₂ᵃ + M₂ᵇ + (μᵇ − μᵃ)²·mᵃmᵇ/(mᵃ + mᵇ)`, so the bits do not depend on the
//! threads.

use super::batch_norm::Moments;
use super::kept::Kept;
use super::shared::Shared;
use super::simd::{LANES, Line, Simd};
use std::ops::Range;

/// Pixels of a run that is summed in f32.
const RUN: usize = 32;

/// Sum and sum of squares of a chunk's deviations from a pivot, and the pivot: for each channel.
pub struct ChunkSums {
    channels: usize,
    /// `[chunk][channel]` of (pivot, Σ(x − pivot), Σ(x − pivot)²).
    sums: Kept<[f64; 3]>,
}

/// [`ChunkSums`] that tasks write to, each its own chunk and channels.
pub struct ChunkMoments<'a> {
    channels: usize,
    sums: Shared<'a, [f64; 3]>,
}

impl ChunkSums {
    pub fn new(chunks: usize, channels: usize) -> Self {
        Self { channels, sums: Kept::zeros(chunks * channels) }
    }

    pub fn share(&mut self) -> ChunkMoments<'_> {
        ChunkMoments { channels: self.channels, sums: Shared::new(&mut self.sums) }
    }

    /// Mean and biased variance over all chunks, which have `counts` pixels.
    pub fn merge(&self, counts: impl Iterator<Item = usize>) -> Moments {
        let mut moments = Moments::zeros(self.channels);
        let mut total = 0.0;
        for (count, chunk) in counts.zip(self.sums.chunks_exact(self.channels)) {
            let count = count as f64;
            let sum = total + count;
            for ((mean, m2), &[pivot, first, second]) in
                moments.mean.iter_mut().zip(&mut moments.var).zip(chunk)
            {
                let chunk_mean = pivot + first / count;
                let delta = chunk_mean - *mean;
                *m2 += second - first * first / count + delta * delta * total * count / sum;
                *mean += delta * count / sum;
            }
            total = sum;
        }
        moments.var.iter_mut().for_each(|m2| *m2 = (*m2 / total).max(0.0));
        moments
    }
}

impl ChunkMoments<'_> {
    /// Takes the sums of `pixels` of the tensor `x` for the panels `panels` of its channels.
    ///
    /// # Safety
    /// No other task touches these numbers, nor this chunk's sums of these channels.
    #[inline(always)]
    pub unsafe fn take<S: Simd>(
        &self,
        s: S,
        chunk: usize,
        x: &Shared<'_>,
        pixels: Range<usize>,
        panels: Range<usize>,
    ) {
        for panel in panels {
            let channel = panel * LANES;
            let at = |pixel: usize| pixel * self.channels + channel;
            // SAFETY: the caller's promise.
            let pivot = unsafe { *x.line(at(pixels.start)) };
            let mut totals = [[0.0; LANES]; 2];
            let mut start = pixels.start;
            while start < pixels.end {
                let end = pixels.end.min(start + RUN);
                let (mut first, mut second) = (s.zero(), s.zero());
                for pixel in start..end {
                    // SAFETY: the caller's promise.
                    let value = s.load(unsafe { x.line(at(pixel)) });
                    let deviation = s.sub(value, s.load(&pivot));
                    first = s.add(first, deviation);
                    second = s.fma(deviation, deviation, second);
                }
                let mut run: [Line; 2] = [[0.0; LANES]; 2];
                s.store(&mut run[0], first);
                s.store(&mut run[1], second);
                for lane in 0..LANES {
                    totals[0][lane] += f64::from(run[0][lane]);
                    totals[1][lane] += f64::from(run[1][lane]);
                }
                start = end;
            }
            // SAFETY: the caller's promise.
            let sums = unsafe { self.sums.slice(chunk * self.channels + channel, LANES) };
            for lane in 0..LANES {
                sums[lane] = [f64::from(pivot[lane]), totals[0][lane], totals[1][lane]];
            }
        }
    }
}
