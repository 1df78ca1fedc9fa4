//! What the sanitizer says: findings, and which checks are on.

use crate::launch::Dim3;
use crate::ptx::ast::SourceLoc;

/// What was found.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An access outside every allocation, or outside the block's shared or the thread's local memory.
    OutOfBounds,
    /// An address that is not a multiple of the access size.
    Misaligned,
    /// An access to freed memory.
    UseAfterFree,
    /// A second free of the same address.
    DoubleFree,
    /// A read of bytes never written.
    Uninitialized,
    /// Two threads of a block, the same shared bytes, one of them writing, no barrier between.
    SharedRace,
    /// Two blocks of a launch, the same global bytes, one of them writing, not both atomically.
    GlobalRace,
    /// A barrier that not all threads of the warp or block reach.
    DivergentBarrier,
    /// Threads that wait for each other for ever.
    Deadlock,
    /// A `.sync` mask without the calling lane, or with live lanes that never come.
    SyncMask,
    /// A shuffle that reads a lane outside its mask, or one that has exited.
    ShuffleSource,
    /// A read or write of the destination of a cp.async that was not waited for.
    AsyncCopyPending,
    /// A store to constant memory.
    WriteToConstant,
    /// A device-side assert.
    Assert,
    /// `trap`, or a point that cannot be reached was.
    Trap,
    /// More instructions in a thread than the watchdog allows.
    Watchdog,
    /// An allocation still live when the context ended.
    Leak,
}

impl FindingKind {
    /// Whether the launch ends here: what would follow has no meaning.
    pub fn is_fatal(self) -> bool {
        use FindingKind::*;
        !matches!(
            self,
            Uninitialized | SharedRace | GlobalRace | ShuffleSource | AsyncCopyPending | Leak
        )
    }
}

/// One thing found, with the place where it happened.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    pub kind: FindingKind,
    pub kernel: String,
    /// Block and thread that were caught (the first of the lanes); `None` outside a kernel.
    pub block: Option<Dim3>,
    pub thread: Option<Dim3>,
    /// Line in the PTX text, from 1; 0 outside a kernel.
    pub ptx_line: u32,
    /// The PTX instruction.
    pub instruction: String,
    /// `file:line` of the CUDA source where the PTX carries it.
    pub source: Option<String>,
    /// What happened: address, size, space, the nearest allocation.
    pub message: String,
    /// How often this instruction was found with this kind; only the first one is described.
    pub count: u64,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        if let (Some(block), Some(thread)) = (self.block, self.thread) {
            write!(f, "\n    in {}, block {block}, thread {thread}", self.kernel)?;
            write!(f, "\n    at PTX line {}: {}", self.ptx_line, self.instruction)?;
        }
        if let Some(source) = &self.source {
            write!(f, "\n    from {source}")?;
        }
        if self.count > 1 {
            write!(f, "\n    {} times in all", self.count)?;
        }
        Ok(())
    }
}

/// Which checks beyond bounds and alignment run. Bounds, alignment, freed memory, barriers and masks are
/// always checked: nothing could go on without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Reads of memory never written.
    pub uninitialized: bool,
    /// Races in shared memory, and destinations of cp.async.
    pub shared_races: bool,
    /// Races in global memory between blocks; also what the count of unique bytes needs.
    pub global_races: bool,
}

impl Checks {
    pub const ALL: Checks = Checks { uninitialized: true, shared_races: true, global_races: true };
    pub const NONE: Checks =
        Checks { uninitialized: false, shared_races: false, global_races: false };
}

/// `file:line` of a place.
pub fn source_name(files: &[(u32, String)], source: SourceLoc) -> String {
    let name = files.iter().find(|(index, _)| *index == source.file).map(|(_, name)| name.as_str());
    format!("{}:{}", name.unwrap_or("?"), source.line)
}
