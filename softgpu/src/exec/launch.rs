//! What all blocks of a launch share, and what each worker keeps of its own.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8};

use super::global::GlobalView;
use super::grid::Geometry;
use super::program::Program;
use crate::counters::{SharedTraffic, Traffic};
use crate::gpu::Options;
use crate::memory::Memory;
use crate::sanitizer::{Finding, FindingKind};

/// Shared by all workers of a launch.
pub struct Launch<'a> {
    pub program: &'a Program,
    pub geometry: Geometry,
    pub options: &'a Options,
    pub params: &'a [u8],
    pub memory: &'a Memory,
    pub global: GlobalView,
    /// Set when the launch is over before its end.
    pub stop: AtomicBool,
    /// Per block: how far it has published its writes ([`FENCED`], [`RELEASED`]) and may know of those
    /// of others ([`LOOKED`], [`ACQUIRED`]).
    pub order: Vec<AtomicU8>,
    pub seed: u64,
}

/// The block has executed a fence.
pub const FENCED: u8 = 1;
/// … and after it an atomic or a store meant for others, or one of these that is a release itself:
/// others may know of its writes.
pub const RELEASED: u8 = 2;
/// The block has executed an atomic, an acquiring load, or a fence after a load of what is meant for
/// others: it may know of writes that others released.
pub const ACQUIRED: u8 = 4;
/// The block has executed a volatile or relaxed load.
pub const LOOKED: u8 = 8;

/// Most different findings one worker keeps.
const MOST_FINDINGS: usize = 100;

/// Most bytes of text that one worker keeps.
const MOST_PRINTED: usize = 16 << 20;

/// Counts of one worker that cannot be had from the code afterwards.
#[derive(Default)]
pub struct Tally {
    pub global_loads: Traffic,
    pub global_stores: Traffic,
    pub global_atomics: Traffic,
    pub async_copies: Traffic,
    pub shared_loads: SharedTraffic,
    pub shared_stores: SharedTraffic,
    pub shared_atomics: SharedTraffic,
    pub matrix_loads: SharedTraffic,
    pub divergent_branches: u64,
    pub barriers: u64,
    pub blocks: u64,
    pub warps: u64,
}

/// One thread that runs blocks.
pub struct Worker {
    /// Per instruction: times executed by a warp, and by lanes.
    pub executed: Vec<u64>,
    pub lanes: Vec<u64>,
    /// Per instruction: the region its last global access went to.
    pub regions: Vec<u32>,
    pub tally: Tally,
    pub findings: Vec<Finding>,
    known: HashMap<(FindingKind, usize), usize>,
    pub printed: String,
    rng: u64,
}

impl Worker {
    pub fn new(instructions: usize, seed: u64) -> Self {
        Self {
            executed: vec![0; instructions],
            lanes: vec![0; instructions],
            regions: vec![0; instructions],
            tally: Tally::default(),
            findings: Vec::new(),
            known: HashMap::new(),
            printed: String::new(),
            rng: seed,
        }
    }

    /// Restarts the random numbers, so that a block's schedule does not depend on its worker.
    pub fn reseed(&mut self, seed: u64) {
        self.rng = seed;
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    pub fn random(&mut self) -> u64 {
        self.rng = self.rng.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.rng)
    }

    #[inline(always)]
    pub fn count(&mut self, pc: usize, mask: u32) {
        if let (Some(executed), Some(lanes)) = (self.executed.get_mut(pc), self.lanes.get_mut(pc)) {
            *executed += 1;
            *lanes += u64::from(mask.count_ones());
        }
    }

    /// Counts each of neighbouring instructions once.
    #[inline(always)]
    pub fn count_run(&mut self, run: Range<usize>, mask: u32) {
        let lanes = u64::from(mask.count_ones());
        if let Some(counts) = self.executed.get_mut(run.clone()) {
            counts.iter_mut().for_each(|count| *count += 1);
        }
        if let Some(counts) = self.lanes.get_mut(run) {
            counts.iter_mut().for_each(|count| *count += lanes);
        }
    }

    /// Takes back one count of an instruction by these lanes, which are to come to it again.
    pub fn uncount(&mut self, pc: usize, mask: u32) {
        if let (Some(executed), Some(lanes)) = (self.executed.get_mut(pc), self.lanes.get_mut(pc)) {
            *executed -= 1;
            *lanes -= u64::from(mask.count_ones());
        }
    }

    /// Keeps what a thread prints, up to a bound: a loop that prints must not use up the memory.
    pub fn print(&mut self, text: &str) {
        if self.printed.len() > MOST_PRINTED {
            return;
        }
        self.printed.push_str(text);
        if self.printed.len() > MOST_PRINTED {
            self.printed.push_str("\n[what was printed after 16 MiB is left out]\n");
        }
    }

    /// Files a finding, or counts it where this instruction was found with this kind before.
    pub fn file(&mut self, pc: usize, finding: impl FnOnce() -> Finding) {
        let finding = finding();
        match self.known.get(&(finding.kind, pc)) {
            Some(&at) => self.findings[at].count += 1,
            None if self.findings.len() < MOST_FINDINGS => {
                self.known.insert((finding.kind, pc), self.findings.len());
                self.findings.push(finding);
            }
            None => {}
        }
    }
}

/// The output function of SplitMix64.
pub fn mix(state: u64) -> u64 {
    let z = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
