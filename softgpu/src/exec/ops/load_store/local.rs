//! ld and st in the threads' local memory.

use super::{Values, narrow_addresses, read_sources, slot, write_results};
use crate::exec::global::Access;
use crate::exec::inst::Inst;
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp, lanes};
use crate::sanitizer::FindingKind;

#[inline(always)]
pub fn load<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
    checked: bool,
) -> Flow {
    let addresses = narrow_addresses(warp, slot::<N>(warp, inst, N), inst);
    let mut values = [[0; LANES]; W];
    let flow = fetch::<SIZE, N, W>(warp, &addresses, mask, checked, &mut values);
    write_results::<SIZE, N, W>(warp, inst, mask, &values);
    flow
}

#[inline(always)]
pub fn fetch<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    addresses: &[u32; LANES],
    mask: u32,
    checked: bool,
    values: &mut Values<W>,
) -> Flow {
    for lane in lanes(mask) {
        if !addresses[lane].is_multiple_of(SIZE * N as u32) {
            return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Load);
        }
        for element in 0..N {
            let offset = addresses[lane] as usize + element * SIZE as usize;
            let Some((value, written)) = warp.state.local.load(lane, offset, SIZE as usize) else {
                return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Load);
            };
            if SIZE == 8 {
                values[2 * element][lane] = value as u32;
                values[2 * element + 1][lane] = (value >> 32) as u32;
            } else {
                values[element][lane] = value as u32;
            }
            if checked && !written && warp.launch.options.checks.uninitialized {
                let message =
                    format!("a load of {SIZE} bytes at byte {offset} of the thread's local memory");
                warp.found(FindingKind::Uninitialized, lane as u32, message);
            }
        }
    }
    Flow::Next
}

#[inline(always)]
pub fn store<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = narrow_addresses(warp, inst.ops[0], inst);
    put::<SIZE, N, W>(warp, inst, &addresses, mask)
}

#[inline(always)]
pub fn put<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    addresses: &[u32; LANES],
    mask: u32,
) -> Flow {
    let values = read_sources::<SIZE, N, W>(warp, inst);
    for lane in lanes(mask) {
        if !addresses[lane].is_multiple_of(SIZE * N as u32) {
            return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Store);
        }
        for element in 0..N {
            let offset = addresses[lane] as usize + element * SIZE as usize;
            let value = if SIZE == 8 {
                u64::from(values[2 * element][lane])
                    | u64::from(values[2 * element + 1][lane]) << 32
            } else {
                u64::from(values[element][lane])
            };
            if warp.state.local.store(lane, offset, SIZE as usize, value).is_none() {
                return local_fault(warp, lane, addresses[lane], SIZE * N as u32, Access::Store);
            }
        }
    }
    Flow::Next
}

#[cold]
fn local_fault(warp: &mut Warp, lane: usize, address: u32, bytes: u32, access: Access) -> Flow {
    let size = warp.state.local.bytes();
    let what = format!("{access:?} of {bytes} bytes at local address {:#x}", address as i32);
    if address.is_multiple_of(bytes) {
        let message = format!("{what}: the thread has {size} bytes");
        return warp.found(FindingKind::OutOfBounds, lane as u32, message);
    }
    warp.found(FindingKind::Misaligned, lane as u32, what)
}
