//! atom and red: each operation on each type in each space, and threads that contend.

use super::machine::{Random, Run, bytes, element, kernel, words};

type Step = Box<dyn Fn(u64, u64, u64) -> u64>;

fn f32s(f: fn(f32, f32) -> f32) -> Step {
    Box::new(move |old, b, _| {
        u64::from(f(f32::from_bits(old as u32), f32::from_bits(b as u32)).to_bits())
    })
}

/// (form, bytes, new value from old, b, c), from the PTX ISA's description of atom.
fn forms() -> Vec<(String, usize, Step)> {
    let mut forms: Vec<(String, usize, Step)> = Vec::new();
    let mut add = |form: &str, size: usize, step: Step| forms.push((form.to_owned(), size, step));
    add("add.f32", 4, f32s(|a, b| a + b));
    add("add.f64", 8, Box::new(|o, b, _| (f64::from_bits(o) + f64::from_bits(b)).to_bits()));
    add("inc.u32", 4, Box::new(|o, b, _| if o >= b { 0 } else { o + 1 }));
    add("dec.u32", 4, Box::new(|o, b, _| if o == 0 || o > b { b } else { o - 1 }));
    add("cas.b16", 2, Box::new(|o, b, c| if o == b { c } else { o }));
    for (bits, mask) in [(32, u64::from(u32::MAX)), (64, u64::MAX)] {
        let size = bits / 8;
        let signed = move |v: u64| if bits == 32 { i64::from(v as u32 as i32) } else { v as i64 };
        add(&format!("exch.b{bits}"), size, Box::new(|_, b, _| b));
        add(&format!("cas.b{bits}"), size, Box::new(|o, b, c| if o == b { c } else { o }));
        add(&format!("and.b{bits}"), size, Box::new(|o, b, _| o & b));
        add(&format!("or.b{bits}"), size, Box::new(|o, b, _| o | b));
        add(&format!("xor.b{bits}"), size, Box::new(|o, b, _| o ^ b));
        add(&format!("add.u{bits}"), size, Box::new(move |o, b, _| o.wrapping_add(b) & mask));
        add(&format!("min.u{bits}"), size, Box::new(|o, b, _| o.min(b)));
        add(&format!("max.u{bits}"), size, Box::new(|o, b, _| o.max(b)));
        add(
            &format!("min.s{bits}"),
            size,
            Box::new(move |o, b, _| if signed(o) <= signed(b) { o } else { b }),
        );
        add(
            &format!("max.s{bits}"),
            size,
            Box::new(move |o, b, _| if signed(o) >= signed(b) { o } else { b }),
        );
    }
    add("add.s32", 4, Box::new(|o, b, _| o.wrapping_add(b) & 0xFFFF_FFFF));
    forms
}

fn edge(random: &mut Random, size: usize, float: bool) -> u64 {
    if float {
        let value = random.f32() * [1.0f32, 1e30, 1e-30, 0.0][random.below(4) as usize];
        return if size == 8 { f64::from(value).to_bits() } else { u64::from(value.to_bits()) };
    }
    let mask = if size == 8 { u64::MAX } else { (1 << (8 * size)) - 1 };
    let edges = [0, 1, mask, mask >> 1, (mask >> 1) + 1, 5, 6];
    let pick = random.below(10) as usize;
    edges.get(pick).copied().unwrap_or_else(|| random.u64()) & mask
}

