//! The smallest convex area that holds all points.

/// Twice the signed area of the triangle o–a–b: positive if it turns left.
fn turn(o: (i64, i64), a: (i64, i64), b: (i64, i64)) -> i64 {
    (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0)
}

/// Corners of the convex hull, counter-clockwise (y upward) from the leftmost, lowest point.
///
/// Andrew's monotone chain (Information Processing Letters 9, 1979), in whole numbers and therefore
/// exact. Points on an edge and copies are left out; for points on one line its two ends remain.
/// Coordinates must stay below 2³⁰ in size.
pub fn corners(points: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut sorted = points.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let mut hull = half(sorted.iter().copied());
    let upper = half(sorted.iter().rev().copied());
    hull.pop();
    hull.extend(&upper[..upper.len() - 1]);
    hull
}

/// The corners met when going along the points in order and turning left only.
fn half(points: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut chain: Vec<(i64, i64)> = Vec::new();
    for point in points {
        while let [.., before, last] = chain[..]
            && turn(before, last, point) <= 0
        {
            chain.pop();
        }
        chain.push(point);
    }
    chain
}

/// Area of the convex hull in square units; 0 for fewer than three points or points on one line.
pub fn area(points: &[(i64, i64)]) -> f64 {
    let hull = corners(points);
    let (Some(&first), Some(&last)) = (hull.first(), hull.last()) else { return 0.0 };
    let pairs = hull.windows(2).map(|pair| (pair[0], pair[1])).chain([(last, first)]);
    let doubled: i64 = pairs.map(|(a, b)| a.0 * b.1 - a.1 * b.0).sum();
    doubled as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_shapes_have_their_known_areas() {
        assert_eq!(area(&[]), 0.0);
        assert_eq!(area(&[(3, 4)]), 0.0);
        assert_eq!(area(&[(0, 0), (5, 5)]), 0.0);
        assert_eq!(area(&[(0, 0), (5, 5), (9, 9), (2, 2)]), 0.0);
        assert_eq!(area(&[(7, 7); 9]), 0.0);
        assert_eq!(area(&[(0, 0), (7, 0), (0, 3)]), 10.5);
        let square = [(1, 1), (11, 1), (11, 6), (1, 6), (6, 3), (6, 1), (1, 4)];
        assert_eq!(area(&square), 50.0);
        assert_eq!(corners(&square), [(1, 1), (11, 1), (11, 6), (1, 6)]);
    }

    proptest! {
        #[test]
        fn every_point_is_inside_and_every_corner_is_needed(
            points in prop::collection::vec((0i64..40, 0i64..25), 3..30),
        ) {
            let hull = corners(&points);
            prop_assume!(hull.len() >= 3);
            for i in 0..hull.len() {
                let (a, b, c) =
                    (hull[i], hull[(i + 1) % hull.len()], hull[(i + 2) % hull.len()]);
                prop_assert!(turn(a, b, c) > 0);
                prop_assert!(points.contains(&a));
                prop_assert!(points.iter().all(|&p| turn(a, b, p) >= 0));
            }
            // The same area by triangles around an inner point: no shoelace.
            let fan: i64 = (1..hull.len() - 1).map(|i| turn(hull[0], hull[i], hull[i + 1])).sum();
            prop_assert_eq!(area(&points), fan as f64 / 2.0);
        }
    }
}
