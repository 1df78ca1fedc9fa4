//! A folder with images, the binary, and ways to look at what it wrote.

use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A temporary folder that holds `images/`, 48 grey stripes of 32×32 pixels.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("images")).unwrap();
        for i in 0..48u32 {
            let angle = f64::from(i) * 0.13;
            let image = image::GrayImage::from_fn(32, 32, |x, y| {
                let along = f64::from(x) * angle.cos() + f64::from(y) * angle.sin();
                image::Luma([(127.5 + 120.0 * (along * 0.9).sin()) as u8])
            });
            image.save(place.path(&format!("images/{i:02}.png"))).unwrap();
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `dermaglyph ARGS` in this folder; `ARGS` are split at spaces.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("dermaglyph"));
        command.current_dir(self.folder.path()).args(args.split_whitespace());
        command
    }

    /// Runs `dermaglyph ARGS` to its end.
    pub fn run(&self, args: &str) -> Output {
        let output = self.command(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{args}: {stderr}");
        output
    }

    /// Runs `dermaglyph ARGS`, which must succeed; returns its standard output.
    pub fn succeed(&self, args: &str) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `dermaglyph ARGS`, which must fail with `code` and one message that says all `needles`.
    pub fn refuse(&self, args: &str, code: i32, needles: &[&str]) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args}: {}", stderr(&output));
        for needle in needles {
            assert!(
                stderr(&output).contains(needle),
                "{args}: {needle:?} not in {}",
                stderr(&output)
            );
        }
    }

    /// Trains the tiny preset on the images: `train ARGS`.
    pub fn train(&self, args: &str) -> String {
        self.succeed(&format!("train --preset tiny --data images --no-cache {args}"))
    }

    /// The names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let list = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> =
            list.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every tensor of the run's latest checkpoint as its bytes.
    pub fn tensors(&self, run: &str) -> BTreeMap<String, Vec<u8>> {
        tensors(&dermaglyph::checkpoint::resolve(&self.path(run)).unwrap())
    }

    /// The losses and D's outputs of every logged step, without the clock's figures.
    pub fn losses(&self, run: &str) -> Vec<(u64, [f32; 7])> {
        let metrics = dermaglyph::train::log::read_metrics(self.path(run)).unwrap();
        metrics
            .iter()
            .map(|m| {
                let values =
                    [m.loss_d, m.loss_d_real, m.loss_d_fake, m.loss_g, m.d_x, m.d_g_z1, m.d_g_z2];
                assert!(values.iter().all(|v| v.is_finite()), "step {}: {values:?}", m.step);
                (m.step, values)
            })
            .collect()
    }
}

pub fn tensors(checkpoint: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(checkpoint).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec()));
    tensors.collect()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
