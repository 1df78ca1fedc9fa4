//! Numbers to compute with: every edge of a type with every other, then random ones.

use crate::machine::{Form, LANES, Lanes, MASKS};
use crate::random::Random;

/// A type of PTX as a test sees it.
pub trait Value: Copy + std::fmt::Debug {
    fn from_bits(bits: u64) -> Self;
    /// As a register holds it: results of 8 and 16 bits have zeros above.
    fn bits(self) -> u64;
    fn edges() -> Vec<Self>;
    fn random(random: &mut Random) -> Self;
    /// Whether `found` is what `self` asks for. Numbers agree to the bit.
    fn accepts(self, found: u64) -> bool {
        self.bits() == found
    }
}

macro_rules! integer {
    ($($ty:ty, $unsigned:ty);*) => { $(
        impl Value for $ty {
            fn from_bits(bits: u64) -> Self {
                bits as $ty
            }
            fn bits(self) -> u64 {
                self as $unsigned as u64
            }
            fn edges() -> Vec<Self> {
                let top = 1 << (<$ty>::BITS - 1);
                let mut all: Vec<$ty> = vec![0, 1, 2, 3, 5, 7, 8, 10, 31, 32, 33, 63, 64, 65, 100];
                all.extend([<$ty>::MIN, <$ty>::MAX, top, top - (top >> 1), !0, !0 - 1, !0 << 4]);
                all.extend([<$ty>::MAX - 1, <$ty>::MAX / 3, 0x5a, !0x5a]);
                all
            }
            fn random(random: &mut Random) -> Self {
                // Small numbers as often as large ones.
                let bits = random.u64() as $ty;
                bits >> random.below(<$ty>::BITS)
            }
        }
    )* };
}
integer!(u8, u8; i8, u8; u16, u16; i16, u16; u32, u32; i32, u32; u64, u64; i64, u64);

macro_rules! float {
    ($ty:ty, $bits:ty, $mantissa:literal, $is_nan:expr) => {
        impl Value for $ty {
            fn from_bits(bits: u64) -> Self {
                <$ty>::from_bits(bits as $bits)
            }
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }
            fn edges() -> Vec<Self> {
                let one = (1.0 as $ty).to_bits();
                let (inf, min) = (<$ty>::INFINITY.to_bits(), <$ty>::MIN_POSITIVE.to_bits());
                let mut all =
                    vec![0, 1, 2, 3, min - 1, min, min + 1, min << 1, one, one + 1, one - 1];
                all.extend([inf, inf - 1, inf - 2, inf + 1, inf | 1 << ($mantissa - 1)]);
                let numbers = [2.0, 0.5, 1.5, 2.5, 3.5, 3.0, 0.75, 1e10, 0.1, 123456789.0];
                let numbers =
                    [65504.0, 65520.0, 65519.99, 2147483648.0, 4294967296.0].iter().chain(&numbers);
                all.extend(numbers.map(|x: &$ty| x.to_bits()));
                all.extend(
                    [9223372036854775808.0, 18446744073709551616.0].map(|x: $ty| x.to_bits()),
                );
                let sign = 1 << (<$bits>::BITS - 1);
                let negative: Vec<_> = all.iter().map(|bits| bits | sign).collect();
                all.into_iter().chain(negative).map(<$ty>::from_bits).collect()
            }
            fn random(random: &mut Random) -> Self {
                match random.below(3) {
                    0 => <$ty>::from_bits(random.u64() as $bits),
                    // Near one, so that digits overlap, with few digits, so that ties occur.
                    1 => {
                        (random.below(4096) as $ty - 2048.0)
                            * (2.0 as $ty).powi(random.below(16) as i32 - 10)
                    }
                    _ => {
                        let near = (1.0 as $ty).to_bits() & !(1 << $mantissa);
                        let bits = random.u64() as $bits >> 4 & ((1 << ($mantissa + 3)) - 1);
                        let sign = (random.below(2) as $bits) << (<$bits>::BITS - 1);
                        <$ty>::from_bits((near - (4 << $mantissa)).wrapping_add(bits) | sign)
                    }
                }
            }
            fn accepts(self, found: u64) -> bool {
                if self.is_nan() { $is_nan(found) } else { self.bits() == found }
            }
        }
    };
}
float!(f32, u32, 23, |found| found == 0x7fff_ffff);
float!(f64, u64, 52, |found: u64| f64::from_bits(found).is_nan() && found >> 51 & 1 == 1);

/// 16 bits of any meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bits16(pub u16);

impl Value for Bits16 {
    fn from_bits(bits: u64) -> Self {
        Bits16(bits as u16)
    }
    fn bits(self) -> u64 {
        self.0.into()
    }
    fn edges() -> Vec<Self> {
        // Of f16 and of bf16: zeros, subnormal and smallest normal numbers, one, extremes, NaN.
        let all =
            [0, 1, 2, 0x3ff, 0x400, 0x401, 0x3bff, 0x3c00, 0x3c01, 0x4000, 0x7bff, 0x7c00, 0x7c01];
        let all = all
            .into_iter()
            .chain([0x7e00, 0x7fff, 0x7f, 0x80, 0x81, 0x3f80, 0x3f81, 0x3f7f, 0x7f7f, 0x7f80]);
        let all = all.chain([0x7f81, 0x7fc0, 0x3e00, 0x3555, 0x3eab]);
        all.flat_map(|bits| [Bits16(bits), Bits16(bits | 0x8000)]).collect()
    }
    fn random(random: &mut Random) -> Self {
        let bits = random.u32() as u16;
        // Half of them between 2⁻⁷ and 2⁷ as f16, so that digits overlap.
        Bits16(if random.below(2) == 0 { bits & 0x9fff | 0x2000 } else { bits })
    }
}

