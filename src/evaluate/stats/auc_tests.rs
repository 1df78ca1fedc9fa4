use super::*;
use crate::evaluate::stats::reference;
use crate::evaluate::stats::refusal::Refusal;
use crate::rng::{Sequence, Stream};
use proptest::prelude::*;

const RESAMPLING: Resampling = Resampling { rounds: 2000, seed: 3 };

fn normal(n: usize, mean: f64, seed: u64) -> Vec<f64> {
    let mut numbers = Sequence::new(seed, Stream::Resample, 91, 0);
    (0..n).map(|_| numbers.normal(mean, 1.0)).collect()
}

/// Each score in `copies` copies, which make a group.
fn in_groups(scores: &[f64], copies: usize, first: u32) -> Vec<Scored> {
    let group = |(group, &score)| vec![Scored { score, group }; copies];
    (first..).zip(scores).flat_map(group).collect()
}

fn width(interval: Interval) -> f64 {
    interval.high - interval.low
}

/// Rounded to one decimal, the stored scores have many ties.
#[test]
fn the_reference_values_are_met() {
    let stored = reference::load();
    let found = auc(&stored.positive, &stored.negative, 0.9).unwrap();
    for (found, expected) in [found.value, found.low, found.high].iter().zip(stored.delong_90) {
        assert!((found - expected).abs() < 1e-14, "{found} {expected}");
    }
}

proptest! {
    #[test]
    fn the_area_is_the_share_of_pairs_in_order(
        positive in prop::collection::vec(0i32..9, 2..20),
        negative in prop::collection::vec(0i32..9, 2..20),
    ) {
        let mut halves = 0;
        for p in &positive {
            for n in &negative {
                halves += 1 + (p - n).signum();
            }
        }
        let expected = f64::from(halves) / (2 * positive.len() * negative.len()) as f64;
        let scores = |side: &[i32]| side.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let (p, n) = (scores(&positive), scores(&negative));
        prop_assume!(p.iter().chain(&n).any(|x| *x != p[0]));
        let found = auc(&p, &n, 0.95).unwrap();
        prop_assert!((found.value - expected).abs() < 1e-14);
        prop_assert!(0.0 <= found.low && found.low <= found.value);
        prop_assert!(found.value <= found.high && found.high <= 1.0);
        let grouped = auc_of_groups(&in_groups(&p, 1, 0), &in_groups(&n, 1, 100), 0.95,
            Resampling { rounds: 9, seed: 0 }).unwrap();
        prop_assert_eq!(grouped.value, expected);
        let swapped = auc(&n, &p, 0.95).unwrap();
        prop_assert!((swapped.value + found.value - 1.0).abs() < 1e-14);
    }
}

/// Φ(1/√2) for normal scores one standard deviation apart.
#[test]
fn normal_scores_have_the_closed_form_within_the_interval() {
    let truth = 0.760_249_938_906_523_3;
    let mut held = 0;
    for seed in 0..200 {
        let found = auc(&normal(60, 1.0, 2 * seed), &normal(90, 0.0, 2 * seed + 1), 0.95).unwrap();
        held += u32::from(found.low <= truth && truth <= found.high);
    }
    // 190 expected, standard deviation 3.1.
    assert!((178..=199).contains(&held), "{held} of 200 intervals hold the truth");
}

/// Single scores: the bootstrap agrees with DeLong. Copies in a group change nothing, where taking
/// them for independent would halve the interval.
#[test]
fn groups_widen_the_interval_to_what_is_known() {
    let (p, n) = (normal(120, 0.7, 1), normal(150, 0.0, 2));
    let delong = auc(&p, &n, 0.95).unwrap();
    let boot = |copies| {
        auc_of_groups(&in_groups(&p, copies, 0), &in_groups(&n, copies, 500), 0.95, RESAMPLING)
    };
    let (single, fourfold) = (boot(1).unwrap(), boot(4).unwrap());
    assert!((width(single) / width(delong) - 1.0).abs() < 0.1, "{single:?} {delong:?}");
    assert_eq!(single, fourfold);
    let copies = |side: &[f64]| side.iter().flat_map(|&x| [x; 4]).collect::<Vec<f64>>();
    let naive = auc(&copies(&p), &copies(&n), 0.95).unwrap();
    assert!((width(naive) / width(fourfold) - 0.5).abs() < 0.05, "{naive:?}");
    assert!((naive.value - fourfold.value).abs() < 1e-14);
    assert_ne!(single, {
        let other = Resampling { seed: 4, ..RESAMPLING };
        auc_of_groups(&in_groups(&p, 1, 0), &in_groups(&n, 1, 500), 0.95, other).unwrap()
    });
}

