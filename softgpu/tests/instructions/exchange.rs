//! shfl, vote, match, redux, activemask, elect.

use softgpu::exec::inst::Class;
use softgpu::{Dim3, FindingKind};

use super::machine::{Random, Run, bytes, element, kernel};

/// PTX ISA, "shfl.sync", its pseudo-code: the lane read, and the predicate.
fn shuffled(mode: &str, lane: i32, b: u32, c: u32) -> (usize, bool) {
    let (bval, cval, segmask) = ((b & 31) as i32, (c & 31) as i32, (c >> 8 & 31) as i32);
    let max_lane = (lane & segmask) | (cval & !segmask & 31);
    let min_lane = lane & segmask;
    let (j, valid) = match mode {
        "up" => (lane - bval, lane - bval >= max_lane),
        "down" => (lane + bval, lane + bval <= max_lane),
        "bfly" => (lane ^ bval, (lane ^ bval) <= max_lane),
        _ => {
            let j = min_lane | (bval & !segmask & 31);
            (j, j <= max_lane)
        }
    };
    (if valid { j } else { lane } as usize, valid)
}

#[test]
fn shuffles_read_the_lane_that_the_manual_computes() {
    let segments = [0u32, 16, 24, 28, 30, 31, 1, 10];
    let offsets: Vec<u32> = (0..32).chain([32, 33, 63, u32::MAX]).collect();
    for mode in ["up", "down", "bfly", "idx"] {
        // Block (x, y): clamp x, segment y; the offsets one after the other.
        let mut body = "mov.u32 %r1, %ctaid.x;\nmov.u32 %r2, %ctaid.y;\nmad.wide.u32 %rd3, %r2, 4, %rd2;\n\
            ld.global.u32 %r3, [%rd3];\nshl.b32 %r3, %r3, 8;\nor.b32 %r3, %r3, %r1;\nmad.lo.u32 %r4, %r2, 32, %r1;\n\
            mad.lo.u32 %r4, %r4, 32, %r0;\nmul.wide.u32 %rd4, %r4, 144;\nadd.s64 %rd4, %rd1, %rd4;\n\
            add.u32 %r5, %r0, 100;\n".to_owned();
        for (at, offset) in offsets.iter().enumerate() {
            body += &format!(
                "shfl.sync.{mode}.b32 %r6|%p1, %r5, {}, %r3, -1;\nselp.u32 %r7, 0x10000, 0, %p1;\n\
                 or.b32 %r6, %r6, %r7;\nst.global.u32 [%rd4+{}], %r6;\n",
                *offset as i32,
                4 * at
            );
        }
        let run = Run { grid: Dim3::new(32, 8, 1), ..Run::default() };
        let out = run.words(&kernel("", &body), &bytes(&segments), 8 * 32 * 32 * 36);
        for (at, &got) in out.iter().enumerate() {
            let (offset, lane) = (offsets[at % 36], at / 36 % 32);
            let c = (at / 36 / 32 % 32) as u32 | segments[at / 36 / 1024] << 8;
            let (from, valid) = shuffled(mode, lane as i32, offset, c);
            let want = (from as u32 + 100) | u32::from(valid) << 16;
            assert_eq!(got, want, "{mode}, lane {lane}, b {offset}, c {c:#x}");
        }
    }
}

/// Every lane gives the mask of its part of the warp; `%r2` is it, `%r3` a word, `%p1` a bit of it.
fn parted(random: &mut Random, what: &str, few: bool) -> (String, Vec<u8>, [u32; 32], [u32; 32]) {
    let first = random.u32() | 1;
    let masks = std::array::from_fn(|lane| if first >> lane & 1 != 0 { first } else { !first });
    let word = |random: &mut Random| if few { random.below(3) } else { random.u32() };
    let values: [u32; 32] = std::array::from_fn(|_| word(random));
    let input: Vec<u32> = masks.into_iter().zip(values).flat_map(|(m, v)| [m, v]).collect();
    let body = format!(
        "{}ld.global.v2.u32 {{%r2, %r3}}, [%rd3];\nand.b32 %r4, %r3, 1;\nsetp.ne.u32 %p1, %r4, 0;\n{}{what}",
        element(3, 2, 8),
        element(4, 1, 8)
    );
    (kernel("", &body), bytes(&input), masks, values)
}

