//! A kernel's body as one list of drafts, calls of device functions written out in place.
//!
//! Parameters of a call are bytes in the thread's local memory: the caller's argument variable and the
//! callee's parameter are the same bytes.

use std::collections::HashMap;
use std::ops::Range;

use super::draft::{Draft, Node};
use super::module::Symbols;
use super::scope::{Scopes, Spot};
use crate::error::LoadError;
use crate::exec::program::{Param, SharedVariable};
use crate::ptx::ast::{Function, Instruction, Operand, Space, Statement, Variable};

/// Most instructions a kernel may have after its calls are written out.
const MOST_INSTRUCTIONS: usize = 2_000_000;
/// Bytes of local memory that a thread can have (CUDA C++ Programming Guide, Technical Specifications).
const MOST_LOCAL: u32 = 512 << 10;
/// Empty bytes behind each shared variable, which no correct kernel touches. A multiple of 128, so that
/// no variable changes its banks.
const GAP: u32 = 128;

/// A kernel on its way to a program.
pub struct Builder<'m> {
    pub symbols: &'m Symbols<'m>,
    pub scopes: Scopes,
    pub nodes: Vec<Node>,
    pub params: Vec<Param>,
    pub param_bytes: u32,
    pub local_bytes: u32,
    /// Shared variables: bytes as declared, bytes with gaps, the gaps.
    pub shared_bytes: u32,
    pub shared_span: u32,
    pub shared_gaps: Vec<Range<u32>>,
    pub shared_variables: Vec<SharedVariable>,
    shared: HashMap<String, u32>,
    /// Bytes of gaps in front of the next shared variable.
    shared_shift: u32,
    /// Strictest alignment of a dynamic shared variable.
    dynamic_align: u32,
    /// Smallest access to shared and to global memory so far.
    pub shared_granule: u32,
    pub global_granule: u32,
    calls: Vec<String>,
    /// Where `ret` goes in the function that is being written out; `None` in the kernel itself.
    pub return_to: Option<u32>,
}

