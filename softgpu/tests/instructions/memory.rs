//! ld and st in every space, generic addresses, parameters, constants, variables of the module.

use softgpu::{Dim3, Gpu, Options};

use super::machine::{HEADER, Random, Run, bytes, element, kernel, refused, words};

/// (type, bytes, signed)
const TYPES: [(&str, usize, bool); 14] = [
    ("b8", 1, false),
    ("u8", 1, false),
    ("s8", 1, true),
    ("b16", 2, false),
    ("u16", 2, false),
    ("s16", 2, true),
    ("b32", 4, false),
    ("u32", 4, false),
    ("s32", 4, true),
    ("f32", 4, false),
    ("b64", 8, false),
    ("u64", 8, false),
    ("s64", 8, true),
    ("f64", 8, false),
];

/// Registers by width in bytes: stem, and the type that stores all of one.
fn register(bytes: usize, ty: &str) -> &'static str {
    match (bytes, ty) {
        (4, "f32") => "%f",
        (8, "f64") => "%fd",
        (2, _) => "%rs",
        (4, _) => "%r",
        _ => "%rd",
    }
}

fn list(stem: &str, first: usize, count: usize) -> String {
    let names: Vec<String> = (first..first + count).map(|at| format!("{stem}{at}")).collect();
    if count == 1 { names[0].clone() } else { format!("{{{}}}", names.join(", ")) }
}

/// Extension to a register of `to` bytes (PTX ISA, "Operand Size Exceeding Instruction-Type Size").
fn extended(data: &[u8], signed: bool, to: usize) -> Vec<u8> {
    let fill = if signed && data[data.len() - 1] >= 0x80 { 0xFF } else { 0 };
    let mut out = data.to_vec();
    out.resize(to, fill);
    out
}

#[test]
fn loads_extend_and_stores_truncate_in_every_space_type_and_vector() {
    let mut random = Random::new(1);
    let spaces = ["global", "shared", "local", "", "/shared", "/local"];
    for (ty, size, signed) in TYPES {
        for count in [1usize, 2, 4, 8] {
            if size * count > 32 || count == 8 && size != 4 {
                continue;
            }
            for width in [2usize, 4, 8].into_iter().filter(|&width| width >= size) {
                if ty.starts_with('f') && width != size {
                    continue;
                }
                for space in spaces {
                    one(&mut random, (ty, size, signed), count, width, space);
                }
            }
        }
    }
}

fn one(
    random: &mut Random,
    (ty, size, signed): (&str, usize, bool),
    count: usize,
    width: usize,
    space: &str,
) {
    let vector = if count == 1 { String::new() } else { format!(".v{count}") };
    let whole = size * count;
    let (stem, dot) = (register(width, ty), if space.is_empty() { "" } else { "." });
    // 8-bit values travel in 16-bit registers at least.
    let mut body = element(3, 2, whole as u32);
    let raw = list(register(size.max(2), ""), 20, count);
    body += &format!("ld.global{vector}.b{} {raw}, [%rd3];\n", 8 * size);
    let (space, generic) = match space.strip_prefix('/') {
        Some(space) => (space, true),
        None => (space, space.is_empty()),
    };
    let address = match space {
        "shared" => format!("mov.u64 %rd4, area;\nmad.wide.u32 %rd4, %r0, {whole}, %rd4;\n"),
        "local" => format!(
            "and.b32 %r1, %r0, 1;\nmov.u64 %rd4, depot;\nmad.wide.u32 %rd4, %r1, {whole}, %rd4;\n"
        ),
        _ => format!("add.s64 %rd4, %rd3, {};\n", 32 * whole),
    };
    body += &address;
    if generic && !space.is_empty() {
        body += &format!("cvta.{space}.u64 %rd4, %rd4;\n");
    }
    let dot = if generic { String::new() } else { format!("{dot}{space}") };
    body += "sub.s64 %rd4, %rd4, 64;\n";
    body += &format!("st{dot}{vector}.b{} [%rd4+64], {raw};\n", 8 * size);
    body += &format!(
        "ld{dot}{vector}.{ty} {}, [%rd4+64];\n",
        list(stem, 30 - 20 * usize::from(stem == "%rs" || stem == "%f" || stem == "%fd"), count)
    );
    body += &element(5, 1, (width * count) as u32);
    for at in 0..count {
        let first = 30 - 20 * usize::from(stem == "%rs" || stem == "%f" || stem == "%fd");
        body += &format!("st.global.b{} [%rd5+{}], {stem}{};\n", 8 * width, width * at, first + at);
    }
    let body =
        format!(".shared .align 32 .b8 area[2048];\n.local .align 32 .b8 depot[64];\n{body}");
    let mut input: Vec<u8> = (0..2 * 32 * whole).map(|_| random.u32() as u8).collect();
    // Values at the edges of the signed range.
    input[..whole].fill(0x80);
    input[whole..2 * whole].fill(0x7F);
    let (out, _) = Run::default().go(&kernel("", &body), &input, 32 * width * count);
    let want: Vec<u8> =
        input[..32 * whole].chunks(size).flat_map(|data| extended(data, signed, width)).collect();
    assert_eq!(out, want, "ld{dot}{vector}.{ty} into {stem}");
}

