//! Compiles `kernels/*.cu` into images that `src/backend/cuda` embeds.
//!
//! A release build carries machine code for a fixed list of architectures and one PTX; other profiles carry
//! the PTX alone, which compiles in seconds. Without nvcc there is nothing to embed, the build works all the
//! same, and CUDA devices say so when they are asked for. No GPU is looked for and nothing is fetched.
//!
//! | variable | meaning |
//! |---|---|
//! | `NVCC`, `CUDA_HOME`, `CUDA_PATH` | where nvcc is, before `PATH`, `/usr/local/cuda` and `.cuda` |
//! | `DERMAGLYPH_CUDA=off` | build as if there were no nvcc |
//! | `DERMAGLYPH_CUDA_TARGETS` | other targets than the profile's, e.g. `sm_90 compute_90` |

#[path = "build/nvcc.rs"]
mod nvcc;
#[path = "build/resources.rs"]
mod resources;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, thread};

fn main() {
    let repository = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    for path in ["build.rs", "build", "kernels"] {
        println!("cargo::rerun-if-changed={path}");
    }
    for variable in ["NVCC", "CUDA_HOME", "CUDA_PATH", "DERMAGLYPH_CUDA", "DERMAGLYPH_CUDA_TARGETS"]
    {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let wanted = env::var("DERMAGLYPH_CUDA").as_deref() != Ok("off");
    let code = match nvcc::find(&repository).filter(|_| wanted) {
        Some(nvcc) => embed(&nvcc, &repository, &out),
        None => nothing(),
    };
    fs::write(out.join("images.rs"), code).expect("OUT_DIR can be written");
}

/// A build without CUDA.
fn nothing() -> String {
    "pub const NVCC: Option<&str> = None;\n\
     pub const TARGETS: &[&str] = &[];\n\
     pub const RESOURCES: &str = \"\";\n\
     pub const IMAGES: &[(&str, &[u8])] = &[];\n"
        .to_owned()
}

/// Compiles every file and writes the Rust code that embeds the results.
fn embed(nvcc: &Path, repository: &Path, out: &Path) -> String {
    let version = nvcc::version(nvcc).expect("it was found by its version");
    println!("cargo::rustc-env=DERMAGLYPH_NVCC={}", nvcc.display());
    let targets = targets(nvcc);
    let files = kernel_files(&repository.join("kernels"));
    let reports = compile_all(nvcc, &files, &targets, out);
    let mut resources: Vec<_> = reports.iter().flat_map(|said| resources::parse(said)).collect();
    resources.sort();
    let table = resources.iter().fold(String::new(), |mut table, r| {
        let _ = writeln!(
            table,
            "{}\tsm_{}\t{}\t{}\t{}",
            r.kernel, r.architecture, r.registers, r.spills, r.shared
        );
        table
    });
    let mut code = format!(
        "pub const NVCC: Option<&str> = Some({version:?});\n\
         pub const TARGETS: &[&str] = &{targets:?};\n\
         pub const RESOURCES: &str = {table:?};\n\
         pub const IMAGES: &[(&str, &[u8])] = &[\n"
    );
    for (name, _) in &files {
        let image = out.join(format!("{name}.fatbin"));
        let _ =
            writeln!(code, "    ({name:?}, include_bytes!({:?})),", image.display().to_string());
    }
    code + "];\n"
}

/// `sm_90` for machine code, `compute_90` for PTX.
fn targets(nvcc: &Path) -> Vec<String> {
    if let Ok(list) = env::var("DERMAGLYPH_CUDA_TARGETS") {
        let list: Vec<_> =
            list.split([' ', ',']).filter(|t| !t.is_empty()).map(str::to_owned).collect();
        assert!(
            !list.is_empty()
                && list.iter().all(|t| t.starts_with("sm_") || t.starts_with("compute_")),
            "DERMAGLYPH_CUDA_TARGETS: wanted names such as sm_90 and compute_90"
        );
        return list;
    }
    let ptx = format!("compute_{}", nvcc::PTX);
    if env::var("PROFILE").as_deref() != Ok("release") {
        return vec![ptx];
    }
    let machine_code = nvcc::architectures(nvcc).into_iter().map(|arch| format!("sm_{arch}"));
    machine_code.chain([ptx]).collect()
}

/// The `.cu` files, by name.
fn kernel_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).expect("the folder of the kernels");
    let paths = entries.map(|entry| entry.expect("the folder of the kernels").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    files.sort();
    files
}

/// Compiles the files, as many at a time as cargo allows jobs; what ptxas said of each.
fn compile_all(
    nvcc: &Path,
    files: &[(String, PathBuf)],
    targets: &[String],
    out: &Path,
) -> Vec<String> {
    let jobs =
        env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1usize).max(1);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut reports = Vec::new();
        loop {
            let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some((name, source)) = files.get(index) else { return reports };
            reports.push(compile(nvcc, source, targets, &out.join(format!("{name}.fatbin"))));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.min(files.len())).map(|_| scope.spawn(work)).collect();
        let reports = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(reports) => reports,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        reports.collect()
    })
}

/// One file into one image. The PTX in it stays readable: the software device executes it.
fn compile(nvcc: &Path, source: &Path, targets: &[String], image: &Path) -> String {
    let mut command = Command::new(nvcc);
    command.args(["-fatbin", "--compress-mode=none", "-Xptxas", "-v"]).args(nvcc::FLAGS);
    for target in targets {
        let arch = target.replace("sm_", "compute_");
        command.arg("-gencode").arg(format!("arch={arch},code={target}"));
    }
    command.arg("-o").arg(image).arg(source);
    let Output { status, stderr, stdout } = command
        .output()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", nvcc.display()));
    let said = String::from_utf8_lossy(&stderr);
    assert!(
        status.success(),
        "{command:?}\n{}{said}\nnvcc was found but cannot compile {}. To build without CUDA, set \
         DERMAGLYPH_CUDA=off; for another compiler, set NVCC.",
        String::from_utf8_lossy(&stdout),
        source.display()
    );
    said.into_owned()
}
