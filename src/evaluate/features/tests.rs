//! The embedded network and the way to it.

use super::augment::MOST_NOISE;
use super::draw::{self, Drawn};
use super::judge::judge;
use super::train::Trainer;
use super::*;
use crate::backend::Reference;
use crate::data::procedural::{Finger, HenryClass};
use crate::rng::{Sequence, Stream};
use std::path::PathBuf;

/// Prints of fingers that neither training nor the card has seen, at SOCOFing's size.
fn fresh(count: u32) -> Vec<GrayImage> {
    let draw = |i: u32| {
        let class = HenryClass::ALL[i as usize % 5];
        Finger::with_class(424_242, i, class).grow().impression(1, 96, 103).unwrap()
    };
    (0..count).into_par_iter().map(draw).collect()
}

fn embedded(threads: usize) -> PrintFeatures {
    PrintFeatures::embedded(Some(threads)).unwrap()
}

fn decode(bytes: &[u8]) -> Result<(Card, Vec<Weights>)> {
    file::decode(bytes, Path::new("some.safetensors"))
}

#[test]
fn the_network_has_the_size_that_its_card_states() {
    let shapes: Vec<_> = blocks(7).unwrap().iter().map(|b| b.output()).collect();
    let sides: Vec<_> = shapes.iter().map(|s| (s.c, s.h, s.w)).collect();
    assert_eq!(
        sides,
        [(16, 48, 48), (32, 24, 24), (64, 12, 12), (96, 6, 6), (64, 1, 1), (30, 1, 1)]
    );
    let network = Network::zeros(&Reference, blocks(1).unwrap(), index).unwrap();
    // Filters, and a scale and a shift for each normalised channel.
    let filters = 16 * 16 + 16 * 32 * 16 + 16 * 32 * 64 + 16 * 64 * 96 + 36 * 96 * 64 + 64 * 30;
    assert_eq!(network.parameter_count(&Reference), filters + 2 * (16 + 32 + 64 + 96 + 64));
    assert!(EMBEDDED.len() < 3_000_000, "{} bytes", EMBEDDED.len());
}

#[test]
fn the_card_of_the_embedded_network_names_it() {
    let card = PrintFeatures::embedded_card().unwrap();
    assert_eq!(card.title(), "dermaglyph print features v1");
    assert_eq!(&card, embedded(1).card());
    let text = card.to_string();
    assert!(text.contains("dermaglyph print features v1") && text.contains("whorl"), "{text}");
}

/// The bound is far below what the card states for thousands of prints: here there are 100.
#[test]
fn the_embedded_network_knows_fresh_prints() {
    let prints = fresh(100);
    let outputs = embedded(2).of(&prints).unwrap();
    let right = outputs.iter().enumerate().filter(|(i, o)| o.class() == HenryClass::ALL[i % 5]);
    let right = right.count();
    assert!(right >= 80, "{right} of 100 classes are right");
    let believed = outputs.iter().filter(|o| o.print_probability > 0.5).count();
    assert!(believed >= 98, "{believed} of 100 are taken for prints");
    for o in &outputs {
        let sum: f32 = o.class_probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        assert!(o.blur < 0.8 && o.noise < 15.0, "blur {}, noise {}", o.blur, o.noise);
        assert!((2.2..4.5).contains(&o.period), "{}", o.period);
    }
}

#[test]
fn what_is_said_of_an_image_depends_on_nothing_else() {
    let prints = fresh(BATCH as u32 + 5);
    let all = embedded(2).of(&prints).unwrap();
    let mut one = embedded(1);
    for i in [0, 3, BATCH - 1, BATCH, BATCH + 4] {
        let alone = one.of(&prints[i..=i]).unwrap();
        assert_eq!(alone[0], all[i], "image {i}");
    }
    let reversed: Vec<GrayImage> = prints.iter().rev().cloned().collect();
    let mut outputs = one.of(&reversed).unwrap();
    outputs.reverse();
    assert_eq!(outputs, all);
    assert_eq!(one.of(&[]).unwrap(), []);
}

/// Six layers in f32 against f64. Sums of up to 3,456 products err by some 1e-6 of their size.
#[test]
fn the_reference_says_the_same() {
    let prints = fresh(3);
    let fast = embedded(2).of(&prints).unwrap();
    let origin = Path::new(EMBEDDED_NAME);
    let mut exact = PrintFeatures::from_bytes(Reference, Some(1), EMBEDDED, origin).unwrap();
    for (a, b) in fast.iter().zip(exact.of(&prints).unwrap()) {
        for (x, y) in a.features.iter().zip(b.features) {
            assert!((x - y).abs() < 2e-5 * (1.0 + y.abs()), "{x} {y}");
        }
        assert!((a.period - b.period).abs() < 1e-4);
    }
}

