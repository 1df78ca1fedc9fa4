//! printf on the device against the C library's, compiled from the same source.

mod support;

use std::path::Path;
use std::process::Command;

use softgpu::{Dim3, Gpu, Options};

#[test]
fn printf_writes_what_c_writes() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/print.cu");
    // The same kernel as a C program: thread 1 of it.
    let text = std::fs::read_to_string(&source).unwrap();
    let text = text.replace("#include <cstdio>", "#include <stdio.h>");
    let text = text.replace("extern \"C\" __global__", "struct { int x; } threadIdx = { 1 };\n");
    let folder = tempfile::tempdir().unwrap();
    let (file, program) = (folder.path().join("print.c"), folder.path().join("print"));
    let call = "\nint main(void) { print(-42, 1234567890123LL, 3.140625, -0.1f, 255u); }\n";
    std::fs::write(&file, text + call).unwrap();
    let compiled = Command::new("gcc").arg("-o").arg(&program).arg(&file).status().expect("gcc");
    assert!(compiled.success());
    let want = Command::new(&program).output().unwrap().stdout;

    for arch in [75, 100] {
        let gpu = Gpu::new(Options::default());
        let module = gpu.load_ptx(&support::compile(&source, arch)).unwrap();
        let args = [
            (-42i32).into(),
            1_234_567_890_123i64.into(),
            3.140_625f64.into(),
            (-0.1f32).into(),
            255u32.into(),
        ];
        let report = gpu.launch(&module, "print", Dim3::x(1), Dim3::x(32), 0, &args).unwrap();
        assert_eq!(report.printed, String::from_utf8_lossy(&want), "compute_{arch}");
    }
}
