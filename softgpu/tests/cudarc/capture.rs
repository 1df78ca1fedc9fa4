//! Stream capture: what ends up in a graph, and what must not happen meanwhile. A capture forbids things
//! to the whole process, so that each test has one of its own.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cudarc::driver::sys::{self, CUresult, CUstreamCaptureMode, CUstreamCaptureStatus};
use cudarc::driver::{CudaContext, CudaStream};

use super::alone::alone;
use super::{code, context, module, saxpy};

const GLOBAL: CUstreamCaptureMode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL;
const THREAD: CUstreamCaptureMode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const RELAXED: CUstreamCaptureMode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
const OK: CUresult = CUresult::CUDA_SUCCESS;

/// A context in which cudarc adds no events of its own to a capture.
fn quiet() -> Arc<CudaContext> {
    let (_, context) = context();
    unsafe { context.disable_event_tracking() };
    context
}

fn end(stream: &CudaStream) -> (CUresult, sys::CUgraph) {
    let mut graph = std::ptr::dangling_mut();
    let code = unsafe { sys::cuStreamEndCapture(stream.cu_stream(), &mut graph) };
    (code, graph)
}

fn executable(graph: sys::CUgraph) -> sys::CUgraphExec {
    let mut exec = std::ptr::null_mut();
    assert_eq!(unsafe { sys::cuGraphInstantiateWithFlags(&mut exec, graph, 0) }, OK);
    exec
}

fn launch(exec: sys::CUgraphExec, stream: &CudaStream) -> CUresult {
    unsafe { sys::cuGraphLaunch(exec, stream.cu_stream()) }
}

#[test]
fn a_captured_graph_runs_at_its_launches_and_not_before() {
    alone("capture::a_captured_graph_runs_at_its_launches_and_not_before", &[], || {
        let context = quiet();
        let stream = context.new_stream().unwrap();
        let f = module(&context).load_function("saxpy").unwrap();
        let x = stream.clone_htod(&vec![2.0f32; 100]).unwrap();
        let mut y = stream.clone_htod(&vec![1.0f32; 100]).unwrap();
        let mut copy = stream.alloc_zeros::<f32>(100).unwrap();
        stream.begin_capture(THREAD).unwrap();
        let active = sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE;
        assert_eq!(stream.capture_status().unwrap(), active);
        saxpy(&stream, &f, 3.0, &x, &mut y);
        stream.memcpy_dtod(&y, &mut copy).unwrap();
        let graph = stream.end_capture(sys::CUgraphInstantiate_flags(0)).unwrap().unwrap();
        assert_eq!(stream.clone_dtoh(&copy).unwrap(), [0.0; 100]);
        graph.upload().unwrap();
        for round in 1..=3 {
            graph.launch().unwrap();
            let expected = [1.0 + 6.0 * round as f32; 100];
            assert_eq!(stream.clone_dtoh(&copy).unwrap(), expected, "round {round}");
        }
    });
}

#[test]
fn a_stream_that_joins_and_returns_is_part_of_the_graph() {
    alone("capture::a_stream_that_joins_and_returns_is_part_of_the_graph", &[], || {
        let context = quiet();
        let (main, side) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let f = module(&context).load_function("saxpy").unwrap();
        let x = main.clone_htod(&[2.0f32; 70]).unwrap();
        let mut y = main.clone_htod(&[1.0f32; 70]).unwrap();
        let mut z = main.alloc_zeros::<f32>(70).unwrap();
        main.begin_capture(GLOBAL).unwrap();
        saxpy(&main, &f, 3.0, &x, &mut y);
        side.wait(&main.record_event(None).unwrap()).unwrap();
        saxpy(&side, &f, 1.0, &y, &mut z);
        main.wait(&side.record_event(None).unwrap()).unwrap();
        saxpy(&main, &f, 1.0, &z, &mut y);
        let (code, graph) = end(&main);
        assert_eq!(code, OK);
        let (mut nodes, mut roots) = (0, 0);
        unsafe {
            sys::cuGraphGetNodes(graph, std::ptr::null_mut(), &mut nodes).result().unwrap();
            sys::cuGraphGetRootNodes(graph, std::ptr::null_mut(), &mut roots).result().unwrap();
        }
        assert_eq!((nodes, roots), (3, 1));
        let exec = executable(graph);
        let values = |buffer| main.clone_dtoh(buffer).unwrap()[69];
        assert_eq!((values(&y), values(&z)), (1.0, 0.0));
        // By hand: y += 6, z += y, y += z.
        for expected in [(14.0, 7.0), (47.0, 27.0)] {
            assert_eq!(launch(exec, &main), OK);
            assert_eq!((values(&y), values(&z)), expected);
        }
    });
}

