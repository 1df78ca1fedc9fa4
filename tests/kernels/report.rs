//! `docs/kernel-resources.md`: written from what ptxas says, compared with what it says now.

use crate::assembled::{Files, compiler};
use crate::nvcc;
use crate::resources::Resources;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

const RENEW: &str = "To accept what it is now: DERMAGLYPH_WRITE_REPORT=1 cargo test --test kernels";

/// Fails if the stored report is not of these kernels; or renews it, if that is wanted.
pub fn check(files: &Files) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kernel-resources.md");
    let version = nvcc::version(compiler()).unwrap();
    let now = text(files, &version);
    if std::env::var_os("DERMAGLYPH_WRITE_REPORT").is_some() {
        return std::fs::write(path, now).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = difference(&stored, &now);
    assert!(
        difference.is_empty(),
        "docs/kernel-resources.md differs from what nvcc {version} makes of kernels/ \
         (scripts/cuda-toolchain has the version that the report is made with):\n{}\n{RENEW}",
        difference.join("\n")
    );
}

/// One row a kernel, one column an architecture.
fn text(files: &Files, version: &str) -> String {
    let mut text = format!(
        "# What the kernels take\n\n\
         Registers of a thread, or registers / bytes of shared memory of its block, as ptxas of nvcc {version}\n\
         counts them for each architecture whose machine code a release build carries. These are counts of\n\
         a compiler, not times. No kernel spills registers or has a stack frame.\n\n\
         `cargo test --test kernels` compiles every kernel and fails where this page differs;\n\
         `DERMAGLYPH_WRITE_REPORT=1 cargo test --test kernels` writes it anew.\n"
    );
    let columns: String = nvcc::ARCHITECTURES.iter().map(|arch| format!(" sm_{arch} |")).collect();
    let rule = "---|".repeat(nvcc::ARCHITECTURES.len());
    for (file, kernels) in files {
        let _ = write!(text, "\n## {file}.cu\n\n| kernel |{columns}\n|---|{rule}\n");
        let names: BTreeSet<_> = kernels.iter().map(|k| &k.kernel).collect();
        for name in names {
            let cell = |arch| kernels.iter().find(|k| (&k.kernel, k.architecture) == (name, arch));
            let cells = nvcc::ARCHITECTURES.map(|arch| cell(arch).map_or("none".into(), takes));
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
    }
    text
}

/// `64`, or `64 / 17408` with shared memory.
fn takes(kernel: &Resources) -> String {
    match kernel {
        Resources { registers, shared: 0, .. } => registers.to_string(),
        Resources { registers, shared, .. } => format!("{registers} / {shared}"),
    }
}

/// The cells that differ, by kernel and architecture; then any other lines that do.
fn difference(stored: &str, now: &str) -> Vec<String> {
    let (before, after) = (cells(stored), cells(now));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let none = "not there".to_owned();
    let cells: Vec<_> = keys
        .into_iter()
        .map(|key| (key, before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none)))
        .filter(|(_, before, after)| before != after)
        .map(|((kernel, arch), before, after)| format!("{kernel} on {arch}: {before} → {after}"))
        .collect();
    if !cells.is_empty() || stored == now {
        return cells;
    }
    now.lines()
        .filter(|line| !stored.contains(line))
        .map(|line| format!("the line `{line}` is not there"))
        .chain(["or lines stand there that should not".to_owned()])
        .collect()
}

/// (kernel, architecture) → cell, of every table in the text.
fn cells(text: &str) -> BTreeMap<(String, String), String> {
    let mut columns = Vec::new();
    let mut cells = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let row: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        match row[0] {
            "kernel" => columns = row,
            "---" => (),
            kernel => {
                cells.extend(columns.iter().zip(&row).skip(1).map(|(arch, cell)| {
                    ((kernel.to_owned(), (*arch).to_owned()), (*cell).to_owned())
                }))
            }
        }
    }
    cells
}

#[test]
fn drift_names_kernel_and_architecture() {
    let kernel = |architecture, registers, shared| Resources {
        kernel: "a".into(),
        architecture,
        registers,
        spills: 0,
        stack: 0,
        shared,
    };
    let all = |registers| {
        let kernels = nvcc::ARCHITECTURES
            .map(|arch| kernel(arch, if arch == 90 { registers } else { 7 }, 64));
        Files::from([("f".to_owned(), kernels.to_vec())])
    };
    let (stored, now) = (text(&all(7), "13.0"), text(&all(8), "13.0"));
    assert_eq!(difference(&stored, &stored), [""; 0]);
    assert_eq!(difference(&stored, &now), ["a on sm_90: 7 / 64 → 8 / 64"]);
    assert_eq!(difference("", &now).len(), nvcc::ARCHITECTURES.len());
    let other = text(&all(7), "13.1");
    assert!(difference(&stored, &other)[0].contains("nvcc 13.1"));
}
