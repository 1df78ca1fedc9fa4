//! `dermaglyph generate`.

use crate::common::Place;
use dermaglyph::checkpoint::{WeightFile, resolve};
use image::{AnimationDecoder, codecs::gif::GifDecoder};
use safetensors::tensor::TensorView;
use std::path::Path;

fn trained() -> Place {
    let place = Place::new();
    place.train("--steps 3 --out run");
    place
}

fn pixels(path: &Path) -> Vec<u8> {
    image::open(path).unwrap().into_bytes()
}

#[test]
fn a_print_depends_on_its_seed_alone() {
    let place = trained();
    place.succeed("generate --from run --count 21 --out many");
    place.succeed("generate --from run --seeds 20,5 --threads 1 --out few");
    assert_eq!(place.names("many").len(), 21);
    assert_eq!(place.names("few"), ["seed-0000005.png", "seed-0000020.png"]);
    for name in place.names("few") {
        let read = |folder: &str| std::fs::read(place.path(folder).join(&name)).unwrap();
        assert_eq!(read("few"), read("many"), "{name}");
    }
    let seed = |n: u32| pixels(&place.path(&format!("many/seed-{n:07}.png")));
    assert_eq!(seed(0).len(), 32 * 32);
    assert_ne!(seed(0), seed(1));
}

#[test]
fn the_reference_and_the_cpu_make_the_same_print_within_rounding() {
    let place = trained();
    place.succeed("generate --from run --count 4 --out cpu");
    place.succeed("generate --from run --count 4 --device reference --out reference");
    for name in place.names("cpu") {
        let (a, b) =
            (pixels(&place.path("cpu").join(&name)), pixels(&place.path("reference").join(&name)));
        assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 1), "{name}");
    }
}

#[test]
fn grids_formats_and_walks_are_written() {
    let place = trained();
    let report = place.succeed("generate --from run --grid 3x2 --out new/grid.png --json");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["prints"], &report["step"]), (&6.into(), &3.into()));
    assert_eq!(report["network"], "generator_ema");
    let grid = image::open(place.path("new/grid.png")).unwrap();
    assert_eq!((grid.width(), grid.height()), (2 + 3 * 34, 2 + 2 * 34));

    place.succeed("generate --from run --seeds 7 --format bmp --out bmp");
    place.succeed("generate --from run --seeds 7 --out png");
    assert_eq!(place.names("bmp"), ["seed-0000007.bmp"]);
    let bmp = image::open(place.path("bmp/seed-0000007.bmp")).unwrap().into_luma8().into_raw();
    assert_eq!(bmp, pixels(&place.path("png/seed-0000007.png")));

    place.succeed("generate --from run --seeds 7,9 --interpolate --frames 4 --out walk");
    assert_eq!(place.names("walk"), ["frames", "walk.gif"]);
    assert_eq!(place.names("walk/frames").len(), 5);
    // A walk begins at the print of its first seed.
    assert_eq!(
        pixels(&place.path("walk/frames/frame-0000000.png")),
        pixels(&place.path("png/seed-0000007.png"))
    );
    let gif = std::fs::File::open(place.path("walk/walk.gif")).unwrap();
    let decoder = GifDecoder::new(std::io::BufReader::new(gif)).unwrap();
    assert_eq!(decoder.into_frames().count(), 5);
}

/// The most memory a process has had so far, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn many_prints_need_no_more_memory_than_few() {
    let place = trained();
    let peak = |count: u32| {
        let args = format!("generate --from run --count {count} --threads 1 --out many{count}");
        let mut child = place.command(&args).stdout(std::process::Stdio::null()).spawn().unwrap();
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak_memory(child.id()).unwrap_or(0).max(peak);
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        assert_eq!(place.names(&format!("many{count}")).len(), count as usize);
        peak
    };
    let (few, many) = (peak(200), peak(4000));
    // 3,800 more prints are 3.9 MB as bytes and 15.6 MB as numbers.
    assert!(few > 0 && many < few + 1500, "{few} KiB for 200 prints, {many} KiB for 4000");
}

