//! Graphs that captures make, their executable form, and launching it.
//!
//! Nodes stay in the order in which they were captured, which respects every dependency; a launch runs
//! them in that order. Arguments were copied at capture, host memory of copies is read at launch.

use std::collections::BTreeSet;
use std::ffi::{c_uint, c_ulonglong};
use std::sync::{Arc, Mutex};

use super::abi::{CUresult, Handle, InstantiateParams, UpdateResult, handle, number};
use super::capture::Mode;
use super::error::{Answer, Code, answer, fail, put, put_if};
use super::op::{Op, submit};
use super::state::{current, ready};
use super::stream::target;
use super::table::{lock, next_number};

#[derive(Clone)]
struct Node {
    op: Arc<Op>,
    /// Indices of the nodes it depends on.
    after: Vec<usize>,
    number: u64,
}

pub struct Graph {
    pub context: u64,
    nodes: Mutex<Vec<Node>>,
}

impl Graph {
    pub fn new(context: u64) -> Self {
        Self { context, nodes: Mutex::default() }
    }

    /// Appends a node; its index.
    pub fn add(&self, op: Arc<Op>, after: Vec<usize>) -> usize {
        let mut nodes = lock(&self.nodes);
        nodes.push(Node { op, after, number: next_number() });
        nodes.len() - 1
    }

    /// Nodes that no other depends on.
    pub fn leaves(&self) -> Vec<usize> {
        let nodes = lock(&self.nodes);
        let needed: BTreeSet<usize> =
            nodes.iter().flat_map(|node| node.after.iter().copied()).collect();
        (0..nodes.len()).filter(|node| !needed.contains(node)).collect()
    }

    /// Handles of nodes.
    pub fn handles(&self, nodes: &[usize]) -> Vec<u64> {
        let all = lock(&self.nodes);
        nodes.iter().filter_map(|node| all.get(*node)).map(|node| node.number).collect()
    }
}

/// A graph ready to launch.
pub struct Exec {
    pub context: u64,
    flags: u64,
    nodes: Mutex<Vec<Node>>,
}

