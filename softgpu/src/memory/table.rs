//! The allocations of a device.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::allocation::{Allocation, Kind};
use super::{DEVICE_BASE, LOCAL_WINDOW, SHARED_WINDOW, WINDOW_BYTES};

/// Allocations start at multiples of this, as cuMemAlloc's do, with at least as much unmapped space
/// between them.
const GRANULE: u64 = 512;

/// Why a memory operation of the host was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    #[error("{asked} bytes asked, {free} of {total} free")]
    OutOfMemory { asked: usize, free: usize, total: usize },
    #[error("an allocation of 0 bytes")]
    Empty,
    /// Address, length, and the nearest allocation in words.
    #[error("{bytes} bytes at {address:#x} are not inside one allocation: {nearest}")]
    OutOfBounds { address: u64, bytes: usize, nearest: String },
    #[error("{address:#x} was freed before: {what}")]
    DoubleFree { address: u64, what: String },
    #[error("{address:#x} is not the start of an allocation: {nearest}")]
    NotAllocated { address: u64, nearest: String },
}

/// An allocation that is no more.
#[derive(Clone, Debug)]
pub struct Freed {
    pub base: u64,
    pub bytes: usize,
    pub id: u64,
}

#[derive(Default)]
struct Table {
    live: BTreeMap<u64, Arc<Allocation>>,
    freed: BTreeMap<u64, Freed>,
    next: u64,
    made: u64,
    used: usize,
}

/// What lies at an address.
#[derive(Clone)]
pub enum Place {
    /// Inside an allocation, at this offset.
    Live(Arc<Allocation>, usize),
    /// Inside one that was freed.
    Freed(Freed),
    /// In none; the words name the nearest one.
    Nowhere(String),
}

/// Device memory.
pub struct Memory {
    table: RwLock<Table>,
    total: usize,
}

impl Memory {
    /// A device with `total` bytes.
    pub fn new(total: usize) -> Self {
        Self { table: RwLock::new(Table { next: DEVICE_BASE, ..Table::default() }), total }
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// (free, total) bytes.
    pub fn info(&self) -> (usize, usize) {
        (self.total.saturating_sub(self.table().used), self.total)
    }

    /// Allocates.
    ///
    /// # Errors
    /// [`MemoryError::Empty`], [`MemoryError::OutOfMemory`].
    pub fn allocate(&self, bytes: usize, kind: Kind) -> Result<Arc<Allocation>, MemoryError> {
        if bytes == 0 {
            return Err(MemoryError::Empty);
        }
        let mut table = self.table_mut();
        // Pinned memory is the host's, not the device's.
        let on_device = kind != Kind::Host;
        let free = self.total.saturating_sub(table.used);
        let refused = MemoryError::OutOfMemory { asked: bytes, free, total: self.total };
        if on_device && bytes > free {
            return Err(refused);
        }
        table.made += 1;
        let made = Allocation::new(table.next, bytes, kind, table.made).ok_or(refused)?;
        if on_device {
            table.used += bytes;
            table.next += (bytes as u64).next_multiple_of(GRANULE) + GRANULE;
        }
        table.freed.remove(&made.base);
        let made = Arc::new(made);
        table.live.insert(made.base, made.clone());
        Ok(made)
    }

    /// Frees the allocation that starts at `address`.
    ///
    /// # Errors
    /// [`MemoryError::DoubleFree`], [`MemoryError::NotAllocated`].
    pub fn free(&self, address: u64) -> Result<(), MemoryError> {
        let mut table = self.table_mut();
        if let Some(gone) = table.live.remove(&address) {
            table.used -= if gone.kind == Kind::Host { 0 } else { gone.bytes };
            let freed = Freed { base: gone.base, bytes: gone.bytes, id: gone.id };
            table.freed.insert(address, freed);
            return Ok(());
        }
        Err(match table.freed.get(&address) {
            Some(gone) => MemoryError::DoubleFree { address, what: gone.to_string() },
            None => MemoryError::NotAllocated { address, nearest: table.nearest(address) },
        })
    }

    /// What lies at `address`.
    pub fn place(&self, address: u64) -> Place {
        let table = self.table();
        if let Some((_, found)) = table.live.range(..=address).next_back()
            && address < found.end()
        {
            return Place::Live(found.clone(), (address - found.base) as usize);
        }
        match table.freed.range(..=address).next_back() {
            Some((_, gone)) if address - gone.base < gone.bytes as u64 => {
                Place::Freed(gone.clone())
            }
            _ => Place::Nowhere(table.nearest(address)),
        }
    }

    /// The allocation that holds `bytes` bytes from `address`, and the offset in it.
    ///
    /// # Errors
    /// [`MemoryError::OutOfBounds`].
    pub fn range(
        &self,
        address: u64,
        bytes: usize,
    ) -> Result<(Arc<Allocation>, usize), MemoryError> {
        let nearest = match self.place(address) {
            Place::Live(found, offset) if bytes <= found.bytes - offset => {
                return Ok((found, offset));
            }
            Place::Live(found, _) => found.to_string(),
            Place::Freed(gone) => gone.to_string(),
            Place::Nowhere(nearest) => nearest,
        };
        Err(MemoryError::OutOfBounds { address, bytes, nearest })
    }

    /// All allocations, by address.
    pub fn live(&self) -> Vec<Arc<Allocation>> {
        self.table().live.values().cloned().collect()
    }
}

impl Table {
    fn nearest(&self, address: u64) -> String {
        for (window, name) in [(SHARED_WINDOW, "shared"), (LOCAL_WINDOW, "local")] {
            if (window..window + WINDOW_BYTES).contains(&address) {
                return format!("offset {:#x} of the {name} window", address - window);
            }
        }
        if address < GRANULE {
            return "a null pointer".to_owned();
        }
        let behind = self.live.range(..=address).next_back();
        if let Some((_, a)) = behind
            && address < a.end()
        {
            return format!("inside {a}");
        }
        let behind = behind.map(|(_, a)| (address - a.end(), a));
        let ahead = self.live.range(address..).next().map(|(_, a)| (a.base - address, a));
        match (behind, ahead) {
            (None, None) => "nothing is allocated".to_owned(),
            (Some((gap, a)), Some((other, _))) if gap <= other => format!("{gap} bytes behind {a}"),
            (Some((gap, a)), None) => format!("{gap} bytes behind {a}"),
            (_, Some((gap, a))) => format!("{gap} bytes before {a}"),
        }
    }
}

impl std::fmt::Display for Allocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { base, bytes, id, .. } = self;
        match &self.kind {
            Kind::Device => write!(f, "allocation {id} ({bytes} bytes at {base:#x})"),
            Kind::Host => write!(f, "pinned allocation {id} ({bytes} bytes at {base:#x})"),
            Kind::Global(name) => write!(f, "variable {name} ({bytes} bytes at {base:#x})"),
            Kind::Constant(name) => write!(f, "constant {name} ({bytes} bytes at {base:#x})"),
        }
    }
}

