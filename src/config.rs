//! Flags and TOML → a validated run.