/// A predicate.
impl Value for bool {
    fn from_bits(bits: u64) -> Self {
        bits & 1 != 0
    }
    fn bits(self) -> u64 {
        self.into()
    }
    fn edges() -> Vec<Self> {
        vec![false, true]
    }
    fn random(random: &mut Random) -> Self {
        random.below(2) != 0
    }
}

const RANDOM: usize = 2000;

/// Edges of a type and a source of random numbers of it, as bits.
pub type Place = (Vec<u64>, fn(&mut Random) -> u64);

/// Tuples of numbers, cut into warps, with a lane mask for each.
pub struct Cases {
    tuples: Vec<Vec<u64>>,
}

impl Cases {
    /// All pairs (up to 40 000 tuples) of edges, then random tuples. `of` gives edges and random numbers
    /// of each place.
    pub fn new(places: &[Place]) -> Cases {
        let mut random = Random::new(places.len() as u64 + 1);
        let all: usize = places.iter().map(|(edges, _)| edges.len()).product();
        let mut tuples = Vec::new();
        for case in 0..all.min(20_000) {
            // Where there are too many combinations, take some of them at random.
            let mut at = if all > 20_000 { random.u64() as usize % all } else { case };
            let tuple = places.iter().map(|(edges, _)| {
                let edge = edges[at % edges.len()];
                at /= edges.len();
                edge
            });
            tuples.push(tuple.collect());
        }
        for case in 0..RANDOM {
            let place = |(i, (edges, f)): (usize, &Place)| {
                // Now and then an edge among random numbers.
                if case % 5 == i {
                    edges[random.u64() as usize % edges.len()]
                } else {
                    f(&mut random)
                }
            };
            let tuple: Vec<u64> = places.iter().enumerate().map(place).collect();
            tuples.push(tuple);
        }
        Cases { tuples }
    }

    pub fn of_one<A: Value>() -> Cases {
        Cases::new(&[place::<A>()])
    }

    pub fn of_two<A: Value, B: Value>() -> Cases {
        Cases::new(&[place::<A>(), place::<B>()])
    }

    pub fn of_three<A: Value, B: Value, C: Value>() -> Cases {
        Cases::new(&[place::<A>(), place::<B>(), place::<C>()])
    }

    /// Tuples given by a test.
    pub fn given(tuples: Vec<Vec<u64>>) -> Cases {
        Cases { tuples }
    }

    pub fn tuples(&self) -> &[Vec<u64>] {
        &self.tuples
    }

    /// Runs the form on every tuple; `check` gets the tuple's place and what came out. Every fourth
    /// warp runs with some lanes only, and those lanes are not checked.
    pub fn run(&self, form: &Form, mut check: impl FnMut(usize, &[u64])) {
        for (warp, tuples) in self.tuples.chunks(LANES).enumerate() {
            let places = tuples[0].len();
            let at = |lane: usize| &tuples[lane.min(tuples.len() - 1)];
            let sources: Vec<Lanes> =
                (0..places).map(|place| std::array::from_fn(|lane| at(lane)[place])).collect();
            let masks = if warp % 4 == 3 { &MASKS[..] } else { &MASKS[..1] };
            for mask in masks {
                let (results, _) = form.run(&sources, *mask, 0, 0.0);
                for lane in (0..tuples.len()).filter(|lane| mask >> lane & 1 != 0) {
                    let found: Vec<u64> = results.iter().map(|lanes| lanes[lane]).collect();
                    check(warp * LANES + lane, &found);
                }
            }
        }
    }
}

/// Edges and random numbers of a type.
pub fn place<A: Value>() -> Place {
    (A::edges().into_iter().map(A::bits).collect(), |random| A::random(random).bits())
}

fn check_case<D: Value>(form: &Form, tuple: &[u64], expected: D, found: &[u64]) {
    assert!(
        expected.accepts(found[0]),
        "{} of {tuple:x?}: {:x} instead of {:x} ({expected:?})",
        form.text,
        found[0],
        expected.bits()
    );
}

/// Holds a form of one source against `f`.
pub fn check1<A: Value, D: Value>(text: &str, f: impl Fn(A) -> D) {
    let (form, cases) = (Form::new(text), Cases::of_one::<A>());
    cases.run(&form, |case, found| {
        let tuple = &cases.tuples[case];
        check_case(&form, tuple, f(A::from_bits(tuple[0])), found);
    });
}

/// Holds a form of two sources against `f`.
pub fn check2<A: Value, B: Value, D: Value>(text: &str, f: impl Fn(A, B) -> D) {
    let (form, cases) = (Form::new(text), Cases::of_two::<A, B>());
    cases.run(&form, |case, found| {
        let tuple = &cases.tuples[case];
        check_case(&form, tuple, f(A::from_bits(tuple[0]), B::from_bits(tuple[1])), found);
    });
}

/// Holds a form of three sources against `f`.
pub fn check3<A: Value, B: Value, C: Value, D: Value>(text: &str, f: impl Fn(A, B, C) -> D) {
    let (form, cases) = (Form::new(text), Cases::of_three::<A, B, C>());
    cases.run(&form, |case, found| {
        let tuple = &cases.tuples[case];
        let expected = f(A::from_bits(tuple[0]), B::from_bits(tuple[1]), C::from_bits(tuple[2]));
        check_case(&form, tuple, expected, found);
    });
}
