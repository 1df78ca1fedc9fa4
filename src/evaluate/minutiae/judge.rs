//! Minutiae of two sets → how far the sets are apart, and whether their prints match each other.

use super::bozorth::Template;
use super::points::{DIRECTIONS, Minutiae};
use crate::data::Reporter;
use crate::error::Result;
use crate::evaluate::compare::{Distributions, PERMUTATIONS, QUANTILES};
use crate::evaluate::evaluation::LEVEL;
use crate::evaluate::matching::Pair;
use crate::evaluate::outcome::Outcome;
use crate::evaluate::stats::Interval;
use crate::evaluate::stats::bootstrap::{Resampling, share_of_pairs};
use crate::evaluate::stats::counts::{self, Distance, permutation_test, shares};
use crate::evaluate::stats::scalar::{self, quantiles, wasserstein};
use crate::evaluate::variety;
use rayon::prelude::*;
use serde::Serialize;

/// Cells across and down of the map of where minutiae lie.
pub const CELLS: usize = 8;
/// The score from which NIST's guide calls two prints a match.
pub const NIST_MATCH: u32 = 40;
/// Pairs between two reports of progress.
const CHUNK: usize = 512;

/// One number of a print's minutiae.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    Count,
    BifurcationShare,
    HullShare,
    Quality,
}

impl Quantity {
    /// All of them, in the report's order.
    pub const ALL: [Self; 4] =
        [Self::Count, Self::BifurcationShare, Self::HullShare, Self::Quality];

    /// What it is, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "minutiae",
            Self::BifurcationShare => "share of bifurcations",
            Self::HullShare => "convex hull, share of the print",
            Self::Quality => "mean quality, %",
        }
    }

    /// Its value on one print; `None` where the print has none.
    pub fn of(self, print: &Minutiae) -> Option<f64> {
        match self {
            Self::Count => Some(print.count() as f64),
            Self::BifurcationShare => print.bifurcation_share(),
            Self::HullShare => Some(print.hull_share()),
            Self::Quality => print.mean_quality(),
        }
    }

    /// Its values over the prints that have one.
    pub fn values(self, prints: &[Minutiae]) -> Vec<f64> {
        prints.iter().filter_map(|print| self.of(print)).collect()
    }
}

/// What the minutiae of two sets say.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Real and synthetic prints whose minutiae were found.
    pub prints: [usize; 2],
    /// How much the prints were enlarged for it.
    pub scale: f64,
    pub quantities: Vec<QuantityComparison>,
    /// Directions: Wasserstein-1 on the circle, in degrees.
    pub directions: Outcome<scalar::Comparison>,
    /// Where in the print they lie, in [`CELLS`]² cells: total variation.
    pub places: Outcome<scalar::Comparison>,
    pub scores: Scores,
    /// One half of the real prints against sets whose judgement is known.
    pub controls: Vec<Control>,
    /// Share of the minutiae of each direction, real and synthetic, for the picture.
    #[serde(skip)]
    pub direction_shares: [Option<Vec<f64>>; 2],
    /// Mean number of minutiae of a print in each cell, row by row.
    #[serde(skip)]
    pub density: [Vec<f64>; 2],
    /// The numbers of minutiae, for the picture.
    #[serde(skip)]
    pub counts: [Vec<f64>; 2],
}

/// One quantity in both sets.
#[derive(Clone, Debug, Serialize)]
pub struct QuantityComparison {
    pub quantity: Quantity,
    #[serde(flatten)]
    pub found: Distributions,
}

/// BOZORTH3's scores of pairs inside each set.
#[derive(Clone, Debug, Serialize)]
pub struct Scores {
    /// Pairs of different real fingers, and of synthetic prints.
    pub pairs: [usize; 2],
    /// Scores at [`variety::QUANTILES`].
    pub real: Outcome<Vec<f64>>,
    pub synthetic: Outcome<Vec<f64>>,
    /// Share of the pairs that score [`NIST_MATCH`] or more.
    pub matches: [Outcome<Interval>; 2],
}

/// A set whose judgement is known, against one half of the real prints.
#[derive(Clone, Debug, Serialize)]
pub struct Control {
    pub name: String,
    pub prints: usize,
    /// Numbers of minutiae at [`QUANTILES`].
    pub counts: Outcome<Vec<f64>>,
    /// Wasserstein-1 distance of the numbers.
    pub count_distance: Outcome<f64>,
    /// Median share of bifurcations.
    pub bifurcations: Outcome<f64>,
    /// Median quality in percent.
    pub quality: Outcome<f64>,
}

