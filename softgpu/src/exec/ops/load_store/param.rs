//! ld of a kernel's parameters.

use super::{narrow_addresses, slot, write_results};
use crate::exec::inst::Inst;
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp, lanes};
use crate::sanitizer::FindingKind;

/// `ld.param` of a kernel: the same bytes for every thread.
#[inline(always)]
pub fn load<const SIZE: u32, const N: usize, const W: usize>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    let addresses = narrow_addresses(warp, slot::<N>(warp, inst, N), inst);
    let mut values = [[0; LANES]; W];
    let params = warp.launch.params;
    for lane in lanes(mask) {
        for element in 0..N {
            let at = addresses[lane] as usize + element * SIZE as usize;
            let Some(bytes) = params.get(at..at + SIZE as usize) else {
                let message = format!(
                    "Load of {SIZE} bytes at byte {at} of the kernel's {} bytes of parameters",
                    params.len()
                );
                return warp.found(FindingKind::OutOfBounds, lane as u32, message);
            };
            let value = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            if SIZE == 8 {
                values[2 * element][lane] = value as u32;
                values[2 * element + 1][lane] = (value >> 32) as u32;
            } else {
                values[element][lane] = value as u32;
            }
        }
    }
    write_results::<SIZE, N, W>(warp, inst, mask, &values);
    Flow::Next
}
