//! Fewer points where more would not be seen.

use super::scene::Point;

/// Thins a curve that runs to the right (places in pixels) to at most four points a column: the
/// first, the lowest, the highest and the last there, in their order. What is drawn stays the same
/// to the pixel. A curve that runs back is left as it is.
pub fn columns(points: Vec<Point>) -> Vec<Point> {
    const FEW: usize = 1500;
    if points.len() <= FEW || points.windows(2).any(|pair| pair[1].0 < pair[0].0) {
        return points;
    }
    let same_column = |a: &Point, b: &Point| a.0.floor() == b.0.floor();
    let mut kept = Vec::new();
    for column in points.chunk_by(same_column) {
        let by_height = |a: &&usize, b: &&usize| column[**a].1.total_cmp(&column[**b].1);
        let indices: Vec<usize> = (0..column.len()).collect();
        let lowest = indices.iter().min_by(by_height).copied().unwrap_or(0);
        let highest = indices.iter().max_by(by_height).copied().unwrap_or(0);
        let mut chosen = [0, lowest, highest, column.len() - 1];
        chosen.sort_unstable();
        let distinct = chosen.iter().enumerate().filter(|(i, k)| *i == 0 || chosen[i - 1] != **k);
        kept.extend(distinct.map(|(_, k)| column[*k]));
    }
    kept
}

/// The smallest `k` such that every k-th of `count` things are at most `most`.
pub fn every(count: usize, most: usize) -> usize {
    count.div_ceil(most.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_outline_of_each_column() {
        let point = |i: u32| (f64::from(i) / 100.0, f64::from(i * 7919 % 1009));
        let points: Vec<Point> = (0..50_000).map(point).collect();
        let kept = columns(points.clone());
        assert!(kept.len() <= 4 * 500, "{}", kept.len());
        let extent = |points: &[Point], column: f64| {
            let here = points.iter().filter(|p| p.0.floor() == column).map(|p| p.1);
            here.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)))
        };
        for column in 0..500 {
            let column = f64::from(column);
            assert_eq!(extent(&kept, column), extent(&points, column));
        }
        assert!(kept.is_sorted_by(|a, b| a.0 <= b.0));
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
    }

    #[test]
    fn short_curves_and_loops_stay_whole() {
        let short: Vec<Point> = (0..1500).map(|i| (0.001 * f64::from(i), 0.0)).collect();
        assert_eq!(columns(short.clone()), short);
        let round: Vec<Point> = (0..3000).map(|i| f64::from(i).sin_cos()).collect();
        assert_eq!(columns(round.clone()), round);
        assert_eq!((every(0, 5), every(5, 5), every(6, 5), every(11, 5)), (1, 1, 2, 3));
    }
}
