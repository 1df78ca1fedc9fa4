//! Calls that leave the kernel: printf and assert.

use crate::exec::global::{self, Window};
use crate::exec::inst::{Inst, NONE};
use crate::exec::regs::LANES;
use crate::exec::warp::{Flow, Warp, lanes};
use crate::memory::{LOCAL_WINDOW, Place, SHARED_WINDOW};
use crate::sanitizer::FindingKind;

/// Longest string that is read from the device.
const LONGEST: usize = 4096;

/// Reads `size` ≤ 8 bytes at a generic address as one lane sees it.
fn peek(warp: &mut Warp, lane: usize, address: u64, size: usize) -> Option<u64> {
    let mut lanes = [0; LANES];
    lanes[lane] = address;
    let window = global::windows(&lanes, 1 << lane).into_iter().find(|(_, mask)| *mask != 0)?.0;
    match window {
        Window::Local => warp
            .state
            .local
            .load(lane, (address - LOCAL_WINDOW) as usize, size)
            .map(|(value, _)| value),
        Window::Shared => {
            let offset = (address - SHARED_WINDOW) as u32;
            let byte = |at: u32| {
                let inside = warp.block.shared.inside(at, 1);
                inside.then(|| u64::from(warp.block.shared.peek(at) >> (at % 4 * 8) & 0xFF))
            };
            (0..size as u32)
                .try_fold(0, |value, at| Some(value | byte(offset.wrapping_add(at))? << (8 * at)))
        }
        Window::Global => match warp.launch.memory.place(address) {
            Place::Live(found, offset) if offset + size <= found.bytes => {
                let byte = |at: usize| u64::from(found.byte(offset + at)) << (8 * at);
                Some((0..size).fold(0, |value, at| value | byte(at)))
            }
            _ => None,
        },
    }
}

fn text(warp: &mut Warp, lane: usize, address: u64) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST {
        match peek(warp, lane, address.wrapping_add(bytes.len() as u64), 1) {
            Some(0) | None => break,
            Some(byte) => bytes.push(byte as u8),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `vprintf(format, arguments)`. Operands: result (bytes of text) or NONE, format, arguments.
pub fn print(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let [result, format, arguments, ..] = inst.ops;
    let (formats, arguments) = (warp.regs.read::<u64>(format), warp.regs.read::<u64>(arguments));
    let mut written = [0u32; LANES];
    for lane in lanes(mask) {
        let format = text(warp, lane, formats[lane]);
        let line = formatted(warp, lane, &format, arguments[lane]);
        written[lane] = line.len() as u32;
        warp.worker.print(&line);
    }
    if result != NONE {
        warp.regs.write(result, mask, &written);
    }
    Flow::Next
}

/// One conversion of a format: flags, width, precision, letter.
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// Bytes of an integer argument: 8 with `l`, `ll`, `z`, `j`, `t`.
    long: bool,
    /// Number of `h`: the argument is converted to 16 or 8 bits.
    short: u32,
    letter: char,
}

/// printf's formatting (C11 7.21.6.1, the conversions CUDA supports). Arguments lie aligned to their
/// size one behind the other.
fn formatted(warp: &mut Warp, lane: usize, format: &str, mut arguments: u64) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut next = |warp: &mut Warp, size: u64| {
        arguments = arguments.wrapping_add(size - 1) & !(size - 1);
        let value = peek(warp, lane, arguments, size as usize).unwrap_or(0);
        arguments = arguments.wrapping_add(size);
        value
    };
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let mut conversion = Conversion {
            left: false,
            plus: false,
            space: false,
            alternate: false,
            zero: false,
            width: 0,
            precision: None,
            long: false,
            short: 0,
            letter: ' ',
        };
        while let Some(&flag) = chars.peek() {
            match flag {
                '-' => conversion.left = true,
                '+' => conversion.plus = true,
                ' ' => conversion.space = true,
                '#' => conversion.alternate = true,
                '0' => conversion.zero = true,
                _ => break,
            }
            chars.next();
        }
        let mut number = |warp: &mut Warp, chars: &mut std::iter::Peekable<std::str::Chars>| {
            if chars.peek() == Some(&'*') {
                chars.next();
                return next(warp, 4) as u32 as i32 as i64;
            }
            let mut value = 0i64;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                value = (value * 10 + i64::from(digit)).min(LONGEST as i64);
                chars.next();
            }
            value
        };
        let width = number(warp, &mut chars);
        conversion.left |= width < 0;
        conversion.width = width.unsigned_abs().min(LONGEST as u64) as usize;
        if chars.peek() == Some(&'.') {
            chars.next();
            let precision = number(warp, &mut chars);
            conversion.precision = usize::try_from(precision).ok().map(|p| p.min(LONGEST));
        }
        while let Some(&size) = chars.peek() {
            match size {
                'l' | 'z' | 'j' | 't' => conversion.long = true,
                'h' => conversion.short += 1,
                _ => break,
            }
            chars.next();
        }
        let Some(letter) = chars.next() else { break };
        conversion.letter = letter;
        let piece = match letter {
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' | 'c' => {
                let raw = next(warp, if conversion.long { 8 } else { 4 });
                integer(&conversion, raw)
            }
            'p' => match next(warp, 8) {
                0 => "(nil)".to_owned(),
                address => format!("{address:#x}"),
            },
            's' => {
                let address = next(warp, 8);
                let null = address == 0 && conversion.precision.is_none_or(|p| p >= 6);
                let text = if null { "(null)".to_owned() } else { text(warp, lane, address) };
                text.chars().take(conversion.precision.unwrap_or(usize::MAX)).collect()
            }
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A' => {
                float(&conversion, f64::from_bits(next(warp, 8)))
            }
            other => format!("%{other}"),
        };
        pad(&mut out, &conversion, &piece);
    }
    out
}

