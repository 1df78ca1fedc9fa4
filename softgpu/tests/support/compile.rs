//! CUDA C++ → PTX in the test run. PTX is never stored in the repository: it would go stale, and
//! nobody could read in a diff what changed. It is kept under target/ from one run to the next.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const FLAGS: [&str; 4] = ["-lineinfo", "-O3", "-std=c++17", "-Werror=all-warnings"];

/// The PTX of `softgpu/kernels/<file>.cu` for `compute_<arch>`.
pub fn ptx(file: &str, arch: u32) -> String {
    compile(&kernels().join(format!("{file}.cu")), arch)
}

/// The folder of the kernels.
pub fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}

/// Every CUDA file in that folder and below, as [`ptx`] wants it named, in alphabetical order.
pub fn every_file() -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![kernels()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the kernels' folder") {
            let path = entry.expect("the kernels' folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "cu") {
                let name = path.strip_prefix(kernels()).expect("it lies there").with_extension("");
                files.push(name.to_str().expect("ASCII names").to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The architectures a file is written for: what stands in tensor.cuh came with sm_80.
pub fn architectures(file: &str) -> &'static [u32] {
    let source = read(&kernels().join(format!("{file}.cu")));
    if source.contains("#include \"tensor.cuh\"") { &[80, 90, 100] } else { &[75, 80, 90, 100] }
}

/// The PTX of a CUDA file anywhere, with the kernels' folder on the include path.
pub fn compile(source: &Path, arch: u32) -> String {
    let made = cached(source, arch, "ptx", |out| {
        let mut nvcc = Command::new(&tools().nvcc);
        nvcc.arg("-ptx").arg(format!("-arch=compute_{arch}")).args(FLAGS);
        nvcc.arg("-I").arg(kernels()).arg("-o").arg(out).arg(source);
        run(&mut nvcc);
    });
    read(&made)
}

/// The fatbin of `softgpu/kernels/<file>.cu`. A target is `compute_80` for PTX or `sm_80` for machine
/// code; `mode` is one of nvcc's `--compress-mode`.
pub fn fatbin(file: &str, targets: &[&str], mode: &str) -> Vec<u8> {
    let source = kernels().join(format!("{file}.cu"));
    let made = cached(&source, 0, &format!("{}.{mode}.fatbin", targets.join("-")), |out| {
        let mut nvcc = Command::new(&tools().nvcc);
        nvcc.arg("-fatbin").arg(format!("--compress-mode={mode}")).args(FLAGS);
        for target in targets {
            let arch = target.replace("sm_", "compute_");
            nvcc.arg("-gencode").arg(format!("arch={arch},code={target}"));
        }
        nvcc.arg("-I").arg(kernels()).arg("-o").arg(out).arg(&source);
        run(&mut nvcc);
    });
    fs::read(made).expect("the fatbin just made")
}

/// Assembles `softgpu/kernels/<file>.cu` for `sm_<arch>` as a driver would when it loads the PTX. nvcc does not look
/// into inline assembly; this does.
///
/// The answer is what ptxas says of registers, stack and shared memory.
pub fn assemble(file: &str, arch: u32) -> String {
    let text = ptx(file, arch);
    let source = kernels().join(format!("{file}.cu"));
    let made = cached(&source, arch, "ptxas", |out| {
        let said = assemble_text(&format!("{}-{arch}", file.replace('/', "-")), &text, arch);
        fs::write(out, said).expect("cannot write under target/");
    });
    read(&made)
}

/// Assembles PTX text; `name` names its passing files. Panics with what ptxas says of wrong text.
pub fn assemble_text(name: &str, text: &str, arch: u32) -> String {
    let stem = cache().join(format!("{name}-{}", std::process::id()));
    let (input, output) = (stem.with_extension("in.ptx"), stem.with_extension("cubin"));
    fs::write(&input, text).expect("cannot write under target/");
    let mut ptxas = Command::new(&tools().ptxas);
    ptxas.arg("-v").arg(format!("-arch=sm_{arch}")).arg(&input).arg("-o").arg(&output);
    let said = run(&mut ptxas);
    for made in [input, output] {
        let _ = fs::remove_file(made);
    }
    said
}

/// The path of what `make` makes from the file, made only if nobody has made it yet from the same
/// source, headers, compiler and flags.
///
/// Safe for tests in parallel processes: one makes it, the others wait at the lock, and readers see
/// either nothing or all of it.
fn cached(source: &Path, arch: u32, kind: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let mut hash = DefaultHasher::new();
    (FLAGS, arch, kind, &tools().version, source, read(source)).hash(&mut hash);
    for header in headers() {
        (&header, read(&header)).hash(&mut hash);
    }
    let stem = source.file_stem().expect("a CUDA file has a name").to_string_lossy();
    let done = cache().join(format!("{stem}-{arch}-{:016x}.{kind}", hash.finish()));
    if done.exists() {
        return done;
    }
    let lock = File::create(done.with_extension(format!("{kind}.lock"))).expect("lock file");
    lock.lock().expect("cannot lock under target/");
    if !done.exists() {
        let half = done.with_extension(format!("{kind}.{}.tmp", std::process::id()));
        make(&half);
        fs::rename(&half, &done).expect("cannot rename under target/");
    }
    done
}

fn cache() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels");
    fs::create_dir_all(&folder).expect("cannot write under target/");
    folder
}

/// Every header beside the kernels: few and small, so each file depends on all of them.
fn headers() -> Vec<PathBuf> {
    let listing = fs::read_dir(kernels()).expect("the kernels' folder");
    let mut headers: Vec<_> = listing
        .map(|entry| entry.expect("the kernels' folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "cuh"))
        .collect();
    headers.sort();
    headers
}

struct Tools {
    nvcc: PathBuf,
    ptxas: PathBuf,
    version: String,
}

fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let find = |tool| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cuda-toolchain");
            PathBuf::from(run(Command::new(script).args(["--print", tool])).trim())
        };
        let nvcc = find("nvcc");
        let version = run(Command::new(&nvcc).arg("--version"));
        Tools { nvcc, ptxas: find("ptxas"), version }
    })
}

/// What the command writes to stdout and stderr. A test without its compiler has not passed, so
/// a failure is a panic that shows all of it.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{said}");
    // The path of a tool is asked for on stdout; ptxas reports on stderr.
    if output.stdout.is_empty() {
        said.into_owned()
    } else {
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
