use super::*;
use crate::evaluate::stats::reference;

fn normal(n: usize, dim: usize, mean: f64, seed: u64) -> Features {
    let mut numbers = Sequence::new(seed, Stream::Resample, 96, 0);
    let rows = (0..n * dim).map(|i| numbers.normal(mean, 0.5 + (i % dim) as f64 / 4.0) as f32);
    Features::new(dim, rows.collect()).unwrap()
}

#[test]
fn the_reference_values_are_met() {
    let stored = reference::load();
    let found = kernel_distance(&stored.real(), &stored.synthetic(), 0.95).unwrap();
    let [value, variance] = stored.kernel;
    let reach = 1.959_963_984_540_054 * variance.sqrt();
    assert!((found.value - value).abs() < 1e-12 * value.abs(), "{found:?} {value}");
    assert!((found.high - (value + reach)).abs() < 1e-12 * value.abs(), "{found:?}");
    assert!((found.low - (value - reach)).abs() < 1e-12 * value.abs(), "{found:?}");
}

/// k is a power of a product: for two points each the sum can be done by hand.
#[test]
fn two_rows_each_by_hand() {
    let set = |a: f32, b: f32| Features::new(1, vec![a, b]).unwrap();
    // k(1,2) = 27, k(−1,3) = −8; k(1,−1) = 0, k(1,3) = 64, k(2,−1) = −1, k(2,3) = 343.
    let found = kernel_distance(&set(1.0, 2.0), &set(-1.0, 3.0), 0.9).unwrap();
    assert!((found.value - (27.0 - 8.0 - 2.0 * 406.0 / 4.0)).abs() < 1e-12, "{found:?}");
}

#[test]
fn order_does_not_matter_and_identical_rows_have_a_distance() {
    let (a, b) = (normal(70, 3, 0.2, 1), normal(90, 3, 0.6, 2));
    let order: Vec<usize> = (0..70).map(|i| (i * 23) % 70).collect();
    let (one, other) = (
        kernel_distance(&a, &b, 0.95).unwrap().value,
        kernel_distance(&b, &a.select(&order), 0.95).unwrap().value,
    );
    assert!((one - other).abs() < 1e-13 * one.abs(), "{one} {other}");
    // k(x, x) + k(y, y) − 2 k(x, y) with no spread at all.
    let (x, y) = (a.select(&[0; 9]), b.select(&[0; 5]));
    let k = |u: &[f32], v: &[f32]| {
        let dot: f64 = u.iter().zip(v).map(|(&u, &v)| f64::from(u) * f64::from(v)).sum();
        (dot / 3.0 + 1.0).powi(3)
    };
    let (u, v) = (x.row(0), y.row(0));
    let expected = k(u, u) + k(v, v) - 2.0 * k(u, v);
    let found = kernel_distance(&x, &y, 0.95).unwrap();
    assert!((found.value - expected).abs() < 1e-13 * k(u, u).max(k(v, v)), "{found:?}");
    assert!(found.high - found.low < 1e-12 && found.low <= found.high);
}

