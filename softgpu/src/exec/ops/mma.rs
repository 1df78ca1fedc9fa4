//! mma.sync: small matrix products over the registers of a warp, D = A B + C with f32 accumulation.
//!
//! Fragments (PTX ISA, "Matrix Fragments for mma.m16n8k8 / m16n8k16"): with g = lane / 4 and
//! t = lane % 4,
//!
//! ```text
//! C, D (16×8, f32):  c0 c1 at row g,     columns 2t, 2t+1;  c2 c3 at row g + 8
//! A (16×8, tf32):    a0 (g, t)  a1 (g+8, t)  a2 (g, t+4)  a3 (g+8, t+4)
//! B (8×8, tf32):     b0 (t, g)  b1 (t+4, g)
//! A (16×16, 16 bit): a0 (g, 2t 2t+1)  a1 (g+8, …)  a2 (g, 2t+8 2t+9)  a3 (g+8, …)
//! B (16×8, 16 bit):  b0 (2t 2t+1, g)  b1 (2t+8 2t+9, g)
//! ```
//!
//! Sixteen-bit shapes with k = 8 have the first half of A and B. Products are exact and summed in f32 by
//! fused multiply-adds over k in ascending order; hardware's order is not specified, so results are
//! compared with a tolerance. tf32 operands are f32 registers of which hardware reads the upper 19 bits.

use crate::exec::inst::Inst;
use crate::exec::regs::{CHUNK, FULL, LANES, Slot};
use crate::exec::warp::{Flow, Warp};
use crate::sanitizer::FindingKind;

/// Type of A and B.
pub trait Element {
    /// Elements in a register of 32 bits.
    const PACKED: usize;
    /// The f32 value of an element of a register.
    fn widen(word: u32, at: usize) -> f32;
}

/// tf32: an f32 of which the lower 13 bits do not count.
pub struct Tf32;

impl Element for Tf32 {
    const PACKED: usize = 1;

    #[inline(always)]
    fn widen(word: u32, _at: usize) -> f32 {
        f32::from_bits(word & 0xFFFF_E000)
    }
}

/// f16, two in a register.
pub struct F16;

impl Element for F16 {
    const PACKED: usize = 2;

    #[inline(always)]
    fn widen(word: u32, at: usize) -> f32 {
        f16_to_f32((word >> (16 * at)) as u16)
    }
}

/// bf16, two in a register.
pub struct Bf16;

impl Element for Bf16 {
    const PACKED: usize = 2;

    #[inline(always)]
    fn widen(word: u32, at: usize) -> f32 {
        f32::from_bits(word >> (16 * at) << 16)
    }
}

/// Without branches, so that it vectorises: exact for all f16, by scaling through f32.
#[inline(always)]
fn f16_to_f32(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let magnitude = (bits & 0x7FFF) << 13;
    // 2^112 moves the exponent from bias 15 to 127 and makes subnormals normal.
    let scaled = f32::from_bits(magnitude) * f32::from_bits(0x7780_0000);
    let special = magnitude >= 0x7C00 << 13;
    let value = if special { magnitude | 0x7F80_0000 } else { scaled.to_bits() };
    f32::from_bits(value | (bits & 0x8000) << 16)
}

/// `mma.sync` m16n8kK. `wide` operands: 4 D, K-dependent number of A and B, 4 C.
#[inline(always)]
pub fn multiply<const K: usize, E: Element>(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    if mask != FULL {
        let message =
            format!("mma.sync.aligned by lanes {mask:#010x}: all 32 must execute it together");
        return warp.found(FindingKind::SyncMask, mask.trailing_zeros(), message);
    }
    let program = warp.launch.program;
    let ops: &[Slot] = program.wide.get(inst.wide as usize..).unwrap_or(&[]);
    // Registers of A and of B.
    let (na, nb) = (K / 2 / E::PACKED, K / 4 / E::PACKED);
    if ops.len() < 8 + na + nb {
        return warp.found(FindingKind::Trap, 0, "mma without its operands".into());
    }
    let (d, rest) = ops.split_at(4);
    let (a_slots, rest) = rest.split_at(na);
    let (b_slots, c_slots) = rest.split_at(nb);

    // Element k of a row of A stands in lane quarter(k) of its four lanes, in this register or half of
    // one; and so does element k of a column of B.
    let quarter = |k: usize| k % (4 * E::PACKED) / E::PACKED;
    let part = |k: usize| (k / (4 * E::PACKED) * E::PACKED + k % E::PACKED) & 3;
    // Rows g and rows g + 8.
    let (mut low, mut high) = ([[0f32; LANES]; 4], [[0f32; LANES]; 4]);
    for (index, slots) in a_slots.chunks_exact(2).enumerate() {
        spread::<E>(warp, slots[0], index, &mut low);
        spread::<E>(warp, slots[1], index, &mut high);
    }
    let mut right = [[0f32; LANES]; 4];
    for (index, &slot) in b_slots.iter().enumerate() {
        spread::<E>(warp, slot, index, &mut right);
    }
    // Row k of B as the lanes of a group need it: columns 2t and columns 2t + 1, twice for two groups.
    let (mut even, mut odd) = ([[0f32; CHUNK]; K], [[0f32; CHUNK]; K]);
    for k in 0..K {
        let (lanes, t) = (&right[part(k)], quarter(k));
        even[k] = std::array::from_fn(|lane| lanes[lane % 4 * 8 + t]);
        odd[k] = std::array::from_fn(|lane| lanes[lane % 4 * 8 + 4 + t]);
    }
    for chunk in 0..LANES / CHUNK {
        let mut sums: [[f32; CHUNK]; 4] =
            std::array::from_fn(|c| warp.regs.read8(c_slots[c], chunk));
        for k in 0..K {
            let (part, at) = (part(k), chunk * CHUNK + quarter(k));
            // The element of a row is wanted by all four lanes of its group.
            let (a, b) = (low[part][at], low[part][at + 4]);
            let (c, d) = (high[part][at], high[part][at + 4]);
            let (upper, lower) = ([a, a, a, a, b, b, b, b], [c, c, c, c, d, d, d, d]);
            for lane in 0..CHUNK {
                sums[0][lane] = upper[lane].mul_add(even[k][lane], sums[0][lane]);
                sums[1][lane] = upper[lane].mul_add(odd[k][lane], sums[1][lane]);
                sums[2][lane] = lower[lane].mul_add(even[k][lane], sums[2][lane]);
                sums[3][lane] = lower[lane].mul_add(odd[k][lane], sums[3][lane]);
            }
        }
        // D may be C: this chunk of C has been read, the others are not touched.
        for (c, sum) in sums.into_iter().enumerate() {
            warp.regs.write8(d[c], chunk, FULL, sum);
        }
    }
    Flow::Next
}

/// Widens the elements of fragment register `index` to f32, one array per element of a word.
#[inline(always)]
fn spread<E: Element>(warp: &Warp, slot: Slot, index: usize, out: &mut [[f32; LANES]; 4]) {
    for chunk in 0..LANES / CHUNK {
        let words = warp.regs.read8::<u32>(slot, chunk);
        for at in 0..E::PACKED {
            let out = &mut out[(E::PACKED * index + at) & 3];
            for lane in 0..CHUNK {
                out[chunk * CHUNK + lane] = E::widen(words[lane], at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_widens_to_its_value() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (f16_to_f32(bits), half::f16::from_bits(bits).to_f32());
            assert!(
                ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(),
                "{bits:#06x}"
            );
        }
    }
}
