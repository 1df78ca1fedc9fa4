//! What a finding says: who, where in the PTX and in the source, and what lies nearest.

use crate::launch::A::{self, *};
use crate::launch::{ONE_BY_ONE, Run};
use crate::support::{architectures, ptx};
use softgpu::FindingKind::{self, *};
use softgpu::{Dim3, Finding};

/// What the first finding of a launch must say.
struct Said<const N: usize> {
    at: (&'static str, &'static str),
    /// Blocks, threads of each, bytes of dynamic shared memory.
    launch: (u32, u32, u32),
    args: [A; N],
    kind: FindingKind,
    block: u32,
    thread: u32,
    /// Start of the PTX instruction, without its type.
    instruction: &'static str,
    /// Start of the line of the source.
    source: &'static str,
    /// Parts of the message.
    message: &'static [&'static str],
}

fn check<const N: usize>(said: &Said<N>) {
    let (file, kernel) = said.at;
    for arch in [architectures(file)[0], 100] {
        for order in ONE_BY_ONE {
            let run = Run::new(file, arch, order, &said.args);
            let launch = (said.launch.0, Dim3::x(said.launch.1));
            let error = run.launch(kernel, launch, said.launch.2).expect_err("a fault");
            let report = error.report().expect("it ran");
            let found = report.findings.first().expect("a finding");
            let what = format!("{kernel} {arch} {order:?}: {found}");
            assert_eq!((found.kind, found.kernel.as_str()), (said.kind, kernel), "{what}");
            assert_eq!(found.block, Some(Dim3::new(said.block, 0, 0)), "{what}");
            assert_eq!(found.thread, Some(Dim3::new(said.thread, 0, 0)), "{what}");
            assert!(found.instruction.starts_with(said.instruction), "{what}");
            for part in said.message {
                assert!(found.message.contains(part), "no {part:?}: {what}");
            }
            check_lines(said, found, arch, &what);
            // What people get to see has all of it, and the order that brings it back.
            let shown = error.to_string();
            let source = found.source.as_deref().expect("checked");
            for part in [kernel, &found.message, &found.instruction, source] {
                assert!(shown.contains(part), "no {part:?}: {shown}");
            }
            assert!(shown.contains(&format!("order seed {}", report.seed)), "{shown}");
        }
    }
}

/// The lines named are the lines meant, in the PTX and in the source.
fn check_lines<const N: usize>(said: &Said<N>, found: &Finding, arch: u32, what: &str) {
    let line_of = |text: &str, line: usize| {
        text.lines().nth(line.wrapping_sub(1)).expect(what).trim().to_owned()
    };
    assert_eq!(
        line_of(&ptx(said.at.0, arch), found.ptx_line as usize),
        found.instruction,
        "{what}"
    );
    let (file, line) = found.source.as_deref().expect(what).rsplit_once(':').expect(what);
    // A fault in an inlined function is named where that function stands.
    let header = [".cuh", ".hpp"].iter().any(|header| file.ends_with(header));
    assert!(header || file.ends_with(&format!("{}.cu", said.at.0)), "{what}");
    let text = std::fs::read_to_string(file).expect("the source");
    assert!(line_of(&text, line.parse().expect(what)).starts_with(said.source), "{what}");
}

#[test]
fn a_write_past_the_end_names_the_buffer_it_left() {
    check(&Said {
        at: ("faulty/bounds", "write_past_end"),
        launch: (4, 256, 0),
        args: [Zeros(1000), Int(1000)],
        kind: OutOfBounds,
        // 3 · 256 + 232 = 1000
        block: 3,
        thread: 232,
        instruction: "st.global",
        source: "y[i] = i;",
        message: &["Store of 4 bytes", "0 bytes behind allocation", "(4000 bytes at 0x"],
    });
}

#[test]
fn a_read_before_the_start_names_the_buffer_behind_it() {
    check(&Said {
        at: ("faulty/bounds", "read_before_start"),
        launch: (4, 256, 0),
        args: [F(1000), Zeros(1000), Int(1000)],
        kind: OutOfBounds,
        block: 0,
        thread: 0,
        instruction: "ld.global",
        source: "if (i < n) y[i] = x[i] - x[i - 1];",
        message: &["Load of 4 bytes", "4 bytes before allocation", "(4000 bytes at 0x"],
    });
}

#[test]
fn a_misaligned_access_names_its_place_in_the_buffer() {
    check(&Said {
        at: ("faulty/bounds", "misaligned_float4_load"),
        launch: (1, 32, 0),
        args: [F(132), Zeros(132)],
        kind: Misaligned,
        block: 0,
        thread: 0,
        instruction: "ld.global",
        source: "float4 v = *reinterpret_cast<const float4*>(x + 1 + 4 * threadIdx.x);",
        message: &["Load of 16 bytes", "byte 4 of allocation", "(528 bytes at 0x"],
    });
}

