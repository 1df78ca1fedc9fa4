//! Groups of edge pairs that agree on one movement, and the best set of groups that fit together.

use super::pairs::Pair;
use super::{Point, degrees, half_turn, mean_angle, stretched, turned};

/// Edge pairs that turn by the same angle and hang together.
#[derive(Debug)]
pub(super) struct Group {
    /// Mean turn in degrees.
    turn: i32,
    /// Mean x and y of where its pairs start, in the first print and in the second.
    centre: [(i32, i32); 2],
    /// Its minutiae in the first print and in the second, ascending.
    members: [Vec<usize>; 2],
    /// Number of its pairs.
    size: u32,
    /// Itself and all later groups that fit it, ascending.
    partners: Vec<usize>,
    /// Number of pairs of all of those.
    reach: u32,
}

impl Group {
    fn new(pairs: &[Pair], chosen: &[usize], points: [&[Point]; 2], index: usize) -> Self {
        let chosen: Vec<&Pair> = chosen.iter().map(|&pair| &pairs[pair]).collect();
        let ends =
            |side: usize| move |pair: &&Pair| if side == 0 { pair.first } else { pair.second };
        let count = chosen.len() as i32;
        let centre = [0, 1].map(|side| {
            let start = chosen.iter().map(|pair| points[side][ends(side)(pair)[0]]);
            let (x, y) = start.fold((0, 0), |sum, point| (sum.0 + point.x, sum.1 + point.y));
            (x / count, y / count)
        });
        let members = [0, 1].map(|side| {
            let mut all: Vec<usize> = chosen.iter().flat_map(ends(side)).collect();
            all.sort_unstable();
            all.dedup();
            all
        });
        let size = chosen.len() as u32;
        let turn = mean_angle(chosen.iter().map(|pair| pair.turn));
        Self { turn, centre, members, size, partners: vec![index], reach: size }
    }

    /// Whether both can come from one movement of the print: turned alike, their centres as far apart
    /// in both prints and in directions that differ by that turn, and no minutia in both.
    fn fits(&self, later: &Self) -> bool {
        if turned(later.turn, self.turn) {
            return false;
        }
        let between = |side: usize| {
            let (a, b) = (self.centre[side], later.centre[side]);
            (b.0 - a.0, b.1 - a.1)
        };
        let (first, second) = (between(0), between(1));
        let squared = |(dx, dy): (i32, i32)| (dx * dx + dy * dy) as f32;
        if stretched(squared(first), squared(second)) {
            return false;
        }
        let turn = half_turn(direction(first) - direction(second));
        let mean = mean_angle([later.turn, self.turn].into_iter());
        !turned(mean, turn) && self.members.iter().zip(&later.members).all(|(a, b)| disjoint(a, b))
    }
}

/// Direction of a vector in whole degrees.
fn direction((dx, dy): (i32, i32)) -> i32 {
    if dx == 0 {
        return if dy > 0 { 90 } else { -90 };
    }
    let mut angle = degrees(dy as f32 / dx as f32);
    let turn = if dx < 0 { 180.5 } else { -0.5 };
    angle += if angle < 0.0 { turn } else { -turn };
    let whole = angle as i32;
    if whole <= -180 { whole + 360 } else { whole }
}

fn disjoint(a: &[usize], b: &[usize]) -> bool {
    a.iter().all(|member| b.binary_search(member).is_err())
}

/// All groups of one comparison.
#[derive(Debug, Default)]
pub(super) struct Groups {
    list: Vec<Group>,
    best: u32,
}

impl Groups {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Adds the group of the pairs with these indices; there must be at least one.
    pub fn add(&mut self, pairs: &[Pair], chosen: &[usize], points: [&[Point]; 2]) {
        let index = self.list.len();
        let group = Group::new(pairs, chosen, points, index);
        self.best = self.best.max(group.size);
        for earlier in self.list.iter_mut().filter(|earlier| earlier.fits(&group)) {
            earlier.partners.push(index);
            earlier.reach += group.size;
            self.best = self.best.max(earlier.reach);
        }
        self.list.push(group);
    }

    /// Number of pairs in the largest set of groups that all fit each other, as far as the search of
    /// the C code (`bz_final_loop`) goes. Below 8 it is the largest group with its partners.
    pub fn score(&self) -> u32 {
        if self.best < 8 {
            return self.best;
        }
        let mut best = 0;
        for group in &self.list {
            if best < group.reach {
                best = best.max(self.best_from(group));
            }
        }
        best
    }

    /// The same among the partners of one group: depth first, each level the groups that fit all
    /// chosen so far.
    fn best_from(&self, root: &Group) -> u32 {
        let size = |group: &usize| self.list[*group].size;
        let mut levels = vec![Level { groups: root.partners.clone(), next: 1 }];
        let (mut best, mut path, mut fresh) = (0, 0, true);
        while let Some(level) = levels.last() {
            if let Some(&chosen) = level.groups.get(level.next)
                && level.next + 1 < level.groups.len()
            {
                let partners = &self.list[chosen].partners;
                let groups = level.groups[level.next..]
                    .iter()
                    .filter(|group| partners.binary_search(group).is_ok())
                    .copied()
                    .collect();
                levels.push(Level { groups, next: 1 });
                (path, fresh) = (levels.len() - 1, true);
                continue;
            }
            let from = if fresh { 0 } else { level.groups.len() - 1 };
            let here: u32 = level.groups[from..].iter().map(size).sum();
            // After going back up, the way is still that down to the deepest level just left.
            let above: u32 =
                levels[..path.min(levels.len())].iter().map(|l| size(&l.groups[0])).sum();
            best = best.max(here + above);
            path = levels.len() - 1;
            levels.pop();
            fresh = false;
            if let Some(parent) = levels.last_mut() {
                parent.next += 1;
            }
        }
        best
    }
}

/// Groups among which to choose, and the next to try.
struct Level {
    groups: Vec<usize>,
    next: usize,
}
