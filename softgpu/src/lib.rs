//! A software CUDA device: it executes the PTX that nvcc emits, checks every access and counts every
//! instruction. Rooms, in the order in which a kernel passes through them:
//!
//! - [`ptx`]: text → syntax tree

pub mod error;
pub mod exec;
pub mod ptx;
