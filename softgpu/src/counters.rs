//! Exact counts of what a launch did. They are not times: nothing here says how long hardware takes.

use std::collections::BTreeMap;

use crate::exec::inst::Class;

/// Requests and traffic of one kind of global access.
///
/// A request is one warp instruction with at least one lane. A sector is 32 aligned bytes, the unit
/// that hardware moves between L2 and an SM; each sector counts once per request that touches it,
/// whatever a cache would save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Traffic {
    pub requests: u64,
    /// Bytes that the lanes asked for.
    pub bytes: u64,
    pub sectors: u64,
}

/// Requests of one kind to shared memory.
///
/// Model: 32 banks of 4 bytes. Accesses of up to 4 bytes are served for all 32 lanes at once, of 8 bytes
/// in halves, of 16 bytes in quarters of the warp. Each part takes as many wavefronts as the busiest
/// bank has different words. Conflicts are the wavefronts beyond one per part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SharedTraffic {
    pub requests: u64,
    pub bytes: u64,
    pub wavefronts: u64,
    pub conflicts: u64,
}

/// The counts of one launch.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Counters {
    /// Warp instructions by class. An instruction counts whenever a warp comes to it, also when its
    /// guard holds for none of the lanes.
    pub warp_instructions: BTreeMap<Class, u64>,
    /// The same, once per lane whose guard holds.
    pub lane_instructions: BTreeMap<Class, u64>,
    /// Fused multiply-adds of scalar and packed instructions, per lane and element.
    pub fmas: u64,
    /// Multiply-adds of mma.sync.
    pub mma_macs: u64,
    pub global_loads: Traffic,
    pub global_stores: Traffic,
    /// atom and red on global memory.
    pub global_atomics: Traffic,
    /// Global side of cp.async.
    pub async_copies: Traffic,
    /// Different bytes of global memory read or written; `None` when global race checks are off.
    pub unique_bytes: Option<u64>,
    pub shared_loads: SharedTraffic,
    pub shared_stores: SharedTraffic,
    pub shared_atomics: SharedTraffic,
    /// ldmatrix: one wavefront per 8×8 matrix without conflicts.
    pub matrix_loads: SharedTraffic,
    /// Branches where lanes of one warp went different ways.
    pub divergent_branches: u64,
    /// Warps that arrived at block barriers.
    pub barriers: u64,
    /// Blocks and warps that ran.
    pub blocks: u64,
    pub warps: u64,
}
