//! Clean kernels that look dangerous: not one finding in any order, and the right answer.

use crate::launch::A::{self, *};
use crate::launch::{ORDERS, Run};
use crate::support::architectures;
use softgpu::Dim3;

/// A kernel, how it is launched, and what is asked of it afterwards.
struct Row {
    file: &'static str,
    kernel: &'static str,
    grid: u32,
    block: u32,
    shared: u32,
    args: Vec<A>,
    answer: fn(&Run),
}

fn row<const N: usize>(
    (file, kernel): (&'static str, &'static str),
    (grid, block): (u32, u32),
    args: [A; N],
    answer: fn(&Run),
) -> Row {
    Row { file, kernel, grid, block, shared: 0, args: args.to_vec(), answer }
}

fn check(rows: &[Row]) {
    for row in rows {
        let known = architectures(row.file);
        for arch in [known[0], 100] {
            for order in ORDERS {
                let run = Run::new(row.file, arch, order, &row.args);
                let launch = (row.grid, Dim3::x(row.block));
                if let Err(error) = run.launch(row.kernel, launch, row.shared) {
                    panic!("{} {arch} order {order:?}: {error}", row.kernel);
                }
                (row.answer)(&run);
            }
        }
    }
}

/// `x` reversed in groups of `n`.
fn reversed<T: Copy>(x: &[T], n: usize) -> Vec<T> {
    x.chunks(n).flat_map(|group| group.iter().rev().copied()).collect()
}

/// Groups of 4 floats reversed as groups.
fn reversed4(x: &[f32], n: usize) -> Vec<f32> {
    x.chunks(4 * n).flat_map(|part| part.chunks(4).rev().flatten().copied()).collect()
}

/// Running sums of every 32nd.
fn sums_of_firsts(x: &[i32]) -> Vec<i32> {
    x.iter()
        .step_by(32)
        .scan(0, |sum, v| {
            *sum += v;
            Some(*sum)
        })
        .collect()
}

#[test]
fn asynchronous_copies_that_are_waited_for_are_silent() {
    let at = |kernel| ("clean/async", kernel);
    check(&[
        row(at("own_copy"), (1, 64), [F(256), Zeros(256)], |run| {
            assert_eq!(run.f32(1), run.given_f32(0));
        }),
        row(at("older_group"), (1, 32), [F(256), Zeros(256)], |run| {
            assert_eq!(run.f32(1), reversed4(&run.given_f32(0), 32));
        }),
        row(at("copy_tail"), (1, 32), [F(77), Zeros(128), Int(77)], |run| {
            let mut want = run.given_f32(0);
            want.resize(128, 0.0);
            assert_eq!(run.f32(1), want);
        }),
        row(at("store_beside_a_copy"), (1, 32), [F(128), Zeros(128)], |run| {
            let mut want = run.given_f32(0);
            for (lane, v) in want.chunks_mut(4).enumerate() {
                v[3] = 31.0 - lane as f32;
            }
            assert_eq!(run.f32(1), want);
        }),
        row(at("pipeline_of_the_toolkit"), (1, 32), [F(224), Unwritten(896)], |run| {
            assert_eq!(run.f32(1), run.given_f32(0));
        }),
        row(at("ring"), (1, 64), [F(256 * 7), Zeros(256), Int(7)], |run| {
            let mut want = vec![0f32; 256];
            for step in reversed4(&run.given_f32(0), 64).chunks(256) {
                want.iter_mut().zip(step).for_each(|(sum, v)| *sum += v);
            }
            assert_eq!(run.f32(1), want);
        }),
    ]);
}