#[test]
fn each_operation_gives_the_old_value_and_leaves_the_new_one() {
    let mut random = Random::new(11);
    for (form, size, step) in forms() {
        let float = form.contains(".f");
        let compare = form.starts_with("cas");
        for space in ["global", "shared", "shared wide", "generic global", "generic shared"] {
            let (stem, store) = match size {
                2 => ("%rs", "b16"),
                4 if float => ("%f", "f32"),
                4 => ("%r", "b32"),
                8 if float => ("%fd", "f64"),
                _ => ("%rd", "b64"),
            };
            let c = if compare { format!(", {stem}11") } else { String::new() };
            let (address, dot) = match space {
                "global" => ("%rd6", ".global"),
                "shared" => ("%r12", ".shared"),
                "shared wide" => ("%rd7", ".shared"),
                "generic global" => ("%rd6", ""),
                _ => ("%rd8", ""),
            };
            let place = if space.contains("shared") { "[%rd7]" } else { "[%rd6]" };
            let home = if space.contains("shared") { "shared" } else { "global" };
            let mut body = ".shared .align 8 .b8 area[256];\n".to_owned();
            body += &element(3, 2, 32);
            body += &element(6, 1, 8);
            body += &element(5, 1, 8);
            body += &format!(
                "mov.u32 %r12, area;\nmad.lo.u32 %r12, %r0, 8, %r12;\ncvt.u64.u32 %rd7, %r12;\n\
                 cvta.shared.u64 %rd8, %rd7;\nld.global.{store} {stem}9, [%rd3];\n\
                 ld.global.{store} {stem}10, [%rd3+8];\nld.global.{store} {stem}11, [%rd3+16];\n\
                 st.{home}.{store} {place}, {stem}9;\n\
                 atom{dot}.{form} {stem}13, [{address}], {stem}10{c};\n\
                 ld.{home}.{store} {stem}14, {place};\nst.global.{store} [%rd5+512], {stem}13;\n\
                 st.global.{store} [%rd5+1024], {stem}14;\n"
            );
            // red leaves the same; it starts again from the old value.
            if !compare && !form.starts_with("exch") {
                body += &format!(
                    "st.{home}.{store} {place}, {stem}9;\nred{dot}.{form} [{address}], {stem}10;\n\
                     ld.{home}.{store} {stem}14, {place};\nst.global.{store} [%rd5+1536], {stem}14;\n"
                );
            }
            for _ in 0..6 {
                let mut given = Vec::new();
                for _ in 0..32 {
                    let old = edge(&mut random, size, float);
                    let b = if random.below(2) == 0 { old } else { edge(&mut random, size, float) };
                    given.push([old, b, edge(&mut random, size, float), 0]);
                }
                let input: Vec<u8> =
                    given.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
                let (out, _) = Run::default().go(&kernel("", &body), &input, 2048);
                let at = |part: usize, lane: usize| {
                    let bytes = &out[512 * part + 8 * lane..][..size];
                    bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte))
                };
                for (lane, [old, b, c, _]) in given.into_iter().enumerate() {
                    let new = step(old, b, c);
                    let got = (at(1, lane), at(2, lane));
                    assert_eq!(got, (old, new), "atom.{form} {space}: {old:#x} {b:#x} {c:#x}");
                    if !compare && !form.starts_with("exch") {
                        assert_eq!(at(3, lane), new, "red.{form} {space}: {old:#x} {b:#x}");
                    }
                }
            }
        }
    }
}