#[test]
fn raw_weights_differ_from_their_average() {
    let place = trained();
    place.succeed("generate --from run --seeds 1 --out average");
    place.succeed("generate --from run --seeds 1 --raw-weights --out raw");
    let print = |folder: &str| pixels(&place.path(folder).join("seed-0000001.png"));
    assert_ne!(print("average"), print("raw"));
}

/// What PyTorch's `torch.save(generator.state_dict())` holds, as safetensors.
#[test]
fn a_bare_state_dict_generates_what_its_checkpoint_does() {
    let place = trained();
    let bytes = std::fs::read(resolve(&place.path("run")).unwrap()).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let generator = file.iter().filter_map(|(name, view)| {
        let view = TensorView::new(view.dtype(), view.shape().to_vec(), view.data()).unwrap();
        Some((name.strip_prefix("generator_ema.")?.to_owned(), view))
    });
    let bare = safetensors::serialize(generator, None).unwrap();
    std::fs::write(place.path("bare.safetensors"), bare).unwrap();
    place.succeed("generate --from bare.safetensors --count 3 --out bare");
    place.succeed("generate --from run --count 3 --out whole");
    for name in place.names("whole") {
        assert_eq!(
            pixels(&place.path("bare").join(&name)),
            pixels(&place.path("whole").join(&name))
        );
    }
}

#[test]
fn what_cannot_be_generated_is_refused_and_nothing_is_replaced() {
    let place = trained();
    place.refuse("generate --from run --out x", 2, &["--seeds"]);
    place.refuse("generate --from run --count 0 --out x", 2, &["--count 0"]);
    place.refuse("generate --from run --seeds 5-2 --out x", 2, &["5-2"]);
    place.refuse("generate --from run --seeds many --out x", 2, &["many"]);
    place.refuse("generate --from run --count 5 --grid 2x2 --out x.png", 2, &["5 prints", "2x2"]);
    place.refuse("generate --from run --grid 0x2 --out x.png", 2, &["COLUMNSxROWS"]);
    place.refuse("generate --from run --grid 2x2 --out x", 2, &[".png or .bmp"]);
    place.refuse("generate --from run --grid 2x2 --format bmp --out x.png", 2, &["contradict"]);
    place.refuse("generate --from run --seeds 3 --interpolate --out x", 2, &["two seeds"]);
    place.refuse("generate --from run --count 1 --format gif --out x", 2, &["png, bmp"]);
    place.refuse("generate --from run --count 1 --device cuda:3 --out x", 7, &["device cuda:3"]);
    place.refuse("generate --from nothing --count 1 --out x", 5, &["nothing"]);
    place.refuse("generate --from images --count 1 --out x", 4, &["no checkpoint"]);
    place.refuse("generate --from images/00.png --count 1 --out x", 4, &["not a safetensors file"]);
    place.refuse("generate --from run --count 1 --out images/00.png/x", 5, &["images/00.png/x"]);
    assert!(!place.path("x").exists() && !place.path("x.png").exists());

    place.succeed("generate --from run --count 2 --out prints");
    place.refuse("generate --from run --count 2 --out prints", 2, &["seed-0000000.png", "--force"]);
    place.succeed("generate --from run --count 2 --force --out prints");
}

#[test]
fn damaged_checkpoints_are_refused_with_the_reason() {
    let place = trained();
    let path = resolve(&place.path("run")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let generate = format!("generate --from {} --count 1 --out x", path.display());
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    place.refuse(&generate, 4, &["truncated", "safetensors"]);
    let mut flipped = whole.clone();
    flipped[whole.len() - 100] ^= 0x10;
    std::fs::write(&path, &flipped).unwrap();
    place.refuse(&generate, 4, &["damaged", "checksum"]);
    place.refuse("train --resume run --steps 9", 4, &["damaged", "older checkpoint"]);
    std::fs::write(&path, b"").unwrap();
    place.refuse(&generate, 4, &["not a safetensors file"]);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(WeightFile::open(&path).unwrap().meta().unwrap().step, 3);
    place.succeed(&generate);
}
