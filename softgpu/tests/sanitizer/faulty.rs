//! One row per faulty kernel: how it is launched and what must be found.

use crate::launch::A::{self, *};
use crate::launch::{ONE_BY_ONE, Run};
use crate::support::{architectures, kernels};
use softgpu::FindingKind::{self, *};
use softgpu::{Dim3, Finding, LaunchError};

struct Row {
    file: &'static str,
    kernel: &'static str,
    grid: u32,
    block: Dim3,
    shared: u32,
    args: Vec<A>,
    /// The first must be found. The others may be, because the fault implies them in some orders.
    expected: &'static [FindingKind],
}

fn row<const N: usize>(
    (file, kernel): (&'static str, &'static str),
    (grid, block): (u32, u32),
    args: [A; N],
    expected: &'static [FindingKind],
) -> Row {
    Row { file, kernel, grid, block: Dim3::x(block), shared: 0, args: args.to_vec(), expected }
}

fn bounds() -> Vec<Row> {
    let at = |kernel| ("faulty/bounds", kernel);
    const OUT: &[FindingKind] = &[OutOfBounds];
    const ODD: &[FindingKind] = &[Misaligned];
    vec![
        row(at("write_past_end"), (4, 256), [Zeros(1000), Int(1000)], OUT),
        row(at("read_past_end"), (4, 256), [F(1000), Zeros(1000), Int(1000)], OUT),
        row(at("read_before_start"), (4, 256), [F(1000), Zeros(1000), Int(1000)], OUT),
        row(at("write_before_start"), (4, 256), [F(1000), Zeros(1000), Int(1000)], OUT),
        row(at("off_by_one_guard"), (4, 256), [Zeros(1000), Int(1000)], OUT),
        row(at("vector_tail"), (1, 256), [F(1001), Zeros(1001), Int(1001)], OUT),
        Row {
            block: Dim3::new(8, 20, 1),
            ..row(at("wrong_pitch"), (1, 1), [Zeros(160), Int(8), Int(20)], OUT)
        },
        row(at("index_overflow"), (1, 32), [F(64), Zeros(32), Int(40_000), Int(60_000)], OUT),
        row(at("null_pointer"), (1, 32), [Null, Zeros(32)], OUT),
        row(at("null_pointer"), (1, 32), [Host, Zeros(32)], OUT),
        row(at("misaligned_float4_load"), (1, 32), [F(132), Zeros(132)], ODD),
        row(at("misaligned_store"), (1, 32), [Bytes(160)], ODD),
        row(at("misaligned_double"), (1, 32), [F(128), Zeros(64)], ODD),
        row(at("misaligned_atomic"), (1, 32), [Zeros(4)], ODD),
        row(at("read_freed"), (1, 32), [Freed(32), Zeros(32)], &[UseAfterFree]),
        row(at("write_freed"), (1, 32), [Freed(32)], &[UseAfterFree]),
        row(at("shared_past_end"), (1, 256), [F(256), Zeros(256)], OUT),
        row(at("shared_before_start"), (1, 256), [F(256), Zeros(256)], OUT),
        Row {
            shared: 128,
            ..row(at("dynamic_shared_too_small"), (1, 64), [F(64), Zeros(64)], OUT)
        },
        row(at("shared_atomic_past_end"), (1, 64), [I(64, 17), Zeros(16)], OUT),
        row(at("local_past_end"), (1, 32), [Count(8), Zeros(32), Int(8)], OUT),
        row(at("local_before_start"), (1, 32), [Count(8), Zeros(32), Int(-1)], OUT),
        row(at("write_to_constant"), (1, 4), [Zeros(4), Int(0)], &[WriteToConstant]),
        row(at("constant_past_end"), (1, 5), [Zeros(5)], OUT),
        row(at("into_the_next_variable"), (1, 64), [F(64), Zeros(64)], OUT),
        row(at("local_write_past_end"), (1, 32), [Count(8), Zeros(32), Int(8)], OUT),
        row(at("misaligned_in_shared"), (1, 32), [F(66), Zeros(32)], ODD),
        row(at("misaligned_shared_atomic"), (1, 32), [Zeros(32)], ODD),
        row(at("generic_past_end"), (1, 32), [I(32, 9), Zeros(32), Int(1)], OUT),
        row(at("half_a_word_at_the_end"), (1, 32), [Bytes(125), Zeros(32)], OUT),
    ]
}