/// Groups with both sides are drawn whole: where a subject's level shifts both scores alike, pairing
/// narrows the interval.
#[test]
fn groups_with_both_sides_stay_together() {
    let levels: Vec<f64> = normal(80, 0.0, 5).iter().map(|x| x * 3.0).collect();
    let raised: Vec<f64> = levels.iter().map(|x| x + 1.0).collect();
    let n = in_groups(&levels, 1, 0);
    let together = auc_of_groups(&in_groups(&raised, 1, 0), &n, 0.95, RESAMPLING).unwrap();
    let apart = auc_of_groups(&in_groups(&raised, 1, 500), &n, 0.95, RESAMPLING).unwrap();
    assert_eq!(together.value, apart.value);
    assert!(width(together) < 0.5 * width(apart), "{together:?} {apart:?}");
}

/// Full separation claims no certainty: Wilson's lower end n/(n + z²).
#[test]
fn full_separation_is_not_certainty() {
    let (p, n) = (normal(30, 50.0, 1), normal(50, 0.0, 2));
    let z2 = 1.959_963_984_540_054_f64.powi(2);
    let found = auc(&p, &n, 0.95).unwrap();
    assert_eq!((found.value, found.high), (1.0, 1.0));
    assert!((found.low - 30.0 / (30.0 + z2)).abs() < 1e-14, "{found:?}");
    let (p, n) = (in_groups(&p[..12], 3, 0), in_groups(&n, 3, 500));
    let found = auc_of_groups(&p, &n, 0.95, RESAMPLING).unwrap();
    assert!((found.low - 12.0 / (12.0 + z2)).abs() < 1e-14, "{found:?}");
    let none = auc_of_groups(&n, &p, 0.95, RESAMPLING).unwrap();
    assert!((none.value, none.low) == (0.0, 0.0) && (none.high - z2 / (12.0 + z2)).abs() < 1e-14);
}

#[test]
fn too_few_equal_and_nan_scores_are_refused() {
    let few = auc(&[1.0], &[0.0, 2.0], 0.95).unwrap_err();
    assert_eq!(few.to_string(), "the AUC needs at least 2 scores on each side; there are 1");
    let equal = auc(&[1.0; 4], &[1.0; 9], 0.95).unwrap_err();
    assert!(equal.to_string().contains("all scores are equal"), "{equal}");
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(matches!(auc(&[1.0, bad], &[0.0, 2.0], 0.95), Err(Refusal::Failed(_))));
        assert!(matches!(auc(&[1.0, 0.0], &[2.0, bad], 0.95), Err(Refusal::Failed(_))));
    }
    let run = |p: &[Scored], n: &[Scored]| auc_of_groups(p, n, 0.95, RESAMPLING).unwrap_err();
    let one_group: Vec<Scored> = [1.0, 2.0, 3.0].map(|score| Scored { score, group: 1 }).to_vec();
    let many = in_groups(&[0.5, 1.5, 2.5], 1, 10);
    let few = run(&one_group, &many).to_string();
    assert_eq!(few, "the AUC needs at least 2 groups on each side; there are 1");
    assert_eq!(run(&many, &one_group).to_string(), few);
    let bad = in_groups(&[0.5, f64::NAN], 1, 20);
    assert!(matches!(run(&many, &bad), Refusal::Failed(_)));
    assert!(auc(&[1.0, 2.0], &[0.0, 1.5], 1.5).is_err());
    let none = Resampling { rounds: 0, seed: 0 };
    assert!(auc_of_groups(&many, &in_groups(&[0.0, 1.0], 1, 30), 0.95, none).is_err());
}
