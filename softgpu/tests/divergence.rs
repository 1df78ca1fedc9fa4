//! Random structured programs on 64 threads with different inputs, against an interpreter of the same
//! program that runs one thread at a time: divergence, reconvergence, block order and the sharing of
//! register slots must not show.

mod support;

use std::fmt::Write as _;

use softgpu::{Dim3, Gpu, Options};
use support::Random;

const VARS: usize = 6;
const THREADS: u32 = 64;

#[derive(Clone, Copy, Debug)]
enum Op {
    Add,
    Sub,
    Mul,
    Xor,
    And,
    Min,
    /// Upper half of the 64-bit product, through a register pair.
    High,
    Shift(u32),
}

#[derive(Debug)]
enum Node {
    Assign {
        to: usize,
        op: Op,
        a: usize,
        b: usize,
    },
    /// The assignment under a guard: `a < b`, perhaps negated.
    Guarded {
        to: usize,
        from: usize,
        a: usize,
        b: usize,
        negated: bool,
    },
    If {
        a: usize,
        b: usize,
        then: Vec<Node>,
        other: Vec<Node>,
    },
    /// `var & 7` times; leaves early when `a < b` after the body's first half.
    Loop {
        count: usize,
        a: usize,
        b: usize,
        head: Vec<Node>,
        tail: Vec<Node>,
    },
    /// Lanes of this side leave the kernel early.
    Leave {
        a: usize,
        b: usize,
    },
}

fn nodes(random: &mut Random, depth: u32) -> Vec<Node> {
    (0..1 + random.below(4)).map(|_| node(random, depth)).collect()
}

fn node(random: &mut Random, depth: u32) -> Node {
    let mut var = || random.below(VARS as u32) as usize;
    let (to, a, b, count) = (var(), var(), var(), var());
    match random.below(if depth == 0 { 10 } else { 20 }) {
        0..8 => {
            let ops = [Op::Add, Op::Sub, Op::Mul, Op::Xor, Op::And, Op::Min, Op::High];
            let pick = random.below(8) as usize;
            let op = ops.get(pick).copied().unwrap_or(Op::Shift(random.below(32)));
            Node::Assign { to, op, a, b }
        }
        8 | 9 => Node::Guarded { to, from: count, a, b, negated: random.below(2) == 0 },
        10..15 => {
            let then = nodes(random, depth - 1);
            let other = if random.below(3) == 0 { Vec::new() } else { nodes(random, depth - 1) };
            Node::If { a, b, then, other }
        }
        15..19 => {
            let (head, tail) = (nodes(random, depth - 1), nodes(random, depth - 1));
            Node::Loop { count, a, b, head, tail }
        }
        _ => Node::Leave { a, b },
    }
}

fn apply(op: Op, a: u32, b: u32) -> u32 {
    match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul => a.wrapping_mul(b),
        Op::Xor => a ^ b,
        Op::And => a & b,
        Op::Min => a.min(b),
        Op::High => ((u64::from(a) * u64::from(b)) >> 32) as u32,
        Op::Shift(by) => a >> by,
    }
}

/// One thread. False when it left.
fn interpret(program: &[Node], v: &mut [u32; VARS]) -> bool {
    for node in program {
        match node {
            Node::Assign { to, op, a, b } => v[*to] = apply(*op, v[*a], v[*b]),
            Node::Guarded { to, from, a, b, negated } => {
                if (v[*a] < v[*b]) != *negated {
                    v[*to] = v[*from];
                }
            }
            Node::If { a, b, then, other } => {
                if !interpret(if v[*a] < v[*b] { then } else { other }, v) {
                    return false;
                }
            }
            Node::Loop { count, a, b, head, tail } => {
                for _ in 0..v[*count] & 7 {
                    if !interpret(head, v) {
                        return false;
                    }
                    if v[*a] < v[*b] {
                        break;
                    }
                    if !interpret(tail, v) {
                        return false;
                    }
                }
            }
            Node::Leave { a, b } => {
                if v[*a] < v[*b] {
                    return false;
                }
            }
        }
    }
    true
}

/// PTX as a compiler would write it: a fresh register for every value, labels at the joins.
#[derive(Default)]
struct Writer {
    body: String,
    words: u32,
    preds: u32,
    labels: u32,
}

