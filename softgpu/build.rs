//! Names the shared library `libcuda.so` inside, so that a program which opens `libcuda.so` after it
//! has been loaded gets this one.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so");
    // Its calls reach its own functions, whatever else in the process has functions of these names.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
}
