//! Pixels → batches.