#[test]
fn votes_count_the_lanes_of_the_mask_only() {
    let mut random = Random::new(5);
    for round in 0..30 {
        for (how, negated) in ["all", "any", "uni"].iter().flat_map(|h| [(h, false), (h, true)]) {
            let not = if negated { "!" } else { "" };
            let what = format!(
                "vote.sync.{how}.pred %p2, {not}%p1, %r2;\nselp.u32 %r5, 1, 0, %p2;\n\
                 vote.sync.ballot.b32 %r6, {not}%p1, %r2;\nst.global.v2.u32 [%rd4], {{%r5, %r6}};\n"
            );
            let (text, mut input, masks, mut values) = parted(&mut random, &what, false);
            if round % 3 != 0 {
                // Unanimous parts.
                for lane in 0..32 {
                    values[lane] = u32::from(round % 3 == 1);
                    input[8 * lane + 4..8 * lane + 8].copy_from_slice(&values[lane].to_le_bytes());
                }
            }
            let out = Run::default().words(&text, &input, 64);
            for lane in 0..32 {
                let mine = |l: &usize| masks[lane] >> l & 1 != 0;
                let vote = |l: usize| (values[l] & 1 != 0) != negated;
                let (mut ayes, mut noes) = (0u32, 0u32);
                (0..32).filter(mine).for_each(|l| {
                    *(if vote(l) { &mut ayes } else { &mut noes }) |= 1 << l;
                });
                let want = match *how {
                    "all" => noes == 0,
                    "any" => ayes != 0,
                    _ => noes == 0 || ayes == 0,
                };
                let got = [out[2 * lane], out[2 * lane + 1]];
                assert_eq!(got, [u32::from(want), ayes], "{how} {not}, lane {lane}, {masks:x?}");
            }
        }
    }
}

#[test]
fn match_names_the_lanes_with_the_same_value() {
    let mut random = Random::new(6);
    for round in 0..40 {
        // A 64-bit value that differs in its upper half alone must not match.
        let wide = round % 2 == 1;
        let (ty, value) = if wide { ("b64", "%rd5") } else { ("b32", "%r3") };
        let what = format!(
            "mov.u32 %r9, 7;\nmov.b64 %rd5, {{%r9, %r3}};\nmatch.any.sync.{ty} %r5, {value}, %r2;\n\
             match.all.sync.{ty} %r6|%p2, {value}, %r2;\n@%p2 or.b32 %r6, %r6, 0;\n\
             selp.u32 %r7, 1, 0, %p2;\nxor.b32 %r6, %r6, %r7;\nst.global.v2.u32 [%rd4], {{%r5, %r6}};\n"
        );
        let (text, mut input, masks, mut values) = parted(&mut random, &what, true);
        if round % 4 >= 2 {
            for lane in 0..32 {
                values[lane] = masks[lane] & 1;
                input[8 * lane + 4..8 * lane + 8].copy_from_slice(&values[lane].to_le_bytes());
            }
        }
        let out = Run::default().words(&text, &input, 64);
        for lane in 0..32 {
            let same = (0..32)
                .filter(|&l| masks[lane] >> l & 1 != 0 && values[l] == values[lane])
                .fold(0, |set, l| set | 1u32 << l);
            let all = if same == masks[lane] { same ^ 1 } else { 0 };
            assert_eq!([out[2 * lane], out[2 * lane + 1]], [same, all], "{ty}, lane {lane}");
        }
    }
}

