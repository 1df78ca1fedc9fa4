//! A kernel, ready to run: decoded code and everything a launch needs to know about it.

use std::sync::Arc;

use super::inst::{Class, Inst};
use super::regs::{Row, Slot};
use crate::ptx::ast::SourceLoc;

/// Where an instruction came from and what it counts as.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Line in the PTX text.
    pub line: u32,
    pub source: Option<SourceLoc>,
    pub class: Class,
    /// Fused multiply-adds per lane.
    pub fmas: u8,
    /// Multiply-adds of the whole warp (mma).
    pub macs: u32,
    /// Not an instruction of the text: a jump that code layout needed. Not counted.
    pub synthetic: bool,
}

/// One kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    /// Byte offset in the parameter block.
    pub offset: usize,
    pub bytes: usize,
}

/// A kernel after lowering, device functions inlined.
pub struct Program {
    pub name: String,
    /// Instructions in an order in which every forward jump goes up, so that lanes which are behind
    /// catch up by running the lowest address first.
    pub code: Vec<Inst>,
    /// One per instruction.
    pub meta: Vec<Meta>,
    /// Operands of instructions with more than [`OPERANDS`](super::inst::OPERANDS).
    pub wide: Vec<Slot>,
    /// Constant pool.
    pub pool: Vec<Row>,
    /// Size of a warp's register file.
    pub rows: usize,
    pub preds: usize,
    pub params: Vec<Param>,
    pub param_bytes: usize,
    /// Static shared memory as the kernel declares it, bytes.
    pub shared_bytes: u32,
    /// The same with the gaps that catch overruns from one variable into the next; dynamic shared
    /// memory starts here.
    pub shared_span: u32,
    /// Bytes of shared memory that lie in gaps, as ranges.
    pub shared_gaps: Vec<std::ops::Range<u32>>,
    /// Bytes of the smallest access to shared and to global memory: how finely races are tracked.
    pub shared_granule: u32,
    pub global_granule: u32,
    /// Local memory of a thread, bytes.
    pub local_bytes: u32,
    /// Most 32-bit registers live at once: an estimate of what ptxas would allocate.
    pub registers: u32,
    /// `.maxntid` or `.reqntid`.
    pub max_threads: Option<u32>,
    pub required_threads: Option<[u32; 3]>,
    /// The module's sources and text, for messages.
    pub files: Arc<Vec<(u32, String)>>,
    pub text: Arc<Vec<String>>,
}

impl Program {
    /// The PTX instruction at `pc`, trimmed.
    pub fn instruction(&self, pc: usize) -> &str {
        let line = self.meta.get(pc).map_or(0, |meta| meta.line) as usize;
        line.checked_sub(1).and_then(|at| self.text.get(at)).map_or("", |text| text.trim())
    }
}
