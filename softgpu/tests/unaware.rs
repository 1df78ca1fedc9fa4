//! A program that knows nothing of the software device finds it as libcuda through LD_LIBRARY_PATH.

use std::os::unix::fs::symlink;
use std::process::Command;

/// Python's ctypes stands for any program that opens `libcuda.so.1` and calls the Driver API.
const PROGRAM: &str = r#"
import ctypes as C, sys
cuda = C.CDLL("libcuda.so.1")
def check(code): assert code == 0, code
check(cuda.cuInit(0))
device, context, module, function = C.c_int(), C.c_void_p(), C.c_void_p(), C.c_void_p()
check(cuda.cuDeviceGet(C.byref(device), 0))
check(cuda.cuCtxCreate_v2(C.byref(context), 0, device))
check(cuda.cuModuleLoadData(C.byref(module), open(sys.argv[1], "rb").read() + b"\0"))
check(cuda.cuModuleGetFunction(C.byref(function), module, b"twice"))
n = 100
values, address, size = (C.c_uint32 * n)(*range(n)), C.c_uint64(), C.c_size_t(4 * n)
check(cuda.cuMemAlloc_v2(C.byref(address), size))
check(cuda.cuMemcpyHtoD_v2(address, values, size))
arguments = (C.c_void_p * 1)(C.addressof(address))
check(cuda.cuLaunchKernel(function, 1, 1, 1, n, 1, 1, 0, None, arguments, None))
check(cuda.cuMemcpyDtoH_v2(values, address, size))
check(cuda.cuMemFree_v2(address))
print(sum(values))
"#;

const KERNEL: &str = "
.version 9.0
.target sm_80
.address_size 64
.visible .entry twice(.param .u64 data)
{
    .reg .b32 %r<3>;
    .reg .b64 %a<3>;
    ld.param.u64 %a0, [data];
    mov.u32 %r0, %tid.x;
    mul.wide.u32 %a1, %r0, 4;
    add.s64 %a2, %a0, %a1;
    ld.global.u32 %r1, [%a2];
    add.u32 %r2, %r1, %r1;
    st.global.u32 [%a2], %r2;
    ret;
}
";

#[test]
fn a_program_that_opens_libcuda_gets_the_software_device() {
    let folder = tempfile::tempdir().unwrap();
    let here = std::env::current_exe().unwrap();
    let library = here.parent().unwrap().join("libsoftgpu.so");
    for name in ["libcuda.so", "libcuda.so.1"] {
        symlink(&library, folder.path().join(name)).unwrap();
    }
    let kernel = folder.path().join("twice.ptx");
    std::fs::write(&kernel, KERNEL).unwrap();
    let output = Command::new("python3")
        .args(["-c", PROGRAM])
        .arg(&kernel)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // 2 · (0 + 1 + … + 99)
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "9900", "{said}");
}
