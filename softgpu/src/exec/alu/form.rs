//! What the families share: a reader of modifiers, and macros that make a form of a scalar function.

use crate::exec::inst::{Selected, Ty};
use crate::exec::regs::{CHUNK, LANES, Lane, Regs, Slot};
use crate::ptx::ast::{Instruction, Operand};

/// The modifiers of an instruction, read from left to right. A form is known only if every word was
/// taken, so no modifier can be overlooked.
pub struct Form<'a> {
    pub opcode: &'a str,
    pub operands: &'a [Operand],
    words: &'a [String],
}

impl<'a> Form<'a> {
    pub fn new(instruction: &'a Instruction) -> Self {
        Self {
            opcode: &instruction.opcode,
            operands: &instruction.operands,
            words: &instruction.modifiers,
        }
    }

    /// Takes the next word if it is this one.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.words.first().is_some_and(|next| next == word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    /// Takes the next word if the table names it, and gives what stands beside it.
    pub fn one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        let next = self.words.first()?;
        let (_, value) = table.iter().find(|(word, _)| next == word)?;
        self.words = &self.words[1..];
        Some(*value)
    }

    /// Takes the next word, "" at the end.
    pub fn word(&mut self) -> &'a str {
        let (next, rest) = match self.words {
            [next, rest @ ..] => (next.as_str(), rest),
            [] => ("", self.words),
        };
        self.words = rest;
        next
    }

    /// Takes the last word, which is the type in most forms; "" if there is none.
    pub fn last(&mut self) -> &'a str {
        let (last, rest) = match self.words {
            [rest @ .., last] => (last.as_str(), rest),
            [] => ("", self.words),
        };
        self.words = rest;
        last
    }

    /// Whether nothing is left.
    pub fn is_read(&self) -> bool {
        self.words.is_empty()
    }
}

impl Selected {
    /// With this many fused multiply-adds per lane.
    pub fn fmas(mut self, fmas: u8) -> Self {
        self.fmas = fmas;
        self
    }

    /// With this number for the body.
    pub fn imm(mut self, imm: i64) -> Self {
        self.imm = imm;
        self
    }
}

/// The kind of register that a lane type lives in.
pub trait Kind: Lane {
    const TY: Ty;
}

macro_rules! kinds {
    ($($ty:ty => $kind:ident),*) => { $(impl Kind for $ty { const TY: Ty = Ty::$kind; })* };
}
kinds!(u8 => H, i8 => H, u16 => H, i16 => H, u32 => W, i32 => W, f32 => F32, u64 => D, i64 => D, f64 => F64);

/// A form of one to three sources: `op!(Integer, |a: u32, b: u32| -> u32 { a.wrapping_add(b) })`. With a
/// name and an arrow in front, the body sees the instruction's number by that name.
macro_rules! op {
    ($class:ident, $($rest:tt)*) => { op!(_imm => $class, $($rest)*) };
    ($imm:pat => $class:ident, |$a:ident: $A:ty| -> $D:ty $body:block) => {
        op!(@ $class, [$D], [$A], |regs, inst, mask| {
            let $imm = inst.imm;
            let [d, a, ..] = inst.ops;
            $crate::exec::regs::map1(regs, d, a, mask, |$a: $A| -> $D { $body });
        })
    };
    ($imm:pat => $class:ident, |$a:ident: $A:ty, $b:ident: $B:ty| -> $D:ty $body:block) => {
        op!(@ $class, [$D], [$A, $B], |regs, inst, mask| {
            let $imm = inst.imm;
            let [d, a, b, ..] = inst.ops;
            $crate::exec::regs::map2(regs, d, [a, b], mask, |$a: $A, $b: $B| -> $D { $body });
        })
    };
    ($imm:pat => $class:ident, |$a:ident: $A:ty, $b:ident: $B:ty, $c:ident: $C:ty| -> $D:ty $body:block) => {
        op!(@ $class, [$D], [$A, $B, $C], |regs, inst, mask| {
            let $imm = inst.imm;
            let [d, a, b, c, ..] = inst.ops;
            $crate::exec::regs::map3(regs, d, [a, b, c], mask, |$a: $A, $b: $B, $c: $C| -> $D { $body });
        })
    };
    (@ $class:ident, [$($D:ty),*], [$($S:ty),*], |$regs:ident, $inst:ident, $mask:ident| $body:expr) => {
        $crate::exec::inst::Selected {
            alu: $crate::exec::inst::alu!(|$regs, $inst, $mask| $body),
            results: const { &[$(<$D as $crate::exec::alu::form::Kind>::TY),*] },
            sources: const { &[$(<$S as $crate::exec::alu::form::Kind>::TY),*] },
            class: $crate::exec::inst::Class::$class,
            fmas: 0,
            imm: 0,
        }
    };
}
pub(super) use op;

