//! bar.sync, bar.arrive, bar.red, bar.warp.sync: who waits for whom, and what the reductions say.

use softgpu::FindingKind;

use super::machine::{Random, Run, bytes, element, kernel};

#[test]
fn reductions_take_in_every_thread_of_the_barrier() {
    let mut random = Random::new(21);
    for round in 0..40 {
        let threads = [32, 64, 96, 128, 70][round % 5];
        let mut run = Run::threads(threads);
        run.options.seed = round as u64;
        let mut flags: Vec<u32> = (0..threads).map(|_| random.below(2)).collect();
        match round % 4 {
            0 => flags.fill(1),
            1 => flags.fill(0),
            2 => {
                flags.fill(1);
                flags[random.below(threads) as usize] = 0;
            }
            _ => {}
        }
        let body = format!(
            "{}ld.global.u32 %r1, [%rd3];\nsetp.ne.u32 %p1, %r1, 0;\nbar.red.popc.u32 %r2, 0, %p1;\n\
             bar.red.and.pred %p2, 1, %p1;\nbar.red.or.pred %p3, 2, %p1;\n\
             barrier.cta.red.popc.aligned.u32 %r3, 0, !%p1;\nbar.red.and.pred %p4, 0, !%p1;\n\
             selp.u32 %r4, 1, 0, %p2;\nselp.u32 %r5, 2, 0, %p3;\nselp.u32 %r6, 4, 0, %p4;\n\
             or.b32 %r4, %r4, %r5;\nor.b32 %r4, %r4, %r6;\n{}\
             st.global.u32 [%rd4], %r2;\nst.global.u32 [%rd4+4], %r3;\nst.global.u32 [%rd4+8], %r4;\n",
            element(3, 2, 4),
            element(4, 1, 12)
        );
        let out = run.words(&kernel("", &body), &bytes(&flags), 3 * threads as usize);
        let ones: u32 = flags.iter().sum();
        let bits =
            u32::from(ones == threads) | u32::from(ones > 0) << 1 | u32::from(ones == 0) << 2;
        for row in out.chunks(3) {
            assert_eq!(row, [ones, threads - ones, bits], "{threads} threads");
        }
    }
}

/// Warps 0 and 1 vote in barrier 3, warps 2 and 3 in barrier 5, of 64 threads each.
#[test]
fn named_barriers_with_a_count_keep_their_halves_apart() {
    for seed in 0..8 {
        let mut run = Run::threads(128);
        run.options.seed = seed;
        let body = format!(
            "shr.u32 %r1, %r0, 6;\nmad.lo.u32 %r2, %r1, 2, 3;\nrem.u32 %r3, %r0, 3;\nmul.lo.u32 %r4, %r1, 2;\n\
             setp.lt.u32 %p1, %r3, %r4;\nsetp.eq.u32 %p2, %r3, 0;\nselp.u32 %r5, 1, 0, %p2;\n\
             setp.eq.u32 %p3, %r1, 0;\n@%p3 bra FIRST;\nbar.red.popc.u32 %r6, %r2, 64, %p1;\nbra END;\n\
             FIRST:\nbar.red.popc.u32 %r6, 3, 64, %p2;\nEND:\nbar.sync 0, 128;\n{}st.global.u32 [%rd4], %r6;\n",
            element(4, 1, 4)
        );
        let out = run.words(&kernel("", &body), &[], 128);
        let first = (0..64).filter(|t| t % 3 == 0).count() as u32;
        let second = (64..128).filter(|t| t % 3 < 2).count() as u32;
        for (thread, &got) in out.iter().enumerate() {
            assert_eq!(got, if thread < 64 { first } else { second }, "thread {thread}");
        }
    }
}

