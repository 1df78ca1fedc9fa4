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
#[cfg(target_arch = "x86_64")]
use crate::exec::inst::has_fast_path;
use crate::exec::regs::{CHUNK, FULL, LANES, Regs, Slot};
use crate::exec::warp::{Flow, Warp};
use crate::sanitizer::FindingKind;

/// Type of A and B.
///
/// `PACKED` of them stand in a register of 32 bits.
pub trait Element<const PACKED: usize> {
    /// The f32 value of an element of a register.
    fn widen(word: u32, at: usize) -> f32;
}

/// tf32: an f32 of which the lower 13 bits do not count.
pub struct Tf32;

impl Element<1> for Tf32 {
    #[inline(always)]
    fn widen(word: u32, _at: usize) -> f32 {
        f32::from_bits(word & 0xFFFF_E000)
    }
}

/// f16, two in a register.
pub struct F16;

impl Element<2> for F16 {
    #[inline(always)]
    fn widen(word: u32, at: usize) -> f32 {
        f16_to_f32((word >> (16 * at)) as u16)
    }
}

/// bf16, two in a register.
pub struct Bf16;

impl Element<2> for Bf16 {
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

/// The elements of A and B as f32. `[p][lane]` is element `p` of the lane, counted through its registers:
/// `PARTS` of each row of A and of each column of B.
struct Fragments<const PARTS: usize> {
    /// Rows g of A, and rows g + 8.
    low: [[f32; LANES]; PARTS],
    high: [[f32; LANES]; PARTS],
    right: [[f32; LANES]; PARTS],
}

/// `mma.sync` m16n8kK; `PARTS` is K / 4. `wide` operands: 4 D, K-dependent number of A and B, 4 C.
#[inline(always)]
pub fn multiply<const PARTS: usize, const PACKED: usize, E: Element<PACKED>>(
    warp: &mut Warp,
    inst: &Inst,
    mask: u32,
) -> Flow {
    if mask != FULL {
        let message =
            format!("mma.sync.aligned by lanes {mask:#010x}: all 32 must execute it together");
        return warp.found(FindingKind::SyncMask, mask.trailing_zeros(), message);
    }
    let program = warp.launch.program;
    let ops: &[Slot] = program.wide.get(inst.wide as usize..).unwrap_or(&[]);
    // Registers of A and of B.
    let (na, nb) = (2 * PARTS / PACKED, PARTS / PACKED);
    if ops.len() < 8 + na + nb {
        return warp.found(FindingKind::Trap, 0, "mma without its operands".into());
    }
    let (d, rest) = ops.split_at(4);
    let (a, rest) = rest.split_at(na);
    let (b, c) = rest.split_at(nb);
    let zero = [[0f32; LANES]; PARTS];
    let mut fragments = Fragments { low: zero, high: zero, right: zero };
    for (index, slots) in a.chunks_exact(2).enumerate() {
        spread::<PARTS, PACKED, E>(warp, slots[0], index, &mut fragments.low);
        spread::<PARTS, PACKED, E>(warp, slots[1], index, &mut fragments.high);
    }
    for (index, &slot) in b.iter().enumerate() {
        spread::<PARTS, PACKED, E>(warp, slot, index, &mut fragments.right);
    }
    #[cfg(target_arch = "x86_64")]
    if has_fast_path() {
        // SAFETY: this CPU has AVX2 and FMA.
        unsafe { avx2::products::<PARTS, PACKED>(&mut warp.regs, &fragments, c, d) };
        return Flow::Next;
    }
    products::<PARTS, PACKED>(&mut warp.regs, &fragments, c, d);
    Flow::Next
}

/// Where element `k` of a row of A stands: in which part, and in which of the row's four lanes. The same
/// for a column of B.
#[inline(always)]
fn place<const PACKED: usize>(k: usize) -> (usize, usize) {
    (k / (4 * PACKED) * PACKED + k % PACKED, k / PACKED % 4)
}

/// D = A B + C, for any CPU.
fn products<const PARTS: usize, const PACKED: usize>(
    regs: &mut Regs,
    fragments: &Fragments<PARTS>,
    c: &[Slot],
    d: &[Slot],
) {
    let Fragments { low, high, right } = fragments;
    for chunk in 0..LANES / CHUNK {
        let mut sums: [[f32; CHUNK]; 4] = std::array::from_fn(|i| regs.read8(c[i], chunk));
        for k in 0..4 * PARTS {
            let (part, quarter) = place::<PACKED>(k);
            for lane in 0..CHUNK {
                // The element of a row is wanted by all four lanes of its group; those of columns 2t and
                // 2t + 1 stand with groups 2t and 2t + 1.
                let at = chunk * CHUNK + lane / 4 * 4 + quarter;
                let column = lane % 4 * CHUNK + quarter;
                let (even, odd) = (right[part][column], right[part][column + 4]);
                sums[0][lane] = low[part][at].mul_add(even, sums[0][lane]);
                sums[1][lane] = low[part][at].mul_add(odd, sums[1][lane]);
                sums[2][lane] = high[part][at].mul_add(even, sums[2][lane]);
                sums[3][lane] = high[part][at].mul_add(odd, sums[3][lane]);
            }
        }
        // D may be C: this chunk of C has been read, the others are not touched.
        for (slot, sum) in d.iter().zip(sums) {
            regs.write8(*slot, chunk, FULL, sum);
        }
    }
}

/// The same eight lanes at a time, in the form that the compiler does not find by itself.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{CHUNK, FULL, Fragments, LANES, Regs, Slot, place};
    use crate::exec::shared::avx2::transpose;

