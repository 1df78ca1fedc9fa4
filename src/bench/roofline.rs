//! How many floating-point operations there are to do, by the direct count: every filter tap at every
//! position, those on padding included, two operations per multiply-accumulate.

use super::harness::Spread;
use super::report::{milliseconds, percent, table};
use crate::backend::block::Block;
use crate::error::Result;
use crate::model::{ModelConfig, discriminator, generator};
use crate::shape::ConvGeometry;
use serde::Serialize;
use std::fmt;

/// Floating-point operations of one pass through a convolution; all three passes cost the same.
pub fn pass_flop(g: ConvGeometry) -> u64 {
    2 * g.macs()
}

/// Floating-point operations of one forward pass of the generator on `n` latents.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for impossible sizes.
pub fn generator_flop(model: &ModelConfig, n: usize) -> Result<u64> {
    Ok(network_flop(&generator::blocks(model, n)?))
}

/// Floating-point operations of the convolutions of one training step on a batch of `n`.
///
/// Gradients that nobody uses do not count: those of D's weights while G learns, that of the images
/// while D learns, and that of the latents.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for impossible sizes.
pub fn step_flop(model: &ModelConfig, n: usize) -> Result<u64> {
    let g_blocks = generator::blocks(model, n)?;
    let d_blocks = discriminator::blocks(model, n)?;
    let (g, g_inner) = (network_flop(&g_blocks), network_flop(&g_blocks[1..]));
    let (d, d_inner) = (network_flop(&d_blocks), network_flop(&d_blocks[1..]));
    // D learns, on real images and on fakes: forward, weight gradients, data gradients.
    let d_learns = 2 * (d + d + d_inner);
    // G learns: D forward and back to the images, then G's gradients. G's forward pass made the fakes.
    let g_learns = d + d + g + g + g_inner;
    Ok(d_learns + g_learns)
}

fn network_flop(blocks: &[Block]) -> u64 {
    blocks.iter().map(|block| pass_flop(block.geometry)).sum()
}

/// GFLOP/s of `flop` operations in the median time; `seconds` is a time's spread.
pub fn gflops(flop: u64, seconds: Spread) -> f64 {
    flop as f64 / seconds.median / 1e9
}

/// How fast batches are worked through.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throughput {
    /// Of a batch.
    pub seconds: Spread,
    pub images_per_second: f64,
    /// GFLOP of a batch by the direct count.
    pub gflop: f64,
    /// Direct-equivalent GFLOP/s.
    pub gflops: f64,
    /// Of the peak; above 1 where an algorithm saves multiplications.
    pub share_of_peak: f64,
}

impl Throughput {
    /// Of batches of `images` images and `flop` operations; `peak` in GFLOP/s.
    pub fn new(images: usize, flop: u64, seconds: Spread, peak: Spread) -> Self {
        let gflops = gflops(flop, seconds);
        Self {
            seconds,
            images_per_second: images as f64 / seconds.median,
            gflop: flop as f64 / 1e9,
            gflops,
            share_of_peak: gflops / peak.median,
        }
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header =
            ["ms a batch", "min to max", "runs", "images/s", "GFLOP", "GFLOP/s", "of peak"];
        let [median, range] = milliseconds(self.seconds);
        let row = vec![
            median,
            range,
            self.seconds.runs.to_string(),
            format!("{:.1}", self.images_per_second),
            format!("{:.2}", self.gflop),
            format!("{:.1}", self.gflops),
            percent(self.share_of_peak),
        ];
        f.write_str(&table(0, &header, &[row]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: ModelConfig =
        ModelConfig { image_size: 64, channels: 3, nz: 100, ngf: 64, ndf: 64 };

    /// The layer list of the DCGAN paper, written out: channels in, channels out, positions.
    #[test]
    fn a_step_of_the_published_network_is_291_gflop() {
        let multiplications = |layers: &[[u64; 3]]| -> u64 {
            layers.iter().map(|[i, o, side]| 128 * 16 * i * o * side * side).sum()
        };
        let g = [[100, 512, 1], [512, 256, 4], [256, 128, 8], [128, 64, 16], [64, 3, 32]];
        let d = [[3, 64, 32], [64, 128, 16], [128, 256, 8], [256, 512, 4], [512, 1, 1]];
        // D: three forward passes, two weight gradients, one full and two inner data gradients.
        let by_hand = 6 * multiplications(&d)
            + 2 * multiplications(&d[1..])
            + 2 * multiplications(&g)
            + multiplications(&g[1..]);
        let step = step_flop(&PUBLISHED, 128).unwrap();
        assert_eq!(step, 2 * by_hand);
        assert_eq!((step as f64 / 1e9).round(), 291.0);
    }

    #[test]
    fn work_is_proportional_to_the_batch() {
        let one = step_flop(&PUBLISHED, 1).unwrap();
        assert_eq!(step_flop(&PUBLISHED, 16).unwrap(), 16 * one);
        let image = generator_flop(&PUBLISHED, 1).unwrap();
        assert_eq!(image, 2 * 16 * (100 * 512 + 3 * (512 * 256 * 16) + 64 * 3 * 1024));
        assert!(step_flop(&ModelConfig { image_size: 65, ..PUBLISHED }, 1).is_err());
    }

    #[test]
    fn a_rate_is_taken_at_the_median() {
        let seconds = Spread { median: 0.5, min: 0.1, max: 2.0, runs: 3 };
        assert_eq!(gflops(3_000_000_000, seconds), 6.0);
        let peak = Spread { median: 12.0, min: 11.0, max: 13.0, runs: 2 };
        let throughput = Throughput::new(8, 3_000_000_000, seconds, peak);
        assert_eq!((throughput.images_per_second, throughput.share_of_peak), (16.0, 0.5));
        let said = throughput.to_string();
        assert!(said.contains(" 500.000 | 100.000 to 2000.000 |"), "{said}");
    }
}
