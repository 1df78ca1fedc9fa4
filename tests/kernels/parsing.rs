//! `build/resources.rs` on texts that ptxas wrote.

use crate::resources::{Resources, parse};

/// nvcc 13.0, two files' worth of what it says.
const SAID: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'conv_forward_dot' for 'sm_75'
ptxas info    : Function properties for conv_forward_dot
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 34 registers, used 1 barriers, 32 bytes smem, 432 bytes cmem[0]
ptxas info    : Compile time = 162.497 ms
ptxas info    : Compiling entry function 'conv_reduce_weights' for 'sm_75'
ptxas info    : Function properties for conv_reduce_weights
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 42 registers, used 0 barriers, 376 bytes cmem[0]
ptxas info    : Compile time = 19.954 ms
ptxas info    : 0 bytes gmem, 24 bytes cmem[4]
ptxas info    : Compiling entry function 'conv_forward_dot' for 'sm_120'
ptxas info    : Function properties for conv_forward_dot
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 16 bytes cumulative stack size, 17408 bytes smem
ptxas info    : Compile time = 180.649 ms
";

#[test]
fn registers_spills_stack_and_shared_memory() {
    let of = |kernel: &str, architecture, registers, spills, stack, shared| Resources {
        kernel: kernel.into(),
        architecture,
        registers,
        spills,
        stack,
        shared,
    };
    let wanted = [
        of("conv_forward_dot", 75, 34, 0, 0, 32),
        of("conv_reduce_weights", 75, 42, 0, 0, 0),
        of("conv_forward_dot", 120, 255, 20, 16, 17_408),
    ];
    assert_eq!(parse(SAID), wanted);
}

#[test]
fn nothing_said_is_no_kernel() {
    assert_eq!(parse(""), []);
    assert_eq!(parse("ptxas info    : 0 bytes gmem\n"), []);
}

/// A warning between the lines does not hide the kernel behind it.
#[test]
fn warnings_in_between() {
    let said = SAID.replace(
        "ptxas info    : Function properties",
        "ptxas warning : Value of threads per SM for entry is out of range\nptxas info    : Function properties",
    );
    assert_eq!(parse(&said), parse(SAID));
}