fn pad(out: &mut String, conversion: &Conversion, piece: &str) {
    let missing = conversion.width.saturating_sub(piece.chars().count());
    let finite = !piece.ends_with(['n', 'N', 'f', 'F']) || matches!(conversion.letter, 'x' | 'X');
    let numeric = !matches!(conversion.letter, 's' | 'c' | 'p') && finite;
    let integer = matches!(conversion.letter, 'd' | 'i' | 'u' | 'x' | 'X' | 'o');
    if conversion.left {
        out.push_str(piece);
        out.extend(std::iter::repeat_n(' ', missing));
    } else if conversion.zero && numeric && !(integer && conversion.precision.is_some()) {
        let signed = piece.trim_start_matches(['-', '+', ' ']);
        let hexadecimal = signed.strip_prefix("0x").or_else(|| signed.strip_prefix("0X"));
        let sign = piece.len() - hexadecimal.unwrap_or(signed).len();
        out.push_str(&piece[..sign]);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(&piece[sign..]);
    } else {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(piece);
    }
}

fn signed(conversion: &Conversion, negative: bool, digits: String) -> String {
    match (negative, conversion.plus, conversion.space) {
        (true, ..) => format!("-{digits}"),
        (false, true, _) => format!("+{digits}"),
        (false, false, true) => format!(" {digits}"),
        _ => digits,
    }
}

fn integer(conversion: &Conversion, raw: u64) -> String {
    if conversion.letter == 'c' {
        return char::from(raw as u8).to_string();
    }
    let (raw, value) = match (conversion.long, conversion.short) {
        (true, _) => (raw, raw as i64),
        (_, 0) => (raw & 0xFFFF_FFFF, i64::from(raw as i32)),
        (_, 1) => (raw & 0xFFFF, i64::from(raw as i16)),
        _ => (raw & 0xFF, i64::from(raw as i8)),
    };
    let (negative, digits) = match conversion.letter {
        'd' | 'i' => (value < 0, value.unsigned_abs().to_string()),
        'x' => (false, format!("{raw:x}")),
        'X' => (false, format!("{raw:X}")),
        'o' => (false, format!("{raw:o}")),
        _ => (false, raw.to_string()),
    };
    let least = conversion.precision.unwrap_or(1);
    let digits = if raw == 0 && least == 0 { String::new() } else { digits };
    let mut digits = format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())));
    if conversion.letter == 'o' && conversion.alternate && !digits.starts_with('0') {
        digits.insert(0, '0');
    }
    let prefix = match conversion.letter {
        'x' if conversion.alternate && raw != 0 => "0x",
        'X' if conversion.alternate && raw != 0 => "0X",
        _ => "",
    };
    match conversion.letter {
        'd' | 'i' => signed(conversion, negative, digits),
        _ => format!("{prefix}{digits}"),
    }
}

