//! What a caller hands to `cuModuleLoadData`: PTX text or a fatbin, found by its first bytes.
//!
//! A fatbin is a header and then entries in a row, all little-endian. No document describes it; this
//! is what fatbinary 13.0 writes:
//!
//! | Header | | Entry | |
//! |---|---|---|---|
//! | 0 | u32 magic, `0xBA55ED50` | 0 | u16 kind: 1 PTX, 2 ELF |
//! | 4 | u16 version, 1 | 4 | u32 bytes of this head, payload behind it |
//! | 6 | u16 bytes of the header, 16 | 8 | u64 bytes of the payload, padding included |
//! | 8 | u64 bytes of the entries | 28 | u32 architecture, 90 for sm_90 and sm_90a |
//! | | | 40 | u64 flags: 0x2000 LZ4, 0x8000 Zstandard, 0x10_0000 the `a` of sm_90a |

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};

use crate::error::LoadError;

const FATBIN: u32 = 0xba55_ed50;
/// First word of the structure that nvcc's host code points to (`__fatBinC_Wrapper_t`).
const WRAPPER: u32 = 0x4662_43b1;
const ELF: u32 = u32::from_le_bytes(*b"\x7fELF");

const HEADER: usize = 16;
const SHORTEST_ENTRY: usize = 64;
const KIND_PTX: u16 = 1;
const KIND_ELF: u16 = 2;
const FLAG_LZ4: u64 = 0x2000;
const FLAG_ZSTD: u64 = 0x8000;
const FLAG_SPECIFIC: u64 = 0x10_0000;

/// The architecture whose PTX is taken where a fatbin holds several: that of the device.
const NEWEST: u32 = 90;

/// PTX of a fatbin, still as its entry says.
struct Entry<'a> {
    arch: u32,
    flags: u64,
    payload: &'a [u8],
}

/// The PTX in an image: text up to its first NUL, or the best entry of a fatbin. That is the entry of
/// the highest architecture up to sm_90, or of the lowest one where all are newer. Of `sm_90` and
/// `sm_90a` it is `sm_90`, which needs no instruction that only one generation has.
///
/// Bytes that are not UTF-8 (comments and file names may hold some) become U+FFFD.
///
/// # Errors
/// [`LoadError::Image`] for a fatbin that is cut short, compressed, or holds no PTX, for a cubin, and
/// for an empty image. The message says how to make an image that loads.
pub fn ptx_text(image: &[u8]) -> Result<Cow<'_, str>, LoadError> {
    match magic(image) {
        Some(FATBIN) => return text(best(fatbin(image)?)?),
        Some(ELF) => return Err(machine_code()),
        _ => {}
    }
    text(image)
}

/// The bytes of the image that a pointer leads to, of which the caller knows the start alone: a
/// fatbin of the size that its header says, the fatbin that a `__fatBinC_Wrapper_t` points to, or text
/// without its NUL.
///
/// # Errors
/// [`LoadError::Image`] for a null pointer, a cubin, and a fatbin of another version.
///
/// # Safety
/// `pointer` is null, or it leads to one of these three, complete, and to memory that stays readable
/// and unchanged for `'a`.
pub unsafe fn image_bytes<'a>(pointer: *const c_void) -> Result<&'a [u8], LoadError> {
    // SAFETY: as the caller has promised.
    let (magic, start) = unsafe { first_word(pointer.cast()) }?;
    match magic {
        // SAFETY: as the caller has promised; the first word is that of a fatbin.
        Some(FATBIN) => unsafe { fatbin_bytes(start) },
        Some(WRAPPER) => {
            // SAFETY: the structure has the fields i32, i32, pointer, pointer; the third of these
            // lies at byte 8 whatever the alignment of its start.
            let inner: *const u8 = unsafe { start.add(8).cast::<*const u8>().read_unaligned() };
            // SAFETY: the caller has promised that a wrapper leads to a fatbin.
            match unsafe { first_word(inner) }? {
                // SAFETY: the same.
                (Some(FATBIN), start) => unsafe { fatbin_bytes(start) },
                _ => Err(LoadError::image("the fatbin wrapper does not lead to a fatbin")),
            }
        }
        Some(ELF) => Err(machine_code()),
        // SAFETY: what is none of the others is text with a NUL at its end.
        _ => Ok(unsafe { CStr::from_ptr(start.cast::<c_char>()) }.to_bytes()),
    }
}