/// Compares minutiae; `pairs` are those to match inside each set, in ascending order.
///
/// # Errors
/// None in practice: minutiae are whole numbers.
pub fn compare(
    [real, synthetic]: [&[Minutiae]; 2],
    pairs: [&[Pair]; 2],
    (scale, seed): (f64, u64),
    controls: Vec<Control>,
    reporter: &mut dyn Reporter,
) -> Result<Figures> {
    let quantities = Quantity::ALL.into_iter().map(|quantity| {
        let values = [quantity.values(real), quantity.values(synthetic)];
        let found = Distributions::between(&values, [real.len(), synthetic.len()], seed)?;
        Ok(QuantityComparison { quantity, found })
    });
    let sets = [real, synthetic];
    let directions = sets.map(|set| rows(set, |print| print.direction_counts().to_vec()));
    let places = sets.map(|set| rows(set, |print| print.spatial_counts(CELLS)));
    let turned = test(&directions, Distance::Circular, seed)?.map(|found| scalar::Comparison {
        distance: found.distance * 360.0 / DIRECTIONS as f64,
        ..found
    });
    let density = [0, 1].map(|set| {
        let (prints, count) = (&places[set], places[set].len().max(1) as f64);
        let sum = |cell: usize| prints.iter().map(|print| f64::from(print[cell])).sum::<f64>();
        (0..CELLS * CELLS).map(|cell| sum(cell) / count).collect()
    });
    Ok(Figures {
        prints: sets.map(<[Minutiae]>::len),
        scale,
        quantities: quantities.collect::<Result<_>>()?,
        directions: turned,
        places: test(&places, Distance::TotalVariation, seed)?,
        scores: Scores::of(sets, pairs, seed, reporter)?,
        controls,
        direction_shares: [0, 1].map(|set| shares(&directions[set])),
        density,
        counts: sets.map(|set| Quantity::Count.values(set)),
    })
}

fn rows(prints: &[Minutiae], of: impl Fn(&Minutiae) -> Vec<u32>) -> Vec<Vec<u32>> {
    prints.iter().map(of).collect()
}

fn test(
    sets: &[Vec<Vec<u32>>; 2],
    distance: counts::Distance,
    seed: u64,
) -> Result<Outcome<scalar::Comparison>> {
    Outcome::of(permutation_test(&sets[0], &sets[1], distance, PERMUTATIONS, seed))
}

impl Control {
    /// `set` against one half of the real prints.
    ///
    /// # Errors
    /// None in practice.
    pub fn new(name: &str, half: &[Minutiae], set: &[Minutiae]) -> Result<Self> {
        let median = |quantity: Quantity| -> Result<Outcome<f64>> {
            Ok(Outcome::of(quantiles(&quantity.values(set), &[0.5]))?.map(|values| values[0]))
        };
        let [reference, counts] = [half, set].map(|set| Quantity::Count.values(set));
        Ok(Self {
            name: name.to_owned(),
            prints: set.len(),
            counts: Outcome::of(quantiles(&counts, &QUANTILES))?,
            count_distance: Outcome::of(wasserstein(&reference, &counts))?,
            bifurcations: median(Quantity::BifurcationShare)?,
            quality: median(Quantity::Quality)?,
        })
    }
}

