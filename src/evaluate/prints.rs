//! Prints in memory: gray, square, of one size.

use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use image::GrayImage;

/// Gray prints of `size` × `size` pixels, with what is known of each.
#[derive(Clone, Debug, Default)]
pub struct Prints {
    /// Height and width.
    pub size: u32,
    /// File names, or what an error calls the print.
    pub names: Vec<String>,
    /// The persons they are of, where that is known.
    pub subjects: Vec<Option<u32>>,
    pixels: Vec<u8>,
}

impl Prints {
    /// No prints yet.
    pub fn empty(size: u32) -> Self {
        Self { size, ..Self::default() }
    }

    /// Number of prints.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Takes one more, `size²` pixels row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are more or fewer pixels.
    pub fn push(&mut self, name: String, subject: Option<u32>, pixels: &[u8]) -> Result<()> {
        let wanted = self.size as usize * self.size as usize;
        if pixels.len() != wanted {
            return Err(Error::shape(
                "evaluate",
                format!("{name} has {} pixels, expected {wanted}", pixels.len()),
            ));
        }
        self.pixels.extend_from_slice(pixels);
        self.names.push(name);
        self.subjects.push(subject);
        Ok(())
    }

    /// The pixels of print `index`, row by row; none beyond the last.
    pub fn pixels(&self, index: usize) -> &[u8] {
        let len = self.size as usize * self.size as usize;
        self.pixels.get(index * len..(index + 1) * len).unwrap_or_default()
    }

    /// Print `index`; white beyond the last.
    pub fn image(&self, index: usize) -> GrayImage {
        let pixels = self.pixels(index).to_vec();
        GrayImage::from_raw(self.size, self.size, pixels)
            .unwrap_or_else(|| GrayImage::from_pixel(self.size, self.size, image::Luma([255])))
    }

    /// Those of `indices`, in their order.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let mut subset = Self::empty(self.size);
        for &index in indices.iter().filter(|&&index| index < self.len()) {
            subset.pixels.extend_from_slice(self.pixels(index));
            subset.names.push(self.names[index].clone());
            subset.subjects.push(self.subjects[index]);
        }
        subset
    }

    /// These, then those of `other`, which has the same size.
    pub fn joined(&self, other: &Self) -> Self {
        Self {
            size: self.size,
            names: [&self.names[..], &other.names].concat(),
            subjects: [&self.subjects[..], &other.subjects].concat(),
            pixels: [&self.pixels[..], &other.pixels].concat(),
        }
    }

    /// At most `count`, drawn by `seed`, in their old order.
    pub fn sample(self, count: usize, seed: u64) -> Self {
        if self.len() <= count {
            return self;
        }
        self.subset(&choose(self.len(), count, seed, Draw::Sample))
    }

    /// Two disjoint halves of equal size, by subject where subjects are known: no person is in both.
    pub fn halves(&self, seed: u64) -> [Self; 2] {
        self.half_indices(seed).map(|indices| self.subset(&indices))
    }

    /// The indices of [`halves`](Self::halves), ascending.
    pub fn half_indices(&self, seed: u64) -> [Vec<usize>; 2] {
        let mut units: Vec<(Option<u32>, Vec<usize>)> = Vec::new();
        let mut place = std::collections::HashMap::new();
        for (index, subject) in self.subjects.iter().enumerate() {
            match subject.and_then(|subject| place.get(&subject).copied()) {
                Some(at) => {
                    let unit: &mut (Option<u32>, Vec<usize>) = &mut units[at];
                    unit.1.push(index);
                }
                None => {
                    subject.map(|subject| place.insert(subject, units.len()));
                    units.push((*subject, vec![index]));
                }
            }
        }
        Sequence::new(seed, Stream::Evaluation, Draw::Halves as u32, 0).shuffle(&mut units);
        let mut halves = [Vec::new(), Vec::new()];
        for (_, indices) in units {
            let smaller = usize::from(halves[1].len() < halves[0].len());
            halves[smaller].extend(indices);
        }
        let count = halves[0].len().min(halves[1].len());
        halves.map(|mut indices| {
            indices.truncate(count);
            indices.sort_unstable();
            indices
        })
    }
}

/// What indices are drawn for: each has its own row of [`Stream::Evaluation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Draw {
    Sample,
    Halves,
    Kernel,
    Permutation,
    Pairs,
    Gallery,
    Probes,
    Noise,
    Bootstrap,
    Embedding,
    Minutiae,
    Neighbours,
}

/// `count` of `0 … total − 1` without repetition, ascending.
pub fn choose(total: usize, count: usize, seed: u64, draw: Draw) -> Vec<usize> {
    Sequence::new(seed, Stream::Evaluation, draw as u32, 0).sample(total, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn prints(subjects: impl IntoIterator<Item = Option<u32>>) -> Prints {
        let mut prints = Prints::empty(2);
        for (i, subject) in subjects.into_iter().enumerate() {
            prints.push(format!("print {i}"), subject, &[i as u8; 4]).unwrap();
        }
        prints
    }

    #[test]
    fn no_person_is_in_both_halves_and_they_are_as_large() {
        let all = prints((0..103).map(|i| Some(i / 10)));
        let [a, b] = all.halves(3);
        let people = |p: &Prints| p.subjects.iter().flatten().copied().collect::<BTreeSet<u32>>();
        assert!(people(&a).is_disjoint(&people(&b)));
        assert_eq!(a.len(), b.len());
        assert!(a.len() >= 45, "{}", a.len());
        assert_eq!(a.names, all.halves(3)[0].names);
        assert_ne!(a.names, all.halves(4)[0].names);
        // Without subjects every print is its own unit.
        let [a, b] = prints((0..21).map(|_| None)).halves(0);
        assert_eq!((a.len(), b.len()), (10, 10));
        let names: BTreeSet<_> = a.names.iter().chain(&b.names).collect();
        assert_eq!(names.len(), 20);
    }

    #[test]
    fn a_sample_keeps_pixels_and_names_together() {
        let sample = prints((0..50).map(Some)).sample(7, 1);
        assert_eq!(sample.len(), 7);
        for i in 0..7 {
            let subject = sample.subjects[i].unwrap();
            assert_eq!(sample.names[i], format!("print {subject}"));
            assert_eq!(sample.pixels(i), [subject as u8; 4]);
        }
        assert_eq!(prints((0..5).map(Some)).sample(7, 1).len(), 5);
        assert!(sample.pixels(7).is_empty());
    }

    #[test]
    fn a_print_of_another_size_is_refused() {
        let error = Prints::empty(2).push("x".into(), None, &[0; 5]).unwrap_err().to_string();
        assert!(error.contains("x has 5 pixels, expected 4"), "{error}");
    }
}
