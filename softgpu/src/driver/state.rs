//! The one driver of the process: its device, its tables of objects, who owns what, and which context
//! is current in which thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::abi::{Handle, handle};
use super::capture::Captures;
use super::config::Config;
use super::error::{Answer, Code, fail};
use super::event::Event;
use super::graph::{Exec, Graph};
use super::journal::Journal;
use super::memory::Owned;
use super::module::{Function, Library, Loaded};
use super::pool::Pool;
use super::stream::Stream;
use super::table::{Table, lock};
use crate::gpu::Gpu;
use crate::sanitizer::FindingKind;

/// A context.
pub struct Context {
    /// Its handle.
    pub id: u64,
    pub primary: bool,
    pub flags: AtomicU32,
    /// The code that every call gives after a kernel failed; 0 before.
    sticky: AtomicU32,
    /// Limits that the program has set (CUlimit → value).
    pub limits: Mutex<BTreeMap<u32, usize>>,
    pub cache_config: AtomicU32,
}

impl Context {
    /// # Errors
    /// The sticky error.
    pub fn healthy(&self) -> Answer {
        match self.sticky.load(Relaxed) {
            0 => Ok(()),
            code => Err(Code(code).into()),
        }
    }

    /// A kernel failed: from here on the context is of no use. The first failure stays.
    pub fn fail(&self, code: Code) {
        let _ = self.sticky.compare_exchange(0, code.0, Relaxed, Relaxed);
    }

    pub fn heal(&self) {
        self.sticky.store(0, Relaxed);
    }
}

/// The device's primary context.
#[derive(Default)]
pub struct Primary {
    pub context: Option<u64>,
    pub retained: u32,
    pub flags: u32,
}

pub struct Driver {
    pub gpu: Gpu,
    pub journal: Journal,
    pub contexts: Table<Context>,
    pub primary: Mutex<Primary>,
    pub streams: Table<Stream>,
    pub events: Table<Event>,
    pub modules: Table<Loaded>,
    pub functions: Table<Function>,
    pub libraries: Table<Library>,
    pub graphs: Table<Graph>,
    pub execs: Table<Exec>,
    pub pools: Table<Pool>,
    /// The pool that cuMemAllocAsync takes from unless the program sets another.
    pub default_pool: u64,
    pub current_pool: Mutex<u64>,
    pub captures: Captures,
    /// What the program allocated, by address.
    pub owned: Mutex<BTreeMap<u64, Owned>>,
    /// Host ranges that cuMemHostRegister was told of: address → (bytes, flags, context).
    pub registered: Mutex<BTreeMap<u64, (usize, u32, u64)>>,
    /// Held while the device works: one operation at a time, which is one of the legal schedules.
    engine: Mutex<()>,
}

static DRIVER: OnceLock<Driver> = OnceLock::new();
static INITIALISING: Mutex<()> = Mutex::new(());

thread_local! {
    /// The thread's current context, 0 for none. It needs no destructor: calls from destructors of
    /// the program's thread locals and from exit handlers still find it.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
    /// Contexts beneath it on the thread's stack, the next one last.
    static BENEATH: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    /// Whether a host function of a stream runs in this thread.
    static IN_HOST_FUNCTION: Cell<bool> = const { Cell::new(false) };
}

/// Makes the driver, once.
///
/// # Errors
/// CUDA_ERROR_INVALID_VALUE where the environment asks for something that does not exist.
pub fn initialise() -> Answer {
    let _one = lock(&INITIALISING);
    if DRIVER.get().is_some() {
        return Ok(());
    }
    let config = Config::read(|name| std::env::var(name).ok());
    let made = config.and_then(|config| {
        let journal = Journal::new(config.report.as_deref())?;
        Ok(Driver::new(Gpu::new(config.options), journal))
    });
    match made {
        Ok(driver) => {
            let _ = DRIVER.set(driver);
            Ok(())
        }
        Err(why) => fail(Code::INVALID_VALUE, why),
    }
}

/// # Errors
/// CUDA_ERROR_NOT_INITIALIZED before cuInit; CUDA_ERROR_NOT_PERMITTED in a host function.
pub fn driver() -> Answer<&'static Driver> {
    if IN_HOST_FUNCTION.get() {
        return fail(Code::NOT_PERMITTED, "a host function of a stream calls the CUDA API");
    }
    match DRIVER.get() {
        Some(driver) => Ok(driver),
        None => Err(Code::NOT_INITIALIZED.into()),
    }
}

