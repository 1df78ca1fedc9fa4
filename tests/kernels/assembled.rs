//! Every file of `kernels/` through nvcc and ptxas, once for each change of what goes in.

use crate::nvcc;
use crate::resources::{Resources, parse};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::{fs, thread};

/// File, without `.cu` → its kernels on every architecture.
pub type Files = BTreeMap<String, Vec<Resources>>;

/// Files compiled at a time.
const THREADS: usize = 2;

/// What ptxas says of each file.
pub fn assembled() -> &'static Files {
    static ALL: LazyLock<Files> = LazyLock::new(assemble_all);
    &ALL
}

/// The compiler that built this program.
pub fn compiler() -> &'static Path {
    let nvcc = option_env!("DERMAGLYPH_NVCC").unwrap_or_else(|| panic!("{}", crate::NO_NVCC));
    Path::new(nvcc)
}

fn assemble_all() -> Files {
    let known = nvcc::architectures(compiler());
    assert_eq!(known, nvcc::ARCHITECTURES, "{} does not know all of them", compiler().display());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (files, headers): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| path.extension().is_some_and(|e| e == "cu"));
    let key = Key::new(&headers);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Files::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                    let said = parse(&assemble(path, &key));
                    done.lock().unwrap().insert(name, said);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// The digest of everything that all files depend on.
struct Key(Sha256);

impl Key {
    fn new(headers: &[PathBuf]) -> Self {
        let version = Command::new(compiler()).arg("--version").output().unwrap();
        let mut digest = Sha256::new().chain_update(version.stdout);
        digest.update(arguments().join(" "));
        headers.iter().for_each(|path| digest.update(fs::read(path).unwrap()));
        Self(digest)
    }

    fn of(&self, source: &Path) -> String {
        let digest = self.0.clone().chain_update(fs::read(source).unwrap()).finalize();
        digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Machine code for every architecture, as a release build has it.
fn arguments() -> Vec<String> {
    let fixed = ["-fatbin", "-Xptxas", "-v"].into_iter().chain(nvcc::FLAGS).map(str::to_owned);
    let targets = nvcc::ARCHITECTURES
        .into_iter()
        .map(|arch| format!("-gencode=arch=compute_{arch},code=sm_{arch}"));
    fixed.chain(targets).collect()
}

/// ptxas's words on one file: kept from an earlier run, if nothing has changed since.
fn assemble(source: &Path, key: &Key) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels");
    fs::create_dir_all(&folder).unwrap();
    let kept = folder.join(format!("{}.txt", key.of(source)));
    if let Ok(said) = fs::read_to_string(&kept) {
        return said;
    }
    let image = folder.join(source.file_name().unwrap()).with_extension("fatbin");
    let output = Command::new(compiler())
        .args(arguments())
        .arg("-o")
        .arg(&image)
        .arg(source)
        .output()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", compiler().display()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", source.display());
    // Whole or not at all: a run that is stopped must not leave half a text.
    let half = kept.with_extension(std::process::id().to_string());
    fs::write(&half, &said).unwrap();
    fs::rename(half, kept).unwrap();
    said
}