/// The interval's width is the spread over fresh samples, and the mean over them is unbiased: for
/// N(0, s²) against N(c, s²) in one dimension, E k(x, y) = E(xy + 1)³ has a closed form.
#[test]
fn the_interval_has_the_spread_of_fresh_samples() {
    let (c, s) = (0.5, 0.5);
    let draw = |n, mean, seed| {
        let mut numbers = Sequence::new(seed, Stream::Resample, 95, 0);
        Features::new(1, (0..n).map(|_| numbers.normal(mean, s) as f32).collect()).unwrap()
    };
    // The first three moments of N(a, s²).
    let moments = |a: f64| [a, a * a + s * s, a * a * a + 3.0 * a * s * s];
    let k = |a: f64, b: f64| {
        let (p, q) = (moments(a), moments(b));
        p[2] * q[2] + 3.0 * p[1] * q[1] + 3.0 * p[0] * q[0] + 1.0
    };
    let truth = k(0.0, 0.0) + k(c, c) - 2.0 * k(0.0, c);
    let trials = 300;
    let found: Vec<Interval> = (0..trials)
        .map(|t| kernel_distance(&draw(240, 0.0, 2 * t), &draw(160, c, 2 * t + 1), 0.95).unwrap())
        .collect();
    let n = trials as f64;
    let mean = found.iter().map(|f| f.value).sum::<f64>() / n;
    let variance = found.iter().map(|f| (f.value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!((mean - truth).abs() < 4.0 * (variance / n).sqrt(), "{mean} {truth}");
    let claimed = found.iter().map(|f| ((f.high - f.low) / 2.0 / 1.96).powi(2)).sum::<f64>() / n;
    // The relative standard deviation of a variance over 300 trials is 0.08 for normal values.
    assert!((0.75..1.33).contains(&(claimed / variance)), "{claimed} {variance}");
    let covered = found.iter().filter(|f| f.low <= truth && truth <= f.high).count();
    assert!((270..=299).contains(&covered), "{covered} of 300 intervals hold the truth");
}

/// Both sets of one distribution: an interval that misses 0 is a false alarm, allowed in 5 %.
#[test]
fn equal_distributions_are_seldom_told_apart() {
    let alarms = (0..200)
        .map(|t| kernel_distance(&normal(90, 3, 0.3, 2 * t), &normal(90, 3, 0.3, 2 * t + 1), 0.95))
        .filter(|found| matches!(found, Ok(interval) if interval.low > 0.0))
        .count();
    assert!(alarms <= 15, "{alarms} false alarms in 200");
}

#[test]
fn subsets_agree_with_the_whole_and_are_reproducible() {
    let (a, b) = (normal(300, 4, 0.1, 3), normal(260, 4, 0.5, 4));
    let run = |seed| kernel_distance_of_subsets(&a, &b, (200, 60), seed, 0.95).unwrap();
    let (found, whole) = (run(1), kernel_distance(&a, &b, 0.95).unwrap());
    let error = found.deviation / 200f64.sqrt();
    assert!((found.mean.value - whole.value).abs() < 4.0 * error, "{found:?} {whole:?}");
    let width = |interval: Interval| interval.high - interval.low;
    let ratio = width(found.mean) / width(whole);
    assert!((0.75..1.33).contains(&ratio), "{found:?} {whole:?}");
    assert_eq!((found.count, found.size), (200, 60));
    assert_eq!(found, run(1));
    assert_ne!(found, run(2));
}

/// The two ways to the same value, with different numbers of rows in the sets.
#[test]
fn the_value_alone_is_that_with_the_variance() {
    let (a, b) = (normal(70, 3, 0.2, 1), normal(131, 3, 0.6, 2));
    let (alone, (both, _)) = (value_alone(&a, &b), estimate(&a, &b));
    assert!((alone - both).abs() < 1e-13 * both.abs(), "{alone} {both}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (a, b) = (normal(300, 7, 0.1, 3), normal(260, 7, 0.5, 4));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let subsets = kernel_distance_of_subsets(&a, &b, (5, 100), 1, 0.95).unwrap();
            (kernel_distance(&a, &b, 0.95).unwrap(), subsets)
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_choice_has_no_repeats_and_every_row_can_be_in_it() {
    let mut draw = Sequence::new(5, Stream::Resample, 94, 0);
    let mut seen = [0; 9];
    for _ in 0..900 {
        let mut chosen = choose(9, 4, &mut draw);
        chosen.iter().for_each(|&index| seen[index] += 1);
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 4);
    }
    // 400 expected, standard deviation 15.
    assert!(seen.iter().all(|count| (340..=460).contains(count)), "{seen:?}");
}

#[test]
fn too_few_rows_overflow_and_foreign_sets_are_refused() {
    let (a, b) = (normal(5, 2, 0.0, 1), normal(9, 2, 0.0, 2));
    let few = kernel_distance(&a.select(&[0]), &b, 0.95).unwrap_err();
    assert_eq!(
        few.to_string(),
        "the kernel distance needs at least 2 rows in each set; there are 1"
    );
    let few = kernel_distance_of_subsets(&a, &b, (10, 5), 0, 0.95).unwrap_err();
    assert!(few.to_string().contains("at least 6 rows in each set; there are 5"), "{few}");
    assert!(kernel_distance_of_subsets(&a, &b, (1, 4), 0, 0.95).is_err());
    assert!(kernel_distance_of_subsets(&a, &b, (4, 1), 0, 0.95).is_err());
    assert!(kernel_distance_of_subsets(&a, &b, (4, 4), 0, 2.0).is_err());
    assert!(kernel_distance(&a, &b, 0.0).is_err());
    assert!(kernel_distance(&a, &normal(9, 3, 0.0, 2), 0.95).is_err());
    // The cube of (10³⁰)² stays finite in f64, its square does not: no silent infinity.
    let far = Features::new(2, vec![1e38; 10]).unwrap();
    let near = Features::new(2, (0..10).map(|i| 1e30 * i as f32).collect()).unwrap();
    let error = kernel_distance(&far, &near, 0.95).unwrap_err();
    assert!(error.to_string().contains("is a NaN or an infinity"), "{error}");
}
