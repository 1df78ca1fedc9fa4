//! Kernel arguments on the command line: `f32=2.5`, `f32[1024]=random:7`, `i32[64]=@file.bin`.

use std::fmt::Write as _;
use std::str::FromStr;

/// Type of an argument or of a buffer's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

const NAMES: [(&str, Type, usize); 12] = [
    ("u8", Type::U8, 1),
    ("i8", Type::I8, 1),
    ("u16", Type::U16, 2),
    ("i16", Type::I16, 2),
    ("u32", Type::U32, 4),
    ("i32", Type::I32, 4),
    ("u64", Type::U64, 8),
    ("i64", Type::I64, 8),
    ("f16", Type::F16, 2),
    ("bf16", Type::Bf16, 2),
    ("f32", Type::F32, 4),
    ("f64", Type::F64, 8),
];

impl Type {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        NAMES.iter().find(|(_, ty, _)| *ty == self).map_or(4, |(.., bytes)| *bytes)
    }

    /// The bytes of a number written in decimal.
    fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        fn parse<T: FromStr>(text: &str) -> Result<T, String> {
            text.parse().map_err(|_| format!("`{text}` is no number of this type"))
        }
        Ok(match self {
            Type::U8 => parse::<u8>(text)?.to_le_bytes().to_vec(),
            Type::I8 => parse::<i8>(text)?.to_le_bytes().to_vec(),
            Type::U16 => parse::<u16>(text)?.to_le_bytes().to_vec(),
            Type::I16 => parse::<i16>(text)?.to_le_bytes().to_vec(),
            Type::U32 => parse::<u32>(text)?.to_le_bytes().to_vec(),
            Type::I32 => parse::<i32>(text)?.to_le_bytes().to_vec(),
            Type::U64 => parse::<u64>(text)?.to_le_bytes().to_vec(),
            Type::I64 => parse::<i64>(text)?.to_le_bytes().to_vec(),
            Type::F16 => half::f16::from_f64(parse(text)?).to_le_bytes().to_vec(),
            Type::Bf16 => half::bf16::from_f64(parse(text)?).to_le_bytes().to_vec(),
            Type::F32 => parse::<f32>(text)?.to_le_bytes().to_vec(),
            Type::F64 => parse::<f64>(text)?.to_le_bytes().to_vec(),
        })
    }

    /// A number as text. `bytes` are as many as the type has.
    fn decode(self, bytes: &[u8]) -> String {
        let bits = bytes.iter().rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        match self {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => bits.to_string(),
            Type::I8 => (bits as i8).to_string(),
            Type::I16 => (bits as i16).to_string(),
            Type::I32 => (bits as i32).to_string(),
            Type::I64 => (bits as i64).to_string(),
            Type::F16 => half::f16::from_bits(bits as u16).to_string(),
            Type::Bf16 => half::bf16::from_bits(bits as u16).to_string(),
            Type::F32 => f32::from_bits(bits as u32).to_string(),
            Type::F64 => f64::from_bits(bits).to_string(),
        }
    }
}

/// What a buffer holds at first.
#[derive(Clone, Debug, PartialEq)]
pub enum Fill {
    /// Nothing: never written.
    Fresh,
    /// 0, 1, 2, …
    Iota,
    /// Evenly spread numbers from a seed: −1…1 for floats, all bits for integers.
    Random(u64),
    Value(String),
    File(String),
}

/// One kernel argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    Scalar { bytes: Vec<u8> },
    Buffer { ty: Type, count: usize, fill: Fill },
}

impl FromStr for Argument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, value) = match text.split_once('=') {
            Some((head, value)) => (head, Some(value)),
            None => (text, None),
        };
        let (name, count) = match head.split_once('[') {
            Some((name, rest)) => {
                let number = rest.strip_suffix(']').and_then(|number| number.parse::<usize>().ok());
                let number = number.filter(|&number| number > 0);
                (name, Some(number.ok_or_else(|| format!("`{head}`: expected TYPE[COUNT]"))?))
            }
            None => (head, None),
        };
        let known = NAMES.iter().find(|(known, ..)| *known == name);
        let ty = known.map(|(_, ty, _)| *ty).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, ..)| *name).collect();
            format!("`{name}` is no type; types are {}", names.join(", "))
        })?;
        let Some(count) = count else {
            let value =
                value.ok_or_else(|| format!("`{text}`: a scalar needs a value, as in {name}=1"))?;
            return Ok(Argument::Scalar { bytes: ty.encode(value)? });
        };
        let fill = match value {
            None => Fill::Fresh,
            Some("iota") => Fill::Iota,
            Some("random") => Fill::Random(0),
            Some(value) => match (value.strip_prefix("random:"), value.strip_prefix('@')) {
                (Some(seed), _) => {
                    Fill::Random(seed.parse().map_err(|_| format!("`{seed}` is no seed"))?)
                }
                (_, Some(file)) => Fill::File(file.to_owned()),
                _ => {
                    ty.encode(value)?;
                    Fill::Value(value.to_owned())
                }
            },
        };
        Ok(Argument::Buffer { ty, count, fill })
    }
}

