//! Prints → a judgement: realism, variety, privacy, and a report people can look at.
//!
//! [`evaluation::run`] takes two sets through these rooms; [`document`] makes a [`report`] of the result.
//! `docs/evaluation.md` defines every figure.
//!
//! | file | what |
//! |---|---|
//! | `sources.rs`, `prints.rs` | folders, zips, runs and checkpoints → two sets of gray prints of one size |
//! | `health.rs` | copies and blank prints |
//! | [`features`] | the feature network made for prints |
//! | [`ridges`] | period, coherence, spectrum and clarity of a print; a matcher of two |
//! | `measure.rs` | a set → features and traits of each print |
//! | [`stats`] | Fréchet and kernel distance, precision and recall, intervals, tests |
//! | `compare.rs`, `controls.rs` | a set against the real prints; sets whose judgement is known |
//! | `matching.rs`, `similarity.rs`, `variety.rs`, [`privacy`] | do synthetic prints repeat each other, or anybody's finger? |
//! | [`minutiae`] | minutiae and match scores by NIST's algorithms (feature `nbis`) |
//! | [`inception`] | the ImageNet figures, from a network that the user supplies (feature `onnx`) |
//! | `tsne.rs`, `nearest.rs` | a map of both sets; the real prints nearest to some synthetic ones |
//! | `evaluation.rs`, `document.rs` | all of it in order; what the report says |
//! | [`report`] | a document → HTML, PNG, SVG |

pub mod compare;
pub mod controls;
pub mod document;
pub mod evaluation;
pub mod features;
pub mod health;
pub mod inception;
pub mod matching;
pub mod measure;
pub mod minutiae;
pub mod nearest;
pub mod outcome;
pub mod prints;
pub mod privacy;
pub mod report;
pub mod ridges;
pub mod similarity;
pub mod sources;
pub mod stats;
pub mod tsne;
pub mod variety;

pub use evaluation::{Evaluation, Material, Options, run};