    #[target_feature(enable = "avx2,fma")]
    pub fn products<const PARTS: usize, const PACKED: usize>(
        regs: &mut Regs,
        fragments: &Fragments<PARTS>,
        c: &[Slot],
        d: &[Slot],
    ) {
        let eight = |lanes: &[f32; LANES], chunk: usize| -> __m256 {
            bytemuck::cast(lanes.as_chunks::<CHUNK>().0[chunk])
        };
        // [part][quarter]: an element of each column of B as the four lanes of a group need it, columns
        // 2t and columns 2t + 1, twice for two groups. Eight lanes of B are two columns.
        let mut even = [[_mm256_setzero_ps(); 4]; PARTS];
        let mut odd = even;
        for part in 0..PARTS {
            let columns = transpose(std::array::from_fn(|at| eight(&fragments.right[part], at)));
            for (quarter, both) in columns.into_iter().enumerate() {
                even[part][quarter] = _mm256_permute2f128_ps::<0x00>(both, both);
                odd[part][quarter] = _mm256_permute2f128_ps::<0x11>(both, both);
            }
        }
        let quarters = [0, 1, 2, 3].map(|quarter| _mm256_set1_epi32(quarter));
        for chunk in 0..LANES / CHUNK {
            let [mut s, mut t, mut u, mut v]: [__m256; 4] =
                std::array::from_fn(|at| bytemuck::cast(regs.read8::<f32>(c[at], chunk)));
            for k in 0..4 * PARTS {
                let (part, quarter) = place::<PACKED>(k);
                let upper = eight(&fragments.low[part], chunk);
                let upper = _mm256_permutevar_ps(upper, quarters[quarter]);
                let lower = eight(&fragments.high[part], chunk);
                let lower = _mm256_permutevar_ps(lower, quarters[quarter]);
                s = _mm256_fmadd_ps(upper, even[part][quarter], s);
                t = _mm256_fmadd_ps(upper, odd[part][quarter], t);
                u = _mm256_fmadd_ps(lower, even[part][quarter], u);
                v = _mm256_fmadd_ps(lower, odd[part][quarter], v);
            }
            for (slot, sum) in d.iter().zip([s, t, u, v]) {
                regs.write8::<f32>(*slot, chunk, FULL, bytemuck::cast(sum));
            }
        }
    }
}

/// Widens the elements of fragment register `index` to f32, one array per element of a word.
#[inline(always)]
fn spread<const PARTS: usize, const PACKED: usize, E: Element<PACKED>>(
    warp: &Warp,
    slot: Slot,
    index: usize,
    out: &mut [[f32; LANES]; PARTS],
) {
    for chunk in 0..LANES / CHUNK {
        let words = warp.regs.read8::<u32>(slot, chunk);
        for at in 0..PACKED {
            let out = &mut out[(PACKED * index + at) % PARTS];
            for lane in 0..CHUNK {
                out[chunk * CHUNK + lane] = E::widen(words[lane], at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of multiplying, on numbers whose sums are rounded differently in any other order.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_fast_product_has_the_bits_of_the_plain_one() {
        fn compare<const PARTS: usize, const PACKED: usize>() {
            let mut state = 1u32;
            let mut number = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            };
            let mut fragment = || -> [[f32; LANES]; PARTS] {
                [(); PARTS].map(|()| [(); LANES].map(|()| number()))
            };
            let fragments = Fragments { low: fragment(), high: fragment(), right: fragment() };
            let mut rows = vec![crate::exec::regs::Row::ZERO; 4];
            for row in &mut rows {
                row.0 = [(); LANES].map(|()| number().to_bits());
            }
            let mut others = rows.clone();
            let slots = [0, 1, 2, 3];
            let mut regs = Regs::new(&mut rows, &[], &mut [], 0.0);
            products::<PARTS, PACKED>(&mut regs, &fragments, &slots, &slots);
            let mut regs = Regs::new(&mut others, &[], &mut [], 0.0);
            // SAFETY: the caller has looked for AVX2 and FMA.
            unsafe { avx2::products::<PARTS, PACKED>(&mut regs, &fragments, &slots, &slots) };
            for (row, other) in rows.iter().zip(&others) {
                assert_eq!(row.0, other.0, "{PARTS} parts, {PACKED} in a register");
            }
        }
        if has_fast_path() {
            compare::<1, 1>();
            compare::<2, 1>();
            compare::<2, 2>();
            compare::<4, 2>();
        }
    }

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