#[test]
fn a_graph_keeps_arguments_and_reads_host_memory_at_its_launch() {
    alone("capture::a_graph_keeps_arguments_and_reads_host_memory_at_its_launch", &[], || {
        let context = quiet();
        let stream = context.new_stream().unwrap();
        let module = module(&context);
        let f = module.load_function("saxpy").unwrap();
        let x = stream.clone_htod(&[1.0f32; 4]).unwrap();
        let mut y = stream.alloc_zeros::<f32>(4).unwrap();
        let mut host = unsafe { context.alloc_pinned_with_flags::<f32>(4, 0) }.unwrap();
        host.as_mut_slice().unwrap().fill(5.0);
        stream.begin_capture(GLOBAL).unwrap();
        stream.memcpy_htod(&host, &mut y).unwrap();
        let mut factor = 100.0;
        saxpy(&stream, &f, factor, &x, &mut y);
        factor += 1.0;
        let (code, graph) = end(&stream);
        assert_eq!((code, factor), (OK, 101.0));
        let exec = executable(graph);
        for value in [5.0, -7.0] {
            host.as_mut_slice().unwrap().fill(value);
            assert_eq!(launch(exec, &stream), OK);
            assert_eq!(stream.clone_dtoh(&y).unwrap(), [value + 100.0; 4]);
        }
        // The graph does not keep the module.
        drop((f, module));
        assert_eq!(launch(exec, &stream), CUresult::CUDA_ERROR_INVALID_HANDLE);
    });
}

static CALLS: AtomicU32 = AtomicU32::new(0);
static INSIDE: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn count(data: *mut c_void) {
    CALLS.fetch_add(data.addr() as u32, Relaxed);
    INSIDE.store(unsafe { sys::cuCtxSynchronize() } as u32, Relaxed);
}

#[test]
fn a_host_function_runs_once_per_launch_and_may_not_call_cuda() {
    alone("capture::a_host_function_runs_once_per_launch_and_may_not_call_cuda", &[], || {
        let context = quiet();
        let stream = context.new_stream().unwrap();
        stream.begin_capture(GLOBAL).unwrap();
        let data = std::ptr::without_provenance_mut(7);
        assert_eq!(unsafe { sys::cuLaunchHostFunc(stream.cu_stream(), Some(count), data) }, OK);
        let exec = executable(end(&stream).1);
        assert_eq!(CALLS.load(Relaxed), 0);
        for launches in 1..=3 {
            assert_eq!(launch(exec, &stream), OK);
            assert_eq!(CALLS.load(Relaxed), 7 * launches);
        }
        assert_eq!(INSIDE.load(Relaxed), CUresult::CUDA_ERROR_NOT_PERMITTED as u32);
        // Launched into a capture, a graph is a part of that one.
        stream.begin_capture(GLOBAL).unwrap();
        assert_eq!((launch(exec, &stream), launch(exec, &stream)), (OK, OK));
        let twice = executable(end(&stream).1);
        assert_eq!(CALLS.load(Relaxed), 21);
        assert_eq!(launch(twice, &stream), OK);
        assert_eq!(CALLS.load(Relaxed), 35);
        context.synchronize().unwrap();
    });
}

