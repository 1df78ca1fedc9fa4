//! Instructions between lanes and between warps.

use super::super::draft::Ref;
use super::super::flatten::Builder;
use super::control::predicate;
use super::{Words, draft, invalid, matrix, unsupported};
use crate::error::LoadError;
use crate::exec::inst::{Action, Class, Ty};
use crate::exec::ops::exchange::{self, Ballot, Reduction, Shuffle};
use crate::exec::ops::{movement, sync, warp_op};
use crate::ptx::ast::{Instruction, Operand};

/// False when the opcode is not of this family.
pub fn select(builder: &mut Builder, instruction: &Instruction) -> Result<bool, LoadError> {
    match instruction.opcode.as_str() {
        "shfl" => shuffle(builder, instruction)?,
        "vote" => vote(builder, instruction)?,
        "match" => match_lanes(builder, instruction)?,
        "redux" => reduce(builder, instruction)?,
        "elect" => {
            let mut words = Words::new(instruction);
            words.take("sync");
            words.done()?;
            let [pair, members] = operands(instruction)?;
            let Operand::Pair(d, p) = pair else {
                return Err(invalid(instruction, "elect.sync gives d|p"));
            };
            let members = builder.source(instruction, members, Ty::W)?;
            let mut out =
                draft(builder, instruction, Action::Warp(exchange::elect), Class::WarpExchange)?;
            out.results = vec![
                builder.result(instruction, d, Ty::W)?,
                builder.result(instruction, p, Ty::Pred)?,
            ];
            out.sources = vec![members];
            builder.push(out);
        }
        "activemask" => {
            let mut words = Words::new(instruction);
            words.take("b32");
            words.done()?;
            let [d] = operands(instruction)?;
            let run = exchange::active_mask;
            let mut out = draft(builder, instruction, Action::Warp(run), Class::WarpExchange)?;
            out.results = vec![builder.result(instruction, d, Ty::W)?];
            builder.push(out);
        }
        "bar" | "barrier" => barrier(builder, instruction)?,
        "membar" | "fence" => {
            let mut words = Words::new(instruction);
            let beyond = words.find(|w| matches!(w, "gl" | "gpu" | "sys").then_some(())).is_some();
            words.find(|w| matches!(w, "cta" | "cluster").then_some(()));
            words.find(|w| matches!(w, "sc" | "acq_rel" | "acquire" | "release").then_some(()));
            words.done()?;
            let run: crate::exec::inst::WarpFn =
                if beyond { sync::fence } else { crate::exec::ops::control::nothing };
            let out = draft(builder, instruction, Action::Warp(run), Class::Barrier)?;
            builder.push(out);
        }
        "mma" => matrix::multiply(builder, instruction)?,
        "ldmatrix" => matrix::load(builder, instruction)?,
        "stmatrix" => matrix::store(builder, instruction)?,
        "isspacep" => {
            let mut words = Words::new(instruction);
            let code = words.find(|word| match word {
                "global" => Some(0),
                "shared" | "shared::cta" => Some(1),
                "local" => Some(2),
                _ => None,
            });
            words.done()?;
            let code =
                code.ok_or_else(|| unsupported(instruction, "without a space known here"))?;
            let [p, a] = operands(instruction)?;
            let a = builder.source(instruction, a, Ty::D)?;
            let mut out =
                draft(builder, instruction, Action::Warp(movement::is_space), Class::Integer)?;
            out.imm = code;
            out.results = vec![builder.result(instruction, p, Ty::Pred)?];
            out.sources = vec![a];
            builder.push(out);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The operands, exactly so many.
pub fn operands<const N: usize>(instruction: &Instruction) -> Result<[&Operand; N], LoadError> {
    let given = instruction.operands.len();
    let all: Vec<&Operand> = instruction.operands.iter().collect();
    all.try_into().map_err(|_| invalid(instruction, format!("{given} operands, {N} wanted")))
}

/// `d` or `d|p`.
fn pair(operand: &Operand) -> (&Operand, &Operand) {
    match operand {
        Operand::Pair(d, p) => (d, p),
        _ => (operand, &Operand::Sink),
    }
}

fn shuffle(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut words = Words::new(instruction);
    let sync = words.take("sync");
    let way = words.find(|word| match word {
        "up" => Some(Shuffle::Up),
        "down" => Some(Shuffle::Down),
        "bfly" => Some(Shuffle::Butterfly),
        "idx" => Some(Shuffle::Index),
        _ => None,
    });
    let typed = words.take("b32");
    words.done()?;
    let (true, true, Some(way)) = (sync, typed, way) else {
        return Err(unsupported(instruction, "shfl is known as shfl.sync.{up,down,bfly,idx}.b32"));
    };
    let run = match way {
        Shuffle::Up => warp_op!(|w, i, m| exchange::shuffle(w, i, m, Shuffle::Up)),
        Shuffle::Down => warp_op!(|w, i, m| exchange::shuffle(w, i, m, Shuffle::Down)),
        Shuffle::Butterfly => warp_op!(|w, i, m| exchange::shuffle(w, i, m, Shuffle::Butterfly)),
        Shuffle::Index => warp_op!(|w, i, m| exchange::shuffle(w, i, m, Shuffle::Index)),
    };
    let [result, a, b, c, members] = operands(instruction)?;
    let (d, p) = pair(result);
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::WarpExchange)?;
    for source in [a, b, c, members] {
        let source = builder.source(instruction, source, Ty::W)?;
        out.sources.push(source);
    }
    out.results = vec![
        builder.result(instruction, d, Ty::W)?,
        builder.optional_result(instruction, p, Ty::Pred)?,
    ];
    builder.push(out);
    Ok(())
}

fn vote(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut words = Words::new(instruction);
    let sync = words.take("sync");
    let how = words.find(|word| match word {
        "all" => Some(Ballot::All),
        "any" => Some(Ballot::Any),
        "uni" => Some(Ballot::Uniform),
        "ballot" => Some(Ballot::Lanes),
        _ => None,
    });
    words.take(if how == Some(Ballot::Lanes) { "b32" } else { "pred" });
    words.done()?;
    let (true, Some(how)) = (sync, how) else {
        return Err(unsupported(instruction, "vote is known as vote.sync.{all,any,uni,ballot}"));
    };
    let run = match how {
        Ballot::All => warp_op!(|w, i, m| exchange::vote(w, i, m, Ballot::All)),
        Ballot::Any => warp_op!(|w, i, m| exchange::vote(w, i, m, Ballot::Any)),
        Ballot::Uniform => warp_op!(|w, i, m| exchange::vote(w, i, m, Ballot::Uniform)),
        Ballot::Lanes => warp_op!(|w, i, m| exchange::vote(w, i, m, Ballot::Lanes)),
    };
    let [d, p, members] = operands(instruction)?;
    let (pred, negated) = predicate(builder, instruction, p)?;
    let members = builder.source(instruction, members, Ty::W)?;
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::WarpExchange)?;
    out.imm = i64::from(negated);
    let kind = if how == Ballot::Lanes { Ty::W } else { Ty::Pred };
    out.results = vec![builder.result(instruction, d, kind)?];
    out.sources = vec![pred, members];
    builder.push(out);
    Ok(())
}

fn match_lanes(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut words = Words::new(instruction);
    let all = words.take("all");
    let any = words.take("any");
    let sync = words.take("sync");
    let wide = words.take("b64");
    let narrow = words.take("b32");
    words.done()?;
    if !sync || all == any || wide == narrow {
        return Err(unsupported(instruction, "match is known as match.{any,all}.sync.{b32,b64}"));
    }
    let run = match (all, wide) {
        (false, false) => warp_op!(|w, i, m| exchange::match_lanes(w, i, m, false, false)),
        (false, true) => warp_op!(|w, i, m| exchange::match_lanes(w, i, m, false, true)),
        (true, false) => warp_op!(|w, i, m| exchange::match_lanes(w, i, m, true, false)),
        (true, true) => warp_op!(|w, i, m| exchange::match_lanes(w, i, m, true, true)),
    };
    let [result, a, members] = operands(instruction)?;
    let (d, p) = pair(result);
    let a = builder.source(instruction, a, if wide { Ty::D } else { Ty::W })?;
    let members = builder.source(instruction, members, Ty::W)?;
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::WarpExchange)?;
    out.results = vec![
        builder.result(instruction, d, Ty::W)?,
        builder.optional_result(instruction, p, Ty::Pred)?,
    ];
    out.sources = vec![a, members];
    builder.push(out);
    Ok(())
}

