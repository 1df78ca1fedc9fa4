//! Names inside a function body: registers, variables, labels, jump tables, scope by scope.

use std::collections::HashMap;

use super::draft::{Label, Pred, Reg};
use crate::ptx::ast::Type;

/// A declared register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    Data(Reg),
    Pred(Pred),
}

/// Where a variable of a body, or a parameter, lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// Byte offset in the kernel's parameters.
    Param(u32),
    /// Byte offset in the thread's local memory: parameters of calls.
    Frame(u32),
    /// The same: `.local` variables.
    Local(u32),
    /// Byte offset in shared memory.
    Shared(u32),
    /// Byte offset from the start of dynamic shared memory.
    Dynamic(u32),
    /// Address in global or constant memory.
    Global(u64),
}

/// One `{ }`.
#[derive(Default)]
struct Scope {
    /// Declared names with their type; a number of them for `%r<10>`.
    declared: HashMap<String, (Option<u32>, Type)>,
    registers: HashMap<String, Register>,
    variables: HashMap<String, Spot>,
    labels: HashMap<String, Label>,
    tables: HashMap<String, Vec<String>>,
    /// A function's outermost scope: what lies outside is not seen.
    function: bool,
}

/// The scopes open at a point of the text.
pub struct Scopes {
    open: Vec<Scope>,
    /// Rows of every data register made.
    pub widths: Vec<u8>,
    pub preds: u32,
    labels: u32,
}

impl Scopes {
    pub fn new() -> Self {
        Self { open: Vec::new(), widths: Vec::new(), preds: 0, labels: 0 }
    }

    /// Opens a scope.
    pub fn open(&mut self, function: bool) {
        self.open.push(Scope { function, ..Scope::default() });
    }

    /// Closes the innermost one.
    pub fn close(&mut self) {
        self.open.pop();
    }

    /// Scopes from the innermost to the function's own.
    fn visible(&self) -> impl Iterator<Item = usize> + use<> {
        let first = self.open.iter().rposition(|scope| scope.function).unwrap_or(0);
        (first..self.open.len()).rev()
    }

    fn innermost(&mut self) -> Option<&mut Scope> {
        self.open.last_mut()
    }

    /// Declares `.reg`.
    pub fn declare(&mut self, name: &str, count: Option<u32>, ty: Type) {
        if let Some(scope) = self.innermost() {
            scope.declared.insert(name.to_owned(), (count, ty));
        }
    }

    /// A new register of this type.
    pub fn fresh(&mut self, ty: Type) -> Register {
        if ty == Type::Pred {
            self.preds += 1;
            return Register::Pred(self.preds - 1);
        }
        self.widths.push(if ty.bytes() == 8 { 2 } else { 1 });
        Register::Data(self.widths.len() as u32 - 1)
    }

    /// The register of that name.
    pub fn register(&mut self, name: &str) -> Option<Register> {
        for at in self.visible() {
            let scope = &self.open[at];
            if let Some(&known) = scope.registers.get(name) {
                return Some(known);
            }
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
            let exact = scope.declared.get(name).filter(|(count, _)| count.is_none());
            let ranged = scope.declared.get(stem).filter(|(count, _)| {
                let number = name[stem.len()..].parse::<u32>();
                matches!((count, number), (Some(count), Ok(number)) if number < *count)
            });
            if let Some(&(_, ty)) = exact.or(ranged) {
                if ty == Type::B128 {
                    return None;
                }
                let made = self.fresh(ty);
                self.open[at].registers.insert(name.to_owned(), made);
                return Some(made);
            }
        }
        None
    }

    pub fn add_variable(&mut self, name: &str, spot: Spot) {
        if let Some(scope) = self.innermost() {
            scope.variables.insert(name.to_owned(), spot);
        }
    }

    pub fn variable(&self, name: &str) -> Option<Spot> {
        self.visible().find_map(|at| self.open[at].variables.get(name).copied())
    }

    pub fn add_table(&mut self, name: &str, targets: Vec<String>) {
        if let Some(scope) = self.innermost() {
            scope.tables.insert(name.to_owned(), targets);
        }
    }

    pub fn table(&self, name: &str) -> Option<Vec<String>> {
        self.visible().find_map(|at| self.open[at].tables.get(name).cloned())
    }

    /// A label without a name.
    pub fn fresh_label(&mut self) -> Label {
        self.labels += 1;
        self.labels - 1
    }

    /// Announces a label of the innermost scope.
    pub fn add_label(&mut self, name: &str) {
        let label = self.fresh_label();
        if let Some(scope) = self.innermost() {
            scope.labels.insert(name.to_owned(), label);
        }
    }

    pub fn label(&self, name: &str) -> Option<Label> {
        self.visible().find_map(|at| self.open[at].labels.get(name).copied())
    }
}