#[test]
fn graphs_inside_of_each_other_end_before_the_stack_does() {
    alone("capture::graphs_inside_of_each_other_end_before_the_stack_does", &[], || {
        let context = quiet();
        let stream = context.new_stream().unwrap();
        let data = std::ptr::without_provenance_mut(1);
        stream.begin_capture(GLOBAL).unwrap();
        assert_eq!(unsafe { sys::cuLaunchHostFunc(stream.cu_stream(), Some(count), data) }, OK);
        let mut exec = executable(end(&stream).1);
        let mut nested = 0;
        for _ in 0..100_000 {
            stream.begin_capture(GLOBAL).unwrap();
            let code = launch(exec, &stream);
            let (ended, graph) = end(&stream);
            assert_eq!(ended, OK);
            if code != OK {
                assert_eq!(code, CUresult::CUDA_ERROR_NOT_SUPPORTED);
                break;
            }
            exec = executable(graph);
            nested += 1;
        }
        // What was refused leaves the last one usable.
        assert!((16..1000).contains(&nested), "{nested} graphs inside of each other");
        assert_eq!(CALLS.load(Relaxed), 0);
        assert_eq!(launch(exec, &stream), OK);
        assert_eq!(CALLS.load(Relaxed), 1);
    });
}

#[test]
fn a_broken_capture_says_how_and_leaves_its_stream_usable() {
    alone("capture::a_broken_capture_says_how_and_leaves_its_stream_usable", &[], || {
        use CUresult::*;
        let context = quiet();
        let f = module(&context).load_function("saxpy").unwrap();
        let (main, side) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let x = main.clone_htod(&[2.0f32; 8]).unwrap();
        let mut y = main.clone_htod(&[1.0f32; 8]).unwrap();
        let before = main.record_event(None).unwrap();
        type Break<'a> = &'a dyn Fn() -> CUresult;
        let cases: [(&str, Break, CUresult, CUresult); 7] = [
            ("nothing", &|| OK, OK, OK),
            (
                "synchronise",
                &|| code(main.synchronize()),
                CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
            ),
            (
                "synchronise the context",
                &|| unsafe { sys::cuCtxSynchronize() },
                CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
            ),
            (
                "wait for the outside",
                &|| code(main.wait(&before)),
                CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
                CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
            ),
            (
                "allocate",
                &|| unsafe { sys::cuMemAlloc_v2(&mut 0, 64) },
                CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
            ),
            ("begin again", &|| code(main.begin_capture(GLOBAL)), CUDA_ERROR_ILLEGAL_STATE, OK),
            (
                "leave a stream",
                &|| code(side.wait(&main.record_event(None).unwrap())),
                OK,
                CUDA_ERROR_STREAM_CAPTURE_UNJOINED,
            ),
        ];
        for (what, body, during, at_end) in cases {
            main.begin_capture(GLOBAL).unwrap();
            saxpy(&main, &f, 1.0, &x, &mut y);
            assert_eq!(body(), during, "{what}");
            if at_end == CUDA_ERROR_STREAM_CAPTURE_UNJOINED {
                saxpy(&side, &f, 1.0, &x, &mut y);
            }
            let (code, graph) = end(&main);
            assert_eq!((code, graph.is_null()), (at_end, at_end != OK), "{what}");
            let none = CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
            for stream in [&main, &side] {
                assert_eq!(stream.capture_status().unwrap(), none, "{what}");
                stream.synchronize().unwrap();
            }
            // Nothing of it has run.
            assert_eq!(main.clone_dtoh(&y).unwrap(), [1.0; 8], "{what}");
        }
        assert_eq!(end(&main).0, CUDA_ERROR_ILLEGAL_STATE);
        let legacy = context.default_stream();
        let refused = code(legacy.begin_capture(GLOBAL));
        assert_eq!(refused, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    });
}

#[test]
fn only_the_stream_that_began_ends_and_captures_do_not_mix() {
    alone("capture::only_the_stream_that_began_ends_and_captures_do_not_mix", &[], || {
        let context = quiet();
        let (main, side) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        main.begin_capture(GLOBAL).unwrap();
        let event = main.record_event(None).unwrap();
        side.wait(&event).unwrap();
        assert_eq!(end(&side).0, CUresult::CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
        let query = unsafe { sys::cuEventQuery(event.cu_event()) };
        assert_eq!(query, CUresult::CUDA_ERROR_CAPTURED_EVENT);
        assert_eq!(end(&main).0, CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

        main.begin_capture(RELAXED).unwrap();
        side.begin_capture(RELAXED).unwrap();
        let event = main.record_event(None).unwrap();
        assert_eq!(code(side.wait(&event)), CUresult::CUDA_ERROR_STREAM_CAPTURE_MERGE);
        assert_eq!(end(&side).0, CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        end(&main);
    });
}

#[test]
fn the_legacy_stream_breaks_captures_of_streams_that_wait_for_it() {
    alone("capture::the_legacy_stream_breaks_captures_of_streams_that_wait_for_it", &[], || {
        let context = quiet();
        let mut address = 0;
        assert_eq!(unsafe { sys::cuMemAlloc_v2(&mut address, 16) }, OK);
        let implicit = CUresult::CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        let invalidated = CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        // The second has CU_STREAM_NON_BLOCKING.
        for (flags, during, at_end) in [(0, implicit, invalidated), (1, OK, OK)] {
            let (mut stream, mut graph) = (std::ptr::null_mut(), std::ptr::null_mut());
            unsafe {
                assert_eq!(sys::cuStreamCreate(&mut stream, flags), OK);
                assert_eq!(sys::cuStreamBeginCapture_v2(stream, GLOBAL), OK);
            }
            let legacy = std::ptr::null_mut();
            let filled = unsafe { sys::cuMemsetD8Async(address, 0, 16, legacy) };
            assert_eq!(filled, during);
            let ended = unsafe { sys::cuStreamEndCapture(stream, &mut graph) };
            assert_eq!((ended, graph.is_null()), (at_end, at_end != OK));
        }
        drop(context);
    });
}

#[test]
fn the_mode_says_whom_a_capture_forbids_to_allocate_and_who_may_end_it() {
    alone(
        "capture::the_mode_says_whom_a_capture_forbids_to_allocate_and_who_may_end_it",
        &[],
        || {
            use CUresult::{
                CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED as NO,
                CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD as WRONG,
            };
            let context = quiet();
            let allocate = || unsafe { sys::cuMemAlloc_v2(&mut 0, 16) };
            let elsewhere = |body: &(dyn Fn() -> CUresult + Sync)| {
                std::thread::scope(|scope| {
                    let run = || {
                        context.bind_to_thread().unwrap();
                        body()
                    };
                    scope.spawn(run).join().unwrap()
                })
            };
            let cases = [(GLOBAL, NO, NO, WRONG), (THREAD, NO, OK, WRONG), (RELAXED, OK, OK, OK)];
            for (mode, here, there, ended) in cases {
                let stream = context.new_stream().unwrap();
                stream.begin_capture(mode).unwrap();
                assert_eq!(elsewhere(&allocate), there, "{mode:?} in another thread");
                assert_eq!(end(&stream).0 == OK, there == OK);
                stream.begin_capture(mode).unwrap();
                assert_eq!(allocate(), here, "{mode:?} in the same thread");
                assert_eq!(end(&stream).0 == OK, here == OK);
                stream.begin_capture(mode).unwrap();
                assert_eq!(elsewhere(&|| end(&stream).0), ended, "{mode:?}");
                assert_eq!(end(&stream).0 == OK, ended != OK, "{mode:?}");
                // A thread that has said it knows what it does.
                stream.begin_capture(mode).unwrap();
                let mut own = RELAXED;
                assert_eq!(unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut own) }, OK);
                assert_eq!((own, allocate()), (GLOBAL, OK));
                assert_eq!(unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut own) }, OK);
                assert_eq!((own, end(&stream).0), (RELAXED, OK));
            }
        },
    );
}