/// The first four bytes as a number; `None` where a NUL ends them early.
///
/// # Safety
/// `start` is null or leads to four readable bytes, or to fewer of which the last is NUL.
unsafe fn first_word(start: *const u8) -> Result<(Option<u32>, *const u8), LoadError> {
    if start.is_null() {
        return Err(LoadError::image("the pointer to the module is null"));
    }
    let mut bytes = [0; 4];
    for (index, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: no byte before this one was NUL, so this one is readable.
        *byte = unsafe { start.add(index).read() };
        if *byte == 0 {
            return Ok((None, start));
        }
    }
    Ok((Some(u32::from_le_bytes(bytes)), start))
}

/// # Safety
/// `start` leads to a complete fatbin that stays readable and unchanged for `'a`.
unsafe fn fatbin_bytes<'a>(start: *const u8) -> Result<&'a [u8], LoadError> {
    // SAFETY: a complete fatbin has a header.
    let header = unsafe { std::slice::from_raw_parts(start, HEADER) };
    let size = fatbin_size(header)?;
    // SAFETY: a complete fatbin is as long as its header says, and no object is longer than `isize`
    // can say, which `fatbin_size` has checked.
    Ok(unsafe { std::slice::from_raw_parts(start, size) })
}

/// Bytes of a whole fatbin, from its header.
fn fatbin_size(header: &[u8]) -> Result<usize, LoadError> {
    let (Some(version), Some(length), Some(entries)) =
        (u16_at(header, 4), u16_at(header, 6), u64_at(header, 8))
    else {
        return Err(cut());
    };
    if version != 1 || usize::from(length) < HEADER {
        let what =
            format!("a fatbin of version {version} with a header of {length} bytes is not known");
        return Err(LoadError::image(what));
    }
    let size = u64::from(length).checked_add(entries);
    let size = size.and_then(|size| isize::try_from(size).ok());
    size.map(isize::cast_unsigned).ok_or_else(cut)
}

/// Every PTX entry of a fatbin; an error where there is none.
fn fatbin(image: &[u8]) -> Result<Vec<Entry<'_>>, LoadError> {
    let size = fatbin_size(image)?;
    let mut rest =
        image.get(usize::from(u16_at(image, 6).ok_or_else(cut)?)..size).ok_or_else(cut)?;
    let (mut found, mut has_code) = (Vec::new(), false);
    while !rest.is_empty() {
        let (Some(kind), Some(head), Some(bytes), Some(arch), Some(flags)) =
            (u16_at(rest, 0), u32_at(rest, 4), u64_at(rest, 8), u32_at(rest, 28), u64_at(rest, 40))
        else {
            return Err(cut());
        };
        let head = usize::try_from(head).ok().filter(|head| *head >= SHORTEST_ENTRY);
        let head =
            head.ok_or_else(|| LoadError::image("an entry of the fatbin has too short a head"))?;
        let end = usize::try_from(bytes).ok().and_then(|bytes| head.checked_add(bytes));
        let end = end.filter(|end| *end <= rest.len()).ok_or_else(cut)?;
        let (entry, behind) = rest.split_at(end);
        if kind == KIND_PTX {
            found.push(Entry { arch, flags, payload: entry.get(head..).ok_or_else(cut)? });
        }
        has_code |= kind == KIND_ELF;
        rest = behind;
    }
    match (found.is_empty(), has_code) {
        (false, _) => Ok(found),
        (true, true) => Err(machine_code()),
        (true, false) => Err(LoadError::image(format!("the fatbin holds no PTX; {HOW_TO_EMBED}"))),
    }
}

