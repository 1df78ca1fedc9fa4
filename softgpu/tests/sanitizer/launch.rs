//! A launch as one row of a table.

use crate::support::{Random, ptx};
use softgpu::{Arg, DevicePtr, Dim3, Gpu, LaunchError, Module, Options, Report};

/// One argument. Sizes are elements of 4 bytes unless they say bytes.
#[derive(Clone, Copy, Debug)]
pub enum A {
    /// Random floats in [-1, 1).
    F(usize),
    /// Random integers below the second number.
    I(usize, u32),
    /// 0, 1, 2 …
    Count(usize),
    Ints(&'static [i32]),
    /// Random bytes.
    Bytes(usize),
    Zeros(usize),
    /// Bytes that nobody has written.
    Unwritten(usize),
    /// Allocated and freed again.
    Freed(usize),
    Null,
    /// A number that is an address in the host's memory.
    Host,
    Int(i32),
    /// A structure by value.
    Struct(&'static [u8]),
}

/// What was launched, with its arguments on the device.
pub struct Run {
    pub gpu: Gpu,
    pub module: Module,
    arch: u32,
    buffers: Vec<(DevicePtr, usize)>,
    inputs: Vec<Vec<u8>>,
    args: Vec<Arg>,
}

/// Enough for every kernel here; an endless one ends soon.
const WATCHDOG: u64 = 300_000;

/// The orders that each clean kernel runs in: seed and workers.
pub const ORDERS: [(u64, usize); 6] = [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)];

/// The orders for faulty ones: with one worker no race between blocks can be missed.
pub const ONE_BY_ONE: [(u64, usize); 5] = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)];

/// Whatever fails, the order it failed in is told.
impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Options { seed, workers, .. } = self.gpu.options;
            eprintln!("on compute_{}, seed {seed}, {workers} workers", self.arch);
        }
    }
}

impl Run {
    pub fn new(file: &str, arch: u32, (seed, workers): (u64, usize), args: &[A]) -> Self {
        let gpu = Gpu::new(Options { seed, workers, watchdog: WATCHDOG, ..Options::default() });
        let module =
            gpu.load_ptx(&ptx(file, arch)).unwrap_or_else(|e| panic!("{file} {arch}: {e}"));
        let mut run = Self { gpu, module, arch, buffers: vec![], inputs: vec![], args: vec![] };
        for (i, &arg) in args.iter().enumerate() {
            run.push(arg, 100 + i as u64);
        }
        run
    }

    fn push(&mut self, arg: A, seed: u64) {
        let mut random = Random::new(seed);
        let words = |words: Vec<u32>| words.into_iter().flat_map(u32::to_le_bytes).collect();
        let bytes: Vec<u8> = match arg {
            A::F(n) => words(random.f32s(n).into_iter().map(f32::to_bits).collect()),
            A::I(n, end) => words((0..n).map(|_| random.below(end)).collect()),
            A::Count(n) => words((0..n as u32).collect()),
            A::Ints(ints) => words(ints.iter().map(|&i| i as u32).collect()),
            A::Bytes(n) => (0..n).map(|_| random.u32() as u8).collect(),
            A::Zeros(n) => vec![0; 4 * n],
            A::Unwritten(n) => {
                let address = self.gpu.alloc(n).expect("device memory");
                return self.buffer(address, vec![], n);
            }
            A::Freed(n) => {
                let address = self.gpu.upload(&vec![0u8; 4 * n]).expect("device memory");
                self.gpu.free(address).expect("just allocated");
                return self.buffer(address, vec![], 0);
            }
            A::Null => return self.buffer(DevicePtr(0), vec![], 0),
            A::Host => return self.buffer(DevicePtr(&raw const self.args as u64), vec![], 0),
            A::Int(i) => return self.value(i.into()),
            A::Struct(bytes) => return self.value(Arg(bytes.to_vec())),
        };
        let address = self.gpu.upload(&bytes).expect("device memory");
        let n = bytes.len();
        self.buffer(address, bytes, n);
    }

    fn buffer(&mut self, address: DevicePtr, input: Vec<u8>, bytes: usize) {
        self.args.push(address.into());
        self.buffers.push((address, bytes));
        self.inputs.push(input);
    }

    fn value(&mut self, arg: Arg) {
        self.args.push(arg);
        self.buffers.push((DevicePtr(0), 0));
        self.inputs.push(vec![]);
    }

    pub fn launch(
        &self,
        kernel: &str,
        (grid, block): (u32, Dim3),
        dynamic_shared: u32,
    ) -> Result<Report, LaunchError> {
        self.gpu.launch(&self.module, kernel, Dim3::x(grid), block, dynamic_shared, &self.args)
    }

    /// Argument `i` as it was given.
    pub fn given_i32(&self, i: usize) -> Vec<i32> {
        self.inputs[i].chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn given_f32(&self, i: usize) -> Vec<f32> {
        self.given_i32(i).into_iter().map(|bits| f32::from_bits(bits as u32)).collect()
    }

    /// Argument `i` as it is now.
    pub fn bytes(&self, i: usize) -> Vec<u8> {
        let (address, bytes) = self.buffers[i];
        self.gpu.download(address, bytes).expect("a buffer of this run")
    }

    pub fn i32(&self, i: usize) -> Vec<i32> {
        let bytes = self.bytes(i);
        bytes.chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn f32(&self, i: usize) -> Vec<f32> {
        self.i32(i).into_iter().map(|bits| f32::from_bits(bits as u32)).collect()
    }
}
