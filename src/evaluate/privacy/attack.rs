//! Who is attacked, and what is matched.

use super::{Depth, Difference, LIKELY, Match};
use crate::data::Reporter;
use crate::data::socofing::SocofingName;
use crate::error::Result;
use crate::evaluate::matching::{self, Pair};
use crate::evaluate::measure::Measured;
use crate::evaluate::prints::{Draw, Prints};
use crate::evaluate::ridges::matcher::Matcher;
use crate::evaluate::stats::Features;
use crate::evaluate::stats::auc::Scored;
use crate::evaluate::stats::neighbours::{Nearest, nearest_few};
use crate::rng::{Sequence, Stream};
use std::collections::{BTreeMap, HashSet};

/// One side of the comparison.
pub(super) struct Gallery {
    /// Their indices in the run's set.
    pub indices: Vec<usize>,
    pub prints: Prints,
    pub measured: Measured,
}

impl Gallery {
    /// A number for the person of print `index` of side `side`. Prints of nobody known are persons of their own; the
    /// two sides have no person in common.
    fn person(&self, index: usize, side: usize) -> u32 {
        self.prints.subjects[index].unwrap_or((2 * index + side) as u32 | 1 << 31)
    }
}

/// Prints of different fingers, person by person in an order drawn by the seed. Several prints of one finger, or
/// fewer persons on one side than on the other, would make one gallery poorer and its best matches lower for no
/// other reason: fingers of one person are alike.
pub(super) fn of_different_fingers(prints: &Prints, seed: u64) -> Vec<usize> {
    let finger = |index: usize| {
        let file = prints.names[index].rsplit('/').next().unwrap_or_default();
        SocofingName::parse(file).map(|name| (name.subject, name.hand, name.finger))
    };
    let mut persons: BTreeMap<(Option<u32>, usize), Vec<usize>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (index, subject) in prints.subjects.iter().enumerate() {
        if finger(index).is_none_or(|finger| seen.insert(finger)) {
            let alone = if subject.is_some() { 0 } else { index };
            persons.entry((*subject, alone)).or_default().push(index);
        }
    }
    let mut persons: Vec<Vec<usize>> = persons.into_values().collect();
    Sequence::new(seed, Stream::Evaluation, Draw::Gallery as u32, 0).shuffle(&mut persons);
    persons.concat()
}

/// What an attack needs at hand.
pub(super) struct Attack<'a> {
    pub matcher: &'a Matcher,
    pub fake: (&'a Prints, &'a Measured),
    pub depth: Depth,
    pub reporter: &'a mut dyn Reporter,
    /// Pairs matched so far.
    pub pairs: usize,
}

