//! Planted faults and clean kernels. Every faulty kernel must be caught, as what it is and where it
//! is; every clean one must run in silence and give the right answer; both in both dialects of PTX,
//! with several orders of warps and blocks.

#[path = "../support/mod.rs"]
mod support;

mod clean;
mod faulty;
mod host;
mod launch;
mod messages;
