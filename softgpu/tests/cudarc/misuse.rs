//! Random calls with handles that are right, of another kind, destroyed, or nonsense. A model of a few
//! lines says which are to succeed; every other must give its error and change nothing.

use std::ffi::c_void;

use cudarc::driver::sys::{self, CUresult};

use super::alone::alone;
use super::support::Random;
use super::{PTX, context};

const OK: CUresult = CUresult::CUDA_SUCCESS;
const HANDLE: CUresult = CUresult::CUDA_ERROR_INVALID_HANDLE;
const VALUE: CUresult = CUresult::CUDA_ERROR_INVALID_VALUE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stream,
    Event { recorded: bool },
    Module,
    Function { module: u64 },
    Graph,
    Exec,
}

/// What the model knows: every handle ever seen, and every allocation.
struct Model {
    random: Random,
    handles: Vec<(u64, Kind, bool)>,
    /// Address, bytes, whether it is alive.
    memory: Vec<(u64, u64, bool)>,
    ptx: Vec<u8>,
}

impl Model {
    /// A handle: most are known ones, alive or not and of whatever kind.
    fn handle(&mut self) -> u64 {
        let any = self.random.below(10);
        let count = self.handles.len() as u32;
        match any {
            0 => self.random.u64(),
            1 => self.random.below(5).into(),
            2 if count > 0 => self.handles[self.random.below(count) as usize].0 ^ 8,
            _ if count > 0 => self.handles[self.random.below(count) as usize].0,
            _ => 0,
        }
    }

    /// Mostly one of this kind, of those three times of four one that is alive.
    fn likely(&mut self, is: fn(Kind) -> bool) -> u64 {
        let wanted = self.random.below(4) != 0;
        let fit = self.handles.iter().filter(|(_, kind, alive)| *alive == wanted && is(*kind));
        let fit: Vec<u64> = fit.map(|(handle, ..)| *handle).collect();
        if fit.is_empty() || self.random.below(8) == 0 {
            return self.handle();
        }
        fit[self.random.below(fit.len() as u32) as usize]
    }

    fn kind(&self, handle: u64) -> Option<Kind> {
        let known = self.handles.iter().find(|(known, _, alive)| *known == handle && *alive);
        known.map(|(_, kind, _)| *kind)
    }

    fn is(&self, handle: u64, is: fn(Kind) -> bool) -> bool {
        self.kind(handle).is_some_and(is)
    }

    /// The default streams' numbers count as streams.
    fn is_stream(&self, handle: u64) -> bool {
        handle <= 2 || self.is(handle, stream)
    }

    fn made(&mut self, code: CUresult, handle: *mut c_void, kind: Kind) {
        assert_eq!(code, OK, "making a {kind:?}");
        let handle = handle.addr() as u64;
        if let Kind::Function { .. } = kind
            && self.kind(handle) == Some(kind)
        {
            return;
        }
        assert!(!self.handles.iter().any(|(known, ..)| *known == handle), "{handle:#x} again");
        self.handles.push((handle, kind, true));
    }

    /// Destroys a handle of a kind, or is refused.
    fn destroyed(&mut self, code: CUresult, handle: u64, is: fn(Kind) -> bool) {
        assert_eq!(code, expect(self.is(handle, is)), "destroying {handle:#x}");
        for (known, kind, alive) in &mut self.handles {
            let goes = *known == handle || *kind == Kind::Function { module: handle };
            *alive &= !(code == OK && goes);
        }
    }

    /// An address, mostly in an allocation, dead or alive, and how many bytes are left from it on.
    fn address(&mut self) -> (u64, u64) {
        let count = self.memory.len() as u32;
        if count == 0 || self.random.below(8) == 0 {
            return (self.random.u64() >> self.random.below(60), 0);
        }
        let (base, bytes, alive) = self.memory[self.random.below(count) as usize];
        let offset = self.random.below(bytes as u32 + 2).into();
        (base + offset, if alive { bytes.saturating_sub(offset) } else { 0 })
    }
}

fn stream(kind: Kind) -> bool {
    kind == Kind::Stream
}

fn event(kind: Kind) -> bool {
    matches!(kind, Kind::Event { .. })
}

fn function(kind: Kind) -> bool {
    matches!(kind, Kind::Function { .. })
}

fn expect(right: bool) -> CUresult {
    if right { OK } else { HANDLE }
}

fn pointer<T>(handle: u64) -> *mut T {
    std::ptr::without_provenance_mut(handle as usize)
}

