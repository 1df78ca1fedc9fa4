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

/// A static variable of shared memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedVariable {
    /// As PTX names it.
    pub name: String,
    /// Where its bytes lie, gaps counted.
    pub place: std::ops::Range<u32>,
}

impl SharedVariable {
    /// The name in the source, for `_ZZ<function>E<length><name>` of the Itanium C++ ABI ("Scope
    /// encoding"), else as it is.
    fn source_name(&self) -> &str {
        let local = |(at, _): (usize, &str)| {
            let rest = self.name.get(at + 1..)?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (length, name) = rest.split_at(digits);
            let length: usize = length.parse().ok()?;
            let (name, behind) = name.split_at_checked(length)?;
            (behind.is_empty() || behind.starts_with('_')).then_some(name)
        };
        let mangled = self.name.starts_with("_ZZ");
        let found = mangled.then(|| self.name.match_indices('E').find_map(local));
        found.flatten().unwrap_or(&self.name)
    }
}

impl std::fmt::Display for SharedVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes of shared memory)", self.source_name(), self.place.len())
    }
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
    /// In the order of their places.
    pub shared_variables: Vec<SharedVariable>,
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
    /// What lies at an address of shared memory, in words; `bytes` is what the block has in all.
    pub fn shared_place(&self, address: u32, bytes: u32) -> String {
        let dynamic = bytes.saturating_sub(self.shared_span);
        if dynamic > 0 && (self.shared_span..bytes).contains(&address) {
            let offset = address - self.shared_span;
            return format!("byte {offset} of {dynamic} bytes of dynamic shared memory");
        }
        if dynamic > 0 && (address as i32) >= bytes as i32 {
            let off = address - bytes;
            return format!("{off} bytes behind {dynamic} bytes of dynamic shared memory");
        }
        let before =
            |variable: &&SharedVariable| address as i32 >= 0 && variable.place.start <= address;
        match (self.shared_variables.iter().rfind(before), self.shared_variables.first()) {
            (Some(found), _) if found.place.contains(&address) => {
                format!("byte {} of {found}", address - found.place.start)
            }
            (Some(found), _) => format!("{} bytes behind {found}", address - found.place.end),
            (None, Some(first)) => {
                format!("{} bytes before {first}", first.place.start.wrapping_sub(address))
            }
            (None, None) => format!("the block has {bytes} bytes"),
        }
    }

    /// The PTX instruction at `pc`, trimmed.
    pub fn instruction(&self, pc: usize) -> &str {
        let line = self.meta.get(pc).map_or(0, |meta| meta.line) as usize;
        line.checked_sub(1).and_then(|at| self.text.get(at)).map_or("", |text| text.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_variable_is_called_as_in_the_source() {
        let cases = [
            ("_ZZ18partly_filled_tileE4tile", "tile"),
            ("_ZZ14transpose_tileILi32EEvPKfPfiiE4tile", "tile"),
            ("_ZZ1fE5TILES", "TILES"),
            ("_ZZ1fE4tile_0", "tile"),
            ("_ZZ1fE99tile", "_ZZ1fE99tile"),
            ("_ZZ1fE99999999999999999999x", "_ZZ1fE99999999999999999999x"),
            ("_ZZ1fEé", "_ZZ1fEé"),
            ("dynamic", "dynamic"),
            ("shared_E4tile", "shared_E4tile"),
        ];
        for (name, wanted) in cases {
            let variable = SharedVariable { name: name.to_owned(), place: 0..4 };
            assert_eq!(variable.source_name(), wanted);
        }
    }
}
