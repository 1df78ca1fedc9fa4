//! A software CUDA device: it executes the PTX that nvcc emits, checks every access and counts every
//! instruction. Rooms, in the order in which a kernel passes through them:
//!
//! - [`ptx`]: text → syntax tree
//! - [`lower`]: syntax tree → programs of decoded instructions
//! - [`exec`]: warps, blocks, grids that run them
//! - [`memory`]: what they run on
//! - [`sanitizer`], [`counters`]: what is found and counted meanwhile
//! - [`report`]: both for people
//! - [`gpu`]: the device as a Rust program uses it
//! - [`driver`]: the same as the CUDA Driver API; [`client`] finds and asks it in another program

// Loops over lanes index several arrays by the lane; an iterator over one of them would hide that.
#![allow(clippy::needless_range_loop)]

pub mod client;
pub mod counters;
pub mod driver;
pub mod error;
pub mod exec;
pub mod gpu;
pub mod launch;
pub mod lower;
pub mod memory;
pub mod properties;
pub mod ptx;
pub mod report;
pub mod sanitizer;

pub use error::LoadError;
pub use gpu::{DevicePtr, Gpu, Module, Options};
pub use launch::{Arg, Dim3, LaunchError, Report};
pub use sanitizer::{Checks, Finding, FindingKind};