/// Squared distance of the means, each feature in units of the clean prints' deviation.
fn shift(clean: &[Output], other: &[Output]) -> f64 {
    let n = clean.len() as f64;
    let mean = |set: &[Output], i: usize| {
        set.iter().map(|o| f64::from(o.features[i])).sum::<f64>() / set.len() as f64
    };
    let term = |i: usize| {
        let m = mean(clean, i);
        let variance =
            clean.iter().map(|o| (f64::from(o.features[i]) - m).powi(2)).sum::<f64>() / n;
        (mean(other, i) - m).powi(2) / variance
    };
    (0..FEATURES).map(term).sum()
}

#[test]
fn features_move_further_the_more_a_print_is_degraded() {
    let prints: Vec<Square> =
        fresh(64).iter().map(|p| Square::from_bytes(&squared(p).unwrap())).collect();
    let mut network = embedded(2);
    let clean = network.of_squares(&prints).unwrap();
    let mean = |outputs: &[Output], of: fn(&Output) -> f32| {
        outputs.iter().map(of).sum::<f32>() / outputs.len() as f32
    };
    for what in ["blur", "noise"] {
        let (mut last_shift, mut last_said) = (0.0, f32::MIN);
        for level in [0.2, 0.4, 0.6, 0.8, 1.0] {
            let worse: Vec<Square> = (0..)
                .zip(&prints)
                .map(|(i, print)| {
                    let mut print = print.clone();
                    let mut rng = Sequence::new(1, Stream::FeatureAugment, 0, i);
                    match what {
                        "blur" => print.blur(2.0 * level),
                        _ => print.add_noise(MOST_NOISE * level, &mut rng),
                    }
                    print
                })
                .collect();
            let outputs = network.of_squares(&worse).unwrap();
            let moved = shift(&clean, &outputs);
            let said = mean(&outputs, if what == "blur" { |o| o.blur } else { |o| o.noise });
            assert!(moved > last_shift, "{what} {level}: {moved} after {last_shift}");
            assert!(said > last_said, "{what} {level}: {said} after {last_said}");
            (last_shift, last_said) = (moved, said);
        }
    }
}

/// Two halves of fresh prints are near each other, white noise is far from both.
#[test]
fn the_controls_are_in_order() {
    let prints = fresh(64);
    let mut network = embedded(2);
    let outputs = network.of(&prints).unwrap();
    let (a, b) = outputs.split_at(30);
    let mut rng = Sequence::new(2, Stream::FeatureAugment, 0, 0);
    let noise: Vec<Square> = (0..30)
        .map(|_| {
            let mut square = Square::from_fn(|_, _| 128.0);
            square.add_noise(80.0, &mut rng);
            square
        })
        .collect();
    let noise = network.of_squares(&noise).unwrap();
    let (floor, far) = (shift(a, b), shift(a, &noise));
    assert!(far > 10.0 * floor, "halves {floor}, noise {far}");
    assert!(noise.iter().all(|o| o.print_probability < 0.5));
}

#[test]
fn foreign_and_damaged_files_are_refused() {
    let refused = |bytes: &[u8], part: &str| {
        let error = decode(bytes).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("some.safetensors") && message.contains(part), "{message}");
    };
    refused(b"", "no file of dermaglyph print features");
    refused(&[0xAB; 4000], "no file of dermaglyph print features");
    refused(&EMBEDDED[..EMBEDDED.len() - 4], "damaged");
    let plain = safetensors::serialize(Vec::<(&str, safetensors::tensor::TensorView)>::new(), None);
    refused(&plain.unwrap(), "metadata");
    let mut flipped = EMBEDDED.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    refused(&flipped, "checksum");
    // The card is under the checksum, too.
    let field = b"\\\"seed\\\":";
    let at = EMBEDDED.windows(field.len()).position(|w| w == field).unwrap() + field.len();
    let mut edited = EMBEDDED.to_vec();
    edited[at] = if edited[at] == b'3' { b'4' } else { b'3' };
    refused(&edited, "checksum");
    let (card, tensors) = decode(EMBEDDED).unwrap();
    let origin = Path::new("x");
    let later = Card { version: 2, ..card.clone() };
    refused(&file::encode(&later, &tensors, origin).unwrap(), "version 2");
    let mut negative = tensors.clone();
    let variance = negative.iter_mut().find(|t| t.name.ends_with("running_var")).unwrap();
    variance.values[1] = -1.0;
    refused(&file::encode(&card, &negative, origin).unwrap(), "holds -1 at index 1");
    let mut bad = tensors.clone();
    bad[0].values[5] = f32::NAN;
    assert!(matches!(file::encode(&card, &bad, origin), Err(Error::NonFinite { .. })));
}

