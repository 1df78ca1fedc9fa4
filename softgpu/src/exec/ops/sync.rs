//! Barriers, fences and the meeting of lanes that a `.sync` mask asks for.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::exec::block::{Arrival, BARRIERS, Ballot, Vote};
use crate::exec::inst::{Inst, NONE};
use crate::exec::launch::{ACQUIRED, FENCED, LOOKED};
use crate::exec::regs::{LANES, Slot};
use crate::exec::warp::{Flow, Status, Wait, Warp, lanes};
use crate::sanitizer::FindingKind;

/// Lanes that execute a `.sync` instruction together.
pub enum Meeting {
    /// All lanes that the masks name are here. The lanes that execute now, and the mask of each without
    /// the lanes that have exited.
    Here(u32, [u32; LANES]),
    /// The lanes wait, or a finding has ended the launch.
    Not(Flow),
}

/// Waits until the lanes of every mask given have come to this instruction, those that have exited (or
/// never were) left out: PTX waits for "all non-exited threads corresponding to membermask". `masks` is
/// the register of the member mask.
pub fn meet(warp: &mut Warp, masks: Slot, mask: u32) -> Meeting {
    let pc = warp.state.pc;
    // Lanes whose guard is false go on alone.
    let passed = warp.state.active & !mask;
    warp.state.active = mask;
    warp.state.join(pc, Wait::Sync);
    let here = warp.state.active;
    let members = warp.regs.read::<u32>(masks);
    for lane in lanes(here) {
        let named = members[lane];
        if named >> lane & 1 == 0 {
            let message = format!("lane {lane} is not in the mask {named:#010x} it gives");
            return Meeting::Not(warp.found(FindingKind::SyncMask, lane as u32, message));
        }
    }
    let live = warp.state.live;
    let coming = members.map(|named| named & live);
    // Lanes with one mask are one meeting; those whose meeting is not complete wait.
    let mut complete = 0;
    for lane in lanes(here) {
        let same =
            lanes(here).filter(|&l| members[l] == members[lane]).fold(0, |set, l| set | 1u32 << l);
        if same == coming[lane] {
            complete |= 1 << lane;
        } else if members[lane] & here != same {
            let other = (members[lane] & here & !same).trailing_zeros() as usize;
            let message = format!(
                "lane {lane} gives the mask {:#010x}, lane {other} of it gives {:#010x}",
                members[lane], members[other]
            );
            return Meeting::Not(warp.found(FindingKind::SyncMask, lane as u32, message));
        }
    }
    if complete == here && passed == 0 {
        return Meeting::Here(here, coming);
    }
    warp.state.split(here & !complete, pc, Wait::Sync);
    if passed != 0 {
        warp.state.active |= passed;
        warp.state.split(passed, pc + 1, Wait::Ready);
        warp.state.stop_at = warp.state.stop_at.min(pc + 1);
    }
    if complete == 0 {
        return Meeting::Not(Flow::Jump);
    }
    Meeting::Here(complete, coming)
}

/// `bar.warp.sync mask`. Operands: the mask.
pub fn warp_sync(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    match meet(warp, inst.ops[0], mask) {
        Meeting::Here(..) => {
            let now = warp.block.shared.tick();
            warp.state.warp_sync = now;
            Flow::Next
        }
        Meeting::Not(flow) => flow,
    }
}

/// Kinds of block barrier; `imm` of the instruction is one of these, `| HAS_COUNT` when operand b is
/// there.
pub mod barrier {
    pub const SYNC: i64 = 0;
    pub const ARRIVE: i64 = 1;
    pub const AND: i64 = 2;
    pub const OR: i64 = 3;
    pub const POPC: i64 = 4;
    /// Lowest bit of `imm >> 4`: the predicate of bar.red is negated.
    pub const NEGATED: i64 = 16;
}

/// `bar.sync`, `bar.arrive`, `bar.red`. Operands: result or NONE, barrier, thread count or NONE,
/// predicate or NONE.
pub fn block_barrier(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let pc = warp.state.pc;
    let [result, number, count, pred, ..] = inst.ops;
    if mask != warp.state.live {
        let passed = warp.state.active & !mask;
        warp.state.active = mask;
        warp.state.join(pc, Wait::Barrier);
        let here = warp.state.active;
        if here != warp.state.live {
            warp.state.split(here, pc, Wait::Barrier);
            warp.state.split(passed, pc + 1, Wait::Ready);
            warp.state.active = 0;
            return Flow::Jump;
        }
    }
    let here = warp.state.active;
    let lane = here.trailing_zeros() as usize;
    let barrier = warp.regs.read::<u32>(number)[lane] as usize;
    let wanted = (count != NONE).then(|| warp.regs.read::<u32>(count)[lane]);
    if barrier >= BARRIERS {
        let message = format!("barrier {barrier}: a block has {BARRIERS}");
        return warp.found(FindingKind::DivergentBarrier, lane as u32, message);
    }
    if wanted.is_some_and(|wanted| wanted == 0 || wanted % 32 != 0) {
        let message =
            format!("barrier for {wanted:?} threads: the number must be a multiple of 32");
        return warp.found(FindingKind::DivergentBarrier, lane as u32, message);
    }
    let kind = inst.imm & 15;
    let mut votes = if pred == NONE { 0 } else { warp.regs.pred(pred) };
    if inst.imm & barrier::NEGATED != 0 {
        votes = !votes;
    }
    let voters = if pred == NONE { 0 } else { here };
    let vote = match kind {
        barrier::AND => Vote::And,
        barrier::OR => Vote::Or,
        barrier::POPC => Vote::Count,
        _ => Vote::None,
    };
    let ballot = (vote != Vote::None && result != NONE).then_some(Ballot {
        warp: warp.index,
        vote,
        slot: result,
        lanes: here,
    });
    warp.worker.tally.barriers += 1;
    let arrival = Arrival { barrier, wanted, votes: votes & here, voters };
    if let Err(message) = warp.block.arrive(arrival, ballot) {
        return warp.found(FindingKind::DivergentBarrier, lane as u32, message);
    }
    if kind == barrier::ARRIVE {
        // It may have been the last one that others wait for.
        return Flow::Yield;
    }
    warp.state.status = Status::AtBarrier(barrier);
    warp.state.split(here, pc + 1, Wait::Barrier);
    Flow::Jump
}

/// `membar` and `fence` of a scope beyond the block.
pub fn fence(warp: &mut Warp, _inst: &Inst, _mask: u32) -> Flow {
    if let Some(order) = warp.launch.order.get(warp.block.index as usize) {
        // Other workers must see this block's accesses in that order too.
        std::sync::atomic::fence(SeqCst);
        let acquired = if order.load(Relaxed) & LOOKED != 0 { ACQUIRED } else { 0 };
        order.fetch_or(FENCED | acquired, Relaxed);
    }
    Flow::Next
}
