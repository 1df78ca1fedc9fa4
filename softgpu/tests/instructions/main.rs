//! Instructions that touch memory, other lanes and the flow of control: each form, as PTX text through
//! the whole device, against a computation written from the text of the PTX ISA manual.

mod atomics;
mod barriers;
mod control;
mod copies;
mod counters;
mod exchange;
mod machine;
mod matrices;
mod memory;
mod printing;
