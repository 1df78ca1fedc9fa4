//! ldmatrix and stmatrix: 8×8 matrices of 16-bit elements between shared memory and the warp's registers.
//!
//! PTX ISA, "ldmatrix": the addresses of rows 0…7 of matrix `m` come from lanes `8 m … 8 m + 7`. Row `r`
//! of a matrix goes to lanes `4 r … 4 r + 3`, elements `2 t` and `2 t + 1` to lane `4 r + t`; with
//! `.trans` the matrix is transposed first.

use super::banks::{self, Pattern};
use super::load_store::{accessor, check_shared, count_shared, narrow_addresses, shared_hazard};
use crate::exec::global::Access;
use crate::exec::inst::Inst;
use crate::exec::regs::{FULL, LANES};
use crate::exec::shared::Accessor;
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
    let pattern = (N == 4).then(|| Pattern::new(&addresses, 16));
    banks::count(&mut warp.worker.tally.matrix_loads, &addresses, rows, 16, pattern.as_ref());
    let first = accessor(warp, 0, false);
    let by_words = warp.block.shared.by_words();
    for matrix in 0..N {
        let mut rows = [[0u32; 4]; 8];
        for (row, out) in rows.iter_mut().enumerate() {
            let lane = 8 * matrix + row;
            let by = Accessor { thread: first.thread + lane as u32, ..first };
            let shared = &mut warp.block.shared;
            // One thread reads the row on behalf of four: the one that gave the address.
            let mut found = None;
            let calm: Option<[u32; 4]> =
                if by_words { shared.read_words(addresses[lane], false, by) } else { None };
            *out = calm.unwrap_or_else(|| {
                std::array::from_fn(|t| {
                    let (word, hazard) = shared.load(addresses[lane] + 4 * t as u32, 4, by);
                    found = found.or(hazard);
                    word
                })
            });
            if let Some(hazard) = found
                && shared_hazard(warp, lane, addresses[lane], Access::Load, hazard) == Flow::Stop
            {
                return Flow::Stop;
            }
        }
        let element =
            |row: usize, column: usize| rows[row][column / 2] >> (16 * (column % 2)) & 0xFFFF;
        let out: [u32; LANES] = std::array::from_fn(|lane| {
            let (row, t) = (lane / 4, lane % 4);
            if inst.wide & TRANSPOSED == 0 {
                rows[row][t]
            } else {
                element(2 * t, row) | element(2 * t + 1, row) << 16
            }
        });
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
