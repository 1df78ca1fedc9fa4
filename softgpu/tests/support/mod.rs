//! What the tests share: the kernels' PTX, compiled in the test run, and plain random data.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code, unused_imports)]

mod compile;
mod random;

pub use compile::{
    architectures, assemble, assemble_text, compile, every_file, fatbin, kernels, ptx,
};
pub use random::Random;