/// The same form for several types: `typed!(word; "u32" => u32, "s32" => i32; op!(… T …))` is the form
/// with `T` standing for the type that `word` names, or `None`.
macro_rules! typed {
    ($word:expr; $($name:literal $(| $other:literal)* => $ty:ty),+; $form:expr) => {
        match $word {
            $($name $(| $other)* => {
                type T = $ty;
                Some($form)
            })+
            _ => None,
        }
    };
}
pub(super) use typed;

/// A form for all integer types, with their sign.
macro_rules! integers {
    ($word:expr; $form:expr) => {
        $crate::exec::alu::form::typed!($word; "u16" => u16, "s16" => i16, "u32" => u32, "s32" => i32, "u64" => u64, "s64" => i64; $form)
    };
}
pub(super) use integers;

/// A form for all integer types where the sign makes no difference.
macro_rules! unsigned {
    ($word:expr; $form:expr) => {
        $crate::exec::alu::form::typed!($word; "u16" | "s16" => u16, "u32" | "s32" => u32, "u64" | "s64" => u64; $form)
    };
}
pub(super) use unsigned;

/// `d = f(a, b, c, e)` on the lanes of `mask`; as `map3`.
#[inline(always)]
pub fn map4<D: Lane, A: Lane, B: Lane, C: Lane, E: Lane>(
    regs: &mut Regs,
    d: Slot,
    [a, b, c, e]: [Slot; 4],
    mask: u32,
    f: impl Fn(A, B, C, E) -> D,
) {
    for chunk in 0..LANES / CHUNK {
        let (a, b) = (regs.read8::<A>(a, chunk), regs.read8::<B>(b, chunk));
        let (c, e) = (regs.read8::<C>(c, chunk), regs.read8::<E>(e, chunk));
        regs.write8(d, chunk, mask, std::array::from_fn(|l| f(a[l], b[l], c[l], e[l])));
    }
}

/// Applies a function of 16 bits to both halves of a word.
#[inline(always)]
pub fn both1(a: u32, f: impl Fn(u16) -> u16) -> u32 {
    u32::from(f(a as u16)) | u32::from(f((a >> 16) as u16)) << 16
}

/// Applies a function of 16 bits to the lower and to the upper halves of two words.
#[inline(always)]
pub fn both2(a: u32, b: u32, f: impl Fn(u16, u16) -> u16) -> u32 {
    let upper = f((a >> 16) as u16, (b >> 16) as u16);
    u32::from(f(a as u16, b as u16)) | u32::from(upper) << 16
}

/// Applies a function of 16 bits to the lower and to the upper halves of three words.
#[inline(always)]
pub fn both3(a: u32, b: u32, c: u32, f: impl Fn(u16, u16, u16) -> u16) -> u32 {
    let upper = f((a >> 16) as u16, (b >> 16) as u16, (c >> 16) as u16);
    u32::from(f(a as u16, b as u16, c as u16)) | u32::from(upper) << 16
}
