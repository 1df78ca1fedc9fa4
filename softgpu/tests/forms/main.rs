//! Every form of the register instructions against a computation that does not share its code: integers
//! of Rust, C under each rounding direction, exact search among the numbers of small formats, and tables
//! written down from the PTX manual.

mod bits;
mod compare;
mod convert;
mod floats;
mod formats;
mod halves;
mod integers;
mod machine;
#[path = "../support/random.rs"]
#[allow(dead_code)]
mod random;
mod reference;
mod special;
mod values;