/// One call that makes something.
unsafe fn make(model: &mut Model) {
    let mut new = std::ptr::null_mut::<c_void>();
    let to = &raw mut new;
    unsafe {
        match model.random.below(6) {
            0 => {
                let code = sys::cuStreamCreate(to.cast(), model.random.below(2));
                model.made(code, new, Kind::Stream);
            }
            1 => {
                let code = sys::cuEventCreate(to.cast(), 0);
                model.made(code, new, Kind::Event { recorded: false });
            }
            2 if model.random.below(4) == 0 => {
                let code = sys::cuModuleLoadData(to.cast(), model.ptx.as_ptr().cast());
                model.made(code, new, Kind::Module);
            }
            3 => {
                let module = model.likely(|kind| kind == Kind::Module);
                let code = sys::cuModuleGetFunction(to.cast(), pointer(module), c"saxpy".as_ptr());
                if model.is(module, |kind| kind == Kind::Module) {
                    model.made(code, new, Kind::Function { module });
                } else {
                    assert_eq!(code, HANDLE);
                }
            }
            4 => {
                let origin = model.likely(stream);
                let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL;
                let begun = sys::cuStreamBeginCapture_v2(pointer(origin), mode);
                let expected = match origin {
                    0 | 1 => CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                    _ => expect(model.is_stream(origin)),
                };
                assert_eq!(begun, expected, "capture of {origin:#x}");
                if begun == OK {
                    let code = sys::cuStreamEndCapture(pointer(origin), to.cast());
                    model.made(code, new, Kind::Graph);
                }
            }
            5 => {
                let graph = model.likely(|kind| kind == Kind::Graph);
                let code = sys::cuGraphInstantiateWithFlags(to.cast(), pointer(graph), 0);
                if model.is(graph, |kind| kind == Kind::Graph) {
                    model.made(code, new, Kind::Exec);
                } else {
                    assert_eq!(code, HANDLE);
                }
            }
            _ => {}
        }
    }
}

/// One call that uses one or two handles.
unsafe fn using(model: &mut Model, x: u64, y: u64) {
    unsafe {
        let target = model.likely(stream);
        match model.random.below(7) {
            0 => {
                let code = sys::cuStreamSynchronize(pointer(target));
                assert_eq!(code, expect(model.is_stream(target)), "stream {target:#x}");
            }
            1 | 2 => {
                let one = model.likely(event);
                let code = sys::cuEventRecord(pointer(one), pointer(target));
                assert_eq!(code, expect(model.is(one, event) && model.is_stream(target)));
                for (handle, kind, _) in &mut model.handles {
                    if *handle == one && code == OK {
                        *kind = Kind::Event { recorded: true };
                    }
                }
            }
            3 => {
                let one = model.likely(event);
                let code = sys::cuStreamWaitEvent(pointer(target), pointer(one), 0);
                assert_eq!(code, expect(model.is(one, event) && model.is_stream(target)));
                let code = sys::cuEventQuery(pointer(one));
                assert_eq!(code, expect(model.is(one, event)), "event {one:#x}");
            }
            4 => {
                let (from, to) = (model.likely(event), model.likely(event));
                let mut time = 0.0;
                let code = sys::cuEventElapsedTime_v2(&mut time, pointer(from), pointer(to));
                let recorded = Kind::Event { recorded: true };
                let right = [from, to].iter().all(|one| model.kind(*one) == Some(recorded));
                assert_eq!(code, expect(right));
            }
            5 => {
                let exec = model.likely(|kind| kind == Kind::Exec);
                let code = sys::cuGraphLaunch(pointer(exec), pointer(target));
                let right = model.is(exec, |kind| kind == Kind::Exec) && model.is_stream(target);
                assert_eq!(code, expect(right));
            }
            _ => {
                let f = model.likely(function);
                let (mut x, mut y, mut a, mut n) = (x, y, 0.0f32, 32u32);
                let mut params: [*mut c_void; 4] = [
                    (&raw mut x).cast(),
                    (&raw mut y).cast(),
                    (&raw mut a).cast(),
                    (&raw mut n).cast(),
                ];
                let (params, none) = (params.as_mut_ptr(), std::ptr::null_mut());
                let code = sys::cuLaunchKernel(
                    pointer(f),
                    1,
                    1,
                    1,
                    32,
                    1,
                    1,
                    0,
                    pointer(target),
                    params,
                    none,
                );
                assert_eq!(code, expect(model.is(f, function) && model.is_stream(target)));
                let mut value = 0;
                let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK;
                let code = sys::cuFuncGetAttribute(&mut value, attribute, pointer(f));
                assert_eq!(code, expect(model.is(f, function)), "function {f:#x}");
            }
        }
    }
}

