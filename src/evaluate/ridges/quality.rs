//! Cheap figures of one print that need no reference.
//!
//! None of them is NFIQ: they tell sets apart, not whether a print is fit for enrolment.

use super::Print;
use super::period::PeriodMap;

/// The figures; all are 0 for a blank image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Share of the image that is print rather than ground, 0 to 1.
    pub foreground: f64,
    /// Difference of ink between the 90th and the 10th percentile of the foreground, 0 to 1.
    pub contrast: f64,
    /// Share of the foreground darker than the middle of the grey scale (below 128), 0 to 1: about
    /// 0.5 for an even print, less for a dry or faint one, more for a wet one.
    pub ink: f64,
    /// Mean local clarity over the foreground's blocks, 0 to 1; see [`PeriodMap::clarity`]. Blocks
    /// without ridges count as 0.
    pub clarity: f64,
    /// Share of the foreground's blocks that have ridges, 0 to 1; see [`PeriodMap::ridge_share`].
    pub ridges: f64,
}

impl Quality {
    /// Measures one print.
    pub fn new(print: &Print, map: &PeriodMap) -> Self {
        if print.foreground == 0 {
            return Self::default();
        }
        let inside = print.ink.iter().zip(&print.mask).filter(|(_, inside)| **inside);
        let mut ink: Vec<f32> = inside.map(|(ink, _)| *ink).collect();
        let dark = ink.iter().filter(|ink| **ink > 0.5).count();
        let count = ink.len();
        let mut percentile = |share: usize| {
            let (_, value, _) =
                ink.select_nth_unstable_by((count - 1) * share / 100, f32::total_cmp);
            f64::from(*value)
        };
        Self {
            foreground: count as f64 / print.ink.len() as f64,
            contrast: percentile(90) - percentile(10),
            ink: dark as f64 / count as f64,
            clarity: map.mean_clarity(),
            ridges: map.ridge_share(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Measures;
    use super::super::testing::{draw, hopeless, noisy, prints, wave};
    use super::*;
    use image::GrayImage;

    fn of(image: &GrayImage) -> Quality {
        Measures::of(image).quality
    }

    #[test]
    fn a_sine_has_the_figures_of_a_sine() {
        let sine = wave(120, 120, 6.3, 0.4);
        let found = of(&sine);
        assert_eq!(found.foreground, 1.0);
        assert!((found.ink - 0.5).abs() < 0.01, "{found:?}");
        // The 90th percentile of (1 + sin φ)/2 is (1 + sin 72°)/2.
        assert!((found.contrast - 72f64.to_radians().sin()).abs() < 0.01, "{found:?}");
        assert!(found.clarity > 0.9 && found.ridges > 0.99, "{found:?}");
    }

    #[test]
    fn the_foreground_is_where_the_ridges_are() {
        let disc = |x: f64, y: f64| if (x - 50.0).hypot(y - 60.0) < 40.0 { 1.0 } else { 0.0 };
        let image = draw(120, 110, |x, y| disc(x, y) * (1.9 * x).sin() - (1.0 - disc(x, y)));
        let print = Print::new(&image);
        for (at, inside) in print.mask().iter().enumerate() {
            let distance = ((at % 120) as f64 - 50.0).hypot((at / 120) as f64 - 60.0);
            // A window of σ = 5 px sees the disc's edge from within and without.
            if (distance - 40.0).abs() > 8.0 {
                assert_eq!(*inside, distance < 40.0, "{distance}");
            }
        }
        let share = std::f64::consts::PI * 1600.0 / (120.0 * 110.0);
        // At most those 8 px more: (48/40)² = 1.44.
        let found = of(&image).foreground / share;
        assert!((1.0..1.44).contains(&found), "{found}");
    }

    #[test]
    fn blur_takes_contrast_and_ink_follows_the_ink() {
        for print in prints(3, 96, 103, 1) {
            let contrast = |sigma| of(&image::imageops::blur(&print, sigma)).contrast;
            assert!(of(&print).contrast > contrast(0.7) && contrast(0.7) > contrast(1.2));
            assert!(contrast(1.2) > contrast(2.0));
            let brighter = |by: i32| of(&image::imageops::colorops::brighten(&print, by)).ink;
            assert!(brighter(-60) > brighter(0) && brighter(0) > brighter(60));
            assert!(of(&print).clarity > of(&noisy(&print, 70.0, 1)).clarity);
        }
    }

    #[test]
    fn what_shows_no_print_has_no_figure() {
        for image in hopeless() {
            let found = Measures::of(&image);
            assert_eq!(found.quality, Quality::default());
            assert!(found.spectrum.is_none() && found.period.is_none());
            assert!(found.coherence.is_none());
        }
        // Speckle of a blank sensor.
        assert_eq!(
            of(&noisy(&GrayImage::from_pixel(96, 103, image::Luma([245])), 3.0, 5)).ridges,
            0.0
        );
    }
}