/// The entry whose architecture suits the device best, as bytes of text.
fn best(entries: Vec<Entry<'_>>) -> Result<&[u8], LoadError> {
    let rank = |entry: &Entry<'_>| {
        let specific = entry.flags & FLAG_SPECIFIC != 0;
        // Those that are not too new first, newest first; then the others, oldest first.
        let distance = entry.arch.abs_diff(NEWEST);
        (entry.arch > NEWEST, distance, specific)
    };
    let entry = entries.into_iter().min_by_key(rank);
    let entry = entry.ok_or_else(|| LoadError::image("the fatbin holds no PTX"))?;
    if entry.flags & (FLAG_LZ4 | FLAG_ZSTD) == 0 {
        return Ok(entry.payload);
    }
    Err(LoadError::image(format!(
        "the PTX for sm_{} in the fatbin is compressed; compile with nvcc --compress-mode=none",
        entry.arch
    )))
}

fn text(bytes: &[u8]) -> Result<Cow<'_, str>, LoadError> {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Err(LoadError::image("it is empty; PTX text or an uncompressed fatbin is wanted"));
    }
    Ok(String::from_utf8_lossy(text))
}

const HOW_TO_EMBED: &str = "compile it in with nvcc -gencode arch=compute_80,code=compute_80 \
     --compress-mode=none (any architecture from compute_75 up)";

fn machine_code() -> LoadError {
    LoadError::image(format!(
        "it holds machine code of one GPU (a cubin) and no PTX, which is what this device executes; \
         {HOW_TO_EMBED}"
    ))
}

fn cut() -> LoadError {
    LoadError::image("the fatbin is cut short: it is not as long as its sizes say")
}

