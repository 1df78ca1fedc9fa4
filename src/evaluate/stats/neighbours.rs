//! Nearest neighbours among feature vectors, exact, by Euclidean distance.

use super::features::Features;
use super::pairs;
use super::refusal::{Judged, LeftOut};
use crate::error::Result;

/// The nearest row of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Its index; the lowest of several at the same distance.
    pub index: usize,
    /// Euclidean distance, not squared.
    pub distance: f64,
}

/// For each row of `queries` the nearest row of `among`.
///
/// # Errors
/// [`LeftOut::TooFew`] if `among` is empty; a shape error if the dimensions differ.
pub fn nearest(queries: &Features, among: &Features) -> Judged<Vec<Nearest>> {
    queries.same_dim(among, "nearest neighbours")?;
    LeftOut::unless("the nearest neighbour", "rows", 1, among.len())?;
    let found = pairs::distances(
        queries,
        among,
        |_| Nearest { index: 0, distance: f64::INFINITY },
        |best, _, first, squared| {
            for (index, &distance) in (first..).zip(squared) {
                if distance < best.distance {
                    *best = Nearest { index, distance };
                }
            }
        },
    );
    Ok(found.into_iter().map(|n| Nearest { distance: n.distance.sqrt(), ..n }).collect())
}

/// For each row of `queries` the `k` nearest rows of `among`, nearest first; all of them if there are fewer.
///
/// # Errors
/// A shape error if the dimensions differ.
pub fn nearest_few(queries: &Features, among: &Features, k: usize) -> Result<Vec<Vec<Nearest>>> {
    queries.same_dim(among, "nearest neighbours")?;
    let mut found = pairs::distances(
        queries,
        among,
        |_| Vec::with_capacity(k + 1),
        |few: &mut Vec<Nearest>, _, first, squared| {
            for (index, &distance) in (first..).zip(squared) {
                if few.len() < k || few.last().is_some_and(|last| distance < last.distance) {
                    let at = few.partition_point(|near| near.distance <= distance);
                    few.insert(at, Nearest { index, distance });
                    few.truncate(k);
                }
            }
        },
    );
    found.iter_mut().flatten().for_each(|near| near.distance = near.distance.sqrt());
    Ok(found)
}

/// For each row the squared distance to its `k`-th nearest other row, k ≥ 1; `set` has more than `k`
/// rows. Squared, so that comparing loses nothing to the root's rounding.
pub(super) fn kth_squared(set: &Features, k: usize) -> Vec<f64> {
    let lists = pairs::distances(
        set,
        set,
        |_| vec![f64::INFINITY; k],
        |least, row, first, squared| {
            for (index, &distance) in (first..).zip(squared) {
                if index != row && distance < least[k - 1] {
                    let at = least.partition_point(|&kept| kept <= distance);
                    least[at..].rotate_right(1);
                    least[at] = distance;
                }
            }
        },
    );
    lists.into_iter().map(|least| least[k - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[f32]) -> Features {
        Features::new(1, points.to_vec()).unwrap()
    }

    #[test]
    fn neighbours_on_a_line() {
        let set = line(&[0.0, 1.0, 3.0, 7.0, 7.0]);
        assert_eq!(kth_squared(&set, 1), [1.0, 1.0, 4.0, 0.0, 0.0]);
        assert_eq!(kth_squared(&set, 2), [9.0, 4.0, 9.0, 16.0, 16.0]);
        assert_eq!(kth_squared(&set, 4), [49.0, 36.0, 16.0, 49.0, 49.0]);
        let found = nearest(&line(&[6.5, 2.0, -4.0]), &set).unwrap();
        let expected = [(3, 0.5), (1, 1.0), (0, 4.0)];
        assert_eq!(found.len(), 3);
        for (found, (index, distance)) in found.iter().zip(expected) {
            assert_eq!(*found, Nearest { index, distance });
        }
    }

    #[test]
    fn the_few_nearest_are_the_first_of_all_distances_in_order() {
        let set = line(&[0.0, 7.0, 1.0, 7.0, 3.0]);
        let found = nearest_few(&line(&[6.5, -4.0]), &set, 3).unwrap();
        let expected = [[(1, 0.5), (3, 0.5), (4, 3.5)], [(0, 4.0), (2, 5.0), (4, 7.0)]];
        for (found, expected) in found.iter().zip(expected) {
            let expected = expected.map(|(index, distance)| Nearest { index, distance });
            assert_eq!(found[..], expected);
        }
        assert_eq!(nearest_few(&line(&[1.0]), &set, 9).unwrap()[0].len(), 5);
    }

    #[test]
    fn no_neighbour_and_no_common_dimension() {
        let none = Features::new(1, vec![]).unwrap();
        let error = nearest(&line(&[1.0]), &none).unwrap_err();
        assert!(error.to_string().contains("at least 1 rows; there are 0"), "{error}");
        assert!(nearest(&none, &line(&[1.0])).unwrap().is_empty());
        let plane = Features::new(2, vec![1.0, 2.0]).unwrap();
        assert!(nearest(&plane, &line(&[1.0])).unwrap_err().to_string().contains("1"));
    }
}