/// The first bytes of a buffer; `None` for one that stays unwritten.
///
/// # Errors
/// A file that cannot be read or is of another size, an element that does not fit its type.
pub fn contents(ty: Type, count: usize, fill: &Fill) -> Result<Option<Vec<u8>>, String> {
    let bytes = count.checked_mul(ty.bytes()).ok_or("a buffer too large for this machine")?;
    match fill {
        Fill::Fresh => Ok(None),
        Fill::Value(value) => Ok(Some(ty.encode(value)?.repeat(count))),
        Fill::Iota => {
            let each = |at: usize| ty.encode(&at.to_string()).map_err(|e| format!("iota: {e}"));
            Ok(Some((0..count).map(each).collect::<Result<Vec<_>, _>>()?.concat()))
        }
        Fill::Random(seed) => Ok(Some(random(ty, count, *seed))),
        Fill::File(path) => {
            let data = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
            if data.len() != bytes {
                return Err(format!("{path} has {} bytes, the buffer {bytes}", data.len()));
            }
            Ok(Some(data))
        }
    }
}

fn random(ty: Type, count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        softgpu::exec::launch::mix(state)
    };
    let float = |bits: u64| (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    let mut out = Vec::with_capacity(count * ty.bytes());
    for _ in 0..count {
        let bits = next();
        match ty {
            Type::F16 => out.extend(half::f16::from_f64(float(bits)).to_le_bytes()),
            Type::Bf16 => out.extend(half::bf16::from_f64(float(bits)).to_le_bytes()),
            Type::F32 => out.extend((float(bits) as f32).to_le_bytes()),
            Type::F64 => out.extend(float(bits).to_le_bytes()),
            _ => out.extend(&bits.to_le_bytes()[..ty.bytes()]),
        }
    }
    out
}

/// Numbers of a buffer as text, eight a line.
pub fn show(ty: Type, bytes: &[u8]) -> String {
    let mut out = String::new();
    for (line, numbers) in bytes.chunks(8 * ty.bytes()).enumerate() {
        let _ = write!(out, "  {:>8}:", line * 8);
        for number in numbers.chunks_exact(ty.bytes()) {
            let _ = write!(out, " {}", ty.decode(number));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_written_or_refused_with_the_reason() {
        assert_eq!(
            "f32=2.5".parse(),
            Ok(Argument::Scalar { bytes: 2.5f32.to_le_bytes().to_vec() })
        );
        assert_eq!("i16=-2".parse(), Ok(Argument::Scalar { bytes: vec![0xFE, 0xFF] }));
        let buffer = |fill| Ok(Argument::Buffer { ty: Type::U32, count: 3, fill });
        assert_eq!("u32[3]".parse(), buffer(Fill::Fresh));
        assert_eq!("u32[3]=iota".parse(), buffer(Fill::Iota));
        assert_eq!("u32[3]=random:9".parse(), buffer(Fill::Random(9)));
        assert_eq!("u32[3]=@a.bin".parse(), buffer(Fill::File("a.bin".into())));
        for wrong in
            ["f31=2", "f32", "f32[0]", "f32[x]=1", "u8=256", "u8[2]=300", "f32[4]=random:x"]
        {
            assert!(wrong.parse::<Argument>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_buffer_is_shown_as_it_was_filled() {
        let bytes = contents(Type::I16, 10, &Fill::Iota).unwrap().unwrap();
        assert_eq!(show(Type::I16, &bytes), "         0: 0 1 2 3 4 5 6 7\n         8: 8 9\n");
        assert_eq!(contents(Type::F64, 2, &Fill::Value("0.5".into())).unwrap().unwrap().len(), 16);
    }
}