/// Warp 0 makes, warp 1 uses; each arrives where the other waits, three times over (PTX ISA, the
/// producer and consumer example of bar).
#[test]
fn a_producer_that_arrives_lets_its_consumer_go() {
    for seed in 0..16 {
        let mut run = Run::threads(64);
        run.options.seed = seed;
        let body = format!(
            ".shared .align 4 .b32 box[32];\nand.b32 %r1, %r0, 31;\nmov.u32 %r2, box;\n\
             mad.lo.u32 %r2, %r1, 4, %r2;\nmov.u32 %r3, 0;\nmov.u32 %r6, 0;\nsetp.ge.u32 %p1, %r0, 32;\n\
             @%p1 bra CONSUME;\nMAKE:\nmad.lo.u32 %r4, %r3, 100, %r1;\nst.shared.u32 [%r2], %r4;\n\
             bar.arrive 1, 64;\nbar.sync 2, 64;\nadd.u32 %r3, %r3, 1;\nsetp.lt.u32 %p2, %r3, 3;\n\
             @%p2 bra MAKE;\nbra END;\nCONSUME:\nbar.sync 1, 64;\nxor.b32 %r5, %r2, 4;\n\
             ld.shared.u32 %r4, [%r5];\nadd.u32 %r6, %r6, %r4;\nbar.arrive 2, 64;\nadd.u32 %r3, %r3, 1;\n\
             setp.lt.u32 %p2, %r3, 3;\n@%p2 bra CONSUME;\nEND:\n{}st.global.u32 [%rd4], %r6;\n",
            element(4, 1, 4)
        );
        let out = run.words(&kernel("", &body), &[], 64);
        for lane in 0..32u32 {
            assert_eq!(out[lane as usize], 0);
            assert_eq!(out[32 + lane as usize], 300 + 3 * (lane ^ 1), "lane {lane}");
        }
    }
}

#[test]
fn a_warp_barrier_gathers_lanes_that_came_different_ways() {
    for seed in 0..6 {
        let mut run = Run::default();
        run.options.seed = seed;
        let body = format!(
            ".shared .align 4 .b32 box[32];\nmov.u32 %r2, box;\nmad.lo.u32 %r3, %r0, 4, %r2;\n\
             xor.b32 %r1, %r0, 31;\nmad.lo.u32 %r4, %r1, 4, %r2;\nsetp.lt.u32 %p1, %r0, 16;\n\
             add.u32 %r5, %r0, 7;\n@%p1 bra LOW;\nst.shared.u32 [%r3], %r5;\nbar.warp.sync -1;\n\
             ld.shared.u32 %r6, [%r4];\nbra END;\nLOW:\nst.shared.u32 [%r3], %r0;\nbar.warp.sync 0xffff;\n\
             xor.b32 %r7, %r3, 4;\nld.shared.u32 %r6, [%r7];\nEND:\n\
             vote.sync.any.pred %p2, %p1, -1;\n{}st.global.u32 [%rd4], %r6;\n",
            element(4, 1, 4)
        );
        // The upper half waits for both at its barrier, and the lower one, past its own, at the vote.
        let error = run.try_go(&kernel("", &body), &[], 128).unwrap_err();
        assert_eq!(error.report().unwrap().findings[0].kind, FindingKind::SyncMask);
        let fixed = body.replace("bar.warp.sync -1", "bar.warp.sync 0xffff0000").replace(
            "ld.shared.u32 %r6, [%r4];",
            "xor.b32 %r7, %r3, 8;\nld.shared.u32 %r6, [%r7];",
        );
        let out = run.words(&kernel("", &fixed), &[], 32);
        for lane in 0..32u32 {
            let want = if lane < 16 { lane ^ 1 } else { (lane ^ 2) + 7 };
            assert_eq!(out[lane as usize], want, "lane {lane}");
        }
    }
}

#[test]
fn a_barrier_number_or_count_that_is_none_is_found() {
    for body in ["bar.sync 16;", "bar.sync %r0;\nbar.sync 99;", "bar.sync 0, 33;", "bar.sync 0, 0;"]
    {
        let error = Run::default().try_go(&kernel("", body), &[], 4).unwrap_err();
        let kind = error.report().unwrap().findings[0].kind;
        assert_eq!(kind, FindingKind::DivergentBarrier, "{body}");
    }
}
