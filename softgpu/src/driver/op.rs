//! What a stream can be given to do: run now, or kept in a graph and run at its launch.

use std::ffi::c_void;
use std::sync::Arc;

use super::abi::{Handle, HostFn};
use super::copy::{Copy, Fill};
use super::error::{Answer, Code, fail};
use super::event::Event;
use super::launch::Kernel;
use super::state::{Context, Driver, host_function};
use super::stream::target;

pub enum Op {
    Kernel(Kernel),
    Copy(Copy),
    Fill(Fill),
    /// A host function and its data, an exposed address.
    Host {
        function: HostFn,
        data: usize,
    },
    EventRecord(Arc<Event>),
    /// Of an event outside of the graph, which has happened when a graph runs.
    EventWait,
    /// A launched graph. `depth` counts the graphs inside of each other, this one included.
    Child {
        ops: Vec<Arc<Op>>,
        depth: u32,
    },
}

/// Graphs inside of each other. Running and dropping them takes stack for each.
const MOST_NESTED: u32 = 64;

impl Op {
    /// The launch of a graph with these operations.
    pub fn child(ops: Vec<Arc<Op>>) -> Self {
        let inside = ops.iter().map(|op| match &**op {
            Self::Child { depth, .. } => *depth,
            _ => 0,
        });
        let depth = inside.max().unwrap_or(0).saturating_add(1);
        Self::Child { ops, depth }
    }

    /// Whether it may become a node.
    ///
    /// # Errors
    /// CUDA_ERROR_NOT_SUPPORTED for a graph in a graph, and so on, beyond a limit.
    pub fn check_depth(&self) -> Answer {
        match self {
            Self::Child { depth, .. } if *depth >= MOST_NESTED => {
                let why = format!("more than {MOST_NESTED} graphs inside of each other");
                fail(Code::NOT_SUPPORTED, why)
            }
            _ => Ok(()),
        }
    }

    /// CUgraphNodeType.
    pub fn node_type(&self) -> u32 {
        match self {
            Self::Kernel(_) => 0,
            Self::Copy(_) => 1,
            Self::Fill(_) => 2,
            Self::Host { .. } => 3,
            Self::Child { .. } => 4,
            Self::EventWait => 6,
            Self::EventRecord(_) => 7,
        }
    }

    /// What can be known to be wrong before it runs.
    ///
    /// # Errors
    /// Mostly CUDA_ERROR_INVALID_VALUE.
    pub fn check(&self, driver: &Driver) -> Answer {
        match self {
            Self::Kernel(kernel) => kernel.check(driver),
            Self::Copy(copy) => copy.check(driver.gpu.memory()),
            Self::Fill(fill) => fill.check(driver.gpu.memory()),
            _ => Ok(()),
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// What the check says now; a failing kernel's code, which sticks to the context.
    pub fn run(&self, driver: &Driver, context: &Context) -> Answer {
        match self {
            Self::Kernel(kernel) => kernel.run(driver, context),
            Self::Copy(copy) => {
                let _work = driver.engine();
                copy.run(driver.gpu.memory())
            }
            Self::Fill(fill) => {
                let _work = driver.engine();
                fill.run(driver.gpu.memory())
            }
            Self::Host { function, data } => {
                let data: *mut c_void = std::ptr::with_exposed_provenance_mut(*data);
                // SAFETY: who enqueued it vouches for function and data.
                host_function(|| unsafe { function(data) });
                Ok(())
            }
            Self::EventRecord(event) => {
                event.record_now();
                Ok(())
            }
            Self::EventWait => Ok(()),
            Self::Child { ops, .. } => ops.iter().try_for_each(|op| op.run(driver, context)),
        }
    }
}

/// Gives an operation to a stream: to its capture, or to the device at once.
///
/// # Errors
/// Those of the stream, of the capture, and of the operation.
pub fn submit(driver: &Driver, context: &Context, stream: Handle, op: Op) -> Answer {
    let target = target(driver, context, stream)?;
    op.check(driver)?;
    match driver.captures.add(&target, op)? {
        None => Ok(()),
        Some(op) => op.run(driver, context),
    }
}
