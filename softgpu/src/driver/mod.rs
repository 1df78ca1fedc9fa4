//! The CUDA Driver API, version 13.0, over one software device.
//!
//! What differs from a GPU, and what a program may rely on:
//! - Work runs at its call, in the calling thread, one operation at a time. That is one of the orders
//!   CUDA allows; streams are always idle, recorded events have always happened, and a kernel that fails
//!   fails its launch.
//! - Handles are numbers that are looked up. A wrong one is CUDA_ERROR_INVALID_HANDLE, never a crash.
//! - After a kernel failed, every call in its context gives its code, as on hardware, until the context
//!   ends or is reset; destroying and freeing happen all the same.
//! - Times between events are host times of interpretation.
//! - A failing call says on stderr what its code alone does not.
//! - Calls that are not implemented exist and give CUDA_ERROR_NOT_SUPPORTED.
//!
//! The environment configures the device: see [`config`]. What is safe to pass to a call is what the
//! CUDA Driver API's reference says; null where it wants an address is an error.

// The names are the API's.
#![allow(non_snake_case)]

mod abi;
mod capture;
pub mod config;
mod context;
mod copy;
mod error;
mod event;
mod extensions;
mod function;
mod graph;
mod init;
mod journal;
mod launch;
mod library;
mod memory;
mod module;
mod op;
mod pointer;
mod pool;
mod state;
mod stream;
mod symbols;
mod table;
mod transfer;
mod unsupported;