/// # Safety
/// `captured` is null or writable.
unsafe fn put_status(captured: *mut c_uint, info: Option<&super::capture::Info>) -> Answer {
    // CUstreamCaptureStatus: none, active, invalidated.
    let status = info.map_or(0, |info| if info.invalid { 2 } else { 1 });
    // SAFETY: the caller vouches for the pointer.
    unsafe { put(captured, status) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBeginCapture_v2(stream: Handle, mode: c_uint) -> CUresult {
    answer("cuStreamBeginCapture", || {
        let (driver, context) = ready()?;
        let target = target(driver, &context, stream)?;
        driver.captures.begin(driver, &target, Mode::of(mode)?)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture(stream: Handle, graph: *mut Handle) -> CUresult {
    answer("cuStreamEndCapture", || {
        let (driver, context) = ready()?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(graph, handle(0))? };
        let ended = driver.captures.finish(driver, &target(driver, &context, stream)?)?;
        // SAFETY: as above.
        unsafe { put(graph, handle(ended)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamIsCapturing(stream: Handle, status: *mut c_uint) -> CUresult {
    answer("cuStreamIsCapturing", || {
        let (driver, context) = ready()?;
        let info = driver.captures.info(&target(driver, &context, stream)?)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put_status(status, info.as_ref()) }
    })
}

/// # Safety
/// Each pointer is null or writable.
unsafe fn capture_info(
    stream: Handle,
    status: *mut c_uint,
    id: *mut u64,
    graph: *mut Handle,
    after: *mut *const Handle,
    count: *mut usize,
) -> Answer {
    thread_local! {
        /// What `after` points to: valid until the thread's next call of this kind.
        static AFTER: std::cell::RefCell<Vec<Handle>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let (driver, context) = ready()?;
    let info = driver.captures.info(&target(driver, &context, stream)?)?;
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        put_status(status, info.as_ref())?;
        if let Some(info) = info.filter(|info| !info.invalid) {
            put_if(id, info.number);
            put_if(graph, handle(info.graph));
            AFTER.with_borrow_mut(|nodes| {
                *nodes = info.after.iter().copied().map(handle).collect();
                put_if(after, nodes.as_ptr());
                put_if(count, nodes.len());
            });
        }
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v3(
    stream: Handle,
    status: *mut c_uint,
    id: *mut u64,
    graph: *mut Handle,
    after: *mut *const Handle,
    edges: *mut *const std::ffi::c_void,
    count: *mut usize,
) -> CUresult {
    answer("cuStreamGetCaptureInfo", || {
        // SAFETY: the API's caller vouches for the pointers.
        unsafe {
            // Every edge is an ordinary one, which null says.
            put_if(edges, std::ptr::null());
            capture_info(stream, status, id, graph, after, count)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v2(
    stream: Handle,
    status: *mut c_uint,
    id: *mut u64,
    graph: *mut Handle,
    after: *mut *const Handle,
    count: *mut usize,
) -> CUresult {
    // SAFETY: the API's caller vouches for the pointers.
    answer("cuStreamGetCaptureInfo", || unsafe {
        capture_info(stream, status, id, graph, after, count)
    })
}

/// Writes node handles: only their count where `nodes` is null, else at most `count` of them, with null
/// behind the last.
///
/// # Safety
/// `count` is null or writable; `nodes` is null or has room for `count` handles.
unsafe fn put_nodes(all: &[u64], nodes: *mut Handle, count: *mut usize) -> Answer {
    // SAFETY: null or what the caller vouches for.
    let Some(count) = (unsafe { count.as_mut() }) else { return Err(Code::INVALID_VALUE.into()) };
    if nodes.is_null() {
        *count = all.len();
        return Ok(());
    }
    for at in 0..*count {
        let node = all.get(at).copied().unwrap_or(0);
        // SAFETY: `at` is below the count that the caller vouches for.
        unsafe { nodes.add(at).write(handle(node)) };
    }
    *count = all.len().min(*count);
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetNodes(
    graph: Handle,
    nodes: *mut Handle,
    count: *mut usize,
) -> CUresult {
    answer("cuGraphGetNodes", || {
        let (driver, _) = current()?;
        let graph = driver.graphs.get(graph)?;
        let all: Vec<_> = lock(&graph.nodes).iter().map(|node| node.number).collect();
        // SAFETY: the API's caller vouches for the pointers.
        unsafe { put_nodes(&all, nodes, count) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphGetRootNodes(
    graph: Handle,
    nodes: *mut Handle,
    count: *mut usize,
) -> CUresult {
    answer("cuGraphGetRootNodes", || {
        let (driver, _) = current()?;
        let graph = driver.graphs.get(graph)?;
        let all: Vec<_> = lock(&graph.nodes)
            .iter()
            .filter(|node| node.after.is_empty())
            .map(|node| node.number)
            .collect();
        // SAFETY: the API's caller vouches for the pointers.
        unsafe { put_nodes(&all, nodes, count) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphNodeGetType(node: Handle, kind: *mut c_uint) -> CUresult {
    answer("cuGraphNodeGetType", || {
        let (driver, _) = current()?;
        let mut found = None;
        driver.graphs.find(|graph| {
            let nodes = lock(&graph.nodes);
            let hit = nodes.iter().find(|candidate| candidate.number == number(node));
            found = found.or(hit.map(|node| node.op.node_type()));
            false
        });
        let Some(found) = found else { return Err(Code::INVALID_HANDLE.into()) };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(kind, found) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphDestroy(graph: Handle) -> CUresult {
    answer("cuGraphDestroy", || {
        let (driver, context) = current()?;
        driver.graphs.remove(graph)?;
        context.healthy()
    })
}

/// CUgraphInstantiate_flags: free on launch, upload, device launch, node priority.
const AUTO_FREE: u64 = 1;
const DEVICE_LAUNCH: u64 = 4;
const KNOWN_FLAGS: u64 = 0xF;

fn instantiate(graph: Handle, flags: u64) -> Answer<Handle> {
    let (driver, _) = ready()?;
    let graph = driver.graphs.get(graph)?;
    if flags & !KNOWN_FLAGS != 0 || flags & (AUTO_FREE | DEVICE_LAUNCH) == AUTO_FREE | DEVICE_LAUNCH
    {
        return fail(Code::INVALID_VALUE, format!("instantiate flags {flags:#x}"));
    }
    if flags & DEVICE_LAUNCH != 0 {
        return fail(Code::NOT_SUPPORTED, "graphs launched from the device");
    }
    let nodes = Mutex::new(lock(&graph.nodes).clone());
    Ok(driver.execs.insert(Arc::new(Exec { context: graph.context, flags, nodes })))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithFlags(
    exec: *mut Handle,
    graph: Handle,
    flags: c_ulonglong,
) -> CUresult {
    answer("cuGraphInstantiate", || {
        if exec.is_null() {
            return Err(Code::INVALID_VALUE.into());
        }
        let made = instantiate(graph, flags)?;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(exec, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithParams(
    exec: *mut Handle,
    graph: Handle,
    params: *mut InstantiateParams,
) -> CUresult {
    answer("cuGraphInstantiateWithParams", || {
        // SAFETY: null or what the API's caller vouches for.
        let params = unsafe { params.as_mut() };
        let Some(params) = params.filter(|_| !exec.is_null()) else {
            return Err(Code::INVALID_VALUE.into());
        };
        params.error_node = handle(0);
        // CUgraphInstantiateResult: an error until it is a success.
        params.result = 1;
        let made = instantiate(graph, params.flags)?;
        params.result = 0;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(exec, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecGetFlags(exec: Handle, flags: *mut u64) -> CUresult {
    answer("cuGraphExecGetFlags", || {
        let (driver, _) = current()?;
        let value = driver.execs.get(exec)?.flags;
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(flags, value) }
    })
}

/// There is nothing to upload; handles are checked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphUpload(exec: Handle, stream: Handle) -> CUresult {
    answer("cuGraphUpload", || {
        let (driver, context) = ready()?;
        driver.execs.get(exec)?;
        driver.captures.synchronize(&target(driver, &context, stream)?)
    })
}

/// Runs the graph's operations; into a capturing stream, as one node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphLaunch(exec: Handle, stream: Handle) -> CUresult {
    answer("cuGraphLaunch", || {
        let (driver, context) = ready()?;
        let exec = driver.execs.get(exec)?;
        let ops = lock(&exec.nodes).iter().map(|node| node.op.clone()).collect();
        submit(driver, &context, stream, Op::child(ops))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecDestroy(exec: Handle) -> CUresult {
    answer("cuGraphExecDestroy", || {
        let (driver, context) = current()?;
        driver.execs.remove(exec)?;
        context.healthy()
    })
}

/// Takes over the operations of a graph of the same shape.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecUpdate_v2(
    exec: Handle,
    graph: Handle,
    result: *mut UpdateResult,
) -> CUresult {
    answer("cuGraphExecUpdate", || {
        let (driver, _) = ready()?;
        let (exec, graph) = (driver.execs.get(exec)?, driver.graphs.get(graph)?);
        let new = lock(&graph.nodes).clone();
        let mut old = lock(&exec.nodes);
        // CUgraphExecUpdateResult: success, topology changed, node type changed.
        let same_shape =
            old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| old.after == new.after);
        let differing =
            old.iter().zip(&new).find(|(old, new)| old.op.node_type() != new.op.node_type());
        let (code, node) = match (same_shape, differing) {
            (false, _) => (2, 0),
            (true, Some((_, node))) => (3, node.number),
            (true, None) => (0, 0),
        };
        let answer =
            UpdateResult { result: code, error_node: handle(node), error_from_node: handle(0) };
        // SAFETY: the API's caller vouches for the pointer.
        unsafe { put(result, answer)? };
        if code != 0 {
            return Err(Code::GRAPH_EXEC_UPDATE_FAILURE.into());
        }
        *old = new;
        Ok(())
    })
}
