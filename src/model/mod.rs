//! The generator and the discriminator: lists of blocks over one [`Backend`](crate::backend::Backend).
//!
//! [`generator`] and [`discriminator`] are tables: they say which blocks a network of some size has.
//! [`network`] runs any such list forwards and backwards. [`init`] draws the first weights.

pub mod discriminator;
pub mod generator;
pub mod init;
pub mod network;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

pub use network::{Activations, NamedTensor, Network};

/// The architecture of a DCGAN (Radford, Metz & Chintala 2016): all that decides shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Height and width of the images in pixels: base·2^k with base 4, 5, 6 or 7 and k ≥ 1.
    pub image_size: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Length of the latent vector.
    pub nz: usize,
    /// Generator feature maps in its last hidden layer.
    pub ngf: usize,
    /// Discriminator feature maps in its first layer.
    pub ndf: usize,
}

impl ModelConfig {
    /// Most channels a layer may have, so that no flag asks for terabytes.
    pub const MAX_WIDTH: usize = 8192;
    /// Largest image side.
    pub const MAX_IMAGE_SIZE: usize = 1024;

    /// Checks every size.
    ///
    /// # Errors
    /// [`Error::Config`] naming the value and the nearest ones that work.
    pub fn validate(&self) -> Result<()> {
        self.base_and_doublings()?;
        if self.channels != 1 && self.channels != 3 {
            return Err(Error::Config(format!(
                "channels is {}: use 1 (grey) or 3 (RGB)",
                self.channels
            )));
        }
        let widest = |features: usize| features << (self.doublings() - 1);
        let limits = [
            ("nz", self.nz, self.nz),
            ("ngf", self.ngf, widest(self.ngf.min(Self::MAX_WIDTH))),
            ("ndf", self.ndf, widest(self.ndf.min(Self::MAX_WIDTH))),
        ];
        for (name, value, width) in limits {
            if value == 0 || value > Self::MAX_WIDTH || width > Self::MAX_WIDTH {
                return Err(Error::Config(format!(
                    "{name} is {value}: it must be at least 1, and the widest layer it makes at this image size \
                     ({width} channels) at most {}",
                    Self::MAX_WIDTH
                )));
            }
        }
        Ok(())
    }

    /// The side of the smallest feature map and how often it is doubled: 64 is (4, 4), 96 is (6, 4).
    ///
    /// # Errors
    /// [`Error::Config`] if `image_size` is not base·2^k with base 4–7 and k ≥ 1.
    pub fn base_and_doublings(&self) -> Result<(usize, usize)> {
        let size = self.image_size;
        if let Some(split) = split_size(size) {
            return Ok(split);
        }
        let below =
            (8..size.min(Self::MAX_IMAGE_SIZE + 1)).rev().find(|&s| split_size(s).is_some());
        let above =
            (size.saturating_add(1)..=Self::MAX_IMAGE_SIZE).find(|&s| split_size(s).is_some());
        let near: Vec<String> = below.into_iter().chain(above).map(|s| s.to_string()).collect();
        Err(Error::Config(format!(
            "image size {size} cannot be built by doubling a map of 4, 5, 6 or 7 pixels (8 to {}): the nearest are {}",
            Self::MAX_IMAGE_SIZE,
            near.join(" and ")
        )))
    }

    /// Number of stride-2 layers in each network; 1 if the size is invalid.
    fn doublings(&self) -> usize {
        split_size(self.image_size).map_or(1, |(_, doublings)| doublings)
    }
}

fn split_size(size: usize) -> Option<(usize, usize)> {
    if size > ModelConfig::MAX_IMAGE_SIZE {
        return None;
    }
    (4..8).flat_map(|base| (1..9).map(move |k| (base, k))).find(|&(base, k)| base << k == size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(image_size: usize) -> ModelConfig {
        ModelConfig { image_size, channels: 1, nz: 100, ngf: 64, ndf: 64 }
    }

    #[test]
    fn sizes_split_into_base_and_doublings() {
        for (size, split) in [
            (8, (4, 1)),
            (32, (4, 3)),
            (64, (4, 4)),
            (80, (5, 4)),
            (96, (6, 4)),
            (112, (7, 4)),
            (256, (4, 6)),
        ] {
            assert_eq!(config(size).base_and_doublings().unwrap(), split, "size {size}");
        }
    }

    #[test]
    fn an_impossible_size_names_its_neighbours() {
        let message = config(100).validate().unwrap_err().to_string();
        assert!(message.contains("96 and 112"), "{message}");
        for size in [0, 1, 4, 7, 1025, usize::MAX] {
            assert!(config(size).validate().is_err(), "size {size}");
        }
    }

    #[test]
    fn absurd_widths_are_refused_without_overflow() {
        for width in [0, 9000, usize::MAX] {
            assert!(ModelConfig { ngf: width, ..config(64) }.validate().is_err());
            assert!(ModelConfig { ndf: width, ..config(64) }.validate().is_err());
            assert!(ModelConfig { nz: width, ..config(64) }.validate().is_err());
        }
        assert!(ModelConfig { channels: 2, ..config(64) }.validate().is_err());
    }
}
