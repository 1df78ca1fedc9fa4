//! Stream capture: which streams record instead of running, and what must not happen meanwhile.
//!
//! A capture belongs to the stream that began it. Another stream joins by waiting for an event recorded
//! in it, and has to be joined back the same way before the end. As in CUDA, recording and waiting make
//! no nodes; they move the set of nodes that a stream's next node depends on.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::c_uint;
use std::sync::{Arc, Mutex, MutexGuard};

use super::abi::{CUresult, handle};
use super::error::{Answer, Code, answer, fail, put};
use super::event::{Event, Recorded};
use super::graph::Graph;
use super::op::Op;
use super::state::Driver;
use super::stream::{Key, Target, thread_number};
use super::table::{lock, next_number};

/// Interaction with calls outside of the capture (CUstreamCaptureMode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Global = 0,
    ThreadLocal = 1,
    Relaxed = 2,
}

impl Mode {
    /// # Errors
    /// CUDA_ERROR_INVALID_VALUE.
    pub fn of(number: u32) -> Answer<Self> {
        match number {
            0 => Ok(Self::Global),
            1 => Ok(Self::ThreadLocal),
            2 => Ok(Self::Relaxed),
            _ => fail(Code::INVALID_VALUE, format!("unknown capture mode {number}")),
        }
    }
}

thread_local!(static THREAD_MODE: Cell<Mode> = const { Cell::new(Mode::Global) });

struct Capture {
    origin: Target,
    mode: Mode,
    /// Number of the thread that began it.
    thread: u64,
    invalid: bool,
    graph: Arc<Graph>,
    graph_number: u64,
}

/// A stream's part in a capture.
struct Member {
    capture: u64,
    /// Nodes that its next node depends on.
    after: Vec<usize>,
    target: Target,
}

#[derive(Default)]
struct State {
    captures: BTreeMap<u64, Capture>,
    /// By context (default streams exist in each) and key.
    members: BTreeMap<(u64, Key), Member>,
}

#[derive(Default)]
pub struct Captures(Mutex<State>);

/// What cuStreamGetCaptureInfo says of a capturing stream.
pub struct Info {
    pub invalid: bool,
    pub number: u64,
    pub graph: u64,
    pub after: Vec<u64>,
}

fn key(target: &Target) -> (u64, Key) {
    (target.context, target.key)
}

impl State {
    fn invalidate(&mut self, capture: u64) {
        if let Some(capture) = self.captures.get_mut(&capture) {
            capture.invalid = true;
        }
    }

    /// A use of the legacy stream would make every capture of a blocking stream in its context wait for
    /// it.
    fn implicit(&mut self, target: &Target) -> Answer {
        if target.key != Key::Legacy {
            return Ok(());
        }
        let of_context =
            |member: &&Member| member.target.context == target.context && member.target.blocking;
        let hit: Vec<_> = self.members.values().filter(of_context).map(|m| m.capture).collect();
        hit.iter().for_each(|capture| self.invalidate(*capture));
        if hit.is_empty() { Ok(()) } else { Err(Code::STREAM_CAPTURE_IMPLICIT.into()) }
    }

    /// The capture that a stream is part of, with what its next node depends on; `None` outside.
    fn member(&mut self, target: &Target) -> Answer<Option<(&Capture, &mut Member)>> {
        self.implicit(target)?;
        let Some(member) = self.members.get_mut(&key(target)) else { return Ok(None) };
        match self.captures.get(&member.capture) {
            Some(capture) if !capture.invalid => Ok(Some((capture, member))),
            _ => Err(Code::STREAM_CAPTURE_INVALIDATED.into()),
        }
    }

    fn end(&mut self, capture: u64) -> Option<Capture> {
        self.members.retain(|_, member| member.capture != capture);
        self.captures.remove(&capture)
    }
}

impl Captures {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// # Errors
    /// CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED for the legacy stream, CUDA_ERROR_ILLEGAL_STATE for one
    /// that captures already.
    pub fn begin(&self, driver: &Driver, target: &Target, mode: Mode) -> Answer {
        if target.key == Key::Legacy {
            return fail(Code::STREAM_CAPTURE_UNSUPPORTED, "the legacy stream cannot capture");
        }
        let mut state = self.state();
        if state.members.contains_key(&key(target)) {
            return fail(Code::ILLEGAL_STATE, "the stream is capturing already");
        }
        let number = next_number();
        let graph = Arc::new(Graph::new(target.context));
        let graph_number = next_number();
        driver.graphs.insert_at(graph_number, graph.clone());
        let thread = thread_number();
        let capture =
            Capture { origin: *target, mode, thread, invalid: false, graph, graph_number };
        state.captures.insert(number, capture);
        let member = Member { capture: number, after: Vec::new(), target: *target };
        state.members.insert(key(target), member);
        Ok(())
    }

