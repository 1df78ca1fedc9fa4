//! ld and st through generic addresses.

use super::{global, local, shared, slot, write_results};
use crate::exec::global::{self as memory, Window};
use crate::exec::inst::Inst;
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp};
use crate::memory::{LOCAL_WINDOW, SHARED_WINDOW};

#[inline(always)]
pub fn load<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = memory::addresses(warp, slot::<N>(warp, inst, N), inst.imm);
    let mut values = [[0; LANES]; W];
    for (window, part) in memory::windows(&addresses, mask) {
        if part == 0 {
            continue;
        }
        let flow = match window {
            Window::Global => {
                global::fetch::<SIZE, N, W>(warp, inst, &addresses, part, &mut values)
            }
            Window::Shared => {
                let inside = addresses.map(|address| address.wrapping_sub(SHARED_WINDOW) as u32);
                shared::fetch::<SIZE, N, W>(warp, inst, &inside, part, &mut values)
            }
            Window::Local => {
                let inside = addresses.map(|address| address.wrapping_sub(LOCAL_WINDOW) as u32);
                local::fetch::<SIZE, N, W>(warp, &inside, part, true, &mut values)
            }
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    write_results::<SIZE, N, W>(warp, inst, mask, &values);
    Flow::Next
}

#[inline(always)]
pub fn store<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = memory::addresses(warp, inst.ops[0], inst.imm);
    for (window, part) in memory::windows(&addresses, mask) {
        if part == 0 {
            continue;
        }
        let flow = match window {
            Window::Global => global::put::<SIZE, N, W>(warp, inst, &addresses, part),
            Window::Shared => {
                let inside = addresses.map(|address| address.wrapping_sub(SHARED_WINDOW) as u32);
                shared::put::<SIZE, N, W>(warp, inst, &inside, part)
            }
            Window::Local => {
                let inside = addresses.map(|address| address.wrapping_sub(LOCAL_WINDOW) as u32);
                local::put::<SIZE, N, W>(warp, inst, &inside, part)
            }
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::Next
}
