//! The kernels as compiled: assembled for every architecture that a release build carries, without a GPU.
//!
//! What is held here cannot be seen by running them on the software device: registers, spills, shared
//! memory, and that the program's list of kernels is the compiler's.

mod assembled;
mod parsing;
mod report;

/// Shared with `build.rs`, which uses more of them.
#[allow(dead_code)]
#[path = "../../build/nvcc.rs"]
mod nvcc;
#[path = "../../build/resources.rs"]
mod resources;

use assembled::assembled;
use dermaglyph::backend::cuda::{Kernel, image};
use std::collections::BTreeSet;

/// A thread's numbers stay in registers, on every architecture and on every rung.
#[test]
fn no_kernel_spills_or_has_a_stack_frame() {
    let heavy: Vec<_> = assembled()
        .iter()
        .flat_map(|(file, kernels)| kernels.iter().map(move |kernel| (file, kernel)))
        .filter(|(_, kernel)| kernel.spills > 0 || kernel.stack > 0)
        .map(|(file, k)| {
            format!(
                "{} ({file}.cu) on sm_{}: {} bytes of spills, a stack frame of {} bytes",
                k.kernel, k.architecture, k.spills, k.stack
            )
        })
        .collect();
    assert!(heavy.is_empty(), "{}", heavy.join("\n"));
}

/// A kernel that the program names and no file has fails only when it is launched; one that no list names is
/// neither launched nor tested.
#[test]
fn the_program_names_the_kernels_that_the_files_hold() {
    for architecture in nvcc::ARCHITECTURES {
        let compiled: BTreeSet<_> = assembled()
            .iter()
            .flat_map(|(file, kernels)| kernels.iter().map(move |k| (file.as_str(), k)))
            .filter(|(_, k)| k.architecture == architecture)
            .map(|(file, k)| (file, k.kernel.as_str()))
            .collect();
        let named: BTreeSet<_> = Kernel::ALL.iter().map(|k| (k.file(), k.name())).collect();
        let missing: Vec<_> = named.difference(&compiled).collect();
        let unknown: Vec<_> = compiled.difference(&named).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "sm_{architecture}: in src/backend/cuda/kernels.rs, but not in kernels/: {missing:?}; in \
             kernels/, but not in src/backend/cuda/kernels.rs: {unknown:?}"
        );
        assert_eq!(named.len(), Kernel::ALL.len(), "a name stands twice");
    }
}

/// Atomic additions come in any order, and a float sum depends on it: the same seed would not give the same
/// bits. Looks at the PTX that this program would load.
#[test]
fn no_float_is_added_atomically() {
    let files: BTreeSet<_> = Kernel::ALL.iter().map(|kernel| kernel.file()).collect();
    for file in files {
        let image = image::image(file).unwrap().unwrap_or_else(|| panic!("{file}: {NO_NVCC}"));
        let text = String::from_utf8_lossy(&image);
        for kernel in Kernel::ALL.iter().filter(|kernel| kernel.file() == file) {
            let entry = format!(".entry {}(", kernel.name());
            assert!(text.contains(&entry), "{file}: no PTX of {} in the image", kernel.name());
        }
        let found: Vec<_> = text.lines().filter(|line| is_float_atomic(line)).collect();
        assert!(found.is_empty(), "{file}.cu: float atomics: {found:#?}");
    }
}

/// Whether a line of PTX is an atomic operation or reduction in memory on floats.
fn is_float_atomic(line: &str) -> bool {
    let instruction =
        line.split_whitespace().find(|word| !word.starts_with('@')).unwrap_or_default();
    let mut parts = instruction.trim_end_matches(';').split('.');
    let memory = matches!(parts.next(), Some("atom" | "red"))
        || instruction.starts_with("cp.reduce.async.bulk");
    let mut float = parts.filter(|part| part.starts_with('f') || part.starts_with("bf"));
    memory && float.any(|part| part.contains("16") || part.contains("32") || part.contains("64"))
}

#[test]
fn float_atomics_are_recognised() {
    for line in [
        "\tatom.global.add.f32 \t%f4, [%rd4], %f3;",
        "@%p1 red.relaxed.gpu.global.add.f32 [%rd1], %f1;",
        "red.global.add.noftz.f16x2 [%rd1], %r1;",
        "atom.shared.add.noftz.bf16x2 %r1, [%rd1], %r2;",
        "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%rd1], [%r1], 16;",
        "atom.add.f64 %fd1, [%rd1], %fd2;",
    ] {
        assert!(is_float_atomic(line), "{line}");
    }
    for line in [
        "red.global.add.u32 [%rd1], %r1;",
        "atom.global.cas.b32 %r1, [%rd1], %r2, %r3;",
        "add.f32 %f1, %f2, %f3;",
        "// atom.global.add.f32 in words",
        "fence.acq_rel.gpu;",
        "",
    ] {
        assert!(!is_float_atomic(line), "{line}");
    }
}

/// Counts of ptxas, kept in the repository so that a change of them is seen in a review.
#[test]
fn the_report_of_resources_is_current() {
    report::check(assembled());
}

const NO_NVCC: &str = "this program was built without CUDA kernels, as no nvcc was found; run \
                       scripts/cuda-toolchain, then build again";