#[test]
fn a_generic_access_takes_each_lane_to_its_own_window() {
    let body = format!(
        ".shared .align 4 .b8 area[128];\n.local .align 4 .b8 depot[8];\n\
         mov.u64 %rd4, area;\nmad.wide.u32 %rd4, %r0, 4, %rd4;\ncvta.shared.u64 %rd4, %rd4;\n\
         mov.u64 %rd5, depot;\ncvta.local.u64 %rd5, %rd5;\nadd.s64 %rd5, %rd5, 4;\n{}\
         rem.u32 %r1, %r0, 3;\nsetp.eq.u32 %p1, %r1, 0;\nsetp.eq.u32 %p2, %r1, 1;\n\
         selp.b64 %rd7, %rd4, %rd6, %p1;\nselp.b64 %rd7, %rd5, %rd7, %p2;\n\
         add.u32 %r2, %r0, 1000;\nst.u32 [%rd7], %r2;\nld.u32 %r3, [%rd7];\n\
         isspacep.shared %p3, %rd7;\nisspacep.local %p4, %rd7;\nisspacep.global %p5, %rd7;\n\
         selp.u32 %r4, 1, 0, %p3;\nselp.u32 %r5, 2, 0, %p4;\nselp.u32 %r6, 4, 0, %p5;\n\
         or.b32 %r4, %r4, %r5;\nor.b32 %r4, %r4, %r6;\nshl.b32 %r4, %r4, 16;\nor.b32 %r3, %r3, %r4;\n\
         @%p1 cvta.to.shared.u64 %rd8, %rd7;\n@%p1 ld.shared.u32 %r7, [%rd8];\n\
         @%p2 cvta.to.local.u64 %rd8, %rd7;\n@%p2 ld.local.u32 %r7, [%rd8];\n\
         @%p5 cvta.to.global.u64 %rd8, %rd7;\n@%p5 ld.global.u32 %r7, [%rd8];\n\
         st.global.u32 [%rd6], %r3;\nst.global.u32 [%rd6+128], %r7;\n",
        element(6, 1, 4)
    );
    let out = Run::default().words(&kernel("", &body), &[], 64);
    for lane in 0..32u32 {
        let window = [1, 2, 4][lane as usize % 3];
        assert_eq!(out[lane as usize], (lane + 1000) | window << 16, "lane {lane}");
        assert_eq!(out[32 + lane as usize], lane + 1000, "lane {lane}");
    }
}

