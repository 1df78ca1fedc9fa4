//! Moves that are more than a copy: special registers, packing and unpacking, address windows.

use crate::exec::inst::{Inst, NONE};
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp};
use crate::memory::{LOCAL_WINDOW, SHARED_WINDOW, WINDOW_BYTES};

/// Registers that say where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Tid(usize),
    Ntid(usize),
    Ctaid(usize),
    Nctaid(usize),
    LaneId,
    WarpId,
    NWarpId,
    SmId,
    NSmId,
    GridId,
    LaneMaskEq,
    LaneMaskLt,
    LaneMaskLe,
    LaneMaskGt,
    LaneMaskGe,
    Clock,
    ClockHigh,
    DynamicShared,
    TotalShared,
}

impl Special {
    /// The register a name stands for.
    pub fn from_name(name: &str) -> Option<Special> {
        use Special::*;
        let axis = |rest: &str| ["x", "y", "z"].iter().position(|axis| *axis == rest);
        if let Some((register, rest)) = name.split_once('.') {
            let axis = axis(rest)?;
            return Some(match register {
                "%tid" => Tid(axis),
                "%ntid" => Ntid(axis),
                "%ctaid" => Ctaid(axis),
                "%nctaid" => Nctaid(axis),
                _ => return None,
            });
        }
        Some(match name {
            "%laneid" => LaneId,
            "%warpid" => WarpId,
            "%nwarpid" => NWarpId,
            "%smid" => SmId,
            "%nsmid" => NSmId,
            "%gridid" => GridId,
            "%lanemask_eq" => LaneMaskEq,
            "%lanemask_lt" => LaneMaskLt,
            "%lanemask_le" => LaneMaskLe,
            "%lanemask_gt" => LaneMaskGt,
            "%lanemask_ge" => LaneMaskGe,
            "%clock" | "%clock64" | "%globaltimer" | "%globaltimer_lo" => Clock,
            "%clock_hi" | "%globaltimer_hi" => ClockHigh,
            "%dynamic_smem_size" => DynamicShared,
            "%total_smem_size" => TotalShared,
            _ => return None,
        })
    }

    /// Its place in the order in which [`special`] reads `imm`.
    pub fn code(self) -> i64 {
        use Special::*;
        match self {
            Tid(axis) => axis as i64,
            Ntid(axis) => 3 + axis as i64,
            Ctaid(axis) => 6 + axis as i64,
            Nctaid(axis) => 9 + axis as i64,
            LaneId => 12,
            WarpId => 13,
            NWarpId => 14,
            SmId => 15,
            NSmId => 16,
            GridId => 17,
            LaneMaskEq => 18,
            LaneMaskLt => 19,
            LaneMaskLe => 20,
            LaneMaskGt => 21,
            LaneMaskGe => 22,
            Clock => 23,
            DynamicShared => 24,
            TotalShared => 25,
            ClockHigh => 26,
        }
    }
}

/// `mov` from a special register, its code in the low byte of `imm`, bit 8 set for a 64-bit result.
/// Clocks count the instructions of the warp: they order events of a thread and are no time.
pub fn special(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let geometry = warp.launch.geometry;
    let (grid, block, at) = (geometry.grid, geometry.block, warp.block.position);
    let lane: [u32; LANES] = std::array::from_fn(|lane| lane as u32);
    let each = |f: &dyn Fn(u32) -> u32| lane.map(f);
    let index = warp.index;
    let thread = |l: u32| block.position(u64::from(index * 32 + l));
    let properties = &warp.launch.options.properties;
    let program = warp.launch.program;
    let out: [u32; LANES] = match inst.imm & 0xFF {
        0 => each(&|l| thread(l).x),
        1 => each(&|l| thread(l).y),
        2 => each(&|l| thread(l).z),
        3 => [block.x; LANES],
        4 => [block.y; LANES],
        5 => [block.z; LANES],
        6 => [at.x; LANES],
        7 => [at.y; LANES],
        8 => [at.z; LANES],
        9 => [grid.x; LANES],
        10 => [grid.y; LANES],
        11 => [grid.z; LANES],
        12 => lane,
        13 => [index; LANES],
        14 => [block.count().div_ceil(32) as u32; LANES],
        15 => [(warp.block.index % u64::from(properties.multiprocessors.max(1))) as u32; LANES],
        16 => [properties.multiprocessors; LANES],
        18 => each(&|l| 1 << l),
        19 => each(&|l| (1 << l) - 1),
        20 => each(&|l| u32::MAX >> (31 - l)),
        21 => each(&|l| !(u32::MAX >> (31 - l))),
        22 => each(&|l| u32::MAX << l),
        23 => [warp.state.steps as u32; LANES],
        24 => [geometry.dynamic_shared; LANES],
        25 => [program.shared_bytes + geometry.dynamic_shared; LANES],
        26 => [(warp.state.steps >> 32) as u32; LANES],
        _ => [0; LANES],
    };
    if inst.imm & 0x100 != 0 {
        let steps = warp.state.steps;
        let wide = if inst.imm & 0xFF == 23 { [steps; LANES] } else { out.map(u64::from) };
        warp.regs.write(inst.ops[0], mask, &wide);
    } else {
        warp.regs.write(inst.ops[0], mask, &out);
    }
    Flow::Next
}

