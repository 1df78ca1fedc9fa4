//! The parser on what nvcc writes, and the module images on what fatbinary writes.

mod print;
mod support;

use softgpu::error::LoadError;
use softgpu::ptx::ast::{Module, Statement};
use softgpu::ptx::{image, parse};
use std::path::{Path, PathBuf};
use support::{architectures, compile, every_file, fatbin, ptx};

/// The rarer constructs, then every kernel, at the lowest and the highest architecture: both dialects
/// of nvcc.
fn texts() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for arch in [75, 90, 100] {
        all.push((format!("parser.cu for compute_{arch}"), compile(&rare(), arch)));
    }
    for file in every_file() {
        let archs = architectures(&file);
        for arch in [archs.first(), archs.last()].into_iter().flatten() {
            all.push((format!("{file}.cu for compute_{arch}"), ptx(&file, *arch)));
        }
    }
    all
}

fn rare() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parser.cu")
}

fn instructions(module: &Module) -> impl Iterator<Item = &softgpu::ptx::ast::Instruction> {
    let statements =
        module.functions.iter().filter_map(|function| function.body.as_ref()).flatten();
    statements.filter_map(|statement| match statement {
        Statement::Instruction(instruction) => Some(instruction),
        _ => None,
    })
}

/// Without blanks, and without offsets of nothing, which the tree does not keep.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<String>().replace("+0]", "]")
}

/// The instructions of a text, found without the parser: what ends in a semicolon and does not start
/// with a dot, behind the brace of a body, labels and braces of scopes.
fn spelt(text: &str) -> Vec<String> {
    let code: Vec<_> = text
        .lines()
        .take_while(|line| !line.trim_start().starts_with(".section"))
        .filter(|line| {
            !line.trim_start().starts_with(".loc") && !line.trim_start().starts_with(".file")
        })
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let mut code = code.join("\n");
    while let Some((before, comment)) = code.split_once("/*") {
        let behind = comment.split_once("*/").map_or("", |(_, behind)| behind);
        code = format!("{before}{behind}");
    }
    let mut found = Vec::new();
    for piece in code.split(';') {
        let mut piece = piece.trim_start_matches(['}', ' ', '\t', '\n']);
        if piece.starts_with(".visible .entry")
            || piece.starts_with(".func")
            || piece.starts_with(".weak")
        {
            piece = piece.split_once('{').map_or("", |(_, body)| body);
        }
        loop {
            piece = piece.trim_start_matches(['{', '}', ' ', '\t', '\n']);
            match piece.split_once(':') {
                Some((label, behind)) if !label.trim_end().contains(['.', ' ', '\n']) => {
                    piece = behind
                }
                _ => break,
            }
        }
        if !piece.is_empty() && !piece.starts_with('.') {
            found.push(squeezed(piece) + ";");
        }
    }
    found
}

#[test]
fn no_instruction_of_nvcc_is_lost_or_changed() {
    let mut count = 0;
    for (name, text) in texts() {
        let module = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let parsed: Vec<_> =
            instructions(&module).map(|i| squeezed(&print::instruction(i))).collect();
        let expected = spelt(&text);
        for (parsed, expected) in parsed.iter().zip(&expected) {
            assert_eq!(parsed, expected, "{name}");
        }
        assert_eq!(parsed.len(), expected.len(), "{name}");
        count += parsed.len();
    }
    assert!(count > 1000, "only {count} instructions seen");
}

#[test]
fn every_instruction_of_nvcc_stands_in_the_line_it_claims() {
    for (name, text) in texts() {
        let module = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let lines: Vec<_> = text.lines().collect();
        let mut placed = 0;
        for instruction in instructions(&module) {
            let word = [std::slice::from_ref(&instruction.opcode), &instruction.modifiers]
                .concat()
                .join(".");
            let line = lines[instruction.line as usize - 1];
            assert!(
                line.contains(&word),
                "{name} line {}: {word} is not in {line}",
                instruction.line
            );
            placed += usize::from(instruction.source.is_some());
        }
        assert!(placed > 0, "{name}: -lineinfo, but no place in the source");
        let known = |file| module.files.iter().any(|(index, _)| *index == file);
        for instruction in instructions(&module) {
            assert!(
                instruction.source.is_none_or(|place| known(place.file)),
                "{name}: {instruction:?}"
            );
        }
    }
}

#[test]
fn a_fatbin_of_nvcc_gives_the_ptx_that_nvcc_writes_alone() {
    let made = fatbin("saxpy", &["compute_75", "compute_90", "compute_100", "sm_80"], "none");
    let text = image::ptx_text(&made).unwrap();
    let module = parse(&text).unwrap();
    assert_eq!(module.targets, ["sm_90"]);
    // fatbinary takes comments and indentation away, nothing else.
    let alone = parse(&ptx("saxpy", 90)).unwrap();
    let printed = |module| instructions(module).map(print::instruction).collect::<Vec<_>>();
    assert_eq!(printed(&module), printed(&alone));
    // SAFETY: the vector holds a complete fatbin.
    assert_eq!(unsafe { image::image_bytes(made.as_ptr().cast()) }.unwrap(), made);
}

#[test]
fn fatbins_of_nvcc_that_do_not_load_say_what_to_do() {
    let message = |archs: &[&str], mode: &str| match image::ptx_text(&fatbin("saxpy", archs, mode))
    {
        Err(LoadError::Image { what }) => what,
        other => panic!("{archs:?} {mode}: {other:?}"),
    };
    for mode in ["speed", "balance", "size"] {
        assert!(message(&["compute_80"], mode).contains("--compress-mode=none"));
    }
    assert!(message(&["sm_80", "sm_90"], "none").contains("code=compute_80"));
}