    /// Ends the capture that a stream began; the number of its graph.
    ///
    /// # Errors
    /// CUDA_ERROR_ILLEGAL_STATE for a stream that is not capturing, and the capture errors UNMATCHED,
    /// WRONG_THREAD (the capture goes on), INVALIDATED, UNJOINED (it is over, without a graph).
    pub fn finish(&self, driver: &Driver, target: &Target) -> Answer<u64> {
        let mut state = self.state();
        let Some(member) = state.members.get(&key(target)) else {
            return fail(Code::ILLEGAL_STATE, "the stream is not capturing");
        };
        let (number, after) = (member.capture, member.after.clone());
        let Some(capture) = state.captures.get(&number) else {
            return Err(Code::STREAM_CAPTURE_INVALIDATED.into());
        };
        if capture.origin.key != target.key {
            return Err(Code::STREAM_CAPTURE_UNMATCHED.into());
        }
        if capture.mode != Mode::Relaxed && capture.thread != thread_number() {
            return Err(Code::STREAM_CAPTURE_WRONG_THREAD.into());
        }
        let (invalid, graph_number) = (capture.invalid, capture.graph_number);
        let joined = capture.graph.leaves().iter().all(|leaf| after.contains(leaf));
        state.end(number);
        drop(state);
        let code = match (invalid, joined) {
            (true, _) => Code::STREAM_CAPTURE_INVALIDATED,
            (false, false) => Code::STREAM_CAPTURE_UNJOINED,
            (false, true) => return Ok(graph_number),
        };
        let _ = driver.graphs.remove(handle(graph_number));
        Err(code.into())
    }

    /// Gives an operation to the stream's capture; gives it back where the stream is not capturing.
    ///
    /// # Errors
    /// CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT; as
    /// [`Op::check_depth`].
    pub fn add(&self, target: &Target, op: Op) -> Answer<Option<Op>> {
        let mut state = self.state();
        let Some((capture, member)) = state.member(target)? else { return Ok(Some(op)) };
        op.check_depth()?;
        let node = capture.graph.add(Arc::new(op), std::mem::take(&mut member.after));
        member.after.push(node);
        Ok(None)
    }

    /// cuEventRecord.
    ///
    /// # Errors
    /// As [`Captures::add`].
    pub fn record(&self, target: &Target, event: &Event) -> Answer {
        let mut state = self.state();
        match state.member(target)? {
            None => event.record_now(),
            Some((_, member)) => {
                let (capture, after) = (member.capture, member.after.clone());
                *lock(&event.recorded) = Recorded::Captured { capture, after };
            }
        }
        Ok(())
    }

    /// cuStreamWaitEvent.
    ///
    /// # Errors
    /// As [`Captures::add`], and the capture errors ISOLATION and MERGE, which invalidate it;
    /// CUDA_ERROR_CAPTURED_EVENT where the event's capture is over.
    pub fn wait(&self, target: &Target, event: &Event) -> Answer {
        let mut state = self.state();
        let here = state.member(target)?.map(|(_, member)| member.capture);
        let recorded = lock(&event.recorded).clone();
        match (recorded, here) {
            (Recorded::Never, _) | (Recorded::At(_), None) => Ok(()),
            (Recorded::At(_), Some(here)) => {
                state.invalidate(here);
                let why = "a capturing stream waits for an event recorded outside of the capture";
                fail(Code::STREAM_CAPTURE_ISOLATION, why)
            }
            (Recorded::Captured { capture, after }, here) => {
                state.join(target, capture, after, here)
            }
        }
    }

    /// A call that waits for a stream.
    ///
    /// # Errors
    /// CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED where it is capturing, which invalidates the capture.
    pub fn synchronize(&self, target: &Target) -> Answer {
        let mut state = self.state();
        let Some((_, member)) = state.member(target)? else { return Ok(()) };
        let capture = member.capture;
        state.invalidate(capture);
        fail(Code::STREAM_CAPTURE_UNSUPPORTED, "the stream is capturing")
    }

    /// cuCtxSynchronize.
    ///
    /// # Errors
    /// CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED while a stream of the context captures, whatever the mode.
    pub fn context_synchronize(&self, context: u64) -> Answer {
        let mut state = self.state();
        let of_context = |member: &&Member| member.target.context == context;
        let hit: Vec<_> = state.members.values().filter(of_context).map(|m| m.capture).collect();
        hit.iter().for_each(|capture| state.invalidate(*capture));
        if hit.is_empty() {
            return Ok(());
        }
        fail(Code::STREAM_CAPTURE_UNSUPPORTED, "a stream of the context is capturing")
    }

