//! Walks from print to print.

use super::latent::latent;
use super::seeds::Seeds;
use crate::error::{Error, Result};

/// Below this sine of the angle the two ends are parallel, or opposite, as far as their rounding
/// tells: there is no arc to follow, and the straight line is used.
const LEAST_SINE: f64 = 1e-6;

/// Spherical linear interpolation (K. Shoemake, "Animating rotation with quaternion curves",
/// SIGGRAPH 1985): `sin((1−t)Ω)/sin Ω · a + sin(tΩ)/sin Ω · b` with Ω the angle between `a` and `b`.
///
/// Normal latents of `nz` numbers all have lengths near √nz. The straight line between two of them
/// cuts through the inside of that sphere, where the generator never trained; this arc stays on it.
/// `a` and `b` need not have equal lengths; `t` in [0, 1] gives `a` at 0 and `b` at 1.
///
/// # Errors
/// [`Error::Shape`] if the lengths differ.
pub fn slerp(a: &[f32], b: &[f32], t: f64) -> Result<Vec<f32>> {
    if a.len() != b.len() {
        let reason = format!("latents of {} and {} numbers do not mix", a.len(), b.len());
        return Err(Error::shape("slerp", reason));
    }
    let omega = angle(a, b);
    let (from, to) = if omega.sin() > LEAST_SINE {
        (((1.0 - t) * omega).sin() / omega.sin(), (t * omega).sin() / omega.sin())
    } else {
        (1.0 - t, t)
    };
    let mix = |(&a, &b): (&f32, &f32)| (from * f64::from(a) + to * f64::from(b)) as f32;
    Ok(a.iter().zip(b).map(mix).collect())
}

/// The angle in [0, π] as `2·atan2(|â − b̂|, |â + b̂|)`, which keeps its precision where the arc
/// cosine of the product loses it: near 0 and π. 0 if either is the zero vector.
fn angle(a: &[f32], b: &[f32]) -> f64 {
    let norm = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let (length_a, length_b) = (norm(a), norm(b));
    if length_a == 0.0 || length_b == 0.0 {
        return 0.0;
    }
    let (mut difference, mut sum) = (0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) / length_a, f64::from(b) / length_b);
        difference += (a - b).powi(2);
        sum += (a + b).powi(2);
    }
    2.0 * difference.sqrt().atan2(sum.sqrt())
}

/// A walk over several seeds' latents, one frame after the other; nothing is kept but the two ends
/// of the present arc.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// The stations, in their order.
    pub seeds: &'a Seeds,
    /// Frames from one station to the next.
    pub frames: u32,
    /// Whether the walk goes on from the last station to the first, so that it repeats smoothly.
    pub closed: bool,
}

impl<'a> Walk<'a> {
    /// How many frames there are: `frames` per arc, and an open walk's last station.
    pub fn count(&self) -> u128 {
        let stations = self.seeds.count();
        let arcs = if self.closed { stations } else { stations - 1 };
        arcs * u128::from(self.frames) + u128::from(!self.closed)
    }

