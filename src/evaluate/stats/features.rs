//! A set of feature vectors.

use crate::error::{Error, Result};

/// Feature vectors `[n, dim]`, row-major, all finite. There may be none.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    dim: usize,
    rows: Vec<f32>,
}

impl Features {
    /// Takes `rows` as `[n, dim]`, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] for `dim` 0 or a length that is no multiple of it, [`Error::NonFinite`] with
    /// the row and column of the first NaN or infinity.
    pub fn new(dim: usize, rows: Vec<f32>) -> Result<Self> {
        if dim == 0 || !rows.len().is_multiple_of(dim) {
            return Err(Error::shape(
                "features",
                format!("{} numbers are not rows of {dim}; give [n, dim] with dim > 0", rows.len()),
            ));
        }
        match rows.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(Error::NonFinite { place: format!("feature {} of row {}", at % dim, at / dim) })
            }
            None => Ok(Self { dim, rows }),
        }
    }

    /// Numbers in a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dim
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All numbers, row-major.
    pub fn values(&self) -> &[f32] {
        &self.rows
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.rows.chunks_exact(self.dim)
    }

    /// Row `index`. Panics where there is none, like a slice.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.rows[index * self.dim..][..self.dim]
    }

    /// A copy of the rows `indices`, in that order. Panics where there is no such row.
    pub fn select(&self, indices: &[usize]) -> Self {
        let rows = indices.iter().flat_map(|&index| self.row(index)).copied().collect();
        Self { dim: self.dim, rows }
    }

    /// Whether all rows are the same; true for one row or none.
    pub fn all_rows_equal(&self) -> bool {
        self.rows().all(|row| row == self.row(0))
    }

    /// # Errors
    /// [`Error::Shape`] where the rows of the two sets differ in length.
    pub(super) fn same_dim(&self, other: &Self, op: &'static str) -> Result<()> {
        if self.dim == other.dim {
            return Ok(());
        }
        Err(Error::shape(
            op,
            format!(
                "one set has rows of {} features and the other of {}; use one network for both",
                self.dim, other.dim
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_what_was_given() {
        let set = Features::new(3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!((set.len(), set.dim()), (2, 3));
        assert_eq!(set.row(1), [4.0, 5.0, 6.0]);
        assert_eq!(set.select(&[1, 0, 1]).values(), [4., 5., 6., 1., 2., 3., 4., 5., 6.]);
        assert!(!set.all_rows_equal());
        assert!(set.select(&[1, 1]).all_rows_equal());
        assert!(Features::new(3, vec![]).unwrap().is_empty());
    }

    #[test]
    fn wrong_lengths_and_nan_are_named() {
        let shape = Features::new(3, vec![0.0; 7]).unwrap_err();
        assert!(shape.to_string().contains("7 numbers are not rows of 3"), "{shape}");
        assert!(Features::new(0, vec![]).is_err());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = Features::new(2, vec![0.0, 1.0, 2.0, bad]).unwrap_err();
            assert!(error.to_string().starts_with("feature 1 of row 1 is"), "{error}");
        }
    }
}