#[test]
fn barriers_and_masks_that_all_reach_are_silent() {
    let at = |kernel| ("clean/barriers", kernel);
    check(&[
        row(at("barrier_per_half"), (1, 128), [F(128), Zeros(128)], |run| {
            let x = run.given_f32(0);
            let want: Vec<f32> = (0..128).map(|i| x[i / 64 * 64 + (i + 2) % 64] + 2.0).collect();
            assert_eq!(run.f32(1), want);
        }),
        row(at("producer_and_consumer"), (1, 64), [F(32 * 9), Zeros(32), Int(9)], |run| {
            let mut want = vec![0f32; 32];
            for step in reversed(&run.given_f32(0), 32).chunks(32) {
                want.iter_mut().zip(step).for_each(|(sum, v)| *sum += v);
            }
            assert_eq!(run.f32(1), want);
        }),
        row(at("shuffle_in_both_branches"), (1, 32), [I(32, 1000), Zeros(32)], |run| {
            let x = run.given_i32(0);
            let want = |i: usize| match i {
                0..16 => x[i] + x[i ^ 8],
                // Lane 31 has nobody below it and gets its own value.
                31 => 0,
                _ => x[i] - x[i + 1],
            };
            assert_eq!(run.i32(1), (0..32).map(want).collect::<Vec<_>>());
        }),
        row(at("full_mask_after_return"), (1, 32), [I(32, 1000), Zeros(32), Int(22)], |run| {
            let x = run.given_i32(0);
            let odd = x[..22].iter().filter(|x| *x & 1 != 0).count() as i32;
            let want = |i: usize| if i < 22 { x[i ^ 1] + odd } else { 0 };
            assert_eq!(run.i32(1), (0..32).map(want).collect::<Vec<_>>());
        }),
        row(at("shuffle_among_voters"), (1, 32), [I(32, 1000), Zeros(32)], |run| {
            let x = run.given_i32(0);
            let want = |i: usize| if i.is_multiple_of(3) { x[i] + x[30] } else { x[i] };
            assert_eq!(run.i32(1), (0..32).map(want).collect::<Vec<_>>());
        }),
        row(at("aggregated_atomics"), (3, 96), [I(288, 3), Zeros(1), Unwritten(1152)], |run| {
            let x = run.given_i32(0);
            let chosen = x.iter().filter(|v| **v > 0).count();
            assert_eq!(run.i32(1), [chosen as i32]);
            // Every place is given once.
            let mut places: Vec<i32> = run.i32(2).into_iter().filter(|place| *place >= 0).collect();
            places.sort_unstable();
            assert_eq!(places, (0..chosen as i32).collect::<Vec<_>>());
        }),
        row(at("warps_leave"), (1, 128), [I(64, 99), Zeros(64), Int(64)], |run| {
            let x = run.given_i32(0);
            assert_eq!(run.i32(1), (0..64).map(|i| x[i ^ 3]).collect::<Vec<_>>());
        }),
        row(at("short_warp"), (1, 48), [I(48, 99), Zeros(48)], |run| {
            let x = run.given_i32(0);
            let want = |i: usize| x[i / 16 * 16..][..16].iter().sum::<i32>();
            assert_eq!(run.i32(1), (0..48).map(want).collect::<Vec<_>>());
        }),
        row(at("uneven_loop_then_barrier"), (1, 64), [I(64, 10), Zeros(64)], |run| {
            let product = |n: &i32| (0..*n).fold(1i32, |p, i| p * 3 + i);
            let found: Vec<i32> = run.given_i32(0).iter().map(product).collect();
            assert_eq!(run.i32(1), reversed(&found, 64));
        }),
        row(at("until_all_agree"), (1, 128), [I(128, 5000), Zeros(1), Zeros(128)], |run| {
            let most = run.given_i32(0).iter().map(|v| v & 1023).max().unwrap();
            assert_eq!(run.i32(1), [32 - most.leading_zeros() as i32]);
            assert_eq!(run.i32(2), [128; 128]);
        }),
        row(at("barrier_in_uniform_branch"), (4, 64), [F(256), Zeros(256)], |run| {
            let x = run.given_f32(0);
            let turned = reversed(&x, 64);
            let want = |i: usize| if i / 64 % 2 == 1 { turned[i] } else { x[i] };
            assert_eq!(run.f32(1), (0..256).map(want).collect::<Vec<_>>());
        }),
    ]);
}

