use super::*;
use crate::evaluate::stats::reference;
use crate::rng::{Sequence, Stream};

fn normal(n: usize, dim: usize, mean: f64, seed: u64) -> Features {
    let mut numbers = Sequence::new(seed, Stream::Resample, 93, 0);
    let rows = (0..n * dim).map(|i| numbers.normal(mean, 0.5 + (i % dim) as f64 / 4.0) as f32);
    Features::new(dim, rows.collect()).unwrap()
}

#[test]
fn the_reference_values_are_met() {
    let stored = reference::load();
    assert_eq!(stored.manifold.len(), 3);
    for (k, precision, recall, density, coverage) in &stored.manifold {
        let found = manifold(&stored.real(), &stored.synthetic(), *k).unwrap();
        let pairs = [
            (found.precision, precision),
            (found.recall, recall),
            (found.density, density),
            (found.coverage, coverage),
        ];
        for (found, expected) in pairs {
            assert!((found - expected).abs() < 1e-14, "{k}: {pairs:?}");
        }
        assert_eq!(found.neighbours, *k);
    }
}

/// Real: −9, 0, 1, 3, 8 with k = 1 reach 9, 1, 1, 2, 5. Synthetic: 2, 2, 2.5, 30 reach 0, 0, 0.5, 27.5.
#[test]
fn points_on_a_line_by_hand() {
    let line = |points: &[f32]| Features::new(1, points.to_vec()).unwrap();
    let real = line(&[-9.0, 0.0, 1.0, 3.0, 8.0]);
    let found = manifold(&real, &line(&[2.0, 2.0, 2.5, 30.0]), 1).unwrap();
    // 2 touches the closed ball of 1 and lies in that of 3; 2.5 lies in that of 3; 30 in none.
    assert_eq!(found.precision, 0.75);
    // 3 touches the ball of 2.5, from 2 to 3, and 8 lies in that of 30; the others are in none.
    assert_eq!(found.recall, 2.0 / 5.0);
    // Open balls: each 2 is in that of 3 only, 2.5 in that of 3; 8's, from 3 to 13, holds none.
    assert_eq!(found.density, 3.0 / 4.0);
    assert_eq!(found.coverage, 1.0 / 5.0);
}

/// Without ties, each row of a set lies in exactly k open balls of it on average: itself and k − 1
/// others for each ball.
#[test]
fn a_set_against_itself_is_perfect() {
    let set = normal(150, 3, 0.0, 1);
    let order: Vec<usize> = (0..150).map(|i| (i * 37) % 150).collect();
    let found = manifold(&set, &set.select(&order), NEIGHBOURS).unwrap();
    let perfect =
        Manifold { precision: 1.0, recall: 1.0, density: 1.0, coverage: 1.0, neighbours: 5 };
    assert_eq!(found, perfect);
}

/// Two samples of one distribution: density 1 and coverage 1 − Π (n − i)/(2n − 1 − i), i below k, on
/// average (Naeem et al., lemma 1–2).
#[test]
fn two_samples_of_one_distribution_score_as_expected() {
    let n = 400;
    let found = manifold(&normal(n, 4, 0.0, 2), &normal(n, 4, 0.0, 3), 5).unwrap();
    let missed: f64 = (0..5).map(|i| (n - i) as f64 / (2 * n - 1 - i) as f64).product();
    assert!((found.density - 1.0).abs() < 0.1, "{found:?}");
    assert!((found.coverage - (1.0 - missed)).abs() < 0.04, "{found:?} {missed}");
}

#[test]
fn lost_modes_lower_recall_and_coverage_and_noise_lowers_precision_and_density() {
    let real = normal(200, 3, 0.0, 4);
    let mut synthetic = normal(200, 3, 0.0, 5);
    let mut before = manifold(&real, &synthetic, 5).unwrap();
    assert!(before.recall > 0.9);
    for kept in [60, 12, 1] {
        let few: Vec<usize> = (0..200).map(|i| i % kept).collect();
        let found = manifold(&real, &synthetic.select(&few), 5).unwrap();
        assert!(found.recall <= before.recall && found.coverage < before.coverage, "{found:?}");
        before = found;
    }
    // All synthetic rows equal: no real row is one of them.
    assert_eq!(before.recall, 0.0);
    before = manifold(&real, &synthetic, 5).unwrap();
    for noise in [1.5, 4.0] {
        let mut numbers = Sequence::new(6, Stream::Resample, 92, 0);
        let noisy = synthetic.values().iter().map(|&x| x + numbers.normal(0.0, noise) as f32);
        synthetic = Features::new(3, noisy.collect()).unwrap();
        let found = manifold(&real, &synthetic, 5).unwrap();
        assert!(found.precision < before.precision && found.density < before.density);
        before = found;
    }
}

#[test]
fn too_few_equal_and_foreign_rows_are_refused() {
    let set = normal(30, 3, 0.0, 7);
    let few: Vec<usize> = (0..5).collect();
    for (a, b) in [(&set, &set.select(&few)), (&set.select(&few), &set)] {
        let error = manifold(a, b, 5).unwrap_err();
        assert!(error.to_string().ends_with("at least 6 rows in each set; there are 5"), "{error}");
        assert!(manifold(a, b, 4).is_ok());
    }
    let error = manifold(&set.select(&[3; 20]), &set, 5).unwrap_err();
    assert!(error.to_string().contains("all real rows are equal"), "{error}");
    assert!(manifold(&set, &normal(30, 4, 0.0, 8), 5).is_err());
    assert!(manifold(&set, &set, 0).is_err());
}
