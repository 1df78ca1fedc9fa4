//! One block: its warps take turns until all are done.

use std::sync::atomic::Ordering::Relaxed;

use super::launch::{Launch, Worker, mix};
use super::regs::Regs;
use super::shared::SharedMemory;
use super::warp::{Status, Turn, Wait, Warp, WarpState};
use crate::launch::Dim3;
use crate::sanitizer::FindingKind;

/// Barriers of a block (PTX `bar`, operand a).
pub const BARRIERS: usize = 16;
/// Instructions of a warp's turn: few enough that warps which wait for each other in a loop get on, many
/// enough that registers stay in the cache.
const SLICE: u64 = 20_000;

/// What the warps that come to a barrier bring along (`bar.red`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    None,
    And,
    Or,
    Count,
}

/// One barrier while warps gather in it.
#[derive(Clone, Copy)]
struct Barrier {
    /// Threads that have come, whole warps as hardware counts them.
    arrived: u32,
    /// Threads wanted; `None` for all of the block.
    wanted: Option<u32>,
    votes: u32,
    voters: u32,
}

const EMPTY: Barrier = Barrier { arrived: 0, wanted: None, votes: 0, voters: 0 };

/// A result that a waiting warp gets when the barrier opens.
#[derive(Clone, Copy)]
pub struct Ballot {
    pub warp: u32,
    pub vote: Vote,
    /// Predicate slot, or row slot for [`Vote::Count`].
    pub slot: i32,
    pub lanes: u32,
}

/// The block that a worker runs.
pub struct Block {
    pub position: Dim3,
    pub index: u64,
    pub shared: SharedMemory,
    barriers: [Barrier; BARRIERS],
    ballots: Vec<(usize, Ballot)>,
}

/// A warp's arrival at a barrier.
#[derive(Clone, Copy)]
pub struct Arrival {
    pub barrier: usize,
    /// Operand b: threads that take part.
    pub wanted: Option<u32>,
    /// Lanes whose predicate is true, and lanes that have one.
    pub votes: u32,
    pub voters: u32,
}

impl Block {
    pub fn new(shared: SharedMemory) -> Self {
        let position = Dim3::new(0, 0, 0);
        Self { position, index: 0, shared, barriers: [EMPTY; BARRIERS], ballots: Vec::new() }
    }

    /// Counts a warp that arrives. Another number of threads than the warps before asked for is an
    /// error, in words.
    pub fn arrive(&mut self, arrival: Arrival, ballot: Option<Ballot>) -> Result<(), String> {
        let barrier = &mut self.barriers[arrival.barrier];
        if barrier.arrived > 0 && barrier.wanted != arrival.wanted {
            let all = |wanted: Option<u32>| wanted.map_or("all".to_owned(), |n| n.to_string());
            return Err(format!(
                "barrier {} for {} threads, others wait in it for {}",
                arrival.barrier,
                all(arrival.wanted),
                all(barrier.wanted)
            ));
        }
        barrier.wanted = arrival.wanted;
        barrier.arrived += 32;
        barrier.votes += arrival.votes.count_ones();
        barrier.voters += arrival.voters.count_ones();
        self.ballots.extend(ballot.map(|ballot| (arrival.barrier, ballot)));
        Ok(())
    }
}

/// Runs one block to its end. False when the launch is over.
pub fn run(
    launch: &Launch,
    worker: &mut Worker,
    warps: &mut [WarpState],
    block: &mut Block,
) -> bool {
    let threads = launch.geometry.block.count() as u32;
    for (index, warp) in warps.iter_mut().enumerate() {
        let left = threads.saturating_sub(index as u32 * 32);
        warp.reset(if left >= 32 { u32::MAX } else { (1u32 << left) - 1 });
    }
    block.shared.reset(&launch.program.shared_gaps);
    block.barriers = [EMPTY; BARRIERS];
    block.ballots.clear();
    worker.tally.blocks += 1;
    worker.tally.warps += warps.len() as u64;
    let mut order: Vec<usize> = Vec::with_capacity(warps.len());
    loop {
        order.clear();
        order.extend((0..warps.len()).filter(|&w| warps[w].status == Status::Ready));
        if order.is_empty() {
            if warps.iter().all(|warp| warp.status == Status::Done) {
                return true;
            }
            stuck(launch, worker, warps, block);
            return false;
        }
        for left in (1..order.len()).rev() {
            order.swap(left, (mix(worker.random()) % (left as u64 + 1)) as usize);
        }
        for &index in &order {
            if turn(launch, worker, warps, block, index, SLICE) == Turn::Stop {
                return false;
            }
            for number in 0..BARRIERS {
                let gathering = block.barriers[number].arrived > 0;
                if gathering && !open(launch, worker, warps, block, number) {
                    return false;
                }
            }
        }
        if launch.stop.load(Relaxed) {
            return false;
        }
    }
}

