//! What goes wrong, and how the program learns of it.

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, DriverError, PushKernelArg};
use cudarc::nvrtc::Ptx;
use softgpu::client::SoftwareDevice;
use softgpu::{FindingKind, Report};

use super::alone::{alone, stderr};
use super::{PTX, code, context, module, one_block};

#[test]
fn what_cannot_be_loaded_says_why() {
    let name = "failures::what_cannot_be_loaded_says_why";
    let output = alone(name, &[], || {
        let (_device, context) = context();
        let bad = Ptx::from_src(PTX.replace("fma.rn.f32", "fma.sideways.f32"));
        let refused = code(context.load_module(bad));
        assert_eq!(refused, CUresult::CUDA_ERROR_INVALID_PTX);
        let module = module(&context);
        let missing = code(module.load_function("nothing"));
        assert_eq!(missing, CUresult::CUDA_ERROR_NOT_FOUND);
    });
    let Some(output) = output else { return };
    let text = stderr(&output);
    let line = PTX.lines().position(|line| line.contains("fma.rn.f32")).unwrap() + 1;
    assert!(text.contains(&format!("PTX line {line}")) && text.contains("sideways"), "{text}");
    assert!(text.contains("no kernel `nothing`") && text.contains("saxpy"), "{text}");
}

#[test]
fn an_overrun_fails_the_launch_and_every_call_after_it() {
    let name = "failures::an_overrun_fails_the_launch_and_every_call_after_it";
    let output = alone(name, &[], || {
        let (device, context) = context();
        let stream = context.default_stream();
        let f = module(&context).load_function("overrun").unwrap();
        let mut out = stream.alloc_zeros::<u32>(40).unwrap();
        let mut launch = stream.launch_builder(&f);
        launch.arg(&mut out).arg(&39u32);
        let failed = code(unsafe { launch.launch(one_block(32, 0)) });
        assert_eq!(failed, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
        for _ in 0..2 {
            assert_eq!(code(stream.synchronize()), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
            let copied = code(stream.clone_dtoh(&out));
            assert_eq!(copied, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
        }
        let found = device.findings().unwrap();
        assert_eq!(found[0].kind, FindingKind::OutOfBounds);
        let report = device.last_report().unwrap().unwrap();
        assert_eq!((report.kernel.as_str(), report.findings.len()), ("overrun", 1));
        // A reset makes a working context of it again.
        drop(out);
        let reset = unsafe { sys::cuDevicePrimaryCtxReset_v2(0) };
        assert_eq!(reset, CUresult::CUDA_SUCCESS);
        let mut free = 0;
        assert_eq!(unsafe { sys::cuMemAlloc_v2(&mut free, 64) }, CUresult::CUDA_SUCCESS);
    });
    let Some(output) = output else { return };
    let text = stderr(&output);
    assert!(text.contains("OutOfBounds") && text.contains("in overrun, block (0, 0, 0)"), "{text}");
    assert!(text.contains("st.global.u32"), "{text}");
}

#[test]
fn memory_never_written_fails_its_launch_unless_findings_only_report() {
    let name = "failures::memory_never_written_fails_its_launch_unless_findings_only_report";
    for (fail, expected) in [("1", "CUDA_ERROR_LAUNCH_FAILED"), ("0", "CUDA_SUCCESS")] {
        let output = alone(name, &[("SOFTGPU_FAIL", fail)], || {
            let (device, context) = context();
            let stream = context.default_stream();
            let f = module(&context).load_function("touch").unwrap();
            let data = unsafe { stream.alloc::<u32>(32) }.unwrap();
            let launched = unsafe { stream.launch_builder(&f).arg(&data).launch(one_block(32, 0)) };
            println!("launch: {:?}", code(launched));
            assert_eq!(device.findings().unwrap()[0].kind, FindingKind::Uninitialized);
        });
        let Some(output) = output else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(&format!("launch: {expected}")), "SOFTGPU_FAIL={fail}: {text}");
    }
}

#[test]
fn a_leak_is_reported_at_the_last_release_and_a_clean_end_is_silent() {
    let name = "failures::a_leak_is_reported_at_the_last_release_and_a_clean_end_is_silent";
    for leak in ["0", "1"] {
        let output = alone(name, &[("LEAK", leak)], || {
            let (device, context) = context();
            let stream = context.new_stream().unwrap();
            let module = module(&context);
            let f = module.load_function("touch").unwrap();
            let data = stream.clone_htod(&[1u32; 321]).unwrap();
            unsafe { stream.launch_builder(&f).arg(&data).launch(one_block(32, 0)) }.unwrap();
            let mut again = 0;
            if std::env::var("LEAK").unwrap() == "1" {
                let made = unsafe { sys::cuMemAlloc_v2(&mut again, 777) };
                assert_eq!(made, CUresult::CUDA_SUCCESS);
            }
            // The stream before its buffers, the module before its function.
            drop((stream, module, data, f));
            drop(context);
            let leaks = device.findings().unwrap().len();
            assert_eq!(leaks, usize::from(again != 0));
        });
        let Some(output) = output else { return };
        let text = stderr(&output);
        assert_eq!(text.contains("Leak") && text.contains("777 bytes"), leak == "1", "{text}");
        assert_eq!(text.contains("softgpu:"), leak == "1", "{text}");
    }
}

#[test]
fn a_second_free_is_refused_and_found() {
    let name = "failures::a_second_free_is_refused_and_found";
    alone(name, &[], || {
        let (device, _context) = context();
        let mut address = 0;
        unsafe {
            assert_eq!(sys::cuMemAlloc_v2(&mut address, 64), CUresult::CUDA_SUCCESS);
            assert_eq!(sys::cuMemFree_v2(address), CUresult::CUDA_SUCCESS);
            assert_eq!(sys::cuMemFree_v2(address), CUresult::CUDA_ERROR_INVALID_VALUE);
        }
        assert_eq!(device.findings().unwrap()[0].kind, FindingKind::DoubleFree);
        device.clear_findings();
        assert!(device.findings().unwrap().is_empty());
    });
}

#[test]
fn the_environment_configures_the_device_and_a_wrong_value_is_refused() {
    let name = "failures::the_environment_configures_the_device_and_a_wrong_value_is_refused";
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("reports.jsonl");
    let good = [("SOFTGPU_MEMORY", "3M"), ("SOFTGPU_REPORT", report.to_str().unwrap())];
    let bad = [("SOFTGPU_MEMORY", "plenty"), ("SOFTGPU_REPORT", "")];
    for environment in [good, bad] {
        let output = alone(name, &environment, || {
            let _device = SoftwareDevice::load().unwrap();
            let context = match CudaContext::new(0) {
                Ok(context) => context,
                Err(DriverError(code)) => {
                    assert_eq!(code, CUresult::CUDA_ERROR_INVALID_VALUE);
                    assert_eq!(std::env::var("SOFTGPU_MEMORY").unwrap(), "plenty");
                    return;
                }
            };
            assert_eq!(context.total_mem().unwrap(), 3 << 20);
            let stream = context.default_stream();
            let too_much = unsafe { stream.alloc::<u8>((3 << 20) + 1) };
            assert_eq!(code(too_much), CUresult::CUDA_ERROR_OUT_OF_MEMORY);
            let f = module(&context).load_function("touch").unwrap();
            let data = stream.clone_htod(&[1u32; 64]).unwrap();
            for threads in [32, 64] {
                let mut launch = stream.launch_builder(&f);
                unsafe { launch.arg(&data).launch(one_block(threads, 0)) }.unwrap();
            }
        });
        let Some(output) = output else { return };
        let refused = environment == bad;
        assert_eq!(stderr(&output).contains("SOFTGPU_MEMORY=plenty"), refused);
    }
    let lines = std::fs::read_to_string(&report).unwrap();
    let reports: Vec<Report> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let threads: Vec<u32> = reports.iter().map(|report| report.block.x).collect();
    assert_eq!(threads, [32, 64]);
}

/// A launch of each kernel with a fault of its own: PTX, what the launch passes, the code it must give.
const FAULTS: [(&str, &str, CUresult); 6] = [
    ("misaligned", "st.global.u32 [%rd1+1], 7;", CUresult::CUDA_ERROR_MISALIGNED_ADDRESS),
    ("beyond", "st.global.u32 [%rd1+64], 7;", CUresult::CUDA_ERROR_ILLEGAL_ADDRESS),
    ("endless", "LOOP: bra LOOP;", CUresult::CUDA_ERROR_LAUNCH_TIMEOUT),
    ("trap", "trap;", CUresult::CUDA_ERROR_LAUNCH_FAILED),
    (
        "assertion",
        "{ .param .b64 a; .param .b64 b; .param .b32 c; .param .b64 d; .param .b64 e; \
         st.param.b64 [a], text_address; st.param.b64 [b], text_address; st.param.b32 [c], 1; \
         st.param.b64 [d], text_address; st.param.b64 [e], 1; \
         call.uni __assertfail, (a, b, c, d, e); }",
        CUresult::CUDA_ERROR_ASSERT,
    ),
    ("none", "st.global.u32 [%rd1+60], 7;", CUresult::CUDA_SUCCESS),
];

fn faulty(name: &str, body: &str) -> String {
    // The address of the assertion's text goes through a register.
    let body = body.replace("text_address", "%rd2");
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n\
         .extern .func __assertfail(.param .b64 p0, .param .b64 p1, .param .b32 p2, .param .b64 p3, \
         .param .b64 p4);\n\
         .global .align 1 .b8 text[3] = {{104, 105, 0}};\n\
         .visible .entry {name}(.param .u64 data) {{\n\
         .reg .b64 %rd<4>;\n\
         ld.param.u64 %rd1, [data];\n\
         cvta.to.global.u64 %rd1, %rd1;\n\
         mov.u64 %rd3, text;\n\
         cvta.global.u64 %rd2, %rd3;\n\
         {body}\n\
         ret;\n}}\n"
    )
}

#[test]
fn each_fault_has_the_code_of_hardware_and_the_context_keeps_it() {
    let name = "failures::each_fault_has_the_code_of_hardware_and_the_context_keeps_it";
    for (fault, body, expected) in FAULTS {
        let environment = [("FAULT", fault), ("SOFTGPU_WATCHDOG", "100000")];
        let output = alone(name, &environment, || {
            // The parent's loop starts one process for each; this is the one of `FAULT`.
            let wanted = std::env::var("FAULT").unwrap();
            let (_, body, expected) =
                FAULTS.into_iter().find(|(name, ..)| *name == wanted).unwrap();
            let (_device, context) = context();
            let stream = context.default_stream();
            let f = context
                .load_module(Ptx::from_src(faulty(&wanted, body)))
                .unwrap()
                .load_function(&wanted)
                .unwrap();
            let mut data = stream.alloc_zeros::<u32>(16).unwrap();
            let mut launch = stream.launch_builder(&f);
            let launched = unsafe { launch.arg(&mut data).launch(one_block(1, 0)) };
            assert_eq!(code(launched), expected);
            unsafe {
                assert_eq!(sys::cuCtxSynchronize(), expected);
                let mut address = 0;
                assert_eq!(sys::cuMemAlloc_v2(&mut address, 16), expected);
                // Nothing was allocated, or it is freed; the context's code either way.
                assert_eq!(sys::cuMemFree_v2(address), expected);
                let mut pointer = std::ptr::null();
                // A fact of the API, whatever the context.
                assert_eq!(sys::cuGetErrorName(expected, &mut pointer), CUresult::CUDA_SUCCESS);
            }
        });
        let Some(output) = output else { return };
        let found = stderr(&output).contains("softgpu:");
        assert_eq!(found, expected != CUresult::CUDA_SUCCESS, "{fault}: {body}");
    }
}

#[test]
fn memory_freed_before_the_launch_is_an_illegal_address() {
    let name = "failures::memory_freed_before_the_launch_is_an_illegal_address";
    alone(name, &[], || {
        let (device, context) = context();
        let stream = context.default_stream();
        let f = module(&context).load_function("touch").unwrap();
        let mut address = 0u64;
        unsafe {
            assert_eq!(sys::cuMemAlloc_v2(&mut address, 128), CUresult::CUDA_SUCCESS);
            assert_eq!(sys::cuMemFree_v2(address), CUresult::CUDA_SUCCESS);
            let launched = stream.launch_builder(&f).arg(&address).launch(one_block(32, 0));
            assert_eq!(code(launched), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
        }
        assert_eq!(device.findings().unwrap()[0].kind, FindingKind::UseAfterFree);
    });
}
