//! The gallery of classic kernels against plain computations in f64 or integers, in both dialects of PTX
//! and several orders of warps and blocks, and its counters against numbers counted by hand.

#[path = "../support/mod.rs"]
mod support;

mod device;
mod integers;
mod movement;
mod products;
mod sums;