fn uninitialized() -> Vec<Row> {
    let at = |kernel| ("faulty/uninitialized", kernel);
    const UNWRITTEN: &[FindingKind] = &[Uninitialized];
    vec![
        row(at("read_unwritten"), (1, 32), [Unwritten(128), Zeros(32)], UNWRITTEN),
        row(at("accumulate_into_unwritten"), (1, 32), [F(32), Unwritten(128)], UNWRITTEN),
        row(at("atomic_on_unwritten"), (1, 32), [I(32, 9), Unwritten(4)], UNWRITTEN),
        row(at("partly_filled_tile"), (1, 64), [F(64), Zeros(1), Int(50)], UNWRITTEN),
        row(at("shared_counter_not_reset"), (1, 64), [I(64, 2), Zeros(1)], UNWRITTEN),
        row(at("read_unwritten_local"), (1, 32), [Count(8), Zeros(32), Int(7)], UNWRITTEN),
        row(at("padding"), (1, 32), [Unwritten(256), Unwritten(256)], UNWRITTEN),
        row(at("filled_by_the_first_block"), (4, 32), [F(32), Zeros(128)], UNWRITTEN),
        row(at("one_byte_of_four"), (1, 32), [Unwritten(128), Zeros(32)], UNWRITTEN),
    ]
}

fn races() -> Vec<Row> {
    let at = |kernel| ("faulty/races", kernel);
    const SHARED: &[FindingKind] = &[SharedRace];
    // A reader that comes before the writer reads what nobody has written.
    const EARLY: &[FindingKind] = &[SharedRace, Uninitialized];
    const GLOBAL: &[FindingKind] = &[GlobalRace];
    vec![
        row(at("write_then_read"), (1, 256), [F(256), Zeros(256)], EARLY),
        row(at("read_then_write"), (1, 256), [F(1024), Zeros(256), Int(4)], SHARED),
        row(at("write_write"), (1, 256), [Zeros(256)], SHARED),
        row(at("write_write_in_warp"), (1, 256), [Zeros(256)], SHARED),
        row(at("histogram_without_atomics"), (1, 256), [I(256, 16), Zeros(16)], SHARED),
        row(at("zero_without_barrier"), (1, 256), [I(256, 256), Zeros(256)], EARLY),
        row(at("read_while_counting"), (1, 256), [I(256, 3), Zeros(256)], SHARED),
        row(at("exchange_without_syncwarp"), (1, 32), [F(32), Zeros(32)], EARLY),
        row(at("reduction_without_syncwarp"), (1, 32), [F(32), Zeros(1)], SHARED),
        row(at("wrong_buffer"), (1, 256), [F(1024), Zeros(256), Int(4)], SHARED),
        row(at("syncwarp_for_the_block"), (1, 256), [F(256), Zeros(256)], EARLY),
        row(at("barriers_of_their_own"), (1, 256), [F(256), Zeros(256)], EARLY),
        row(at("stencil_in_place"), (4, 64), [F(258)], GLOBAL),
        row(at("count_blocks"), (8, 64), [Zeros(1)], GLOBAL),
        row(at("blocks_overlap"), (4, 64), [Zeros(256)], GLOBAL),
        row(at("read_while_adding"), (8, 32), [Zeros(1), Zeros(1)], GLOBAL),
        row(at("last_block_without_fence"), (8, 32), [Zeros(8), Zeros(1)], GLOBAL),
        row(at("store_beside_atomics"), (1, 256), [Zeros(256)], SHARED),
        row(at("write_write_of_bytes"), (1, 256), [Zeros(64)], SHARED),
        row(at("shuffle_for_a_barrier"), (1, 32), [I(32, 9), Zeros(32)], EARLY),
        row(at("reset_while_adding"), (8, 32), [Zeros(1)], GLOBAL),
        row(at("chained_without_fences"), (6, 32), [Zeros(1), Zeros(6), Zeros(6)], GLOBAL),
        row(at("fence_behind_the_flag"), (6, 32), [Zeros(1), Zeros(6), Zeros(6)], GLOBAL),
        row(at("blocks_overlap_in_a_byte"), (5, 34), [Zeros(42)], GLOBAL),
    ]
}

