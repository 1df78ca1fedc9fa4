use super::*;
use crate::backend::cpu::Convolutions;
use proptest::prelude::*;

fn raw(toml: &str) -> RawConfig {
    RawConfig::from_toml(toml).expect("the test's own TOML")
}

fn refused(toml: &str, needles: &[&str]) {
    let message = match RunConfig::new(raw(toml)) {
        Err(Error::Config(message)) => message,
        other => panic!("{toml}: expected a configuration error, got {other:?}"),
    };
    for needle in needles {
        assert!(message.contains(needle), "{toml}: {message:?} does not say {needle:?}");
    }
}

#[test]
fn the_default_of_seed_is_the_published_network() {
    let c = RunConfig::new(raw("preset = 'seed'")).unwrap();
    assert_eq!((c.image_size, c.channels, c.batch_size), (64, 3, 128));
    assert_eq!((c.nz, c.ngf, c.ndf), (100, 64, 64));
    assert_eq!((c.lr, c.beta1, c.beta2), (2e-4, 0.5, 0.999));
    assert_eq!((c.epochs, c.steps), (Some(150), None));
}

#[test]
fn later_layers_win_and_length_is_one_setting() {
    let file = raw("preset = 'tiny'\nlr = 0.001\nnz = 7");
    let flags = RawConfig { nz: Some(9), epochs: Some(3), ..RawConfig::default() };
    let c = RunConfig::new(file.overlaid_by(flags)).unwrap();
    assert_eq!((c.lr, c.nz, c.image_size), (0.001, 9, 32));
    // --epochs hides the preset's number of steps.
    assert_eq!((c.epochs, c.steps), (Some(3), None));
    assert_eq!(c.total_steps(10), 30);
}

#[test]
fn both_lengths_end_at_the_first() {
    let c = RunConfig::new(raw("epochs = 3\nsteps = 20")).unwrap();
    assert_eq!((c.total_steps(10), c.total_steps(5)), (20, 15));
}

#[test]
fn impossible_values_are_refused_with_their_limits() {
    refused("image_size = 100", &["image size 100", "96 and 112"]);
    refused("image_size = 0", &["nearest are 8"]);
    refused("image_size = 4000000000", &["nearest are 1024"]);
    refused("channels = 2", &["channels is 2", "1 (grey) or 3 (RGB)"]);
    refused("batch_size = 1", &["--batch-size 1", "2 to 4096", "batch normalisation"]);
    refused("batch_size = 0", &["2 to 4096"]);
    refused("nz = 0", &["nz is 0", "at least 1"]);
    refused("ngf = 0", &["ngf is 0"]);
    refused("ndf = 4000000000", &["ndf is 4000000000", "8192"]);
    refused("image_size = 1024\nngf = 65", &["8320 channels"]);
    refused("image_size = 1024\nngf = 64\nbatch_size = 4096", &["--batch-size 127 or less"]);
    refused("lr = 0.0", &["--lr 0 ", "above 0"]);
    refused("lr = -1.0", &["--lr -1 "]);
    refused("lr = nan", &["--lr NaN"]);
    refused("lr = inf", &["--lr inf"]);
    refused("beta1 = 1.0", &["--beta1 1 ", "below 1"]);
    refused("beta2 = nan", &["--beta2 NaN"]);
    refused("ema_decay = -0.1", &["--ema-decay -0.1"]);
    refused("held_out = 1.0", &["--held-out 1 ", "0 to 0.9"]);
    refused("max_bad = nan", &["--max-bad NaN", "0 to 1"]);
    refused("epochs = 0", &["--epochs 0", "1 to 1000000"]);
    refused("steps = 4000000000", &["1 to 16777216"]);
    refused("threads = 0", &["--threads 0"]);
    refused("keep = 0", &["--keep 0"]);
    refused("log_every = 0", &["--log-every 0"]);
    refused("synth_count = 0", &["--synth-count 0"]);
}

#[test]
fn unknown_keys_and_wrong_types_name_the_place() {
    for (toml, needle) in [
        ("nz = 3\nlearning_rate = 1", "learning_rate"),
        ("nz = 'many'", "line 1"),
        ("nz = -3", "line 1"),
        ("preset = 'huge'", "huge"),
        ("grid = '0x4'", "8x4"),
        ("grid = '70000x70000'", "8x4"),
        ("sample_every = 'sometimes'", "100steps"),
        ("device = 'tpu'", "software"),
        ("nz =", "line 1"),
    ] {
        let message = RawConfig::from_toml(toml).expect_err(toml);
        assert!(message.contains(needle), "{toml}: {message}");
    }
}

