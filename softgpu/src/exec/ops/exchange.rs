//! Instructions by which the lanes of a warp talk: shfl, vote, match, redux, activemask, elect.

use super::sync::{Meeting, meet};
use crate::exec::inst::{Inst, NONE};
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp, lanes};
use crate::sanitizer::FindingKind;

/// Ways of `shfl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// `shfl.sync`. Operands: d, p or NONE, a, b, c, member mask. PTX ISA, "shfl.sync".
#[inline(always)]
pub fn shuffle(warp: &mut Warp, inst: &Inst, mask: u32, way: Shuffle) -> Flow {
    let [d, p, a, b, c, members] = inst.ops;
    let (here, named) = match meet(warp, members, mask) {
        Meeting::Here(here, named) => (here, named),
        Meeting::Not(flow) => return flow,
    };
    let values = warp.regs.read::<u32>(a);
    let (offsets, clamps) = (warp.regs.read::<u32>(b), warp.regs.read::<u32>(c));
    let mut out = values;
    let mut valid = 0;
    let mut stranger = None;
    for lane in lanes(here) {
        let l = lane as u32;
        let (offset, clamp, segment) =
            (offsets[lane] & 31, clamps[lane] & 31, clamps[lane] >> 8 & 31);
        let last = (l & segment) | (clamp & !segment);
        let first = l & segment;
        let (source, ok) = match way {
            Shuffle::Up => (l.wrapping_sub(offset), l as i32 - offset as i32 >= last as i32),
            Shuffle::Down => (l + offset, l + offset <= last),
            Shuffle::Butterfly => (l ^ offset, l ^ offset <= last),
            Shuffle::Index => {
                let source = first | (offset & !segment);
                (source, source <= last)
            }
        };
        let source = if ok { source as usize } else { lane };
        valid |= u32::from(ok) << lane;
        if named[lane] >> source & 1 == 0 {
            stranger = stranger.or(Some((lane, source)));
        }
        out[lane] = values[source % LANES];
    }
    warp.regs.write(d, here, &out);
    if p != NONE {
        warp.regs.set_pred(p, here, valid);
    }
    match stranger {
        None => Flow::Next,
        Some((lane, source)) => {
            let why = if warp.state.live >> source & 1 == 0 {
                "has exited".to_owned()
            } else {
                format!("is not in the mask {:#010x}", named[lane])
            };
            let message = format!("lane {lane} reads lane {source}, which {why}");
            warp.found(FindingKind::ShuffleSource, lane as u32, message)
        }
    }
}

/// Ways of `vote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ballot {
    All,
    Any,
    Uniform,
    Lanes,
}

/// `vote.sync`. Operands: result, predicate, member mask; lowest bit of `imm`: the predicate is negated.
#[inline(always)]
pub fn vote(warp: &mut Warp, inst: &Inst, mask: u32, how: Ballot) -> Flow {
    let [d, p, members, ..] = inst.ops;
    let (here, named) = match meet(warp, members, mask) {
        Meeting::Here(here, named) => (here, named),
        Meeting::Not(flow) => return flow,
    };
    let mut votes = warp.regs.pred(p);
    if inst.imm & 1 != 0 {
        votes = !votes;
    }
    if how == Ballot::Lanes {
        let out = named.map(|members| votes & members);
        warp.regs.write(d, here, &out);
        return Flow::Next;
    }
    let mut out = 0;
    for lane in lanes(here) {
        let (members, ayes) = (named[lane], votes & named[lane]);
        let holds = match how {
            Ballot::All => ayes == members,
            Ballot::Any => ayes != 0,
            _ => ayes == 0 || ayes == members,
        };
        out |= u32::from(holds) << lane;
    }
    warp.regs.set_pred(d, here, out);
    Flow::Next
}

/// `match.any.sync` and `match.all.sync`. Operands: d, p or NONE, a, member mask.
#[inline(always)]
pub fn match_lanes(warp: &mut Warp, inst: &Inst, mask: u32, all: bool, wide: bool) -> Flow {
    let [d, p, a, members, ..] = inst.ops;
    let (here, named) = match meet(warp, members, mask) {
        Meeting::Here(here, named) => (here, named),
        Meeting::Not(flow) => return flow,
    };
    let values =
        if wide { warp.regs.read::<u64>(a) } else { warp.regs.read::<u32>(a).map(u64::from) };
    let mut out = [0; LANES];
    let mut agreed = 0;
    for lane in lanes(here) {
        let same = lanes(named[lane])
            .filter(|&other| values[other] == values[lane])
            .fold(0, |set, other| set | 1u32 << other);
        let unanimous = same == named[lane];
        agreed |= u32::from(unanimous) << lane;
        out[lane] = if !all || unanimous { same } else { 0 };
    }
    warp.regs.write(d, here, &out);
    if p != NONE {
        warp.regs.set_pred(p, here, agreed);
    }
    Flow::Next
}

/// Ways of `redux`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    Add,
    MinU,
    MaxU,
    MinS,
    MaxS,
    And,
    Or,
    Xor,
}

/// `redux.sync`. Operands: d, a, member mask.
#[inline(always)]
pub fn reduce(warp: &mut Warp, inst: &Inst, mask: u32, how: Reduction) -> Flow {
    let [d, a, members, ..] = inst.ops;
    let (here, named) = match meet(warp, members, mask) {
        Meeting::Here(here, named) => (here, named),
        Meeting::Not(flow) => return flow,
    };
    let values = warp.regs.read::<u32>(a);
    let mut out = [0; LANES];
    for lane in lanes(here) {
        let signed = |f: fn(i32, i32) -> i32| move |a: u32, b: u32| f(a as i32, b as i32) as u32;
        let all = lanes(named[lane]).map(|l| values[l]);
        out[lane] = match how {
            Reduction::Add => all.reduce(u32::wrapping_add),
            Reduction::MinU => all.reduce(u32::min),
            Reduction::MaxU => all.reduce(u32::max),
            Reduction::MinS => all.reduce(signed(i32::min)),
            Reduction::MaxS => all.reduce(signed(i32::max)),
            Reduction::And => all.reduce(|a, b| a & b),
            Reduction::Or => all.reduce(|a, b| a | b),
            Reduction::Xor => all.reduce(|a, b| a ^ b),
        }
        .unwrap_or(0);
    }
    warp.regs.write(d, here, &out);
    Flow::Next
}

/// `elect.sync d|p, mask`: the lowest lane of the mask is the leader.
pub fn elect(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let [d, p, members, ..] = inst.ops;
    let (here, named) = match meet(warp, members, mask) {
        Meeting::Here(here, named) => (here, named),
        Meeting::Not(flow) => return flow,
    };
    let leaders = named.map(u32::trailing_zeros);
    if d != NONE {
        warp.regs.write(d, here, &leaders);
    }
    let elected =
        lanes(here).filter(|&l| leaders[l] as usize == l).fold(0, |set, l| set | 1u32 << l);
    warp.regs.set_pred(p, here, elected);
    Flow::Next
}

/// `activemask.b32 d`.
pub fn active_mask(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    warp.regs.write(inst.ops[0], mask, &[mask; LANES]);
    Flow::Next
}
