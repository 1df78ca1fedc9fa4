//! A launch: its blocks over the cores, in a random order, and what they counted put together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};

use super::block::{self, Block};
use super::global::GlobalView;
use super::inst::Class;
use super::launch::{Launch, Worker, mix};
use super::program::Program;
use super::shared::SharedMemory;
use super::warp::WarpState;
use crate::counters::{Counters, SharedTraffic, Traffic};
use crate::gpu::Options;
use crate::launch::{Dim3, LaunchError, LineCount, Report};
use crate::memory::Memory;
use crate::sanitizer::Finding;

/// Sizes of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub grid: Dim3,
    pub block: Dim3,
    /// Dynamic shared memory, bytes.
    pub dynamic_shared: u32,
}

/// Runs a launch to its end.
///
/// # Errors
/// [`LaunchError::Invalid`] when the geometry is impossible, [`LaunchError::Found`] when the sanitizer
/// found something.
pub fn run(
    memory: &Memory,
    options: &Options,
    program: &Arc<Program>,
    geometry: Geometry,
    params: Vec<u8>,
    seed: u64,
) -> Result<Report, LaunchError> {
    check(options, program, geometry)
        .map_err(|what| LaunchError::Invalid { kernel: program.name.clone(), what })?;
    let blocks = geometry.grid.count();
    let launch = Launch {
        program,
        geometry,
        options,
        params: &params,
        memory,
        global: GlobalView::new(memory, program.global_granule),
        stop: AtomicBool::new(false),
        order: std::iter::repeat_with(|| AtomicU8::new(0)).take(blocks as usize).collect(),
        seed,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if options.workers == 0 { cores } else { options.workers };
    let workers = workers.min(blocks as usize).max(1);
    let next = AtomicUsize::new(0);
    let order = shuffled(blocks as u32, seed);
    let run_blocks = || run_some(&launch, &next, &order);
    let done: Vec<Worker> = if workers == 1 {
        vec![run_blocks()]
    } else {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(run_blocks)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<Worker>| {
                // Half a launch must not look like a whole one.
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        })
    };
    let report = report(&launch, done);
    if !report.findings.is_empty() && (options.fail_on_findings || launch.stop.load(Relaxed)) {
        return Err(LaunchError::Found(Box::new(report)));
    }
    Ok(report)
}

/// Why the geometry is impossible, in words.
fn check(options: &Options, program: &Program, geometry: Geometry) -> Result<(), String> {
    let limits = &options.properties;
    let Geometry { grid, block, dynamic_shared } = geometry;
    let axes = |size: Dim3| [size.x, size.y, size.z];
    for (what, size, most) in [("grid", grid, limits.max_grid), ("block", block, limits.max_block)]
    {
        if axes(size).contains(&0) {
            return Err(format!("{what} {size} is empty"));
        }
        if axes(size).iter().zip(most).any(|(&size, most)| size > most) {
            return Err(format!("{what} {size} is larger than {most:?}"));
        }
    }
    let most = program.max_threads.unwrap_or(u32::MAX).min(limits.max_threads_per_block);
    if block.count() > u64::from(most) {
        return Err(format!("block {block} has {} threads, {most} are allowed", block.count()));
    }
    if let Some(required) = program.required_threads
        && axes(block) != required
    {
        return Err(format!("block {block}, but the kernel requires {required:?}"));
    }
    let shared = u64::from(program.shared_bytes) + u64::from(dynamic_shared);
    if shared > u64::from(limits.shared_per_block_optin) {
        let most = limits.shared_per_block_optin;
        return Err(format!("{shared} bytes of shared memory a block, {most} are there"));
    }
    if grid.count() > u64::from(u32::MAX) {
        return Err(format!(
            "grid {grid} has {} blocks, more than 2³² are not supported",
            grid.count()
        ));
    }
    Ok(())
}

/// 0..count in an order drawn from the seed.
fn shuffled(count: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut state = seed;
    for left in (1..order.len()).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        order.swap(left, (mix(state) % (left as u64 + 1)) as usize);
    }
    order
}

