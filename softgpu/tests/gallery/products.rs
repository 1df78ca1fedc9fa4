//! Matrix products: scalar, blocked in registers, on the tensor cores.

use crate::device::{UNIT, args, assert_close, on_all};
use crate::support::Random;
use softgpu::{Arg, Dim3};

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

/// 128×128×16, one tile and two steps along k: 8 warps.
///
/// Global: a step brings one float4 per thread of A and of B. Of A, two threads share a row's 32 bytes:
/// 16 rows, 16 sectors a request; of B a warp takes a row of 512 bytes, 16 sectors. A thread stores 8 rows
/// of two float4; a request covers 256 bytes of two rows, 16 sectors.
///
/// Shared: a step stores 4 words (A, transposed) and one float4 (B) per thread. The words of A lie at
/// 132 · column + row, columns 4 apart by 528 ≡ 16 banks: one wavefront. A float4 per lane takes 4. For each
/// of 16 values of k a thread reads 4 float4; a quarter of a warp reads one address or 8 neighbours.
#[test]
fn the_register_blocked_product_does_what_was_counted_by_hand() {
    on_all("gemm_blocked", |device| {
        let (m, n, k) = (128, 128, 16);
        let a = device.upload(&Random::new(1).f32s(m * k));
        let b = device.upload(&Random::new(2).f32s(k * n));
        let c = device.fresh(m * n);
        let args = args![a, b, c, m as i32, n as i32, k as i32];
        let counters = device.run("gemm_blocked", Dim3::x(1), Dim3::x(256), &args).counters;
        let (warps, steps) = (8, 2);
        assert_eq!((counters.fmas, counters.mma_macs), (128 * 128 * 16, 0));
        assert_eq!(counters.barriers, warps * steps * 2);
        let (loads, stores) = (counters.global_loads, counters.global_stores);
        let requests = warps * steps * 2;
        assert_eq!(
            (loads.requests, loads.bytes, loads.sectors),
            (requests, requests * 512, requests * 16)
        );
        let requests = warps * 16;
        assert_eq!(
            (stores.requests, stores.bytes, stores.sectors),
            (requests, requests * 512, requests * 16)
        );
        assert_eq!(counters.unique_bytes, Some(4 * (128 * 16 + 16 * 128 + 128 * 128)));
        let (loads, stores) = (counters.shared_loads, counters.shared_stores);
        let requests = warps * 16 * 4;
        assert_eq!(
            (loads.requests, loads.bytes, loads.wavefronts, loads.conflicts),
            (requests, requests * 512, requests * 4, 0)
        );
        assert_eq!(
            (stores.requests, stores.bytes, stores.wavefronts, stores.conflicts),
            (warps * steps * 5, warps * steps * (4 * 128 + 512), warps * steps * (4 + 4), 0)
        );
    });
}

/// 64×64×64, one tile: 4 warps; k in steps of 64 bytes: 2 for elements of 16 bits, 4 for tf32.
///
/// A tile of A or B is 4096 bytes, 256 chunks of 16, two per thread, so a step is 4 cp.async a warp, of
/// 512 bytes in whole sectors. One barrier a step. ldmatrix reads four matrices a time, one wavefront each:
/// per 16 of k two for A and two for B; tf32, per 8 of k, two for A, and B by 8 plain loads: lanes
/// 8 · (lane mod 4) + lane / 4 banks apart, no conflict. A warp stores 2×4 tiles in two halves of 8 rows
/// with 32 bytes: 8 sectors.
#[test]
fn tensor_core_products_do_what_was_counted_by_hand() {
    on_all("gemm_tensor", |device| {
        for (kernel, bytes, steps) in [("gemm_f16", 2, 2), ("gemm_bf16", 2, 2), ("gemm_tf32", 4, 4)]
        {
            // Zeros are zeros in every type; what is counted does not depend on values.
            let zeros = vec![0u8; 64 * 64 * bytes as usize];
            let (a, b, c) = (device.upload(&zeros), device.upload(&zeros), device.fresh(4096));
            let args = args![a, b, c, 64i32, 64i32, 64i32];
            let counters = device.run(kernel, Dim3::x(1), Dim3::x(128), &args).counters;
            assert_eq!(device.words(c, 4096), [0; 4096], "{kernel}");
            let warps = 4;
            assert_eq!((counters.mma_macs, counters.fmas), (64 * 64 * 64, 0), "{kernel}");
            assert_eq!(counters.barriers, warps * steps, "{kernel}");
            let copies = counters.async_copies;
            assert_eq!(
                (copies.requests, copies.bytes, copies.sectors),
                (warps * steps * 4, 2 * 4096 * bytes, 2 * 4096 * bytes / 32),
                "{kernel}"
            );
            assert_eq!(counters.global_loads.requests, 0, "{kernel}");
            let stores = counters.global_stores;
            assert_eq!(
                (stores.requests, stores.bytes, stores.sectors),
                (warps * 16, 4 * 4096, 4 * 4096 / 32),
                "{kernel}"
            );
            assert_eq!(counters.unique_bytes, Some(2 * 4096 * bytes + 4 * 4096), "{kernel}");

            let of_matrices = warps * 16;
            let matrices = counters.matrix_loads;
            assert_eq!(
                (matrices.requests, matrices.bytes, matrices.wavefronts, matrices.conflicts),
                (of_matrices, of_matrices * 512, of_matrices * 4, 0),
                "{kernel}"
            );
            let plain = counters.shared_loads;
            let of_words = warps * if bytes == 2 { 0 } else { 8 * 8 };
            assert_eq!(
                (plain.requests, plain.bytes, plain.wavefronts, plain.conflicts),
                (of_words, of_words * 128, of_words, 0),
                "{kernel}"
            );
            assert_eq!(counters.shared_stores.requests, 0, "{kernel}: past the registers");
        }
    });
}