#[test]
fn parameters_lie_where_c_lays_them_and_take_an_index() {
    let text = format!(
        "{HEADER}.visible .entry k(.param .u8 a, .param .align 8 .b8 s[24], .param .s16 b, \
         .param .u64 out)\n{{\n.reg .b32 %r<9>;\n.reg .b64 %rd<9>;\nld.param.u64 %rd1, [out];\n\
         mov.u32 %r0, %tid.x;\nmov.b64 %rd2, s;\nmad.wide.u32 %rd3, %r0, 4, %rd2;\n\
         ld.param.u32 %r1, [%rd3];\nmad.wide.u32 %rd4, %r0, 16, %rd1;\nst.global.u32 [%rd4], %r1;\n\
         ld.param.s16 %r2, [b];\nst.global.u32 [%rd4+4], %r2;\nld.param.u8 %r3, [a];\n\
         st.global.u32 [%rd4+8], %r3;\nld.param.v2.u32 {{%r4, %r5}}, [s+16];\nadd.u32 %r4, %r4, %r5;\n\
         st.global.u32 [%rd4+12], %r4;\nret;\n}}\n"
    );
    let gpu = Gpu::new(Options::default());
    let module = gpu.load_ptx(&text).unwrap();
    let out = gpu.upload(&[0u32; 24]).unwrap();
    let s: Vec<u32> = (0..6).map(|at| 0x0101_0101 * (at + 7)).collect();
    let args = [200u8.into(), softgpu::Arg(bytes(&s)), (-5i16).into(), out.into()];
    gpu.launch(&module, "k", Dim3::x(1), Dim3::x(6), 0, &args).unwrap();
    let got: Vec<u32> = gpu.download(out, 24).unwrap();
    for at in 0..6 {
        let want = [s[at], (-5i32) as u32, 200, s[4].wrapping_add(s[5])];
        assert_eq!(got[4 * at..4 * at + 4], want, "thread {at}");
    }
}

#[test]
fn an_index_beyond_the_parameters_is_out_of_bounds() {
    let body = "mov.b64 %rd3, out;\nld.param.u32 %r1, [%rd3+16];\nst.global.u32 [%rd1], %r1;";
    let error = Run::default().try_go(&kernel("", body), &[], 4).unwrap_err();
    assert_eq!(error.report().unwrap().findings[0].kind, softgpu::FindingKind::OutOfBounds);
}

#[test]
fn variables_start_as_their_initialisers_say() {
    let variables = ".const .align 4 .s32 table[5] = {-1, 2, -3, 4};\n\
        .global .align 8 .u64 links[3] = {table, generic(plain), plain+4};\n\
        .global .align 4 .u32 plain[3] = {0x11, 0x22};\n.global .align 4 .f32 pi = 0f40490FDB;\n\
        .global .align 1 .b8 name[8] = {104, 105, 0};\n";
    let body = "ld.global.u64 %rd3, [links];\nld.const.u32 %r1, [%rd3+8];\nst.global.u32 [%rd1], %r1;\n\
        ld.const.u32 %r1, [table+16];\nst.global.u32 [%rd1+4], %r1;\n\
        ld.global.u64 %rd3, [links+8];\nld.u32 %r1, [%rd3];\nst.global.u32 [%rd1+8], %r1;\n\
        ld.global.u64 %rd3, [links+16];\nld.global.v2.u32 {%r1, %r2}, [plain];\n\
        ld.global.u32 %r1, [%rd3];\nst.global.u32 [%rd1+12], %r1;\nld.global.u32 %r1, [pi];\n\
        st.global.u32 [%rd1+16], %r1;\nld.global.u32 %r1, [name];\nst.global.u32 [%rd1+20], %r1;\n\
        mov.u64 %rd4, table;\ncvta.const.u64 %rd4, %rd4;\nld.u32 %r1, [%rd4+4];\n\
        st.global.u32 [%rd1+24], %r1;\nmov.u64 %rd4, plain+4;\nld.global.u32 %r1, [%rd4];\n\
        st.global.u32 [%rd1+28], %r1;\nld.global.u32 %r1, [plain+8];\nst.global.u32 [%rd1+32], %r1;";
    let out = Run::threads(1).words(&kernel(variables, body), &[], 9);
    let want = [(-3i32) as u32, 0, 0x11, 0x22, 0x4049_0FDB, 0x6968, 2, 0x22, 0];
    assert_eq!(out, want);
}