/// PTX ISA, "atom": "atom.add.f32 on global memory flushes subnormal inputs and results to sign-preserving
/// zero; whereas atom.add.f32 on shared memory supports subnormal inputs and results".
#[test]
fn sums_in_global_memory_flush_subnormals_and_those_in_shared_memory_do_not() {
    let tiny = f32::from_bits(1);
    let least = f32::MIN_POSITIVE;
    // (old, b, sum in global memory, sum in shared memory)
    let cases = [
        (0.0, tiny, 0.0, tiny),
        (tiny, 1.0, 1.0, 1.0),
        (-tiny, -tiny, -0.0, -2.0 * tiny),
        (-tiny, tiny, 0.0, 0.0),
        // The least normal number is left alone by what counts as zero.
        (least, -tiny, least, least - tiny),
        (1.5 * least, -least, 0.0, 0.5 * least),
        (-1.5 * least, least, -0.0, -0.5 * least),
        (least, least, 2.0 * least, 2.0 * least),
    ];
    for (address, dot, shared) in [
        ("%rd6", ".global", false),
        ("%rd6", "", false),
        ("%rd7", ".shared", true),
        ("%rd8", "", true),
    ] {
        let home = if shared { ".shared" } else { ".global" };
        let place = if shared { "%rd7" } else { "%rd6" };
        let body = format!(
            ".shared .align 8 .b8 area[128];\n{}{}mov.u32 %r12, area;\nmad.lo.u32 %r12, %r0, 4, %r12;\n\
             cvt.u64.u32 %rd7, %r12;\ncvta.shared.u64 %rd8, %rd7;\nld.global.v2.f32 {{%f1, %f2}}, [%rd3];\n\
             st{home}.f32 [{place}], %f1;\natom{dot}.add.f32 %f3, [{address}], %f2;\n\
             ld{home}.f32 %f4, [{place}];\nst{home}.f32 [{place}], %f1;\nred{dot}.add.f32 [{address}], %f2;\n\
             ld{home}.f32 %f5, [{place}];\nst.global.f32 [%rd6+128], %f3;\nst.global.f32 [%rd6+256], %f4;\n\
             st.global.f32 [%rd6+384], %f5;\n",
            element(3, 2, 8),
            element(6, 1, 4)
        );
        let lane = |lane: usize| cases[lane % cases.len()];
        let input: Vec<u32> =
            (0..32).flat_map(|l| [lane(l).0, lane(l).1]).map(f32::to_bits).collect();
        let out = Run::default().words(&kernel("", &body), &bytes(&input), 128);
        for l in 0..32 {
            let (old, b, global, local) = lane(l);
            let want = f32::to_bits(if shared { local } else { global });
            let got = [out[32 + l], out[64 + l], out[96 + l]];
            assert_eq!(got, [old.to_bits(), want, want], "atom{dot} {address}: {old:e} + {b:e}");
        }
    }
}

#[test]
fn packed_adds_round_each_half_once() {
    use half::{bf16, f16};
    let mut random = Random::new(12);
    for (form, wide) in [("f16x2", true), ("bf16x2", true), ("f16", false), ("bf16", false)] {
        // Values of like size, where a sum rounds, and where 53 bits would not hold it exactly.
        let number = |random: &mut Random| {
            let value = random.f32() * [1.0, 300.0, 1e-6][random.below(3) as usize];
            let one = if form.starts_with('f') {
                f16::from_f32(value).to_bits()
            } else {
                bf16::from_f32(value).to_bits()
            };
            u32::from(one)
        };
        let pairs: Vec<u32> =
            (0..64).map(|_| number(&mut random) | number(&mut random) << 16).collect();
        let body = if wide {
            format!(
                "{}{}ld.global.v2.u32 {{%r1, %r2}}, [%rd3];\nst.global.u32 [%rd4], %r1;\n\
                 atom.global.add.noftz.{form} %r3, [%rd4], %r2;\n",
                element(3, 2, 8),
                element(4, 1, 4)
            )
        } else {
            format!(
                "{}{}ld.global.v2.u32 {{%r1, %r2}}, [%rd3];\nst.global.u32 [%rd4], %r1;\n\
                 mov.b32 {{%rs1, %rs2}}, %r2;\natom.global.add.noftz.{form} %rs3, [%rd4], %rs1;\n\
                 red.global.add.noftz.{form} [%rd4+2], %rs2;\n",
                element(3, 2, 8),
                element(4, 1, 4)
            )
        };
        let out = Run::default().words(&kernel("", &body), &bytes(&pairs), 32);
        for (lane, got) in out.into_iter().enumerate() {
            let (a, b) = (pairs[2 * lane], pairs[2 * lane + 1]);
            // These sums are exact in f64, or differ from a tie by more than f64 loses.
            let sum = |shift: u32| {
                let (a, b) = ((a >> shift) as u16, (b >> shift) as u16);
                u32::from(if form.starts_with('f') {
                    f16::from_f32(f16::from_bits(a).to_f32() + f16::from_bits(b).to_f32()).to_bits()
                } else {
                    let exact = bf16::from_bits(a).to_f64() + bf16::from_bits(b).to_f64();
                    nearest_bf16(exact)
                })
            };
            assert_eq!(got, sum(0) | sum(16) << 16, "{form}: {a:#x} + {b:#x}");
        }
    }
}

