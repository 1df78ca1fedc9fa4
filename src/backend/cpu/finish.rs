//! What is done with a convolution's output while it is still in cache.

use super::activation::{Pointwise, PointwiseKernel, dispatch_in};
use super::batch_norm::Normaliser;
use super::moments::ChunkMoments;
use super::shared::Shared;
use super::simd::{LANES, Simd};
use std::ops::Range;

/// What a task does with each part of the output that it has written.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// Nothing.
    Keep,
    /// Its sums are taken: batch norm in training.
    Measure(&'a ChunkMoments<'a>),
    /// It is normalised and activated in place: batch norm in evaluation.
    Normalise(&'a Normaliser<'a>),
}

impl Finish<'_> {
    /// Finishes the panels `panels` of `pixels`, which are those of chunk `chunk`.
    ///
    /// # Safety
    /// No other task touches these numbers of `y`, nor this chunk's sums of these channels.
    #[inline(always)]
    pub unsafe fn take<S: Simd>(
        self,
        s: S,
        chunk: usize,
        y: &Shared<'_>,
        pixels: Range<usize>,
        panels: Range<usize>,
    ) {
        match self {
            Self::Keep => {}
            // SAFETY: the caller's promise.
            Self::Measure(moments) => unsafe { moments.take(s, chunk, y, pixels, panels) },
            Self::Normalise(normaliser) => {
                dispatch_in(s, normaliser.activation, InPlace { normaliser, y, pixels, panels });
            }
        }
    }
}

/// Some panels of a normalisation. Whoever makes one has the panels of these pixels of y to himself.
struct InPlace<'a> {
    normaliser: &'a Normaliser<'a>,
    y: &'a Shared<'a>,
    pixels: Range<usize>,
    panels: Range<usize>,
}

impl PointwiseKernel for InPlace<'_> {
    #[inline(always)]
    fn run<F: Pointwise>(self, f: F) {
        let Self { normaliser, y, pixels, panels } = self;
        let channels = normaliser.mean.len();
        for panel in panels {
            let channel = panel * LANES;
            for pixel in pixels.clone() {
                // SAFETY: these panels and pixels are this kernel's own.
                let line = unsafe { y.line(pixel * channels + channel) };
                normaliser.in_place(f, line, channel);
            }
        }
    }
}
