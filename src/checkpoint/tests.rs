use super::*;
use crate::backend::reference::Reference;
use crate::backend::{Backend, HostTensor};
use crate::config::{Preset, RunConfig};
use crate::error::Error;
use crate::model::{ModelConfig, NamedTensor};
use crate::shape::TensorShape;
use crate::train::Gan;
use proptest::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

fn config() -> RunConfig {
    let mut config = RunConfig::new(Preset::Tiny.values()).unwrap();
    (config.image_size, config.ngf, config.ndf, config.nz) = (24, 2, 2, 3);
    config
}

fn gan() -> Gan<Reference> {
    Gan::new(Reference, config().hyper()).unwrap()
}

/// A checkpoint of an untrained network after `step` steps, as it would be saved.
fn saved(folder: &Path, step: u64) -> (PathBuf, Vec<NamedTensor>) {
    let tensors = gan().state().unwrap();
    let path = folder.join("a.safetensors");
    write(&path, &Meta::new(step, config().to_toml().unwrap(), "images".into()), &tensors).unwrap();
    (path, tensors)
}

fn refusal<T: std::fmt::Debug>(result: crate::Result<T>, needles: &[&str]) {
    let error = result.expect_err("this file must be refused");
    assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}");
    for needle in needles {
        assert!(error.to_string().contains(needle), "{error} does not say {needle:?}");
    }
}

/// Writes F32 tensors of ones, as another program might.
fn foreign(path: &Path, tensors: &[(&str, &[usize])]) {
    let ones = vec![1f32; 4096];
    let bytes: &[u8] = bytemuck::cast_slice(&ones);
    let views = tensors.iter().map(|(name, shape)| {
        let length = 4 * shape.iter().product::<usize>();
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), &bytes[..length]).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A generator of 12 px (base 6), one channel, ngf 2, nz 3.
const GENERATOR: [(&str, &[usize]); 7] = [
    ("main.0.weight", &[3, 2, 6, 6]),
    ("main.1.weight", &[2]),
    ("main.1.bias", &[2]),
    ("main.1.running_mean", &[2]),
    ("main.1.running_var", &[2]),
    ("main.1.num_batches_tracked", &[]),
    ("main.3.weight", &[2, 1, 4, 4]),
];

#[test]
fn what_was_written_is_read_back_and_restores_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let (path, tensors) = saved(folder.path(), 7);
    let mut file = WeightFile::open(&path).unwrap();
    assert_eq!(file.meta().unwrap().step, 7);
    assert_eq!(file.meta().unwrap().config, config().to_toml().unwrap());
    let other = RunConfig { seed: 99, ..config() };
    let mut restored = Gan::new(Reference, other.hyper()).unwrap();
    assert_ne!(restored.state().unwrap(), tensors);
    restored.restore(7, &mut |name, shape| file.tensor(name, shape)).unwrap();
    assert_eq!(restored.state().unwrap(), tensors);
    assert_eq!(restored.completed_steps(), 7);
}

#[test]
fn equal_states_make_equal_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = |folder: &tempfile::TempDir| std::fs::read(saved(folder.path(), 3).0).unwrap();
    assert_eq!(bytes(&a), bytes(&b));
}

/// What `load_state_dict(strict=True)` of PyTorch's DCGAN asks for, under the prefix.
#[test]
fn a_checkpoint_holds_the_state_dicts_that_pytorch_expects() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(saved(folder.path(), 5).0).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let names = |prefix: &str| {
        let mut names: Vec<_> =
            file.names().into_iter().filter_map(|n| n.strip_prefix(prefix)).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let norm = |i: usize| {
        ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"]
            .map(|kind| format!("main.{i}.{kind}"))
            .join(" ")
    };
    let generator = format!("main.0.weight {} main.3.weight {} main.6.weight", norm(1), norm(4));
    assert_eq!(names("generator."), generator);
    assert_eq!(names("generator_ema."), generator);
    let discriminator = format!("main.0.weight main.2.weight {} main.5.weight", norm(3));
    assert_eq!(names("discriminator."), discriminator);
    // 24 = 6·2²: the first filter is 6×6, from 3 latents to 2·ngf = 4 channels.
    assert_eq!(file.tensor("generator.main.0.weight").unwrap().shape(), [3, 4, 6, 6]);
    let count = |name: &str| {
        let tensor = file.tensor(name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape().len()), (Dtype::I64, 0));
        i64::from_le_bytes(tensor.data().try_into().unwrap())
    };
    assert_eq!(count("generator.main.1.num_batches_tracked"), 5);
    assert_eq!(count("discriminator.main.3.num_batches_tracked"), 15);
}

