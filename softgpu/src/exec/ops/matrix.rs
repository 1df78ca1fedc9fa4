//! ldmatrix and stmatrix: 8×8 matrices of 16-bit elements between shared memory and the warp's registers.
//!
//! PTX ISA, "ldmatrix": the addresses of rows 0…7 of matrix `m` come from lanes `8 m … 8 m + 7`. Row `r`
//! of a matrix goes to lanes `4 r … 4 r + 3`, elements `2 t` and `2 t + 1` to lane `4 r + t`; with
//! `.trans` the matrix is transposed first.

use super::load_store::{accessor, check_shared, count_shared, narrow_addresses, shared_hazard};
use crate::exec::global::Access;
use crate::exec::inst::Inst;
use crate::exec::regs::{FULL, LANES};
use crate::exec::warp::{Flow, Warp};
use crate::sanitizer::FindingKind;

/// Bit of `Inst::wide` of a transposed load or store; the low bits are those of `load_store::flags`.
pub const TRANSPOSED: u32 = 128;

fn whole_warp(warp: &mut Warp, mask: u32, name: &str) -> Flow {
    if mask == FULL {
        return Flow::Next;
    }
    let message =
        format!("{name}.sync.aligned by lanes {mask:#010x}: all 32 must execute it together");
    warp.found(FindingKind::SyncMask, mask.trailing_zeros(), message)
}

/// `ldmatrix`. Operands: N results, the address.
#[inline(always)]
pub fn load<const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    if whole_warp(warp, mask, "ldmatrix") == Flow::Stop {
        return Flow::Stop;
    }
    let addresses = narrow_addresses(warp, inst.ops[N], inst);
    let rows = if N == 4 { FULL } else { (1u32 << (8 * N)) - 1 };
    if check_shared(warp, &addresses, rows, 16, Access::Load) == Flow::Stop {
        return Flow::Stop;
    }
    count_shared(warp, &addresses, rows, 16, |worker| &mut worker.tally.matrix_loads);
    for matrix in 0..N {
        let mut out = [0u32; LANES];
        for row in 0..8 {
            let lane = 8 * matrix + row;
            let by = accessor(warp, lane, false);
            let mut found = None;
            let shared = &mut warp.block.shared;
            // One thread reads the row on behalf of four: the one that gave the address.
            let calm = shared.by_words() && shared.read_run::<4>(addresses[lane], 4, false, by);
            for t in 0..4 {
                let address = addresses[lane] + 4 * t as u32;
                let (word, hazard) =
                    if calm { (shared.peek(address), None) } else { shared.load(address, 4, by) };
                found = found.or(hazard);
                if inst.wide & TRANSPOSED == 0 {
                    out[4 * row + t] = word;
                    continue;
                }
                // Element (row, column) goes where (column, row) of an untransposed matrix goes.
                for (half, element) in [word & 0xFFFF, word >> 16].into_iter().enumerate() {
                    let column = 2 * t + half;
                    out[4 * column + row / 2] |= element << (16 * (row % 2));
                }
            }
            if let Some(hazard) = found
                && shared_hazard(warp, lane, addresses[lane], Access::Load, hazard) == Flow::Stop
            {
                return Flow::Stop;
            }
        }
        warp.regs.write(inst.ops[matrix], mask, &out);
    }
    Flow::Next
}

/// `stmatrix`. Operands: the address, N sources.
#[inline(always)]
pub fn store<const N: usize>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    if whole_warp(warp, mask, "stmatrix") == Flow::Stop {
        return Flow::Stop;
    }
    let addresses = narrow_addresses(warp, inst.ops[0], inst);
    let rows = if N == 4 { FULL } else { (1u32 << (8 * N)) - 1 };
    if check_shared(warp, &addresses, rows, 16, Access::Store) == Flow::Stop {
        return Flow::Stop;
    }
    count_shared(warp, &addresses, rows, 16, |worker| &mut worker.tally.shared_stores);
    for matrix in 0..N {
        let values = warp.regs.read::<u32>(inst.ops[1 + matrix]);
        for row in 0..8 {
            let lane = 8 * matrix + row;
            let by = accessor(warp, lane, false);
            for t in 0..4 {
                let word = if inst.wide & TRANSPOSED == 0 {
                    values[4 * row + t]
                } else {
                    let element =
                        |column: usize| values[4 * column + row / 2] >> (16 * (row % 2)) & 0xFFFF;
                    element(2 * t) | element(2 * t + 1) << 16
                };
                let address = addresses[lane] + 4 * t as u32;
                if let Some(hazard) = warp.block.shared.store(address, 4, word, by)
                    && shared_hazard(warp, lane, address, Access::Store, hazard) == Flow::Stop
                {
                    return Flow::Stop;
                }
            }
        }
    }
    Flow::Next
}
