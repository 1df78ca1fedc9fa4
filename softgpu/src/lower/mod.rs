//! Syntax tree → programs.
//!
//! `module` gives variables memory, `flatten` writes a kernel's calls out into one list,
//! `select` turns each instruction into a draft that knows its function, `cfg` cuts blocks and orders
//! them, `slots` hands out registers, and this file puts the program together.

mod cfg;
mod draft;
mod flatten;
mod module;
mod scope;
mod select;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::LoadError;
use crate::exec::inst::{ALWAYS, Action, Class, Inst, NONE, OPERANDS, find_runs};
use crate::exec::ops::control;
use crate::exec::program::{Meta, Program};
use crate::exec::regs::{LANES, Row, Slot};
use crate::gpu::Module;
use crate::memory::Memory;
use crate::ptx::ast::Function;

use cfg::Graph;
use draft::{Draft, Next, Passing, Ref};
use flatten::Builder;
use module::Symbols;
use slots::Slots;

/// Loads a module: all of its kernels, or none.
///
/// # Errors
/// [`LoadError`] with the line that is wrong or not supported.
pub fn load(memory: &Arc<Memory>, text: &str) -> Result<Module, LoadError> {
    let tree = crate::ptx::parse(text)?;
    if tree.address_size != 64 {
        return Err(LoadError::invalid(
            1,
            format!(".address_size {}: 64 is supported", tree.address_size),
        ));
    }
    let symbols = Symbols::new(memory, &tree, text)?;
    let mut kernels = HashMap::new();
    for function in tree.functions.iter().filter(|f| f.is_entry && f.body.is_some()) {
        match program(&symbols, function) {
            Ok(program) => kernels.insert(function.name.clone(), Arc::new(program)),
            Err(error) => {
                symbols.free(memory);
                return Err(error);
            }
        };
    }
    Ok(Module { memory: memory.clone(), kernels, symbols: symbols.variables })
}

fn program(symbols: &Symbols, kernel: &Function) -> Result<Program, LoadError> {
    if kernel.cluster.is_some() {
        return Err(LoadError::Unsupported {
            line: kernel.line,
            instruction: kernel.name.clone(),
            what: "a kernel that is launched in clusters of blocks".into(),
        });
    }
    let mut builder = Builder::build(symbols, kernel)?;
    let nodes = std::mem::take(&mut builder.nodes);
    let graph = Graph::new(nodes);
    let order = graph.order();
    let slots =
        slots::assign(&graph, &order, &builder.scopes.widths, builder.scopes.preds as usize);
    let mut emitter = Emitter {
        slots: &slots,
        dynamic: builder.shared_span,
        code: Vec::new(),
        meta: Vec::new(),
        // 0 means "no table" to an instruction.
        wide: vec![0],
        pool: Vec::new(),
        known: HashMap::new(),
    };
    emitter.emit(&graph, &order, kernel.line)?;
    let Emitter { mut code, meta, wide, pool, .. } = emitter;
    find_runs(&mut code);
    Ok(Program {
        name: kernel.name.clone(),
        code,
        meta,
        wide,
        pool,
        rows: slots.row_count,
        preds: slots.pred_count,
        params: builder.params,
        param_bytes: builder.param_bytes as usize,
        shared_bytes: builder.shared_bytes,
        shared_span: builder.shared_span,
        shared_gaps: builder.shared_gaps,
        shared_variables: builder.shared_variables,
        shared_granule: builder.shared_granule,
        global_granule: builder.global_granule,
        local_bytes: builder.local_bytes,
        registers: slots.pressure.next_multiple_of(8).clamp(16, 255),
        max_threads: kernel.max_threads,
        required_threads: kernel.required_threads,
        files: symbols.files.clone(),
        text: symbols.text.clone(),
    })
}

/// Lays blocks out and turns drafts into instructions.
struct Emitter<'a> {
    slots: &'a Slots,
    /// Where dynamic shared memory starts.
    dynamic: u32,
    code: Vec<Inst>,
    meta: Vec<Meta>,
    wide: Vec<Slot>,
    pool: Vec<Row>,
    known: HashMap<Ref, Slot>,
}

