//! Maps of feature vectors: t-SNE (van der Maaten & Hinton, JMLR 9, 2008) with the tree of Barnes and
//! Hut (van der Maaten, JMLR 15, 2014), by the crate `bhtsne`.
//!
//! The crate sums in an order that depends on the threads, and a map amplifies the last bit. So it
//! runs on one thread here. Its own search for neighbours draws from an unseeded generator, which
//! shows where distances are equal; the neighbours are found here, by all threads, exactly. Its
//! divergence (0.7.13) takes the affinity of another pair; it is computed here.

use crate::error::{Error, Result};
use crate::rng::{Sequence, Stream};
use bhtsne::{Neighbor, SparseAffinities, tSNE};
use rayon::prelude::*;

/// The effective number of neighbours of a point, where the set is large enough.
const PERPLEXITY: f64 = 30.0;
/// Neighbours for each unit of perplexity.
const REACH: usize = 3;
/// Cells that look smaller than this angle act as one point.
const THETA: f64 = 0.5;
const STEPS: usize = 1000;
/// The standard deviation of the first places.
const START: f64 = 1e-4;

/// The fewest vectors that have a map: a perplexity of 3.
pub const FEWEST: usize = REACH * 3 + 1;

/// Places of vectors in the plane. Neighbours stay neighbours; distances between groups, directions
/// and the scale mean nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// In the order of the vectors; their mean is the origin.
    pub points: Vec<(f64, f64)>,
    /// The perplexity used: 30, or a third of the other vectors if that is less.
    pub perplexity: f64,
    /// The Kullback–Leibler divergence that t-SNE minimises, in nats. Maps of the same vectors can be
    /// compared by it.
    pub divergence: f64,
}

/// Maps the rows of `features`, each of `dimension` numbers, by their Euclidean distances. The same
/// features and `seed` give the same bits for any number of threads. Memory is proportional to the
/// number of rows; time to its square times the dimension for the neighbours, and about
/// proportional for the 1,000 steps.
///
/// # Errors
/// [`Error::Shape`] if `features` are not whole rows; [`Error::Config`] for fewer than [`FEWEST`]
/// rows; [`Error::NonFinite`] for a number that is not finite, or a map that is not.
pub fn embed(features: &[f32], dimension: usize, seed: u64) -> Result<Map> {
    if dimension == 0 || !features.len().is_multiple_of(dimension) {
        let (length, op) = (features.len(), "t-SNE");
        return Err(Error::shape(op, format!("{length} numbers are not rows of {dimension}")));
    }
    let count = features.len() / dimension;
    if count < FEWEST {
        return Err(Error::Config(format!(
            "t-SNE: {count} feature vectors; a map needs at least {FEWEST}. Give more images"
        )));
    }
    if let Some(at) = features.iter().position(|value| !value.is_finite()) {
        let place = format!("t-SNE: feature {} of vector {}", at % dimension, at / dimension);
        return Err(Error::NonFinite { place });
    }
    // The crate demands 3·perplexity ≤ count − 1.
    let perplexity = PERPLEXITY.min((count - 1) as f64 / REACH as f64).floor();
    let rows: Vec<&[f32]> = features.chunks_exact(dimension).collect();
    let neighbours = neighbours(&rows, REACH * perplexity as usize);
    let mut numbers = Sequence::new(seed, Stream::Embedding, 0, 0);
    let start: Vec<f64> = (0..2 * count).map(|_| numbers.normal(0.0, START)).collect();

    let one_thread = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map_err(|e| Error::Config(format!("t-SNE: cannot start a thread: {e}")))?;
    let (places, affinities) = one_thread.install(|| {
        let mut tsne = tSNE::<f64, &[f32], 2>::new(&rows);
        tsne.perplexity(perplexity).epochs(STEPS).initial_embedding(start);
        tsne.barnes_hut_with_neighbors(THETA, &neighbours);
        (tsne.embedding(), tsne.affinities())
    });
    let points: Vec<(f64, f64)> = places.chunks_exact(2).map(|p| (p[0], p[1])).collect();
    let divergence = affinities.map_or(f64::NAN, |affinities| divergence(&affinities, &points));
    if !divergence.is_finite() || places.iter().any(|place| !place.is_finite()) {
        return Err(Error::NonFinite { place: "t-SNE: the map".into() });
    }
    Ok(Map { points, perplexity, divergence })
}

