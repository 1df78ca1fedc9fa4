//! The generator's input for one print.

use crate::rng::{Philox, Stream};

/// The latent of the print numbered `seed`: `nz` standard normal numbers, a function of the seed
/// alone. So a print is the same in every batch, order and process.
pub fn latent(seed: u64, nz: usize) -> Vec<f32> {
    let mut z = vec![0.0; nz];
    Philox::new(seed).fill_normal(Stream::SampleNoise, 0, 0, &mut z);
    z.into_iter().map(|v| v as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition written out: word `i` of the stream, without the code that fills rows.
    #[test]
    fn a_latent_is_the_stream_of_its_seed() {
        for (seed, nz) in [(0, 1), (7, 4), (u64::MAX, 10)] {
            let z = latent(seed, nz);
            assert_eq!(z.len(), nz);
            for (i, &value) in z.iter().enumerate() {
                let four = Philox::new(seed).normal4([i as u32 / 4, 0, 0, 4]);
                assert_eq!(value, four[i % 4] as f32, "seed {seed}, element {i}");
            }
        }
    }

    #[test]
    fn seeds_differ_in_both_halves_of_the_key() {
        assert_ne!(latent(1, 8), latent(2, 8));
        assert_ne!(latent(1, 8), latent(1 + (1 << 32), 8));
        assert_eq!(latent(1, 8), latent(1, 100)[..8]);
    }
}
