//! Short vectors that are used again: a step's statistics and sums, some for each channel.
//!
//! A step makes the same ones in the same order each time, so after the first step it allocates none.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// A kind of number of which vectors are kept.
pub trait Kind: Copy + Default + Send + 'static {
    /// Those nobody uses at the moment.
    fn spare() -> &'static Mutex<Vec<Vec<Self>>>;
}

macro_rules! kind {
    ($($kind:ty)*) => {
        $(impl Kind for $kind {
            fn spare() -> &'static Mutex<Vec<Vec<Self>>> {
                static SPARE: Mutex<Vec<Vec<$kind>>> = Mutex::new(Vec::new());
                &SPARE
            }
        })*
    };
}

kind!(f32 f64 [f64; 3]);

/// A vector whose memory is kept when it is dropped.
#[derive(Debug)]
pub struct Kept<T: Kind>(Vec<T>);

impl<T: Kind> Kept<T> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        std::iter::repeat_n(T::default(), len).collect()
    }
}

impl<T: Kind> FromIterator<T> for Kept<T> {
    fn from_iter<I: IntoIterator<Item = T>>(numbers: I) -> Self {
        let mut spare = T::spare().lock().unwrap_or_else(PoisonError::into_inner);
        let mut vector = spare.pop().unwrap_or_default();
        drop(spare);
        vector.clear();
        vector.extend(numbers);
        Self(vector)
    }
}

impl<T: Kind> Drop for Kept<T> {
    fn drop(&mut self) {
        let mut spare = T::spare().lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(std::mem::take(&mut self.0));
    }
}

impl<T: Kind> Deref for Kept<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Kind> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<'a, T: Kind> IntoIterator for &'a Kept<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: Kind> IntoIterator for &'a mut Kept<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_was_used_starts_anew() {
        let first: Kept<f64> = [1.0, 2.0, 3.0].into_iter().collect();
        drop(first);
        assert_eq!(Kept::<f64>::zeros(2)[..], [0.0, 0.0]);
        let again: Kept<f64> = (0..5).map(f64::from).collect();
        assert_eq!(again[..], [0.0, 1.0, 2.0, 3.0, 4.0]);
    }
}
