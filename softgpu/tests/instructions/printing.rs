//! vprintf's formatting against the C library's snprintf, called with the same arguments.

use std::ffi::{CString, c_char, c_int};

use softgpu::{Dim3, Gpu, Options};

use super::machine::HEADER;

unsafe extern "C" {
    fn snprintf(to: *mut c_char, room: usize, format: *const c_char, ...) -> c_int;
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Int(u32),
    Long(u64),
    Double(f64),
}

fn by_c(format: &str, value: Value) -> String {
    let format = CString::new(format).unwrap();
    let mut out = vec![0u8; 2000];
    let to = out.as_mut_ptr().cast();
    // SAFETY: the buffer has the room given, and the value is of the type that the format names.
    let length = unsafe {
        match value {
            Value::Int(v) => snprintf(to, out.len(), format.as_ptr(), v),
            Value::Long(v) => snprintf(to, out.len(), format.as_ptr(), v),
            Value::Double(v) => snprintf(to, out.len(), format.as_ptr(), v),
        }
    };
    out.truncate(length as usize);
    String::from_utf8(out).unwrap()
}

/// One launch prints all cases, one on a line.
fn by_device(cases: &[(String, Value)]) -> Vec<String> {
    let gpu = Gpu::new(Options::default());
    let mut formats = Vec::new();
    let mut arguments: Vec<u64> = Vec::new();
    let mut calls = String::new();
    for (format, value) in cases {
        let (at, argument) = (formats.len(), 8 * arguments.len());
        formats.extend(format.bytes().chain([b'\n', 0]));
        arguments.push(match *value {
            Value::Int(v) => u64::from(v) | 0xDEAD_BEEF << 32,
            Value::Long(v) => v,
            Value::Double(v) => v.to_bits(),
        });
        calls += &format!(
            "{{ .param .b64 f; .param .b64 a; .param .b32 r;\nadd.u64 %rd3, %rd1, {at};\n\
             add.u64 %rd4, %rd2, {argument};\nst.param.b64 [f], %rd3;\nst.param.b64 [a], %rd4;\n\
             call.uni (r), vprintf, (f, a);\n}}\n"
        );
    }
    let text = format!(
        "{HEADER}.extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n\
         .visible .entry k(.param .u64 formats, .param .u64 arguments) {{\n.reg .b64 %rd<5>;\n\
         ld.param.u64 %rd1, [formats];\nld.param.u64 %rd2, [arguments];\n{calls}ret;\n}}\n"
    );
    let module = gpu.load_ptx(&text).unwrap();
    let args = [gpu.upload(&formats).unwrap().into(), gpu.upload(&arguments).unwrap().into()];
    let report = gpu.launch(&module, "k", Dim3::x(1), Dim3::x(1), 0, &args).unwrap();
    report.printed.lines().map(str::to_owned).collect()
}

fn compare(cases: Vec<(String, Value)>) {
    let ours = by_device(&cases);
    assert_eq!(ours.len(), cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .zip(&ours)
        .filter_map(|((format, value), ours)| {
            let theirs = by_c(format, *value);
            (*ours != theirs).then(|| format!("{format:?} of {value:?}: {ours:?}, C: {theirs:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), ours.len(), wrong.join("\n"));
}

const FLAGS: [&str; 12] = ["", "-", "0", "+", " ", "#", "#0", "+0", "-#", " 0", "+-", "# "];
const SIZES: [&str; 8] = ["", "1", "12", ".0", ".1", ".5", "14.3", "9.0"];

#[test]
fn integers_print_as_in_c() {
    let mut cases = Vec::new();
    for (letter, flags) in
        ["d", "i", "u", "x", "X", "o"].iter().flat_map(|l| FLAGS.iter().map(move |f| (l, f)))
    {
        // Flags that C leaves undefined for the conversion.
        if flags.contains('#') && "diu".contains(letter) {
            continue;
        }
        for size in SIZES {
            for value in [0u32, 1, 9, 255, 0x8000_0000, u32::MAX, 12_345_678] {
                cases.push((format!("<%{flags}{size}{letter}>"), Value::Int(value)));
            }
            for value in [0u64, 77, u64::MAX, 1 << 63, 0x1234_5678_9ABC_DEF0] {
                cases.push((format!("<%{flags}{size}ll{letter}>"), Value::Long(value)));
            }
            cases.push((format!("<%{flags}{size}h{letter}>"), Value::Int(0x1_FFFE)));
            cases.push((format!("<%{flags}{size}hh{letter}>"), Value::Int(0x1_80)));
        }
    }
    compare(cases);
}

#[test]
fn floats_print_as_in_c() {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        1.0 / 3.0,
        2.5,
        9.995,
        99_999.95,
        123_456.0,
        1_234_567.0,
        1e-4,
        9.99e-5,
        -1e100,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        1.999_999_999_9,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
    ];
    let mut cases = Vec::new();
    for letter in ["f", "e", "g", "F", "E", "G", "a", "A"] {
        for (flags, size) in FLAGS.iter().flat_map(|f| SIZES.iter().map(move |s| (f, s))) {
            for value in values {
                // glibc drops the zeros that `#` keeps where %g rounds up to a power of ten.
                if value == 99_999.95 && flags.contains('#') && "gG".contains(letter) {
                    continue;
                }
                cases.push((format!("<%{flags}{size}{letter}>"), Value::Double(value)));
            }
        }
    }
    compare(cases);
}

#[test]
fn characters_pointers_and_null_strings_print_as_in_c() {
    let mut cases = vec![];
    for size in ["", "5", "-5"] {
        cases.push((format!("<%{size}c>"), Value::Int(u32::from(b'q'))));
        cases.push((format!("<%{size}p>"), Value::Long(0x1234)));
        cases.push((format!("<%{size}p>"), Value::Long(0)));
        cases.push((format!("<%{size}s>"), Value::Long(0)));
        cases.push((format!("<%{size}.3s>"), Value::Long(0)));
    }
    compare(cases);
}
