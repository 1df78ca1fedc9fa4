//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel Random
//! Numbers: As Easy as 1, 2, 3", SC 2011).
//!
//! A counter-based generator is a pure function of (key, counter). Nothing has to be saved to resume
//! a run, any number can be drawn on any thread or device in any order, and the noise of image `i`
//! does not depend on the images beside it. The key is the user's seed; the counter says what the
//! number is for.

/// What a stream of numbers is for. Streams of one seed never overlap: the purpose is one of the
/// four words of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights.
    Init = 1,
    /// The generator's input during training.
    TrainNoise = 2,
    /// The order of the training images.
    Shuffle = 3,
    /// The generator's input when sampling: the seed is the print's own.
    SampleNoise = 4,
    /// Which subjects are held out.
    Split = 5,
    /// Procedural prints: the finger.
    Finger = 6,
    /// Procedural prints: one impression of a finger.
    Impression = 7,
    /// The latents of the sample grid shown during training.
    FixedNoise = 8,
    /// Subsets, permutations and bootstrap samples of the evaluation.
    Resample = 9,
    /// What else an evaluation draws: samples of prints, pairs, noise.
    Evaluation = 10,
    /// The first places of a t-SNE map.
    Embedding = 11,
    /// Pictures that the print features are trained on: how each is drawn.
    FeatureSet = 24,
    /// The same pictures: how each is changed in each epoch.
    FeatureAugment = 25,
}

/// The Philox4x32-10 bijection under one key.
#[derive(Clone, Copy, Debug)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// The generator whose key is `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32] }
    }

    /// Four random words for one counter: ten rounds of multiply, swap and xor.
    pub fn block(&self, counter: [u32; 4]) -> [u32; 4] {
        const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
        const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
        let [mut c0, mut c1, mut c2, mut c3] = counter;
        let [mut k0, mut k1] = self.key;
        for _ in 0..10 {
            let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0);
            let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2);
            (c0, c1, c2, c3) =
                ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
            k0 = k0.wrapping_add(WEYL[0]);
            k1 = k1.wrapping_add(WEYL[1]);
        }
        [c0, c1, c2, c3]
    }

    /// Four standard normal numbers for one counter, by the Box–Muller transform
    /// `√(−2 ln u₁)·(cos 2πu₂, sin 2πu₂)` on two pairs of words.
    ///
    /// `u₁ = (w + 1)/2³²` lies in (0, 1], so the logarithm is finite; |z| is at most 6.67.
    pub fn normal4(&self, counter: [u32; 4]) -> [f64; 4] {
        let words = self.block(counter);
        let pair = |a: u32, b: u32| {
            let u1 = (f64::from(a) + 1.0) / 4_294_967_296.0;
            let angle = std::f64::consts::TAU * f64::from(b) / 4_294_967_296.0;
            let radius = (-2.0 * u1.ln()).sqrt();
            [radius * angle.cos(), radius * angle.sin()]
        };
        let [a, b] = pair(words[0], words[1]);
        let [c, d] = pair(words[2], words[3]);
        [a, b, c, d]
    }

    /// Fills `out` with standard normal numbers: element `i` comes from block `i / 4` of the row
    /// (`stream`, `row`). A row of the generator's input is one image; its numbers depend on nothing
    /// else.
    pub fn fill_normal(&self, stream: Stream, step: u32, row: u32, out: &mut [f64]) {
        for (block, chunk) in out.chunks_mut(4).enumerate() {
            let z = self.normal4([block as u32, row, step, stream as u32]);
            chunk.copy_from_slice(&z[..chunk.len()]);
        }
    }
}

/// A sequence of numbers drawn one after the other from one row of a [`Stream`], for code that
/// cannot say in advance how many it needs.
#[derive(Clone, Debug)]
pub struct Sequence {
    philox: Philox,
    counter: [u32; 4],
    words: [u32; 4],
    used: usize,
}

impl Sequence {
    /// The sequence numbered (`major`, `minor`) of `stream` under `seed`.
    pub fn new(seed: u64, stream: Stream, major: u32, minor: u32) -> Self {
        Self {
            philox: Philox::new(seed),
            counter: [0, minor, major, stream as u32],
            words: [0; 4],
            used: 4,
        }
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.philox.block(self.counter);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        let high = u64::from(self.next_u32()) << 32;
        ((high | u64::from(self.next_u32())) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Normal with the given mean and standard deviation (Box–Muller, one number of the pair).
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        mean + deviation * radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Uniform in 0..n without bias (Lemire's multiply-shift with rejection); 0 for n = 0.
    pub fn below(&mut self, n: u32) -> u32 {
        let threshold = n.wrapping_neg().checked_rem(n).unwrap_or(0);
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// `count` of `0 … total − 1` without repetition, ascending; all of them if there are fewer.
    pub fn sample(&mut self, total: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..total).collect();
        self.shuffle(&mut all);
        all.truncate(count);
        all.sort_unstable();
        all
    }

    /// Shuffles in place (Fisher–Yates): every order is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors that come with the authors' Random123 library.
    #[test]
    fn philox_matches_the_published_vectors() {
        let zero = Philox::new(0).block([0; 4]);
        assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = Philox::new(u64::MAX).block([u32::MAX; 4]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = Philox::new(0x299f_31d0_a409_3822).block([
            0x243f_6a88,
            0x85a3_08d3,
            0x1319_8a2e,
            0x0370_7344,
        ]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let mut z = vec![0.0; 400_000];
        Philox::new(7).fill_normal(Stream::TrainNoise, 3, 5, &mut z);
        let n = z.len() as f64;
        let moment = |k: i32| z.iter().map(|v| v.powi(k)).sum::<f64>() / n;
        // Five standard errors of each sample moment of N(0, 1).
        let bound = |variance: f64| 5.0 * (variance / n).sqrt();
        assert!(moment(1).abs() < bound(1.0));
        assert!((moment(2) - 1.0).abs() < bound(2.0));
        assert!(moment(3).abs() < bound(15.0));
        assert!((moment(4) - 3.0).abs() < bound(96.0));
    }

    #[test]
    fn below_is_unbiased_and_in_range() {
        let mut numbers = Sequence::new(1, Stream::Shuffle, 0, 0);
        let mut counts = [0f64; 7];
        for _ in 0..70_000 {
            counts[numbers.below(7) as usize] += 1.0;
        }
        let chi2: f64 = counts.iter().map(|c| (c - 1e4).powi(2) / 1e4).sum();
        assert!(chi2 < 25.0, "chi-squared {chi2} with 6 degrees of freedom");
        assert_eq!(numbers.below(0), 0);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_reproducible() {
        let draw = |seed| {
            let mut order: Vec<u32> = (0..100).collect();
            Sequence::new(seed, Stream::Shuffle, 2, 0).shuffle(&mut order);
            order
        };
        let mut sorted = draw(9);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(draw(9), draw(9));
        assert_ne!(draw(9), draw(10));
    }
}
