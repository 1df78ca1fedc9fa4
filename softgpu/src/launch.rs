//! What a launch is given and what it answers.

use crate::counters::Counters;
use crate::properties::Occupancy;
use crate::sanitizer::Finding;

/// A size or position in three dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Dim3 {
    pub x: u32,
    pub y: u32,
    pub z: u32,
}

impl Dim3 {
    pub const fn new(x: u32, y: u32, z: u32) -> Self {
        Self { x, y, z }
    }

    /// `(x, 1, 1)`.
    pub const fn x(x: u32) -> Self {
        Self { x, y: 1, z: 1 }
    }

    /// Product of the three.
    pub const fn count(self) -> u64 {
        self.x as u64 * self.y as u64 * self.z as u64
    }

    /// The position that has index `index` in a box of this size, x fastest.
    pub fn position(self, index: u64) -> Dim3 {
        let (x, y) = (u64::from(self.x.max(1)), u64::from(self.y.max(1)));
        Dim3::new((index % x) as u32, (index / x % y) as u32, (index / (x * y)) as u32)
    }
}

impl std::fmt::Display for Dim3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({}, {}, {})", self.x, self.y, self.z)
    }
}

/// One kernel argument: its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg(pub Vec<u8>);

macro_rules! args {
    ($($ty:ty),*) => { $(
        impl From<$ty> for Arg {
            fn from(value: $ty) -> Self {
                Arg(value.to_le_bytes().to_vec())
            }
        }
    )* };
}
args!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

impl From<crate::gpu::DevicePtr> for Arg {
    fn from(value: crate::gpu::DevicePtr) -> Self {
        value.0.into()
    }
}

/// What a launch did.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Report {
    pub kernel: String,
    pub grid: Dim3,
    pub block: Dim3,
    /// Static and dynamic shared memory of a block, bytes.
    pub shared_bytes: u32,
    /// 32-bit registers a thread keeps alive at once in the PTX: an estimate of what ptxas allocates.
    pub registers: u32,
    /// How many blocks one multiprocessor holds, by that estimate.
    pub occupancy: Occupancy,
    /// The seed that ordered blocks and warps: the same one gives the same order with one worker.
    pub seed: u64,
    pub counters: Counters,
    pub findings: Vec<Finding>,
    /// What the kernel printed.
    pub printed: String,
    /// How often each line of the PTX was executed, by line; lines that never were are left out.
    #[serde(skip)]
    pub profile: Vec<LineCount>,
}

/// What one line of the PTX executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCount {
    /// Line of the text, from 1.
    pub line: u32,
    /// Times a warp executed it, and times a lane did.
    pub warps: u64,
    pub lanes: u64,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kernel, grid, block, seed, .. } = self;
        writeln!(f, "{kernel}, grid {grid}, block {block}, order seed {seed}")?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))
    }
}

/// Why a launch failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LaunchError {
    /// It never started: no such kernel, wrong arguments, impossible geometry.
    #[error("launch of `{kernel}`: {what}")]
    Invalid { kernel: String, what: String },
    /// It ran, and the sanitizer found something; outputs are not to be believed.
    #[error("{0}")]
    Found(Box<Report>),
}

impl LaunchError {
    /// The report of a launch that ran.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Invalid { .. } => None,
            Self::Found(report) => Some(report),
        }
    }
}
