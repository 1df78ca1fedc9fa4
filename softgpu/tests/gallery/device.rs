//! A test of one kernel file: every architecture, several orders, and nothing that depends on the order.

use std::cell::RefCell;
use std::mem::discriminant;

use crate::support::{architectures, ptx};
use bytemuck::Pod;
use softgpu::counters::Counters;
use softgpu::{Arg, DevicePtr, Dim3, Gpu, Module, Options, Report};

/// Half a unit in the last place of 1 in f32.
///
/// A sum of n products of f32 computed in any order differs from the exact one by at most
/// n · 2⁻²⁴ · Σ|products| to first order (Higham, Accuracy and Stability of Numerical Algorithms, 3.1);
/// tests use twice that for the second order.
pub const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// Seed and workers of the orders that each test runs in.
const ORDERS: [(u64, usize); 6] = [(1, 1), (2, 1), (3, 1), (77, 1), (4, 2), (5, 2)];

/// What a test got to see of the device.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Launch(String, Box<Counters>),
    Memory(Vec<u8>),
}

/// A device with one kernel file loaded.
pub struct Device {
    pub gpu: Gpu,
    pub arch: u32,
    module: Module,
    seen: RefCell<Vec<Seen>>,
}

impl Device {
    /// Runs a kernel; a finding fails the test.
    pub fn run(&self, kernel: &str, grid: Dim3, block: Dim3, args: &[Arg]) -> Report {
        let launched = self.gpu.launch(&self.module, kernel, grid, block, 0, args);
        let report = launched.unwrap_or_else(|error| panic!("{error}"));
        assert!(report.findings.is_empty(), "{report}");
        let seen = Seen::Launch(kernel.to_owned(), Box::new(report.counters.clone()));
        self.seen.borrow_mut().push(seen);
        report
    }

    pub fn upload<T: Pod>(&self, data: &[T]) -> DevicePtr {
        self.gpu.upload(data).expect("device memory")
    }

    /// Room for `n` words that nobody has written: what a kernel leaves out reads back as 0xFF bytes,
    /// which is NaN.
    pub fn fresh(&self, n: usize) -> DevicePtr {
        self.gpu.alloc(4 * n).expect("device memory")
    }

    pub fn floats(&self, at: DevicePtr, n: usize) -> Vec<f32> {
        self.words(at, n).into_iter().map(f32::from_bits).collect()
    }

    pub fn words(&self, at: DevicePtr, n: usize) -> Vec<u32> {
        let words: Vec<u32> = self.gpu.download(at, n).expect("a buffer of this test");
        let bytes = bytemuck::cast_slice(&words).to_vec();
        self.seen.borrow_mut().push(Seen::Memory(bytes));
        words
    }
}

/// Whatever fails, the order it failed in is told.
impl Drop for Device {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Options { seed, workers, .. } = self.gpu.options;
            eprintln!("on compute_{}, seed {seed}, {workers} workers", self.arch);
        }
    }
}

/// Runs a test for every architecture of a file in every order. No kernel of the gallery adds floats
/// atomically, so the orders of one architecture must agree in every bit and in every count.
pub fn on_all(file: &str, test: impl Fn(&Device)) {
    for &arch in architectures(file) {
        let mut first: Option<Vec<Seen>> = None;
        for (seed, workers) in ORDERS {
            let gpu = Gpu::new(Options { seed, workers, ..Options::default() });
            let module =
                gpu.load_ptx(&ptx(file, arch)).unwrap_or_else(|e| panic!("{file} {arch}: {e}"));
            let device = Device { gpu, module, arch, seen: RefCell::new(Vec::new()) };
            test(&device);
            let seen = device.seen.take();
            let first = first.get_or_insert_with(|| seen.clone());
            assert_same(first, &seen);
        }
    }
}

fn assert_same(first: &[Seen], seen: &[Seen]) {
    assert_eq!(first.len(), seen.len(), "launches and copies");
    for (i, (first, seen)) in first.iter().zip(seen).enumerate() {
        assert_eq!(discriminant(first), discriminant(seen), "step {i}");
        match seen {
            // Thousands of bytes in a message help nobody.
            Seen::Memory(_) => assert!(first == seen, "the bytes of step {i} depend on the order"),
            Seen::Launch(..) => {
                assert_eq!(first, seen, "the counts of step {i} depend on the order")
            }
        }
    }
}

/// Every element within its bound; NaN is not.
pub fn assert_close(got: &[f32], want: &[(f64, f64)], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, (want, bound))) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs();
        assert!(error <= *bound, "{what}, element {i}: {got} for {want}, bound {bound:e}");
    }
}

/// ⌈n / of⌉ blocks.
pub fn blocks(n: usize, of: usize) -> Dim3 {
    Dim3::x(n.div_ceil(of) as u32)
}

/// Arguments from pointers and numbers of different types.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(softgpu::Arg::from($arg)),*] };
}
pub(crate) use args;
