//! Branches and exits. Jump targets are indices of the program's code, in `imm`.

use crate::exec::inst::Inst;
use crate::exec::warp::{Flow, Wait, Warp, lanes};
use crate::sanitizer::FindingKind;

/// `bra`: the lanes of `mask` go to `imm`, the others on.
pub fn branch(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let target = inst.imm as usize;
    if mask != warp.state.active {
        warp.worker.tally.divergent_branches += 1;
        let next = warp.state.pc + 1;
        let rest = warp.state.active & !mask;
        warp.state.split(mask, target, Wait::Ready);
        warp.state.active = rest;
        warp.state.pc = next;
        warp.state.choose(None);
        return Flow::Jump;
    }
    warp.state.pc = target;
    Flow::Jump
}

/// `brx.idx`: each lane goes to the target its index names. Operands: the index; `imm` is the start of
/// the targets in the program's table, the first of which is their number.
pub fn branch_indexed(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let program = warp.launch.program;
    let table = program.wide.get(inst.imm as usize..).unwrap_or(&[]);
    let count = table.first().map_or(0, |&count| count as usize);
    let index = warp.regs.read::<u32>(inst.ops[0]);
    let next = warp.state.pc + 1;
    let mut ways = Vec::new();
    if mask != warp.state.active {
        ways.push(next);
    }
    for lane in lanes(mask) {
        let target = (index[lane] as usize) < count;
        let Some(&target) = table.get(1 + index[lane] as usize).filter(|_| target) else {
            let message = format!("brx.idx with index {} of {count} targets", index[lane]);
            return warp.found(FindingKind::Trap, lane as u32, message);
        };
        warp.state.split(1 << lane, target as usize, Wait::Ready);
        if !ways.contains(&(target as usize)) {
            ways.push(target as usize);
        }
    }
    warp.worker.tally.divergent_branches += u64::from(ways.len() > 1);
    warp.state.pc = next;
    warp.state.choose(None);
    Flow::Jump
}

/// `exit`, and `ret` of a kernel.
pub fn exit(warp: &mut Warp, _inst: &Inst, mask: u32) -> Flow {
    warp.state.live &= !mask;
    warp.state.active &= !mask;
    warp.look_again();
    if warp.state.active != 0 {
        return Flow::Next;
    }
    Flow::Jump
}

/// `trap`.
pub fn trap(warp: &mut Warp, _inst: &Inst, mask: u32) -> Flow {
    warp.found(FindingKind::Trap, mask.trailing_zeros(), "the kernel executed a trap".into())
}

/// Instructions without an effect here: hints, sleeping.
pub fn nothing(_warp: &mut Warp, _inst: &Inst, _mask: u32) -> Flow {
    Flow::Next
}
