//! The syntax tree of a PTX module, as close to the text as later passes need.
//!
//! Nothing is interpreted here: an opcode is its first word, modifiers are the words behind it in the
//! order written, registers and symbols are names. Each node knows the line it came from.

/// One PTX module (one translation unit).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// `.version major.minor`.
    pub version: (u32, u32),
    /// The targets named by `.target`, `sm_80` first.
    pub targets: Vec<String>,
    /// `.address_size`, 64 where the directive is missing.
    pub address_size: u32,
    /// `.file index "name"`: the sources that `.loc` refers to.
    pub files: Vec<(u32, String)>,
    /// Module-scope variables in the order declared (`.global`, `.const`, `.shared`).
    pub variables: Vec<Variable>,
    /// Entries and device functions, declarations (`.extern`, forward) included.
    pub functions: Vec<Function>,
    /// `.alias new, old;`: two names of one function.
    pub aliases: Vec<(String, String)>,
}

/// A state space that a variable, parameter or access can lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    Reg,
    Global,
    Const,
    Shared,
    Local,
    Param,
}

/// A fundamental type. `B` types are untyped bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Pred,
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    Bf16,
    Bf16x2,
    F32,
    F64,
}

impl Type {
    /// Size in bytes; a predicate counts as one.
    pub fn bytes(self) -> usize {
        use Type::*;
        match self {
            Pred | B8 | U8 | S8 => 1,
            B16 | U16 | S16 | F16 | Bf16 => 2,
            B32 | U32 | S32 | F16x2 | Bf16x2 | F32 => 4,
            B64 | U64 | S64 | F64 => 8,
            B128 => 16,
        }
    }

    /// The type a modifier or declaration word names, without its dot: `u32` → [`Type::U32`].
    pub fn from_name(name: &str) -> Option<Type> {
        use Type::*;
        Some(match name {
            "pred" => Pred,
            "b8" => B8,
            "b16" => B16,
            "b32" => B32,
            "b64" => B64,
            "b128" => B128,
            "u8" => U8,
            "u16" => U16,
            "u32" => U32,
            "u64" => U64,
            "s8" => S8,
            "s16" => S16,
            "s32" => S32,
            "s64" => S64,
            "f16" => F16,
            "f16x2" => F16x2,
            "bf16" => Bf16,
            "bf16x2" => Bf16x2,
            "f32" => F32,
            "f64" => F64,
            _ => return None,
        })
    }
}

/// A variable in memory: module scope, function scope (`.shared`, `.local`, `.param`) or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    pub space: Space,
    pub ty: Type,
    /// Vector width of the declaration (`.v2`, `.v4`), else 1.
    pub vector: u32,
    /// `.align`, or the natural alignment of type and vector where the directive is missing.
    pub align: u64,
    /// Elements of the array; 1 for a scalar; `None` for `[]` (dynamic shared memory).
    pub elements: Option<u64>,
    /// Initial contents, empty where the declaration has none.
    pub init: Vec<Init>,
    /// Declared `.extern`: defined elsewhere (dynamic shared memory is).
    pub is_extern: bool,
    pub line: u32,
}

impl Variable {
    /// Bytes the variable takes; 0 for `[]`.
    pub fn bytes(&self) -> u64 {
        self.elements.unwrap_or(0) * u64::from(self.vector) * self.ty.bytes() as u64
    }
}

/// One element of an initialiser list (nested braces flattened in order).
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// An integer or the bits of a floating number, truncated to the variable's type.
    Bits(u64),
    /// The address of a symbol plus a byte offset; `generic` for `generic(symbol)`.
    Address { symbol: String, offset: i64, generic: bool },
    /// One byte of such an address, 0 the lowest: nvcc spells a pointer in a packed structure
    /// `0xFF(generic(symbol)+4), 0xFF00(generic(symbol)+4), …`, eight bytes in order.
    AddressByte { symbol: String, offset: i64, generic: bool, byte: u32 },
}

/// `.entry` or `.func`.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub name: String,
    /// `.entry`: can be launched.
    pub is_entry: bool,
    pub is_extern: bool,
    /// Return parameters of a `.func`.
    pub returns: Vec<Variable>,
    pub params: Vec<Variable>,
    /// `.maxntid`, product of its numbers.
    pub max_threads: Option<u32>,
    /// `.reqntid`.
    pub required_threads: Option<[u32; 3]>,
    /// `.minnctapersm`.
    pub min_blocks: Option<u32>,
    /// `.maxnreg`.
    pub max_registers: Option<u32>,
    /// `.reqnctapercluster`; zeros for `.explicitcluster` alone (the launch must name a cluster).
    pub cluster: Option<[u32; 3]>,
    /// `None` for a declaration.
    pub body: Option<Vec<Statement>>,
    pub line: u32,
}

/// One statement of a function body, in the order written. Scopes are kept because inline assembly
/// declares registers in them that hide outer ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `{`
    Open,
    /// `}`
    Close,
    /// `name:`
    Label {
        name: String,
        line: u32,
    },
    /// `.reg .b32 %r<10>;` as (`%r`, Some(10)) or `.reg .pred p;` as (`p`, None), one per name.
    Register {
        name: String,
        count: Option<u32>,
        ty: Type,
        line: u32,
    },
    /// A variable declared in the body.
    Variable(Variable),
    /// `label: .branchtargets a, b, c;`
    BranchTargets {
        name: String,
        targets: Vec<String>,
        line: u32,
    },
    /// `label: .callprototype (returns) _ (params);`: what a call through a register passes. The
    /// parameters are named `_`.
    CallPrototype {
        name: String,
        returns: Vec<Variable>,
        params: Vec<Variable>,
        line: u32,
    },
    Instruction(Instruction),
}

/// A place in the CUDA source, from `.loc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SourceLoc {
    /// Index into [`Module::files`].
    pub file: u32,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// `@%p` or `@!%p`.
    pub guard: Option<Guard>,
    /// First word: `fma` of `fma.rn.f32`.
    pub opcode: String,
    /// The words behind it: `["rn", "f32"]`. `::` stays inside a word (`shared::cta`, `L2::128B`).
    pub modifiers: Vec<String>,
    pub operands: Vec<Operand>,
    /// Line in the PTX text, from 1.
    pub line: u32,
    /// The nearest `.loc` of the function before it: the innermost place, not the one it was inlined
    /// into. `None` before the first and after one of line 0, by which the compiler says that what
    /// follows belongs to no line.
    pub source: Option<SourceLoc>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    pub register: String,
    pub negated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register, special registers (`%tid.x`, `%laneid`) included, or a symbol or label: any bare name.
    Name(String),
    /// `!%p`
    Not(String),
    /// `symbol+8` outside brackets (`mov.u64 %rd1, table+8`).
    NameOffset(String, i64),
    /// An integer; negative ones as two's complement bits of 64.
    Int(u64),
    /// `0f3F800000`: the bits of an f32.
    F32(u32),
    /// `0d…` or a decimal number with a point: the bits of an f64.
    F64(u64),
    /// `[base+offset]`
    Address { base: Base, offset: i64 },
    /// `{a, b, c, d}`
    Vector(Vec<Operand>),
    /// `a|b` (`setp` with two results, `shfl` with its predicate).
    Pair(Box<Operand>, Box<Operand>),
    /// `_`: result not wanted.
    Sink,
    /// `(a, b)`: the argument or return list of a call.
    List(Vec<Operand>),
}

/// What an address starts from.
#[derive(Clone, Debug, PartialEq)]
pub enum Base {
    /// A register or a symbol.
    Name(String),
    /// An absolute address.
    Absolute(u64),
}