fn barriers() -> Vec<Row> {
    let at = |kernel| ("faulty/barriers", kernel);
    const DIVERGENT: &[FindingKind] = &[DivergentBarrier];
    const MASK: &[FindingKind] = &[SyncMask];
    const GONE: &[FindingKind] = &[ShuffleSource];
    vec![
        row(at("barrier_in_half_a_warp"), (1, 32), [Zeros(64)], DIVERGENT),
        row(at("return_before_barrier"), (1, 64), [F(64), Zeros(64), Int(50)], DIVERGENT),
        row(at("barrier_in_uneven_loop"), (1, 32), [Ints(&UNEVEN), Zeros(32)], DIVERGENT),
        row(at("barrier_in_both_branches"), (1, 32), [Zeros(32)], DIVERGENT),
        row(at("named_barrier_nobody_comes"), (1, 64), [Zeros(64)], &[Deadlock]),
        row(at("barriers_crossed"), (1, 64), [Zeros(64)], &[Deadlock]),
        row(at("shuffle_in_half_a_warp"), (1, 32), [Count(32), Zeros(32)], MASK),
        row(at("shuffle_outside_its_mask"), (1, 32), [Count(32), Zeros(32)], MASK),
        row(at("shuffle_from_outside"), (1, 32), [Count(32), Zeros(32)], &[ShuffleSource]),
        row(at("vote_in_uneven_loop"), (1, 32), [Ints(&UNEVEN), Zeros(32)], MASK),
        row(at("syncwarp_in_half_a_warp"), (1, 32), [Count(32), Zeros(32)], MASK),
        row(at("full_mask_in_a_short_warp"), (1, 48), [Count(48), Zeros(48)], GONE),
        row(at("counting_barrier_in_half_a_warp"), (1, 32), [Zeros(32)], DIVERGENT),
        row(at("return_before_shuffle"), (1, 32), [Count(32), Zeros(32), Int(19)], GONE),
        row(at("match_in_half_a_warp"), (1, 32), [Count(32), Zeros(32)], MASK),
        row(at("syncwarp_outside_its_mask"), (1, 32), [Count(32), Zeros(32)], MASK),
    ]
}

/// Trip counts of the 32 lanes of a warp.
const UNEVEN: [i32; 32] = {
    let mut counts = [1; 32];
    counts[3] = 2;
    counts[20] = 2;
    counts
};

fn copies() -> Vec<Row> {
    let at = |kernel| ("faulty/async", kernel);
    const PENDING: &[FindingKind] = &[AsyncCopyPending];
    const ODD: &[FindingKind] = &[Misaligned];
    const OUT: &[FindingKind] = &[OutOfBounds];
    vec![
        row(at("no_wait"), (1, 32), [F(128), Zeros(128)], PENDING),
        row(at("wait_for_the_wrong_group"), (1, 32), [F(256), Zeros(128)], PENDING),
        row(at("no_commit"), (1, 32), [F(128), Zeros(128)], PENDING),
        row(at("store_while_copying"), (1, 32), [F(128), Zeros(128)], PENDING),
        row(at("no_barrier_after_wait"), (1, 32), [F(128), Zeros(128)], &[SharedRace]),
        row(at("barrier_before_wait"), (1, 32), [F(128), Zeros(128)], &[SharedRace]),
        row(
            at("ring_without_second_barrier"),
            (1, 32),
            [F(512), Zeros(128), Int(4)],
            &[SharedRace],
        ),
        row(at("copy_from_misaligned"), (1, 32), [F(132), Zeros(128)], ODD),
        row(at("copy_past_end"), (1, 32), [F(100), Zeros(128), Int(100)], OUT),
        row(at("copy_past_the_ring"), (1, 32), [F(128), Zeros(128), Int(2)], OUT),
        row(at("matrix_rows_misaligned"), (1, 32), [Bytes(32 * 34 * 2), Zeros(128)], ODD),
        row(at("matrix_rows_past_end"), (1, 32), [Bytes(16 * 8 * 2), Zeros(128)], OUT),
        row(at("matrix_without_barrier"), (1, 32), [Bytes(32 * 8 * 2), Zeros(128)], &[SharedRace]),
        row(at("matrix_in_half_a_warp"), (1, 32), [Bytes(32 * 8 * 2), Zeros(128)], &[SyncMask]),
        row(at("mma_in_half_a_warp"), (1, 32), [Zeros(128), Zeros(128)], &[SyncMask]),
        row(at("barrier_without_wait"), (1, 64), [F(256), Zeros(256)], PENDING),
        row(at("copy_over_a_copy"), (1, 32), [F(256), Zeros(128)], PENDING),
        row(at("copy_of_unwritten"), (1, 32), [Unwritten(512), Zeros(128)], &[Uninitialized]),
        row(at("copy_from_freed"), (1, 32), [Freed(128), Zeros(128)], &[UseAfterFree]),
        row(at("matrix_of_unwritten"), (1, 32), [Bytes(16 * 8 * 2), Zeros(128)], &[Uninitialized]),
    ]
}

