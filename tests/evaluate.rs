//! The judgement of prints through the public API: a planted memoriser is caught, a control is not, and the
//! controls of a report land where they must.

use dermaglyph::backend::Cpu;
use dermaglyph::data::{self, DataConfig};
use dermaglyph::evaluate::evaluation::LEVEL;
use dermaglyph::evaluate::features::PrintFeatures;
use dermaglyph::evaluate::measure::{Measured, Trait};
use dermaglyph::evaluate::outcome::Outcome;
use dermaglyph::evaluate::prints::Prints;
use dermaglyph::evaluate::privacy::{self, Depth, Privacy};
use dermaglyph::evaluate::sources::Split;
use dermaglyph::evaluate::{compare::Comparison, controls, matching};
use dermaglyph::rng::{Sequence, Stream};
use image::{GrayImage, imageops};
use std::sync::{LazyLock, Mutex};

const SIZE: u32 = 96;

/// Prints of `count / 10` subjects from the formula.
fn drawn(count: u32, seed: u64) -> Prints {
    let config = DataConfig {
        size: SIZE,
        channels: 1,
        held_out: 0.0,
        seed,
        procedural_count: count,
        no_cache: true,
        ..DataConfig::default()
    };
    let set = data::load(&config, &mut ()).unwrap();
    let mut prints = Prints::empty(SIZE);
    for (index, entry) in set.entries.iter().enumerate() {
        prints.push(entry.name.clone(), entry.subject(), set.image(index)).unwrap();
    }
    prints
}

/// 160 prints of persons who were trained on, 160 of others: drawn once for all tests.
static SPLIT: LazyLock<Split> = LazyLock::new(|| {
    let all = drawn(320, 5);
    let of = |range: std::ops::Range<usize>| all.subset(&range.collect::<Vec<_>>());
    Split { train: of(0..160), held_out: of(160..320) }
});
static NETWORK: LazyLock<Mutex<PrintFeatures<Cpu>>> =
    LazyLock::new(|| Mutex::new(PrintFeatures::embedded(None).unwrap()));

fn measured(prints: &Prints) -> Measured {
    let mut network = NETWORK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Measured::of(prints, "test", &mut network, &mut ()).unwrap()
}

/// A print turned by a few degrees about its centre, white where nothing is known, with noise on it.
fn replay(prints: &Prints, index: usize, numbers: &mut Sequence) -> Vec<u8> {
    let image = prints.image(index);
    let (sin, cos) = numbers.range(-6.0, 6.0).to_radians().sin_cos();
    let middle = f64::from(SIZE) / 2.0 - 0.5;
    let at = |x: f64, y: f64| {
        let inside = (0.0..f64::from(SIZE)).contains(&x) && (0.0..f64::from(SIZE)).contains(&y);
        if inside { f64::from(image.get_pixel(x as u32, y as u32).0[0]) } else { 255.0 }
    };
    let mut pixels = Vec::new();
    for row in 0..SIZE {
        for column in 0..SIZE {
            let (dx, dy) = (f64::from(column) - middle, f64::from(row) - middle);
            let (x, y) = (middle + cos * dx - sin * dy, middle + sin * dx + cos * dy);
            let (fx, fy) = (x - x.floor(), y - y.floor());
            let (x, y) = (x.floor(), y.floor());
            let value = (1.0 - fy) * ((1.0 - fx) * at(x, y) + fx * at(x + 1.0, y))
                + fy * ((1.0 - fx) * at(x, y + 1.0) + fx * at(x + 1.0, y + 1.0));
            pixels.push((value + numbers.normal(0.0, 12.0)).clamp(0.0, 255.0) as u8);
        }
    }
    pixels
}

/// A "generator" that replays prints of these sets.
fn replayed(sources: &[&Prints], count: usize) -> Prints {
    let mut numbers = Sequence::new(1, Stream::Evaluation, 99, 0);
    let mut fakes = Prints::empty(SIZE);
    for i in 0..count {
        let source = sources[i % sources.len()];
        let pixels = replay(source, (i / sources.len() * 7) % source.len(), &mut numbers);
        fakes.push(format!("replay {i}"), None, &pixels).unwrap();
    }
    fakes
}

