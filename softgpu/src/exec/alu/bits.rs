//! Logic, shifts, bit fields and byte permutation (PTX ISA, "Logic and Shift Instructions", "Integer
//! Arithmetic Instructions" for the bit fields, and `prmt`).

use super::form::{Form, map4, op, typed};
use crate::exec::inst::{Alu, Class, Inst, NONE, Selected, Ty, alu};
use crate::exec::regs::{Regs, map3};

pub fn select(form: &mut Form) -> Option<Selected> {
    match form.opcode {
        "and" | "or" | "xor" | "not" => logic(form),
        "cnot" => typed!(form.word(); "b16" => u16, "b32" => u32, "b64" => u64;
            op!(Integer, |a: T| -> T { T::from(a == 0) })),
        "lop3" => lop3(form),
        "shl" => typed!(form.word(); "b16" => u16, "b32" => u32, "b64" => u64;
            op!(Integer, |a: T, b: u32| -> T { if b < T::BITS { a << (b % T::BITS) } else { 0 } })),
        "shr" => typed!(form.word(); "b16" | "u16" => u16, "s16" => i16, "b32" | "u32" => u32,
        "s32" => i32, "b64" | "u64" => u64, "s64" => i64;
        // The last shift that leaves a bit, then one more: amounts beyond the width give 0 or the sign.
        op!(Integer, |a: T, b: u32| -> T {
            if b < T::BITS { a >> (b % T::BITS) } else { a >> (T::BITS - 1) >> 1 }
        })),
        "shf" => funnel(form),
        "prmt" => permute(form),
        "bfe" => extract(form),
        "bfi" => insert(form),
        "szext" => extend(form),
        "bmsk" => bit_mask(form),
        "fns" => (form.word() == "b32").then(|| {
            op!(Integer, |mask: u32, base: u32, offset: i32| -> u32 {
                find_nth(mask, base, offset)
            })
        }),
        _ => None,
    }
}

/// A form of predicates.
fn predicates(alu: Alu, sources: &'static [Ty]) -> Selected {
    Selected { alu, results: &[Ty::Pred], sources, class: Class::Integer, fmas: 0, imm: 0 }
}

fn logic(form: &mut Form) -> Option<Selected> {
    macro_rules! of_predicates {
        (|$a:ident| $e:expr) => {
            predicates(
                alu!(|regs, inst, mask| {
                    let [d, a, ..] = inst.ops;
                    let $a = regs.pred(a);
                    regs.set_pred(d, mask, $e);
                }),
                &[Ty::Pred],
            )
        };
        (|$a:ident, $b:ident| $e:expr) => {
            predicates(
                alu!(|regs, inst, mask| {
                    let [d, a, b, ..] = inst.ops;
                    let ($a, $b) = (regs.pred(a), regs.pred(b));
                    regs.set_pred(d, mask, $e);
                }),
                &[Ty::Pred, Ty::Pred],
            )
        };
    }
    macro_rules! of_words {
        ($word:expr; |$($x:ident),+| $e:expr) => {
            typed!($word; "b16" => u16, "b32" => u32, "b64" => u64; op!(Integer, |$($x: T),+| -> T { $e }))
        };
    }
    match (form.opcode, form.word()) {
        ("and", "pred") => Some(of_predicates!(|a, b| a & b)),
        ("or", "pred") => Some(of_predicates!(|a, b| a | b)),
        ("xor", "pred") => Some(of_predicates!(|a, b| a ^ b)),
        ("not", "pred") => Some(of_predicates!(|a| !a)),
        ("and", word) => of_words!(word; |a, b| a & b),
        ("or", word) => of_words!(word; |a, b| a | b),
        ("xor", word) => of_words!(word; |a, b| a ^ b),
        ("not", word) => of_words!(word; |a| !a),
        _ => None,
    }
}

/// The logic function of three inputs whose value for inputs (a, b, c) is bit `4a + 2b + c` of `lut`.
#[inline(always)]
fn lookup(lut: i64, a: u32, b: u32, c: u32) -> u32 {
    let entry = |bit: u32| ((lut >> bit) as u32 & 1).wrapping_neg();
    let choose = |select: u32, one: u32, zero: u32| zero ^ (select & (zero ^ one));
    // First a decides, then b, then c.
    let by_a = |rest: u32| choose(a, entry(4 + rest), entry(rest));
    let by_b = |rest: u32| choose(b, by_a(2 + rest), by_a(rest));
    choose(c, by_b(1), by_b(0))
}

