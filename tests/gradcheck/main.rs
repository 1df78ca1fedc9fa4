//! Every backward pass against what it claims to be: finite differences of the forward pass in f64,
//! and the adjoint identities that need no reference at all.

mod adjoint;
#[path = "../support/buffers.rs"]
mod buffers;
mod finite_differences;
mod network;
mod tensors;