/// Σ p·ln(p/q) over all pairs with p > 0, where q is proportional to 1/(1 + d²) of the map
/// (equations 3 to 5 of the paper of 2008).
fn divergence(affinities: &SparseAffinities<f64>, points: &[(f64, f64)]) -> f64 {
    let near =
        |a: (f64, f64), b: (f64, f64)| 1.0 / (1.0 + (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2));
    // The sums of the rows are added in their order, whatever thread made them.
    let sums: Vec<f64> =
        points.par_iter().map(|a| points.iter().map(|b| near(*a, *b)).sum::<f64>() - 1.0).collect();
    let all: f64 = sums.iter().sum();
    let row = |i: usize| {
        let entries = affinities.rows()[i]..affinities.rows()[i + 1];
        let pairs = entries.map(|e| (affinities.columns()[e] as usize, affinities.values()[e]));
        let terms = pairs.filter(|(_, p)| *p > 0.0);
        terms.map(|(j, p)| p * (p * all / near(points[i], points[j])).ln()).sum::<f64>()
    };
    (0..points.len()).map(row).sum()
}

/// The `k` nearest other rows of each row, nearest first, the earlier row first where distances are
/// equal. Distances are in units of the mean distance to the k-th: the search for bandwidths begins
/// at 1 and has a limited number of steps.
fn neighbours(rows: &[&[f32]], k: usize) -> Vec<Vec<Neighbor<f64>>> {
    let mut all: Vec<Vec<Neighbor<f64>>> = rows
        .par_iter()
        .enumerate()
        .map(|(i, row)| {
            let others = rows.iter().enumerate().filter(|(j, _)| *j != i);
            let mut found: Vec<Neighbor<f64>> = others
                .map(|(index, other)| Neighbor { index, distance: distance(row, other) })
                .collect();
            let nearer = |a: &Neighbor<f64>, b: &Neighbor<f64>| {
                a.distance.total_cmp(&b.distance).then(a.index.cmp(&b.index))
            };
            if k < found.len() {
                found.select_nth_unstable_by(k, nearer);
                found.truncate(k);
            }
            found.sort_unstable_by(nearer);
            found
        })
        .collect();
    let furthest: f64 = all.iter().filter_map(|row| row.last()).map(|n| n.distance).sum();
    let unit = furthest / rows.len() as f64;
    if unit > 0.0 {
        all.iter_mut().flatten().for_each(|neighbour| neighbour.distance /= unit);
    }
    all
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `groups` clusters in `dimension` dimensions, far from each other; row i is of group i mod
    /// `groups`.
    fn clusters(count: usize, groups: usize, dimension: usize, scale: f64) -> Vec<f32> {
        let mut numbers = Sequence::new(3, Stream::Init, 0, 0);
        let centres: Vec<f64> = (0..groups * dimension).map(|_| numbers.normal(0.0, 8.0)).collect();
        let value = |i: usize, d: usize, noise: f64| centres[i % groups * dimension + d] + noise;
        let mut rows = Vec::new();
        for i in 0..count {
            for d in 0..dimension {
                rows.push((scale * value(i, d, numbers.normal(0.0, 1.0))) as f32);
            }
        }
        rows
    }

    /// The share of points whose nearest neighbour in the map is of their group.
    fn purity(map: &Map, groups: usize) -> f64 {
        let nearest = |i: usize| {
            let to = |j: &usize| {
                let (a, b) = (map.points[i], map.points[*j]);
                (a.0 - b.0).hypot(a.1 - b.1)
            };
            let others = (0..map.points.len()).filter(|j| *j != i);
            others.min_by(|a, b| to(a).total_cmp(&to(b))).unwrap()
        };
        let same = (0..map.points.len()).filter(|i| nearest(*i) % groups == i % groups).count();
        same as f64 / map.points.len() as f64
    }

    #[test]
    fn clusters_stay_together_whatever_their_scale() {
        for scale in [1.0, 1e-4, 1e5] {
            let map = embed(&clusters(240, 4, 10, scale), 10, 5).unwrap();
            assert_eq!(map.perplexity, 30.0);
            assert_eq!(purity(&map, 4), 1.0, "scale {scale}");
            let mean = |value: fn(&(f64, f64)) -> f64| {
                map.points.iter().map(value).sum::<f64>() / map.points.len() as f64
            };
            assert!(mean(|p| p.0).abs() < 1e-9 && mean(|p| p.1).abs() < 1e-9);
        }
        // One cloud without structure has no groups to find.
        let map = embed(&clusters(240, 1, 10, 1.0), 10, 5).unwrap();
        assert!(purity(&map, 4) < 0.5, "{}", purity(&map, 4));
    }

    #[test]
    fn bits_depend_on_the_seed_and_not_on_threads() {
        // Rows twice or thrice: equal distances.
        let mut features = clusters(150, 3, 6, 1.0);
        let copies = features[..60 * 6].to_vec();
        features.extend(&copies);
        features.extend(&copies[..30 * 6]);
        let with = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| embed(&features, 6, seed).unwrap())
        };
        let one = with(1, 9);
        for threads in [2, 3, 7] {
            assert_eq!(with(threads, 9), one, "{threads} threads");
        }
        assert_ne!(with(2, 10).points, one.points);
    }

    /// The divergence by its definition, with bandwidths found here, against the sparse sum.
    #[test]
    fn the_divergence_is_that_of_the_map() {
        let (count, dimension) = (91, 5);
        let features = clusters(count, 3, dimension, 1.0);
        let map = embed(&features, dimension, 2).unwrap();
        let rows: Vec<&[f32]> = features.chunks(dimension).collect();
        // Perplexity 30 and 90 neighbours: with 91 rows all pairs count.
        let mut p = vec![vec![0.0f64; count]; count];
        for i in 0..count {
            let squares: Vec<f64> =
                (0..count).map(|j| distance(rows[i], rows[j]).powi(2)).collect();
            let row = |beta: f64| {
                let weight = |j: usize| if j == i { 0.0 } else { (-beta * squares[j]).exp() };
                let weights: Vec<f64> = (0..count).map(weight).collect();
                let sum: f64 = weights.iter().sum();
                weights.into_iter().map(|w| w / sum).collect::<Vec<f64>>()
            };
            let entropy =
                |p: &[f64]| -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
            let (mut low, mut high) = (0.0, 10.0);
            for _ in 0..100 {
                let middle = f64::midpoint(low, high);
                let wide = entropy(&row(middle)) > 30f64.ln();
                (low, high) = if wide { (middle, high) } else { (low, middle) };
            }
            p[i] = row(low);
        }
        let near = |i: usize, j: usize| {
            let (a, b) = (map.points[i], map.points[j]);
            1.0 / (1.0 + (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2))
        };
        let pairs =
            || (0..count).flat_map(|i| (0..count).map(move |j| (i, j))).filter(|(i, j)| i != j);
        let sum: f64 = pairs().map(|(i, j)| near(i, j)).sum();
        let divergence: f64 = pairs()
            .map(|(i, j)| ((p[i][j] + p[j][i]) / (2.0 * count as f64), near(i, j) / sum))
            .filter(|(p, _)| *p > 0.0)
            .map(|(p, q)| p * (p / q).ln())
            .sum();
        // The crate's bandwidths are within 1e-5 nats of the perplexity, its tree within θ.
        assert!(
            (map.divergence - divergence).abs() < 0.01 * divergence,
            "{} {divergence}",
            map.divergence
        );
    }

    #[test]
    fn equal_rows_have_a_map() {
        let map = embed(&[0.25; 40 * 3], 3, 1).unwrap();
        assert_eq!((map.points.len(), map.perplexity), (40, 13.0));
    }

    #[test]
    fn what_cannot_be_mapped_is_an_error() {
        let few = embed(&[0.5; 27], 3, 1).unwrap_err();
        assert!(few.to_string().contains("9 feature vectors") && few.exit_code() == 2, "{few}");
        assert_eq!(embed(&[0.5; 31], 3, 1).unwrap_err().exit_code(), 1);
        assert_eq!(embed(&[], 0, 1).unwrap_err().exit_code(), 1);
        let mut features = clusters(40, 2, 3, 1.0);
        for bad in [f32::NAN, f32::INFINITY] {
            features[10] = bad;
            let error = embed(&features, 3, 1).unwrap_err();
            assert!(error.to_string().contains("feature 1 of vector 3"), "{error}");
        }
    }
}
