//! Counters of kernels small enough to count by hand.

use softgpu::exec::inst::Class;

use super::machine::{Run, bytes, kernel};

#[test]
fn instructions_branches_and_barriers_are_counted_as_executed() {
    // 40 threads: a whole warp and one of 8 lanes.
    let body = "setp.lt.u32 %p1, %r0, 8;\n@%p1 bra SMALL;\nadd.u32 %r1, %r0, 1;\nadd.u32 %r1, %r1, 1;\nSMALL:\n\
        bar.sync 0;\n@%p1 mul.lo.u32 %r2, %r0, %r0;\n@!%p1 bra END;\nxor.b32 %r2, %r2, 1;\nEND:";
    let (_, report) = Run::threads(40).go(&kernel("", body), &[], 4);
    let counters = report.counters;
    // Warp 0 branches both times; warp 1 has only lanes from 32 on, none of them small.
    assert_eq!(counters.divergent_branches, 2);
    assert_eq!(counters.barriers, 2);
    assert_eq!((counters.blocks, counters.warps), (1, 2));
    // setp, two adds, mul, xor. The second warp comes to all but the xor.
    assert_eq!(counters.warp_instructions[&Class::Integer], 5 + 4);
    let lanes = 40 + 2 * 32 + 8 + 8;
    assert_eq!(counters.lane_instructions[&Class::Integer], lanes);
    // bra, bra, ret.
    assert_eq!(counters.lane_instructions[&Class::Control], 8 + 32 + 40);
}

#[test]
fn sectors_follow_the_stride_and_the_lanes_that_take_part() {
    for (stride, guard, bytes_each, sectors) in [
        (4u32, 32u32, 4u32, 4u64),
        (8, 32, 4, 8),
        (32, 32, 4, 32),
        (64, 32, 4, 32),
        (0, 32, 4, 1),
        (4, 9, 4, 2),
        (8, 32, 8, 8),
        (16, 32, 16, 16),
        (16, 5, 16, 3),
        (1, 32, 1, 1),
        (2, 17, 2, 2),
        (36, 32, 4, 32),
    ] {
        let (ty, to) = match bytes_each {
            1 => ("u8", "%r1"),
            2 => ("u16", "%r1"),
            4 => ("u32", "%r1"),
            8 => ("u64", "%rd5"),
            _ => ("v4.u32", "{%r1, %r2, %r3, %r4}"),
        };
        let body = format!(
            "mad.wide.u32 %rd3, %r0, {stride}, %rd2;\nsetp.lt.u32 %p1, %r0, {guard};\n@%p1 ld.global.{ty} {to}, [%rd3];"
        );
        let (_, report) = Run::default().go(&kernel("", &body), &[3; 4096], 4);
        let loads = report.counters.global_loads;
        let want = (1, u64::from(guard * bytes_each), sectors);
        assert_eq!((loads.requests, loads.bytes, loads.sectors), want, "stride {stride}, {ty}");
    }
}

