//! Kernels that use every family of instructions, over the same registers and variables, so that a line
//! of one is understood in the others.

/// Variables and functions of every module.
pub const MODULE: &str = r#".version 9.0
.target sm_90
.address_size 64
.extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);
.extern .func __assertfail(.param .b64 m, .param .b64 f, .param .b32 l, .param .b64 n, .param .b64 s);
.const .align 8 .u32 table[8] = {3, 1, 4, 1, 5, 9, 2, 6};
.global .align 8 .u64 links[2] = {table, table+8};
.global .align 4 .u32 cells[64];
.global .align 1 .b8 text[24] = {37, 100, 32, 37, 53, 46, 50, 102, 32, 37, 115, 10, 0};
.extern .shared .align 16 .b8 dynamic[];
.func (.param .b32 result) twice(.param .b32 a, .param .align 8 .b8 s[8])
{
.reg .b32 %r<4>;
.reg .pred %p<2>;
ld.param.u32 %r1, [a];
ld.param.u32 %r2, [s+4];
setp.gt.u32 %p1, %r1, %r2;
@%p1 bra BIG;
add.u32 %r1, %r1, %r2;
BIG:
shl.b32 %r1, %r1, 1;
st.param.b32 [result], %r1;
ret;
}
"#;

/// Start of every kernel: %rd1 is the output, 4 KiB, %rd2 the input, 4 KiB, %rd3 and %rd4 this thread's
/// 16 bytes of them, %rd5 and %r5 its 16 bytes of shared memory, %r1 to %r9 small numbers.
pub const START: &str = r#".visible .entry k(.param .u64 out, .param .u64 in, .param .u32 n, .param .align 8 .b8 s[16])
{
.reg .pred %p<6>;
.reg .b16 %rs<6>;
.reg .b32 %r<24>;
.reg .b64 %rd<16>;
.reg .f32 %f<16>;
.reg .f64 %fd<4>;
.shared .align 16 .b8 area[2048];
.local .align 16 .b8 depot[64];
ld.param.u64 %rd1, [out];
ld.param.u64 %rd2, [in];
ld.param.u32 %r1, [n];
mov.u32 %r0, %tid.x;
mul.wide.u32 %rd3, %r0, 16;
add.s64 %rd4, %rd2, %rd3;
add.s64 %rd3, %rd1, %rd3;
mov.u32 %r5, area;
mad.lo.u32 %r5, %r0, 16, %r5;
cvt.u64.u32 %rd5, %r5;
cvta.shared.u64 %rd6, %rd5;
mov.u64 %rd7, depot;
cvta.local.u64 %rd8, %rd7;
and.b32 %r2, %r0, 7;
setp.lt.u32 %p1, %r2, 3;
setp.ne.u32 %p2, %r1, 0;
ld.global.v4.u32 {%r6, %r7, %r8, %r9}, [%rd4];
mov.u32 %r10, 0;
"#;

pub const BODIES: [&str; 12] = [
    r#"st.shared.v4.u32 [%r5], {%r6, %r7, %r8, %r9};
bar.sync 0;
xor.b32 %r11, %r5, 16;
ld.shared.v2.u32 {%r12, %r13}, [%r11+8];
ld.shared.u8 %rs1, [%r11];
ld.shared.s16 %rd9, [%r11+2];
st.local.v2.u32 [depot+8], {%r12, %r13};
ld.local.u64 %rd10, [%rd7+8];
st.u64 [%rd8+16], %rd10;
ld.v2.f32 {%f1, %f2}, [%rd8+16];
st.global.v2.f32 [%rd3], {%f1, %f2};
st.volatile.global.u64 [%rd3+8], %rd9;
bar.sync 0;
selp.b64 %rd11, %rd6, %rd8, %p1;
st.u32 [%rd11], %r6;
ld.u32 %r14, [%rd11];
"#,
    r#"shfl.sync.bfly.b32 %r11|%p3, %r6, 1, 31, -1;
shfl.sync.up.b32 %r12, %r7, %r2, 0, -1;
shfl.sync.idx.b32 %r13, %r8, 3, 0x181f, -1;
vote.sync.ballot.b32 %r14, !%p1, -1;
vote.sync.any.pred %p4, %p1, -1;
@%p1 shfl.sync.down.b32 %r11, %r6, 1, 31, 0x07070707;
match.any.sync.b32 %r15, %r2, -1;
match.all.sync.b64 %r15|%p3, %rd3, -1;
redux.sync.add.s32 %r16, %r2, -1;
redux.sync.min.u32 %r16, %r2, %r15;
elect.sync %r17|%p4, -1;
activemask.b32 %r18;
bar.warp.sync -1;
st.global.v4.u32 [%rd3], {%r11, %r12, %r13, %r14};
"#,
    r#"mov.u32 %r11, %r2;
LOOP:
setp.eq.u32 %p3, %r11, 0;
@%p3 bra DONE;
sub.u32 %r11, %r11, 1;
setp.gt.u32 %p4, %r11, 4;
@%p4 bra LOOP;
mad.lo.u32 %r10, %r11, %r6, %r10;
@!%p2 exit;
bra.uni LOOP;
DONE:
st.global.u32 [%rd3], %r10;
"#,
    r#"and.b32 %r11, %r0, 3;
TARGETS: .branchtargets A, B, C, A;
brx.idx %r11, TARGETS;
A:
add.u32 %r10, %r10, 1;
bra JOIN;
B:
add.u32 %r10, %r10, 2;
@%p1 bra C;
bra JOIN;
C:
add.u32 %r10, %r10, 3;
JOIN:
st.global.u32 [%rd3], %r10;
"#,
    r#"mov.u64 %rd9, cells;
mad.wide.u32 %rd9, %r2, 8, %rd9;
atom.global.add.u32 %r11, [%rd9], %r6;
atom.global.cas.b32 %r12, [%rd9], %r11, %r7;
atom.global.exch.b64 %rd10, [%rd9], %rd3;
atom.global.inc.u32 %r13, [%rd9], 5;
red.global.max.s32 [%rd9+4], %r8;
atom.global.add.f32 %f1, [%rd9], %f2;
atom.global.cas.b16 %rs1, [%rd9], %rs2, %rs3;
st.shared.u64 [%r5], %rd3;
atom.shared.or.b32 %r14, [%r5], %r6;
atom.shared.add.u64 %rd11, [%r5+0], %rd10;
atom.add.noftz.f16x2 %r15, [%rd6], %r7;
red.add.f64 [%rd6], %fd1;
membar.gl;
atom.global.min.s64 %rd11, [%rd9], -1;
"#,
    r#"cp.async.cg.shared.global [%r5], [%rd4], 16;
cp.async.commit_group;
cp.async.ca.shared.global [%r5+1024], [%rd4], 8, %r2;
cp.async.commit_group;
cp.async.wait_group 1;
ld.shared.u32 %r11, [%r5];
cp.async.wait_all;
ld.shared.v2.u32 {%r12, %r13}, [%r5+1024];
bar.sync 0;
st.global.v2.u32 [%rd3], {%r11, %r12};
"#,
    r#"st.shared.v4.u32 [%rd5], {%r6, %r7, %r8, %r9};
bar.sync 0;
ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r11, %r12, %r13, %r14}, [%r5];
ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r15, %r16}, [%rd5];
mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r11, %r12, %r13, %r14}, {%r15, %r16}, {%f1, %f2, %f3, %f4};
mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%f5, %f6, %f7, %f8}, {%r11, %r12}, {%r15}, {%f1, %f2, %f3, %f4};
mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%f5, %f6, %f7, %f8}, {%r11, %r12}, {%r15}, {%f1, %f2, %f3, %f4};
bar.sync 0;
stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%r5], {%r11, %r12};
st.global.v4.f32 [%rd3], {%f1, %f2, %f3, %f8};
"#,
    r#"bar.red.popc.u32 %r11, 0, %p1;
