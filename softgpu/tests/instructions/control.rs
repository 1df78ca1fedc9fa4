//! Branches, calls, early exits, loops that do not end.

use softgpu::{Dim3, FindingKind, Gpu, Options};

use super::machine::{HEADER, Run, element, kernel, refused};

fn each_seed(threads: u32, text: &str, want: impl Fn(u32) -> u32) {
    for seed in 0..6 {
        let mut run = Run::threads(threads);
        run.options.seed = seed;
        let out = run.words(text, &[], threads as usize);
        for thread in 0..threads {
            assert_eq!(out[thread as usize], want(thread), "thread {thread}, seed {seed}\n{text}");
        }
    }
}

fn ending(body: &str) -> String {
    kernel("", &format!("{}{body}\nst.global.u32 [%rd4], %r10;", element(4, 1, 4)))
}

#[test]
fn an_indexed_branch_goes_where_its_table_says() {
    let body = "rem.u32 %r1, %r0, 5;\nTABLE: .branchtargets A, B, C, B, D;\nbrx.idx %r1, TABLE;\n\
        A:\nmov.u32 %r10, 10;\nbra END;\nB:\nmov.u32 %r10, 20;\nC:\nadd.u32 %r10, %r10, 7;\nbra END;\n\
        D:\nmov.u32 %r10, 40;\nEND:";
    let text = ending(&format!("mov.u32 %r10, 1;\n{body}"));
    each_seed(64, &text, |t| [10, 27, 8, 27, 40][t as usize % 5]);
    let (_, report) = Run::default().go(&text, &[], 128);
    assert_eq!(report.counters.divergent_branches, 1);
    let beyond = text.replace("rem.u32 %r1, %r0, 5", "add.u32 %r1, %r0, 5");
    let error = Run::default().try_go(&beyond, &[], 128).unwrap_err();
    assert_eq!(error.report().unwrap().findings[0].kind, FindingKind::Trap);
    // Lanes whose guard is false go on behind it.
    let guarded = text.replace("brx.idx", "setp.lt.u32 %p1, %r0, 9;\n@%p1 brx.idx");
    each_seed(64, &guarded, |t| if t < 9 { [10, 27, 8, 27, 40][t as usize % 5] } else { 10 });
}

#[test]
fn lanes_leave_a_loop_one_by_one_and_meet_behind_it() {
    // Inside a loop of t % 7 trips one of t % 3, with a break and a continue.
    let body = "mov.u32 %r10, 0;\nrem.u32 %r1, %r0, 7;\nOUTER:\nsetp.eq.u32 %p1, %r1, 0;\n@%p1 bra DONE;\n\
        sub.u32 %r1, %r1, 1;\nrem.u32 %r2, %r0, 3;\nINNER:\nsetp.eq.u32 %p2, %r2, 0;\n@%p2 bra OUTER;\n\
        sub.u32 %r2, %r2, 1;\nadd.u32 %r10, %r10, 1;\nsetp.eq.u32 %p3, %r10, 5;\n@%p3 bra DONE;\n\
        setp.eq.u32 %p4, %r10, 3;\n@%p4 bra OUTER;\nbra INNER;\nDONE:\nactivemask.b32 %r3;\n\
        setp.ne.u32 %p5, %r3, -1;\n@%p5 add.u32 %r10, %r10, 1000;";
    let alone = |t: u32| {
        let mut sum = 0;
        'outer: for _ in 0..t % 7 {
            for _ in 0..t % 3 {
                sum += 1;
                if sum == 5 {
                    break 'outer;
                }
                if sum == 3 {
                    continue 'outer;
                }
            }
        }
        sum
    };
    each_seed(64, &ending(body), alone);
}

#[test]
fn loops_with_two_entries_run() {
    // Odd threads enter in the middle.
    let body = "mov.u32 %r10, 0;\nmov.u32 %r1, %r0;\nand.b32 %r2, %r0, 1;\nsetp.ne.u32 %p1, %r2, 0;\n\
        @%p1 bra MIDDLE;\nTOP:\nadd.u32 %r10, %r10, 1;\nMIDDLE:\nadd.u32 %r10, %r10, 16;\n\
        setp.lt.u32 %p2, %r1, 4;\n@%p2 bra END;\nsub.u32 %r1, %r1, 4;\nand.b32 %r3, %r1, 8;\n\
        setp.ne.u32 %p3, %r3, 0;\n@%p3 bra MIDDLE;\nbra TOP;\nEND:";
    let alone = |t: u32| {
        let (mut sum, mut left, mut middle) = (0, t, t % 2 == 1);
        loop {
            sum += if middle { 16 } else { 17 };
            if left < 4 {
                return sum;
            }
            left -= 4;
            middle = left & 8 != 0;
        }
    };
    each_seed(96, &ending(body), alone);
}

