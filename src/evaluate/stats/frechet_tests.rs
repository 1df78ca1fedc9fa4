use super::*;
use crate::evaluate::stats::reference;
use crate::rng::{Sequence, Stream};

fn features(n: usize, dim: usize, seed: u64) -> Features {
    let mut numbers = Sequence::new(seed, Stream::Resample, 97, 0);
    let rows = (0..n * dim).map(|i| numbers.normal(0.3, 0.2 + (i % dim) as f64) as f32).collect();
    Features::new(dim, rows).unwrap()
}

fn diagonal(mean: &[f64], variances: &[f64]) -> Gaussian {
    Gaussian {
        rows: 100,
        mean: DVector::from_column_slice(mean),
        covariance: DMatrix::from_diagonal(&DVector::from_column_slice(variances)),
    }
}

fn set_distance(a: &Features, b: &Features) -> f64 {
    frechet(&Gaussian::of(a).unwrap(), &Gaussian::of(b).unwrap()).unwrap()
}

#[test]
fn the_reference_values_are_met() {
    let stored = reference::load();
    let (real, synthetic) = (stored.real(), stored.synthetic());
    let found = set_distance(&real, &synthetic);
    assert!((found - stored.frechet).abs() < 1e-11 * found, "{found} {}", stored.frechet);
    let first: Vec<usize> = (0..8).collect();
    let found = set_distance(&real.select(&first), &synthetic.select(&first));
    assert!((found - stored.frechet_of_first_8).abs() < 1e-11 * found, "{found}");
}

/// Of diagonal Gaussians: |m₁ − m₂|² + Σ (s₁ − s₂)² of the standard deviations.
#[test]
fn diagonal_gaussians_have_the_closed_form() {
    let a = diagonal(&[1.0, -2.0, 0.5, 4.0], &[4.0, 0.25, 0.0, 9.0]);
    let b = diagonal(&[0.0, 1.0, 0.5, 3.5], &[1.0, 2.25, 0.16, 0.0]);
    let expected = 1.0 + 9.0 + 0.25 + (1.0 + 1.0 + 0.16 + 9.0);
    assert!((frechet(&a, &b).unwrap() - expected).abs() < 1e-13);
    assert!((frechet(&b, &a).unwrap() - expected).abs() < 1e-13);
}

/// The shift is a sum of powers of two, so that the shifted f32 rows are exact.
#[test]
fn a_shifted_copy_is_as_far_as_the_shift_and_a_reordered_one_at_zero() {
    // 300 × 5: full rank; 9 × 40: far from it.
    for (n, dim) in [(300, 5), (9, 40)] {
        let quarters = |x: f32| (x * 1024.0).round() / 1024.0;
        let set = features(n, dim, 3);
        let set = Features::new(dim, set.values().iter().map(|&x| quarters(x)).collect()).unwrap();
        let shift: Vec<f32> = (0..dim).map(|i| (i as f32 - 1.5) / 4.0).collect();
        let moved = set.rows().flat_map(|row| row.iter().zip(&shift).map(|(x, s)| x + s)).collect();
        let moved = Features::new(dim, moved).unwrap();
        let expected: f64 = shift.iter().map(|s| f64::from(s * s)).sum();
        let spread = Gaussian::of(&set).unwrap().covariance.trace();
        assert!((set_distance(&set, &moved) - expected).abs() < 1e-13 * (spread + expected));
        let order: Vec<usize> = (0..n).rev().collect();
        assert!(set_distance(&set, &set.select(&order)) < 1e-13 * spread);
    }
}

/// Against two passes in f64, far from zero, over several blocks and any division into parts.
#[test]
fn streamed_moments_are_those_of_two_passes() {
    let (n, dim) = (700, 4);
    let near = features(n, dim, 5);
    let far: Vec<f32> = near.values().iter().map(|x| x + 3.0e4).collect();
    let set = Features::new(dim, far).unwrap();
    let at = |row: &[f32], i: usize| f64::from(row[i]);
    let mean: Vec<f64> =
        (0..dim).map(|i| set.rows().map(|row| at(row, i)).sum::<f64>() / n as f64).collect();
    for cut in [0, 1, 255, 256, 300, 699] {
        let mut parts = [GaussianSum::new(dim).unwrap(), GaussianSum::new(dim).unwrap()];
        for (index, row) in set.rows().enumerate() {
            parts[usize::from(index >= cut)].add(row).unwrap();
        }
        let [mut sum, rest] = parts;
        assert_eq!((sum.len(), rest.len()), (cut as u64, (n - cut) as u64));
        sum.merge(rest).unwrap();
        let found = sum.finish().unwrap();
        assert_eq!(found.len(), n as u64);
        for i in 0..dim {
            assert!((found.mean()[i] - mean[i]).abs() < 1e-15 * 3.0e4);
            for j in 0..dim {
                let products =
                    set.rows().map(|row| (at(row, i) - mean[i]) * (at(row, j) - mean[j]));
                let expected = products.sum::<f64>() / (n - 1) as f64;
                let scale = ((0.2 + i as f64) * (0.2 + j as f64)).max(0.1);
                let found = found.covariance()[i * dim + j];
                assert!((found - expected).abs() < 1e-11 * scale, "{found} {expected}");
            }
        }
    }
}

