//! Kernels with a few lines changed at random, loaded and run: an answer in bounded time and no panic,
//! whatever they are. Debug assertions hold every register slot to the file it lies in.
//!
//! SOFTGPU_FUZZ_CASES is the number of cases, a few hundred by default.

#[path = "fuzz_execution/seeds.rs"]
mod seeds;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use seeds::{BODIES, MODULE, START};
use softgpu::{Arg, Checks, Dim3, Gpu, Options};

const PATIENCE: Duration = Duration::from_secs(60);

/// A line, its words apart: `ld`, `.global`, `.u32`, ` `, `%r1`, …
fn tokens(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for c in line.chars() {
        let word = |c: char| c.is_ascii_alphanumeric() || "%_:$".contains(c);
        match out.last_mut() {
            Some(last) if word(c) && last.ends_with(|end| word(end) || end == '.') => last.push(c),
            _ => out.push(c.to_string()),
        }
    }
    out
}

/// Words that can stand for one another: modifiers, registers, numbers, names.
fn kind(token: &str) -> usize {
    match token.chars().next() {
        Some('.') => 0,
        Some('%') if token.starts_with("%p") => 1,
        Some('%') if token.starts_with("%rd") => 2,
        Some('%') => 3,
        Some(c) if c.is_ascii_digit() => 4,
        Some(c) if c.is_ascii_alphabetic() || c == '_' => 5,
        _ => 6,
    }
}

/// All words of the seeds by kind, and numbers at edges.
static POOL: LazyLock<[Vec<String>; 7]> = LazyLock::new(|| {
    let mut pool: [Vec<String>; 7] = Default::default();
    let lines = MODULE.lines().chain(START.lines()).chain(BODIES.iter().flat_map(|b| b.lines()));
    for token in lines.flat_map(tokens) {
        let of_kind = &mut pool[kind(&token)];
        if !of_kind.contains(&token) {
            of_kind.push(token);
        }
    }
    let edges = ["0", "1", "2147483647", "4294967295", "0x7ffffffffffffff0", "128", "65536", "513"];
    pool[4].extend(edges.map(str::to_owned));
    pool[5].push("_".to_owned());
    pool[1].push("_".to_owned());
    pool[2].push("_".to_owned());
    pool[3].extend(["_".to_owned(), "%clock_hi".to_owned(), "WARP_SZ".to_owned()]);
    pool
});

#[derive(Clone, Debug)]
struct Change {
    how: u8,
    line: Index,
    token: Index,
    with: Index,
}

fn change() -> impl Strategy<Value = Change> {
    (0u8..12, any::<Index>(), any::<Index>(), any::<Index>())
        .prop_map(|(how, line, token, with)| Change { how, line, token, with })
}