#[test]
fn a_kernel_may_end_without_ret_wherever_its_last_block_is_laid() {
    let text = format!(
        "{HEADER}.visible .entry k(.param .u64 out, .param .u64 in)\n{{\n.reg .pred %p<4>;\n\
         .reg .b32 %r<12>;\n.reg .b64 %rd<6>;\nld.param.u64 %rd1, [out];\nmov.u32 %r0, %tid.x;\n{}\
         mov.u32 %r10, 0;\nbra CHECK;\nBODY:\nadd.u32 %r10, %r10, 3;\nCHECK:\nst.global.u32 [%rd4], %r10;\n\
         setp.lt.u32 %p1, %r10, %r0;\n@%p1 bra BODY;\nbra LAST;\nSKIPPED:\nst.global.u32 [%rd4], %rd1;\nLAST:\n}}\n",
        element(4, 1, 4)
    );
    let text = text.replace("st.global.u32 [%rd4], %rd1", "st.global.u32 [%rd4], 99");
    each_seed(32, &text, |t| t.div_ceil(3) * 3);
    let empty = format!("{HEADER}.visible .entry k(.param .u64 out, .param .u64 in)\n{{\n}}\n");
    let (out, _) = Run::default().go(&empty, &[], 4);
    assert_eq!(out, [0xA5; 4]);
}

#[test]
fn guards_hold_for_every_kind_of_instruction() {
    let body = ".shared .align 4 .b32 box[32];\nmov.u32 %r1, box;\nmad.lo.u32 %r1, %r0, 4, %r1;\n\
        and.b32 %r2, %r0, 1;\nsetp.ne.u32 %p1, %r2, 0;\nst.shared.u32 [%r1], 5;\n\
        @%p1 st.shared.u32 [%r1], 6;\nmov.u32 %r10, 1;\n@!%p1 ld.shared.u32 %r10, [%r1];\n\
        @%p1 atom.shared.add.u32 %r10, [%r1], 1;\n@%p1 mov.u32 %r10, %ntid.x;\n\
        setp.eq.u32 %p2, %r0, 3;\n@%p2 st.global.u32 [%rd4], 77;\n@%p2 ret;\n\
        setp.eq.u32 %p3, %r0, 4;\n@%p3 exit;";
    let want = |t: u32| match t {
        3 => 77,
        4 => 0xA5A5_A5A5,
        _ if t % 2 == 1 => 32,
        _ => 5,
    };
    each_seed(32, &ending(body), want);
}

const FUNCTIONS: &str = ".func (.param .b32 r, .param .b32 q) divide(.param .align 8 .b8 s[16])\n{\n\
    .reg .b32 %r<4>;\n.reg .b64 %rd<2>;\n.reg .pred %p<2>;\nld.param.u32 %r1, [s];\nld.param.u64 %rd1, [s+8];\n\
    cvt.u32.u64 %r2, %rd1;\nsetp.eq.u32 %p1, %r2, 0;\n@%p1 bra ZERO;\nrem.u32 %r3, %r1, %r2;\n\
    st.param.b32 [r], %r3;\ndiv.u32 %r3, %r1, %r2;\nst.param.b32 [q], %r3;\nret;\n\
    ZERO:\nst.param.b32 [r], 9;\nst.param.b32 [q], 8;\nret;\n}\n";

#[test]
fn functions_return_from_several_places_with_structs_and_two_results() {
    let call = "{\n.param .align 8 .b8 s0[16];\n.param .b32 r0;\n.param .b32 q0;\nst.param.b32 [s0], %r1;\n\
        cvt.u64.u32 %rd5, %r2;\nst.param.b64 [s0+8], %rd5;\ncall.uni (r0, q0), divide, (s0);\n\
        ld.param.b32 %r3, [r0];\nld.param.b32 %r4, [q0];\n}\nmad.lo.u32 %r10, %r4, 100, %r3;";
    // Twice, the second time in a loop of t % 3 trips.
    let body = format!(
        "add.u32 %r1, %r0, 40;\nrem.u32 %r2, %r0, 4;\n{call}\nrem.u32 %r9, %r0, 3;\nmov.u32 %r8, %r10;\n\
         AGAIN:\nsetp.eq.u32 %p4, %r9, 0;\n@%p4 bra OUT;\nsub.u32 %r9, %r9, 1;\nadd.u32 %r2, %r2, 1;\n{call}\n\
         add.u32 %r8, %r8, %r10;\nbra AGAIN;\nOUT:\nmov.u32 %r10, %r8;"
    );
    let text = ending(&body).replace(HEADER, &format!("{HEADER}{FUNCTIONS}"));
    let divide = |a: u32, b: u32| a.checked_div(b).map_or(809, |q| q * 100 + a % b);
    each_seed(64, &text, |t| (0..=t % 3).map(|more| divide(t + 40, t % 4 + more)).sum());
}