#[test]
fn the_distance_grows_with_blur_of_the_spread_and_with_noise() {
    let base = features(400, 6, 7);
    let scaled =
        |factor: f32| Features::new(6, base.values().iter().map(|x| x * factor).collect()).unwrap();
    let distances: Vec<f64> =
        [1.0, 0.9, 0.7, 0.4, 0.0].iter().map(|&f| set_distance(&base, &scaled(f))).collect();
    assert!(distances.is_sorted_by(|a, b| a < b), "{distances:?}");
}

/// 600 dimensions are more than one thread's share of the factor's rows.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let sets = [features(90, 600, 1), features(80, 600, 2)];
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| set_distance(&sets[0], &sets[1]))
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn identical_rows_have_a_distance_like_any_other() {
    let (set, one) = (features(50, 3, 1), features(1, 3, 2).select(&[0; 20]));
    let (gaussian, point) = (Gaussian::of(&set).unwrap(), Gaussian::of(&one).unwrap());
    let means = (&gaussian.mean - &point.mean).norm_squared();
    let expected = means + gaussian.covariance.trace();
    assert!((frechet(&gaussian, &point).unwrap() - expected).abs() < 1e-12 * expected);
    assert_eq!(frechet(&point, &point).unwrap(), 0.0);
}

#[test]
fn too_few_rows_nan_and_foreign_rows_are_refused() {
    let few = Gaussian::of(&features(1, 3, 1)).unwrap_err();
    assert_eq!(few.to_string(), "a covariance needs at least 2 rows; there are 1");
    let mut sum = GaussianSum::new(2).unwrap();
    assert!(sum.is_empty() && GaussianSum::new(0).is_err());
    sum.add(&[1.0, 2.0]).unwrap();
    let nan = sum.add(&[1.0, f32::NAN]).unwrap_err();
    assert!(nan.to_string().starts_with("feature 1 of row 1 is a NaN"), "{nan}");
    assert!(sum.add(&[f32::INFINITY, 0.0]).is_err() && sum.add(&[1.0]).is_err());
    assert!(sum.clone().merge(GaussianSum::new(3).unwrap()).is_err());
    assert_eq!(sum.len(), 1);
    let (a, b) = (diagonal(&[0.0], &[1.0]), diagonal(&[0.0, 0.0], &[1.0, 1.0]));
    assert!(matches!(frechet(&a, &b), Err(Error::Shape { .. })));
    let huge = diagonal(&[1e200], &[1e308]);
    assert!(matches!(frechet(&huge, &diagonal(&[-1e200], &[1.0])), Err(Error::NonFinite { .. })));
}

#[test]
fn a_negative_eigenvalue_is_an_error_and_rounding_is_not() {
    let good = diagonal(&[0.0; 2], &[1.0, 1.0]);
    for (diagonal_entry, off) in [(-0.1, 0.0), (0.5, 0.9), (0.0, 0.01)] {
        let mut bad = good.clone();
        bad.covariance = DMatrix::from_row_slice(2, 2, &[1.0, off, off, diagonal_entry]);
        let error = frechet(&bad, &good).unwrap_err();
        assert!(error.to_string().contains("negative eigenvalue"), "{error}");
    }
    let mut rounded = good.clone();
    rounded.covariance = DMatrix::from_row_slice(2, 2, &[1.0, 0.5, 0.5, 0.25 - 1e-16]);
    // Rank one with variance 1.25: tr C + 2 − 2 √1.25.
    let expected = 1.25 + 2.0 - 2.0 * 1.25f64.sqrt();
    assert!((frechet(&rounded, &good).unwrap() - expected).abs() < 1e-13);
}

#[test]
fn the_bias_line_is_followed_to_infinity() {
    let line = |n: u64| (n, 2.5 + 300.0 / n as f64);
    let found = without_bias(&[line(500), line(900), line(700), line(900)]).unwrap();
    assert!((found - 2.5).abs() < 1e-13, "{found}");
    let few = without_bias(&[line(500), line(900), line(900)]).unwrap_err();
    assert!(few.to_string().contains("at least 3 different subset sizes; there are 2"), "{few}");
    assert!(without_bias(&[line(5), line(9), (7, f64::NAN)]).is_err());
}
