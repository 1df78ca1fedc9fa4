//! Copies and fills, of one dimension and two.

use std::sync::Arc;

use super::error::{Answer, Code, fail};
use crate::memory::{Allocation, Kind, LOCAL_WINDOW, Memory, Place};

/// Above every address that the device hands out, below every address that Linux gives a program's
/// libraries, heap and stacks.
const DEVICE_END: u64 = 0x4000_0000_0000;
/// Bytes copied at once.
const CHUNK: usize = 1 << 16;

/// One side of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// An address of this process, exposed; pinned memory is recognised.
    Host(u64),
    Device(u64),
    /// What it is shows from the address.
    Unified(u64),
}

/// `height` rows of `width` bytes, `pitch` bytes from one to the next.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    pub to: Side,
    pub to_pitch: usize,
    pub from: Side,
    pub from_pitch: usize,
    pub width: usize,
    pub height: usize,
}

impl Copy {
    pub fn linear(to: Side, from: Side, bytes: usize) -> Self {
        Self { to, to_pitch: bytes, from, from_pitch: bytes, width: bytes, height: 1 }
    }

    /// Whether both sides are there.
    ///
    /// # Errors
    /// CUDA_ERROR_INVALID_VALUE.
    pub fn check(&self, memory: &Memory) -> Answer {
        if self.width == 0 || self.height == 0 {
            return Ok(());
        }
        End::find(memory, self.to, self.to_pitch, self.width, self.height)?;
        End::find(memory, self.from, self.from_pitch, self.width, self.height)?;
        Ok(())
    }

    /// Copies. Bytes of the source that were never written are unwritten in a device destination, and
    /// 0xFF in one of the host.
    ///
    /// # Errors
    /// As [`Copy::check`].
    pub fn run(&self, memory: &Memory) -> Answer {
        if self.width == 0 || self.height == 0 {
            return Ok(());
        }
        let to = End::find(memory, self.to, self.to_pitch, self.width, self.height)?;
        let from = End::find(memory, self.from, self.from_pitch, self.width, self.height)?;
        let mut buffer = vec![0; self.width.min(CHUNK)];
        for row in 0..self.height {
            for start in (0..self.width).step_by(CHUNK) {
                let count = (self.width - start).min(CHUNK);
                let chunk = &mut buffer[..count];
                let source = row * self.from_pitch + start;
                let target = row * self.to_pitch + start;
                from.read(source, chunk);
                to.write(target, chunk);
                if let (End::Device(to, to_base), End::Device(from, from_base)) = (&to, &from) {
                    let written = from.is_written(from_base + source, count);
                    for byte in (0..count).filter(|_| !written) {
                        if !from.is_written(from_base + source + byte, 1) {
                            to.mark_unwritten(to_base + target + byte, 1);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// A side of a copy, found and long enough.
enum End {
    Device(Arc<Allocation>, usize),
    /// Pageable or registered memory of the process.
    Host(usize),
}

/// Bytes from the first to behind the last of a pitched area.
fn span(pitch: usize, width: usize, height: usize) -> Answer<usize> {
    let rows = height.checked_sub(1).and_then(|rows| rows.checked_mul(pitch));
    match rows.and_then(|rows| rows.checked_add(width)) {
        Some(span) if height == 1 || pitch >= width => Ok(span),
        _ => fail(Code::INVALID_VALUE, format!("{height} rows of {width} bytes, pitch {pitch}")),
    }
}

impl End {
    fn find(
        memory: &Memory,
        side: Side,
        pitch: usize,
        width: usize,
        height: usize,
    ) -> Answer<Self> {
        let bytes = span(pitch, width, height)?;
        let device = |address| {
            let (allocation, offset) = memory.range(address, bytes)?;
            Ok(Self::Device(allocation, offset))
        };
        let (address, host) = match side {
            Side::Device(address) => return device(address),
            Side::Host(address) => (address, true),
            Side::Unified(address) => (address, false),
        };
        let ours = (LOCAL_WINDOW..DEVICE_END).contains(&address);
        match memory.place(address) {
            // Pinned memory, or a device address in the new style of calls.
            Place::Live(found, _) if found.kind == Kind::Host || !host => device(address),
            _ if address < 4096 => fail(Code::INVALID_VALUE, format!("host address {address:#x}")),
            _ if !ours => Ok(Self::Host(address as usize)),
            _ if host => {
                let why = format!("{address:#x} is a device address; a host address is wanted");
                fail(Code::INVALID_VALUE, why)
            }
            _ => device(address),
        }
    }

    fn read(&self, at: usize, out: &mut [u8]) {
        match self {
            Self::Device(allocation, base) => allocation.read(base + at, out),
            Self::Host(base) => {
                let from: *const u8 = std::ptr::with_exposed_provenance(base + at);
                // SAFETY: who made the copy vouches for the host memory; the buffer is ours.
                unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) }
            }
        }
    }

    fn write(&self, at: usize, data: &[u8]) {
        match self {
            Self::Device(allocation, base) => allocation.write(base + at, data),
            Self::Host(base) => {
                let to: *mut u8 = std::ptr::with_exposed_provenance_mut(base + at);
                // SAFETY: who made the copy vouches for the host memory; the buffer is ours.
                unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) }
            }
        }
    }
}

/// `height` rows of `width` elements of 1, 2 or 4 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    pub to: u64,
    pub pitch: usize,
    pub value: u32,
    pub element: usize,
    pub width: usize,
    pub height: usize,
}

impl Fill {
    fn find(&self, memory: &Memory) -> Answer<Option<(Arc<Allocation>, usize, usize)>> {
        let Some(row) = self.width.checked_mul(self.element) else {
            return Err(Code::INVALID_VALUE.into());
        };
        if row == 0 || self.height == 0 {
            return Ok(None);
        }
        let pitched = self.height > 1 && !self.pitch.is_multiple_of(self.element);
        if pitched || !self.to.is_multiple_of(self.element as u64) {
            let Self { to, pitch, element, .. } = self;
            let why = format!("{to:#x}, pitch {pitch}, is not aligned to {element} bytes");
            return fail(Code::INVALID_VALUE, why);
        }
        let (allocation, offset) = memory.range(self.to, span(self.pitch, row, self.height)?)?;
        Ok(Some((allocation, offset, row)))
    }

    /// # Errors
    /// CUDA_ERROR_INVALID_VALUE.
    pub fn check(&self, memory: &Memory) -> Answer {
        self.find(memory).map(|_| ())
    }

    /// # Errors
    /// As [`Fill::check`].
    pub fn run(&self, memory: &Memory) -> Answer {
        let Some((allocation, offset, row)) = self.find(memory)? else { return Ok(()) };
        let pattern = self.value.to_le_bytes();
        // CHUNK is a multiple of every element size.
        let buffer: Vec<u8> =
            pattern.iter().take(self.element).copied().cycle().take(row.min(CHUNK)).collect();
        for line in 0..self.height {
            for start in (0..row).step_by(CHUNK) {
                let count = (row - start).min(CHUNK);
                allocation.write(offset + line * self.pitch + start, &buffer[..count]);
            }
        }
        Ok(())
    }
}
