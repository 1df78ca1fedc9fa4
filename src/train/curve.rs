//! From logged figures to the points of a curve: smoothing, thinning, ticks.

/// The mean over each point and up to `reach` neighbours on both sides. What is not finite is left
/// out of the mean; a window without any finite value gives NaN.
///
/// A window of `w` numbers is the end of one block of `w` and the start of the next, so running sums
/// from both sides of every block give all means in linear time (van Herk's scheme). Differences of
/// one long running sum would do so too, but lose every digit behind a single huge value.
pub fn smooth(values: &[f64], reach: usize) -> Vec<f64> {
    let window = 2 * reach + 1;
    let beyond = std::iter::repeat_n(&f64::NAN, reach);
    let terms: Vec<(f64, usize)> = beyond
        .clone()
        .chain(values)
        .chain(beyond)
        .map(|v| if v.is_finite() { (*v, 1) } else { (0.0, 0) })
        .collect();
    let plus = |a: (f64, usize), b: (f64, usize)| (a.0 + b.0, a.1 + b.1);
    let (mut from_start, mut to_end) = (terms.clone(), terms);
    for block in from_start.chunks_mut(window) {
        for i in 1..block.len() {
            block[i] = plus(block[i], block[i - 1]);
        }
    }
    for block in to_end.chunks_mut(window) {
        for i in (1..block.len()).rev() {
            block[i - 1] = plus(block[i - 1], block[i]);
        }
    }
    (0..values.len())
        .map(|i| {
            let head = from_start[i + 2 * reach];
            let (sum, count) = if i.is_multiple_of(window) { head } else { plus(to_end[i], head) };
            sum / count as f64
        })
        .collect()
}

/// Thins a curve to at most two points in each of `buckets` equal parts, its lowest and its highest
/// there, in their order: no spike is lost. The order of `x` is kept; a part without a finite value
/// keeps one point, so that a gap stays a gap.
pub fn envelope(points: &[(u64, f64)], buckets: usize) -> Vec<(u64, f64)> {
    let size = points.len().div_ceil(buckets.max(1));
    if size <= 2 {
        return points.to_vec();
    }
    points
        .chunks(size)
        .flat_map(|part| {
            let finite = || part.iter().enumerate().filter(|(_, p)| p.1.is_finite());
            let by_value =
                |a: &(usize, &(u64, f64)), b: &(usize, &(u64, f64))| a.1.1.total_cmp(&b.1.1);
            let low = finite().min_by(by_value).map_or(0, |(i, _)| i);
            let high = finite().max_by(by_value).map_or(0, |(i, _)| i);
            let (first, second) = (low.min(high), low.max(high));
            std::iter::once(part[first]).chain((second > first).then(|| part[second]))
        })
        .collect()
}

/// Every k-th point and the last, at most `most` + 1: for a curve that is smooth already.
pub fn every_kth(points: &[(u64, f64)], most: usize) -> Vec<(u64, f64)> {
    let k = points.len().div_ceil(most.max(1)).max(1);
    let last = points.last().filter(|_| !(points.len().saturating_sub(1)).is_multiple_of(k));
    points.iter().step_by(k).chain(last).copied().collect()
}

/// The unbroken stretches of a curve: it is cut where a value is not finite.
pub fn stretches(points: &[(u64, f64)]) -> impl Iterator<Item = &[(u64, f64)]> {
    points.split(|p| !p.1.is_finite()).filter(|stretch| !stretch.is_empty())
}

/// The upper end of an axis from 0 that shows `solid` whole and 99 % of `faint`: one early spike
/// must not flatten the rest of the run. 1 if nothing is finite and positive.
pub fn upper_end(solid: &[f64], faint: &[f64]) -> f64 {
    let highest = solid.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let mut finite: Vec<f64> = faint.iter().copied().filter(|v| v.is_finite()).collect();
    finite.sort_unstable_by(f64::total_cmp);
    let rank = (finite.len() * 99).div_ceil(100).saturating_sub(1);
    let end = finite.get(rank).copied().unwrap_or(0.0).max(highest) * 1.08;
    if end > 0.0 { end } else { 1.0 }
}

/// Round values from 0 to `end`, at most `most` + 1 of them, spaced 1, 2 or 5 times a power of ten.
pub fn round_ticks(end: f64, most: u32) -> Vec<f64> {
    if !(end.is_finite() && end > 0.0 && most > 0) {
        return Vec::new();
    }
    let least = end / f64::from(most);
    let power = 10f64.powf(least.log10().floor());
    let spacing = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|spacing| *spacing >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power);
    (0..=most)
        .map(|k| f64::from(k) * spacing)
        .take_while(|tick| *tick <= end * (1.0 + 1e-9))
        .collect()
}

