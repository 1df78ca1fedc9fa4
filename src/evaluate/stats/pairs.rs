//! Every pair of rows of two sets, block by block: the matrix of all pairs is never stored.
//!
//! Each thread holds one block of rows of the first set and one tile of the second in f64.

use super::features::Features;
use nalgebra::DMatrix;
use rayon::prelude::*;

/// Rows of the first set in a block: enough to pay for the repacking of every tile.
const BLOCK: usize = 64;
/// Rows of the second set in a tile of products.
const TILE: usize = 64;
/// Rows of the second set whose distances are summed side by side; fills the vector registers.
const LANES: usize = 16;

/// Visits the squared Euclidean distances of each row of `a` to all rows of `b`, in order, and
/// returns what the visits made of `start(i)` for each row i of `a`.
///
/// `visit(state, i, j, d)` gets the distances of row i to the rows j, j + 1, … of `b`. A distance is
/// summed from the first feature to the last, so that d(x, y) and d(y, x) have the same bits and
/// equal rows are at 0. The dimensions must be the same.
pub(super) fn distances<S: Send>(
    a: &Features,
    b: &Features,
    start: impl Fn(usize) -> S + Sync,
    visit: impl Fn(&mut S, usize, usize, &[f64]) + Sync,
) -> Vec<S> {
    let dim = a.dim();
    let block = |(number, rows): (usize, &[f32])| {
        let rows = widen(rows);
        let first = number * BLOCK;
        let mut states: Vec<S> = (first..first + rows.len() / dim).map(&start).collect();
        let mut tile = vec![[0.0; LANES]; dim];
        for (at, packed) in b.values().chunks(LANES * dim).enumerate() {
            for (lane, row) in packed.chunks_exact(dim).enumerate() {
                for (column, &value) in tile.iter_mut().zip(row) {
                    column[lane] = f64::from(value);
                }
            }
            let count = packed.len() / dim;
            for ((i, state), row) in (first..).zip(&mut states).zip(rows.chunks_exact(dim)) {
                visit(state, i, at * LANES, &to_lanes(row, &tile)[..count]);
            }
        }
        states
    };
    a.values().par_chunks(BLOCK * dim).enumerate().flat_map_iter(block).collect()
}

/// The squared distances of one row to `LANES` rows, stored feature by feature.
fn to_lanes(row: &[f64], tile: &[[f64; LANES]]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (x, column) in row.iter().zip(tile) {
        for (sum, y) in sums.iter_mut().zip(column) {
            let difference = x - y;
            *sum += difference * difference;
        }
    }
    sums
}

/// Like [`distances`], with the inner products x·y. They come from a blocked matrix product, which
/// is several times faster; equal pairs may differ in the last bit.
pub(super) fn products<S: Send>(
    a: &Features,
    b: &Features,
    start: impl Fn(usize) -> S + Sync,
    visit: impl Fn(&mut S, usize, usize, &[f64]) + Sync,
) -> Vec<S> {
    let dim = a.dim();
    let block = |(number, rows): (usize, &[f32])| {
        let columns = DMatrix::from_vec(dim, rows.len() / dim, widen(rows));
        let first = number * BLOCK;
        let mut states: Vec<S> = (first..first + columns.ncols()).map(&start).collect();
        for (at, tile) in b.values().chunks(TILE * dim).enumerate() {
            let tile = DMatrix::from_row_iterator(
                tile.len() / dim,
                dim,
                tile.iter().map(|&value| f64::from(value)),
            );
            let product = &tile * &columns;
            for ((i, state), column) in (first..).zip(&mut states).zip(product.column_iter()) {
                visit(state, i, at * TILE, column.as_slice());
            }
        }
        states
    };
    a.values().par_chunks(BLOCK * dim).enumerate().flat_map_iter(block).collect()
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Sequence, Stream};

    fn random(n: usize, dim: usize, seed: u64) -> Features {
        let mut numbers = Sequence::new(seed, Stream::Resample, 0, 0);
        let rows = (0..n * dim).map(|_| numbers.range(-1.0, 3.0) as f32).collect();
        Features::new(dim, rows).unwrap()
    }

    /// Sizes that fill no block or tile, so that a lost or repeated edge would show.
    #[test]
    fn every_pair_is_visited_once_with_its_value() {
        let (a, b) = (random(131, 5, 1), random(77, 5, 2));
        let gather = |all: &mut Vec<f64>, _: usize, j: usize, found: &[f64]| {
            assert_eq!(all.len(), j);
            all.extend_from_slice(found);
        };
        let far = distances(&a, &b, |_| Vec::new(), gather);
        let product = products(&a, &b, |_| Vec::new(), gather);
        assert_eq!((far.len(), product.len()), (131, 131));
        for (i, x) in a.rows().enumerate() {
            assert_eq!((far[i].len(), product[i].len()), (77, 77));
            for (j, y) in b.rows().enumerate() {
                let pairs = || x.iter().zip(y).map(|(&x, &y)| (f64::from(x), f64::from(y)));
                let d: f64 = pairs().map(|(x, y)| (x - y).powi(2)).sum();
                let p: f64 = pairs().map(|(x, y)| x * y).sum();
                assert_eq!(far[i][j], d);
                assert!((product[i][j] - p).abs() < 1e-13);
            }
        }
    }
}
