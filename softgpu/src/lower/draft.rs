//! Instructions between selection and layout: they know what they do, not yet where their registers lie.

use crate::exec::inst::Action;
use crate::exec::program::Meta;

/// A virtual data register.
pub type Reg = u32;
/// A virtual predicate.
pub type Pred = u32;
/// A place in the code that can be jumped to.
pub type Label = u32;

/// An operand before slots are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ref {
    /// Not there, not wanted.
    None,
    Reg(Reg),
    Pred(Pred),
    /// The same word in every lane.
    Word(u32),
    /// The same two words in every lane.
    Double(u64),
    /// Where dynamic shared memory starts, plus an offset; one word, or two.
    Dynamic {
        offset: u32,
        double: bool,
    },
}

/// Where execution goes after an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// On.
    Straight,
    /// To a label; with a guard, or on.
    Jump(Label),
    /// To one of the labels.
    Indexed(Vec<Label>),
    /// Nowhere; with a guard, or on.
    End,
}

/// How operands are handed to the function that runs the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// In `Inst::ops`, results first. `Inst::wide` is these flags.
    InPlace(u32),
    /// In `Program::wide`, results first, from `Inst::wide` on.
    Table,
    /// In `Inst::ops` if they fit, else in `Program::wide` from `Inst::wide >> 8` on; the low byte of
    /// `Inst::wide` is these flags.
    Either(u32),
}

/// One instruction.
#[derive(Clone)]
pub struct Draft {
    pub action: Action,
    pub imm: i64,
    pub results: Vec<Ref>,
    pub sources: Vec<Ref>,
    pub passing: Passing,
    /// Predicate, and whether the instruction runs where it is false.
    pub guard: Option<(Pred, bool)>,
    pub next: Next,
    pub meta: Meta,
}

/// Drafts in the order of the text, with the labels between them.
pub enum Node {
    Label(Label),
    Inst(Draft),
}
