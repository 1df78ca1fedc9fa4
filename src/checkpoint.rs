//! Everything that resuming needs, in PyTorch’s names.
