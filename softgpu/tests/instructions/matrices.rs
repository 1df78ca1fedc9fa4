//! ldmatrix, stmatrix and mma against the fragment layouts of the PTX ISA manual, written down from its
//! formulas.

use half::{bf16, f16};

use super::machine::{Random, Run, bytes, element, kernel};

fn group(count: usize, first: usize) -> String {
    let names: Vec<String> = (0..count).map(|at| format!("%r{}", first + at)).collect();
    format!("{{{}}}", names.join(", "))
}

#[test]
fn ldmatrix_and_stmatrix_place_elements_as_the_manual_draws_them() {
    for (count, transposed) in
        [(1usize, false), (2, false), (4, false), (1, true), (2, true), (4, true)]
    {
        let trans = if transposed { ".trans" } else { "" };
        // Row r of matrix m lies at row 37 r' + 5 mod 32 of shared memory, r' = 8 m + r.
        let body = format!(
            ".shared .align 16 .b8 area[512];\n.shared .align 16 .b8 back[512];\nmov.u32 %r1, area;\n\
             mad.lo.u32 %r2, %r0, 16, %r1;\n{}ld.global.v4.u32 {{%r3, %r4, %r5, %r6}}, [%rd3];\n\
             st.shared.v4.u32 [%r2], {{%r3, %r4, %r5, %r6}};\nbar.sync 0;\nmad.lo.u32 %r7, %r0, 37, 5;\n\
             and.b32 %r7, %r7, 31;\nmad.lo.u32 %r8, %r7, 16, %r1;\n\
             ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {}, [%r8];\n\
             mov.u32 %r9, back;\nmad.lo.u32 %r9, %r7, 16, %r9;\n\
             stmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 [%r9], {};\nbar.sync 0;\n\
             setp.lt.u32 %p1, %r0, {};\n@%p1 ld.shared.v4.u32 {{%r3, %r4, %r5, %r6}}, [%r9];\n\
             {}st.global.v4.u32 [%rd4], {};\nst.global.v4.u32 [%rd4+512], {{%r3, %r4, %r5, %r6}};\n",
            element(3, 2, 16),
            group(count, 20),
            group(count, 20),
            8 * count,
            element(4, 1, 16),
            group(4, 20)
        );
        let halves: Vec<u16> = (0..256).map(|at| at * 251 + 3).collect();
        let input: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let out = Run::default().words(&kernel("", &body), &input, 256);
        let row = |r: usize| (37 * r + 5) % 32;
        for lane in 0..32 {
            for matrix in 0..count {
                // Manual, figure of ldmatrix: thread T holds row T / 4, columns 2 (T % 4) and + 1.
                let at = |element: usize| {
                    let (r, c) = (lane / 4, 2 * (lane % 4) + element);
                    let (r, c) = if transposed { (c, r) } else { (r, c) };
                    u32::from(halves[8 * row(8 * matrix + r) + c])
                };
                let got = out[4 * lane + matrix];
                assert_eq!(
                    got,
                    at(0) | at(1) << 16,
                    "x{count}{trans}, lane {lane}, matrix {matrix}"
                );
            }
            if lane < 8 * count {
                let want: Vec<u32> = (0..4)
                    .map(|w| {
                        let half = |at: usize| u32::from(halves[8 * row(lane) + at]);
                        half(2 * w) | half(2 * w + 1) << 16
                    })
                    .collect();
                assert_eq!(
                    out[128 + 4 * lane..][..4],
                    want,
                    "stmatrix x{count}{trans}, row {lane}"
                );
            }
        }
    }
}

/// Row and column of element `i` of A in a thread (PTX ISA, "Matrix Fragments for mma.m16n8k*").
fn place_a(shape: &str, lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = (lane >> 2, lane % 4);
    match shape {
        // .tf32 m16n8k4: row = groupID for a0, groupID + 8 for a1; col = threadID_in_group.
        "k4 tf32" => (if i == 0 { group } else { group + 8 }, thread),
        // .tf32 m16n8k8: row = groupID for a0, a2; col = threadID_in_group for a0, a1, + 4 for a2, a3.
        "k8 tf32" => (
            if i == 0 || i == 2 { group } else { group + 8 },
            if i < 2 { thread } else { thread + 4 },
        ),
        // .f16 / .bf16 m16n8k8: row = groupID for a0, a1; col = threadID_in_group * 2 + (i & 1).
        "k8" => (if i < 2 { group } else { group + 8 }, thread * 2 + (i & 1)),
        // m16n8k16: row = groupID for 0 <= i < 2 || 4 <= i < 6; col + 8 for i >= 4.
        _ => {
            let low = i < 2 || (4..6).contains(&i);
            let column = thread * 2 + (i & 1) + if i < 4 { 0 } else { 8 };
            (if low { group } else { group + 8 }, column)
        }
    }
}

fn place_b(shape: &str, lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = (lane >> 2, lane % 4);
    match shape {
        "k4 tf32" => (thread, group),
        "k8 tf32" => (if i == 0 { thread } else { thread + 4 }, group),
        "k8" => (thread * 2 + i, group),
        _ => (thread * 2 + (i & 1) + if i < 2 { 0 } else { 8 }, group),
    }
}