impl std::fmt::Display for Freed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { base, bytes, id } = self;
        write!(f, "freed allocation {id} ({bytes} bytes at {base:#x})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_address_is_known_as_freed_and_never_handed_out_again() {
        let memory = Memory::new(1 << 20);
        let first = memory.allocate(100, Kind::Device).unwrap().base;
        memory.free(first).unwrap();
        for _ in 0..100 {
            assert_ne!(memory.allocate(100, Kind::Device).unwrap().base, first);
        }
        assert!(matches!(memory.place(first + 99), Place::Freed(_)));
        assert!(matches!(memory.place(first + 100), Place::Nowhere(_)));
        assert!(matches!(memory.free(first), Err(MemoryError::DoubleFree { .. })));
        assert!(matches!(memory.free(first + 4), Err(MemoryError::NotAllocated { .. })));
    }

    #[test]
    fn the_first_byte_behind_an_allocation_is_in_none() {
        let memory = Memory::new(1 << 20);
        let a = memory.allocate(512, Kind::Device).unwrap();
        let _b = memory.allocate(512, Kind::Device).unwrap();
        assert!(memory.range(a.base, 512).is_ok());
        let error = memory.range(a.base + 4, 512).err().unwrap();
        assert!(matches!(error, MemoryError::OutOfBounds { .. }));
        let Place::Nowhere(nearest) = memory.place(a.end() + 8) else { panic!("mapped") };
        assert!(nearest.starts_with("8 bytes behind allocation 1"), "{nearest}");
    }

    #[test]
    fn memory_runs_out_where_the_device_says_so_and_comes_back() {
        let memory = Memory::new(1000);
        let a = memory.allocate(600, Kind::Device).unwrap().base;
        let refused = memory.allocate(401, Kind::Device).err();
        assert_eq!(refused, Some(MemoryError::OutOfMemory { asked: 401, free: 400, total: 1000 }));
        let pinned = memory.allocate(5000, Kind::Host).unwrap().base;
        assert_eq!(memory.info(), (400, 1000));
        memory.free(pinned).unwrap();
        memory.free(a).unwrap();
        assert_eq!(memory.info(), (1000, 1000));
    }
}
