//! cp.async: zero fill, groups, waits.

use softgpu::FindingKind;

use super::machine::{Random, Run, element, kernel};

#[test]
fn the_rest_of_a_short_copy_is_zero() {
    let mut random = Random::new(31);
    for (cache, bytes) in [("ca", 4usize), ("ca", 8), ("ca", 16), ("cg", 16)] {
        // Thread t copies t % (bytes + 3) bytes, at most all; a predicate takes every fifth out.
        let body = format!(
            ".shared .align 16 .b8 area[512];\nmov.u32 %r1, area;\nmad.lo.u32 %r1, %r0, {bytes}, %r1;\n\
             {}rem.u32 %r2, %r0, {};\nmin.u32 %r2, %r2, {bytes};\n\
             cp.async.{cache}.shared.global [%r1], [%rd3], {bytes}, %r2;\ncp.async.wait_all;\n{}",
            element(3, 2, bytes as u32),
            bytes + 3,
            element(4, 1, bytes as u32)
        );
        let mut rest = String::new();
        for at in (0..bytes).step_by(4) {
            rest += &format!("ld.shared.u32 %r3, [%r1+{at}];\nst.global.u32 [%rd4+{at}], %r3;\n");
        }
        let input: Vec<u8> = (0..32 * bytes).map(|_| random.u32() as u8 | 1).collect();
        let (out, report) = Run::default().go(&kernel("", &(body + &rest)), &input, 32 * bytes);
        let mut asked = 0;
        for (at, &got) in out.iter().enumerate() {
            let (lane, byte) = (at / bytes, at % bytes);
            let size = (lane % (bytes + 3)).min(bytes);
            asked += usize::from(byte < size);
            assert_eq!(
                got,
                if byte < size { input[at] } else { 0 },
                "{bytes}: lane {lane} byte {byte}"
            );
        }
        let traffic = report.counters.async_copies;
        // Every sector of 32 bytes has a lane that reads from it.
        let sectors = bytes as u64;
        assert_eq!((traffic.requests, traffic.bytes, traffic.sectors), (1, asked as u64, sectors));
    }
}

#[test]
fn a_copy_whose_source_is_ignored_writes_zeros_and_reads_nothing() {
    let body = format!(
        ".shared .align 16 .b8 area[512];\nmov.u32 %r1, area;\nmad.lo.u32 %r1, %r0, 16, %r1;\n\
         st.shared.u32 [%r1], 7;\nsetp.gt.u32 %p1, %r0, 9;\nmov.u64 %rd5, 16;\n\
         selp.b64 %rd3, %rd5, %rd2, %p1;\n\
         cp.async.cg.shared.global [%r1], [%rd3], 16, %p1;\ncp.async.wait_all;\n\
         ld.shared.u32 %r3, [%r1+0];\n{}st.global.u32 [%rd4], %r3;\n",
        element(4, 1, 4)
    );
    let out = Run::default().words(&kernel("", &body), &[9; 16], 32);
    for (lane, got) in out.into_iter().enumerate() {
        assert_eq!(got, if lane > 9 { 0 } else { 0x0909_0909 }, "lane {lane}");
    }
}

/// PTX ISA, "cp.async.wait_group": at most N of the most recent groups are pending.
#[test]
fn a_wait_for_groups_leaves_exactly_the_youngest_under_way() {
    for groups in 1..5usize {
        for pending in 0..5usize {
            for read in 0..groups {
                let mut body = ".shared .align 16 .b8 area[64];\nmov.u32 %r1, area;\n".to_owned();
                for group in 0..groups {
                    body += &format!(
                        "cp.async.ca.shared.global [%r1+{0}], [%rd2+{0}], 4;\ncp.async.commit_group;\n",
                        4 * group
                    );
                }
                body += &format!(
                    "cp.async.wait_group {pending};\nld.shared.u32 %r2, [%r1+{}];\nst.global.u32 [%rd1], %r2;\n",
                    4 * read
                );
                let input: Vec<u8> = (0..16).collect();
                let landed = read < groups.saturating_sub(pending);
                match Run::threads(1).try_go(&kernel("", &body), &input, 4) {
                    Ok((out, _)) => {
                        assert!(landed, "{groups} groups, {pending} pending, {read} read");
                        assert_eq!(out, input[4 * read..4 * read + 4]);
                    }
                    Err(error) => {
                        assert!(!landed, "{groups} groups, {pending} pending, {read}: {error}");
                        let kind = error.report().unwrap().findings[0].kind;
                        assert_eq!(kind, FindingKind::AsyncCopyPending);
                    }
                }
            }
        }
    }
}

#[test]
fn a_source_that_is_not_aligned_to_the_copy_is_found_also_when_it_is_short() {
    for size in ["", ", 3"] {
        let body = format!(
            ".shared .align 16 .b8 area[64];\ncp.async.ca.shared.global [area], [%rd2+4], 8{size};\ncp.async.wait_all;"
        );
        let error = Run::threads(1).try_go(&kernel("", &body), &[1; 32], 4).unwrap_err();
        assert_eq!(error.report().unwrap().findings[0].kind, FindingKind::Misaligned);
    }
}