impl Writer {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.body, "{text}");
    }

    fn word(&mut self) -> String {
        self.words += 1;
        format!("%t{}", self.words - 1)
    }

    fn less(&mut self, a: usize, b: usize) -> String {
        self.preds += 1;
        let p = format!("%p{}", self.preds - 1);
        self.line(&format!("setp.lt.u32 {p}, %v{a}, %v{b};"));
        p
    }

    fn label(&mut self) -> String {
        self.labels += 1;
        format!("L{}", self.labels - 1)
    }

    fn nodes(&mut self, program: &[Node]) {
        program.iter().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Assign { to, op, a, b } => {
                let t = self.word();
                match op {
                    Op::High => {
                        let wide = format!("%w{}", self.words);
                        self.line(&format!("mul.wide.u32 {wide}, %v{a}, %v{b};"));
                        self.line(&format!("mov.b64 {{_, {t}}}, {wide};"));
                    }
                    Op::Shift(by) => self.line(&format!("shr.u32 {t}, %v{a}, {by};")),
                    op => {
                        let name = match op {
                            Op::Add => "add.u32",
                            Op::Sub => "sub.u32",
                            Op::Mul => "mul.lo.u32",
                            Op::Xor => "xor.b32",
                            Op::And => "and.b32",
                            _ => "min.u32",
                        };
                        self.line(&format!("{name} {t}, %v{a}, %v{b};"));
                    }
                }
                self.line(&format!("mov.u32 %v{to}, {t};"));
            }
            Node::Guarded { to, from, a, b, negated } => {
                let p = self.less(*a, *b);
                let not = if *negated { "!" } else { "" };
                self.line(&format!("@{not}{p} mov.u32 %v{to}, %v{from};"));
            }
            Node::If { a, b, then, other } => {
                let (p, skip, end) = (self.less(*a, *b), self.label(), self.label());
                self.line(&format!("@!{p} bra {skip};"));
                self.nodes(then);
                self.line(&format!("bra {end};\n{skip}:"));
                self.nodes(other);
                self.line(&format!("{end}:"));
            }
            Node::Loop { count, a, b, head, tail } => {
                let (n, top, end) = (self.word(), self.label(), self.label());
                self.preds += 1;
                let p = format!("%p{}", self.preds - 1);
                self.line(&format!("and.b32 {n}, %v{count}, 7;\n{top}:"));
                self.line(&format!("setp.eq.u32 {p}, {n}, 0;\n@{p} bra {end};"));
                self.nodes(head);
                let out = self.less(*a, *b);
                self.line(&format!("@{out} bra {end};"));
                self.nodes(tail);
                self.line(&format!("sub.u32 {n}, {n}, 1;\nbra {top};\n{end}:"));
            }
            Node::Leave { a, b } => {
                let p = self.less(*a, *b);
                self.line(&format!("@{p} ret;"));
            }
        }
    }
}

/// Variable `i` of a thread at the start; small ones make comparisons and counts interesting.
fn start(thread: u32, i: usize) -> u32 {
    let mut random = Random::new(u64::from(thread) << 8 | i as u64);
    if i.is_multiple_of(2) { random.below(9) } else { random.u32() }
}

fn ptx(program: &[Node]) -> String {
    let mut writer = Writer::default();
    writer.nodes(program);
    let Writer { body, words, preds, .. } = writer;
    let mut text = format!(
        ".version 9.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out)\n{{\n\
         .reg .b32 %v<{VARS}>;\n.reg .b32 %t<{}>;\n.reg .b64 %w<{}>;\n.reg .pred %p<{}>;\n\
         .reg .b64 %a<4>;\n.reg .b32 %i<2>;\nmov.u32 %i0, %tid.x;\nld.param.u64 %a0, [in];\n\
         ld.param.u64 %a1, [out];\nmul.wide.u32 %a2, %i0, {};\nadd.s64 %a0, %a0, %a2;\n\
         add.s64 %a1, %a1, %a2;\n",
        words + 1,
        words + 2,
        preds + 1,
        4 * VARS
    );
    for i in 0..VARS {
        let _ = writeln!(text, "ld.global.u32 %v{i}, [%a0+{}];", 4 * i);
    }
    text.push_str(&body);
    for i in 0..VARS {
        let _ = writeln!(text, "st.global.u32 [%a1+{}], %v{i};", 4 * i);
    }
    text + "ret;\n}\n"
}

#[test]
fn random_programs_give_each_thread_what_it_computes_alone() {
    let rounds =
        std::env::var("SOFTGPU_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let input: Vec<u32> = (0..THREADS).flat_map(|t| (0..VARS).map(move |i| start(t, i))).collect();
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let program: Vec<Node> = (0..6).flat_map(|_| nodes(&mut random, 3)).collect();
        let text = ptx(&program);
        let gpu = Gpu::new(Options { seed, workers: 1, ..Options::default() });
        let module =
            gpu.load_ptx(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        let (from, to) =
            (gpu.upload(&input).unwrap(), gpu.upload(&vec![!0u32; input.len()]).unwrap());
        gpu.launch(&module, "k", Dim3::x(1), Dim3::x(THREADS), 0, &[from.into(), to.into()])
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        let got: Vec<u32> = gpu.download(to, input.len()).unwrap();
        for (thread, got) in got.chunks(VARS).enumerate() {
            let mut want: [u32; VARS] = std::array::from_fn(|i| start(thread as u32, i));
            if !interpret(&program, &mut want) {
                want = [!0; VARS];
            }
            assert_eq!(got, want, "seed {seed}, thread {thread}\n{text}");
        }
    }
}
