//! Slots for virtual registers: linear scan over the layout (Poletto, Sarkar 1999).
//!
//! Under divergence every lane still follows a path of the flow graph, and a register is one value per
//! lane, so liveness along the graph is liveness per lane. Two registers share rows when no path has
//! both alive; an instruction's results never share with its own sources.

use super::cfg::Graph;
use super::draft::{Draft, Ref};

/// Rows of every virtual register and predicate.
pub struct Slots {
    /// First row of each register; registers of two rows lie behind all single ones.
    pub rows: Vec<i32>,
    pub preds: Vec<i32>,
    pub row_count: usize,
    pub pred_count: usize,
    /// Most 32-bit registers alive at once.
    pub pressure: u32,
}

/// Kinds of things that need slots.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bank {
    Single,
    Double,
    Pred,
}

/// Hands out slots. `widths` has the rows (1 or 2) of every register.
pub fn assign(graph: &Graph, order: &[usize], widths: &[u8], preds: usize) -> Slots {
    let spans = spans(graph, order, widths.len(), preds);
    let bank = |id: usize| match widths.get(id) {
        Some(1) => Bank::Single,
        Some(_) => Bank::Double,
        None => Bank::Pred,
    };
    let mut by_start: Vec<usize> =
        (0..spans.len()).filter(|&id| spans[id].0 <= spans[id].1).collect();
    by_start.sort_unstable_by_key(|&id| spans[id]);
    let mut place = vec![0i32; spans.len()];
    let mut counts = [0i32; 3];
    let mut free: [Vec<i32>; 3] = Default::default();
    let mut ends: std::collections::BinaryHeap<std::cmp::Reverse<(usize, usize)>> =
        Default::default();
    let (mut live, mut pressure) = (0u32, 0);
    let weight = |id: usize| match bank(id) {
        Bank::Single => 1,
        Bank::Double => 2,
        Bank::Pred => 0,
    };
    for id in by_start {
        while let Some(&std::cmp::Reverse((end, gone))) = ends.peek() {
            if end >= spans[id].0 {
                break;
            }
            ends.pop();
            free[bank(gone) as usize].push(place[gone]);
            live -= weight(gone);
        }
        let bank = bank(id) as usize;
        place[id] = free[bank].pop().unwrap_or_else(|| {
            counts[bank] += 1;
            counts[bank] - 1
        });
        live += weight(id);
        pressure = pressure.max(live);
        ends.push(std::cmp::Reverse((spans[id].1, id)));
    }
    let [singles, doubles, pred_count] = counts;
    let row = |id: usize| match bank(id) {
        Bank::Single => place[id],
        _ => singles + 2 * place[id],
    };
    Slots {
        rows: (0..widths.len()).map(row).collect(),
        preds: (widths.len()..spans.len()).map(|id| place[id]).collect(),
        row_count: (singles + 2 * doubles) as usize,
        pred_count: pred_count as usize,
        pressure,
    }
}

/// First and last position in the layout at which each register, then each predicate, is alive; first
/// behind last for one that never is.
fn spans(graph: &Graph, order: &[usize], regs: usize, preds: usize) -> Vec<(usize, usize)> {
    let count = regs + preds;
    let id = |operand: &Ref| match operand {
        Ref::Reg(reg) => Some(*reg as usize),
        Ref::Pred(pred) => Some(regs + *pred as usize),
        _ => None,
    };
    let (live_in, live_out) = liveness(graph, order, count, &id, regs);
    let mut spans = vec![(usize::MAX, 0); count];
    let touch = |spans: &mut Vec<(usize, usize)>, id: usize, at: usize| {
        spans[id] = (spans[id].0.min(at), spans[id].1.max(at));
    };
    let mut at = 0;
    for (position, &block) in order.iter().enumerate() {
        live_in[position].ones().for_each(|id| touch(&mut spans, id, at));
        for draft in &graph.blocks[block].drafts {
            for operand in draft.results.iter().chain(&draft.sources) {
                if let Some(id) = id(operand) {
                    touch(&mut spans, id, at);
                }
            }
            if let Some((pred, _)) = draft.guard {
                touch(&mut spans, regs + pred as usize, at);
            }
            at += 1;
        }
        // One position for the jump that the layout may add.
        live_out[position].ones().for_each(|id| touch(&mut spans, id, at));
        at += 1;
    }
    spans
}

/// A set of small numbers.
#[derive(Clone, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn clear(&mut self, at: usize) {
        self.0[at / 64] &= !(1 << (at % 64));
    }

    fn ones(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, &bits)| {
            let mut bits = bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.wrapping_sub(1);
                (bit < 64).then_some(word * 64 + bit)
            })
        })
    }
}

/// What is alive before and after each block of the order.
fn liveness(
    graph: &Graph,
    order: &[usize],
    count: usize,
    id: &impl Fn(&Ref) -> Option<usize>,
    regs: usize,
) -> (Vec<Bits>, Vec<Bits>) {
    let mut position = vec![usize::MAX; graph.blocks.len()];
    for (at, &block) in order.iter().enumerate() {
        position[block] = at;
    }
    let back = |live: &mut Bits, draft: &Draft| {
        if draft.guard.is_none() {
            draft.results.iter().filter_map(id).for_each(|id| live.clear(id));
        }
        draft.sources.iter().filter_map(id).for_each(|id| live.set(id));
        if let Some((pred, _)) = draft.guard {
            live.set(regs + pred as usize);
        }
    };
    let mut live_in = vec![Bits::new(count); order.len()];
    let mut live_out = live_in.clone();
    let mut changed = true;
    while changed {
        changed = false;
        for (at, &block) in order.iter().enumerate().rev() {
            let mut live = Bits::new(count);
            for &next in &graph.blocks[block].successors {
                for (word, other) in live.0.iter_mut().zip(&live_in[position[next]].0) {
                    *word |= other;
                }
            }
            live_out[at] = live.clone();
            for draft in graph.blocks[block].drafts.iter().rev() {
                back(&mut live, draft);
            }
            if live != live_in[at] {
                live_in[at] = live;
                changed = true;
            }
        }
    }
    (live_in, live_out)
}
