//! The C code behind [`extract`](super::extract()): what it finds, and that nothing upsets it.

use super::bozorth::match_score;
use super::points::{Kind, Minutiae};
use super::{extract, prepare};
use image::{GrayImage, Luma};
use rayon::prelude::*;

/// Straight ridges, `period` pixels apart, of which `cut` stop halfway along.
fn ridges(side: u32, period: f64, cut: &[u32]) -> GrayImage {
    GrayImage::from_fn(side, side, |x, y| {
        let number = (f64::from(x) / period).floor();
        let wave = (std::f64::consts::TAU * f64::from(x) / period).cos();
        let ends = cut.contains(&(number as u32)) && y > side / 2;
        Luma([if ends { 255 } else { (127.5 + 127.5 * wave) as u8 }])
    })
}

/// Numbers that look random, from 0 to 255.
fn noise(width: u32, height: u32, seed: u32) -> GrayImage {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    GrayImage::from_fn(width, height, |_, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Luma([(state >> 24) as u8])
    })
}

fn found(image: &GrayImage, scale: f64) -> Minutiae {
    extract(image, scale).unwrap()
}

#[test]
fn blank_prints_have_no_minutiae() {
    for shade in [0, 1, 127, 255] {
        for (width, height) in [(1, 1), (7, 90), (96, 103)] {
            let print = GrayImage::from_pixel(width, height, Luma([shade]));
            let set = found(&print, prepare::SOCOFING_SCALE);
            assert_eq!(set.count(), 0);
            assert_eq!(set.hull_share(), 0.0);
            assert_eq!(match_score(&set, &set), 0);
        }
    }
    let mut nearly = GrayImage::from_pixel(96, 103, Luma([255]));
    nearly.put_pixel(50, 50, Luma([254]));
    assert_eq!(found(&nearly, 2.5).count(), 0);
}

#[test]
fn a_ridge_that_stops_is_found_where_it_stops() {
    let uncut = found(&ridges(200, 9.0, &[]), 1.0);
    let cut = found(&ridges(200, 9.0, &[11]), 1.0);
    let near = |set: &Minutiae| {
        set.points
            .iter()
            .filter(|p| (108..=126).contains(&p.x) && (100..=132).contains(&p.y))
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(near(&uncut), []);
    let [end] = near(&cut)[..] else { panic!("{:?}", near(&cut)) };
    assert!(matches!(end.kind, Kind::Ending | Kind::Bifurcation));
    // The ridge runs vertically.
    assert!(matches!(end.direction, 0 | 1 | 15 | 16 | 17 | 31), "{end:?}");
    assert!(end.quality > 0);
}

#[test]
fn noise_is_full_of_minutiae_and_matches_no_other() {
    let sets: Vec<Minutiae> = (1..5).map(|seed| found(&noise(96, 103, seed), 2.5)).collect();
    for set in &sets {
        assert!((60..180).contains(&set.count()), "{}", set.count());
        assert!(set.hull_share() > 0.5);
    }
    assert!(match_score(&sets[0], &sets[1]) < 40);
    assert!(match_score(&sets[2], &sets[2]) > 100);
}

#[test]
fn the_same_print_gives_the_same_minutiae_on_any_thread() {
    let prints: Vec<GrayImage> = (0..6)
        .map(|i| if i % 2 == 0 { noise(90, 97, i) } else { ridges(90, 3.5, &[4 + i, 9, 13]) })
        .collect();
    let alone: Vec<Minutiae> = prints.iter().map(|print| found(print, 2.5)).collect();
    let together: Vec<Minutiae> =
        (0..24).into_par_iter().map(|i| found(&prints[i % 6], 2.5)).collect();
    for (index, set) in together.iter().enumerate() {
        assert_eq!(set, &alone[index % 6]);
    }
}

#[test]
fn no_size_upsets_the_c_code() {
    for (index, (width, height)) in
        [(1, 1), (1, 200), (200, 1), (2, 3), (5, 5), (8, 23), (33, 12), (64, 64)]
            .into_iter()
            .enumerate()
    {
        for scale in [0.25, 1.0, 2.5] {
            let set = found(&noise(width, height, index as u32 + 7), scale);
            let (w, h) = (set.width, set.height);
            assert!(set.points.iter().all(|p| p.x < w && p.y < h && p.direction < 32));
        }
    }
}
