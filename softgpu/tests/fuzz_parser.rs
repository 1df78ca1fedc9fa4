//! Whatever the text or the image: an answer in bounded time, no panic. And whatever instruction the
//! tree can hold: reading what was printed gives it back.
//!
//! SOFTGPU_FUZZ_CASES is the number of cases of each test, a few hundred by default.

mod print;
#[path = "fuzz_parser/seeds.rs"]
mod seeds;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use seeds::{BROKEN, DECLARATIONS, FRAGMENTS, SEEDS, STATEMENTS};
use softgpu::ptx::ast::{Base, Guard, Instruction, Operand, Statement};
use softgpu::ptx::{image, parse};
use std::time::{Duration, Instant};

fn config() -> ProptestConfig {
    let cases =
        std::env::var("SOFTGPU_FUZZ_CASES").ok().map(|text| text.parse().expect("a number"));
    ProptestConfig {
        cases: cases.unwrap_or(400),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Far more than any input here needs on a machine full of other work.
const PATIENCE: Duration = Duration::from_secs(20);

/// Parses, and holds the answer against what must be true of any.
fn check(text: &str) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let answer = parse(text);
    prop_assert!(start.elapsed() < PATIENCE, "{:?} for {} bytes", start.elapsed(), text.len());
    let last = text.lines().count() as u32 + 1;
    match answer {
        Ok(module) => {
            // Sizes must not overflow in later passes either.
            for variable in &module.variables {
                prop_assert!(variable.bytes() <= 1 << 48 && variable.align.is_power_of_two());
            }
            for function in &module.functions {
                prop_assert!((1..=last).contains(&function.line));
                check_body(function.body.as_deref().unwrap_or_default(), last)?;
            }
        }
        Err(error) => {
            let text = error.to_string();
            let line = text.strip_prefix("PTX line ").and_then(|rest| rest.split(':').next());
            let line: u32 = line.and_then(|line| line.parse().ok()).unwrap_or(0);
            prop_assert!((1..=last).contains(&line), "{text} of {last} lines");
            prop_assert!(text.len() < 1000, "a message of {} bytes", text.len());
        }
    }
    Ok(())
}

/// Scopes are closed in order, and lines do not run backwards.
fn check_body(body: &[Statement], last: u32) -> Result<(), TestCaseError> {
    let (mut depth, mut before) = (0i64, 1);
    for statement in body {
        match statement {
            Statement::Open => depth += 1,
            Statement::Close => depth -= 1,
            Statement::Instruction(Instruction { line, .. }) | Statement::Label { line, .. } => {
                prop_assert!((before..=last).contains(line));
                before = *line;
            }
            _ => {}
        }
        prop_assert!(depth >= 0);
    }
    prop_assert_eq!(depth, 0);
    Ok(())
}

/// One piece of text that comes seldom.
fn oddity() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(BROKEN).prop_map(str::to_owned), 1 => "\\PC{0,4}"]
}

/// Words in any order.
fn soup() -> impl Strategy<Value = String> {
    let glue = select(vec!["", " ", " ", "\n", "\t", ";", ",", "+", "{", "(", "["]);
    let fragment = prop_oneof![300 => select(FRAGMENTS).prop_map(str::to_owned), 1 => oddity()];
    let parts = vec((fragment, glue), 0..120);
    (parts, 0..4u8).prop_map(|(parts, frame)| {
        let soup: String =
            parts.into_iter().flat_map(|(part, glue)| [part, glue.to_owned()]).collect();
        match frame {
            0 => soup,
            1 => format!(".version 9.0\n.target sm_80\n{soup}"),
            2 => format!(
                ".version 9.0\n.target sm_80\n.visible .entry k(.param .b64 p)\n{{\n{soup}\n}}"
            ),
            _ => format!(".version 9.0\n.target sm_80\n.global .b64 x[4] = {{{soup}}};"),
        }
    })
}