#[test]
fn addresses_inside_and_values_written_are_silent() {
    let at = |kernel| ("clean/memory", kernel);
    check(&[
        row(at("sort_in_local"), (1, 64), [I(512, 1000), Zeros(512)], |run| {
            let mut want = run.given_i32(0);
            want.chunks_mut(8).for_each(<[i32]>::sort_unstable);
            assert_eq!(run.i32(1), want);
        }),
        row(at("pointer_past_end"), (1, 64), [F(203), Zeros(203), Int(203)], |run| {
            assert_eq!(run.f32(1), run.given_f32(0));
        }),
        row(at("bytes_of_own_float"), (1, 64), [Unwritten(256), Zeros(64)], |run| {
            // The upper half is taken twice and cancels; the lower half of i + 0.5 is left.
            let want = |i: u32| ((i as f32 + 0.5).to_bits() & 0xFFFF) as i32;
            assert_eq!(run.i32(1), (0..64).map(want).collect::<Vec<_>>());
        }),
        row(at("guarded_neighbours"), (1, 64), [F(64), Zeros(64)], |run| {
            let x = run.given_f32(0);
            let at = |i: i32| x.get(i as usize).copied().unwrap_or(0.0);
            assert_eq!(run.f32(1), (0..64).map(|i| at(i - 1) + at(i + 1)).collect::<Vec<_>>());
        }),
        row(
            at("parameters_and_constants"),
            (1, 64),
            // scale 3, shifts -1, 2, 5, offset -7 000 000 000 (after one byte of padding)
            [
                I(64, 50),
                Zeros(128),
                Struct(&[3, 0, 0, 0, 255, 2, 5, 0, 0, 0x4a, 0xc4, 0x5e, 0xfe, 255, 255, 255]),
            ],
            |run| {
                const TABLE: [i64; 16] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];
                let offset = i64::from_le_bytes([0, 0x4a, 0xc4, 0x5e, 0xfe, 255, 255, 255]);
                let x = run.given_i32(0);
                let want = |i: usize| TABLE[x[i] as usize & 15] * 3 + [-1, 2, 5][i % 3] + offset;
                let bytes: Vec<u8> = (0..64).flat_map(|i| want(i).to_le_bytes()).collect();
                assert_eq!(run.bytes(1), bytes);
            },
        ),
        row(at("generic_pointers"), (1, 32), [I(32, 100), Zeros(32)], |run| {
            let x = run.given_i32(0);
            let local = |i: usize| x[(i as i32 - x[0]).rem_euclid(4) as usize] + i as i32;
            let want = |i: usize| {
                let own = x[(i as i32 % 4 - x[0]).rem_euclid(4) as usize] + i as i32;
                debug_assert_eq!(own, local(i % 4) - (i as i32 % 4) + i as i32);
                x[i] + 10 * x[31 - i] + own
            };
            assert_eq!(run.i32(1), (0..32).map(want).collect::<Vec<_>>());
        }),
    ]);
}

