//! Finding nvcc and asking it things. Shared by `build.rs` and by the tests that assemble the kernels.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiler options of every kernel, whatever it is compiled to. Line numbers let the software device and
/// profilers name the source.
pub const FLAGS: [&str; 4] = ["-O3", "-std=c++17", "-lineinfo", "-Werror=all-warnings"];

/// The architectures whose machine code a release build carries.
pub const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

/// The architecture of the PTX that every build carries: newer cards than those above compile it when it is
/// loaded, and the software device executes it.
pub const PTX: u32 = 75;

/// The first nvcc of: `$NVCC`, `$CUDA_HOME`, `$CUDA_PATH`, `PATH`, `/usr/local/cuda`, the project's own in
/// `.cuda` (installed by `scripts/cuda-toolchain`).
pub fn find(repository: &Path) -> Option<PathBuf> {
    let named = env::var_os("NVCC").map(PathBuf::from);
    let homes = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<_> = env::split_paths(&path).map(|folder| folder.join("nvcc")).collect();
    let usual = PathBuf::from("/usr/local/cuda/bin/nvcc");
    let mut places = named
        .into_iter()
        .chain(homes.map(|home| home.join("bin/nvcc")))
        .chain(on_path)
        .chain([usual])
        .chain(own(repository));
    places.find(|nvcc| version(nvcc).is_some())
}

/// The compilers whose installation into `.cuda` was finished.
fn own(repository: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = |path: PathBuf| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    folders(repository.join(".cuda"))
        .filter(|home| home.join("finished").is_file())
        .flat_map(move |home| folders(home.join("lib")))
        .map(|python| python.join("site-packages/nvidia/cu13/bin/nvcc"))
}

/// `13.0`, if this is an nvcc that starts.
pub fn version(nvcc: &Path) -> Option<String> {
    let said = output(Command::new(nvcc).arg("--version"))?;
    let release = said.split("release ").nth(1)?;
    Some(release.split([',', ' ', '\n']).next()?.to_owned())
}

/// Those of [`ARCHITECTURES`] that this nvcc knows: one that is too old for a new card must not cost the
/// others theirs.
pub fn architectures(nvcc: &Path) -> Vec<u32> {
    let said = output(Command::new(nvcc).arg("--list-gpu-code")).unwrap_or_default();
    let known: Vec<u32> =
        said.lines().filter_map(|line| line.trim().strip_prefix("sm_")?.parse().ok()).collect();
    ARCHITECTURES.into_iter().filter(|arch| known.contains(arch)).collect()
}

/// What a command that succeeds writes to standard output.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