#[test]
fn wavefronts_of_wide_shared_accesses_are_those_of_their_parts() {
    for (stride, guard, bytes_each, wavefronts, conflicts) in [
        (4u32, 32u32, 4u32, 1u64, 0u64),
        (8, 32, 4, 2, 1),
        (128, 16, 4, 16, 15),
        (8, 32, 8, 2, 0),
        (16, 32, 8, 4, 2),
        (8, 16, 8, 1, 0),
        (16, 32, 16, 4, 0),
        (32, 32, 16, 8, 4),
        (16, 8, 16, 1, 0),
        (0, 32, 16, 4, 0),
    ] {
        let to = match bytes_each {
            4 => "u32 %r1",
            8 => "u64 %rd5",
            _ => "v4.u32 {%r1, %r2, %r3, %r4}",
        };
        let body = format!(
            ".shared .align 16 .b8 area[4608];\nmov.u32 %r9, area;\nmov.u32 %r8, 0;\nmad.lo.u32 %r6, %r0, 4, %r9;\n\
             FILL:\nst.shared.u32 [%r6], 1;\nadd.u32 %r6, %r6, 128;\nadd.u32 %r8, %r8, 1;\nsetp.lt.u32 %p2, %r8, 36;\n\
             @%p2 bra FILL;\nbar.sync 0;\nmad.lo.u32 %r7, %r0, {stride}, %r9;\nsetp.lt.u32 %p1, %r0, {guard};\n\
             @%p1 ld.shared.{to}, [%r7];"
        );
        let (_, report) = Run::default().go(&kernel("", &body), &[], 4);
        let loads = report.counters.shared_loads;
        let got = (loads.requests, loads.bytes, loads.wavefronts, loads.conflicts);
        let want = (1, u64::from(guard * bytes_each), wavefronts, conflicts);
        assert_eq!(got, want, "stride {stride}, {guard} lanes of {bytes_each} bytes");
        assert_eq!(report.counters.shared_stores.wavefronts, 36);
    }
}

#[test]
fn a_race_free_kernel_gives_the_same_bits_and_counts_in_every_order() {
    // Blocks of a tree sum with a shuffle at its end.
    let body = ".shared .align 4 .f32 sums[8];\nmov.u32 %r1, %ctaid.x;\nmad.lo.u32 %r2, %r1, 256, %r0;\n\
        mad.wide.u32 %rd3, %r2, 4, %rd2;\nld.global.f32 %f1, [%rd3];\nshfl.sync.bfly.b32 %r3, %r2, 16, 31, -1;\n\
        mov.b32 %r4, %f1;\nshfl.sync.bfly.b32 %r5, %r4, 16, 31, -1;\nmov.b32 %f2, %r5;\nadd.f32 %f1, %f1, %f2;\n\
        mov.b32 %r4, %f1;\nshfl.sync.bfly.b32 %r5, %r4, 8, 31, -1;\nmov.b32 %f2, %r5;\nadd.f32 %f1, %f1, %f2;\n\
        shr.u32 %r6, %r0, 5;\nmov.u32 %r7, sums;\nmad.lo.u32 %r7, %r6, 4, %r7;\nand.b32 %r8, %r0, 31;\n\
        setp.eq.u32 %p1, %r8, 3;\n@%p1 st.shared.f32 [%r7], %f1;\nbar.sync 0;\nsetp.lt.u32 %p2, %r0, 8;\n\
        @!%p2 ret;\nmov.u32 %r7, sums;\nmad.lo.u32 %r7, %r0, 4, %r7;\nld.shared.f32 %f3, [%r7];\n\
        mad.lo.u32 %r9, %r1, 8, %r0;\nmad.wide.u32 %rd4, %r9, 4, %rd1;\nst.global.f32 [%rd4], %f3;";
    let mut random = super::machine::Random::new(51);
    let input: Vec<u32> = random.f32s(12 * 256).into_iter().map(f32::to_bits).collect();
    let mut first = None;
    for (seed, workers) in (0..10).flat_map(|seed| [(seed, 1), (seed, 2), (seed, 5)]) {
        let mut run = Run { grid: softgpu::Dim3::x(12), ..Run::threads(256) };
        run.options.seed = seed;
        run.options.workers = workers;
        let (out, report) = run.go(&kernel("", body), &bytes(&input), 4 * 96);
        let got = (out, report.counters);
        match &first {
            None => {
                for (warp, sum) in got.0.chunks(4).enumerate() {
                    let value = |lane: usize| f32::from_bits(input[32 * warp + lane]);
                    let want = (value(3) + value(19)) + (value(11) + value(27));
                    assert_eq!(f32::from_le_bytes(sum.try_into().unwrap()), want, "warp {warp}");
                }
                first = Some(got);
            }
            Some(first) => assert_eq!(&got, first, "seed {seed}, {workers} workers"),
        }
    }
}
