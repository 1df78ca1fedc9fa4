//! Instructions back to text, for tests that read what they have written.

use softgpu::ptx::ast::{Base, Instruction, Operand};

/// One instruction with its semicolon, spelt as nvcc spells it: integers signed and decimal, floating
/// numbers by their bits.
pub fn instruction(of: &Instruction) -> String {
    let mut text = String::new();
    if let Some(guard) = &of.guard {
        text += if guard.negated { "@!" } else { "@" };
        text += &guard.register;
        text.push(' ');
    }
    text += &of.opcode;
    for modifier in &of.modifiers {
        text.push('.');
        text += modifier;
    }
    if !of.operands.is_empty() {
        text.push(' ');
        text += &list(&of.operands);
    }
    text + ";"
}

fn list(operands: &[Operand]) -> String {
    operands.iter().map(operand).collect::<Vec<_>>().join(", ")
}

fn operand(of: &Operand) -> String {
    match of {
        Operand::Name(name) => name.clone(),
        Operand::Not(name) => format!("!{name}"),
        Operand::NameOffset(name, offset) => format!("{name}+{offset}"),
        Operand::Int(bits) => bits.cast_signed().to_string(),
        Operand::F32(bits) => format!("0f{bits:08X}"),
        Operand::F64(bits) => format!("0d{bits:016X}"),
        Operand::Address { base, offset } => {
            let base = match base {
                Base::Name(name) => name.clone(),
                Base::Absolute(address) => address.to_string(),
            };
            if *offset == 0 { format!("[{base}]") } else { format!("[{base}+{offset}]") }
        }
        Operand::Vector(elements) => format!("{{{}}}", list(elements)),
        Operand::Pair(first, second) => format!("{}|{}", operand(first), operand(second)),
        Operand::Sink => "_".to_owned(),
        Operand::List(elements) => format!("({})", list(elements)),
    }
}