/// The driver and the calling thread's context, whatever its state.
///
/// # Errors
/// As [`driver`]; CUDA_ERROR_INVALID_CONTEXT where none is current, CUDA_ERROR_CONTEXT_IS_DESTROYED.
pub fn current() -> Answer<(&'static Driver, Arc<Context>)> {
    let driver = driver()?;
    let Some(id) = current_id() else { return Err(Code::INVALID_CONTEXT.into()) };
    match driver.contexts.get(handle(id)) {
        Ok(context) => Ok((driver, context)),
        Err(_) => Err(Code::CONTEXT_IS_DESTROYED.into()),
    }
}

/// [`current`], in a state to do something.
///
/// # Errors
/// As [`current`]; the sticky error.
pub fn ready() -> Answer<(&'static Driver, Arc<Context>)> {
    let (driver, context) = current()?;
    context.healthy()?;
    Ok((driver, context))
}

/// Number of the calling thread's context.
pub fn current_id() -> Option<u64> {
    Some(CURRENT.get()).filter(|id| *id != 0)
}

/// Replaces the calling thread's context; 0 pops it.
pub fn set_current(id: u64) {
    if id == 0 {
        pop_current();
    } else {
        CURRENT.set(id);
    }
}

pub fn push_current(id: u64) {
    if let Some(before) = current_id() {
        // In an ending thread the stack is gone, and nothing will be popped any more.
        let _ = BENEATH.try_with(|stack| stack.borrow_mut().push(before));
    }
    CURRENT.set(id);
}

/// Takes the current context off the thread's stack; the one beneath is current then.
pub fn pop_current() -> Option<u64> {
    let gone = current_id()?;
    let next = BENEATH.try_with(|stack| stack.borrow_mut().pop()).ok().flatten();
    CURRENT.set(next.unwrap_or(0));
    Some(gone)
}

/// Runs a host function of a stream. No lock of ours is held.
pub fn host_function(body: impl FnOnce()) {
    IN_HOST_FUNCTION.set(true);
    body();
    IN_HOST_FUNCTION.set(false);
}

impl Driver {
    fn new(gpu: Gpu, journal: Journal) -> Self {
        let pools = Table::new("memory pool");
        let default_pool = super::abi::number(pools.insert(Arc::new(Pool::default())));
        Self {
            gpu,
            journal,
            contexts: Table::new("context"),
            primary: Mutex::default(),
            streams: Table::new("stream"),
            events: Table::new("event"),
            modules: Table::new("module"),
            functions: Table::new("function"),
            libraries: Table::new("library"),
            graphs: Table::new("graph"),
            execs: Table::new("executable graph"),
            pools,
            default_pool,
            current_pool: Mutex::new(default_pool),
            captures: Captures::default(),
            owned: Mutex::default(),
            registered: Mutex::default(),
            engine: Mutex::default(),
        }
    }

    /// The device's attention, until the guard goes.
    pub fn engine(&self) -> MutexGuard<'_, ()> {
        lock(&self.engine)
    }

    /// # Errors
    /// CUDA_ERROR_INVALID_DEVICE: there is one device, 0.
    pub fn device(&self, device: i32) -> Answer {
        if device == 0 { Ok(()) } else { Err(Code::INVALID_DEVICE.into()) }
    }

    pub fn new_context(&self, primary: bool, flags: u32) -> Handle {
        let id = super::table::next_number();
        let context = Context {
            id,
            primary,
            flags: AtomicU32::new(flags),
            sticky: AtomicU32::new(0),
            limits: Mutex::default(),
            cache_config: AtomicU32::new(0),
        };
        self.contexts.insert_at(id, Arc::new(context));
        handle(id)
    }

    /// Ends a context: reports what it still owns, and frees it.
    pub fn end_context(&self, id: u64) {
        // The handle first: nothing new begins in it.
        let _ = self.contexts.remove(handle(id));
        self.purge(id, true);
    }

    /// Frees everything that belongs to a context.
    pub fn purge(&self, id: u64, report_leaks: bool) {
        let _work = self.engine();
        self.captures.forget_context(id);
        let mut left = Vec::new();
        lock(&self.owned).retain(|address, owned| {
            let keep = owned.context != id;
            if !keep {
                left.push(*address);
            }
            keep
        });
        let live: Vec<_> = self.gpu.memory().live();
        for address in left {
            if report_leaks && let Some(leak) = live.iter().find(|live| live.base == address) {
                let message = format!("{leak} is still allocated at the end of its context");
                self.journal.found(FindingKind::Leak, message);
            }
            let _ = self.gpu.memory().free(address);
        }
        lock(&self.registered).retain(|_, (.., context)| *context != id);
        self.execs.retain(|exec| exec.context != id);
        self.graphs.retain(|graph| graph.context != id);
        self.functions.retain(|function| function.context != id);
        self.libraries.retain(|library| library.context != id);
        self.modules.retain(|module| module.context != id);
        self.events.retain(|event| event.context != id);
        self.streams.retain(|stream| stream.context != id);
    }
}