#[test]
fn a_state_that_is_not_finite_is_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut tensors) = saved(folder.path(), 3);
    let before = std::fs::read(&path).unwrap();
    let TensorShape::Filter(_) = tensors[0].shape else { panic!("expected a filter") };
    let length = tensors[0].data.len();
    tensors[0].data = HostTensor::F32(vec![f32::NAN; length]);
    let error = write(&path, &Meta::new(4, String::new(), String::new()), &tensors).unwrap_err();
    assert!(matches!(&error, Error::Diverged { step: 4, place } if *place == tensors[0].name));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_tensor_of_the_wrong_shape_type_or_value_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    foreign(&path, &[("main.0.weight", &[2, 3])]);
    let mut file = WeightFile::open(&path).unwrap();
    let mut read = |name: &str, dims: [usize; 4]| file.tensor(name, &TensorShape::Filter(dims));
    refusal(read("main.1.weight", [1; 4]), &["main.1.weight", "missing"]);
    refusal(read("main.0.weight", [1; 4]), &["main.0.weight", "[2, 3]", "[1, 1, 1, 1]"]);

    let value = |name: &str, dtype, bytes: &[u8]| {
        let view = TensorView::new(dtype, vec![1], bytes).unwrap();
        std::fs::write(&path, safetensors::serialize([(name, view)], None).unwrap()).unwrap();
        WeightFile::open(&path).unwrap().tensor(name, &TensorShape::Vector(1))
    };
    refusal(value("w", Dtype::F32, &f32::NAN.to_le_bytes()), &["tensor w", "NaN", "index 0"]);
    refusal(value("w", Dtype::F64, &1e300f64.to_le_bytes()), &["finite f32"]);
    refusal(value("main.1.running_var", Dtype::F32, &(-1f32).to_le_bytes()), &["-1", "0 or above"]);
    refusal(value("w", Dtype::F16, &[0, 0]), &["F16", "expected F32 or F64"]);
    assert_eq!(value("w", Dtype::F64, &2.5f64.to_le_bytes()).unwrap(), HostTensor::F64(vec![2.5]));
}

#[test]
fn foreign_and_damaged_files_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        WeightFile::open(&path)
    };
    refusal(open(b""), &["not a safetensors file", "0 bytes"]);
    refusal(open(b"PK\x03\x04 a PyTorch zip, renamed"), &["not a safetensors file"]);
    refusal(open(&u64::MAX.to_le_bytes()), &["claims 18446744073709551615 bytes"]);
    refusal(open(b"\x10\0\0\0\0\0\0\0{}"), &["truncated"]);
    refusal(open(b"\x02\0\0\0\0\0\0\0{}excess"), &["damaged", "16 bytes", "describes 10"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut nested = (deep.len() as u64).to_le_bytes().to_vec();
    nested.extend_from_slice(deep.as_bytes());
    refusal(open(&nested), &["its header"]);

    refusal(WeightFile::open(folder.path()), &["is not a file"]);
    let absent = WeightFile::open(&folder.path().join("absent")).unwrap_err();
    assert!(matches!(absent, Error::Io { .. }));

    let (whole, _) = saved(folder.path(), 2);
    let bytes = std::fs::read(&whole).unwrap();
    refusal(open(&bytes[..bytes.len() - 1]), &["truncated"]);
    refusal(open(&bytes[..bytes.len() / 2]), &["truncated"]);
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    refusal(open(&flipped), &["damaged", "checksum"]);
    let key = br#"\"format\":"#;
    let at = bytes.windows(key.len()).position(|w| w == key).expect("the metadata") + key.len();
    let mut later = bytes.clone();
    later[at] = b'2';
    refusal(open(&later), &["format 2", "reads format 1"]);
}

#[test]
fn the_generator_of_a_checkpoint_is_its_moving_average_unless_raw_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = WeightFile::open(&saved(folder.path(), 1).0).unwrap();
    let source = generator_source(&file, false).unwrap();
    assert_eq!(source.prefix, "generator_ema.");
    assert_eq!(source.model, config().model());
    assert_eq!(generator_source(&file, true).unwrap().prefix, "generator.");
}

