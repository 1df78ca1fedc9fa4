//! What holds for every print: measured on the rendered result, not on the parameters.

use std::f64::consts::PI;
use std::ops::ControlFlow;

use image::GrayImage;

use super::ridges::{MASTER_HEIGHT, MASTER_WIDTH};
use super::*;
use crate::data::socofing::Hand;

fn set(count: u64, width: u32, height: u32, impressions: u32) -> SynthSet {
    SynthSet { count, seed: 11, width, height, impressions, class: None }
}

fn render(set: &SynthSet, threads: usize) -> Vec<SynthPrint> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut prints = Vec::new();
    pool.install(|| {
        set.render(|print| {
            prints.push(print);
            Ok(ControlFlow::Continue(()))
        })
    })
    .unwrap();
    prints
}

#[test]
fn a_print_depends_only_on_seed_finger_and_impression() {
    let one = render(&set(24, 96, 103, 2), 1);
    let two = render(&set(24, 96, 103, 2), 2);
    assert_eq!(one.len(), 24);
    for (a, b) in one.iter().zip(&two) {
        assert_eq!((&a.image, a.label), (&b.image, b.label));
    }
    // Alone, out of order, and as part of a shorter set with a rest.
    let alone = Finger::new(11, 7).grow().impression(2, 96, 103).unwrap();
    assert_eq!(alone, one[15].image);
    let shorter = render(&set(3, 96, 103, 2), 2);
    assert_eq!(shorter.len(), 3);
    assert_eq!(shorter[2].image, one[2].image);
    let images: std::collections::HashSet<_> = one.iter().map(|p| p.image.as_raw()).collect();
    assert_eq!(images.len(), 24, "every print is another");
}

/// More impressions than are rendered at a time.
#[test]
fn many_impressions_of_one_finger_are_the_same_as_each_alone() {
    let prints = render(&set(20, 32, 32, 40), 1);
    let master = Finger::new(11, 0).grow();
    for (number, print) in (1..).zip(&prints) {
        assert_eq!(print.label, master.finger().label(number));
        assert_eq!(print.image, master.impression(number, 32, 32).unwrap());
    }
    assert_eq!(prints.len(), 20);
}

