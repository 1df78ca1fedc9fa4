//! Programs that know nothing of softgpu and find it as libcuda.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cudarc::driver::CudaContext;

use super::alone::alone;
use super::{PTX, module, saxpy};

/// The shared library beside the test.
fn library() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let places = executable.ancestors().skip(1).take(2);
    let mut files = places.map(|folder| folder.join("libsoftgpu.so"));
    files.find(|file| file.is_file()).expect("libsoftgpu.so beside the test")
}

/// A folder with both names of the driver in it.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        symlink(library(), folder.path().join(name)).unwrap();
    }
    folder
}

/// Compiles a C program of this folder into another.
fn compile(source: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cudarc").join(source);
    let program = folder.join(source.file_stem().unwrap());
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-Wall", "-Werror", "-O1", "-o"]).arg(&program).arg(source).arg("-ldl");
    succeed(&gcc.output().expect("gcc"));
    program
}

fn succeed(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    (out, err)
}

#[test]
fn a_c_program_runs_on_it_by_either_name_and_cleans_up_at_exit() {
    let folder = installed();
    let program = compile("program.c", folder.path());
    let ptx = folder.path().join("saxpy.ptx");
    fs::write(&ptx, PTX).unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        let mut command = Command::new(&program);
        command.arg(name).arg(&ptx).env("LD_LIBRARY_PATH", folder.path());
        let (out, err) = succeed(&command.output().unwrap());
        // 2.5 · 999 + (3 - 999)
        assert_eq!(out, "version 13000 right\nlast 1501.5\n", "{name}: {err}");
        assert_eq!(err, "", "{name}: a clean program is told something");
    }
}

#[test]
fn cudarc_finds_it_on_the_library_path_by_itself() {
    let name = "programs::cudarc_finds_it_on_the_library_path_by_itself";
    let folder = installed();
    alone(name, &[("LD_LIBRARY_PATH", folder.path().to_str().unwrap())], || {
        // No SoftwareDevice::load.
        let context = CudaContext::new(0).unwrap();
        assert!(context.name().unwrap().contains("softgpu"));
        let stream = context.default_stream();
        let f = module(&context).load_function("saxpy").unwrap();
        let x = stream.clone_htod(&[2.0f32; 100]).unwrap();
        let mut y = stream.clone_htod(&[1.0f32; 100]).unwrap();
        saxpy(&stream, &f, 3.0, &x, &mut y);
        assert_eq!(stream.clone_dtoh(&y).unwrap(), [7.0; 100]);
    });
}

/// Calls that do what they are asked for without any argument.
const NEEDS_NOTHING: [&str; 16] = [
    "cuCtxPopCurrent_v2",
    "cuCtxSetCurrent",
    "cuCtxSetFlags",
    "cuCtxGetStreamPriorityRange",
    "cuCtxSetCacheConfig",
    "cuCtxSetLimit",
    "cuCtxSynchronize",
    "cuDevicePrimaryCtxRelease",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxReset",
    "cuDevicePrimaryCtxReset_v2",
    "cuDevicePrimaryCtxSetFlags_v2",
    "cuProfilerStart",
    "cuProfilerStop",
    "cuStreamQuery",
    "cuStreamSynchronize",
];

/// Copying, filling or freeing nothing, and asking nothing about an address, is right.
fn of_nothing(name: &str) -> bool {
    let linear = ["cuMemcpy", "cuMemset", "cuMemFree"].iter().any(|start| name.starts_with(start));
    let through_pointers = ["2D", "3D", "Peer", "Batch"];
    name == "cuPointerGetAttributes"
        || linear && !through_pointers.iter().any(|part| name[8..].starts_with(part))
}

#[test]
fn no_call_crashes_or_succeeds_on_null_pointers() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    let mut nm = Command::new("nm");
    let (symbols, _) =
        succeed(&nm.args(["-D", "--defined-only"]).arg(&library).output().expect("nm"));
    let names: Vec<_> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|name| name.starts_with("cu") && *name != "cuInit")
        .collect();
    assert!(names.len() > 500, "{} symbols", names.len());
    let program = compile("zeros.c", folder.path());
    let (out, err) = succeed(&Command::new(program).arg(&library).args(&names).output().unwrap());
    assert!(!err.contains("panicked"), "{err}");
    let mut succeeded = BTreeSet::new();
    for line in out.lines() {
        let [state, name, code] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert_ne!(code, "999", "{line}");
        match (state, code) {
            ("0", "0") => panic!("{name} succeeds before cuInit"),
            (_, "0") if !of_nothing(name) => _ = succeeded.insert(name),
            _ => {}
        }
    }
    assert_eq!(out.lines().count(), 3 * names.len());
    let expected: BTreeSet<_> = NEEDS_NOTHING.into_iter().collect();
    assert_eq!(succeeded, expected);
}