/// `lop3.b32 d, a, b, c, lut` and `lop3.BoolOp.b32 d|p, a, b, c, lut, q` with p = (d != 0) BoolOp q.
fn lop3(form: &mut Form) -> Option<Selected> {
    const PLAIN: Alu = alu!(|regs, inst, mask| {
        let [d, a, b, c, ..] = inst.ops;
        let lut = inst.imm;
        map3(regs, d, [a, b, c], mask, |a: u32, b: u32, c: u32| lookup(lut, a, b, c));
    });
    #[inline(always)]
    fn with_predicate(regs: &mut Regs, inst: &Inst, mask: u32, combine: impl Fn(u32, u32) -> u32) {
        let [d, p, a, b, c, q] = inst.ops;
        let (a, b, c) = (regs.read::<u32>(a), regs.read::<u32>(b), regs.read::<u32>(c));
        let result = std::array::from_fn(|l| lookup(inst.imm, a[l], b[l], c[l]));
        let set = (0..32).fold(0, |set, l| set | u32::from(result[l] != 0) << l);
        let combined = combine(set, regs.pred(q));
        if d != NONE {
            regs.write(d, mask, &result);
        }
        if p != NONE {
            regs.set_pred(p, mask, combined);
        }
    }
    const AND: Alu = alu!(|regs, inst, mask| with_predicate(regs, inst, mask, |t, q| t & q));
    const OR: Alu = alu!(|regs, inst, mask| with_predicate(regs, inst, mask, |t, q| t | q));
    let combined = form.one_of(&[("and", AND), ("or", OR)]);
    (form.word() == "b32").then_some(())?;
    let (results, sources): (&[Ty], &[Ty]) = match combined {
        None => (&[Ty::W], &[Ty::W, Ty::W, Ty::W, Ty::Imm]),
        Some(_) => (&[Ty::W, Ty::Pred], &[Ty::W, Ty::W, Ty::W, Ty::Imm, Ty::Pred]),
    };
    let alu = combined.unwrap_or(PLAIN);
    Some(Selected { alu, results, sources, class: Class::Integer, fmas: 0, imm: 0 })
}

/// `shf.{l,r}.{clamp,wrap}.b32 d, a, b, c`: a is the lower word, b the upper one.
fn funnel(form: &mut Form) -> Option<Selected> {
    macro_rules! funnel {
        (|$both:ident, $n:ident| $shifted:expr) => {
            op!(clamp => Integer, |a: u32, b: u32, c: u32| -> u32 {
                let $both = u64::from(b) << 32 | u64::from(a);
                let $n = if clamp != 0 { c.min(32) } else { c % 32 };
                $shifted as u32
            })
        };
    }
    let selected = match form.word() {
        "l" => funnel!(|both, n| (both << n >> 32)),
        "r" => funnel!(|both, n| (both >> n)),
        _ => return None,
    };
    let clamp = form.one_of(&[("clamp", 1), ("wrap", 0)])?;
    (form.word() == "b32").then(|| selected.imm(clamp))
}

/// The four bytes of (a, b) that four selectors of 4 bits name; the highest bit of a selector asks for
/// the byte's sign, eight times, instead.
#[inline(always)]
fn bytes_of(a: u32, b: u32, selectors: u32) -> u32 {
    let both = u64::from(b) << 32 | u64::from(a);
    (0..4).fold(0, |d, place| {
        let selector = selectors >> (4 * place);
        let byte = (both >> (8 * (selector & 7))) as u32 & 0xff;
        let sign = (byte >> 7).wrapping_neg() & 0xff;
        d | (if selector & 8 != 0 { sign } else { byte }) << (8 * place)
    })
}

/// The modes of `prmt` take two bits of c; each mode's four selectors for each value.
const MODES: [(&str, [i64; 4]); 6] = [
    ("f4e", [0x3210, 0x4321, 0x5432, 0x6543]),
    ("b4e", [0x5670, 0x6701, 0x7012, 0x0123]),
    ("rc8", [0x0000, 0x1111, 0x2222, 0x3333]),
    ("ecl", [0x3210, 0x3211, 0x3222, 0x3333]),
    ("ecr", [0x0000, 0x1110, 0x2210, 0x3210]),
    ("rc16", [0x1010, 0x3232, 0x1010, 0x3232]),
];

fn permute(form: &mut Form) -> Option<Selected> {
    (form.word() == "b32").then_some(())?;
    Some(match form.one_of(&MODES) {
        None => op!(Move, |a: u32, b: u32, c: u32| -> u32 { bytes_of(a, b, c) }),
        Some(table) => op!(table => Move, |a: u32, b: u32, c: u32| -> u32 {
            bytes_of(a, b, (table >> (16 * (c & 3))) as u32 & 0xffff)
        })
        .imm(table.iter().rev().fold(0, |all, selectors| all << 16 | selectors)),
    })
}