/// `mov.b64 d, {a, b}`.
pub fn pack_64(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let (low, high) = (warp.regs.read::<u32>(inst.ops[1]), warp.regs.read::<u32>(inst.ops[2]));
    let out: [u64; LANES] = std::array::from_fn(|l| u64::from(low[l]) | u64::from(high[l]) << 32);
    warp.regs.write(inst.ops[0], mask, &out);
    Flow::Next
}

/// `mov.b64 {d, e}, a`; either may be `_`.
pub fn unpack_64(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let whole = warp.regs.read::<u64>(inst.ops[2]);
    for (half, shift) in [(0, 0), (1, 32)] {
        if inst.ops[half] != NONE {
            warp.regs.write(inst.ops[half], mask, &whole.map(|w| (w >> shift) as u32));
        }
    }
    Flow::Next
}

/// `mov.b32 d, {a, b}` of 16-bit registers.
pub fn pack_32(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let (low, high) = (warp.regs.read::<u32>(inst.ops[1]), warp.regs.read::<u32>(inst.ops[2]));
    let out: [u32; LANES] = std::array::from_fn(|l| low[l] & 0xFFFF | high[l] << 16);
    warp.regs.write(inst.ops[0], mask, &out);
    Flow::Next
}

/// `mov.b16 d, {a, b}` of 8-bit registers.
pub fn pack_16(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let (low, high) = (warp.regs.read::<u32>(inst.ops[1]), warp.regs.read::<u32>(inst.ops[2]));
    let out: [u32; LANES] = std::array::from_fn(|l| low[l] & 0xFF | (high[l] & 0xFF) << 8);
    warp.regs.write(inst.ops[0], mask, &out);
    Flow::Next
}

/// `mov.b16 {d, e}, a` into 8-bit registers; either may be `_`.
pub fn unpack_16(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let whole = warp.regs.read::<u32>(inst.ops[2]);
    for (part, shift) in [(0, 0), (1, 8)] {
        if inst.ops[part] != NONE {
            warp.regs.write(inst.ops[part], mask, &whole.map(|w| w >> shift & 0xFF));
        }
    }
    Flow::Next
}

/// `mov.b32 {d, e}, a` into 16-bit registers; either may be `_`.
pub fn unpack_32(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let whole = warp.regs.read::<u32>(inst.ops[2]);
    for (half, shift) in [(0, 0), (1, 16)] {
        if inst.ops[half] != NONE {
            warp.regs.write(inst.ops[half], mask, &whole.map(|w| w >> shift & 0xFFFF));
        }
    }
    Flow::Next
}

/// `mov.b64 d, {a, b, c, e}` of 16-bit registers.
pub fn pack_64_of_4(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let parts: [[u32; LANES]; 4] =
        std::array::from_fn(|part| warp.regs.read::<u32>(inst.ops[1 + part]));
    let out: [u64; LANES] = std::array::from_fn(|l| {
        (0..4).fold(0, |whole, part| whole | u64::from(parts[part][l] & 0xFFFF) << (16 * part))
    });
    warp.regs.write(inst.ops[0], mask, &out);
    Flow::Next
}

/// `mov.b64 {a, b, c, e}, d` into 16-bit registers.
pub fn unpack_64_of_4(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let whole = warp.regs.read::<u64>(inst.ops[4]);
    for part in 0..4 {
        if inst.ops[part] != NONE {
            let out = whole.map(|w| (w >> (16 * part)) as u32 & 0xFFFF);
            warp.regs.write(inst.ops[part], mask, &out);
        }
    }
    Flow::Next
}

/// `cvta.space`, `cvta.to.space` between an address in the space and a generic one: adds `imm`.
pub fn add_window(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let out =
        warp.regs.read::<u64>(inst.ops[1]).map(|address| address.wrapping_add_signed(inst.imm));
    warp.regs.write(inst.ops[0], mask, &out);
    Flow::Next
}

/// `isspacep.space p, a`: `imm` is 0 for global, 1 shared, 2 local.
pub fn is_space(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let addresses = warp.regs.read::<u64>(inst.ops[1]);
    let inside = |address: u64, window: u64| address.wrapping_sub(window) < WINDOW_BYTES;
    let mut out = 0;
    for (lane, &address) in addresses.iter().enumerate() {
        let (shared, local) = (inside(address, SHARED_WINDOW), inside(address, LOCAL_WINDOW));
        let hit = match inst.imm {
            1 => shared,
            2 => local,
            _ => !shared && !local,
        };
        out |= u32::from(hit) << lane;
    }
    warp.regs.set_pred(inst.ops[0], mask, out);
    Flow::Next
}
