//! `mov` between registers, and of immediates. Special registers, addresses of symbols, and packing are
//! the lowering's.

use super::form::{Form, op, typed};
use crate::exec::inst::{Alu, Class, Selected, Ty, alu};

const PREDICATE: Alu = alu!(|regs, inst, mask| {
    let [d, a, ..] = inst.ops;
    let lanes = regs.pred(a);
    regs.set_pred(d, mask, lanes);
});

pub fn select(form: &mut Form) -> Option<Selected> {
    let word = form.word();
    if word == "pred" {
        let (results, sources) = (&[Ty::Pred], &[Ty::Pred]);
        return Some(Selected {
            alu: PREDICATE,
            results,
            sources,
            class: Class::Move,
            fmas: 0,
            imm: 0,
        });
    }
    // The bits move as they are, NaNs too: through integers, whatever the type.
    let mut selected = typed!(word; "b16" | "u16" | "s16" => u16, "b32" | "u32" | "s32" | "f32" => u32, "b64" | "u64" | "s64" | "f64" => u64;
        op!(Move, |a: T| -> T { a }))?;
    match word {
        "f32" => (selected.results, selected.sources) = (&[Ty::F32], &[Ty::F32]),
        "f64" => (selected.results, selected.sources) = (&[Ty::F64], &[Ty::F64]),
        _ => {}
    }
    Some(selected)
}
