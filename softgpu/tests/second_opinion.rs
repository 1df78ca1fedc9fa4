//! The kernels that ptoxide can run too, on both: the same bits.

use ptoxide::{Argument, Context, LaunchParams};
use softgpu::{Dim3, Gpu, Options};

#[path = "support/random.rs"]
#[allow(dead_code)]
mod random;

const SAXPY: &str = r#".version 8.3
.target sm_89
.address_size 64
.visible .entry saxpy(.param .u64 x, .param .u64 y, .param .u64 n)
{
.reg .pred %p<2>;
.reg .f32 %f<6>;
.reg .b32 %r<5>;
.reg .b64 %rd<12>;
ld.param.u64 %rd2, [x];
ld.param.u64 %rd3, [y];
ld.param.u64 %rd4, [n];
mov.f32 %f1, 0f3EC00000;
mov.u32 %r1, %ctaid.x;
mov.u32 %r2, %ntid.x;
mov.u32 %r3, %tid.x;
mad.lo.s32 %r4, %r1, %r2, %r3;
cvt.u64.u32 %rd1, %r4;
setp.ge.u64 %p1, %rd1, %rd4;
@%p1 bra $L_END;
cvta.to.global.u64 %rd5, %rd2;
shl.b64 %rd6, %rd1, 2;
add.s64 %rd7, %rd5, %rd6;
ld.global.f32 %f2, [%rd7];
cvta.to.global.u64 %rd8, %rd3;
add.s64 %rd9, %rd8, %rd6;
ld.global.f32 %f3, [%rd9];
fma.rn.f32 %f4, %f2, %f1, %f3;
st.global.f32 [%rd9], %f4;
$L_END:
ret;
}
"#;

/// Each block turns 64 numbers around through shared memory.
const REVERSE: &str = r#".version 8.3
.target sm_89
.address_size 64
.visible .entry reverse(.param .u64 x, .param .u64 y, .param .u64 n)
{
.reg .f32 %f<4>;
.reg .b32 %r<12>;
.reg .b64 %rd<12>;
.shared .align 4 .b8 box[256];
ld.param.u64 %rd2, [x];
ld.param.u64 %rd3, [y];
mov.u32 %r1, %ctaid.x;
mov.u32 %r2, %ntid.x;
mov.u32 %r3, %tid.x;
mad.lo.s32 %r4, %r1, %r2, %r3;
cvt.u64.u32 %rd1, %r4;
cvta.to.global.u64 %rd5, %rd2;
shl.b64 %rd6, %rd1, 2;
add.s64 %rd7, %rd5, %rd6;
ld.global.f32 %f1, [%rd7];
mov.u32 %r5, box;
shl.b32 %r6, %r3, 2;
add.s32 %r7, %r5, %r6;
st.shared.f32 [%r7], %f1;
bar.sync 0;
sub.s32 %r8, %r2, %r3;
shl.b32 %r9, %r8, 2;
add.s32 %r10, %r5, %r9;
ld.shared.f32 %f2, [%r10+-4];
cvta.to.global.u64 %rd8, %rd3;
add.s64 %rd9, %rd8, %rd6;
st.global.f32 [%rd9], %f2;
ret;
}
"#;

/// Runs `name(x, y, n)` on both and compares what stands in `y` then.
fn both(text: &str, name: &str, blocks: u32, threads: u32, n: usize) {
    let mut random = random::Random::new(61);
    // ptoxide rounds the product of an fma: with few digits there is nothing to round.
    let mut short = || random.f32s(n).into_iter().map(|v| (v * 1024.0).round() / 1024.0).collect();
    let (x, y): (Vec<f32>, Vec<f32>) = (short(), short());
    let mut theirs = vec![0f32; n];
    let mut context = Context::new_with_module(text).expect("ptoxide compiles it");
    let (dx, dy) = (context.alloc(n), context.alloc(n));
    context.write(dx, &x);
    context.write(dy, &y);
    let params = LaunchParams::func_id(0).grid1d(blocks).block1d(threads);
    let args = [Argument::ptr(dx), Argument::ptr(dy), Argument::U64(n as u64)];
    context.run(params, &args).expect("ptoxide runs it");
    context.read(dy, &mut theirs);

    let gpu = Gpu::new(Options::default());
    let module = gpu.load_ptx(text).unwrap();
    let (dx, dy) = (gpu.upload(&x).unwrap(), gpu.upload(&y).unwrap());
    let args = [dx.into(), dy.into(), (n as u64).into()];
    gpu.launch(&module, name, Dim3::x(blocks), Dim3::x(threads), 0, &args).unwrap();
    let ours: Vec<f32> = gpu.download(dy, n).unwrap();
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
    assert_eq!(bits(&ours), bits(&theirs));
    assert_ne!(bits(&ours), bits(&y), "nothing happened");
}

#[test]
fn saxpy_gives_the_bits_that_ptoxide_gives() {
    both(SAXPY, "saxpy", 8, 128, 1000);
}

#[test]
fn a_kernel_with_shared_memory_gives_the_bits_that_ptoxide_gives() {
    both(REVERSE, "reverse", 5, 64, 320);
}