fn float(conversion: &Conversion, value: f64) -> String {
    let magnitude = value.abs();
    let precision = conversion.precision.unwrap_or(6);
    let digits = if !magnitude.is_finite() {
        if magnitude.is_nan() { "nan".to_owned() } else { "inf".to_owned() }
    } else {
        match conversion.letter.to_ascii_lowercase() {
            'f' => format!("{magnitude:.precision$}"),
            'e' => exponent(magnitude, precision),
            'a' => hexadecimal(magnitude, conversion.precision),
            _ => shortest(magnitude, precision.max(1), conversion.alternate),
        }
    };
    let digits =
        if conversion.alternate && magnitude.is_finite() { pointed(digits) } else { digits };
    let digits =
        if conversion.letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
    signed(conversion, value.is_sign_negative(), digits)
}

/// With the point that `#` asks for.
fn pointed(digits: String) -> String {
    if digits.contains('.') {
        return digits;
    }
    let exponent = if digits.starts_with("0x") { 'p' } else { 'e' };
    let at = digits.find(exponent).unwrap_or(digits.len());
    format!("{}.{}", &digits[..at], &digits[at..])
}

/// `d.ddde±dd` with at least two digits of exponent, as C writes it.
fn exponent(magnitude: f64, precision: usize) -> String {
    let rust = format!("{magnitude:.precision$e}");
    let (mantissa, power) = rust.split_once('e').unwrap_or((&rust, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

/// `0xh.hhhp±d` (C11 7.21.6.1): the digits as they are, or rounded to `precision` of them.
fn hexadecimal(magnitude: f64, precision: Option<usize>) -> String {
    let bits = magnitude.to_bits();
    let (stored, mut digits) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    let power = match (stored, digits) {
        (0, 0) => 0,
        (0, _) => -1022,
        _ => stored - 1023,
    };
    digits |= u64::from(stored != 0) << 52;
    if let Some(kept) = precision.filter(|&kept| kept < 13) {
        let cut = 52 - 4 * kept as u32;
        let (rest, half) = (digits & ((1 << cut) - 1), 1u64 << (cut - 1));
        digits >>= cut;
        digits += u64::from(rest > half || rest == half && digits & 1 == 1);
        digits <<= cut;
    }
    let fraction = format!("{:013x}", digits & ((1 << 52) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(kept) => format!("{fraction:0<kept$}")[..kept].to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("0x{:x}{point}{fraction}p{power:+}", digits >> 52)
}

fn shortest(magnitude: f64, precision: usize, keep_zeros: bool) -> String {
    let scientific = exponent(magnitude, precision - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, p)| p.parse().ok()).unwrap_or(0);
    let trim = |text: &str| {
        if keep_zeros || !text.contains('.') {
            return text.to_owned();
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if power < -4 || power >= precision as i32 {
        let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{power}", trim(mantissa));
    }
    let decimals = (precision as i32 - 1 - power).max(0) as usize;
    trim(&format!("{magnitude:.decimals$}"))
}

/// `__assertfail(message, file, line, function, char size)`. Operands in this order.
pub fn assert_fail(warp: &mut Warp, inst: &Inst, mask: u32) -> Flow {
    let lane = mask.trailing_zeros() as usize;
    let [message, file, line, function, ..] = inst.ops;
    let address = |slot: i32| warp.regs.read::<u64>(slot)[lane];
    let (message, file, function) = (address(message), address(file), address(function));
    let line = warp.regs.read::<u32>(line)[lane];
    let (message, file, function) =
        (text(warp, lane, message), text(warp, lane, file), text(warp, lane, function));
    let what = format!("{file}:{line}: {function}: Assertion `{message}` failed");
    warp.found(FindingKind::Assert, lane as u32, what)
}
