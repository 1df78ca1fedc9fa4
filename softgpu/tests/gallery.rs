//! The gallery of classic kernels against plain computations in f64 or integers, in both dialects of PTX,
//! and its counters against numbers counted by hand.
//!
//! Bounds: a sum of n products of f32 computed in any order differs from the exact one by at most
//! n · 2⁻²⁴ · Σ|products| to first order (Higham, Accuracy and Stability of Numerical Algorithms, 3.1);
//! tests use twice that for the second order.

mod support;

use softgpu::{Arg, DevicePtr, Dim3, Gpu, Module, Options, Report};
use support::{Random, architectures, ptx};

const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// A device with one kernel file loaded.
struct Device {
    gpu: Gpu,
    module: Module,
    arch: u32,
}

impl Device {
    fn run(&self, kernel: &str, grid: Dim3, block: Dim3, args: &[Arg]) -> Report {
        let launched = self.gpu.launch(&self.module, kernel, grid, block, 0, args);
        launched.unwrap_or_else(|error| panic!("compute_{}: {error}", self.arch))
    }

    fn upload<T: bytemuck::Pod>(&self, data: &[T]) -> DevicePtr {
        self.gpu.upload(data).expect("device memory")
    }

    /// Room for `n` words that nobody has written: what a kernel leaves out reads back as NaN.
    fn fresh(&self, n: usize) -> DevicePtr {
        self.gpu.alloc(4 * n).expect("device memory")
    }

    fn floats(&self, at: DevicePtr, n: usize) -> Vec<f32> {
        self.gpu.download(at, n).expect("a buffer of this test")
    }

    fn words(&self, at: DevicePtr, n: usize) -> Vec<u32> {
        self.gpu.download(at, n).expect("a buffer of this test")
    }
}

/// Runs a test for every architecture of a file, in another order each time.
fn on_all(file: &str, test: impl Fn(&Device)) {
    for (seed, &arch) in architectures(file).iter().enumerate() {
        let gpu = Gpu::new(Options { seed: seed as u64 + 5, ..Options::default() });
        let module =
            gpu.load_ptx(&ptx(file, arch)).unwrap_or_else(|e| panic!("{file} {arch}: {e}"));
        test(&Device { gpu, module, arch });
    }
}

/// Every element within its bound; NaN is not.
fn assert_close(got: &[f32], want: &[(f64, f64)], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, (want, bound))) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs();
        assert!(error <= *bound, "{what}, element {i}: {got} for {want}, bound {bound:e}");
    }
}

fn blocks(n: usize, of: usize) -> Dim3 {
    Dim3::x(n.div_ceil(of) as u32)
}

#[test]
fn saxpy_is_one_fused_multiply_add() {
    on_all("saxpy", |device| {
        for n in [1, 255, 1000] {
            let (x, y) = (Random::new(1).f32s(n), Random::new(2).f32s(n));
            let want: Vec<f32> = x.iter().zip(&y).map(|(x, y)| 1.7f32.mul_add(*x, *y)).collect();
            let dx = device.upload(&x);
            let kernels = [
                ("saxpy", n),
                ("saxpy_grid_stride", 300),
                ("saxpy_uncoalesced", n.next_multiple_of(32)),
            ];
            for (kernel, threads) in kernels {
                let dy = device.upload(&y);
                let args = [dx.into(), dy.into(), 1.7f32.into(), (n as i32).into()];
                let report = device.run(kernel, blocks(threads, 256), Dim3::x(256), &args);
                assert_eq!(device.floats(dy, n), want, "{kernel} {n}");
                assert_eq!(report.counters.fmas, n as u64, "{kernel}");
            }
        }
    });
}

/// 1024 floats, 4 blocks of 256: 32 warps. A warp reads 128 bytes of x and of y, 4 sectors each, and
/// writes 4. Uncoalesced, each of 32 lanes touches a sector of its own.
#[test]
fn saxpy_moves_the_sectors_counted_by_hand() {
    on_all("saxpy", |device| {
        let (x, y) = (device.upload(&[1f32; 1024]), device.upload(&[2f32; 1024]));
        let args = [x.into(), y.into(), 3f32.into(), 1024i32.into()];
        for (kernel, sectors) in [("saxpy", 4), ("saxpy_uncoalesced", 32)] {
            let counters = device.run(kernel, Dim3::x(4), Dim3::x(256), &args).counters;
            let (loads, stores) = (counters.global_loads, counters.global_stores);
            assert_eq!(
                (loads.requests, loads.bytes, loads.sectors),
                (64, 8192, 64 * sectors),
                "{kernel}"
            );
            assert_eq!(
                (stores.requests, stores.bytes, stores.sectors),
                (32, 4096, 32 * sectors),
                "{kernel}"
            );
            assert_eq!(
                (counters.unique_bytes, counters.divergent_branches),
                (Some(8192), 0),
                "{kernel}"
            );
            assert_eq!(
                (counters.blocks, counters.warps, counters.barriers),
                (4, 32, 0),
                "{kernel}"
            );
        }
    });
}

