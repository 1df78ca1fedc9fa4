//! f32 arithmetic.

use crate::error::LoadError;
use crate::exec::inst::{Alu, Class, Selected, Ty, alu};
use crate::exec::regs::map3;
use crate::ptx::ast::Instruction;

const FMA_RN: Alu = alu!(|regs, inst, mask| {
    let [d, a, b, c, ..] = inst.ops;
    map3(regs, d, [a, b, c], mask, |a: f32, b: f32, c: f32| a.mul_add(b, c));
});

pub fn select(instruction: &Instruction) -> Result<Option<Selected>, LoadError> {
    let words: Vec<&str> = instruction.modifiers.iter().map(String::as_str).collect();
    Ok(match (instruction.opcode.as_str(), words.as_slice()) {
        ("fma", ["rn", "f32"]) => Some(Selected {
            alu: FMA_RN,
            results: &[Ty::F32],
            sources: &[Ty::F32, Ty::F32, Ty::F32],
            class: Class::Fma32,
            fmas: 1,
            imm: 0,
        }),
        _ => None,
    })
}