impl Scores {
    fn of(
        sets: [&[Minutiae]; 2],
        pairs: [&[Pair]; 2],
        seed: u64,
        reporter: &mut dyn Reporter,
    ) -> Result<Self> {
        let mut scores = [Vec::new(), Vec::new()];
        for (((set, pairs), name), scores) in
            sets.into_iter().zip(pairs).zip(["real", "synthetic"]).zip(&mut scores)
        {
            let templates: Vec<Template> = set.par_iter().map(Template::new).collect();
            let what = format!("matching minutiae of {name} prints");
            for (chunk, some) in pairs.chunks(CHUNK).enumerate() {
                reporter.progress(&what, chunk * CHUNK, pairs.len());
                let found = some.par_iter().map(|&(a, b)| templates[a].score(&templates[b]));
                scores.extend(found.map(f64::from).collect::<Vec<f64>>());
            }
            reporter.progress(&what, pairs.len(), pairs.len());
        }
        let [real, synthetic] = &scores;
        let resampling = Resampling { rounds: variety::ROUNDS, seed };
        let above = |scores: &[f64], pairs: &[Pair]| -> Result<Outcome<Interval>> {
            let hits: Vec<bool> =
                scores.iter().map(|&score| score >= f64::from(NIST_MATCH)).collect();
            Outcome::of(share_of_pairs(pairs, &hits, LEVEL, resampling))
        };
        Ok(Self {
            pairs: pairs.map(<[Pair]>::len),
            real: Outcome::of(quantiles(real, &variety::QUANTILES))?,
            synthetic: Outcome::of(quantiles(synthetic, &variety::QUANTILES))?,
            matches: [above(real, pairs[0])?, above(synthetic, pairs[1])?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::minutiae::{Kind, Minutia};
    use crate::rng::{Sequence, Stream};

    /// Prints of `count` minutiae in the given quarter, all pointing to `direction` and its neighbours.
    fn prints(seed: u32, many: usize, count: u32, left: bool, direction: u8) -> Vec<Minutiae> {
        let mut numbers = Sequence::new(3, Stream::Evaluation, 96, seed);
        let mut point = || Minutia {
            x: 16 + numbers.below(50) as u16 + if left { 0 } else { 50 },
            y: 16 + numbers.below(100) as u16,
            direction: (direction + numbers.below(4) as u8) % 32,
            kind: if numbers.below(4) == 0 { Kind::Bifurcation } else { Kind::Ending },
            quality: 30 + numbers.below(40) as u8,
        };
        (0..many)
            .map(|_| Minutiae {
                width: 132,
                height: 132,
                margin: 16,
                points: (0..count).map(|_| point()).collect(),
            })
            .collect()
    }

    fn compared(real: &[Minutiae], synthetic: &[Minutiae]) -> Figures {
        let pairs: Vec<Pair> = (1..real.len().min(synthetic.len())).map(|b| (b - 1, b)).collect();
        compare([real, synthetic], [&pairs, &pairs], (1.0, 5), vec![], &mut ()).unwrap()
    }

    #[test]
    fn a_shift_of_one_quantity_is_seen_in_its_own_figure() {
        let real = prints(0, 40, 30, true, 4);
        let same = compared(&real, &prints(1, 30, 30, true, 4));
        let p = |outcome: &Outcome<scalar::Comparison>| outcome.get().unwrap().p_value;
        assert!(p(&same.directions) > 0.01 && p(&same.places) > 0.01, "{same:?}");
        assert_eq!(same.quantities[0].found.distance.get().unwrap().distance, 0.0);

        let more = compared(&real, &prints(2, 30, 37, true, 4));
        let count = more.quantities[0].found.distance.get().unwrap();
        assert_eq!((count.distance, count.p_value), (7.0, 0.001));
        assert!(p(&more.directions) > 0.01 && p(&more.places) > 0.01);

        // 28 directions on is four back.
        let turned = compared(&real, &prints(3, 30, 30, true, 0));
        let directions = turned.directions.get().unwrap();
        assert!((directions.distance - 45.0).abs() < 4.0, "{directions:?}");
        assert!(directions.p_value == 0.001 && p(&turned.places) > 0.01);

        let moved = compared(&real, &prints(4, 30, 30, false, 4));
        assert!((moved.places.get().unwrap().distance - 1.0).abs() < 1e-12, "{:?}", moved.places);
        assert!(p(&moved.directions) > 0.01);
        let [left, right] = &moved.density;
        assert!((left.iter().sum::<f64>() - 30.0).abs() < 1e-9);
        assert!((0..CELLS * CELLS).all(|cell| left[cell] == 0.0 || right[cell] == 0.0));
    }

    #[test]
    fn copies_match_and_strangers_do_not() {
        let mut real = prints(0, 12, 30, true, 4);
        let mut numbers = Sequence::new(3, Stream::Evaluation, 93, 0);
        for point in real.iter_mut().flat_map(|print| &mut print.points) {
            point.direction = numbers.below(32) as u8;
        }
        let copies = vec![real[0].clone(); 12];
        let found = compared(&real, &copies).scores;
        let share = |outcome: &Outcome<Interval>| outcome.get().unwrap().value;
        assert_eq!(found.pairs, [11, 11]);
        assert_eq!((share(&found.matches[0]), share(&found.matches[1])), (0.0, 1.0));
    }

    #[test]
    fn too_few_prints_leave_figures_out() {
        let real = prints(0, 1, 30, true, 4);
        let none = vec![Minutiae { width: 132, height: 132, margin: 16, points: vec![] }; 3];
        let found = compared(&real, &none);
        assert!(found.directions.get().is_err() && found.scores.real.get().is_err());
        let found = compared(&prints(0, 3, 9, true, 4), &none);
        assert!(found.directions.get().unwrap_err().contains("no event at all"));
        assert_eq!(found.quantities[0].found.other.get().unwrap(), &vec![0.0; 3]);
        let reason = found.quantities[1].found.distance.get().unwrap_err();
        assert!(reason.contains("at least 2") && reason.contains("there are 0"), "{reason}");
    }
}
