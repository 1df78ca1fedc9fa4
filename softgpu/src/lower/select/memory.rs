//! Instructions that touch memory.

use super::super::draft::{Passing, Ref};
use super::super::flatten::Builder;
use super::super::scope::Spot;
use super::warp::operands;
use super::{Address, Words, async_copy, atomic, draft, invalid, unsupported};
use crate::error::LoadError;
use crate::exec::inst::{Action, Class, Ty};
use crate::exec::ops::load_store::{self, Target, flags};
use crate::exec::ops::movement;
use crate::memory::{LOCAL_WINDOW, SHARED_WINDOW};
use crate::ptx::ast::{Instruction, Operand, Type};

/// False when the opcode is not of this family.
pub fn select(builder: &mut Builder, instruction: &Instruction) -> Result<bool, LoadError> {
    match instruction.opcode.as_str() {
        "ld" | "ldu" => load(builder, instruction)?,
        "st" => store(builder, instruction)?,
        "atom" | "red" => atomic::select(builder, instruction)?,
        "cvta" => convert_address(builder, instruction)?,
        "cp" => async_copy::select(builder, instruction)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What the modifiers of a load or store say.
struct Form {
    space: Option<&'static str>,
    /// [`flags::STRONG`] and [`flags::ORDERED`].
    strength: u32,
    count: usize,
    ty: Type,
}

/// Cache operators, eviction priorities and prefetch sizes are hints about time, which nothing here is
/// about; the rest must be known.
fn form(instruction: &Instruction) -> Result<Form, LoadError> {
    let mut words = Words::new(instruction);
    let space = words.find(|word| match word {
        "global" => Some("global"),
        "shared" | "shared::cta" => Some("shared"),
        "local" => Some("local"),
        "param" | "param::entry" | "param::func" => Some("param"),
        "const" => Some("const"),
        _ => None,
    });
    let mut strength = 0;
    while let Some(more) = words.find(|word| match word {
        "volatile" | "relaxed" | "mmio" => Some(flags::STRONG),
        "acquire" | "release" => Some(flags::STRONG | flags::ORDERED),
        _ => None,
    }) {
        strength |= more;
    }
    words.take("weak");
    words.find(|word| matches!(word, "cta" | "cluster" | "gpu" | "sys").then_some(()));
    words.take("nc");
    words.find(|word| matches!(word, "ca" | "cg" | "cs" | "lu" | "cv" | "wb" | "wt").then_some(()));
    while words
        .find(|word| {
            let eviction = word.starts_with("L1::") || word.starts_with("L2::evict");
            (eviction || matches!(word, "L2::64B" | "L2::128B" | "L2::256B")).then_some(())
        })
        .is_some()
    {}
    let count = words.find(|word| match word {
        "v2" => Some(2),
        "v4" => Some(4),
        "v8" => Some(8),
        _ => None,
    });
    let ty = words.ty()?;
    words.done()?;
    Ok(Form { space, strength, count: count.unwrap_or(1), ty })
}

/// The memory that an access goes to, and the class it counts in.
fn target(
    builder: &mut Builder,
    instruction: &Instruction,
    form: &Form,
    address: &Address,
    store: bool,
) -> Result<(Target, Class), LoadError> {
    let class = |load, stored| if store { stored } else { load };
    let size = form.ty.bytes() as u32;
    let global = class(Class::LoadGlobal, Class::StoreGlobal);
    Ok(match form.space {
        Some("global") => {
            builder.global_granule = builder.global_granule.min(size);
            (Target::Global, global)
        }
        Some("shared") => {
            builder.shared_granule = builder.shared_granule.min(size);
            (Target::Shared, class(Class::LoadShared, Class::StoreShared))
        }
        Some("local") => (Target::Local, class(Class::LoadLocal, Class::StoreLocal)),
        Some("const") if !store => (Target::Global, Class::LoadConst),
        Some("param") => match address.spot {
            Some(Spot::Frame(_)) => (Target::Frame, Class::Move),
            _ if store => return Err(unsupported(instruction, "a store to a kernel's parameters")),
            // A function's own parameters lie elsewhere, and which ones a register means is not known.
            None if builder.return_to.is_some() => {
                return Err(unsupported(instruction, "a function's parameters through a register"));
            }
            // A base in a register can only be the address of a kernel parameter: nvcc takes no other.
            _ => (Target::Param, Class::Move),
        },
        None => {
            builder.global_granule = builder.global_granule.min(size);
            builder.shared_granule = builder.shared_granule.min(size);
            (Target::Generic, global)
        }
        _ => return Err(unsupported(instruction, "a store to this space")),
    })
}

fn register_kind(
    builder: &mut Builder,
    instruction: &Instruction,
    form: &Form,
    operands: &[Operand],
) -> Result<(Ty, u32), LoadError> {
    if form.ty == Type::Pred || form.ty == Type::B128 {
        return Err(unsupported(instruction, "an access of this type"));
    }
    if form.ty.bytes() == 8 {
        return Ok((Ty::D, 0));
    }
    // Registers may be wider than the type.
    let wide = operands.iter().any(|operand| match operand {
        Operand::Name(name) => builder.is_double(name),
        _ => false,
    });
    Ok(if wide { (Ty::D, flags::WIDE_REGISTER) } else { (Ty::W, 0) })
}

fn elements<'a>(
    instruction: &Instruction,
    operand: &'a Operand,
    count: usize,
) -> Result<&'a [Operand], LoadError> {
    let elements = match operand {
        Operand::Vector(elements) => elements.as_slice(),
        _ => std::slice::from_ref(operand),
    };
    if elements.len() != count {
        return Err(invalid(
            instruction,
            format!("{} registers for {count} elements", elements.len()),
        ));
    }
    Ok(elements)
}