fn judged(fakes: &Prints) -> Privacy {
    let matcher = matching::matcher(SIZE, &measured(&SPLIT.train)).unwrap();
    let synthetic = measured(fakes);
    let mut network = NETWORK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (fake, none) = ((fakes, &synthetic), Outcome::missing("not asked for"));
    let judgement =
        privacy::judge(&matcher, &SPLIT, fake, &none, Depth::Likely, 3, &mut network, &mut ());
    judgement.unwrap().get().unwrap().clone()
}

#[test]
fn a_memoriser_is_caught() {
    let privacy = judged(&replayed(&[&SPLIT.train], 120));
    assert!(privacy.verdict.leak, "{privacy:?}");
    assert!(
        privacy.verdict.sentence.starts_with("Leak at the 5 % level"),
        "{}",
        privacy.verdict.sentence
    );
    let membership = privacy.membership.get().unwrap();
    assert!(membership.low > 0.6, "{membership:?}");
    assert!(privacy.difference.p_value <= 0.01, "{:?}", privacy.difference);
}

/// Training and held-out prints are replayed alike: whatever is repeated, it tells nothing of membership.
#[test]
fn replays_of_both_sides_are_no_leak_of_membership() {
    let privacy = judged(&replayed(&[&SPLIT.train, &SPLIT.held_out], 160));
    assert!(!privacy.verdict.leak, "{}", privacy.verdict.sentence);
}

#[test]
fn prints_of_strangers_are_no_leak() {
    let privacy = judged(&drawn(120, 77));
    assert!(!privacy.verdict.leak, "{}", privacy.verdict.sentence);
    let membership = privacy.membership.get().unwrap();
    assert!(membership.low < 0.5 && membership.high > 0.5, "{membership:?}");
}

#[test]
fn too_few_prints_leave_the_judgement_out_with_the_minimum() {
    let few = SPLIT.train.subset(&[0, 1, 2]);
    let matcher = matching::matcher(SIZE, &measured(&SPLIT.train)).unwrap();
    let synthetic = measured(&few);
    let mut network = NETWORK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let none = Outcome::missing("not asked for");
    let fake = (&few, &synthetic);
    let judgement =
        privacy::judge(&matcher, &SPLIT, fake, &none, Depth::Likely, 3, &mut network, &mut ());
    let judgement = judgement.unwrap();
    let reason = judgement.get().unwrap_err();
    assert!(reason.contains("at least 40") && reason.contains("there are 3"), "{reason}");
}

/// The floor is nearest, blurred prints are far, noise is farthest; precision and recall agree.
#[test]
fn controls_land_where_they_must() {
    let reference = measured(&SPLIT.train);
    let against = |prints: &Prints| {
        Comparison::between("x", &reference, &measured(prints), 0, LEVEL).unwrap()
    };
    let floor = against(&SPLIT.held_out);
    let blurred = against(&controls::blurred(&SPLIT.held_out).unwrap());
    let noise = against(&controls::noise(160, SIZE, 1).unwrap());
    let distance = |c: &Comparison| *c.frechet.get().unwrap();
    assert!(distance(&floor) * 3.0 < distance(&blurred), "{floor:?} {blurred:?}");
    assert!(distance(&blurred) < distance(&noise), "{blurred:?} {noise:?}");
    let kernel = floor.kernel.get().unwrap();
    assert!(kernel.low < 0.0 && kernel.high > 0.0, "{kernel:?}");
    assert!(blurred.kernel.get().unwrap().low > 0.0);
    let manifold = floor.manifold.get().unwrap();
    assert!(manifold.precision > 0.6 && manifold.recall > 0.6, "{manifold:?}");
    let manifold = noise.manifold.get().unwrap();
    assert!(manifold.precision < 0.05 && manifold.coverage < 0.05, "{manifold:?}");
}