#[test]
fn what_calls_itself_is_refused_by_name() {
    let module = format!(
        "{HEADER}.func first();\n.func second()\n{{\ncall.uni first;\nret;\n}}\n.func first()\n{{\ncall.uni second;\nret;\n}}\n\
         .visible .entry k()\n{{\ncall.uni first;\nret;\n}}\n"
    );
    let error = refused(&module);
    assert!(error.contains("calls itself") && error.contains("first"), "{error}");
}

/// A lane that holds a lock runs on while the others of its warp spin, and other warps spin too.
#[test]
fn a_spin_lock_lets_its_holder_go_on() {
    let variables = ".global .align 4 .u32 lock;\n.global .align 4 .u32 count;\n";
    let body = "TRY:\natom.global.cas.b32 %r1, [lock], 0, 1;\nsetp.ne.u32 %p1, %r1, 0;\n@%p1 bra TRY;\n\
        ld.volatile.global.u32 %r2, [count];\nadd.u32 %r2, %r2, 1;\nst.volatile.global.u32 [count], %r2;\n\
        membar.gl;\natom.global.exch.b32 %r3, [lock], 0;\nbar.sync 0;\nld.volatile.global.u32 %r10, [count];";
    let text = ending(body).replace(HEADER, &format!("{HEADER}{variables}"));
    for seed in 0..2 {
        let mut run = Run::threads(64);
        run.options.seed = seed;
        assert_eq!(run.words(&text, &[], 64), [64; 64], "seed {seed}");
    }
}

#[test]
fn the_watchdog_ends_loops_with_and_without_barriers() {
    for body in [
        "LOOP:\nadd.u32 %r1, %r1, 1;\nbra LOOP;",
        "LOOP:\nbar.sync 0;\nbra LOOP;",
        "LOOP:\nbar.warp.sync -1;\nbra LOOP;",
        "LOOP:\nbar.arrive 1, 32;\nbra LOOP;",
        "setp.eq.u32 %p1, %r0, 0;\nLOOP:\n@%p1 bra LOOP;\nbar.sync 0;",
        "setp.eq.u32 %p1, %r0, 0;\nLOOP:\n@%p1 bra OTHER;\nbra LOOP;\nOTHER:\nbra LOOP;",
    ] {
        let mut run = Run::threads(64);
        run.options.watchdog = 50_000;
        let error = run.try_go(&kernel("", body), &[], 4).unwrap_err();
        assert_eq!(error.report().unwrap().findings[0].kind, FindingKind::Watchdog, "{body}");
    }
}

#[test]
fn traps_and_asserts_end_the_launch_and_say_where() {
    let error = Run::default().try_go(&kernel("", "trap;"), &[], 4).unwrap_err();
    assert_eq!(error.report().unwrap().findings[0].kind, FindingKind::Trap);
    let text = format!(
        "{HEADER}.extern .func __assertfail(.param .b64 m, .param .b64 f, .param .b32 l, .param .b64 n, .param .b64 s);\n\
         .global .align 1 .b8 what[6] = {{120, 32, 60, 32, 51, 0}};\n.global .align 1 .b8 file[5] = {{97, 46, 99, 117, 0}};\n\
         .global .align 1 .b8 name[2] = {{102, 0}};\n.visible .entry k()\n{{\n.reg .pred %p1;\n.reg .b32 %r1;\n.reg .b64 %rd<4>;\n\
         mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 3;\n@%p1 bra GOOD;\nmov.u64 %rd1, what;\ncvta.global.u64 %rd1, %rd1;\n\
         mov.u64 %rd2, file;\nmov.u64 %rd3, name;\n{{\n.param .b64 a;\n.param .b64 b;\n.param .b32 c;\n.param .b64 d;\n.param .b64 e;\n\
         st.param.b64 [a], %rd1;\nst.param.b64 [b], %rd2;\nst.param.b32 [c], 42;\nst.param.b64 [d], %rd3;\nst.param.b64 [e], 1;\n\
         call.uni __assertfail, (a, b, c, d, e);\n}}\nGOOD:\nret;\n}}\n"
    );
    let gpu = Gpu::new(Options::default());
    let module = gpu.load_ptx(&text).unwrap();
    let error = gpu.launch(&module, "k", Dim3::x(1), Dim3::x(8), 0, &[]).unwrap_err();
    let finding = &error.report().unwrap().findings[0];
    assert_eq!(finding.kind, FindingKind::Assert);
    assert_eq!(finding.thread, Some(Dim3::new(3, 0, 0)));
    assert_eq!(finding.message, "a.cu:42: f: Assertion `x < 3` failed");
    gpu.launch(&module, "k", Dim3::x(1), Dim3::x(3), 0, &[]).unwrap();
}