impl<'m> Builder<'m> {
    /// Flattens the entry `kernel`.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn build(symbols: &'m Symbols<'m>, kernel: &Function) -> Result<Self, LoadError> {
        let mut builder = Self {
            symbols,
            scopes: Scopes::new(),
            nodes: Vec::new(),
            params: Vec::new(),
            param_bytes: 0,
            local_bytes: 0,
            shared_bytes: 0,
            shared_span: 0,
            shared_gaps: Vec::new(),
            shared_variables: Vec::new(),
            shared: HashMap::new(),
            shared_shift: 0,
            dynamic_align: 16,
            shared_granule: 4,
            global_granule: 4,
            calls: vec![kernel.name.clone()],
            return_to: None,
        };
        builder.scopes.open(true);
        for param in &kernel.params {
            let offset = place(&mut builder.param_bytes, param)?;
            let bytes = param.bytes() as usize;
            builder.params.push(Param { name: param.name.clone(), offset: offset as usize, bytes });
            builder.scopes.add_variable(&param.name, Spot::Param(offset));
        }
        builder.body(kernel)?;
        builder.scopes.close();
        builder.push(super::select::exit_at_end(kernel.line));
        builder.place_dynamic();
        if builder.local_bytes > MOST_LOCAL {
            let what = format!(
                "{} bytes of local memory a thread, {MOST_LOCAL} are there",
                builder.local_bytes
            );
            return Err(LoadError::invalid(kernel.line, what));
        }
        Ok(builder)
    }

    /// Puts dynamic shared memory behind the last gap; it keeps its alignment and banks.
    fn place_dynamic(&mut self) {
        if let Some(gap) = self.shared_gaps.last_mut() {
            let shift = self.shared_shift.next_multiple_of(self.dynamic_align.max(GAP));
            self.shared_span = self.shared_bytes.next_multiple_of(self.dynamic_align) + shift;
            gap.end = self.shared_span;
        }
    }

    fn body(&mut self, function: &Function) -> Result<(), LoadError> {
        let body = function.body.as_deref().unwrap_or(&[]);
        self.announce(body)?;
        for (at, statement) in body.iter().enumerate() {
            match statement {
                Statement::Open => {
                    self.scopes.open(false);
                    self.announce(&body[at + 1..])?;
                }
                Statement::Close => self.scopes.close(),
                Statement::Label { name, line } => {
                    let label = self.scopes.label(name);
                    let label =
                        label.ok_or_else(|| LoadError::invalid(*line, format!("label {name}")))?;
                    self.nodes.push(Node::Label(label));
                }
                Statement::Register { name, count, ty, .. } => {
                    self.scopes.declare(name, *count, *ty)
                }
                Statement::Variable(variable) => self.variable(variable, &function.name)?,
                Statement::BranchTargets { name, targets, .. } => {
                    self.scopes.add_table(name, targets.clone());
                }
                // A call through a register names one; the call itself is refused.
                Statement::CallPrototype { .. } => {}
                Statement::Instruction(instruction) => self.instruction(instruction)?,
            }
            if self.nodes.len() > MOST_INSTRUCTIONS {
                let what =
                    format!("{} has more than {MOST_INSTRUCTIONS} instructions", self.calls[0]);
                return Err(LoadError::invalid(function.line, what));
            }
        }
        Ok(())
    }

    /// Labels and tables of the innermost scope, which starts with `body`: jumps go forward too.
    fn announce(&mut self, body: &[Statement]) -> Result<(), LoadError> {
        let mut depth = 0;
        for statement in body {
            match statement {
                Statement::Open => depth += 1,
                Statement::Close if depth == 0 => break,
                Statement::Close => depth -= 1,
                Statement::Label { name, .. } if depth == 0 => self.scopes.add_label(name),
                Statement::BranchTargets { name, targets, .. } if depth == 0 => {
                    self.scopes.add_table(name, targets.clone());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn variable(&mut self, variable: &Variable, function: &str) -> Result<(), LoadError> {
        let spot = match variable.space {
            Space::Local => Spot::Local(place(&mut self.local_bytes, variable)?),
            Space::Param => Spot::Frame(place(&mut self.local_bytes, variable)?),
            // One variable for all calls of the function, as it is one in C++.
            Space::Shared => {
                self.shared_spot(variable, &format!("{function} {}", variable.name))?
            }
            _ => {
                let what = format!("a {:?} variable inside a function", variable.space);
                return Err(LoadError::invalid(variable.line, what));
            }
        };
        self.scopes.add_variable(&variable.name, spot);
        Ok(())
    }

    /// Where a shared variable lies; it gets its place when it is first met.
    fn shared_spot(&mut self, variable: &Variable, key: &str) -> Result<Spot, LoadError> {
        if variable.elements.is_none() {
            let align = u32::try_from(variable.align).unwrap_or(16);
            self.dynamic_align = self.dynamic_align.max(align);
            return Ok(Spot::Dynamic(0));
        }
        if let Some(&offset) = self.shared.get(key) {
            return Ok(Spot::Shared(offset));
        }
        let offset = place(&mut self.shared_bytes, variable)?;
        // Gaps leave every variable as aligned as it was.
        let align = u32::try_from(variable.align).unwrap_or(GAP).max(GAP);
        let shift = self.shared_shift.checked_next_multiple_of(align);
        let moved = shift.and_then(|shift| Some((shift, offset.checked_add(shift)?)));
        let Some((shift, moved)) = moved.filter(|(_, moved)| *moved < 1 << 30) else {
            return Err(LoadError::invalid(
                variable.line,
                format!("{} is too large", variable.name),
            ));
        };
        if let Some(gap) = self.shared_gaps.last_mut() {
            gap.end = moved;
        }
        let end = (moved + variable.bytes() as u32).next_multiple_of(4);
        self.shared.insert(key.to_owned(), moved);
        self.shared_shift = shift + GAP;
        self.shared_gaps.push(end..end + GAP);
        let place = moved..moved + variable.bytes() as u32;
        self.shared_variables.push(SharedVariable { name: variable.name.clone(), place });
        Ok(Spot::Shared(moved))
    }

    /// Where the variable or symbol of that name lies.
    pub fn spot(&mut self, name: &str, line: u32) -> Result<Option<Spot>, LoadError> {
        if let Some(spot) = self.scopes.variable(name) {
            return Ok(Some(spot));
        }
        if let Some(variable) = self.symbols.shared(name) {
            return self.shared_spot(variable, name).map(Some);
        }
        if self.symbols.functions.contains_key(name) {
            let what = format!(
                "the address of the function {name}: calls through pointers do not run here"
            );
            return Err(LoadError::invalid(line, what));
        }
        Ok(self.symbols.address(name).map(Spot::Global))
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<(), LoadError> {
        if instruction.opcode == "call" {
            return self.call(instruction);
        }
        super::select::select(self, instruction)
    }

    pub fn push(&mut self, draft: Draft) {
        self.nodes.push(Node::Inst(draft));
    }

    fn call(&mut self, instruction: &Instruction) -> Result<(), LoadError> {
        let line = instruction.line;
        let lists: Vec<&[Operand]> = instruction
            .operands
            .iter()
            .filter_map(|operand| match operand {
                Operand::List(items) => Some(items.as_slice()),
                _ => None,
            })
            .collect();
        let at =
            instruction.operands.iter().position(|operand| matches!(operand, Operand::Name(_)));
        let Some(Operand::Name(name)) = at.and_then(|at| instruction.operands.get(at)) else {
            return Err(LoadError::invalid(line, "a call without a function"));
        };
        let (returns, arguments) = match (at, lists.as_slice()) {
            (Some(0), []) => (&[][..], &[][..]),
            (Some(0), [arguments]) => (&[][..], *arguments),
            (Some(1), [returns]) => (*returns, &[][..]),
            (Some(1), [returns, arguments]) => (*returns, *arguments),
            _ => {
                return Err(LoadError::invalid(
                    line,
                    "a call with other lists than (returns), (arguments)",
                ));
            }
        };
        if let Some(result) =
            super::select::system_call(self, instruction, name, returns, arguments)
        {
            return result;
        }
        let Some(function) = self.symbols.functions.get(name.as_str()).filter(|f| f.body.is_some())
        else {
            return Err(LoadError::Unsupported {
                line,
                instruction: format!("call {name}"),
                what: "no function of that name is defined in the module, and the device has none"
                    .into(),
            });
        };
        if instruction.guard.is_some() {
            return Err(LoadError::Unsupported {
                line,
                instruction: format!("call {name}"),
                what: "a guarded call".into(),
            });
        }
        self.written_out(function, returns, arguments, line)
    }

    /// Writes a device function out in place of a call.
    fn written_out(
        &mut self,
        function: &'m Function,
        returns: &[Operand],
        arguments: &[Operand],
        line: u32,
    ) -> Result<(), LoadError> {
        if self.calls.contains(&function.name) {
            return Err(LoadError::Unsupported {
                line,
                instruction: format!("call {}", function.name),
                what: "a function that calls itself, directly or by others".into(),
            });
        }
        let mut bound = Vec::new();
        for (formal, actual) in [(&function.returns, returns), (&function.params, arguments)] {
            if formal.len() != actual.len() {
                let what =
                    format!("{}: {} given, {} wanted", function.name, actual.len(), formal.len());
                return Err(LoadError::invalid(line, what));
            }
            for (formal, actual) in formal.iter().zip(actual) {
                let Operand::Name(actual) = actual else {
                    return Err(LoadError::invalid(
                        line,
                        "a call argument that is no .param variable",
                    ));
                };
                let Some(spot @ Spot::Frame(_)) = self.scopes.variable(actual) else {
                    let what = format!("call argument {actual} is no .param variable");
                    return Err(LoadError::invalid(line, what));
                };
                bound.push((formal.name.clone(), spot));
            }
        }
        let end = self.scopes.fresh_label();
        let outer = self.return_to.replace(end);
        self.calls.push(function.name.clone());
        self.scopes.open(true);
        for (name, spot) in bound {
            self.scopes.add_variable(&name, spot);
        }
        self.body(function)?;
        self.scopes.close();
        self.calls.pop();
        self.return_to = outer;
        self.nodes.push(Node::Label(end));
        Ok(())
    }
}

/// Gives a variable the next aligned place in a space that has `used` bytes so far.
fn place(used: &mut u32, variable: &Variable) -> Result<u32, LoadError> {
    let align = variable.align.max(1);
    let offset = u64::from(*used).checked_next_multiple_of(align);
    let end = offset.and_then(|offset| offset.checked_add(variable.bytes()));
    match (offset, end) {
        (Some(offset), Some(end)) if end < 1 << 30 => {
            *used = end as u32;
            Ok(offset as u32)
        }
        _ => Err(LoadError::invalid(variable.line, format!("{} is too large", variable.name))),
    }
}