bar.red.and.pred %p3, 1, !%p1;
bar.red.or.pred %p4, 2, 64, %p2;
@%p2 bar.sync 3, 64;
bar.arrive 4, 96;
barrier.cta.sync.aligned 0;
barrier.sync %r2;
fence.acq_rel.gpu;
selp.u32 %r12, %r11, %r10, %p3;
st.global.u32 [%rd3], %r12;
"#,
    r#"{
.param .b32 a0;
.param .align 8 .b8 s0[8];
.param .b32 ret0;
st.param.b32 [a0], %r6;
st.param.v2.b32 [s0], {%r7, %r8};
call.uni (ret0), twice, (a0, s0);
ld.param.b32 %r11, [ret0];
}
st.global.u32 [%rd3], %r11;
mov.b64 %rd9, s;
ld.param.u32 %r12, [%rd9+4];
ld.param.v2.u32 {%r13, _}, [s+8];
ld.const.u32 %r14, [table+12];
ld.global.u64 %rd10, [links];
ld.const.u32 %r15, [%rd10];
"#,
    r#"st.local.u32 [depot], %r6;
st.local.f64 [depot+8], %fd1;
st.local.u64 [depot+16], %rd9;
{
.param .b64 f0;
.param .b64 a0;
.param .b32 r0;
mov.u64 %rd9, text;
cvta.global.u64 %rd9, %rd9;
st.param.b64 [f0], %rd9;
st.param.b64 [a0], %rd8;
call.uni (r0), vprintf, (f0, a0);
ld.param.b32 %r11, [r0];
}
@%p2 bra GOOD;
{
.param .b64 m0;
.param .b32 l0;
st.param.b64 [m0], %rd9;
st.param.b32 [l0], 7;
call.uni __assertfail, (m0, m0, l0, m0, m0);
}
trap;
GOOD:
nanosleep.u32 20;
"#,
    r#"mov.b64 %rd9, {%r6, %r7};
