//! Reductions, and what is built on them: layer norm and softmax.

use crate::device::{UNIT, args, assert_close, blocks, on_all};
use crate::support::Random;
use softgpu::Dim3;
use softgpu::exec::inst::Class;

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

/// Two blocks of 8 warps over 1024 floats: every thread adds up two, so 32 requests of 128 bytes; each
/// block writes one float.
///
/// By the tree: all 8 warps store their sum, then 4, 2, 1, and five times 1 for the halves below a warp, 12
/// requests that each read two words per lane and store one, of 128 + 64 + … + 1 = 255 lanes; thread 0 reads
/// the answer. 9 barriers. Warp 0 divides at the 5 halves below it and at the end.
///
/// By shuffles: 5 per warp, and 3 among the 8 sums of the first warp; 8 words stored one by one, read by one
/// request. One barrier. Lane 0 divides each warp at its store, and once in warp 0 at the end; the lanes
/// that read a warp's sum divide warp 0 too.
#[test]
fn reductions_do_what_was_counted_by_hand() {
    on_all("reduce", |device| {
        for kernel in ["reduce_block", "reduce_warp", "reduce_max"] {
            let (x, partial) = (device.upload(&Random::new(18).f32s(1024)), device.fresh(2));
            let args = args![x, partial, 1024i32];
            let counters = device.run(kernel, Dim3::x(2), Dim3::x(256), &args).counters;
            let (loads, stores) = (counters.global_loads, counters.global_stores);
            assert_eq!((loads.requests, loads.bytes, loads.sectors), (32, 4096, 128), "{kernel}");
            assert_eq!((stores.requests, stores.bytes, stores.sectors), (2, 8, 2), "{kernel}");
            let (loads, stores) = (counters.shared_loads, counters.shared_stores);
            assert_eq!(loads.conflicts + stores.conflicts, 0, "{kernel}");
            let found = [
                counters.barriers,
                stores.requests,
                stores.bytes,
                loads.requests,
                loads.bytes,
                counters.warp_instructions.get(&Class::WarpExchange).copied().unwrap_or(0),
            ];
            let per_block = match kernel {
                "reduce_block" => {
                    [8 * 9, 8 + 12, 4 * (256 + 255), 2 * 12 + 1, 4 * (2 * 255 + 1), 0]
                }
                "reduce_warp" => [8, 8, 8 * 4, 1, 8 * 4, 8 * 5 + 3],
                // The butterfly of the warps' maxima runs in every warp, each lane reading one of 8.
                _ => [8, 8, 8 * 4, 8, 256 * 4, 8 * 5 + 8 * 3],
            };
            assert_eq!(found, per_block.map(|count| 2 * count), "{kernel}");
            if kernel == "reduce_block" {
                assert_eq!(counters.divergent_branches, 2 * (5 + 1));
            }
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

/// A masked score is −∞ and gets 0, also where a lane's elements all are, or whole first parts of a row.
#[test]
fn masked_elements_of_softmax_are_zero() {
    on_all("softmax", |device| {
        let columns = 100;
        for masked in [0..99, 1..100, 5..70, 31..33] {
            let mut x = Random::new(19).f32s(columns);
            x[masked.clone()].fill(f32::NEG_INFINITY);
            let y = device.fresh(columns);
            let args = args![device.upload(&x), y, 1i32, columns as i32];
            device.run("softmax", Dim3::x(1), Dim3::new(32, 4, 1), &args);
            let exps: Vec<f64> = x.iter().map(|x| f64::from(*x).exp()).collect();
            let sum: f64 = exps.iter().sum();
            // Arguments below 2 lose 2 units before the exponential, twice per merge at worst.
            let relative = (columns as f64 + 4.0 * 16.0) * UNIT;
            let want: Vec<_> = exps.iter().map(|e| (e / sum, e / sum * relative)).collect();
            assert_close(&device.floats(y, columns), &want, &format!("{masked:?}"));
        }
    });
}

/// One row of 256 in a block of 4 warps, two elements a thread: three passes read it, the last one gamma
/// and beta too. Each of two sums over the block takes two barriers, 5 shuffles a warp, a word stored per
/// warp and 4 read by every thread, all lanes the same. A fused multiply-add per square and per output.
///
/// Softmax, 4 rows of 64 with a warp each: two passes, and 5 merges of 2 shuffles; nothing shared.
#[test]
fn layer_norm_and_softmax_do_what_was_counted_by_hand() {
    on_all("layer_norm", |device| {
        let [x, gamma, beta] = [20, 21, 22].map(|seed| device.upload(&Random::new(seed).f32s(256)));
        let args = args![x, gamma, beta, device.fresh(256), 256i32, 1e-5f32];
        let counters = device.run("layer_norm", Dim3::x(1), Dim3::x(128), &args).counters;
        let (warps, each) = (4, 2);
        let (loads, stores) = (counters.global_loads, counters.global_stores);
        let requests = warps * each * 5;
        assert_eq!(
            (loads.requests, loads.bytes, loads.sectors),
            (requests, requests * 128, requests * 4)
        );
        assert_eq!((stores.requests, stores.bytes, stores.sectors), (8, 1024, 32));
        assert_eq!((counters.barriers, counters.fmas), (warps * 2 * 2, 256 + 256));
        assert_eq!(counters.warp_instructions[&Class::WarpExchange], warps * 2 * 5);
        let (loads, stores) = (counters.shared_loads, counters.shared_stores);
        assert_eq!((stores.requests, stores.bytes), (warps * 2, warps * 2 * 4));
        assert_eq!((loads.bytes, loads.conflicts), (warps * 2 * 4 * 128, 0));
    });
    on_all("softmax", |device| {
        let args = args![device.upload(&Random::new(23).f32s(256)), device.fresh(256), 4i32, 64i32];
        let counters = device.run("softmax", Dim3::x(1), Dim3::new(32, 4, 1), &args).counters;
        let (loads, stores) = (counters.global_loads, counters.global_stores);
        assert_eq!((loads.requests, loads.bytes, loads.sectors), (4 * 4, 16 * 128, 16 * 4));
        assert_eq!((stores.requests, stores.bytes, stores.sectors), (4 * 2, 8 * 128, 8 * 4));
        assert_eq!(counters.warp_instructions[&Class::WarpExchange], 4 * 5 * 2);
        assert_eq!(counters.shared_loads.requests + counters.barriers, 0);
    });
}