#[test]
fn sharing_in_order_is_silent() {
    let at = |kernel| ("clean/races", kernel);
    check(&[
        row(at("last_block"), (13, 64), [I(832, 100), Zeros(13), Zeros(1)], |run| {
            assert_eq!(run.i32(2), [run.given_i32(0).iter().sum::<i32>()]);
        }),
        row(at("spin_lock"), (6, 96), [Zeros(1), Zeros(1)], |run| {
            assert_eq!((run.i32(0), run.i32(1)), (vec![0], vec![18]));
        }),
        row(at("double_buffer"), (1, 256), [F(256 * 5), Zeros(256), Int(5)], |run| {
            let mut want = vec![0f32; 256];
            for tile in reversed(&run.given_f32(0), 256).chunks(256) {
                want.iter_mut().zip(tile).for_each(|(sum, v)| *sum += v);
            }
            assert_eq!(run.f32(1), want);
        }),
        row(at("reduction_with_syncwarp"), (1, 32), [I(32, 100), Zeros(32)], |run| {
            // Small numbers read as floats are denormal: their sums are exact.
            let sum: i32 = run.given_i32(0).iter().sum();
            assert_eq!(run.i32(1), [sum; 32]);
        }),
        row(at("halves_of_a_warp"), (1, 32), [F(32), Zeros(32)], |run| {
            assert_eq!(run.f32(1), reversed(&run.given_f32(0), 16));
        }),
        row(at("own_slot_only"), (1, 64), [I(64, 99), Zeros(64)], |run| {
            let x = run.given_i32(0);
            assert_eq!(run.i32(1), (0..64).map(|i| x[i ^ 1]).collect::<Vec<_>>());
        }),
        row(at("bytes_of_a_word"), (5, 64), [Unwritten(320), Unwritten(320)], |run| {
            let want = |i: usize| (i / 64 + i % 64) as u8;
            assert_eq!(run.bytes(0), (0..320).map(want).collect::<Vec<_>>());
            assert_eq!(run.bytes(1), (0..320).map(|i| (i % 64) as u8).collect::<Vec<_>>());
        }),
        row(at("blocks_share_a_sector"), (7, 33), [Unwritten(231)], |run| {
            assert_eq!(run.bytes(0), (0..231).map(|i| (i % 33) as u8).collect::<Vec<_>>());
        }),
        row(at("block_through_global"), (3, 256), [F(768), Unwritten(3072), Zeros(768)], |run| {
            let doubled: Vec<f32> = run.given_f32(0).iter().map(|v| 2.0 * v).collect();
            assert_eq!(run.f32(2), reversed(&doubled, 256));
        }),
        row(at("atomics_only"), (4, 64), [I(256, 1000), Ints(&[0, i32::MIN, 0])], |run| {
            let x = run.given_i32(0);
            let count = 256f32.to_bits() as i32;
            assert_eq!(run.i32(1), [x.iter().sum(), *x.iter().max().unwrap(), count]);
        }),
        row(at("shared_table"), (6, 64), [F(64), Zeros(384)], |run| {
            let table = run.given_f32(0);
            let want = |i: usize| table[63 - i % 64] + table[0];
            assert_eq!(run.f32(1), (0..384).map(want).collect::<Vec<_>>());
        }),
        row(
            at("last_block_of_plain_stores"),
            (13, 32),
            [I(416, 100), Unwritten(52), Zeros(1), Unwritten(4)],
            |run| assert_eq!(run.i32(3), [run.given_i32(0).iter().sum::<i32>()]),
        ),
        row(
            at("chained_sums"),
            (9, 32),
            [I(288, 100), Zeros(1), Unwritten(36), Zeros(9), Unwritten(36)],
            |run| {
                let x = run.given_i32(0);
                let want: Vec<i32> = (1..=9).map(|n| x[..32 * n].iter().sum()).collect();
                assert_eq!(run.i32(4), want);
            },
        ),
        row(
            at("chained_by_release"),
            (9, 32),
            [I(288, 100), Zeros(1), Unwritten(36), Zeros(9), Unwritten(36)],
            |run| assert_eq!(run.i32(4), sums_of_firsts(&run.given_i32(0))),
        ),
        row(
            at("chained_by_atomics"),
            (9, 32),
            [I(288, 100), Zeros(1), Unwritten(36), Zeros(9), Unwritten(36)],
            |run| assert_eq!(run.i32(4), sums_of_firsts(&run.given_i32(0))),
        ),
        row(at("drawn_work"), (4, 32), [F(352), Unwritten(1408), Zeros(1), Int(11)], |run| {
            let doubled: Vec<f32> = run.given_f32(0).iter().map(|v| 2.0 * v).collect();
            assert_eq!((run.f32(1), run.i32(2)), (doubled, vec![11 + 4]));
        }),
        row(at("places_drawn_in_shared"), (1, 128), [I(128, 999), Zeros(128), Zeros(1)], |run| {
            let mut want = run.given_i32(0);
            want.retain(|v| v % 3 == 0);
            assert_eq!(run.i32(2), [want.len() as i32]);
            let mut found = run.i32(1)[..want.len()].to_vec();
            want.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, want);
        }),
        row(at("largest_and_where"), (5, 96), [I(480, 999), Zeros(2)], |run| {
            let x = run.given_i32(0);
            let at = (0..480).max_by_key(|&i| (x[i], i)).unwrap();
            assert_eq!(run.i32(1), [at as i32, x[at]]);
        }),
        Row {
            shared: 64 * 5,
            ..row(at("dynamic_in_parts"), (1, 64), [F(64), Zeros(64)], |run| {
                let x = run.given_f32(0);
                let ints: Vec<i32> = (0..64).map(|i| (x[63 - i] * 100.0) as i32).collect();
                let want = |i: usize| ints[(i + 1) % 64] + (63 - i) as i32;
                assert_eq!(run.i32(1), (0..64).map(want).collect::<Vec<_>>());
            })
        },
    ]);
}
