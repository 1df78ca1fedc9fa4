//! Computation in C, compiled in the test run, under each rounding direction of the processor.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The rounding directions of PTX that C has.
pub const DIRECTIONS: [&str; 4] = ["rn", "rz", "rm", "rp"];

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms/reference.c");
        let program = folder.join(format!("reference-{}", std::process::id()));
        // No contraction and no folding: the processor computes, in the direction set.
        let status = Command::new("cc")
            .args(["-O1", "-frounding-math", "-ffp-contract=off", "-o"])
            .args([&program, &source])
            .arg("-lm")
            .status();
        assert!(status.expect("a C compiler").success());
        program
    })
}

/// Results of `operation` of reference.c on tuples of up to three numbers.
pub fn compute(operation: &str, direction: &str, tuples: &[Vec<u64>]) -> Vec<u64> {
    let mut words = Vec::with_capacity(24 * tuples.len());
    for tuple in tuples {
        for place in 0..3 {
            words.extend(tuple.get(place).copied().unwrap_or(0).to_le_bytes());
        }
    }
    let mut child = Command::new(program())
        .args([operation, direction])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the reference runs");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(&words));
    let output = child.wait_with_output().expect("the reference ends");
    writer.join().expect("a writer").expect("all was read");
    assert!(output.status.success(), "{operation} {direction}");
    let results: Vec<u64> = output
        .stdout
        .chunks_exact(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
        .collect();
    assert_eq!(results.len(), tuples.len());
    results
}
