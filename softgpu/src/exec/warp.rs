//! One warp: 32 lanes, their registers and where they are.
//!
//! Lanes that went different ways are groups, each with its own program counter (independent thread
//! scheduling, as hardware has it since Volta). The lowest address runs first; code is laid out so that
//! this is where the others still have to come by, and groups that meet become one again. Instructions
//! with a `.sync` mask wait until the lanes they name have come.

use std::sync::atomic::Ordering::Relaxed;

use super::block::Block;
use super::copies::Copies;
use super::inst::{ALWAYS, Action, Inst};
use super::launch::{Launch, Worker};
use super::local::LocalMemory;
use super::program::Program;
use super::regs::{Regs, Row};
use super::shared::SharedMemory;
use crate::launch::Dim3;
use crate::sanitizer::{Finding, FindingKind, source_name};

/// What an access that may wait for another thread takes of a turn, in instructions.
const POLL: u64 = 1000;

/// What happens after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next instruction.
    Next,
    /// The instruction has set the program counter, or suspended the lanes that ran.
    Jump,
    /// The next instruction, in the warp's next turn: other warps can go on now.
    Yield,
    /// The launch is over: something was found after which nothing has a meaning.
    Stop,
}

/// Why a group does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Ready,
    /// For the lanes of a `.sync` mask.
    Sync,
    /// For the other lanes of the warp, to go into a block barrier together.
    Barrier,
}

/// Lanes at one place.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub pc: usize,
    pub lanes: u32,
    pub wait: Wait,
}

/// What a warp is doing, seen from the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    /// In the block barrier of this number.
    AtBarrier(usize),
    Done,
}

/// A warp between its turns.
pub struct WarpState {
    pub rows: Vec<Row>,
    pub preds: Vec<u32>,
    /// The carry flags of the lanes.
    pub carry: u32,
    /// Groups that do not run at the moment.
    pub groups: Vec<Group>,
    /// The group that runs: its lanes and program counter.
    pub active: u32,
    pub pc: usize,
    /// Lowest program counter of the ready groups: there the running one stops.
    pub stop_at: usize,
    /// Lanes that have not exited.
    pub live: u32,
    pub status: Status,
    pub local: LocalMemory,
    pub copies: Copies,
    /// Time (see `SharedMemory`) of the last synchronisation of the warp and of the block.
    pub warp_sync: u32,
    pub block_sync: u32,
    /// Instructions executed, and their number at which the turn ends.
    pub steps: u64,
    pub turn_end: u64,
}

impl WarpState {
    pub fn new(program: &Program) -> Self {
        Self {
            rows: vec![Row::ZERO; program.rows],
            preds: vec![0; program.preds],
            carry: 0,
            groups: Vec::new(),
            active: 0,
            pc: 0,
            stop_at: usize::MAX,
            live: 0,
            status: Status::Done,
            local: LocalMemory::new(program.local_bytes),
            copies: Copies::default(),
            warp_sync: SharedMemory::START,
            block_sync: SharedMemory::START,
            steps: 0,
            turn_end: 0,
        }
    }

    /// Puts the warp at the start of a block with these lanes.
    pub fn reset(&mut self, lanes: u32) {
        self.rows.fill(Row::ZERO);
        self.preds.fill(0);
        self.carry = 0;
        self.groups.clear();
        self.active = lanes;
        self.live = lanes;
        self.pc = 0;
        self.stop_at = usize::MAX;
        self.status = if lanes == 0 { Status::Done } else { Status::Ready };
        self.local.reset();
        self.copies.reset();
        self.warp_sync = SharedMemory::START;
        self.block_sync = SharedMemory::START;
        self.steps = 0;
    }

    /// Takes lanes out of the running group and puts them at `pc`.
    pub fn split(&mut self, lanes: u32, pc: usize, wait: Wait) {
        self.active &= !lanes;
        if lanes != 0 {
            match self.groups.iter_mut().find(|group| group.pc == pc && group.wait == wait) {
                Some(group) => group.lanes |= lanes,
                None => self.groups.push(Group { pc, lanes, wait }),
            }
        }
    }

