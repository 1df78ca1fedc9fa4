//! ldmatrix and stmatrix: 8×8 matrices of 16-bit elements between shared memory and the warp's registers.
//!
//! PTX ISA, "ldmatrix": the addresses of rows 0…7 of matrix `m` come from lanes `8 m … 8 m + 7`. Row `r`
//! of a matrix goes to lanes `4 r … 4 r + 3`, elements `2 t` and `2 t + 1` to lane `4 r + t`; with
//! `.trans` the matrix is transposed first.

use super::banks;
use super::load_store::{accessor, check_shared, count_shared, narrow_addresses, shared_hazard};
use crate::exec::global::Access;
use crate::exec::inst::Inst;
#[cfg(target_arch = "x86_64")]
use crate::exec::inst::has_fast_path;
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
    banks::count(&mut warp.worker.tally.matrix_loads, &addresses, rows, 16, None);
    for (matrix, rows) in addresses.as_chunks::<8>().0[..N].iter().enumerate() {
        let mut out = [0u32; LANES];
        if read_matrix(warp, matrix, rows, &mut out) == Flow::Stop {
            return Flow::Stop;
        }
        if inst.wide & TRANSPOSED != 0 {
            out = transposed(&out);
        }
        warp.regs.write(inst.ops[matrix], mask, &out);
    }
    Flow::Next
}

/// The words of matrix number `matrix`, row after row: words 4 r … 4 r + 3 are row `r`, which is how the
/// lanes get them.
#[inline(always)]
fn read_matrix(warp: &mut Warp, matrix: usize, rows: &[u32; 8], out: &mut [u32; LANES]) -> Flow {
    #[cfg(target_arch = "x86_64")]
    if has_fast_path() && warp.block.shared.by_words() {
        let first = accessor(warp, 8 * matrix, false);
        // SAFETY: this CPU has AVX2.
        if unsafe { warp.block.shared.read_matrix(rows, first, out) } {
            return Flow::Next;
        }
    }
    for (row, (&address, out)) in rows.iter().zip(out.as_chunks_mut::<4>().0).enumerate() {
        // One thread reads the row on behalf of four: the one that gave the address.
        let lane = 8 * matrix + row;
        let by = accessor(warp, lane, false);
        let shared = &mut warp.block.shared;
        if shared.by_words()
            && let Some(words) = shared.read_words(address, false, by)
        {
            *out = words;
            continue;
        }
        let mut found = None;
        *out = [0, 4, 8, 12].map(|offset| {
            let (word, hazard) = shared.load(address + offset, 4, by);
            found = found.or(hazard);
            word
        });
        if let Some(hazard) = found
            && shared_hazard(warp, lane, address, Access::Load, hazard) == Flow::Stop
        {
            return Flow::Stop;
        }
    }
    Flow::Next
}

/// An 8×8 matrix of 16-bit elements, two in a word, with rows and columns exchanged.
#[inline(always)]
fn transposed(words: &[u32; LANES]) -> [u32; LANES] {
    let mut out = [0; LANES];
    for (lane, out) in out.iter_mut().enumerate() {
        let (row, t) = (lane / 4, lane % 4);
        // Rows 2t and 2t + 1 of column `row`.
        let (low, high) = (words[8 * t + row / 2], words[8 * t + 4 + row / 2]);
        let shift = 16 * (row % 2);
        *out = low >> shift & 0xFFFF | high >> shift << 16;
    }
    out
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
