//! A decoded instruction: a function pointer, slots, and what the counters need to know.

use super::regs::{Regs, Slot};
use super::warp::{Flow, Warp};

/// Kind of register an operand position takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    /// A predicate.
    Pred,
    /// 8 or 16 bits in the low part of one row.
    H,
    /// One row.
    W,
    /// Two rows.
    D,
    /// One row; a floating immediate is rounded to f32.
    F32,
    /// Two rows; a floating immediate is an f64.
    F64,
    /// An integer known at load, not a register: goes to [`Inst::imm`]. At most one per instruction.
    Imm,
}

/// Most operands an instruction keeps in place; more go to `Program::wide`.
pub const OPERANDS: usize = 6;

/// Computes on registers and nothing else: registers, instructions that are executed one after the other,
/// the lanes that take part. Products of matrices are long runs of one instruction, which one call executes.
///
/// # Safety
/// The CPU has the features the function was compiled for (see [`Alu`]).
pub type AluFn = unsafe fn(&mut Regs, &[Inst], u32);
/// Touches memory, other lanes or control flow.
///
/// # Safety
/// The CPU has the features the function was compiled for.
pub type WarpFn = unsafe fn(&mut Warp, &Inst, u32) -> Flow;

/// What runs an instruction.
#[derive(Clone, Copy)]
pub enum Action {
    Alu(AluFn),
    Warp(WarpFn),
}

/// No guard.
pub const ALWAYS: i32 = -1;

/// One instruction, ready to run. `Program::meta` at the same index says where it came from.
#[derive(Clone, Copy)]
pub struct Inst {
    pub action: Action,
    /// The number of the instruction that is no register: an offset, a LUT, a size, a jump target, or
    /// [`Selected::imm`].
    pub imm: i64,
    /// Results first, then sources, in the order of PTX without the [`Ty::Imm`] ones. A result that is
    /// not wanted (`_`, or a missing second one of `setp`) is [`NONE`].
    pub ops: [Slot; OPERANDS],
    /// Predicate slot shifted left by one, lowest bit set for `@!p`; [`ALWAYS`] without guard.
    pub guard: i32,
    /// First index into `Program::wide` for instructions with more operands, else 0.
    pub wide: u32,
    /// How many instructions from this one on have its [`AluFn`] and no guard: at least 1.
    pub run: u32,
}

/// Sets [`Inst::run`] of a whole program.
pub fn find_runs(code: &mut [Inst]) {
    let same = |a: &Inst, b: &Inst| match (a.action, b.action) {
        (Action::Alu(a_fn), Action::Alu(b_fn)) => {
            a.guard == ALWAYS && b.guard == ALWAYS && std::ptr::fn_addr_eq(a_fn, b_fn)
        }
        _ => false,
    };
    for pc in (1..code.len()).rev() {
        if same(&code[pc - 1], &code[pc]) {
            code[pc - 1].run = code[pc].run + 1;
        }
    }
}

/// A result that is not wanted.
pub const NONE: Slot = Slot::MIN;

/// Two compilations of one register function: with AVX2, FMA and F16C, and for any CPU.
#[derive(Clone, Copy)]
pub struct Alu {
    pub fast: AluFn,
    pub plain: AluFn,
}

impl Alu {
    /// The one this CPU runs.
    pub fn pick(self) -> AluFn {
        if has_fast_path() { self.fast } else { self.plain }
    }
}

/// Whether this CPU has AVX2, FMA and F16C.
pub fn has_fast_path() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::sync::LazyLock;
        static FAST: LazyLock<bool> = LazyLock::new(|| {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
        });
        *FAST
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Compiles one body twice: `alu!(|regs, inst, mask| map2(regs, inst.ops[0], …))` is an [`Alu`].
/// Closures written inside the body are compiled with the features as well.
macro_rules! alu {
    (|$regs:ident, $inst:ident, $mask:ident| $body:expr) => {{
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
        fn fast(
            $regs: &mut $crate::exec::regs::Regs,
            run: &[$crate::exec::inst::Inst],
            $mask: u32,
        ) {
            for $inst in run {
                $body
            }
        }
        fn plain(
            $regs: &mut $crate::exec::regs::Regs,
            run: &[$crate::exec::inst::Inst],
            $mask: u32,
        ) {
            for $inst in run {
                $body
            }
        }
        $crate::exec::inst::Alu { fast, plain }
    }};
}
pub(crate) use alu;

/// What the counters count an instruction as.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Fused multiply-add in f32.
    Fma32,
    /// Other f32 arithmetic: add, mul, min, max, abs, neg, compare, division, roots.
    Float32,
    /// f64 arithmetic, fused ones included.
    Float64,
    /// f16, bf16 and their pairs, fused ones included.
    Half,
    /// Approximate functions of the special function unit: rcp, rsqrt, ex2, lg2, sin, cos, tanh.
    Special,
    /// Integer arithmetic and logic, compares included.
    Integer,
    /// cvt, cvta.
    Convert,
    /// mov, selp, prmt between registers, reading special registers and parameters.
    Move,
    /// bra, brx, call, ret, exit.
    Control,
    LoadGlobal,
    StoreGlobal,
    LoadShared,
    StoreShared,
    LoadLocal,
    StoreLocal,
    LoadConst,
    /// atom and red, any space.
    Atomic,
    /// cp.async and its groups.
    AsyncCopy,
    /// shfl, vote, match, redux, activemask.
    WarpExchange,
    /// bar, barrier, bar.warp.sync, membar, fence.
    Barrier,
    /// ldmatrix.
    MatrixLoad,
    /// mma.sync.
    Mma,
}

impl Class {
    /// The class in words.
    pub fn name(self) -> &'static str {
        match self {
            Class::Fma32 => "f32 fused multiply-add",
            Class::Float32 => "f32, other",
            Class::Float64 => "f64",
            Class::Half => "f16 and bf16",
            Class::Special => "special functions",
            Class::Integer => "integer and logic",
            Class::Convert => "conversions",
            Class::Move => "moves and parameters",
            Class::Control => "control",
            Class::LoadGlobal => "global loads",
            Class::StoreGlobal => "global stores",
            Class::LoadShared => "shared loads",
            Class::StoreShared => "shared stores",
            Class::LoadLocal => "local loads",
            Class::StoreLocal => "local stores",
            Class::LoadConst => "constant loads",
            Class::Atomic => "atomics",
            Class::AsyncCopy => "asynchronous copies",
            Class::WarpExchange => "exchange between lanes",
            Class::Barrier => "barriers and fences",
            Class::MatrixLoad => "ldmatrix",
            Class::Mma => "mma",
        }
    }
}

/// What an ALU family answers for an instruction that it implements.
#[derive(Clone, Copy)]
pub struct Selected {
    pub alu: Alu,
    /// Kinds of the results, in PTX order (`setp` always lists two).
    pub results: &'static [Ty],
    /// Kinds of the sources, in PTX order.
    pub sources: &'static [Ty],
    pub class: Class,
    /// Fused multiply-adds per lane (1 for fma.f32, 2 for fma.f16x2), for the FMA counter.
    pub fmas: u8,
    /// What [`Inst::imm`] is (modifiers that the body reads: a rounding, a comparison), unless a source
    /// of kind [`Ty::Imm`] gives it.
    pub imm: i64,
}