#[test]
fn a_bare_state_dict_says_its_own_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    foreign(&path, &GENERATOR);
    let source = generator_source(&WeightFile::open(&path).unwrap(), false).unwrap();
    assert_eq!(source.prefix, "");
    assert_eq!(source.model, ModelConfig { image_size: 12, channels: 1, nz: 3, ngf: 2, ndf: 2 });
}

/// The golden files hold the state dicts of PyTorch's own networks: names and shapes must be ours.
#[test]
fn pytorchs_state_dicts_have_our_names_and_shapes() {
    let golden = "tests/golden/data/dcgan_nc3_inputs.safetensors";
    let golden = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(golden)).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let generator = golden.iter().filter_map(|(name, view)| {
        let view = TensorView::new(view.dtype(), view.shape().to_vec(), view.data()).unwrap();
        Some((name.strip_prefix("init.G.")?.to_owned(), view))
    });
    std::fs::write(&path, safetensors::serialize(generator, None).unwrap()).unwrap();
    let mut file = WeightFile::open(&path).unwrap();
    let source = generator_source(&file, false).unwrap();
    let model = ModelConfig { image_size: 64, channels: 3, nz: 16, ngf: 8, ndf: 8 };
    assert_eq!(source, Source { model, prefix: String::new() });
    load_generator(&Reference, &mut file, &source).unwrap();

    let hyper = crate::train::Hyper { model, ..config().hyper() };
    write(
        &path,
        &Meta::new(1, String::new(), String::new()),
        &Gan::new(Reference, hyper).unwrap().state().unwrap(),
    )
    .unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let ours = SafeTensors::deserialize(&bytes).unwrap();
    for (theirs, prefix) in [("init.G.", "generator."), ("init.D.", "discriminator.")] {
        let shapes = |file: &SafeTensors, prefix: &str| {
            let mut shapes: Vec<_> = file
                .iter()
                .filter_map(|(n, v)| Some((n.strip_prefix(prefix)?.to_owned(), v.shape().to_vec())))
                .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
                .collect();
            shapes.sort();
            shapes
        };
        assert_eq!(shapes(&ours, prefix), shapes(&golden, theirs));
    }
}

#[test]
fn networks_that_are_no_dcgan_generator_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let open = |tensors: &[(&str, &[usize])]| {
        foreign(&path, tensors);
        generator_source(&WeightFile::open(&path).unwrap(), false)
    };
    refusal(open(&[]), &["no generator"]);
    refusal(open(&[("conv1.weight", &[1])]), &["no generator", "conv1.weight"]);
    refusal(
        open(&[("main.0.weight", &[2, 1, 4, 4]), ("main.2.weight", &[4, 2, 4, 4])]),
        &["discriminator"],
    );
    refusal(open(&[("main.0.weight", &[2, 1])]), &["[2, 1]", "four dimensions"]);
    refusal(open(&[("main.0.weight", &[3, 2, 6, 6])]), &["not those of a DCGAN"]);
    let with = |index: usize, name: &'static str, shape: &'static [usize]| {
        let mut tensors = GENERATOR.to_vec();
        tensors[index] = (name, shape);
        tensors
    };
    refusal(open(&with(6, "main.3.weight", &[2, 1, 3, 3])), &["main.3.weight", "[2, 1, 4, 4]"]);
    refusal(open(&with(0, "main.0.weight", &[3, 2, 6, 5])), &["not those of a DCGAN"]);
    refusal(open(&with(6, "main.3.weight", &[2, 2, 4, 4])), &["channels is 2"]);
    refusal(open(&with(2, "main.0.bias", &[2])), &["main.0.bias", "no biases"]);
}