fn magic(image: &[u8]) -> Option<u32> {
    u32_at(image, 0)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry with a head of `head` bytes, laid out as the table above says.
    fn entry(kind: u16, arch: u32, flags: u64, head: usize, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; head];
        bytes[0..2].copy_from_slice(&kind.to_le_bytes());
        bytes[2..4].copy_from_slice(&0x0101u16.to_le_bytes());
        bytes[4..8].copy_from_slice(&(head as u32).to_le_bytes());
        bytes[8..16].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes[28..32].copy_from_slice(&arch.to_le_bytes());
        bytes[40..48].copy_from_slice(&flags.to_le_bytes());
        [bytes, payload.to_vec()].concat()
    }

    fn ptx(arch: u32, text: &str) -> Vec<u8> {
        entry(KIND_PTX, arch, 0x11, 80, format!("{text}\0\0").as_bytes())
    }

    fn file(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = vec![0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0];
        bytes.extend((body.len() as u64).to_le_bytes());
        [bytes, body].concat()
    }

    fn message(image: &[u8]) -> String {
        match ptx_text(image) {
            Err(LoadError::Image { what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_ends_at_its_nul_or_its_last_byte() {
        assert_eq!(ptx_text(b".version 9.0").unwrap(), ".version 9.0");
        assert_eq!(ptx_text(b".version 9.0\0").unwrap(), ".version 9.0");
        assert_eq!(ptx_text(b"// a\0rubbish\xff").unwrap(), "// a");
        assert_eq!(ptx_text(b"// caf\xe9").unwrap(), "// caf\u{fffd}");
        for empty in [&b""[..], b"\0", b"\0\0\0\0abc"] {
            assert!(message(empty).contains("empty"));
        }
    }

    #[test]
    fn the_newest_architecture_that_is_not_too_new_is_taken() {
        let pick = |archs: &[u32]| {
            let entries: Vec<_> =
                archs.iter().map(|arch| ptx(*arch, &format!("sm_{arch}"))).collect();
            ptx_text(&file(&entries)).unwrap().into_owned()
        };
        assert_eq!(pick(&[75, 90, 80]), "sm_90");
        assert_eq!(pick(&[100, 75, 89, 120]), "sm_89");
        assert_eq!(pick(&[120, 103, 100]), "sm_100");
        assert_eq!(pick(&[91, 75]), "sm_75");
    }

    #[test]
    fn plain_ptx_wins_over_that_of_one_generation() {
        let specific = entry(KIND_PTX, 90, 0x10_0011, 104, b"special");
        assert_eq!(ptx_text(&file(&[specific.clone(), ptx(90, "plain")])).unwrap(), "plain");
        assert_eq!(ptx_text(&file(&[specific, ptx(80, "older")])).unwrap(), "special");
    }

    #[test]
    fn machine_code_beside_the_ptx_is_passed_over() {
        let code = entry(KIND_ELF, 90, 0x11, 64, b"\x7fELF\x02");
        assert_eq!(ptx_text(&file(&[code.clone(), ptx(80, "text")])).unwrap(), "text");
        assert!(message(&file(std::slice::from_ref(&code))).contains("code=compute_80"));
        assert!(message(b"\x7fELF\x02\x01").contains("code=compute_80"));
        assert!(message(&file(&[])).contains("no PTX"));
    }

    #[test]
    fn compressed_ptx_is_refused_with_the_way_out() {
        for flag in [FLAG_LZ4, FLAG_ZSTD] {
            let packed = entry(KIND_PTX, 90, 0x11 | flag, 80, b"(\xb5/\xfd");
            let what = message(&file(&[ptx(80, "older"), packed]));
            assert!(what.contains("--compress-mode=none") && what.contains("sm_90"), "{what}");
        }
    }

    #[test]
    fn every_cut_and_every_wrong_size_is_an_error() {
        let whole = file(&[ptx(80, "one"), ptx(90, "two")]);
        assert_eq!(ptx_text(&whole).unwrap(), "two");
        for length in 4..whole.len() {
            message(&whole[..length]);
        }
        let mut wrong = whole.clone();
        for (place, value) in
            [(8, 0xff), (15, 0xff), (20, 63), (24, 0xff), (31, 0x7f), (4, 2), (6, 15)]
        {
            wrong.copy_from_slice(&whole);
            wrong[place] = value;
            message(&wrong);
        }
    }

    #[test]
    fn a_pointer_to_each_kind_of_image_finds_its_end() {
        // SAFETY: every pointer leads to a complete image that outlives the borrow.
        let bytes = |start: *const u8| unsafe { image_bytes(start.cast()) };
        let text = b".version 9.0\0.rest";
        assert_eq!(bytes(text.as_ptr()).unwrap(), b".version 9.0");
        assert_eq!(bytes(c"ab".to_bytes_with_nul().as_ptr()).unwrap(), b"ab");
        assert_eq!(bytes(c"".to_bytes_with_nul().as_ptr()).unwrap(), b"");

        let fatbin = file(&[ptx(80, "one")]);
        let longer = [fatbin.clone(), vec![7; 9]].concat();
        assert_eq!(bytes(longer.as_ptr()).unwrap(), fatbin);

        #[repr(C)]
        struct Wrapper(u32, u32, *const u8, *const u8);
        let wrapper = Wrapper(WRAPPER, 1, longer.as_ptr(), std::ptr::null());
        assert_eq!(bytes((&raw const wrapper).cast()).unwrap(), fatbin);
        for inner in [std::ptr::null(), text.as_ptr(), (&raw const wrapper).cast()] {
            let wrong = Wrapper(WRAPPER, 1, inner, std::ptr::null());
            assert!(matches!(bytes((&raw const wrong).cast()), Err(LoadError::Image { .. })));
        }
        assert!(matches!(bytes(std::ptr::null()), Err(LoadError::Image { .. })));
        assert!(matches!(bytes(b"\x7fELF\x02".as_ptr()), Err(LoadError::Image { .. })));
    }
}