    /// A call that does something outside of every stream: what the mode of a capture forbids.
    ///
    /// # Errors
    /// CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, and the captures are invalid.
    pub fn check_unsafe(&self, what: &str) -> Answer {
        let thread = thread_number();
        let mode = THREAD_MODE.get();
        let forbids = |capture: &Capture| match (mode, capture.mode) {
            (Mode::Relaxed, _) | (_, Mode::Relaxed) => false,
            (Mode::Global, Mode::Global) => true,
            _ => capture.thread == thread,
        };
        let mut state = self.state();
        let mut hit = false;
        for capture in state.captures.values_mut().filter(|capture| forbids(capture)) {
            capture.invalid = true;
            hit = true;
        }
        if hit {
            return fail(
                Code::STREAM_CAPTURE_UNSUPPORTED,
                format!("{what} while a stream captures"),
            );
        }
        Ok(())
    }

    /// A synchronous copy or memset: outside of streams, and it waits for the legacy one.
    ///
    /// # Errors
    /// As [`Captures::check_unsafe`] and [`Captures::add`].
    pub fn check_synchronous(&self, context: u64, what: &str) -> Answer {
        self.check_unsafe(what)?;
        self.state().implicit(&Target { key: Key::Legacy, context, blocking: true })
    }

    /// What a stream is doing; `None` where it is not capturing.
    ///
    /// # Errors
    /// CUDA_ERROR_STREAM_CAPTURE_IMPLICIT for the legacy stream while a blocking one captures. Asking
    /// invalidates nothing.
    pub fn info(&self, target: &Target) -> Answer<Option<Info>> {
        let state = self.state();
        let of_context =
            |member: &Member| member.target.context == target.context && member.target.blocking;
        if target.key == Key::Legacy && state.members.values().any(of_context) {
            return Err(Code::STREAM_CAPTURE_IMPLICIT.into());
        }
        let Some(member) = state.members.get(&key(target)) else { return Ok(None) };
        let Some(capture) = state.captures.get(&member.capture) else { return Ok(None) };
        Ok(Some(Info {
            invalid: capture.invalid,
            number: member.capture,
            graph: capture.graph_number,
            after: capture.graph.handles(&member.after),
        }))
    }

    /// Something happened that the capture of this number does not allow.
    pub fn invalidate(&self, capture: u64) {
        self.state().invalidate(capture);
    }

    /// A stream is destroyed: with its capture where it began one, else the capture is invalid.
    pub fn forget_stream(&self, driver: &Driver, stream: Key) {
        let mut state = self.state();
        let mut gone = Vec::new();
        state.members.retain(|(_, key), member| {
            let keep = *key != stream;
            if !keep {
                gone.push(member.capture);
            }
            keep
        });
        for capture in gone {
            state.invalidate(capture);
            let began = |capture: &Capture| capture.origin.key == stream;
            if state.captures.get(&capture).is_some_and(began)
                && let Some(capture) = state.end(capture)
            {
                let _ = driver.graphs.remove(handle(capture.graph_number));
            }
        }
    }

    /// A context ends, and its captures with it.
    pub fn forget_context(&self, context: u64) {
        let mut state = self.state();
        state.captures.retain(|_, capture| capture.origin.context != context);
        state.members.retain(|_, member| member.target.context != context);
    }
}

impl State {
    /// A stream waits for an event of capture `other`; `here` is the one it is part of.
    fn join(
        &mut self,
        target: &Target,
        other: u64,
        after: Vec<usize>,
        here: Option<u64>,
    ) -> Answer {
        let valid = self.captures.get(&other).map(|capture| !capture.invalid);
        match (valid, here) {
            (None, None) => Err(Code::CAPTURED_EVENT.into()),
            (_, Some(here)) if here != other => {
                self.invalidate(here);
                Err(Code::STREAM_CAPTURE_MERGE.into())
            }
            (Some(false), _) => Err(Code::STREAM_CAPTURE_INVALIDATED.into()),
            _ if target.key == Key::Legacy => {
                self.invalidate(other);
                Err(Code::STREAM_CAPTURE_IMPLICIT.into())
            }
            _ => {
                let joining = Member { capture: other, after: Vec::new(), target: *target };
                let member = self.members.entry(key(target)).or_insert(joining);
                let new = after.into_iter().filter(|node| !member.after.contains(node));
                let new: Vec<_> = new.collect();
                member.after.extend(new);
                Ok(())
            }
        }
    }
}

/// Swaps the calling thread's capture mode with `mode`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuThreadExchangeStreamCaptureMode(mode: *mut c_uint) -> CUresult {
    answer("cuThreadExchangeStreamCaptureMode", || {
        // SAFETY: null or what the API's caller vouches for.
        let Some(new) = (unsafe { mode.as_ref() }) else { return Err(Code::INVALID_VALUE.into()) };
        let old = THREAD_MODE.replace(Mode::of(*new)?);
        // SAFETY: as above.
        unsafe { put(mode, old as c_uint) }
    })
}