#[test]
fn the_store_keeps_the_newest_and_points_to_the_latest() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::new(run.path(), 2);
    assert_eq!(store.latest().unwrap(), None);
    refusal(resolve(run.path()), &["holds no checkpoint"]);
    let tensors = gan().state().unwrap();
    for step in [1, 2, 30] {
        store.save(&Meta::new(step, String::new(), String::new()), &tensors).unwrap();
    }
    let folder = run.path().join("checkpoints");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["latest", "step-0000002.safetensors", "step-0000030.safetensors"]);
    let newest = folder.join("step-0000030.safetensors");
    assert_eq!(resolve(run.path()).unwrap(), newest);
    assert_eq!(resolve(&newest).unwrap(), newest);
    // A pointer that is lost or leads elsewhere falls back to the highest step.
    for pointer in ["", "../../etc/passwd", "step-9999999.safetensors", "step-x.safetensors"] {
        std::fs::write(folder.join("latest"), pointer).unwrap();
        assert_eq!(store.latest().unwrap(), Some(newest.clone()), "{pointer:?}");
    }
}

/// What an evaluation keeps is no checkpoint to go on from, and no number of checkpoints displaces it.
#[test]
fn the_best_generator_is_neither_the_latest_nor_pruned() {
    let run = tempfile::tempdir().unwrap();
    let store = Store::new(run.path(), 1);
    std::fs::create_dir(run.path().join("checkpoints")).unwrap();
    let meta = |step| Meta::new(step, config().to_toml().unwrap(), "images".into());
    write(&store.best(), &meta(900), &gan().average_state().unwrap()).unwrap();
    assert_eq!(store.latest().unwrap(), None);
    refusal(resolve(run.path()), &["holds no checkpoint"]);
    std::fs::write(run.path().join("checkpoints/latest"), "best.safetensors\n").unwrap();
    assert_eq!(store.latest().unwrap(), None);
    let states = [3, 4].map(|step| store.save(&meta(step), &gan().state().unwrap()).unwrap());
    assert_eq!(store.latest().unwrap().as_ref(), Some(&states[1]));
    assert!(store.best().is_file() && !states[0].is_file());

    // It is whole for those who generate: the same network as in a checkpoint of that state.
    let network = |path: &Path| {
        let mut file = WeightFile::open(path).unwrap();
        let source = generator_source(&file, false).unwrap();
        let network = load_generator(&Reference, &mut file, &source).unwrap();
        network.tensors().map(|t| Reference.snapshot(t).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(network(&store.best()), network(&states[1]));
}

/// Opens bytes as a file and reads all that can be read.
fn read_everything(bytes: &[u8]) -> crate::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    let mut file = WeightFile::open(&path)?;
    generator_source(&file, false)?;
    for name in file.names() {
        let dims = file.dims(&name).unwrap_or_default().to_vec();
        if let Ok(dims) = <[usize; 4]>::try_from(dims) {
            file.tensor(&name, &TensorShape::Filter(dims))?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        json in "\\{(\"[a-z.0-9]{1,8}\":\\{\"dtype\":\"F32\",\"shape\":\\[[0-9]{1,20}\\],\"data_offsets\":\\[0,[0-9]{1,20}\\]\\},?){0,3}\\}",
    ) {
        let _ = read_everything(&bytes);
        let mut framed = (json.len() as u64).to_le_bytes().to_vec();
        framed.extend_from_slice(json.as_bytes());
        framed.extend_from_slice(&bytes);
        let _ = read_everything(&framed);
    }

    #[test]
    fn a_mutated_checkpoint_never_panics_and_damaged_tensors_are_noticed(
        at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir()?;
        let bytes = std::fs::read(saved(folder.path(), 1).0)?;
        prop_assert!(read_everything(&bytes).is_ok());
        let mut flipped = bytes.clone();
        let at = at.index(bytes.len());
        flipped[at] ^= 1 << bit;
        let result = read_everything(&flipped);
        let header = u64::from_le_bytes(bytes[..8].try_into()?) as usize;
        if at >= 8 + header {
            prop_assert!(result.is_err(), "a flipped bit at byte {} went unnoticed", at);
        }
        prop_assert!(read_everything(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_mutated_state_dict_never_panics(at in any::<prop::sample::Index>(), byte: u8) {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x");
        foreign(&path, &GENERATOR);
        let mut bytes = std::fs::read(&path)?;
        let at = at.index(bytes.len().min(700));
        bytes[at] = byte;
        let _ = read_everything(&bytes);
    }
}
