//! Kernels that mostly move data: saxpy, transposes, the stencil.

use crate::device::{UNIT, args, assert_close, blocks, on_all};
use crate::support::Random;
use softgpu::Dim3;

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

/// 64×16 cells are 2×2 blocks of 32×8 with a rim of one cell. Each block is a corner: two of the rim's
/// sides lie outside, 33×9 cells are loaded and stored to the tile. Of the tile every thread reads its own
/// cell, and where it is inside, 62×14 cells, four more; two fused multiply-adds there (around − 4 · here,
/// then · rate + here). A row of a block is a warp's store of 128 bytes.
#[test]
fn the_stencil_does_what_was_counted_by_hand() {
    on_all("stencil", |device| {
        let (x, out) = (device.upload(&Random::new(17).f32s(64 * 16)), device.fresh(64 * 16));
        let args = args![x, out, 64i32, 16i32, 0.1f32];
        let counters =
            device.run("stencil", Dim3::new(2, 2, 1), Dim3::new(32, 8, 1), &args).counters;
        let (cells, inside, tile) = (64 * 16, 62 * 14, 33 * 9);
        assert_eq!(counters.fmas, 2 * inside);
        assert_eq!(counters.barriers, 4 * 8);
        assert_eq!(counters.global_loads.bytes, 4 * 4 * tile);
        let stores = counters.global_stores;
        assert_eq!((stores.requests, stores.bytes, stores.sectors), (4 * 8, 4 * cells, 4 * 8 * 4));
        assert_eq!(counters.shared_stores.bytes, 4 * 4 * tile);
        assert_eq!(counters.shared_loads.bytes, 4 * (cells + 4 * inside));
        assert_eq!(counters.unique_bytes, Some(2 * 4 * cells));
    });
}