    /// Takes the lanes that wait at `pc` for the same thing into the running group.
    pub fn join(&mut self, pc: usize, wait: Wait) {
        let active = &mut self.active;
        self.groups.retain(|group| {
            let here = group.pc == pc && group.wait == wait;
            if here {
                *active |= group.lanes;
            }
            !here
        });
    }

    /// Chooses the group to run: the ready one with the lowest program counter, or with `any` the given
    /// one (a lane that spins must not starve the one it waits for). False when none is ready.
    pub fn choose(&mut self, any: Option<usize>) -> bool {
        if self.active != 0 {
            let (lanes, pc) = (self.active, self.pc);
            self.split(lanes, pc, Wait::Ready);
        }
        let ready = |group: &&Group| group.wait == Wait::Ready;
        let Some(lowest) = self.groups.iter().filter(ready).map(|group| group.pc).min() else {
            return false;
        };
        let pc = match any {
            Some(draw) => {
                let count = self.groups.iter().filter(ready).count();
                self.groups.iter().filter(ready).nth(draw % count).map_or(lowest, |group| group.pc)
            }
            None => lowest,
        };
        self.pc = pc;
        self.join(pc, Wait::Ready);
        // A group chosen out of turn runs until its turn ends.
        let next = self.groups.iter().filter(ready).map(|group| group.pc).min();
        self.stop_at = if pc == lowest { next.unwrap_or(usize::MAX) } else { usize::MAX };
        true
    }
}

/// A warp while it runs.
pub struct Warp<'a> {
    pub regs: Regs<'a>,
    pub state: &'a mut WarpState,
    pub block: &'a mut Block,
    pub worker: &'a mut Worker,
    pub launch: &'a Launch<'a>,
    /// Number of the warp in its block.
    pub index: u32,
}

/// Why a warp's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It waits in a barrier, or it is done; its status says.
    Parked,
    /// Its time was up.
    Slice,
    /// The launch is over.
    Stop,
}

