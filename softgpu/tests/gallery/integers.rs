//! Kernels on integers, whose answers are exact, and random numbers made of them.

use crate::device::{UNIT, args, assert_close, blocks, on_all};
use crate::support::Random;
use softgpu::exec::inst::Class;
use softgpu::{Arg, Dim3};

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

/// Two blocks of 8 warps over 1024 bytes: 32 requests of 32 bytes, one sector. The bins of a warp's lanes
/// are 0, 8, … 248: in global memory each lies in a sector of its own, in shared memory in 4 banks, 8 words
/// each. Counted per block, the end adds 8 warps' worth of 128 bytes to global memory.
#[test]
fn histograms_do_what_was_counted_by_hand() {
    on_all("histogram", |device| {
        let bytes: Vec<u8> = (0..1024).map(|i| (i % 32 * 8) as u8).collect();
        let want: Vec<u32> = (0..256).map(|bin| if bin % 8 == 0 { 32 } else { 0 }).collect();
        for kernel in ["histogram_global", "histogram_shared"] {
            let bins = device.upload(&[0u32; 256]);
            let args = args![device.upload(&bytes), bins, 1024i32];
            let counters = device.run(kernel, Dim3::x(2), Dim3::x(256), &args).counters;
            assert_eq!(device.words(bins, 256), want, "{kernel}");
            let loads = counters.global_loads;
            assert_eq!((loads.requests, loads.bytes, loads.sectors), (32, 1024, 32), "{kernel}");
            let (global, shared) = (counters.global_atomics, counters.shared_atomics);
            let global = (global.requests, global.bytes, global.sectors);
            let shared = [shared.requests, shared.bytes, shared.wavefronts, shared.conflicts];
            if kernel == "histogram_global" {
                assert_eq!((global, shared), ((32, 4096, 32 * 32), [0; 4]));
                assert_eq!(counters.barriers, 0);
            } else {
                assert_eq!((global, shared), ((16, 2048, 64), [32, 4096, 32 * 8, 32 * 7]));
                assert_eq!(counters.barriers, 16 * 2);
                let (loads, stores) = (counters.shared_loads, counters.shared_stores);
                assert_eq!((loads.requests, loads.wavefronts), (16, 16));
                assert_eq!((stores.requests, stores.wavefronts), (16, 16));
            }
            // Every byte, and every bin's word that is added to.
            let bins = if kernel == "histogram_global" { 32 } else { 256 };
            assert_eq!(counters.unique_bytes, Some(1024 + 4 * bins), "{kernel}");
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

/// Two blocks of 8 warps over 512 words. A warp scans in 5 shuffles; its last lane stores the sum, the
/// first warp scans the 8 sums, and 7 warps read theirs, all lanes the same word.
#[test]
fn the_prefix_sum_does_what_was_counted_by_hand() {
    on_all("prefix_sum", |device| {
        let x = device.upload(&Random::new(24).u32s(512));
        let args = args![x, device.fresh(512), device.fresh(2), 512i32];
        let counters = device.run("scan_block", Dim3::x(2), Dim3::x(256), &args).counters;
        let (loads, stores) = (counters.global_loads, counters.global_stores);
        assert_eq!((loads.requests, loads.bytes, loads.sectors), (16, 2048, 64));
        assert_eq!((stores.requests, stores.bytes, stores.sectors), (16 + 2, 2048 + 8, 64 + 2));
        assert_eq!(counters.barriers, 16 * 2);
        assert_eq!(counters.warp_instructions[&Class::WarpExchange], 2 * (8 + 1) * 5);
        let (loads, stores) = (counters.shared_loads, counters.shared_stores);
        assert_eq!((stores.requests, stores.bytes), (2 * (8 + 1), 2 * (8 * 4 + 8 * 4)));
        assert_eq!((loads.requests, loads.bytes), (2 * (1 + 7), 2 * (8 * 4 + 7 * 128)));
        assert_eq!((loads.wavefronts, stores.wavefronts), (16, 18));
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

/// One tile of 1024 keys in order, so nothing is swapped: 16 warps. Runs of 2, 4, … 1024 take a flip each
/// and 0, 1, … 9 disperses, 55 comparisons with two loads and a barrier each; loading the tile takes two
/// stores, a barrier, and at the end two loads.
///
/// Where keys less than 32 apart are compared, the low keys of a warp lie in every other part of 64 words,
/// and so do the high ones: two wavefronts. That is 5 of the flips (halves 1 to 16) and of the disperses
/// 0 + 1 + 2 + 3 + 4 and then always 5.
#[test]
fn the_sorting_network_does_what_was_counted_by_hand() {
    on_all("bitonic_sort", |device| {
        let keys = device.upload(&(0..1024u32).map(|i| 7 * i).collect::<Vec<_>>());
        let args = args![keys, 1024i32];
        let counters = device.run("sort_tiles", Dim3::x(1), Dim3::x(512), &args).counters;
        let (warps, comparisons, near) = (16, 55, 5 + (1 + 2 + 3 + 4) + 5 * 5);
        assert_eq!(counters.barriers, warps * (1 + comparisons));
        let loads = counters.shared_loads;
        let requests = warps * (2 * comparisons + 2);
        let conflicts = warps * 2 * near;
        assert_eq!(
            (loads.requests, loads.bytes, loads.wavefronts, loads.conflicts),
            (requests, requests * 128, requests + conflicts, conflicts)
        );
        let stores = counters.shared_stores;
        assert_eq!((stores.requests, stores.conflicts), (warps * 2, 0));
        assert_eq!(counters.divergent_branches, 0);
        let (loads, stores) = (counters.global_loads, counters.global_stores);
        assert_eq!((loads.requests, loads.sectors), (32, 128));
        assert_eq!((stores.requests, stores.sectors), (32, 128));
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

/// The generator as its authors describe it: ten rounds, keys raised by the golden ratio and √3 − 1.
fn philox(mut c: [u32; 4], seed: u64) -> [u32; 4] {
    let (mut k0, mut k1) = (seed as u32, (seed >> 32) as u32);
    for _ in 0..10 {
        let p0 = 0xD251_1F53u64 * u64::from(c[0]);
        let p1 = 0xCD9E_8D57u64 * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k1, p0 as u32];
        (k0, k1) = (k0.wrapping_add(0x9E37_79B9), k1.wrapping_add(0xBB67_AE85));
    }
    c
}

/// Box & Muller in f64, with how far f32 may be off: the words lose 1 unit when they become floats and u
/// one more when it is scaled, logf and sincospif are good to 2 units, √ and the product to one each.
fn normal_pair(w0: u32, w1: u32) -> [(f64, f64); 2] {
    let u = (f64::from(w0) + 0.5) / 2f64.powi(32);
    let angle = std::f64::consts::TAU * f64::from(w1) / 2f64.powi(32);
    let squared = -2.0 * u.ln();
    // 2 units of u are 2 units of its logarithm, whatever that is: near u = 1 that is all there is.
    let off = UNIT * (2.0 * 2.0 + 4.0 * squared);
    let radius = squared.sqrt();
    let radius_off = radius - (squared - off).max(0.0).sqrt() + 2.0 * UNIT * radius;
    let trig_off = UNIT * (std::f64::consts::TAU + 4.0);
    [angle.cos(), angle.sin()].map(|trig| {
        let bound = radius_off * trig.abs() + radius * trig_off + UNIT * (radius * trig).abs();
        // Half as much again for products of errors.
        (radius * trig, 1.5 * bound)
    })
}

#[test]
fn normal_numbers_are_those_of_their_counter_seed_and_stream() {
    on_all("philox", |device| {
        for (n, seed, stream) in [(1, 1u64 << 40, 0u32), (1023, 42, 3), (1538, u64::MAX - 5, 9)] {
            let out = device.fresh(n);
            let args = args![out, seed, stream, n as i32];
            let counters = device
                .run("philox_normal", blocks(n.div_ceil(4), 128), Dim3::x(128), &args)
                .counters;
            let want = (0..n.div_ceil(4) as u32).flat_map(|i| {
                let w = philox([i, 0, stream, 0], seed);
                [normal_pair(w[0], w[1]), normal_pair(w[2], w[3])].concat()
            });
            let want: Vec<_> = want.take(n).collect();
            assert_close(&device.floats(out, n), &want, &format!("{n} {seed:x} {stream}"));
            assert_eq!(counters.global_stores.bytes, 4 * n as u64);
            assert_eq!(
                (counters.global_loads.requests, counters.unique_bytes),
                (0, Some(4 * n as u64))
            );
        }
    });
}
