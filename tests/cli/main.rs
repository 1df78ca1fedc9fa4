//! The program as users meet it: the built binary, its files, its exit codes.

mod bad_input;
mod bench;
mod common;
mod determinism;
mod devices;
mod driver;
mod evaluate;
mod generate;
mod survival;
mod train;