fn control() -> Vec<Row> {
    let at = |kernel| ("faulty/control", kernel);
    const VALUES: &[i32] = &[0, 1, 2, 3];
    vec![
        row(at("wait_for_ever"), (1, 32), [Zeros(1)], &[Watchdog]),
        row(at("loop_without_progress"), (1, 1), [Zeros(1), Int(5)], &[Watchdog]),
        row(at("lock_not_released"), (1, 64), [Zeros(1), Zeros(1)], &[Watchdog]),
        row(at("assertion"), (1, 4), [Ints(&[0, 1, -2, 3]), Zeros(4)], &[Assert]),
        row(at("trap_on_impossible_value"), (1, 4), [Ints(VALUES), Zeros(4)], &[Trap]),
    ]
}

#[test]
fn wrong_addresses_are_found() {
    bounds().iter().for_each(check);
}

#[test]
fn reads_of_unwritten_memory_are_found() {
    uninitialized().iter().for_each(check);
}

#[test]
fn races_are_found() {
    races().iter().for_each(check);
}

#[test]
fn barriers_and_masks_that_not_all_reach_are_found() {
    barriers().iter().for_each(check);
}

#[test]
fn misuse_of_asynchronous_copies_and_matrices_is_found() {
    copies().iter().for_each(check);
}

#[test]
fn kernels_that_do_not_end_as_they_should_are_found() {
    control().iter().for_each(check);
}

/// Every kernel under kernels/faulty is in a table, or it would rot there unnoticed. Four belong to
/// tests of two launches.
#[test]
fn no_faulty_kernel_is_left_out() {
    let rows = [bounds(), uninitialized(), races(), barriers(), copies(), control()].concat_rows();
    let two_launches = ["leave_local_address", "follow_local_address", "write_even", "read_all"];
    let mut count = 0;
    for entry in std::fs::read_dir(kernels().join("faulty")).expect("the folder") {
        let text = std::fs::read_to_string(entry.expect("the folder").path()).expect("readable");
        for line in text.lines().filter(|line| line.starts_with("extern \"C\" __global__ void ")) {
            let name = line["extern \"C\" __global__ void ".len()..].split('(').next().unwrap();
            assert!(rows.contains(&name) || two_launches.contains(&name), "{name} is not tested");
            count += 1;
        }
    }
    assert!(count >= 30, "only {count} faulty kernels");
}

trait ConcatRows {
    fn concat_rows(self) -> Vec<&'static str>;
}

impl<const N: usize> ConcatRows for [Vec<Row>; N] {
    fn concat_rows(self) -> Vec<&'static str> {
        self.iter().flatten().map(|row| row.kernel).collect()
    }
}

