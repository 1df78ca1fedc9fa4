//! Every kernel passes the assembler of every architecture it is written for. nvcc copies inline
//! assembly into the PTX unread, so a kernel that compiles may still be one that no GPU would load.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use support::{architectures, assemble, every_file, ptx};

#[test]
fn every_kernel_assembles_for_every_architecture() {
    let jobs: Vec<_> = every_file()
        .into_iter()
        .flat_map(|file| architectures(&file).iter().map(move |&arch| (file.clone(), arch)))
        .collect();
    assert!(jobs.len() > 50, "only {} found: {jobs:?}", jobs.len());

    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((file, arch)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let said = assemble(file, *arch);
            let entries = ptx(file, *arch).matches(".entry").count();
            assert!(entries > 0, "{file} holds no kernel");
            assert_eq!(
                said.matches("Compiling entry function").count(),
                entries,
                "{file} {arch}: {said}"
            );
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
}

/// The fast kernels are only fast while everything stays in registers.
#[test]
fn the_register_blocked_and_tensor_core_kernels_do_not_spill() {
    for file in ["gemm_blocked", "gemm_tensor"] {
        for &arch in architectures(file) {
            let said = assemble(file, arch);
            let spills: Vec<_> = said.lines().filter(|line| line.contains("spill")).collect();
            assert!(!spills.is_empty(), "{file} {arch}: {said}");
            for line in spills {
                assert!(
                    line.contains("0 bytes spill stores, 0 bytes spill loads"),
                    "{file} {arch}: {line}"
                );
            }
        }
    }
}

/// Guards the check above: assembly that nvcc lets through and ptxas does not.
#[test]
#[should_panic(expected = "mma")]
fn wrong_inline_assembly_is_refused() {
    let ptx =
        ptx("gemm_tensor", 80).replace("mma.sync.aligned.m16n8k16", "mma.sync.aligned.m16n8k17");
    support::assemble_text("gemm_tensor_broken", &ptx, 80);
}