#[test]
fn cadences_read_as_written() {
    for (text, every) in [
        ("2", Every::Epochs(2)),
        ("1 epoch", Every::Epochs(1)),
        ("100steps", Every::Steps(100)),
        ("never", Every::Never),
        ("0", Every::Never),
    ] {
        assert_eq!(text.parse(), Ok(every));
        assert_eq!(every.to_string().parse(), Ok(every));
    }
    assert!(Every::Epochs(2).due(20, 10) && !Every::Epochs(2).due(10, 10));
    assert!(Every::Steps(3).due(9, 10) && !Every::Steps(3).due(10, 10));
    assert!(!Every::Never.due(0, 10));
    assert!("-1".parse::<Every>().is_err() && "0 steps".parse::<Every>().is_err());
    assert_eq!(raw("sample_every = 4").sample_every, Some(Every::Epochs(4)));
}

/// The `config.toml` of a run that was started before there was an evaluation.
#[test]
fn a_configuration_that_knows_no_evaluation_has_none() {
    let c = RunConfig::new(Preset::Tiny.values()).unwrap();
    let old = c.to_toml().unwrap().replace("evaluate_every = \"never\"\n", "");
    assert!(!old.contains("evaluate"), "{old}");
    assert_eq!(RunConfig::new(raw(&old)).unwrap().evaluate_every, Every::Never);
    let now = RunConfig { evaluate_every: Every::Steps(100), ..c.clone() };
    assert!(c.changes_that_resuming_forbids(&now).is_empty());
}

#[test]
fn every_preset_is_valid_and_survives_its_own_toml() {
    for preset in [Preset::Seed, Preset::Quick, Preset::Tiny, Preset::Px96, Preset::Px128] {
        let c = RunConfig::new(preset.values()).unwrap();
        assert_eq!(RunConfig::new(raw(&c.to_toml().unwrap())).unwrap(), c);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in ".{0,200}") {
        if let Ok(raw) = RawConfig::from_toml(&text) {
            let _ = RunConfig::new(raw);
        }
    }

    #[test]
    fn any_values_of_known_keys_are_read_without_panic(
        key in prop::sample::select(vec!["image_size", "channels", "nz", "ngf", "ndf", "batch_size",
            "lr", "beta1", "ema_decay", "seed", "grid", "sample_every", "evaluate_every", "device", "held_out"]),
        value in prop_oneof![
            any::<i64>().prop_map(|v| v.to_string()),
            any::<f64>().prop_map(|v| format!("{v:?}")),
            "'[a-z0-9: x]{0,8}'",
        ],
    ) {
        if let Ok(raw) = RawConfig::from_toml(&format!("{key} = {value}")) {
            let _ = RunConfig::new(raw);
        }
    }

    #[test]
    fn a_valid_run_survives_its_own_toml(
        (base, k) in (4u32..=7, 1u32..=5), rgb: bool, nz in 1u32..=4096, ngf in 1u32..=64,
        ndf in 1u32..=64, batch_size in 2u32..=64, lr in 1e-12f64..=1.0, beta1 in 0.0f64..1.0,
        seed in 0..=i64::MAX as u64, epochs in prop::option::of(1u32..=1000),
        steps in 1u32..=1 << 24, threads in prop::option::of(1u32..=64),
        direct: bool, data in prop::option::of("[^\u{0}]{1,20}"),
    ) {
        let config = RunConfig::new(RawConfig {
            image_size: Some(base << k),
            channels: Some(if rgb { 3 } else { 1 }),
            nz: Some(nz),
            ngf: Some(ngf),
            ndf: Some(ndf),
            batch_size: Some(batch_size),
            lr: Some(lr),
            beta1: Some(beta1),
            seed: Some(seed),
            epochs,
            steps: Some(steps),
            threads,
            conv: direct.then_some(Convolutions::Direct),
            data: data.map(PathBuf::from),
            ..RawConfig::default()
        })?;
        let text = config.to_toml()?;
        let reread = RawConfig::from_toml(&text).map_err(TestCaseError::fail)?;
        prop_assert_eq!(RunConfig::new(reread)?, config);
    }
}