#[test]
fn freed_memory_is_named_as_what_it_was() {
    check(&Said {
        at: ("faulty/bounds", "write_freed"),
        launch: (1, 32, 0),
        args: [Freed(32)],
        kind: UseAfterFree,
        block: 0,
        thread: 0,
        instruction: "st.global",
        source: "y[threadIdx.x] = 1;",
        message: &["Store of 4 bytes", "freed allocation", "(128 bytes at 0x"],
    });
}

#[test]
fn an_overrun_of_a_shared_variable_names_the_variable() {
    check(&Said {
        at: ("faulty/bounds", "into_the_next_variable"),
        launch: (1, 64, 0),
        args: [F(64), Zeros(64)],
        kind: OutOfBounds,
        block: 0,
        thread: 63,
        instruction: "st.shared",
        source: "first[threadIdx.x + 1] = x[threadIdx.x];",
        message: &["Store at shared", "0 bytes behind first (256 bytes of shared memory)"],
    });
    check(&Said {
        at: ("faulty/bounds", "shared_before_start"),
        launch: (1, 32, 0),
        args: [F(32), Zeros(32)],
        kind: OutOfBounds,
        block: 0,
        thread: 0,
        instruction: "ld.shared",
        source: "y[threadIdx.x] = tile[threadIdx.x] - tile[(int)threadIdx.x - 1];",
        message: &[
            "Load of 4 bytes at shared",
            "4 bytes before tile (1024 bytes of shared memory)",
        ],
    });
}

#[test]
fn an_overrun_of_dynamic_shared_memory_names_its_size() {
    check(&Said {
        at: ("faulty/bounds", "dynamic_shared_too_small"),
        launch: (1, 64, 128),
        args: [F(64), Zeros(64)],
        kind: OutOfBounds,
        block: 0,
        thread: 32,
        instruction: "st.shared",
        source: "dynamic[threadIdx.x] = x[threadIdx.x];",
        message: &["Store of 4 bytes", ": 0 bytes behind 128 bytes of dynamic shared memory"],
    });
}

/// Lanes 0 to 7 of the copy fall into the gap behind the ring, the others beyond all shared memory.
#[test]
fn the_first_lane_outside_is_the_one_named() {
    check(&Said {
        at: ("faulty/async", "copy_past_the_ring"),
        launch: (1, 32, 0),
        args: [F(128), Zeros(128), Int(2)],
        kind: OutOfBounds,
        block: 0,
        thread: 0,
        instruction: "cp.async",
        source: "asm volatile(\"cp.async.cg.shared.global",
        message: &["Store of 16 bytes", "0 bytes behind ring (1024 bytes of shared memory)"],
    });
}

#[test]
fn a_race_names_the_other_thread_and_the_variable() {
    check(&Said {
        at: ("faulty/races", "write_write_in_warp"),
        launch: (1, 32, 0),
        args: [Zeros(32)],
        kind: SharedRace,
        block: 0,
        thread: 1,
        instruction: "st.shared",
        source: "slots[threadIdx.x / 2] = threadIdx.x;",
        message: &["byte 0 of slots (512 bytes of shared memory)", "thread (0, 0, 0) wrote it"],
    });
}

#[test]
fn unwritten_shared_memory_names_the_variable() {
    check(&Said {
        at: ("faulty/uninitialized", "partly_filled_tile"),
        launch: (1, 64, 0),
        args: [F(64), Zeros(1), Int(50)],
        kind: Uninitialized,
        block: 0,
        thread: 0,
        instruction: "ld.shared",
        source: "for (int i = 0; i < 64; ++i) sum += tile[i];",
        message: &["byte 200 of tile (256 bytes of shared memory)"],
    });
}

#[test]
fn a_shuffle_from_outside_its_mask_names_the_lanes() {
    check(&Said {
        at: ("faulty/barriers", "shuffle_outside_its_mask"),
        launch: (1, 32, 0),
        args: [Count(32), Zeros(32)],
        kind: SyncMask,
        block: 0,
        thread: 16,
        instruction: "shfl.sync.idx",
        // In a header of the toolkit.
        source: "",
        message: &["lane 16 is not in the mask 0x0000ffff"],
    });
}

#[test]
fn a_failed_assertion_says_what_it_asserted() {
    check(&Said {
        at: ("faulty/control", "assertion"),
        launch: (1, 4, 0),
        args: [Ints(&[0, 1, -2, 3]), Zeros(4)],
        kind: Assert,
        block: 0,
        thread: 2,
        instruction: "call",
        source: "assert(values[threadIdx.x] >= 0);",
        message: &["values[threadIdx.x] >= 0", "control.cu:"],
    });
}
