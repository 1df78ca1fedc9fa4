//! What can go wrong before a kernel runs. What goes wrong while it runs is a
//! [`Finding`](crate::sanitizer::Finding).

/// A module that cannot be loaded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// The text is not PTX.
    #[error("PTX line {line}: {what}")]
    Syntax { line: u32, what: String },
    /// PTX that this device does not execute. Nothing is skipped: a module with one such instruction
    /// does not load.
    #[error("PTX line {line}: `{instruction}`: {what}")]
    Unsupported { line: u32, instruction: String, what: String },
    /// PTX that contradicts itself: an undeclared register, an operand of the wrong size, a missing label.
    #[error("PTX line {line}: {what}")]
    Invalid { line: u32, what: String },
    /// The container around the PTX cannot be read, or holds none.
    #[error("module image: {what}")]
    Image { what: String },
    /// Device memory for the module's variables is not to be had.
    #[error("no device memory for the module's variables: {what}")]
    Memory { what: String },
}

impl LoadError {
    pub fn syntax(line: u32, what: impl Into<String>) -> Self {
        Self::Syntax { line, what: what.into() }
    }

    pub fn invalid(line: u32, what: impl Into<String>) -> Self {
        Self::Invalid { line, what: what.into() }
    }

    pub fn image(what: impl Into<String>) -> Self {
        Self::Image { what: what.into() }
    }
}
