//! A training step on the CPU makes nothing of size: buffers are planned when the trainer is built.

use dermaglyph::backend::Cpu;
use dermaglyph::backend::ops::{Adam, Ema};
use dermaglyph::model::ModelConfig;
use dermaglyph::train::{Gan, Hyper};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counted.
struct Counted;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    COUNT.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes, Relaxed);
}

// SAFETY: everything is the system's; counting touches no memory that is handed out.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

#[test]
fn a_step_allocates_nothing() {
    let model = ModelConfig { image_size: 64, channels: 3, nz: 100, ngf: 16, ndf: 16 };
    let adam = Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
    let ema = Ema { decay: 0.999 };
    let (batch_size, seed) = (8, 1);
    let hyper = Hyper { model, batch_size, adam, ema, seed, check_every_pass: false };
    let mut gan = Gan::new(Cpu::new(Some(2)).unwrap(), hyper).unwrap();
    let reals: Vec<f32> =
        (0..batch_size * 3 * 64 * 64).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
    gan.upload_reals(&reals).unwrap();
    // The first steps find out what is needed.
    for _ in 0..3 {
        gan.step().unwrap();
    }
    let per_step = (0..8).map(|_| {
        let before = [COUNT.load(Relaxed), BYTES.load(Relaxed)];
        gan.step().unwrap();
        [COUNT.load(Relaxed) - before[0], BYTES.load(Relaxed) - before[1]]
    });
    let [count, bytes] = per_step.min().unwrap();
    // Rayon's queue of jobs grows by a block every 63 of them.
    assert!(count <= 4 && bytes <= 8192, "{count} allocations, {bytes} bytes");
}