/// A pointer to local memory of a kernel that has ended.
#[test]
fn a_local_address_kept_for_the_next_launch_is_out_of_bounds() {
    let args = [Zeros(2), Int(1)];
    let run = Run::new("faulty/bounds", 80, ONE_BY_ONE[0], &args);
    run.launch("leave_local_address", (1, Dim3::x(1)), 0).expect("in order so far");
    let args = [softgpu::Arg(run.bytes(0))];
    let slot = run.gpu.upload(&args[0].0).unwrap();
    let y = run.gpu.upload(&[0i32]).unwrap();
    let one = Dim3::x(1);
    let answer =
        run.gpu.launch(&run.module, "follow_local_address", one, one, 0, &[slot.into(), y.into()]);
    assert_eq!(kinds(&findings(answer)), [OutOfBounds]);
}

/// What is written stays written from launch to launch, and what is not, not.
#[test]
fn gaps_that_one_launch_leaves_are_found_in_the_next() {
    let run = Run::new("faulty/uninitialized", 80, ONE_BY_ONE[0], &[Unwritten(256)]);
    run.launch("write_even", (1, Dim3::x(32)), 0).expect("in order so far");
    let x = run.gpu.alloc(256).unwrap();
    let y = run.gpu.alloc(256).unwrap();
    let launch = |kernel, args: &[softgpu::Arg], threads| {
        run.gpu.launch(&run.module, kernel, Dim3::x(1), Dim3::x(threads), 0, args)
    };
    launch("write_even", &[x.into()], 32).expect("in order so far");
    let answer = launch("read_all", &[x.into(), y.into()], 64);
    assert_eq!(kinds(&findings(answer)), [Uninitialized]);
}

fn check(row: &Row) {
    let known = architectures(row.file);
    for arch in [known[0], 100] {
        for order in ONE_BY_ONE {
            let run = Run::new(row.file, arch, order, &row.args);
            let found = findings(run.launch(row.kernel, (row.grid, row.block), row.shared));
            let what = format!("{} {arch} order {order:?}: {found:?}", row.kernel);
            let kinds = kinds(&found);
            assert!(kinds.contains(&row.expected[0]), "not found: {what}");
            assert!(kinds.iter().all(|kind| row.expected.contains(kind)), "unexpected: {what}");
            for finding in &found {
                check_place(row, finding, &what);
            }
        }
    }
}

/// The finding names the kernel, a thread of the launch, and a source line inside the kernel.
fn check_place(row: &Row, finding: &Finding, what: &str) {
    assert_eq!(finding.kernel, row.kernel, "{what}");
    assert!(finding.ptx_line > 0 && !finding.instruction.is_empty(), "{what}");
    assert!(!finding.message.is_empty(), "{what}");
    let (block, thread) = (finding.block.expect(what), finding.thread.expect(what));
    assert!(block.x < row.grid && block.y == 0 && block.z == 0, "{what}");
    assert!(thread.x < row.block.x && thread.y < row.block.y && thread.z < row.block.z, "{what}");

    let source = finding.source.as_deref().expect(what);
    let (file, line) = source.rsplit_once(':').expect(what);
    // A fault in an inlined function is named where that function stands.
    if [".cuh", ".hpp", ".h"].iter().any(|header| file.ends_with(header)) {
        return;
    }
    assert!(file.ends_with(&format!("{}.cu", row.file)), "{what}");
    let text = std::fs::read_to_string(kernels().join(format!("{}.cu", row.file))).expect(what);
    let head = format!("void {}(", row.kernel);
    let first = text.lines().position(|l| l.contains(&head)).expect(what);
    let length = text.lines().skip(first).position(|l| l == "}").expect(what);
    let line: usize = line.parse().expect(what);
    assert!((first + 1..=first + length + 1).contains(&line), "outside the kernel: {what}");
}

fn findings(answer: Result<softgpu::Report, LaunchError>) -> Vec<Finding> {
    match answer {
        Ok(report) => {
            assert!(report.findings.is_empty(), "findings, and the launch did not fail");
            vec![]
        }
        Err(LaunchError::Found(report)) => report.findings,
        Err(LaunchError::Invalid { what, .. }) => panic!("never started: {what}"),
    }
}

fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    let mut kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}
