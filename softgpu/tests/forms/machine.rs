//! Runs one instruction, written as PTX, on the 32 lanes of a warp.

use softgpu::exec::alu::select;
use softgpu::exec::inst::{
    ALWAYS, Action, AluFn, Inst, NONE, OPERANDS, Selected, Ty, has_fast_path,
};
pub use softgpu::exec::regs::LANES;
use softgpu::exec::regs::{FULL, Regs, Row, Slot};
use softgpu::ptx::ast::{Instruction, Operand, Statement};
use softgpu::ptx::parse;

/// The bits of a register or predicate, lane by lane.
pub type Lanes = [u64; LANES];

/// Parses one instruction.
pub fn instruction(text: &str) -> Instruction {
    let module = format!(
        ".version 9.0\n.target sm_90\n.address_size 64\n.visible .entry k()\n{{\n{text};\nret;\n}}\n"
    );
    let module = parse(&module).unwrap_or_else(|error| panic!("{text}: {error}"));
    let body = module.functions[0].body.as_ref().expect("a body");
    let first = body.iter().find_map(|statement| match statement {
        Statement::Instruction(instruction) => Some(instruction.clone()),
        _ => None,
    });
    first.expect("an instruction")
}

/// One instruction, its operands laid out in a register file.
pub struct Form {
    pub text: String,
    pub selected: Selected,
    inst: Inst,
    /// Sources written `!p`: the lowering hands over the inverse.
    negated: Vec<bool>,
    rows: usize,
    preds: usize,
}

fn rows(ty: Ty) -> usize {
    match ty {
        Ty::H | Ty::W | Ty::F32 => 1,
        Ty::D | Ty::F64 => 2,
        Ty::Pred | Ty::Imm => 0,
    }
}

/// What stands in results before an instruction runs: a lane that must not be written keeps it.
const POISON: u32 = 0xA5C3_96E1;

impl Form {
    /// Panics if the instruction is not known.
    pub fn new(text: &str) -> Form {
        let instruction = instruction(text);
        let selected = select(&instruction).unwrap_or_else(|error| panic!("{error}"));
        let selected = selected.unwrap_or_else(|| panic!("`{text}` belongs to no family"));
        let unwanted = unwanted_results(&instruction, selected.results.len());
        let (mut at_row, mut at_pred, mut place) = (0, 0, 0);
        let (mut ops, mut imm): ([Slot; OPERANDS], _) = ([0; OPERANDS], selected.imm);
        for (i, &ty) in selected.results.iter().chain(selected.sources).enumerate() {
            if ty == Ty::Imm {
                let written = instruction.operands.get(1 + i - selected.results.len());
                let Some(Operand::Int(value)) = written else { panic!("`{text}` lacks a number") };
                imm = *value as i64;
                continue;
            }
            ops[place] = match ty {
                _ if i < unwanted.len() && unwanted[i] => NONE,
                Ty::Pred => at_pred,
                _ => at_row,
            };
            place += 1;
            at_pred += Slot::from(ty == Ty::Pred);
            at_row += rows(ty) as Slot;
        }
        let sources = instruction.operands[1..].iter();
        let negated = sources.map(|operand| matches!(operand, Operand::Not(_))).collect();
        let action = Action::Alu(selected.alu.plain);
        let inst = Inst { action, imm, ops, guard: ALWAYS, wide: 0, run: 1 };
        let text = text.to_string();
        Form { text, selected, inst, negated, rows: at_row as usize, preds: at_pred as usize }
    }

    /// Results of the instruction on these sources (numbers written in the text are none), and the carry
    /// flag. Lanes outside `mask` must keep what was there; the function compiled for this CPU and the
    /// portable one must agree to the bit.
    pub fn run(&self, sources: &[Lanes], mask: u32, carry: u32, perturb: f32) -> (Vec<Lanes>, u32) {
        let mut sources = sources.to_vec();
        for (lanes, _) in sources.iter_mut().zip(&self.negated).filter(|(_, negated)| **negated) {
            *lanes = lanes.map(|bits| !bits & 1);
        }
        let sources = &sources;
        let plain = self.run_one(self.selected.alu.plain, sources, mask, carry, perturb);
        if has_fast_path() {
            let fast = self.run_one(self.selected.alu.fast, sources, mask, carry, perturb);
            assert_eq!(plain, fast, "{}: portable and fast differ on {sources:x?}", self.text);
        }
        plain
    }