/// `bfe`: `len` bits from `pos` on; bits beyond the register are the sign of the field (or of the
/// register, where the field ends beyond it) in the signed forms, else 0.
fn extract(form: &mut Form) -> Option<Selected> {
    macro_rules! extract {
        ($ty:ty, $bits:ty) => {
            op!(Integer, |a: $ty, b: u32, c: u32| -> $ty {
                let (pos, len) = (b & 0xff, c & 0xff);
                let msb = <$ty>::BITS - 1;
                let sign_at = (pos + len).wrapping_sub(1).min(msb);
                // All ones if the type is signed and the bit there is set.
                let sign = if len == 0 {
                    0
                } else {
                    ((a << (msb - sign_at)) >> msb) & (<$ty>::MIN >> msb)
                };
                let field = if pos > msb { 0 } else { (a as $bits >> (pos & msb)) as $ty };
                let kept = len.min((msb + 1).saturating_sub(pos));
                let low = if kept > msb {
                    !0
                } else {
                    ((1 as $bits) << (kept & msb)).wrapping_sub(1) as $ty
                };
                field & low | sign & !low
            })
        };
    }
    Some(match form.word() {
        "u32" => extract!(u32, u32),
        "u64" => extract!(u64, u64),
        "s32" => extract!(i32, u32),
        "s64" => extract!(i64, u64),
        _ => return None,
    })
}

/// `bfi f, a, b, c, d`: the low d bits of a put into b at c.
fn insert(form: &mut Form) -> Option<Selected> {
    macro_rules! insert {
        ($ty:ty, $kind:ident) => {
            Selected {
                alu: alu!(|regs, inst, mask| {
                    let [f, a, b, c, d, ..] = inst.ops;
                    map4(regs, f, [a, b, c, d], mask, |a: $ty, b: $ty, c: u32, d: u32| {
                        let (pos, len) = (c & 0xff, d & 0xff);
                        let last = <$ty>::BITS - 1;
                        let low = if len > last { !0 } else { ((1 as $ty) << (len & last)) - 1 };
                        let at = |x: $ty| if pos > last { 0 } else { x << (pos & last) };
                        b & !at(low) | at(a & low)
                    });
                }),
                results: &[Ty::$kind],
                sources: &[Ty::$kind, Ty::$kind, Ty::W, Ty::W],
                class: Class::Integer,
                fmas: 0,
                imm: 0,
            }
        };
    }
    Some(match form.word() {
        "b32" => insert!(u32, W),
        "b64" => insert!(u64, D),
        _ => return None,
    })
}

/// `szext`: the low b bits of a, extended with the field's sign (s32) or zeros.
fn extend(form: &mut Form) -> Option<Selected> {
    let clamp = form.one_of(&[("clamp", 1), ("wrap", 0)])?;
    macro_rules! extend {
        ($signed:literal) => {
            op!(clamp => Integer, |a: u32, b: u32| -> u32 {
                let too_large = clamp != 0 && b > 31;
                let width = b & 31;
                let above = if too_large { 0 } else { u32::MAX << width };
                let sign = a >> (width.wrapping_sub(1) & 31) & 1;
                let extends = $signed && width != 0 && !too_large && sign != 0;
                a & !above | if extends { above } else { 0 }
            })
        };
    }
    Some(match form.word() {
        "s32" => extend!(true).imm(clamp),
        "u32" => extend!(false).imm(clamp),
        _ => return None,
    })
}

/// `bmsk`: b ones from bit a on.
fn bit_mask(form: &mut Form) -> Option<Selected> {
    let clamp = form.one_of(&[("clamp", 1), ("wrap", 0)])?;
    (form.word() == "b32").then(|| {
        op!(clamp => Integer, |a: u32, b: u32| -> u32 {
            let clamp = clamp != 0;
            let (pos, len) = (a & 31, b & 31);
            let from = if clamp && a > 31 { 0 } else { u32::MAX << pos };
            let beyond = pos + len > 31 || clamp && (a > 31 || b > 31);
            let above = if beyond { 0 } else { u32::MAX << ((pos + len) & 31) };
            // No ones where the width is 0, unless it is so large that it is clamped.
            let above = if len == 0 && !beyond { u32::MAX } else { above };
            from & !above
        })
        .imm(clamp)
    })
}

/// `fns`: the place of the |offset|-th set bit of `mask` from `base` on, upwards or downwards.
fn find_nth(mask: u32, base: u32, offset: i32) -> u32 {
    if offset == 0 {
        return if base < 32 && mask >> base & 1 != 0 { base } else { u32::MAX };
    }
    let bits = (0..32).filter(|bit| mask >> bit & 1 != 0);
    let skip = (offset.unsigned_abs() - 1) as usize;
    let found = if offset > 0 {
        bits.filter(|&bit| bit >= base).nth(skip)
    } else {
        bits.rev().filter(|&bit| bit <= base).nth(skip)
    };
    found.filter(|_| base < 32).unwrap_or(u32::MAX)
}