/// A set that shows ever fewer different prints loses recall and coverage, not precision.
#[test]
fn dropped_modes_cost_recall() {
    let reference = measured(&SPLIT.train);
    let mut last = f64::INFINITY;
    for distinct in [160, 20, 2] {
        let indices: Vec<usize> = (0..160).map(|i| i % distinct).collect();
        let other = measured(&SPLIT.held_out.subset(&indices));
        let compared = Comparison::between("x", &reference, &other, 0, LEVEL).unwrap();
        let manifold = *compared.manifold.get().unwrap();
        assert!(manifold.coverage < last, "{distinct}: {manifold:?}");
        last = manifold.coverage;
    }
}

/// Prints changed ever more: `amount` of blur (standard deviation, pixels) or of noise (gray values).
fn spoiled(
    amounts: [f64; 3],
    spoil: impl Fn(&GrayImage, f64, &mut Sequence) -> GrayImage,
) -> [Measured; 3] {
    amounts.map(|amount| {
        let mut numbers = Sequence::new(2, Stream::Evaluation, 98, 0);
        let mut prints = Prints::empty(SIZE);
        for index in 0..SPLIT.held_out.len() {
            let image = spoil(&SPLIT.held_out.image(index), amount, &mut numbers);
            prints.push(format!("spoiled {index}"), None, image.as_raw()).unwrap();
        }
        measured(&prints)
    })
}

/// The more blur or noise, the farther: every figure of distance, and the traits that should see it.
#[test]
fn figures_worsen_steadily_under_growing_blur_and_noise() {
    let reference = measured(&SPLIT.train);
    let blur =
        |image: &GrayImage, sigma: f64, _: &mut Sequence| imageops::blur(image, sigma as f32);
    let noise = |image: &GrayImage, sigma: f64, numbers: &mut Sequence| {
        let mut image = image.clone();
        for pixel in image.iter_mut() {
            *pixel = (f64::from(*pixel) + numbers.normal(0.0, sigma)).clamp(0.0, 255.0) as u8;
        }
        image
    };
    for (name, sets) in
        [("blur", spoiled([0.6, 1.2, 2.4], blur)), ("noise", spoiled([15.0, 45.0, 135.0], noise))]
    {
        let compared: Vec<Comparison> = sets
            .iter()
            .map(|set| Comparison::between(name, &reference, set, 0, LEVEL).unwrap())
            .collect();
        let clarity = |c: &Comparison| {
            let found = c.traits.iter().find(|t| t.quantity == Trait::Clarity).unwrap();
            found.found.other.get().unwrap()[1]
        };
        for pair in compared.windows(2) {
            let [less, more] = pair else { unreachable!() };
            let frechet = [less, more].map(|c| *c.frechet.get().unwrap());
            assert!(frechet[0] < frechet[1], "{name}: Fréchet {frechet:?}");
            let kernel = [less, more].map(|c| c.kernel.get().unwrap().value);
            assert!(kernel[0] < kernel[1], "{name}: kernel {kernel:?}");
            let coverage = [less, more].map(|c| c.manifold.get().unwrap().coverage);
            assert!(coverage[0] >= coverage[1], "{name}: coverage {coverage:?}");
            assert!(clarity(less) > clarity(more), "{name}: clarity");
        }
    }
}

/// The more of the synthetic prints are replays of training prints, the better membership is told.
#[test]
fn the_membership_attack_grows_with_the_share_of_replays() {
    let (replays, strangers) = (replayed(&[&SPLIT.train], 120), drawn(120, 77));
    let areas: Vec<f64> = [0, 40, 120]
        .into_iter()
        .map(|count| {
            let first: Vec<usize> = (0..count).collect();
            let rest: Vec<usize> = (count..120).collect();
            let mixed = replays.subset(&first).joined(&strangers.subset(&rest));
            judged(&mixed).membership.get().unwrap().value
        })
        .collect();
    assert!(areas[0] + 0.05 < areas[1] && areas[1] + 0.05 < areas[2], "{areas:?}");
}
