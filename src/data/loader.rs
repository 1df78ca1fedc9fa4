//! The order in which a run sees the training images.

use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};

/// Which images make up the batch of a step: a pure function of the seed and the step, so that a
/// resumed run needs no saved position.
///
/// Each epoch is a Fisher–Yates permutation of the training images drawn from [`Stream::Shuffle`],
/// cut into batches. What is left over at the end, less than a batch, is dropped; another epoch drops
/// others.
#[derive(Clone, Debug)]
pub struct BatchOrder {
    seed: u64,
    train: Vec<u32>,
    batch: usize,
    /// The epoch whose permutation is in `order`.
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl BatchOrder {
    /// The order of `train`, indices into a data set, in batches of `batch`.
    ///
    /// # Errors
    /// If the batch is zero or larger than the number of images.
    pub fn new(seed: u64, train: &[u32], batch: usize) -> Result<Self> {
        if batch == 0 {
            return Err(Error::Config("the batch size is 0; it must be at least 1".into()));
        }
        if train.len() < batch {
            return Err(Error::Config(format!(
                "there are {} training images, fewer than one batch of {batch}; \
                 lower --batch-size to {} or less, or give more images",
                train.len(),
                train.len().max(1)
            )));
        }
        Ok(Self { seed, train: train.to_vec(), batch, epoch: None, order: Vec::new() })
    }

    /// Whole batches in one pass over the training images.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.train.len() / self.batch) as u64
    }

    /// Images of a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The images of step `step`, counted from 0 over all epochs: `batch` indices into the data set.
    ///
    /// The permutation of one epoch is kept, so steps asked for in order cost one shuffle an epoch.
    pub fn indices(&mut self, step: u64) -> &[u32] {
        let epoch = step / self.steps_per_epoch();
        if self.epoch != Some(epoch) {
            self.order.clone_from(&self.train);
            let (low, high) = (epoch as u32, (epoch >> 32) as u32);
            Sequence::new(self.seed, Stream::Shuffle, low, high).shuffle(&mut self.order);
            self.epoch = Some(epoch);
        }
        let first = (step % self.steps_per_epoch()) as usize * self.batch;
        &self.order[first..first + self.batch]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn an_epoch_shows_no_image_twice_and_drops_less_than_a_batch(
            count in 1usize..300, batch in 1usize..40, epoch in 0u64..1 << 40, seed: u64,
        ) {
            prop_assume!(batch <= count);
            let train: Vec<u32> = (0..count as u32).map(|i| i * 3 + 1).collect();
            let mut order = BatchOrder::new(seed, &train, batch).unwrap();
            let steps = order.steps_per_epoch();
            let mut seen = BTreeSet::new();
            for step in epoch * steps..(epoch + 1) * steps {
                let indices = order.indices(step).to_vec();
                prop_assert_eq!(indices.len(), batch);
                for index in indices {
                    prop_assert!(train.contains(&index));
                    prop_assert!(seen.insert(index), "{} twice in an epoch", index);
                }
            }
            prop_assert!(count - seen.len() < batch);
        }

        #[test]
        fn a_batch_depends_on_seed_and_step_alone(
            asked in prop::collection::vec(0u64..200, 1..20), step in 0u64..200,
        ) {
            let train: Vec<u32> = (0..50).collect();
            let fresh = BatchOrder::new(4, &train, 7).unwrap().indices(step).to_vec();
            let mut used = BatchOrder::new(4, &train, 7).unwrap();
            for other in asked {
                used.indices(other);
            }
            prop_assert_eq!(fresh, used.indices(step));
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_every_image_comes_in_each_when_batches_divide_the_set() {
        let train: Vec<u32> = (100..164).collect();
        let epoch = |seed, epoch: u64| -> Vec<u32> {
            let mut order = BatchOrder::new(seed, &train, 16).unwrap();
            (epoch * 4..epoch * 4 + 4).flat_map(|s| order.indices(s).to_vec()).collect()
        };
        let mut sorted = epoch(1, 0);
        sorted.sort_unstable();
        assert_eq!(sorted, train);
        assert_ne!(epoch(1, 0), train);
        assert_ne!(epoch(1, 0), epoch(1, 1));
        assert_ne!(epoch(1, 0), epoch(2, 0));
        assert_ne!(epoch(1, 0), epoch(1, 1 << 32));
    }

    #[test]
    fn too_few_images_for_a_batch_names_both_numbers() {
        let error = BatchOrder::new(0, &[1, 2, 3], 64).unwrap_err().to_string();
        assert!(error.contains("3 training images") && error.contains("batch of 64"), "{error}");
        assert!(error.contains("--batch-size"), "{error}");
        assert!(BatchOrder::new(0, &[1], 0).is_err());
        assert!(BatchOrder::new(0, &[], 1).is_err());
    }
}