/// One worker's share: takes blocks until none is left.
fn run_some(launch: &Launch, next: &AtomicUsize, order: &[u32]) -> Worker {
    let program = launch.program;
    let geometry = launch.geometry;
    let mut worker = Worker::new(program.code.len(), launch.seed);
    let warps = (geometry.block.count() as usize).div_ceil(32);
    let mut states: Vec<WarpState> = (0..warps).map(|_| WarpState::new(program)).collect();
    let bytes = program.shared_span + geometry.dynamic_shared;
    let mut block = Block::new(SharedMemory::new(bytes, program.shared_granule));
    while let Some(&index) = order.get(next.fetch_add(1, Relaxed)) {
        worker.reseed(mix(launch.seed ^ u64::from(index)));
        block.index = u64::from(index);
        block.position = geometry.grid.position(block.index);
        if !block::run(launch, &mut worker, &mut states, &mut block) {
            break;
        }
    }
    worker
}

fn report(launch: &Launch, workers: Vec<Worker>) -> Report {
    let mut counters = Counters::default();
    let mut findings: Vec<Finding> = Vec::new();
    let mut printed = String::new();
    let mut lines: BTreeMap<u32, LineCount> = BTreeMap::new();
    for mut worker in workers {
        profile(&mut lines, launch.program, &worker);
        add(&mut counters, launch.program, &worker);
        printed.push_str(&worker.printed);
        for finding in worker.findings.drain(..) {
            let same = |known: &&mut Finding| {
                known.kind == finding.kind && known.ptx_line == finding.ptx_line
            };
            match findings.iter_mut().find(same) {
                Some(known) => known.count += finding.count,
                None => findings.push(finding),
            }
        }
    }
    if launch.options.checks.global_races {
        counters.unique_bytes = Some(launch.global.unique_bytes());
    }
    let Geometry { grid, block, dynamic_shared } = launch.geometry;
    let program = launch.program;
    let shared_bytes = program.shared_bytes + dynamic_shared;
    let threads = block.count() as u32;
    let properties = &launch.options.properties;
    Report {
        kernel: program.name.clone(),
        grid,
        block,
        shared_bytes,
        registers: program.registers,
        occupancy: properties.occupancy(threads, program.registers, shared_bytes),
        seed: launch.seed,
        counters,
        findings,
        printed,
        profile: lines.into_values().collect(),
    }
}

/// Adds a worker's counts to those of the lines.
fn profile(lines: &mut BTreeMap<u32, LineCount>, program: &Program, worker: &Worker) {
    for ((meta, &warps), &lanes) in program.meta.iter().zip(&worker.executed).zip(&worker.lanes) {
        if !meta.synthetic && warps > 0 {
            let count = lines.entry(meta.line).or_default();
            count.line = meta.line;
            count.warps += warps;
            count.lanes += lanes;
        }
    }
}

/// Adds what a worker counted.
fn add(counters: &mut Counters, program: &Program, worker: &Worker) {
    for ((meta, &warps), &lanes) in program.meta.iter().zip(&worker.executed).zip(&worker.lanes) {
        if meta.synthetic || warps == 0 {
            continue;
        }
        *counters.warp_instructions.entry(meta.class).or_default() += warps;
        *counters.lane_instructions.entry(meta.class).or_default() += lanes;
        counters.fmas += lanes * u64::from(meta.fmas);
        if meta.class == Class::Mma {
            counters.mma_macs += warps * u64::from(meta.macs);
        }
    }
    let tally = &worker.tally;
    let traffic = |to: &mut Traffic, from: &Traffic| {
        to.requests += from.requests;
        to.bytes += from.bytes;
        to.sectors += from.sectors;
    };
    traffic(&mut counters.global_loads, &tally.global_loads);
    traffic(&mut counters.global_stores, &tally.global_stores);
    traffic(&mut counters.global_atomics, &tally.global_atomics);
    traffic(&mut counters.async_copies, &tally.async_copies);
    let shared = |to: &mut SharedTraffic, from: &SharedTraffic| {
        to.requests += from.requests;
        to.bytes += from.bytes;
        to.wavefronts += from.wavefronts;
        to.conflicts += from.conflicts;
    };
    shared(&mut counters.shared_loads, &tally.shared_loads);
    shared(&mut counters.shared_stores, &tally.shared_stores);
    shared(&mut counters.shared_atomics, &tally.shared_atomics);
    shared(&mut counters.matrix_loads, &tally.matrix_loads);
    counters.divergent_branches += tally.divergent_branches;
    counters.barriers += tally.barriers;
    counters.blocks += tally.blocks;
    counters.warps += tally.warps;
}