/// Right declarations and statements in any order, with a few words among them that need not be.
fn paragraphs() -> impl Strategy<Value = String> {
    let strange = || prop_oneof![9 => select(FRAGMENTS).prop_map(str::to_owned), 1 => oddity()];
    let declaration =
        prop_oneof![60 => select(DECLARATIONS).prop_map(str::to_owned), 1 => strange()];
    let statement = prop_oneof![60 => select(STATEMENTS).prop_map(str::to_owned), 1 => strange()];
    let around = || vec(declaration.clone(), 0..12);
    (around(), vec(statement, 0..40), around()).prop_map(|(before, body, after)| {
        let open = body.iter().filter(|part| *part == "{").count();
        let close = body.iter().filter(|part| *part == "}").count();
        let closing = "}".repeat((1 + open).saturating_sub(close));
        let (before, body, after) = (before.join("\n"), body.join(" "), after.join(" "));
        format!(".version 9.0\n.target sm_80\n{before}\n.entry main() {{ {body} {closing}\n{after}")
    })
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Replace(Index, u8),
    Cut(Index, usize),
    Truncate(Index),
    Insert(Index, &'static str),
    Delete(Index),
    Double(Index, usize),
    Swap(Index, Index),
    Splice(Index, usize, Index),
}

/// Mostly one that PTX has, so that a text with a few of them still gets through the lexer.
fn byte() -> impl Strategy<Value = u8> {
    let known = b"abcdefrstuvx%$_.:;,|!@<>()[]{}+-*~0123456789FU \n\t\"/=";
    prop_oneof![20 => select(known.as_slice()), 1 => any::<u8>()]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    prop_oneof![
        (place(), 0..7u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (place(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (place(), 1..40usize).prop_map(|(at, count)| Mutation::Cut(at, count)),
        place().prop_map(Mutation::Truncate),
        (place(), select(FRAGMENTS)).prop_map(|(at, text)| Mutation::Insert(at, text)),
        place().prop_map(Mutation::Delete),
        (place(), 1..30usize).prop_map(|(at, count)| Mutation::Double(at, count)),
        (place(), place()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        (place(), 0..SEEDS.len(), place())
            .prop_map(|(at, seed, from)| Mutation::Splice(at, seed, from)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Mutation::Replace(at, byte) => bytes[at.index(length)] = *byte,
            Mutation::Cut(at, count) => {
                let at = at.index(length);
                bytes.drain(at..length.min(at + count));
            }
            Mutation::Truncate(at) => bytes.truncate(at.index(length)),
            Mutation::Insert(at, text) => {
                let at = at.index(length);
                bytes.splice(at..at, text.bytes());
            }
            _ => self.apply_to_lines(bytes),
        }
    }

    fn apply_to_lines(&self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let count = lines.len();
        match self {
            Mutation::Delete(at) => {
                lines.remove(at.index(count));
            }
            Mutation::Double(at, times) => {
                let at = at.index(count);
                let copies = vec![lines[at]; *times];
                lines.splice(at..at, copies);
            }
            Mutation::Swap(a, b) => lines.swap(a.index(count), b.index(count)),
            Mutation::Splice(at, seed, from) => {
                let other: Vec<_> =
                    SEEDS[*seed].as_bytes().split_inclusive(|byte| *byte == b'\n').collect();
                let from = from.index(other.len());
                lines.truncate(at.index(count));
                lines.extend(&other[from..]);
            }
            _ => unreachable!("the others change bytes"),
        }
        *bytes = lines.concat();
    }
}

fn register() -> impl Strategy<Value = String> + Clone {
    "%[a-z]{1,2}[0-9]{1,3}|[a-z$][A-Za-z0-9_$]{0,6}|%(n?tid|laneid|clock64|r1\\.b0)(\\.[xyz])?"
}

/// No generated offset is 0 and no generated name `_`: those print like another operand.
fn operand(call: bool) -> impl Strategy<Value = Operand> {
    let offset = prop_oneof![-300..-1i64, 1..5000i64, Just(i64::MIN), Just(i64::MAX)];
    let named = || register().prop_map(Operand::Name);
    let base = prop_oneof![
        4 => (register(), prop_oneof![Just(0), offset.clone()]).prop_map(|(name, offset)| (Base::Name(name), offset)),
        1 => any::<u64>().prop_map(|address| (Base::Absolute(address), 0)),
    ];
    let element = prop_oneof![named(), Just(Operand::Sink)];
    let pair = (element.clone(), element.clone())
        .prop_map(|(first, second)| Operand::Pair(Box::new(first), Box::new(second)));
    let simple = prop_oneof![
        4 => named(),
        1 => register().prop_map(Operand::Not),
        1 => ("[a-z$][A-Za-z0-9_$]{0,6}", offset).prop_map(|(name, offset)| Operand::NameOffset(name, offset)),
        2 => any::<u64>().prop_map(Operand::Int),
        1 => (-20..20i64).prop_map(|value| Operand::Int(value.cast_unsigned())),
        1 => any::<u32>().prop_map(Operand::F32),
        1 => any::<u64>().prop_map(Operand::F64),
        2 => base.prop_map(|(base, offset)| Operand::Address { base, offset }),
        1 => pair,
        1 => Just(Operand::Sink),
    ];
    let vector = vec(simple.clone(), 1..9).prop_map(Operand::Vector);
    let list = vec(simple.clone(), 0..5).prop_map(Operand::List);
    prop_oneof![6 => simple, 1 => vector.clone(), u32::from(call) => list]
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let guard = ("%?[a-z][a-z0-9]{0,4}", any::<bool>())
        .prop_map(|(register, negated)| Guard { register, negated });
    let modifier = "[a-z][a-z0-9]{0,6}|m[0-9]{1,2}n8k8|(shared::c(ta|luster)|L2::[0-9]{2,3}B)";
    any::<bool>().prop_flat_map(move |call| {
        let opcode =
            if call { Just("call".to_owned()).boxed() } else { "[a-z][a-z0-9_]{1,5}".boxed() };
        let parts =
            (option::of(guard.clone()), opcode, vec(modifier, 0..6), vec(operand(call), 0..6));
        parts.prop_map(|(guard, opcode, modifiers, operands)| Instruction {
            guard,
            opcode,
            modifiers,
            operands,
            line: 0,
            source: None,
        })
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_bytes_do_no_harm(
        bytes in prop_oneof![vec(any::<u8>(), 0..300), vec(byte(), 0..40)],
        head in select(vec!["", ".version 9.0", ".version 9.0 .target a .entry k() {"]),
    ) {
        let bytes = [head.as_bytes(), &bytes].concat();
        check(&String::from_utf8_lossy(&bytes))?;
        let _answer = image::ptx_text(&bytes);
    }

    #[test]
    fn token_soup_does_no_harm(text in soup()) {
        check(&text)?;
    }

    #[test]
    fn paragraphs_in_any_order_do_no_harm(text in paragraphs()) {
        check(&text)?;
    }

    #[test]
    fn mutated_modules_do_no_harm(
        seed in 0..SEEDS.len(),
        mutations in vec(mutation(), 1..5),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        check(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn mutated_fatbins_do_no_harm(
        archs in vec((1..3u16, 70..125u32, any::<bool>()), 0..4),
        mutations in vec(mutation(), 0..8),
    ) {
        let mut bytes = seeds::fatbin(&archs);
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        if let Ok(text) = image::ptx_text(&bytes) {
            prop_assert!(!text.is_empty() && !text.contains('\0'));
            check(&text)?;
        }
    }

    #[test]
    fn a_printed_instruction_is_read_as_it_was(instructions in vec(instruction(), 1..12)) {
        let mut text = ".version 9.0\n.target sm_80\n.entry k()\n{\n".to_owned();
        for instruction in &instructions {
            text += &print::instruction(instruction);
            text.push('\n');
        }
        let module = parse(&(text.clone() + "}")).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let read = module.functions[0].body.as_ref().expect("a body");
        prop_assert_eq!(read.len(), instructions.len());
        for (line, (read, mut written)) in (5..).zip(read.iter().zip(instructions)) {
            written.line = line;
            prop_assert_eq!(read, &Statement::Instruction(written));
        }
    }
}

#[test]
fn the_seeds_are_modules_before_anything_happens_to_them() {
    for seed in SEEDS {
        let module = parse(seed).unwrap_or_else(|error| panic!("{error}\n{seed}"));
        assert!(module.functions.iter().any(|function| function.body.is_some()));
    }
    let text = image::ptx_text(&seeds::fatbin(&[(1, 90, false)])).map(|text| text.into_owned());
    assert_eq!(text.as_deref(), Ok(SEEDS[0]));
}

/// Each pattern in a row, a million bytes of it: hours where something is quadratic.
#[test]
fn time_is_linear_in_the_length_of_the_text() {
    let start = Instant::now();
    let patterns = [
        "{",
        "}",
        "(",
        "[",
        "[1]",
        "-",
        "~",
        "+1",
        ".x",
        ".x::y",
        "::",
        "@",
        "@p ",
        "a:",
        "a|",
        "a,",
        "\"",
        "\"\\\"",
        "/*",
        "/* */",
        "//",
        "\n",
        "0",
        "1.",
        "1e+",
        "0f3F800000 ",
        "%",
        "%r",
        "{x ",
        "x;",
        ".reg ",
        ".reg .b32 a;",
        ".loc 1 1 1 ",
        ".pragma \"a\";",
        ".extern ",
        ".align 4 ",
        "generic(",
        "é",
    ];
    let head = ".version 9.0\n.target sm_80\n";
    for pattern in patterns {
        let run = pattern.repeat(1_000_000 / pattern.len());
        for text in [
            format!("{head}{run}"),
            format!("{head}.entry k() {{ {run}"),
            format!("{head}.entry k() {{ x {run}"),
            format!("{head}.global .b32 x {run}"),
            format!("{head}.global .b64 x[9] = {{ {run}"),
            format!("{head}.section .a {{ {run}"),
        ] {
            let _answer = parse(&text);
        }
    }
    assert!(start.elapsed() < Duration::from_secs(300), "{:?}", start.elapsed());
}