#[test]
fn a_sink_that_breaks_stops_the_set() {
    let mut seen = 0;
    set(1_000_000, 32, 32, 1)
        .render(|_| {
            seen += 1;
            Ok(if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
    assert_eq!(seen, 5);
}

#[test]
fn impossible_sets_are_refused() {
    for (count, width, height, impressions) in [
        (0, 96, 103, 1),
        (1, 96, 103, 0),
        (1, 15, 15, 1),
        (1, 1025, 1000, 1),
        (1, 16, 33, 1),
        (1, 200, 90, 1),
        (u64::MAX, 96, 103, 1),
    ] {
        let error = set(count, width, height, impressions).check().unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}

/// Pearson's chi-squared with 4 degrees of freedom: above 18.5 once in a thousand.
#[test]
fn classes_have_their_natural_frequencies() {
    for (first, hand) in [(0, Hand::Left), (5, Hand::Right)] {
        let mut counts = [0f64; 5];
        let fingers = (0..4000).flat_map(|subject| (0..5).map(move |i| subject * 10 + first + i));
        for index in fingers {
            let finger = Finger::new(3, index);
            assert_eq!(finger.label(1).name.hand, hand);
            counts[finger.class() as usize] += 1.0;
        }
        let expected = HenryClass::frequencies(hand).map(|f| f * 20_000.0);
        let chi2: f64 = counts.iter().zip(expected).map(|(n, e)| (n - e).powi(2) / e).sum();
        assert!(chi2 < 18.5, "{hand:?}: chi-squared {chi2}, counts {counts:?}");
    }
    for i in 0..5 {
        let [left, right] = [Hand::Left, Hand::Right].map(|h| HenryClass::frequencies(h)[i]);
        assert!((0.5 * (left + right) - HenryClass::FREQUENCIES[i]).abs() < 1e-12);
    }
}

/// Half turns of the ridges' direction on the way round a circle (Poincaré's index), by adding up
/// small differences.
fn poincare_index(orientation: &orientation::Orientation, x: f64, y: f64, radius: f64) -> f64 {
    let at = |i: usize| {
        let (sin, cos) = (2.0 * PI * i as f64 / 360.0).sin_cos();
        orientation.angle(x + radius * cos, y + radius * sin)
    };
    let turned: f64 = (0..360)
        .map(|i| {
            let step = at(i + 1) - at(i);
            step - PI * (step / PI).round()
        })
        .sum();
    turned / (2.0 * PI)
}

#[test]
fn ridges_turn_by_half_around_every_singular_point() {
    let points = [(0, 0), (1, 1), (1, 1), (1, 1), (2, 2)];
    for (class, (cores, deltas)) in HenryClass::ALL.into_iter().zip(points) {
        for index in 0..20 {
            let orientation = Finger::with_class(5, index, class).orientation();
            assert_eq!((orientation.cores().len(), orientation.deltas().len()), (cores, deltas));
            for p in orientation.cores() {
                let turn = poincare_index(&orientation, p.x, p.y, 3.0);
                assert!((turn - 0.5).abs() < 1e-3, "{class} {index}: core turns by {turn}");
            }
            for p in orientation.deltas() {
                let turn = poincare_index(&orientation, p.x, p.y, 3.0);
                assert!((turn + 0.5).abs() < 1e-3, "{class} {index}: delta turns by {turn}");
            }
            // Round the whole finger the turns cancel.
            let turn = poincare_index(&orientation, 0.0, 0.0, 2_000.0);
            assert!(turn.abs() < 1e-3, "{class} {index}: the outside turns by {turn}");
        }
    }
}

/// The mean ridge period of a master in pixels at 500 ppi by Crofton's formula: straight lines in
/// all directions cross a set of curves of length L per area 2L/π times per length, and the zeros
/// of the heights are two curves per period.
pub(super) fn measured_period(master: &Master) -> f64 {
    let sample = |x: f64, y: f64| master.ridges.sample(x as f32, y as f32);
    let (mut crossings, mut length) = (0.0, 0.0);
    for direction in 0..12 {
        let (sin, cos) = (PI * f64::from(direction) / 12.0).sin_cos();
        for offset in (-80..=80).step_by(5) {
            let start = |t: f64| {
                let (u, v) = (t, f64::from(offset));
                (144.0 + u * cos - v * sin, 152.0 + u * sin + v * cos)
            };
            let values = (-160..=160).map(|t| {
                let (x, y) = start(0.5 * f64::from(t));
                sample(x, y)
            });
            let values: Vec<f32> = values.collect();
            crossings += values.windows(2).filter(|w| w[0] * w[1] < 0.0).count() as f64;
            length += 160.0;
        }
    }
    2.0 / (crossings / length * PI / 2.0)
}

/// SOCOFing's median ridge period is 3.2 pixels at 96 × 103, 5 % are below 2.6 and 5 % above 4.0;
/// a pixel there is 2.5 of the master's.
#[test]
fn ridge_periods_are_socofings() {
    let mut periods: Vec<f64> =
        (0..60).map(|i| measured_period(&Finger::new(2, i * 7).grow()) / 2.5).collect();
    periods.sort_by(f64::total_cmp);
    let (low, median, high) = (periods[3], periods[30], periods[56]);
    assert!((3.0..3.4).contains(&median), "median {median}");
    assert!((2.4..2.9).contains(&low), "p5 {low}");
    assert!((3.5..4.2).contains(&high), "p95 {high}");
}

#[test]
fn ridges_follow_the_orientation_field() {
    for (i, class) in HenryClass::ALL.into_iter().enumerate() {
        let finger = Finger::with_class(8, i as u32, class);
        let (master, orientation) = (finger.grow(), finger.orientation());
        let (mut along, mut total) = (0.0, 0.0);
        for row in (60..MASTER_HEIGHT - 40).step_by(3) {
            for column in (60..MASTER_WIDTH - 60).step_by(3) {
                let at = |dx: isize, dy: isize| {
                    let (x, y) = (column.saturating_add_signed(dx), row.saturating_add_signed(dy));
                    f64::from(master.ridges.at(x, y))
                };
                let (gx, gy) = (at(1, 0) - at(-1, 0), at(0, -1) - at(0, 1));
                let x = column as f64 + 0.5 - MASTER_WIDTH as f64 / 2.0;
                let y = MASTER_HEIGHT as f64 / 2.0 - row as f64 - 0.5;
                let (sin, cos) = orientation.angle(x, y).sin_cos();
                along += (gx * cos + gy * sin).powi(2);
                total += gx * gx + gy * gy;
            }
        }
        // White noise would have one half.
        assert!(along < 0.06 * total, "{class}: {} of the slope runs along", along / total);
    }
}

/// The best normalised correlation of the middle of `a` with `b` over turns and shifts.
fn match_score(a: &GrayImage, b: &GrayImage) -> f64 {
    let value = |image: &GrayImage, x: f64, y: f64| {
        let (x, y) = (x.clamp(0.0, 94.9), y.clamp(0.0, 101.9));
        let (column, row, fx, fy) = (x as u32, y as u32, x.fract(), y.fract());
        let pixel = |dx, dy| f64::from(image.get_pixel(column + dx, row + dy).0[0]);
        (1.0 - fy) * ((1.0 - fx) * pixel(0, 0) + fx * pixel(1, 0))
            + fy * ((1.0 - fx) * pixel(0, 1) + fx * pixel(1, 1))
    };
    let window = |image: &GrayImage, angle: f64, dx: f64, dy: f64| -> Vec<f64> {
        let (sin, cos) = angle.to_radians().sin_cos();
        let place = |i: i32| (f64::from(i % 24 - 12), f64::from(i / 24 - 12));
        let turned = |(x, y): (f64, f64)| {
            value(image, 48.0 + x * cos - y * sin + dx, 48.0 + x * sin + y * cos + dy)
        };
        let mut values: Vec<f64> = (0..576).map(place).map(turned).collect();
        let mean = values.iter().sum::<f64>() / 576.0;
        values.iter_mut().for_each(|v| *v -= mean);
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-9);
        values.iter_mut().for_each(|v| *v /= norm);
        values
    };
    let reference = window(a, 0.0, 0.0, 0.0);
    let mut best = -1.0f64;
    for angle in (-20..=20).step_by(4) {
        for dx in -9..=9 {
            for dy in -9..=9 {
                let other = window(b, f64::from(angle), f64::from(dx), f64::from(dy));
                best = best.max(reference.iter().zip(other).map(|(p, q)| p * q).sum());
            }
        }
    }
    best
}

#[test]
fn two_impressions_of_a_finger_match_better_than_two_fingers() {
    const FINGERS: u32 = 6;
    let pairs: Vec<[GrayImage; 2]> = (0..FINGERS)
        .map(|i| {
            let master = Finger::with_class(21, i, HenryClass::LeftLoop).grow();
            [1, 2].map(|k| master.impression(k, 96, 103).unwrap())
        })
        .collect();
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let mated: Vec<f64> = pairs.iter().map(|[a, b]| match_score(a, b)).collect();
    let others: Vec<f64> = (0..pairs.len())
        .map(|i| match_score(&pairs[i][0], &pairs[(i + 1) % pairs.len()][1]))
        .collect();
    assert!(mean(&mated) > mean(&others) + 0.15, "mated {mated:?}, others {others:?}");
    assert!(pairs.iter().all(|[a, b]| a != b));
}

#[test]
fn no_print_is_empty_or_solid_at_any_size() {
    for index in 0..200 {
        let (width, height) = [(96, 103), (64, 64), (128, 96), (240, 258), (90, 97)][index % 5];
        let print = Finger::new(77, index as u32).grow().impression(1, width, height).unwrap();
        assert_eq!(print.dimensions(), (width, height));
        let values: Vec<f64> = print.pixels().map(|p| f64::from(p.0[0]) / 255.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((0.15..0.96).contains(&mean), "finger {index}: mean {mean}");
        assert!(variance.sqrt() > 0.08, "finger {index}: deviation {}", variance.sqrt());
    }
}

#[test]
fn labels_name_subjects_and_fingers_as_socofing_does() {
    let name = |index, impression| Finger::new(4, index).label(impression).name;
    let gender = name(0, 1).gender;
    for index in 0..10 {
        assert_eq!((name(index, 1).subject, name(index, 1).gender), (1, gender));
    }
    let letter = if gender == Gender::Male { 'M' } else { 'F' };
    assert_eq!(name(0, 1).to_string(), format!("1__{letter}_Left_thumb_finger"));
    assert_eq!(name(9, 1).to_string(), format!("1__{letter}_Right_little_finger"));
    assert_eq!(name(6, 3).to_string(), format!("1__{letter}_Right_index_finger_imp3"));
    assert_eq!(name(10, 1).subject, 2);
    assert_eq!(name(u32::MAX, 1).subject, 429_496_730);
    let women = (0..6000).filter(|s| name(s * 10, 1).gender == Gender::Female).count();
    // 123 of 600, within five standard deviations of a binomial of 6,000.
    assert!((1230 - 157..1230 + 157).contains(&women), "{women} women");
}