/// Sums and products in f64 with their error bounds, of row-major A (m×k) and B (k×n).
fn product(a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Vec<(f64, f64)> {
    let element = |at: usize| {
        let (row, column) = (at / n, at % n);
        let terms = (0..k).map(|i| f64::from(a[row * k + i]) * f64::from(b[i * n + column]));
        let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
        (sum, 2.0 * k as f64 * UNIT * size)
    };
    (0..m * n).map(element).collect()
}

fn scalar_product(file: &str, kernel: &str, tile: usize, block: Dim3) {
    on_all(file, |device| {
        for [m, n, k] in [[1, 1, 1], [17, 33, 19], [130, 70, 40], [64, 128, 12]] {
            let (a, b) = (Random::new(3).f32s(m * k), Random::new(4).f32s(k * n));
            let c = device.fresh(m * n);
            let sizes = [m, n, k].map(|size| Arg::from(size as i32));
            let args =
                [&[device.upload(&a).into(), device.upload(&b).into(), c.into()][..], &sizes]
                    .concat();
            let grid = Dim3::new(n.div_ceil(tile) as u32, m.div_ceil(tile) as u32, 1);
            device.run(kernel, grid, block, &args);
            assert_close(&device.floats(c, m * n), &product(&a, &b, [m, n, k]), kernel);
        }
    });
}

#[test]
fn the_tiled_product_matches_f64() {
    scalar_product("gemm_tiled", "gemm_tiled", 16, Dim3::new(16, 16, 1));
}

#[test]
fn the_register_blocked_product_matches_f64() {
    scalar_product("gemm_blocked", "gemm_blocked", 128, Dim3::x(256));
}

/// 32×32×32 in tiles of 16: 4 blocks of 8 warps. Every thread does 32 fused multiply-adds. Along k are
/// two steps; in each a warp stores 2 requests to shared memory and, for 16 values of i, reads two
/// elements, of which those of one row are a broadcast and the others 16 neighbours: one wavefront each.
/// Two barriers a step.
#[test]
fn the_tiled_product_does_what_was_counted_by_hand() {
    on_all("gemm_tiled", |device| {
        let (a, b) =
            (device.upload(&Random::new(1).f32s(1024)), device.upload(&Random::new(2).f32s(1024)));
        let c = device.fresh(1024);
        let size = Arg::from(32i32);
        let args = [a.into(), b.into(), c.into(), size.clone(), size.clone(), size];
        let counters =
            device.run("gemm_tiled", Dim3::new(2, 2, 1), Dim3::new(16, 16, 1), &args).counters;
        let warps = 4 * 8;
        assert_eq!(counters.fmas, 32 * 32 * 32);
        assert_eq!(counters.barriers, warps * 2 * 2);
        assert_eq!(counters.shared_stores.requests, warps * 2 * 2);
        assert_eq!(counters.shared_loads.conflicts + counters.shared_stores.conflicts, 0);
        assert_eq!(counters.shared_loads.bytes, warps * 2 * 16 * 2 * 128);
        // A request is two rows of 64 bytes: 2 + 2 sectors.
        let loads = counters.global_loads;
        assert_eq!(
            (loads.requests, loads.bytes, loads.sectors),
            (warps * 4, warps * 512, warps * 16)
        );
        assert_eq!(counters.unique_bytes, Some(3 * 4096));
    });
}

#[test]
fn tensor_core_products_match_f64() {
    on_all("gemm_tensor", |device| {
        for [m, n, k] in [[16, 8, 16], [64, 64, 64], [70, 40, 56], [33, 72, 24]] {
            let (a, b) = (Random::new(5).f32s(m * k), Random::new(6).f32s(k * n));
            for kernel in ["gemm_f16", "gemm_bf16", "gemm_tf32"] {
                // What the tensor core sees: operands rounded to 11, 8 and 11 bits.
                let round = |x: &f32| match kernel {
                    "gemm_f16" => half::f16::from_f32(*x).to_f32(),
                    "gemm_bf16" => half::bf16::from_f32(*x).to_f32(),
                    // Ties away from zero, as cvt.rna does.
                    _ => f32::from_bits((x.to_bits() + 0x1000) & !0x1FFF),
                };
                let (ra, rb): (Vec<f32>, Vec<f32>) =
                    (a.iter().map(round).collect(), b.iter().map(round).collect());
                let upload = |x: &[f32]| match kernel {
                    "gemm_f16" => device.upload(
                        &x.iter().map(|x| half::f16::from_f32(*x).to_bits()).collect::<Vec<_>>(),
                    ),
                    "gemm_bf16" => device.upload(
                        &x.iter().map(|x| half::bf16::from_f32(*x).to_bits()).collect::<Vec<_>>(),
                    ),
                    _ => device.upload(x),
                };
                let c = device.fresh(m * n);
                let sizes = [m, n, k].map(|size| Arg::from(size as i32));
                let args = [&[upload(&a).into(), upload(&b).into(), c.into()][..], &sizes].concat();
                let grid = Dim3::new(n.div_ceil(64) as u32, m.div_ceil(64) as u32, 1);
                let report = device.run(kernel, grid, Dim3::x(128), &args);
                assert_close(&device.floats(c, m * n), &product(&ra, &rb, [m, n, k]), kernel);
                // Tiles of 64×64 are multiplied whole, k in steps of 64 bytes.
                let step = if kernel == "gemm_tf32" { 16 } else { 32 };
                let macs = grid.count() * 64 * 64 * k.next_multiple_of(step) as u64;
                assert_eq!(report.counters.mma_macs, macs, "{kernel} {m} {n} {k}");
                assert_eq!(report.counters.matrix_loads.conflicts, 0, "{kernel}");
            }
        }
    });
}

/// One full 32×32 tile: 8 warps, 4 elements a thread, so 32 requests each way. A column of the unpadded
/// tile lies in one bank: 32 wavefronts a request, 31 of them conflicts.
#[test]
fn transposes_are_exact_and_only_the_unpadded_tile_has_conflicts() {
    on_all("transpose", |device| {
        for (width, height) in [(32, 32), (70, 45), (1, 33)] {
            let x = Random::new(7).f32s(width * height);
            let want: Vec<f32> =
                (0..width * height).map(|i| x[i % height * width + i / height]).collect();
            for kernel in ["transpose_naive", "transpose_conflict", "transpose_padded"] {
                let out = device.fresh(width * height);
                let args = [
                    device.upload(&x).into(),
                    out.into(),
                    (width as i32).into(),
                    (height as i32).into(),
                ];
                let grid = Dim3::new(width.div_ceil(32) as u32, height.div_ceil(32) as u32, 1);
                let counters = device.run(kernel, grid, Dim3::new(32, 8, 1), &args).counters;
                assert_eq!(device.floats(out, width * height), want, "{kernel} {width}×{height}");
                if (width, height) != (32, 32) {
                    continue;
                }
                let shared = counters.shared_loads;
                let (requests, wavefronts, stored) = match kernel {
                    "transpose_naive" => (0, 0, 32 * 32),
                    "transpose_conflict" => (32, 32 * 32, 32 * 4),
                    _ => (32, 32, 32 * 4),
                };
                assert_eq!(
                    (shared.requests, shared.wavefronts),
                    (requests, wavefronts),
                    "{kernel}"
                );
                assert_eq!(counters.shared_stores.conflicts, 0, "{kernel}");
                assert_eq!(
                    (counters.global_loads.sectors, counters.global_stores.sectors),
                    (32 * 4, stored)
                );
            }
        }
    });
}

#[test]
fn reductions_give_the_sum_and_the_maximum() {
    on_all("reduce", |device| {
        for n in [1, 31, 1000, 5000] {
            let x = Random::new(8).f32s(n);
            let dx = device.upload(&x);
            let size: f64 = x.iter().map(|x| f64::from(x.abs())).sum();
            let sum = (x.iter().map(|x| f64::from(*x)).sum(), 2.0 * n as f64 * UNIT * size);
            let most = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            for (kernel, want) in
                [("reduce_block", sum), ("reduce_warp", sum), ("reduce_max", (most, 0.0))]
            {
                let (partial, whole) = (device.fresh(5), device.fresh(1));
                device.run(
                    kernel,
                    Dim3::x(5),
                    Dim3::x(256),
                    &[dx.into(), partial.into(), (n as i32).into()],
                );
                device.run(
                    kernel,
                    Dim3::x(1),
                    Dim3::x(256),
                    &[partial.into(), whole.into(), 5i32.into()],
                );
                assert_close(&device.floats(whole, 1), &[want], &format!("{kernel} {n}"));
            }
        }
    });
}

#[test]
fn histograms_count_every_byte() {
    on_all("histogram", |device| {
        let n = 3001;
        let bytes: Vec<u8> =
            Random::new(9).u32s(n).into_iter().map(|x| (x % 19 * (x >> 8) % 256) as u8).collect();
        let mut want = vec![0u32; 256];
        bytes.iter().for_each(|byte| want[*byte as usize] += 1);
        for kernel in ["histogram_global", "histogram_shared"] {
            let bins = device.upload(&[0u32; 256]);
            device.run(
                kernel,
                Dim3::x(3),
                Dim3::x(256),
                &[device.upload(&bytes).into(), bins.into(), (n as i32).into()],
            );
            assert_eq!(device.words(bins, 256), want, "{kernel}");
        }
    });
}

#[test]
fn prefix_sums_run_over_blocks() {
    on_all("prefix_sum", |device| {
        for n in [1, 256, 1000] {
            let x = Random::new(10).u32s(n);
            let grid = blocks(n, 256);
            let (out, totals) = (device.fresh(n), device.fresh(grid.x as usize));
            let (scanned, rest) = (device.fresh(grid.x as usize), device.fresh(1));
            let count = Arg::from(n as i32);
            let block = Dim3::x(256);
            device.run(
                "scan_block",
                grid,
                block,
                &[device.upload(&x).into(), out.into(), totals.into(), count.clone()],
            );
            let few = Arg::from(grid.x as i32);
            device.run(
                "scan_block",
                Dim3::x(1),
                block,
                &[totals.into(), scanned.into(), rest.into(), few],
            );
            device.run("add_offsets", grid, block, &[out.into(), scanned.into(), count]);
            let mut sum = 0u32;
            let want: Vec<u32> = x
                .iter()
                .map(|x| {
                    sum = sum.wrapping_add(*x);
                    sum
                })
                .collect();
            assert_eq!(device.words(out, n), want, "{n}");
        }
    });
}

#[test]
fn the_sorting_network_sorts() {
    on_all("bitonic_sort", |device| {
        for n in [1, 700, 1024, 5000] {
            let mut keys = Random::new(11).u32s(n);
            let at = device.upload(&keys);
            let (grid, block) = (blocks(n, 1024), Dim3::x(512));
            let count = Arg::from(n as i32);
            device.run("sort_tiles", grid, block, &[at.into(), count.clone()]);
            let mut run = 2048;
            while run < 2 * n {
                let wide = Dim3::x((n.div_ceil(run) * run / 1024) as u32);
                device.run("flip", wide, block, &[at.into(), (run as i32).into(), count.clone()]);
                let mut distance = run / 4;
                while distance >= 1024 {
                    device.run(
                        "disperse",
                        wide,
                        block,
                        &[at.into(), (distance as i32).into(), count.clone()],
                    );
                    distance /= 2;
                }
                device.run("merge_tiles", grid, block, &[at.into(), count.clone()]);
                run *= 2;
            }
            keys.sort_unstable();
            assert_eq!(device.words(at, n), keys, "{n}");
        }
    });
}

#[test]
fn rows_are_normalised() {
    on_all("layer_norm", |device| {
        for (rows, columns) in [(1, 1), (3, 77), (2, 300)] {
            let x = Random::new(12).f32s(rows * columns);
            let (gamma, beta) = (Random::new(13).f32s(columns), Random::new(14).f32s(columns));
            let y = device.fresh(rows * columns);
            let epsilon = 1e-5f32;
            let args = [
                device.upload(&x).into(),
                device.upload(&gamma).into(),
                device.upload(&beta).into(),
                y.into(),
                (columns as i32).into(),
                epsilon.into(),
            ];
            device.run("layer_norm", Dim3::x(rows as u32), Dim3::x(128), &args);
            let mut want = Vec::new();
            for row in x.chunks(columns) {
                let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / columns as f64;
                let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>()
                    / columns as f64;
                let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
                for (i, x) in row.iter().enumerate() {
                    let (gamma, beta) = (f64::from(gamma[i]), f64::from(beta[i]));
                    // The mean is off by columns · UNIT (values below 1), which the scale magnifies; the
                    // scale itself by twice that and a few units of rsqrt.
                    let off = (2.0 * columns as f64 + 16.0) * UNIT;
                    let centred = (f64::from(*x) - mean).abs();
                    let bound = gamma.abs() * scale * (off + 2.0 * off * centred)
                        + 4.0 * UNIT * (beta.abs() + 1.0);
                    want.push(((f64::from(*x) - mean) * scale * gamma + beta, bound));
                }
            }
            assert_close(&device.floats(y, rows * columns), &want, "layer_norm");
        }
    });
}

#[test]
fn rows_of_softmax_are_exponentials_over_their_sum() {
    on_all("softmax", |device| {
        for (rows, columns) in [(1, 1), (5, 33), (9, 200)] {
            let x: Vec<f32> =
                Random::new(15).f32s(rows * columns).into_iter().map(|x| 20.0 * x).collect();
            let y = device.fresh(rows * columns);
            let args =
                [device.upload(&x).into(), y.into(), (rows as i32).into(), (columns as i32).into()];
            device.run("softmax", blocks(rows, 4), Dim3::new(32, 4, 1), &args);
            let mut want = Vec::new();
            for row in x.chunks(columns) {
                let exps: Vec<f64> = row.iter().map(|x| f64::from(*x).exp()).collect();
                let sum: f64 = exps.iter().sum();
                // Arguments up to 40 lose 40 units before the exponential, twice per merge at worst.
                let relative = (columns as f64 + 4.0 * 64.0) * UNIT;
                want.extend(exps.iter().map(|e| (e / sum, e / sum * relative + 1e-37)));
            }
            assert_close(&device.floats(y, rows * columns), &want, "softmax");
        }
    });
}

#[test]
fn the_stencil_steps_the_inside_and_keeps_the_edge() {
    on_all("stencil", |device| {
        for (width, height) in [(3, 3), (40, 19), (65, 8)] {
            let x = Random::new(16).f32s(width * height);
            let out = device.fresh(width * height);
            let rate = 0.2f32;
            let args = [
                device.upload(&x).into(),
                out.into(),
                (width as i32).into(),
                (height as i32).into(),
                rate.into(),
            ];
            let grid = Dim3::new(width.div_ceil(32) as u32, height.div_ceil(8) as u32, 1);
            device.run("stencil", grid, Dim3::new(32, 8, 1), &args);
            let cell = |i: usize| f64::from(x[i]);
            let want = |i: usize| {
                let (row, column) = (i / width, i % width);
                if row == 0 || column == 0 || row + 1 == height || column + 1 == width {
                    return (cell(i), 0.0);
                }
                let around = cell(i - width) + cell(i + width) + cell(i - 1) + cell(i + 1);
                (cell(i) + f64::from(rate) * (around - 4.0 * cell(i)), 16.0 * UNIT)
            };
            assert_close(
                &device.floats(out, width * height),
                &(0..width * height).map(want).collect::<Vec<_>>(),
                "stencil",
            );
        }
    });
}

/// Known answers of Philox4x32-10: the authors' test vectors (Random123, kat_vectors).
#[test]
fn philox_gives_its_known_answers_and_normal_numbers() {
    on_all("philox", |device| {
        let cases: [([u32; 4], u64, [u32; 4]); 3] = [
            ([0; 4], 0, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], u64::MAX, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                0x299f_31d0_a409_3822,
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, seed, want) in cases {
            let words = device.fresh(4);
            let args = [device.upload(&counter).into(), words.into(), seed.into(), 1i32.into()];
            device.run("philox_words", Dim3::x(1), Dim3::x(32), &args);
            assert_eq!(device.words(words, 4), want);
        }
        let n = 4001;
        let out = device.fresh(n);
        let args = [out.into(), 42u64.into(), 3u32.into(), (n as i32).into()];
        device.run("philox_normal", blocks(n.div_ceil(4), 128), Dim3::x(128), &args);
        let noise = device.floats(out, n);
        let mean = noise.iter().map(|x| f64::from(*x)).sum::<f64>() / n as f64;
        let variance =
            noise.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / n as f64 - mean * mean;
        // Five standard deviations of mean (1/√n) and variance (√(2/n)).
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "mean {mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "variance {variance}");
    });
}