/// One call that destroys something, or is refused for one of two reasons.
unsafe fn destroy(model: &mut Model) {
    let kinds: [fn(Kind) -> bool; 5] = [
        stream,
        event,
        |kind| kind == Kind::Module,
        |kind| kind == Kind::Graph,
        |kind| kind == Kind::Exec,
    ];
    let which = model.random.below(5) as usize;
    let is = kinds[which];
    let handle = if model.random.below(2) == 0 { model.handle() } else { model.likely(is) };
    let code = unsafe {
        match which {
            0 => sys::cuStreamDestroy_v2(pointer(handle)),
            1 => sys::cuEventDestroy_v2(pointer(handle)),
            2 => sys::cuModuleUnload(pointer(handle)),
            3 => sys::cuGraphDestroy(pointer(handle)),
            _ => sys::cuGraphExecDestroy(pointer(handle)),
        }
    };
    model.destroyed(code, handle, is);
}

/// One call about memory.
unsafe fn memory(model: &mut Model) {
    unsafe {
        match model.random.below(5) {
            0 => {
                let bytes = u64::from(model.random.below(4096)) + 1;
                let mut base = 0;
                assert_eq!(sys::cuMemAlloc_v2(&mut base, bytes as usize), OK);
                assert!(!model.memory.iter().any(|(known, ..)| *known == base), "{base:#x} again");
                model.memory.push((base, bytes, true));
            }
            1 => {
                let (address, _) = model.address();
                let code = sys::cuMemFree_v2(address);
                let known =
                    model.memory.iter_mut().find(|(base, _, alive)| *base == address && *alive);
                match known {
                    Some((.., alive)) => {
                        assert_eq!(code, OK);
                        *alive = false;
                    }
                    None => assert_eq!(code, if address == 0 { OK } else { VALUE }),
                }
            }
            2 => {
                let ((to, room), (from, left)) = (model.address(), model.address());
                let bytes = u64::from(model.random.below(64)) + 1;
                let code = sys::cuMemcpyDtoD_v2(to, from, bytes as usize);
                assert_eq!(code, if bytes <= room.min(left) { OK } else { VALUE });
            }
            3 => {
                let (from, left) = model.address();
                let mut host = [0u8; 64];
                let bytes = u64::from(model.random.below(64)) + 1;
                let to = host.as_mut_ptr().cast();
                let code = sys::cuMemcpyDtoH_v2(to, from, bytes as usize);
                assert_eq!(code, if bytes <= left { OK } else { VALUE }, "{from:#x}");
                let untouched = if code == OK { bytes as usize } else { 0 };
                assert!(host[untouched..].iter().all(|byte| *byte == 0));
            }
            _ => {
                let (to, room) = model.address();
                let bytes = u64::from(model.random.below(64)) + 1;
                let code = sys::cuMemsetD8_v2(to, 1, bytes as usize);
                assert_eq!(code, if bytes <= room { OK } else { VALUE }, "{to:#x}");
            }
        }
    }
}

#[test]
fn wrong_handles_and_addresses_are_refused_among_right_ones() {
    let name = "misuse::wrong_handles_and_addresses_are_refused_among_right_ones";
    alone(name, &[("SOFTGPU_WORKERS", "1")], || {
        let (_device, context) = context();
        let stream = context.default_stream();
        let data = stream.clone_htod(&[1.0f32; 64]).unwrap();
        use cudarc::driver::DevicePtr;
        let (x, _guard) = data.device_ptr(&stream);
        let ptx = [PTX.as_bytes(), b"\0"].concat();
        for seed in 0..8 {
            let (random, ptx) = (Random::new(seed), ptx.clone());
            let mut model = Model { random, handles: Vec::new(), memory: Vec::new(), ptx };
            for _ in 0..2500 {
                unsafe {
                    match model.random.below(8) {
                        0 | 1 => make(&mut model),
                        2 => destroy(&mut model),
                        3 | 4 => memory(&mut model),
                        _ => using(&mut model, x, x + 128),
                    }
                }
            }
            let alive = model.handles.iter().filter(|(.., alive)| *alive).count();
            let (all, memory) = (model.handles.len(), model.memory.len());
            // The dice have reached all of it.
            assert!(alive > 5 && all > alive + 20 && memory > 50, "{alive} of {all}, {memory}");
        }
    });
}