/// Gives a warp its turn.
fn turn(
    launch: &Launch,
    worker: &mut Worker,
    warps: &mut [WarpState],
    block: &mut Block,
    index: usize,
    slice: u64,
) -> Turn {
    with_warp(launch, worker, warps, block, index, |warp| warp.run(slice))
}

fn with_warp<R>(
    launch: &Launch,
    worker: &mut Worker,
    warps: &mut [WarpState],
    block: &mut Block,
    index: usize,
    act: impl FnOnce(&mut Warp) -> R,
) -> R {
    let state = &mut warps[index];
    let mut rows = std::mem::take(&mut state.rows);
    let mut preds = std::mem::take(&mut state.preds);
    let mut regs = Regs::new(&mut rows, &launch.program.pool, &mut preds, launch.options.perturb);
    regs.carry = state.carry;
    let mut warp = Warp { regs, state, block, worker, launch, index: index as u32 };
    let result = act(&mut warp);
    warp.state.carry = warp.regs.carry;
    warps[index].rows = rows;
    warps[index].preds = preds;
    result
}

/// Opens the barrier if everybody it waits for has come. False when the launch is over.
fn open(
    launch: &Launch,
    worker: &mut Worker,
    warps: &mut [WarpState],
    block: &mut Block,
    number: usize,
) -> bool {
    let barrier = block.barriers[number];
    let waits = |warp: &WarpState| warp.status == Status::AtBarrier(number);
    let complete = match barrier.wanted {
        Some(wanted) => barrier.arrived >= wanted,
        None => warps.iter().all(|warp| waits(warp) || warp.status == Status::Done),
    };
    if !complete {
        return true;
    }
    let threads = launch.geometry.block.count() as u32;
    let gone = threads - warps.iter().map(|warp| warp.live.count_ones()).sum::<u32>();
    if barrier.wanted.is_none() && gone > 0 {
        let index = warps.iter().position(waits).unwrap_or(0);
        report_gone(launch, worker, warps, block, index, gone);
        return false;
    }
    let now = block.shared.tick();
    let ballots = std::mem::take(&mut block.ballots);
    for (_, ballot) in ballots.iter().filter(|(at, _)| *at == number) {
        let lanes = match ballot.vote {
            Vote::And => u32::from(barrier.votes == barrier.voters) * u32::MAX,
            Vote::Or => u32::from(barrier.votes > 0) * u32::MAX,
            Vote::Count | Vote::None => 0,
        };
        with_warp(launch, worker, warps, block, ballot.warp as usize, |warp| {
            if ballot.vote == Vote::Count {
                warp.regs.write(ballot.slot, ballot.lanes, &[barrier.votes; 32]);
            } else {
                warp.regs.set_pred(ballot.slot, ballot.lanes, lanes);
            }
        });
    }
    block.ballots = ballots.into_iter().filter(|(at, _)| *at != number).collect();
    block.barriers[number] = EMPTY;
    for warp in warps.iter_mut().filter(|warp| waits(warp)) {
        warp.status = Status::Ready;
        warp.block_sync = now;
        for group in &mut warp.groups {
            if group.wait == Wait::Barrier {
                group.wait = Wait::Ready;
            }
        }
        warp.choose(None);
    }
    true
}

/// Threads wait in a barrier that others have left the kernel without reaching.
fn report_gone(
    launch: &Launch,
    worker: &mut Worker,
    warps: &mut [WarpState],
    block: &mut Block,
    index: usize,
    gone: u32,
) {
    with_warp(launch, worker, warps, block, index, |warp| {
        let at = warp.state.groups.first().map_or(0, |group| group.pc);
        warp.state.pc = at.saturating_sub(1);
        let message = format!(
            "{gone} threads of the block have exited before a barrier that the others wait in"
        );
        let lane = warp.state.live.trailing_zeros();
        warp.found(FindingKind::DivergentBarrier, lane, message);
    });
}

/// Every warp waits and no barrier opens.
fn stuck(launch: &Launch, worker: &mut Worker, warps: &mut [WarpState], block: &mut Block) {
    let waiting: Vec<String> = (0..warps.len())
        .filter_map(|w| match warps[w].status {
            Status::AtBarrier(barrier) => Some(format!("warp {w} in barrier {barrier}")),
            _ => None,
        })
        .collect();
    let index = warps.iter().position(|warp| warp.status != Status::Done).unwrap_or(0);
    with_warp(launch, worker, warps, block, index, |warp| {
        let at = warp.state.groups.first().map_or(0, |group| group.pc);
        warp.state.pc = at.saturating_sub(1);
        let message = format!("all warps wait and no barrier opens: {}", waiting.join(", "));
        let lane = warp.state.live.trailing_zeros();
        warp.found(FindingKind::Deadlock, lane, message);
    });
}