    fn run_one(
        &self,
        alu: AluFn,
        sources: &[Lanes],
        mask: u32,
        carry: u32,
        perturb: f32,
    ) -> (Vec<Lanes>, u32) {
        let mut file = vec![Row([POISON; LANES]); self.rows];
        let mut preds = vec![POISON; self.preds];
        let kinds = || self.selected.results.iter().chain(self.selected.sources);
        let given = kinds().filter(|ty| **ty != Ty::Imm).count() - self.selected.results.len();
        assert_eq!(given, sources.len(), "{}", self.text);
        let slots: Vec<(Ty, Slot)> =
            kinds().copied().filter(|ty| *ty != Ty::Imm).zip(self.inst.ops).collect();
        let (results, inputs) = slots.split_at(self.selected.results.len());
        for &(ty, slot) in results.iter().filter(|(_, slot)| *slot != NONE) {
            put(&mut file, &mut preds, ty, slot, &std::array::from_fn(|lane| poison(ty, lane)));
        }
        for (&(ty, slot), lanes) in inputs.iter().zip(sources) {
            put(&mut file, &mut preds, ty, slot, lanes);
        }
        let mut regs = Regs::new(&mut file, &[], &mut preds, perturb);
        regs.carry = carry;
        // SAFETY: the fast function is called only where `has_fast_path` says so.
        unsafe { alu(&mut regs, std::slice::from_ref(&self.inst), mask) };
        let carry = regs.carry;
        for (&(ty, slot), lanes) in inputs.iter().zip(sources) {
            assert_eq!(
                get(&file, &preds, ty, slot),
                masked(ty, lanes),
                "{} wrote a source",
                self.text
            );
        }
        let results: Vec<_> = results
            .iter()
            .filter(|(_, slot)| *slot != NONE)
            .map(|&(ty, slot)| {
                let lanes = get(&file, &preds, ty, slot);
                for lane in (0..LANES).filter(|lane| mask >> lane & 1 == 0) {
                    assert_eq!(lanes[lane], poison(ty, lane), "{} wrote lane {lane}", self.text);
                }
                lanes
            })
            .collect();
        (results, carry)
    }
}

/// Results that the text does not want: `_`, or a missing second one.
fn unwanted_results(instruction: &Instruction, results: usize) -> Vec<bool> {
    let sink = |operand: &Operand| matches!(operand, Operand::Sink);
    match &instruction.operands[0] {
        Operand::Pair(first, second) => vec![sink(first), sink(second)],
        first if results == 2 => vec![sink(first), true],
        first => vec![sink(first)],
    }
}

/// Registers of 16 bits have zeros above, always.
fn poison(ty: Ty, lane: usize) -> u64 {
    match rows(ty) {
        1 if ty == Ty::H => u64::from(POISON & 0xffff),
        0 => u64::from(POISON >> lane & 1),
        1 => u64::from(POISON),
        _ => u64::from(POISON) << 32 | u64::from(POISON),
    }
}

/// The part of each lane that a register of the kind holds.
fn masked(ty: Ty, lanes: &Lanes) -> Lanes {
    lanes.map(|bits| match rows(ty) {
        0 => bits & 1,
        1 => bits & 0xffff_ffff,
        _ => bits,
    })
}

/// Writes a register as its layout is documented: a row of 32 words, or two rows read as 32 numbers of
/// 64 bits.
fn put(file: &mut [Row], preds: &mut [u32], ty: Ty, slot: Slot, lanes: &Lanes) {
    for (lane, &bits) in lanes.iter().enumerate() {
        match rows(ty) {
            0 => {
                let pred = &mut preds[slot as usize];
                *pred = *pred & !(1 << lane) | ((bits as u32 & 1) << lane);
            }
            1 => file[slot as usize].0[lane] = bits as u32,
            _ => {
                let row = &mut file[slot as usize + lane / 16].0;
                row[2 * (lane % 16)] = bits as u32;
                row[2 * (lane % 16) + 1] = (bits >> 32) as u32;
            }
        }
    }
}

fn get(file: &[Row], preds: &[u32], ty: Ty, slot: Slot) -> Lanes {
    std::array::from_fn(|lane| match rows(ty) {
        0 => u64::from(preds[slot as usize] >> lane & 1),
        1 => u64::from(file[slot as usize].0[lane]),
        _ => {
            let row = &file[slot as usize + lane / 16].0;
            u64::from(row[2 * (lane % 16) + 1]) << 32 | u64::from(row[2 * (lane % 16)])
        }
    })
}

/// Some lane masks: all lanes, one, none, and half of them in disorder.
pub const MASKS: [u32; 5] = [FULL, 0x5a0f_9c31, 1, 0x8000_0000, 0];