#[test]
fn another_network_is_refused() {
    let (card, tensors) = decode(EMBEDDED).unwrap();
    let load = |tensors: &[Weights]| {
        let bytes = file::encode(&card, tensors, Path::new("x")).unwrap();
        PrintFeatures::from_bytes(Reference, Some(1), &bytes, Path::new("x")).err()
    };
    assert!(load(&tensors).is_none());
    let message = |tensors: &[Weights]| load(tensors).unwrap().to_string();
    assert!(message(&tensors[1..]).contains("is missing"));
    let mut more = tensors.clone();
    more.push(Weights { name: "main.99.weight".into(), shape: vec![1], values: vec![0.0] });
    assert!(message(&more).contains("main.99.weight"));
    let mut other = tensors.clone();
    let first = other.iter_mut().find(|t| t.name == "main.0.weight").unwrap();
    first.shape = vec![16, 4, 1, 4];
    assert!(message(&other).contains("[16, 4, 1, 4]"));
}

#[test]
fn a_file_comes_back_as_it_was_written() {
    let (card, tensors) = decode(EMBEDDED).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.safetensors");
    assert_eq!(file::write(&path, &card, &tensors).unwrap(), card);
    assert_eq!(std::fs::read(&path).unwrap(), EMBEDDED);
    assert_eq!(PrintFeatures::card_of(&path).unwrap(), card);
    let huge = folder.path().join("huge");
    std::fs::File::create(&huge).unwrap().set_len(file::MAX_BYTES + 1).unwrap();
    assert!(matches!(PrintFeatures::card_of(&huge), Err(Error::Checkpoint { .. })));
    let missing = folder.path().join("missing");
    assert!(matches!(PrintFeatures::card_of(&missing), Err(Error::Io { .. })));
}

#[test]
fn a_little_training_lowers_the_loss() {
    let workers = pool(Some(2)).unwrap();
    let prints: Vec<Drawn> = draw::prints(&workers, 6, 192, "prints", &mut ()).unwrap();
    let mut trainer = Trainer::new(Cpu::new(Some(2)).unwrap(), 6, 48).unwrap();
    let losses: Vec<f64> =
        (0..16).map(|e| trainer.epoch(&workers, e, &prints).unwrap().total()).collect();
    // Every epoch has other pictures; what falls by two fifths is no accident of them.
    assert!(losses[15] < 0.6 * losses[0], "{losses:?}");
}

fn config() -> TrainConfig {
    TrainConfig {
        prints: 64,
        epochs: 2,
        held_out: 12,
        seed: 5,
        threads: Some(1),
        date: Some("2026-11-28".into()),
    }
}

#[test]
fn the_same_seed_trains_the_same_file_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, config: &TrainConfig| {
        let path: PathBuf = folder.path().join(name);
        let card = train(config, &path, &mut ()).unwrap();
        (card, std::fs::read(&path).unwrap())
    };
    let (card, one) = run("one", &config());
    let (_, three) = run("three", &TrainConfig { threads: Some(3), ..config() });
    assert!(one == three);
    assert_eq!(decode(&one).unwrap().0, card);
    let counted: u32 = card.held_out.confusion.iter().flatten().sum();
    assert_eq!((counted, card.held_out.prints), (12, 12));
    let (_, other) = run("other", &TrainConfig { seed: 6, ..config() });
    assert!(one != other);
}

#[test]
fn impossible_trainings_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (config, part) in [
        (TrainConfig { prints: 63, ..config() }, "63 prints"),
        (TrainConfig { prints: u32::MAX, ..config() }, "250000"),
        (TrainConfig { epochs: 0, ..config() }, "0 epochs"),
        (TrainConfig { held_out: 0, ..config() }, "0 prints"),
        (TrainConfig { date: Some("28.11.2026".into()), ..config() }, "YYYY-MM-DD"),
        (TrainConfig { threads: Some(0), ..config() }, "threads"),
    ] {
        let error = train(&config, &folder.path().join("x"), &mut ()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let nowhere = folder.path().join("missing/x");
    assert!(matches!(train(&config(), &nowhere, &mut ()), Err(Error::Io { .. })));
}

/// The card's figures come from [`judge`]; on other prints it gives similar ones.
#[test]
fn the_card_is_honest() {
    let prints = draw::prints(&pool(Some(2)).unwrap(), 987_654, 90, "prints", &mut ()).unwrap();
    let mut network = embedded(2);
    let stated = network.card().held_out.clone();
    let found = judge(&mut network, 987_654, &prints).unwrap();
    // Three standard errors of a share of 90 at worst, 16 %.
    assert!(found.class_accuracy > stated.class_accuracy - 0.16, "{found:?}");
    assert!(found.period_error_percent < 1.5 * stated.period_error_percent + 0.3, "{found:?}");
    assert!(found.print_auc > stated.print_auc - 0.03, "{found:?}");
}