impl Warp<'_> {
    /// Runs until the warp waits, is done, or has executed `slice` instructions.
    pub fn run(&mut self, slice: u64) -> Turn {
        self.state.turn_end = self.state.steps + slice;
        // A loop around a barrier never comes to the end of a turn.
        if self.is_overdue() {
            return Turn::Stop;
        }
        let program = self.launch.program;
        loop {
            if self.state.pc >= self.state.stop_at && !self.state.choose(None) {
                return self.park();
            }
            let pc = self.state.pc;
            let Some(inst) = program.code.get(pc) else {
                self.found(FindingKind::Trap, 0, "ran past the end of the code".into());
                return Turn::Stop;
            };
            let mask = self.guarded(inst);
            if let Action::Alu(execute) = inst.action {
                // Up to where another group waits, whose lanes then come along.
                let end = (pc + inst.run as usize).min(self.state.stop_at);
                if mask != 0 {
                    // SAFETY: `Alu::pick` chose the function for this CPU; a run has one function.
                    unsafe { execute(&mut self.regs, &program.code[pc..end], mask) }
                }
                self.state.steps += (end - pc) as u64;
                self.worker.count_run(pc..end, mask);
                self.state.pc = end;
                continue;
            }
            self.state.steps += 1;
            self.worker.count(pc, mask);
            let flow = match inst.action {
                Action::Alu(_) => Flow::Next,
                Action::Warp(_) if mask == 0 => Flow::Next,
                // SAFETY: as above.
                Action::Warp(run) => unsafe { run(self, inst, mask) },
            };
            match flow {
                Flow::Next => self.state.pc = pc + 1,
                Flow::Stop => return Turn::Stop,
                Flow::Yield => {
                    self.state.pc = pc + 1;
                    return Turn::Slice;
                }
                Flow::Jump => {
                    if self.state.active == 0 && !self.state.choose(None) {
                        return self.park();
                    }
                    if self.state.steps >= self.state.turn_end {
                        return self.end_turn();
                    }
                }
            }
        }
    }

    /// An atomic or volatile access: perhaps one of many in a loop that waits for another thread. It
    /// shortens the turn, so that whoever is waited for, in this warp or another, comes to run soon.
    pub fn polled(&mut self) {
        self.state.turn_end = self.state.turn_end.saturating_sub(POLL);
    }

    #[inline(always)]
    fn guarded(&self, inst: &Inst) -> u32 {
        if inst.guard == ALWAYS {
            return self.state.active;
        }
        let pred = self.regs.pred(inst.guard >> 1);
        self.state.active & if inst.guard & 1 == 0 { pred } else { !pred }
    }

    /// The time is up: another group gets a chance in the next turn, and the watchdog looks.
    fn end_turn(&mut self) -> Turn {
        if self.is_overdue() || self.launch.stop.load(Relaxed) {
            return Turn::Stop;
        }
        let draw = self.worker.random() as usize;
        self.state.choose(Some(draw));
        Turn::Slice
    }

    /// Whether the warp has executed more than the watchdog allows; files it.
    fn is_overdue(&mut self) -> bool {
        let limit = self.launch.options.watchdog;
        let overdue = limit != 0 && self.state.steps > limit;
        if overdue {
            let lane = self.state.live.trailing_zeros();
            let message = format!(
                "{} instructions executed, the watchdog allows {limit}: a loop that does not end, or \
                 threads that wait for each other",
                self.state.steps
            );
            self.found(FindingKind::Watchdog, lane, message);
        }
        overdue
    }

    /// No group is ready: the warp is done, goes into a barrier, or is stuck.
    fn park(&mut self) -> Turn {
        if self.state.live == 0 {
            self.state.status = Status::Done;
            return Turn::Parked;
        }
        if self.state.status != Status::Ready {
            return Turn::Parked;
        }
        let Some(stuck) = self.state.groups.first().copied() else {
            self.state.status = Status::Done;
            return Turn::Parked;
        };
        self.state.pc = stuck.pc;
        let lane = stuck.lanes.trailing_zeros();
        let elsewhere: Vec<String> = self.state.groups[1..]
            .iter()
            .map(|group| format!("{:#010x} at PTX line {}", group.lanes, self.line(group.pc)))
            .collect();
        let (kind, what) = match stuck.wait {
            Wait::Barrier => (FindingKind::DivergentBarrier, "wait in a barrier"),
            _ => (FindingKind::SyncMask, "wait for the other lanes of their mask"),
        };
        let others =
            if elsewhere.is_empty() { "nobody is left".to_owned() } else { elsewhere.join(", ") };
        let message = format!("lanes {:#010x} {what}, which will not come: {others}", stuck.lanes);
        self.found(kind, lane, message);
        Turn::Stop
    }

    /// Lanes have exited. Those that wait for a `.sync` mask look again whether it is complete; they come
    /// to the instruction anew, so it is not counted for the time that they came in vain.
    pub fn look_again(&mut self) {
        for group in self.state.groups.iter_mut().filter(|group| group.wait == Wait::Sync) {
            group.wait = Wait::Ready;
            self.state.stop_at = self.state.stop_at.min(group.pc);
            self.worker.uncount(group.pc, group.lanes);
        }
    }

    fn line(&self, pc: usize) -> u32 {
        self.launch.program.meta.get(pc).map_or(0, |meta| meta.line)
    }

    /// Position in its block of a lane's thread.
    pub fn thread(&self, lane: u32) -> Dim3 {
        self.launch.geometry.block.position(u64::from(self.index * 32 + lane))
    }

    /// Files a finding about the instruction at the program counter. [`Flow::Stop`] when the launch
    /// cannot go on, else [`Flow::Next`].
    #[cold]
    pub fn found(&mut self, kind: FindingKind, lane: u32, message: String) -> Flow {
        let pc = self.state.pc;
        let program = self.launch.program;
        let source = program.meta.get(pc).and_then(|meta| meta.source);
        let block = self.block.position;
        let thread = self.thread(lane);
        self.worker.file(pc, || Finding {
            kind,
            kernel: program.name.clone(),
            block: Some(block),
            thread: Some(thread),
            ptx_line: program.meta.get(pc).map_or(0, |meta| meta.line),
            instruction: program.instruction(pc).to_owned(),
            source: source.map(|source| source_name(&program.files, source)),
            message,
            count: 1,
        });
        if kind.is_fatal() {
            self.launch.stop.store(true, Relaxed);
            return Flow::Stop;
        }
        Flow::Next
    }
}

/// The lanes of a mask, lowest first.
pub fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (lane < 32).then_some(lane)
    })
}