fn place_c(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = (lane >> 2, lane % 4);
    (if i < 2 { group } else { group + 8 }, thread * 2 + (i & 1))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Tf32,
    F16,
    Bf16,
}

fn encode(kind: Kind, value: f64) -> u32 {
    match kind {
        Kind::Tf32 => (value as f32).to_bits(),
        Kind::F16 => u32::from(f16::from_f64(value).to_bits()),
        Kind::Bf16 => u32::from(bf16::from_f64(value).to_bits()),
    }
}

fn decode(kind: Kind, bits: u32) -> f64 {
    match kind {
        // tf32: sign, 8 bits of exponent, 10 of mantissa.
        Kind::Tf32 => f64::from(f32::from_bits(bits & !0x1FFF)),
        Kind::F16 => f16::from_bits(bits as u16).to_f64(),
        Kind::Bf16 => bf16::from_bits(bits as u16).to_f64(),
    }
}

#[test]
fn mma_multiplies_fragments_laid_out_as_the_manual_says() {
    let mut random = Random::new(41);
    for (k, kind, name) in [
        (4usize, Kind::Tf32, "tf32"),
        (8, Kind::Tf32, "tf32"),
        (8, Kind::F16, "f16"),
        (16, Kind::F16, "f16"),
        (8, Kind::Bf16, "bf16"),
        (16, Kind::Bf16, "bf16"),
    ] {
        let shape = if kind == Kind::Tf32 { format!("k{k} tf32") } else { format!("k{k}") };
        let packed = if kind == Kind::Tf32 { 1 } else { 2 };
        let (na, nb) = (16 * k / 32 / packed, 8 * k / 32 / packed);
        for round in 0..8 {
            let special = |random: &mut Random| match random.below(40) {
                0 => f64::INFINITY,
                1 => f64::NEG_INFINITY,
                2 => f64::NAN,
                // Denormal in each of the formats.
                3..=12 => 3e-6 * f64::from(random.f32()),
                _ => f64::from(random.f32()),
            };
            let number = |random: &mut Random| match round {
                6 | 7 => special(random),
                _ => f64::from(random.f32()) * [1.0, 30.0][random.below(2) as usize],
            };
            let a: Vec<u32> = (0..16 * k).map(|_| encode(kind, number(&mut random))).collect();
            let b: Vec<u32> = (0..8 * k).map(|_| encode(kind, number(&mut random))).collect();
            let c: Vec<f32> = (0..128).map(|_| random.f32()).collect();
            let mut input = Vec::new();
            for lane in 0..32 {
                let mut words = vec![0u32; 12];
                for i in 0..na * packed {
                    let (row, column) = place_a(&shape, lane, i);
                    words[i / packed] |= a[row * k + column] << (16 * (i % packed));
                }
                for i in 0..nb * packed {
                    let (row, column) = place_b(&shape, lane, i);
                    words[4 + i / packed] |= b[row * 8 + column] << (16 * (i % packed));
                }
                for i in 0..4 {
                    let (row, column) = place_c(lane, i);
                    words[8 + i] = c[row * 8 + column].to_bits();
                }
                input.extend(words);
            }
            let single = |text: String, count: usize| {
                if count == 1 { text.replace(['{', '}'], "") } else { text }
            };
            let body = format!(
                "{}ld.global.v4.u32 {{%r10, %r11, %r12, %r13}}, [%rd3];\nld.global.v2.u32 {{%r14, %r15}}, [%rd3+16];\n\
                 ld.global.v4.f32 {{%f1, %f2, %f3, %f4}}, [%rd3+32];\n\
                 mma.sync.aligned.m16n8k{k}.row.col.f32.{name}.{name}.f32 {{%f5, %f6, %f7, %f8}}, {}, {}, {{%f1, %f2, %f3, %f4}};\n\
                 {}st.global.v4.f32 [%rd4], {{%f5, %f6, %f7, %f8}};\n",
                element(3, 2, 48),
                group(na, 10),
                single(group(nb, 14), nb),
                element(4, 1, 16)
            );
            let out = Run::default().words(&kernel("", &body), &bytes(&input), 128);
            for lane in 0..32 {
                for i in 0..4 {
                    let (row, column) = place_c(lane, i);
                    let start = f64::from(c[row * 8 + column]);
                    let (mut sum, mut size) = (start, start.abs());
                    for at in 0..k {
                        let product =
                            decode(kind, a[row * k + at]) * decode(kind, b[at * 8 + column]);
                        sum += product;
                        size += product.abs();
                    }
                    let got = f64::from(f32::from_bits(out[4 * lane + i]));
                    let place = format!("{shape} {name} round {round}, d({row}, {column})");
                    if sum.is_finite() {
                        // k + 1 roundings to f32, whatever their order.
                        let bound = (k + 1) as f64 * size * f64::from(f32::EPSILON) / 2.0;
                        assert!((got - sum).abs() <= bound, "{place}: {got}, want {sum}");
                    } else if sum.is_nan() {
                        assert!(got.is_nan(), "{place}: {got}, want NaN");
                    } else {
                        assert_eq!(got, sum, "{place}");
                    }
                }
            }
        }
    }
}