#[test]
fn redux_reduces_over_the_mask() {
    let signed = |f: fn(i32, i32) -> i32| move |a: u32, b: u32| f(a as i32, b as i32) as u32;
    type Fold = Box<dyn Fn(u32, u32) -> u32>;
    let forms: [(&str, Fold); 9] = [
        ("add.u32", Box::new(u32::wrapping_add)),
        ("add.s32", Box::new(u32::wrapping_add)),
        ("min.u32", Box::new(u32::min)),
        ("max.u32", Box::new(u32::max)),
        ("min.s32", Box::new(signed(i32::min))),
        ("max.s32", Box::new(signed(i32::max))),
        ("and.b32", Box::new(|a, b| a & b)),
        ("or.b32", Box::new(|a, b| a | b)),
        ("xor.b32", Box::new(|a, b| a ^ b)),
    ];
    let mut random = Random::new(7);
    for (form, fold) in forms {
        for _ in 0..10 {
            let what = format!("redux.sync.{form} %r5, %r3, %r2;\nst.global.u32 [%rd4], %r5;\n");
            let (text, input, masks, values) = parted(&mut random, &what, false);
            let out = Run::default().words(&text, &input, 64);
            for lane in 0..32 {
                let mine = (0..32).filter(|l| masks[lane] >> l & 1 != 0).map(|l| values[l]);
                assert_eq!(out[2 * lane], mine.reduce(&fold).unwrap(), "{form}, lane {lane}");
            }
        }
    }
}

#[test]
fn one_lane_of_each_mask_is_elected_and_all_agree_which() {
    let what = "elect.sync %r5|%p2, %r2;\nselp.u32 %r6, 1, 0, %p2;\nst.global.v2.u32 [%rd4], {%r5, %r6};\n";
    let mut random = Random::new(8);
    for _ in 0..20 {
        let (text, input, masks, _) = parted(&mut random, what, false);
        let out = Run::default().words(&text, &input, 64);
        for mask in [masks[0], !masks[0]].into_iter().filter(|mask| *mask != 0) {
            let mine: Vec<usize> = (0..32).filter(|l| mask >> l & 1 != 0).collect();
            let leader = out[2 * mine[0]];
            assert!(mask >> leader & 1 != 0, "lane {leader} is not in {mask:#x}");
            for lane in mine {
                let want = [leader, u32::from(lane as u32 == leader)];
                assert_eq!([out[2 * lane], out[2 * lane + 1]], want, "lane {lane}");
            }
        }
    }
}

#[test]
fn activemask_names_the_lanes_of_the_branch() {
    let body = format!(
        "{}setp.lt.u32 %p1, %r0, 11;\nmov.u32 %r5, 0;\n@%p1 bra SMALL;\nactivemask.b32 %r5;\nbra.uni END;\n\
         SMALL:\nactivemask.b32 %r5;\nEND:\nst.global.u32 [%rd4], %r5;\n",
        element(4, 1, 4)
    );
    let out = Run::default().words(&kernel("", &body), &[], 32);
    for (lane, &got) in out.iter().enumerate() {
        assert_eq!(got, if lane < 11 { 0x7FF } else { !0x7FF }, "lane {lane}");
    }
}

/// A guard takes lanes out of the meeting; the others go on with what they had.
#[test]
fn a_guarded_shuffle_leaves_the_other_lanes_alone() {
    let body = format!(
        "{}setp.lt.u32 %p1, %r0, 8;\nadd.u32 %r5, %r0, 50;\n@%p1 shfl.sync.idx.b32 %r5, %r0, 3, 31, 0xff;\n\
         @!%p1 shfl.sync.idx.b32 %r5, %r0, 20, 31, 0xffffff00;\nst.global.u32 [%rd4], %r5;\n",
        element(4, 1, 4)
    );
    let out = Run::default().words(&kernel("", &body), &[], 32);
    for (lane, &got) in out.iter().enumerate() {
        assert_eq!(got, if lane < 8 { 3 } else { 20 }, "lane {lane}");
    }
}

