//! What the pictures of a run are made of.

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::rng::{Philox, Stream};
use crate::sample::grid::Grid;
use image::DynamicImage;

/// The latents of a run's grid, `[count, nz]`: the same prints from picture to picture.
pub(super) fn fixed_latents(seed: u64, count: usize, nz: usize) -> Vec<f32> {
    let mut latents = vec![0.0; count * nz];
    let philox = Philox::new(seed);
    for (row, z) in latents.chunks_exact_mut(nz).enumerate() {
        philox.fill_normal(Stream::FixedNoise, 0, row as u32, z);
    }
    latents.into_iter().map(|v| v as f32).collect()
}

/// The first training images, as the network sees them.
pub(super) fn reals(dataset: &Dataset, grid: Grid) -> Result<DynamicImage> {
    let (size, channels) = (dataset.size, dataset.channels);
    let shown = dataset.train.iter().take(grid.cells() as usize);
    let images = shown
        .map(|&index| {
            let pixels = dataset.image(index as usize).to_vec();
            let image = if channels == 1 {
                image::GrayImage::from_raw(size, size, pixels).map(DynamicImage::from)
            } else {
                image::RgbImage::from_raw(size, size, pixels).map(DynamicImage::from)
            };
            image.ok_or_else(|| Error::shape("reals", format!("image {index} is incomplete")))
        })
        .collect::<Result<Vec<_>>>()?;
    grid.compose(&images)
}