impl Attack<'_> {
    /// For each print of a side the score of its best synthetic match, and the negative distance to its nearest
    /// synthetic print in feature space.
    pub fn membership(
        &mut self,
        sides: &[Gallery; 2],
        side: usize,
    ) -> Result<(Vec<Scored>, Vec<Scored>)> {
        let Gallery { prints, measured, .. } = &sides[side];
        let best = self.best_matches((prints, measured), self.fake)?;
        let near = nearest_few(&measured.features, &self.fake.1.features, 1)?;
        let group = |index: usize| sides[side].person(index, side);
        let by_match = best.iter().enumerate();
        let by_match = by_match.map(|(i, &(_, score))| Scored { score, group: group(i) }).collect();
        let distance = |near: &[Nearest]| near.first().map_or(f64::MAX, |near| near.distance);
        let by_features = near.iter().enumerate();
        let by_features = by_features
            .map(|(i, near)| Scored { score: -distance(near), group: group(i) })
            .collect();
        Ok((by_match, by_features))
    }

    /// The best match of the synthetic prints `probes` on each side, and what random sides would give. Those
    /// that are matched are chosen from both sides together, so that no side is treated otherwise.
    pub fn matches(
        &mut self,
        sides: &[Gallery; 2],
        probes: &[usize],
        seed: u64,
    ) -> Result<(Vec<Match>, Difference)> {
        let (prints, measured) = (self.fake.0.subset(probes), self.fake.1.select(probes));
        let [train, held_out] = sides;
        let count = train.prints.len();
        let all = train.prints.joined(&held_out.prints);
        let features = [&train.measured, &held_out.measured].map(|m| m.features.values()).concat();
        let features = Features::new(measured.features.dim(), features)?;
        let found = self.scored((&prints, &measured.features), (&all, &features), 2 * LIKELY)?;
        let side = |index: usize| usize::from(index >= count);
        let best = |entries: &[(usize, f64)], of: usize| {
            let own = entries.iter().filter(|(index, _)| side(*index) == of);
            let best = own.fold((of * count, 0.0), |best, e| if e.1 > best.1 { *e } else { best });
            (sides[of].indices[best.0 - of * count], best.1)
        };
        let matches = probes.iter().zip(&found).map(|(&synthetic, entries)| Match {
            synthetic,
            train: best(entries, 0),
            held_out: best(entries, 1),
        });
        let persons: Vec<u32> = (0..all.len())
            .map(|index| sides[side(index)].person(index - side(index) * count, side(index)))
            .collect();
        let difference = Difference::new(&found, &persons, count, seed);
        Ok((matches.collect(), difference))
    }

    /// For each print of `own` the index and score of its best match in `others`.
    fn best_matches(
        &mut self,
        own: (&Prints, &Measured),
        others: (&Prints, &Measured),
    ) -> Result<Vec<(usize, f64)>> {
        let found =
            self.scored((own.0, &own.1.features), (others.0, &others.1.features), LIKELY)?;
        let best = |entries: &Vec<(usize, f64)>| {
            entries
                .iter()
                .fold((0, f64::NEG_INFINITY), |best, e| if e.1 > best.1 { *e } else { best })
        };
        Ok(found.iter().map(best).collect())
    }

    /// For each print of `own` those of `others` that were matched, with their scores: the `likely` nearest in
    /// feature space, or all.
    fn scored(
        &mut self,
        own: (&Prints, &Features),
        others: (&Prints, &Features),
        likely: usize,
    ) -> Result<Vec<Vec<(usize, f64)>>> {
        let few = if self.depth == Depth::All { others.0.len() } else { likely };
        let mut pairs: Vec<Pair> = (0..)
            .zip(&nearest_few(own.1, others.1, few)?)
            .flat_map(|(a, near)| near.iter().map(move |nearest| (a, nearest.index)))
            .collect();
        pairs.sort_unstable();
        self.pairs += pairs.len();
        let what = "looking for repeated fingers";
        let scores = matching::scores(self.matcher, own.0, others.0, &pairs, what, self.reporter)?;
        let mut found = vec![Vec::new(); own.0.len()];
        for (&(a, b), &score) in pairs.iter().zip(&scores) {
            found[a].push((b, score));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gallery_has_each_finger_once() {
        let mut prints = Prints::empty(1);
        for subject in 1..=30 {
            for finger in ["index", "thumb"] {
                for impression in ["", "_CR", "_Obl"] {
                    let name = format!("Real/{subject}__M_Left_{finger}_finger{impression}.BMP");
                    prints.push(name, Some(subject), &[0]).unwrap();
                }
            }
        }
        prints.push("somebody.png".into(), None, &[0]).unwrap();
        prints.push("somebody else.png".into(), None, &[0]).unwrap();
        let chosen = of_different_fingers(&prints, 1);
        assert_eq!(chosen.len(), 62);
        assert_ne!(chosen, of_different_fingers(&prints, 2));
        let fingers: HashSet<String> = chosen
            .iter()
            .map(|&i| prints.names[i].split("_finger").next().unwrap().into())
            .collect();
        assert_eq!(fingers.len(), 62);
    }
}