fn reduce(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    macro_rules! forms {
        ($(($op:literal, $ty:literal) => $how:ident),*) => {{
            let words: Vec<&str> = instruction.modifiers.iter().map(String::as_str).collect();
            match words.as_slice() {
                $(["sync", $op, $ty] => warp_op!(|w, i, m| exchange::reduce(w, i, m, Reduction::$how)),)*
                _ => return Err(unsupported(instruction, "redux.sync of this operation and type")),
            }
        }};
    }
    let run = forms!(
        ("add", "u32") => Add, ("add", "s32") => Add, ("min", "u32") => MinU, ("max", "u32") => MaxU,
        ("min", "s32") => MinS, ("max", "s32") => MaxS, ("and", "b32") => And, ("or", "b32") => Or,
        ("xor", "b32") => Xor
    );
    let [d, a, members] = operands(instruction)?;
    let a = builder.source(instruction, a, Ty::W)?;
    let members = builder.source(instruction, members, Ty::W)?;
    let mut out = draft(builder, instruction, Action::Warp(run.pick()), Class::WarpExchange)?;
    out.results = vec![builder.result(instruction, d, Ty::W)?];
    out.sources = vec![a, members];
    builder.push(out);
    Ok(())
}

/// `bar.sync a{, b}`, `bar.arrive a, b`, `bar.red.op d, a{, b}, p`, `bar.warp.sync mask` and the same
/// as `barrier{.cta}`. Without `.aligned` a barrier may be reached by parts of a warp; here a warp's
/// lanes gather before it either way.
fn barrier(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut words = Words::new(instruction);
    if words.take("warp") {
        words.take("sync");
        words.done()?;
        let [members] = operands(instruction)?;
        let members = builder.source(instruction, members, Ty::W)?;
        let mut out = draft(builder, instruction, Action::Warp(sync::warp_sync), Class::Barrier)?;
        out.sources = vec![members];
        builder.push(out);
        return Ok(());
    }
    words.take("cta");
    words.take("aligned");
    let (sync_word, arrive, red) = (words.take("sync"), words.take("arrive"), words.take("red"));
    let kind = match (sync_word, arrive, red) {
        (true, false, false) => sync::barrier::SYNC,
        (false, true, false) => sync::barrier::ARRIVE,
        (false, false, true) => {
            let op = words.find(|word| match word {
                "and" => Some(sync::barrier::AND),
                "or" => Some(sync::barrier::OR),
                "popc" => Some(sync::barrier::POPC),
                _ => None,
            });
            words.find(|word| matches!(word, "pred" | "u32").then_some(()));
            op.ok_or_else(|| unsupported(instruction, "bar.red without .and, .or or .popc"))?
        }
        _ => return Err(unsupported(instruction, "a barrier that is not .sync, .arrive or .red")),
    };
    words.done()?;
    let (result, rest) = if red {
        let (first, rest) = instruction
            .operands
            .split_first()
            .ok_or_else(|| invalid(instruction, "no operands"))?;
        (Some(first), rest)
    } else {
        (None, instruction.operands.as_slice())
    };
    let (numbers, vote) = if red {
        let (last, rest) = rest.split_last().ok_or_else(|| invalid(instruction, "no predicate"))?;
        (rest, Some(last))
    } else {
        (rest, None)
    };
    let (number, count) = match numbers {
        [number] if kind != sync::barrier::ARRIVE => (number, None),
        [number, count] => (number, Some(count)),
        _ => {
            return Err(invalid(
                instruction,
                "other operands than a barrier and a number of threads",
            ));
        }
    };
    let number = builder.source(instruction, number, Ty::W)?;
    let count = count.map(|count| builder.source(instruction, count, Ty::W)).transpose()?;
    let vote = vote.map(|vote| predicate(builder, instruction, vote)).transpose()?;
    let mut out = draft(builder, instruction, Action::Warp(sync::block_barrier), Class::Barrier)?;
    out.imm = kind;
    if vote.is_some_and(|(_, negated)| negated) {
        out.imm |= sync::barrier::NEGATED;
    }
    let kind = if kind == sync::barrier::POPC { Ty::W } else { Ty::Pred };
    out.results = vec![match result {
        Some(result) => builder.result(instruction, result, kind)?,
        None => Ref::None,
    }];
    out.sources =
        vec![number, count.unwrap_or(Ref::None), vote.map_or(Ref::None, |(pred, _)| pred)];
    builder.push(out);
    Ok(())
}