/// The base in the width that the target takes.
///
/// # Errors
/// The base is a 32-bit register where the space has 64-bit addresses, or a variable of another space.
pub fn base(
    instruction: &Instruction,
    target: Target,
    address: &Address,
) -> Result<(Ref, u32), LoadError> {
    let belongs = matches!(
        (target, address.spot),
        (_, None)
            | (Target::Global | Target::Generic, Some(Spot::Global(_)))
            | (Target::Shared, Some(Spot::Shared(_) | Spot::Dynamic(_)))
            | (Target::Local, Some(Spot::Local(_)))
            | (Target::Frame, Some(Spot::Frame(_)))
            | (Target::Param, Some(Spot::Param(_)))
    );
    if !belongs {
        return Err(invalid(instruction, "a variable of another state space"));
    }
    let wants_wide = matches!(target, Target::Global | Target::Generic);
    match (wants_wide, address.wide, address.base) {
        (true, false, Ref::Reg(_)) => {
            Err(invalid(instruction, "a 32-bit register as a 64-bit address"))
        }
        (false, true, base) => Ok((base, flags::WIDE_ADDRESS)),
        (_, _, base) => Ok((base, 0)),
    }
}

fn load(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let form = form(instruction)?;
    let [to, from] = operands(instruction)?;
    let address = builder.address(instruction, from)?;
    let (target, class) = target(builder, instruction, &form, &address, false)?;
    let size = form.ty.bytes() as u32;
    let Some(run) = load_store::load(target, size, form.count) else {
        return Err(unsupported(instruction, "a vector of this size"));
    };
    let to = elements(instruction, to, form.count)?;
    let (kind, mut flag) = register_kind(builder, instruction, &form, to)?;
    let (base, base_flag) = base(instruction, target, &address)?;
    flag |= base_flag | form.strength;
    if matches!(form.ty, Type::S8 | Type::S16 | Type::S32) {
        flag |= flags::SIGNED;
    }
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), class)?;
    for operand in to {
        out.results.push(builder.optional_result(instruction, operand, kind)?);
    }
    out.sources = vec![base];
    out.imm = address.offset;
    out.passing = Passing::Either(flag);
    builder.push(out);
    Ok(())
}

fn store(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let form = form(instruction)?;
    let [to, from] = operands(instruction)?;
    let address = builder.address(instruction, to)?;
    let (target, class) = target(builder, instruction, &form, &address, true)?;
    let Some(run) = load_store::store(target, form.ty.bytes() as u32, form.count) else {
        return Err(unsupported(instruction, "a vector of this size"));
    };
    let from = elements(instruction, from, form.count)?;
    let (kind, mut flag) = register_kind(builder, instruction, &form, from)?;
    let kind = match (kind, form.ty) {
        (Ty::W, Type::F32) => Ty::F32,
        (Ty::D, Type::F64) => Ty::F64,
        (kind, _) => kind,
    };
    let (base, base_flag) = base(instruction, target, &address)?;
    flag |= base_flag | form.strength;
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), class)?;
    out.sources = vec![base];
    for operand in from {
        let source = builder.source(instruction, operand, kind)?;
        out.sources.push(source);
    }
    out.imm = address.offset;
    out.passing = Passing::Either(flag);
    builder.push(out);
    Ok(())
}

fn convert_address(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut words = Words::new(instruction);
    let to = words.take("to");
    let offset = words.find(window);
    let wide = words.take("u64");
    words.done()?;
    let (Some(offset), true) = (offset, wide) else {
        return Err(unsupported(
            instruction,
            "cvta is known for .u64 and global, const, shared, local",
        ));
    };
    let [d, a] = operands(instruction)?;
    // The source may be a variable.
    let source = match a {
        Operand::Name(name) if builder.scopes.register(name).is_none() => {
            let spot = builder.spot(name, instruction.line)?;
            match spot.ok_or_else(|| invalid(instruction, format!("{name} is not declared")))? {
                Spot::Local(at) | Spot::Shared(at) => Ref::Double(u64::from(at)),
                Spot::Dynamic(offset) => Ref::Dynamic { offset, double: true },
                Spot::Global(address) => Ref::Double(address),
                Spot::Param(_) | Spot::Frame(_) => {
                    return Err(unsupported(instruction, "the generic address of a parameter"));
                }
            }
        }
        _ => builder.source(instruction, a, Ty::D)?,
    };
    let mut out = draft(builder, instruction, Action::Warp(movement::add_window), Class::Convert)?;
    out.imm = if to { -offset } else { offset };
    out.results = vec![builder.result(instruction, d, Ty::D)?];
    out.sources = vec![source];
    builder.push(out);
    Ok(())
}

/// Offset of a window of generic addresses, for `cvta`.
fn window(space: &str) -> Option<i64> {
    Some(match space {
        "shared" | "shared::cta" => SHARED_WINDOW as i64,
        "local" => LOCAL_WINDOW as i64,
        "global" | "const" => 0,
        _ => return None,
    })
}