/// A tick's label: no more decimals than it has, thousands grouped. Not negative.
pub fn tick_label(tick: f64) -> String {
    let text = format!("{:.6}", tick.fract());
    let decimals = text.trim_start_matches('0').trim_end_matches('0').trim_end_matches('.');
    grouped(tick.trunc() as u64) + decimals
}

/// 1234567 → "1,234,567".
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_is_the_mean_of_the_window() {
        let values: Vec<f64> =
            (0..60)
                .map(|i| {
                    if i % 7 == 3 || (20..30).contains(&i) {
                        f64::NAN
                    } else {
                        f64::from(i * i % 23)
                    }
                })
                .collect();
        for reach in [0, 1, 4, 100] {
            for (i, smoothed) in smooth(&values, reach).into_iter().enumerate() {
                let window = &values[i.saturating_sub(reach)..(i + reach + 1).min(60)];
                let finite: Vec<f64> = window.iter().copied().filter(|v| v.is_finite()).collect();
                if finite.is_empty() {
                    assert!(smoothed.is_nan());
                } else {
                    let mean = finite.iter().sum::<f64>() / finite.len() as f64;
                    assert!((smoothed - mean).abs() < 1e-12, "{i}: {smoothed} {mean}");
                }
            }
        }
        assert!(smooth(&[], 3).is_empty());
    }

    #[test]
    fn one_huge_value_is_forgotten_behind_its_window() {
        let mut values = vec![0.7; 100];
        values[20] = 1e30;
        for (i, smoothed) in smooth(&values, 5).into_iter().enumerate() {
            if i.abs_diff(20) > 5 {
                assert!((smoothed - 0.7).abs() < 1e-12, "{i}: {smoothed}");
            } else {
                assert!((smoothed / 1e30 - 1.0 / 11.0).abs() < 1e-12, "{i}: {smoothed}");
            }
        }
    }

    #[test]
    fn thinning_keeps_the_extremes_and_the_order() {
        let mut points: Vec<(u64, f64)> =
            (0..10_000u64).map(|i| (i * 50, (i * 7919 % 1000) as f64)).collect();
        points[1234].1 = -5.0;
        points[8765].1 = 5000.0;
        let thin = envelope(&points, 300);
        assert!(thin.len() <= 600 && thin.len() > 300);
        assert!(thin.contains(&points[1234]) && thin.contains(&points[8765]));
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(thin.iter().all(|p| points.contains(p)));
        assert_eq!(envelope(&points[..500], 300), points[..500]);
    }

    #[test]
    fn every_kth_point_and_the_last() {
        let points: Vec<(u64, f64)> = (0..10).map(|i| (i, i as f64)).collect();
        let kept = |most| -> Vec<u64> { every_kth(&points, most).iter().map(|p| p.0).collect() };
        assert_eq!(kept(4), [0, 3, 6, 9]);
        assert_eq!(kept(5), [0, 2, 4, 6, 8, 9]);
        assert_eq!(kept(100).len(), 10);
        assert!(every_kth(&[], 5).is_empty());
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let points: Vec<(u64, f64)> =
            (0..1000).map(|i| (i, if (400..600).contains(&i) { f64::NAN } else { 1.0 })).collect();
        assert_eq!(stretches(&points).map(<[_]>::len).collect::<Vec<_>>(), [400, 400]);
        let thin = envelope(&points, 50);
        assert_eq!(stretches(&thin).count(), 2);
        assert!(envelope(&[], 10).is_empty());
    }

    #[test]
    fn the_axis_ignores_a_spike_but_not_the_curve() {
        let mut faint = vec![2.0; 1000];
        faint[3] = 500.0;
        assert_eq!(upper_end(&[1.0, f64::NAN], &faint), 2.0 * 1.08);
        assert_eq!(upper_end(&[3.0], &faint), 3.0 * 1.08);
        for nothing in [&[][..], &[f64::NAN], &[f64::INFINITY], &[-1.0]] {
            assert_eq!(upper_end(nothing, nothing), 1.0);
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        let labels = |end, most| -> Vec<String> {
            round_ticks(end, most).into_iter().map(tick_label).collect()
        };
        assert_eq!(labels(10.0, 10), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
        assert_eq!(labels(150.0, 8), ["0", "20", "40", "60", "80", "100", "120", "140"]);
        assert_eq!(labels(0.33, 8), ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3"]);
        assert_eq!(labels(7.0, 2), ["0", "5"]);
        assert_eq!(labels(2130.0, 5), ["0", "500", "1,000", "1,500", "2,000"]);
        assert_eq!([2.5, 1e-5, 0.3 * 4.0].map(tick_label), ["2.5", "0.00001", "1.2"]);
        for end in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(round_ticks(end, 8).is_empty());
        }
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
