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
use crate::exec::regs::{FULL, LANES, Slot};
use crate::exec::warp::{Flow, Warp};
use crate::sanitizer::FindingKind;

/// Type of A and B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Tf32,
    F16,
    Bf16,
}

#[inline(always)]
fn tf32(bits: u32) -> f32 {
    f32::from_bits(bits & 0xFFFF_E000)
}

/// The f32 value of 16 bits of an element type.
#[inline(always)]
fn wide(element: Element, bits: u16) -> f32 {
    match element {
        Element::Bf16 => f32::from_bits(u32::from(bits) << 16),
        _ => f16_to_f32(bits),
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
pub fn multiply<const K: usize>(warp: &mut Warp, inst: &Inst, mask: u32, element: Element) -> Flow {
    if mask != FULL {
        let message =
            format!("mma.sync.aligned by lanes {mask:#010x}: all 32 must execute it together");
        return warp.found(FindingKind::SyncMask, mask.trailing_zeros(), message);
    }
    let program = warp.launch.program;
    let ops: &[Slot] = program.wide.get(inst.wide as usize..).unwrap_or(&[]);
    let (na, nb) = match element {
        Element::Tf32 => (K / 2, K / 4),
        _ => (K / 4, K / 8),
    };
    if ops.len() < 8 + na + nb {
        return warp.found(FindingKind::Trap, 0, "mma without its operands".into());
    }
    let (d, rest) = ops.split_at(4);
    let (a_slots, rest) = rest.split_at(na);
    let (b_slots, c_slots) = rest.split_at(nb);

    // A by columns (k), 16 rows each; B by rows (k), 8 columns each.
    let mut a = [[0f32; 16]; K];
    let mut b = [[0f32; 8]; K];
    match element {
        Element::Tf32 => {
            for (index, &slot) in a_slots.iter().enumerate() {
                let lanes = warp.regs.read::<u32>(slot);
                let (row, column) = (index % 2 * 8, index / 2 * 4);
                for lane in 0..LANES {
                    a[column + lane % 4][row + lane / 4] = tf32(lanes[lane]);
                }
            }
            for (index, &slot) in b_slots.iter().enumerate() {
                let lanes = warp.regs.read::<u32>(slot);
                for lane in 0..LANES {
                    b[4 * index + lane % 4][lane / 4] = tf32(lanes[lane]);
                }
            }
        }
        _ => {
            for (index, &slot) in a_slots.iter().enumerate() {
                let lanes = warp.regs.read::<u32>(slot);
                let low = lanes.map(|word| wide(element, word as u16));
                let high = lanes.map(|word| wide(element, (word >> 16) as u16));
                let (row, column) = (index % 2 * 8, index / 2 * 8);
                for lane in 0..LANES {
                    let k = column + lane % 4 * 2;
                    a[k][row + lane / 4] = low[lane];
                    a[k + 1][row + lane / 4] = high[lane];
                }
            }
            for (index, &slot) in b_slots.iter().enumerate() {
                let lanes = warp.regs.read::<u32>(slot);
                let low = lanes.map(|word| wide(element, word as u16));
                let high = lanes.map(|word| wide(element, (word >> 16) as u16));
                for lane in 0..LANES {
                    let k = 8 * index + lane % 4 * 2;
                    b[k][lane / 4] = low[lane];
                    b[k + 1][lane / 4] = high[lane];
                }
            }
        }
    }
    let mut sum = [[0f32; 8]; 16];
    for (index, &slot) in c_slots[..4].iter().enumerate() {
        let lanes = warp.regs.read::<f32>(slot);
        for lane in 0..LANES {
            sum[index / 2 * 8 + lane / 4][lane % 4 * 2 + index % 2] = lanes[lane];
        }
    }
    for row in 0..16 {
        let mut acc = sum[row];
        for k in 0..K {
            let scale = a[k][row];
            for column in 0..8 {
                acc[column] = scale.mul_add(b[k][column], acc[column]);
            }
        }
        sum[row] = acc;
    }
    for (index, &slot) in d.iter().enumerate() {
        let out: [f32; LANES] =
            std::array::from_fn(|lane| sum[index / 2 * 8 + lane / 4][lane % 4 * 2 + index % 2]);
        warp.regs.write(slot, FULL, &out);
    }
    Flow::Next
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