/// A kernel in which the lanes of the input word exit, and the others name the whole warp in `what`.
fn with_exits(what: &str, waiters_first: bool) -> String {
    let body = format!(
        "ld.global.u32 %r1, [%rd2];\nshr.u32 %r1, %r1, %r0;\nand.b32 %r1, %r1, 1;\n\
         setp.ne.u32 %p2, %r1, 0;\nand.b32 %r2, %r0, 3;\nsetp.lt.u32 %p1, %r2, 2;\n{}{}\nMAIN:\n{what}{}",
        element(4, 1, 16),
        if waiters_first { "@%p2 bra GONE;" } else { "@!%p2 bra MAIN;\nexit;" },
        if waiters_first { "bra END;\nGONE:\nexit;\nEND:\n" } else { "" },
    );
    kernel("", &body)
}

/// PTX ISA, shfl, vote, match and redux: "wait until all non-exited threads corresponding to membermask".
#[test]
fn lanes_that_have_exited_are_neither_waited_for_nor_counted() {
    let what = "vote.sync.ballot.b32 %r3, %p1, -1;\nvote.sync.all.pred %p3, %p1, -1;\n\
        selp.u32 %r4, 1, 0, %p3;\nmatch.any.sync.b32 %r5, %r2, -1;\nredux.sync.add.u32 %r6, %r0, -1;\n\
        bar.warp.sync -1;\nshfl.sync.idx.b32 %r7, %r6, %r0, 31, -1;\n\
        st.global.v4.u32 [%rd4], {%r3, %r4, %r5, %r7};\n";
    let mut random = Random::new(9);
    for round in 0..40u64 {
        let gone = match round {
            0..10 => random.u32(),
            10..20 => random.u32() | random.u32(),
            // Only lanes whose vote is no: then all that are left agree.
            20..30 => 0xCCCC_CCCC,
            _ => !(1 << random.below(32)),
        };
        let mut run = Run::default();
        run.options.seed = round;
        let (out, report) = run.go(&with_exits(what, round % 2 == 0), &bytes(&[gone]), 512);
        let live: Vec<u32> = (0..32).filter(|lane| gone >> lane & 1 == 0).collect();
        let set = |f: &dyn Fn(u32) -> bool| live.iter().filter(|l| f(**l)).map(|l| 1 << l).sum();
        for lane in 0..32 {
            let got = super::machine::words(&out[16 * lane as usize..][..16]);
            let ballot: u32 = set(&|l| l % 4 < 2);
            let want = [
                ballot,
                u32::from(ballot == !gone),
                set(&|l| l % 4 == lane % 4),
                live.iter().sum(),
            ];
            let want = if gone >> lane & 1 == 0 { want } else { [0xA5A5_A5A5; 4] };
            assert_eq!(got, want, "lane {lane}, {gone:#010x} gone, round {round}");
        }
        let lanes = report.counters.lane_instructions[&Class::WarpExchange];
        assert_eq!(lanes, 5 * live.len() as u64, "counted once, {gone:#010x} gone, round {round}");
    }
}

#[test]
fn a_shuffle_from_a_lane_that_has_exited_is_found() {
    let what = "xor.b32 %r3, %r0, 1;\nshfl.sync.idx.b32 %r7, %r0, %r3, 31, -1;\n\
                st.global.u32 [%rd4], %r7;\n";
    for first in [false, true] {
        let whole_pairs = Run::default().go(&with_exits(what, first), &bytes(&[0x00C0_000C]), 512);
        assert_eq!(whole_pairs.0[16 * 5..][..4], [4, 0, 0, 0]);
        let error = Run::default().try_go(&with_exits(what, first), &bytes(&[0x80]), 512);
        let report = error.unwrap_err();
        let finding = &report.report().unwrap().findings[0];
        assert_eq!(finding.kind, FindingKind::ShuffleSource);
        assert!(finding.message.contains("lane 6 reads lane 7, which has exited"), "{finding:?}");
    }
}