mov.b64 {%r11, _}, %rd9;
mov.b32 {%rs1, %rs2}, %r11;
mov.b32 %r12, {%rs2, %rs1};
mov.b64 %rd10, {%rs1, %rs2, %rs1, %rs2};
mov.u32 %r13, %laneid;
mov.u64 %rd11, %clock64;
isspacep.shared %p3, %rd6;
cvta.to.shared.u64 %rd12, %rd6;
div.u32 %r14, %r6, %r2;
rem.s64 %rd13, %rd9, %rd10;
fma.rn.f32 %f1, %f2, %f3, %f4;
cvt.rni.s32.f32 %r15, %f1;
cvt.rn.f16x2.f32 %r15, %f1, %f2;
add.f64 %fd1, %fd2, 0d3FF0000000000000;
prmt.b32 %r16, %r6, %r7, %r8;
lop3.b32 %r17, %r6, %r7, %r8, 0x96;
bfe.s32 %r18, %r6, %r7, %r8;
shf.l.wrap.b32 %r19, %r6, %r7, %r8;
add.cc.u32 %r20, %r6, %r7;
addc.u32 %r21, %r8, %r9;
setp.lt.and.f32 %p3|%p4, %f1, %f2, !%p1;
ex2.approx.ftz.f32 %f5, %f1;
st.global.v2.u64 [%rd3], {%rd9, %rd13};
"#,
    r#"TRY:
atom.global.cas.b32 %r11, [cells], 0, 1;
setp.ne.u32 %p3, %r11, 0;
@%p3 bra TRY;
ld.volatile.global.u32 %r12, [cells+4];
add.u32 %r12, %r12, 1;
st.volatile.global.u32 [cells+4], %r12;
membar.gl;
atom.global.exch.b32 %r13, [cells], 0;
st.shared.u32 [dynamic], %r0;
"#,
];