    /// The latents of `nz` numbers each, frame by frame. Frame `k·frames` is station `k`'s own.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two seeds or no frames.
    pub fn latents(self, nz: usize) -> Result<impl Iterator<Item = Vec<f32>> + 'a> {
        if self.seeds.count() < 2 || self.frames == 0 {
            return Err(Error::Config(format!(
                "interpolation goes from seed to seed: it needs at least two seeds and one frame \
                 between them, not {} and {}",
                self.seeds.count(),
                self.frames
            )));
        }
        let first = self.seeds.iter().take(usize::from(self.closed));
        let ends = self.seeds.iter().skip(1).chain(first);
        let last = self.seeds.last().filter(|_| !self.closed);
        let arcs = self.seeds.iter().zip(ends).flat_map(move |(a, b)| {
            let (from, to) = (latent(a, nz), latent(b, nz));
            (0..self.frames).map(move |frame| {
                let t = f64::from(frame) / f64::from(self.frames);
                slerp(&from, &to, t).expect("both have nz numbers")
            })
        });
        Ok(arcs.chain(last.map(|seed| latent(seed, nz))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(v: &[f32]) -> f64 {
        v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
    }

    /// On the great circle through the orthonormal `u` and `v`, the point at angle φ is
    /// `cos φ·u + sin φ·v`, and slerp from φ₀ to φ₁ is the point at `φ₀ + t(φ₁ − φ₀)`.
    #[test]
    fn slerp_follows_the_great_circle_at_constant_speed() {
        let radius = 10.0;
        let u = [0.6, 0.8, 0.0, 0.0];
        let v = [0.0, 0.0, -0.28, 0.96];
        let at = |phi: f64| -> Vec<f32> {
            (0..4).map(|i| (radius * (phi.cos() * u[i] + phi.sin() * v[i])) as f32).collect()
        };
        for (start, end) in [(0.0, 0.001), (0.3, 1.4), (-1.0, 1.2), (0.0, 3.1)] {
            for step in 0..=10 {
                let t = f64::from(step) / 10.0;
                let point = slerp(&at(start), &at(end), t).unwrap();
                let exact = at(start + t * (end - start));
                // The ends are rounded to f32; an arc of nearly π magnifies that by 1/sin Ω.
                let bound = radius * f64::from(f32::EPSILON) * (1.0 + 2.0 / (end - start).sin());
                for (p, e) in point.iter().zip(&exact) {
                    let error = f64::from((p - e).abs());
                    assert!(error <= bound, "{start}..{end} at {t}: {error} > {bound}");
                }
            }
        }
    }

    #[test]
    fn latents_keep_their_length_on_the_way() {
        let (a, b) = (latent(1, 100), latent(2, 100));
        let (short, long) = (norm(&a).min(norm(&b)), norm(&a).max(norm(&b)));
        let middle = slerp(&a, &b, 0.5).unwrap();
        assert!(norm(&middle) > 0.95 * short && norm(&middle) < 1.05 * long);
        let chord: Vec<f32> = a.iter().zip(&b).map(|(x, y)| (x + y) / 2.0).collect();
        assert!(norm(&chord) < 0.8 * short, "the straight line cuts through the sphere");
    }

    #[test]
    fn where_there_is_no_arc_the_line_is_used() {
        let a = [1.0f32, 2.0, -2.0];
        let twice = [2.0f32, 4.0, -4.0];
        assert_eq!(slerp(&a, &a, 0.3).unwrap(), a);
        assert_eq!(slerp(&a, &twice, 0.5).unwrap(), [1.5, 3.0, -3.0]);
        assert_eq!(slerp(&a, &[0.0; 3], 0.5).unwrap(), [0.5, 1.0, -1.0]);
        assert_eq!(slerp(&a, &[-1.0, -2.0, 2.0], 0.25).unwrap(), [0.5, 1.0, -1.0]);
        assert!(slerp(&a, &[1.0], 0.5).is_err());
    }

    #[test]
    fn a_walk_visits_every_station() {
        let seeds: Seeds = "9,3-4".parse().unwrap();
        let open = Walk { seeds: &seeds, frames: 4, closed: false };
        let frames: Vec<_> = open.latents(10).unwrap().collect();
        assert_eq!(frames.len(), 9);
        assert_eq!(open.count(), 9);
        for (frame, seed) in [(0, 9), (4, 3), (8, 4)] {
            assert_eq!(frames[frame], latent(seed, 10));
        }
        assert_eq!(frames[5], slerp(&latent(3, 10), &latent(4, 10), 0.25).unwrap());

        let closed = Walk { closed: true, ..open };
        let round: Vec<_> = closed.latents(10).unwrap().collect();
        assert_eq!(round.len(), 12);
        assert_eq!(closed.count(), 12);
        assert_eq!(round[..9], frames);
        assert_eq!(round[10], slerp(&latent(4, 10), &latent(9, 10), 0.5).unwrap());
    }

    #[test]
    fn a_walk_needs_two_seeds_and_a_frame() {
        let (one, two) = ("5".parse().unwrap(), "5-6".parse().unwrap());
        for (seeds, frames) in [(&one, 4), (&two, 0)] {
            let walk = Walk { seeds, frames, closed: false };
            assert!(matches!(walk.latents(3).err(), Some(Error::Config(_))));
        }
    }
}