/// By search among the neighbours, ties to even.
fn nearest_bf16(value: f64) -> u16 {
    let start = half::bf16::from_f64(value).to_bits();
    let near = [start.wrapping_sub(1), start, start.wrapping_add(1)];
    let error = |bits: &u16| {
        let distance = (half::bf16::from_bits(*bits).to_f64() - value).abs();
        if distance.is_nan() { f64::INFINITY } else { distance }
    };
    let best = |a: &u16, b: &u16| error(a).total_cmp(&error(b)).then((a & 1).cmp(&(b & 1)));
    near.into_iter().min_by(best).unwrap()
}

#[test]
fn contending_threads_see_one_order() {
    for space in ["global", "shared"] {
        for seed in 0..4 {
            let mut run = Run::threads(96);
            run.options.seed = seed;
            let cells = if space == "global" { "[cells" } else { "[area" };
            // A ticket each, a count around 10, a chain of exchanges.
            let body = format!(
                ".shared .align 8 .b32 area[4];\nsetp.ne.u32 %p1, %r0, 0;\n@%p1 bra WAIT;\n\
                 st.{space}.v4.u32 {cells}], {{%r40, %r40, %r40, %r40}};\nWAIT:\nbar.sync 0;\n\
                 add.u32 %r5, %r0, 1;\natom.{space}.add.u32 %r1, {cells}], 1;\n\
                 atom.{space}.inc.u32 %r2, {cells}+4], 9;\natom.{space}.exch.b32 %r3, {cells}+8], %r5;\n\
                 red.{space}.max.u32 {cells}+12], %r5;\nbar.sync 0;\nld.{space}.u32 %r4, {cells}+8];\n\
                 ld.{space}.u32 %r6, {cells}+12];\nshl.b32 %r6, %r6, 16;\nor.b32 %r4, %r4, %r6;\n{}\
                 st.global.v4.u32 [%rd4], {{%r1, %r2, %r3, %r4}};\n",
                element(4, 1, 16)
            );
            let variables = ".global .align 16 .u32 cells[4];\n";
            let body = body.replace(".align 8 .b32 area", ".align 16 .b32 area");
            let out = run.words(&kernel(variables, &body), &[], 4 * 96);
            let column = |c: usize| -> Vec<u32> {
                let mut values: Vec<u32> = out.chunks(4).map(|row| row[c]).collect();
                values.sort_unstable();
                values
            };
            assert_eq!(column(0), (0..96).collect::<Vec<u32>>(), "tickets in {space}");
            let mut around: Vec<u32> = (0..96).map(|n| n % 10).collect();
            around.sort_unstable();
            assert_eq!(column(1), around, "inc in {space}");
            // What came out of the chain and what is left in it is what went in.
            let mut chain = column(2);
            chain.push(out[3] & 0xFFFF);
            chain.sort_unstable();
            assert_eq!(chain, (0..=96).collect::<Vec<u32>>(), "exchanges in {space}");
            assert_eq!(out[3] >> 16, 96, "max in {space}");
        }
    }
}

/// ld.s8 fills a 16-bit register with the sign; only its 16 bits may take part.
#[test]
fn a_16_bit_compare_ignores_what_lies_above() {
    let body = "mov.u32 %r1, 0xfffe;\nst.global.u32 [%rd1], %r1;\nmov.u32 %r2, 0xfe;\n\
        st.global.u32 [%rd1+4], %r2;\nld.global.s8 %rs1, [%rd1+4];\nmov.u16 %rs2, 7;\n\
        atom.global.cas.b16 %rs3, [%rd1], %rs1, %rs2;";
    let (out, _) = Run::threads(1).go(&kernel("", body), &[], 8);
    assert_eq!(words(&out)[0], 7);
}