#[test]
fn moves_put_parts_together_and_take_them_apart() {
    let body = format!(
        "{}ld.global.v2.u32 {{%r1, %r2}}, [%rd3];\nmov.b64 %rd4, {{%r1, %r2}};\n\
         mov.b64 {{%r3, %r4}}, %rd4;\nmov.b64 {{_, %r5}}, %rd4;\nmov.b64 {{%r6, _}}, %rd4;\n\
         mov.b32 {{%rs1, %rs2}}, %r1;\nmov.b32 %r7, {{%rs2, %rs1}};\nmov.b32 {{_, %rs3}}, %r2;\n\
         cvt.s32.s16 %r8, %rs3;\nmov.b64 {{%rs4, %rs5, %rs6, %rs7}}, %rd4;\n\
         mov.b64 %rd5, {{%rs7, %rs6, %rs5, %rs4}};\n{}st.global.u64 [%rd6], %rd4;\n\
         st.global.v2.u32 [%rd6+8], {{%r3, %r4}};\nst.global.v2.u32 [%rd6+16], {{%r5, %r6}};\n\
         st.global.v2.u32 [%rd6+24], {{%r7, %r8}};\nst.global.u64 [%rd6+32], %rd5;\n",
        element(3, 2, 8),
        element(6, 1, 40)
    );
    let input = Random::new(3).u32s(64);
    let out = Run::default().words(&kernel("", &body), &bytes(&input), 320);
    for (lane, got) in out.chunks(10).enumerate() {
        let (a, b) = (input[2 * lane], input[2 * lane + 1]);
        let turned = |word: u32| word.rotate_left(16);
        let high = (b as i32 >> 16) as u32;
        assert_eq!(got, [a, b, a, b, b, a, turned(a), high, turned(b), turned(a)], "lane {lane}");
    }
}

/// As cuda_bf16.h writes it around `cvt.rzi.s8.bf16`.
#[test]
fn moves_put_bytes_together_and_take_them_apart() {
    let body = format!(
        ".reg .b8 %b<4>;\n{}ld.global.u16 %rs1, [%rd3];\nmov.b16 {{%b1, %b2}}, %rs1;\n\
         mov.b16 %rs2, {{%b2, %b1}};\nmov.b16 %rs3, {{%b2, 0}};\nmov.b16 {{_, %b3}}, %rs1;\n\
         mov.b16 %rs4, {{7, %b3}};\nmov.b32 %r1, {{%rs1, %rs2}};\nmov.b32 %r2, {{%rs3, %rs4}};\n\
         {}st.global.v2.u32 [%rd4], {{%r1, %r2}};\n",
        element(3, 2, 4),
        element(4, 1, 8)
    );
    let input = Random::new(4).u32s(32);
    let out = Run::default().words(&kernel("", &body), &bytes(&input), 64);
    for (lane, got) in out.chunks(2).enumerate() {
        let [low, high, ..] = input[lane].to_le_bytes();
        let parts = [[low, high, high, low], [high, 0, 7, high]];
        assert_eq!(got, parts.map(u32::from_le_bytes), "lane {lane}");
    }
}

#[test]
fn special_registers_say_where_a_thread_is_in_three_dimensions() {
    let names = [
        "tid.x",
        "tid.y",
        "tid.z",
        "ntid.x",
        "ntid.y",
        "ntid.z",
        "ctaid.x",
        "ctaid.y",
        "ctaid.z",
        "nctaid.x",
        "nctaid.y",
        "nctaid.z",
        "laneid",
        "warpid",
        "nwarpid",
        "lanemask_eq",
        "lanemask_lt",
        "lanemask_le",
        "lanemask_gt",
        "lanemask_ge",
        "dynamic_smem_size",
    ];
    let (grid, block) = (Dim3::new(2, 3, 2), Dim3::new(5, 3, 4));
    let mut body = "mov.u32 %r1, %ctaid.z;\nmov.u32 %r2, %nctaid.y;\nmov.u32 %r3, %ctaid.y;\n\
        mad.lo.u32 %r1, %r1, %r2, %r3;\nmov.u32 %r2, %nctaid.x;\nmov.u32 %r3, %ctaid.x;\n\
        mad.lo.u32 %r1, %r1, %r2, %r3;\nmov.u32 %r2, %tid.z;\nmad.lo.u32 %r1, %r1, 4, %r2;\n\
        mov.u32 %r2, %tid.y;\nmad.lo.u32 %r1, %r1, 3, %r2;\nmad.lo.u32 %r0, %r1, 5, %r0;\n"
        .to_owned();
    body += &element(3, 1, 4 * names.len() as u32);
    for (at, name) in names.iter().enumerate() {
        body += &format!("mov.u32 %r4, %{name};\nst.global.u32 [%rd3+{}], %r4;\n", 4 * at);
    }
    let run = Run { grid, block, dynamic_shared: 48, ..Run::default() };
    let out = run.words(&kernel("", &body), &[], 12 * 60 * names.len());
    for (place, got) in out.chunks(names.len()).enumerate() {
        let (at, number) = (grid.position(place as u64 / 60), place as u32 % 60);
        let thread = block.position(u64::from(number));
        let lane = number % 32;
        let bits =
            |f: &dyn Fn(u32) -> bool| (0..32).filter(|l| f(*l)).fold(0, |m, l| m | 1u32 << l);
        let want = [
            thread.x,
            thread.y,
            thread.z,
            5,
            3,
            4,
            at.x,
            at.y,
            at.z,
            2,
            3,
            2,
            lane,
            number / 32,
            2,
            bits(&|l| l == lane),
            bits(&|l| l < lane),
            bits(&|l| l <= lane),
            bits(&|l| l > lane),
            bits(&|l| l >= lane),
            48,
        ];
        assert_eq!(got, want, "thread {number} of block {at}");
    }
}