impl Emitter<'_> {
    fn emit(&mut self, graph: &Graph, order: &[usize], line: u32) -> Result<(), LoadError> {
        let mut starts = vec![usize::MAX; graph.blocks.len()];
        // Jumps whose targets are blocks: instruction, block; and table entries of indexed ones.
        let mut jumps = Vec::new();
        let mut entries = Vec::new();
        for (position, &at) in order.iter().enumerate() {
            starts[at] = self.code.len();
            let block = &graph.blocks[at];
            for draft in &block.drafts {
                self.inst(draft);
                let missing = |label| {
                    LoadError::invalid(
                        draft.meta.line,
                        format!("a jump to label {label}, which is nowhere"),
                    )
                };
                match &draft.next {
                    Next::Jump(label) => {
                        let target = *graph.labels.get(label).ok_or_else(|| missing(label))?;
                        jumps.push((self.code.len() - 1, target));
                    }
                    Next::Indexed(labels) => {
                        if let Some(inst) = self.code.last_mut() {
                            inst.imm = self.wide.len() as i64;
                        }
                        self.wide.push(labels.len() as Slot);
                        for label in labels {
                            let target = *graph.labels.get(label).ok_or_else(|| missing(label))?;
                            entries.push((self.wide.len(), target));
                            self.wide.push(0);
                        }
                    }
                    Next::Straight | Next::End => {}
                }
            }
            let behind = order.get(position + 1).copied();
            match block.falls_to {
                Some(next) if Some(next) != behind => {
                    self.jump(block.drafts.last().map_or(line, |draft| draft.meta.line));
                    jumps.push((self.code.len() - 1, next));
                }
                _ => {}
            }
        }
        for (at, block) in jumps {
            self.code[at].imm = starts[block] as i64;
        }
        for (at, block) in entries {
            self.wide[at] = starts[block] as Slot;
        }
        Ok(())
    }

    /// A jump that the layout needs.
    fn jump(&mut self, line: u32) {
        self.code.push(Inst {
            action: Action::Warp(control::branch),
            imm: 0,
            ops: [NONE; OPERANDS],
            guard: ALWAYS,
            wide: 0,
            run: 1,
        });
        let meta =
            Meta { line, source: None, class: Class::Control, fmas: 0, macs: 0, synthetic: true };
        self.meta.push(meta);
    }

    fn inst(&mut self, draft: &Draft) {
        let operands: Vec<Slot> =
            draft.results.iter().chain(&draft.sources).map(|r| self.slot(*r)).collect();
        let mut ops = [NONE; OPERANDS];
        let mut table = |operands: &[Slot]| {
            let at = self.wide.len();
            self.wide.extend_from_slice(operands);
            at as u32
        };
        let wide = match draft.passing {
            Passing::Table => table(&operands),
            Passing::Either(flags) if operands.len() > OPERANDS => table(&operands) << 8 | flags,
            Passing::InPlace(flags) | Passing::Either(flags) => flags,
        };
        for (op, slot) in ops.iter_mut().zip(&operands) {
            *op = *slot;
        }
        let guard = draft.guard.map_or(ALWAYS, |(pred, negated)| {
            self.slots.preds[pred as usize] << 1 | i32::from(negated)
        });
        self.code.push(Inst { action: draft.action, imm: draft.imm, ops, guard, wide, run: 1 });
        self.meta.push(draft.meta.clone());
    }

    fn slot(&mut self, operand: Ref) -> Slot {
        match operand {
            Ref::None => NONE,
            Ref::Reg(reg) => self.slots.rows[reg as usize],
            Ref::Pred(pred) => self.slots.preds[pred as usize],
            Ref::Word(word) => self.constant(operand, u64::from(word), false),
            Ref::Double(double) => self.constant(operand, double, true),
            Ref::Dynamic { offset, double } => {
                self.constant(operand, u64::from(self.dynamic + offset), double)
            }
        }
    }

    fn constant(&mut self, key: Ref, bits: u64, double: bool) -> Slot {
        if let Some(&slot) = self.known.get(&key) {
            return slot;
        }
        let slot = !(self.pool.len() as Slot);
        if double {
            // Two rows read as one [u64; 32].
            for _ in 0..2 {
                let halves = |lane: usize| {
                    if lane.is_multiple_of(2) { bits as u32 } else { (bits >> 32) as u32 }
                };
                self.pool.push(Row(std::array::from_fn(halves)));
            }
        } else {
            self.pool.push(Row([bits as u32; LANES]));
        }
        self.known.insert(key, slot);
        slot
    }
}
