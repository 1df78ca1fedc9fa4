//! What the device says it is. The limits are those of an sm_90 card (CUDA C++ Programming Guide,
//! "Technical Specifications per Compute Capability").

/// Properties a program can ask for and the limits that launches are held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    pub name: String,
    /// Compute capability.
    pub compute: (u32, u32),
    pub multiprocessors: u32,
    /// Device memory, bytes.
    pub memory_bytes: usize,
    pub max_threads_per_block: u32,
    pub max_block: [u32; 3],
    pub max_grid: [u32; 3],
    /// Shared memory of a block without and with the opt-in attribute, bytes.
    pub shared_per_block: u32,
    pub shared_per_block_optin: u32,
    pub shared_per_multiprocessor: u32,
    /// What the system takes of each block's shared memory, bytes.
    pub reserved_shared_per_block: u32,
    pub registers_per_multiprocessor: u32,
    pub threads_per_multiprocessor: u32,
    pub blocks_per_multiprocessor: u32,
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            name: "softgpu (software device, sm_90)".to_owned(),
            compute: (9, 0),
            multiprocessors: 132,
            memory_bytes: 16 << 30,
            max_threads_per_block: 1024,
            max_block: [1024, 1024, 64],
            max_grid: [i32::MAX as u32, 65535, 65535],
            shared_per_block: 48 << 10,
            shared_per_block_optin: 227 << 10,
            shared_per_multiprocessor: 228 << 10,
            reserved_shared_per_block: 1 << 10,
            registers_per_multiprocessor: 65536,
            threads_per_multiprocessor: 2048,
            blocks_per_multiprocessor: 32,
        }
    }
}

/// What a multiprocessor runs out of first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Blocks,
    Warps,
    Registers,
    SharedMemory,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Limit::Blocks => "blocks",
            Limit::Warps => "warps",
            Limit::Registers => "registers",
            Limit::SharedMemory => "shared memory",
        })
    }
}

/// Blocks of a kernel that fit on one multiprocessor at once, and what sets the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Occupancy {
    pub blocks: u32,
    pub warps: u32,
    pub limit: Limit,
}

impl Properties {
    /// Occupancy after the Programming Guide: registers are handed out per warp in units of 256 (8 per
    /// thread), shared memory in units of 128 bytes. `registers` per thread, `shared` bytes per block.
    pub fn occupancy(&self, threads: u32, registers: u32, shared: u32) -> Occupancy {
        let warps = threads.div_ceil(32).max(1);
        let per_warp = (registers.max(1) * 32).next_multiple_of(256);
        let block_shared = (shared + self.reserved_shared_per_block).next_multiple_of(128);
        let bounds = [
            (self.blocks_per_multiprocessor, Limit::Blocks),
            (self.threads_per_multiprocessor / 32 / warps, Limit::Warps),
            (self.registers_per_multiprocessor / per_warp / warps, Limit::Registers),
            (self.shared_per_multiprocessor / block_shared, Limit::SharedMemory),
        ];
        let (blocks, limit) =
            bounds.into_iter().min_by_key(|(blocks, _)| *blocks).unwrap_or((0, Limit::Blocks));
        Occupancy { blocks, warps: blocks * warps, limit }
    }
}