/// Hardware starts every dynamic variable behind the static ones, at its own alignment; they overlap.
#[test]
fn dynamic_shared_memory_lies_behind_static_and_keeps_its_alignment() {
    let variables =
        ".extern .shared .align 256 .b8 first[];\n.extern .shared .align 4 .b32 second[];\n";
    let body = ".shared .align 4 .b8 small[4];\n.shared .align 512 .b8 strict[16];\n\
        mov.u32 %r1, small;\nmov.u32 %r2, strict;\nmov.u32 %r3, first;\nmov.u32 %r4, second;\n\
        st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r4};\nmov.u64 %rd3, first;\n\
        st.shared.u32 [%r1], 1;\nst.shared.u32 [%r2+12], 2;\nst.shared.u32 [%rd3+60], 77;\n\
        ld.shared.u32 %r5, [second+60];\nst.global.u32 [%rd1+16], %r5;\nld.shared.u32 %r5, [small];\n\
        st.global.u32 [%rd1+20], %r5;";
    let run = Run { dynamic_shared: 64, ..Run::threads(1) };
    let out = run.words(&kernel(variables, body), &[], 6);
    assert_eq!(out[1] % 512, 0, "strict at {:#x}", out[1]);
    assert_eq!(out[2] % 256, 0, "first at {:#x}", out[2]);
    assert_eq!(out[2], out[3], "dynamic variables start together");
    assert!(out[2] >= out[1] + 16, "dynamic memory at {:#x} lies in static", out[2]);
    assert_eq!(out[4..], [77, 1]);
}

#[test]
fn addresses_of_the_wrong_kind_do_not_load() {
    let narrow = "a 32-bit register as a 64-bit address";
    let other = "a variable of another state space";
    for (instruction, want) in [
        ("ld.global.u32 %r1, [%r2]", narrow),
        ("ld.u32 %r1, [%r2]", narrow),
        ("st.u32 [%r2], %r1", narrow),
        ("atom.add.u32 %r1, [%r2], 1", narrow),
        ("atom.global.add.u32 %r1, [%r2], 1", narrow),
        ("cp.async.ca.shared.global [area], [%r2], 4", narrow),
        ("ld.local.u32 %r1, [area]", other),
        ("ld.param.u32 %r1, [area]", other),
        ("ld.global.u32 %r1, [area]", other),
        ("ld.shared.u32 %r1, [depot]", other),
        ("red.shared.add.u32 [depot], 1", other),
        ("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [depot]", other),
    ] {
        let body = format!(
            ".shared .align 16 .b8 area[16];\n.local .align 16 .b8 depot[16];\n{instruction};"
        );
        let error = refused(&kernel("", &body));
        assert!(error.contains(want), "{instruction}: {error}");
    }
    let error = refused(&kernel("", ".local .b8 depot[600000];\nst.local.u8 [depot], %r0;"));
    assert!(error.contains("local memory"), "{error}");
}

#[test]
fn an_access_through_a_wide_register_beyond_32_bits_is_out_of_bounds() {
    let body = ".shared .align 4 .b8 area[64];\nmov.u64 %rd3, area;\nadd.s64 %rd3, %rd3, 0x100000000;\n\
        st.shared.u32 [%rd3], %r0;";
    let error = Run::threads(1).try_go(&kernel("", body), &[], 4).unwrap_err();
    assert_eq!(error.report().unwrap().findings[0].kind, softgpu::FindingKind::OutOfBounds);
    assert!(words(&[]).is_empty());
}