fn apply(lines: &mut Vec<String>, change: &Change) {
    let at = change.line.index(lines.len());
    match change.how {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[change.with.index(lines.len())].clone()),
        2 => {
            let other = change.with.index(lines.len());
            lines.swap(at, other);
        }
        // A line of another kernel.
        3 | 4 => {
            let body: Vec<&str> = BODIES[change.token.index(BODIES.len())].lines().collect();
            lines.insert(at, body[change.with.index(body.len())].to_owned());
        }
        5 => lines[at].insert_str(0, ["@%p1 ", "@!%p2 ", "@%p4 "][change.with.index(3)]),
        // Another word in place of one: of its kind, or any.
        how => {
            let mut words = tokens(&lines[at]);
            let place = change.token.index(words.len().max(1));
            let Some(word) = words.get_mut(place) else { return };
            let of = if how == 11 { change.with.index(7) } else { kind(word) };
            if of < 6 || how == 11 {
                *word = POOL[of][change.with.index(POOL[of].len())].clone();
            }
            lines[at] = words.concat();
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
}

#[derive(Clone, Debug)]
struct Case {
    body: usize,
    second: Option<usize>,
    changes: Vec<Change>,
    block: u32,
    grid: u32,
    dynamic: u32,
    seed: u64,
    input: Vec<u8>,
    wild: Option<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    let launch = (
        prop::sample::select(vec![1u32, 7, 32, 48, 64, 96]),
        1u32..3,
        prop::sample::select(vec![0u32, 4, 256]),
        any::<u64>(),
        vec(any::<u8>(), 64),
        prop::option::weighted(0.1, any::<u64>()),
    );
    (0..BODIES.len(), prop::option::of(0..BODIES.len()), vec(change(), 1..5), launch).prop_map(
        |(body, second, changes, (block, grid, dynamic, seed, input, wild))| Case {
            body,
            second,
            changes,
            block,
            grid,
            dynamic,
            seed,
            input,
            wild,
        },
    )
}

fn text(case: &Case) -> String {
    // Most changes go to the body; a tenth of the cases change the rest too.
    let mut lines: Vec<String> = BODIES[case.body].lines().map(str::to_owned).collect();
    let second = case.second.filter(|second| *second != case.body);
    lines.extend(second.iter().flat_map(|at| BODIES[*at].lines()).map(str::to_owned));
    let mut head: Vec<String> = MODULE.lines().chain(START.lines()).map(str::to_owned).collect();
    if case.seed.is_multiple_of(10) {
        let (first, rest) = case.changes.split_at(1);
        first.iter().for_each(|change| apply(&mut head, change));
        rest.iter().for_each(|change| apply(&mut lines, change));
    } else {
        case.changes.iter().for_each(|change| apply(&mut lines, change));
    }
    let end = if case.seed.is_multiple_of(7) { "}\n" } else { "ret;\n}\n" };
    format!("{}\n{}\n{end}", head.join("\n"), lines.join("\n"))
}

static LOADED: AtomicUsize = AtomicUsize::new(0);
static CLEAN: AtomicUsize = AtomicUsize::new(0);

fn run(case: &Case) -> Result<(), TestCaseError> {
    let text = text(case);
    let start = Instant::now();
    let mut options =
        Options { seed: case.seed, workers: 1, watchdog: 5_000, ..Options::default() };
    options.properties.memory_bytes = 1 << 20;
    options.fail_on_findings = case.seed.is_multiple_of(2);
    options.perturb = if case.seed.is_multiple_of(3) { 1.0 } else { 0.0 };
    if case.seed.is_multiple_of(5) {
        options.checks = Checks::NONE;
    }
    let gpu = Gpu::new(options);
    if let Ok(module) = gpu.load_ptx(&text) {
        LOADED.fetch_add(1, Relaxed);
        let input: Vec<u8> = case.input.iter().copied().cycle().take(4096).collect();
        let out = gpu.alloc(4096).unwrap();
        let input = gpu.upload(&input).unwrap();
        if let Some(program) = module.kernel("k") {
            let args: Vec<Arg> = program
                .params
                .iter()
                .enumerate()
                .map(|(at, param)| {
                    let value = match (at, case.wild) {
                        (0, None) => out.0,
                        (1, _) => input.0,
                        (2, _) => case.seed % 3,
                        (_, wild) => wild.unwrap_or(0x0203_0405_0607_0809),
                    };
                    let bytes = value.to_le_bytes();
                    Arg(bytes.iter().copied().cycle().take(param.bytes).collect())
                })
                .collect();
            let (grid, block) = (Dim3::x(case.grid), Dim3::x(case.block));
            match gpu.launch(&module, "k", grid, block, case.dynamic, &args) {
                Ok(report) => {
                    CLEAN.fetch_add(1, Relaxed);
                    prop_assert_eq!(report.counters.blocks, u64::from(case.grid), "{}", text);
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
    prop_assert!(start.elapsed() < PATIENCE, "{:?} for\n{}", start.elapsed(), text);
    Ok(())
}

fn cases() -> u32 {
    let cases = std::env::var("SOFTGPU_FUZZ_CASES").ok();
    cases.map_or(1500, |text| text.parse().expect("a number"))
}

#[test]
fn a_changed_kernel_runs_or_is_refused_and_never_panics() {
    let config = ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let answer = runner.run(&case(), |case| run(&case));
    let (loaded, clean) = (LOADED.load(Relaxed), CLEAN.load(Relaxed));
    println!("{} cases, {loaded} loaded, {clean} ran without a finding", cases());
    if let Err(error) = answer {
        if let proptest::test_runner::TestError::Fail(_, case) = &error {
            panic!("{error}\n{}", text(case));
        }
        panic!("{error}");
    }
    // A fuzz whose kernels do not load tests nothing.
    assert!(loaded > cases() as usize / 5 && clean > cases() as usize / 50, "{loaded}, {clean}");
}

/// The kernels as they are load; what they do may be found fault with.
#[test]
fn the_seeds_load() {
    for (at, body) in BODIES.iter().enumerate() {
        let gpu = Gpu::new(Options::default());
        let text = format!("{MODULE}{START}{body}ret;\n}}\n");
        if let Err(error) = gpu.load_ptx(&text) {
            panic!("body {at}: {error}\n{text}");
        }
    }
}
