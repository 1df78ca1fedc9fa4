//! Basic blocks and the order in which they are laid out.
//!
//! Warps run the lanes with the lowest program counter first. That makes lanes meet again as early as
//! they can when every forward edge goes to a higher address and no block lies between those of a loop
//! that does not belong to it: reverse postorder, visiting the ways out of a loop before its body.

use std::collections::HashMap;

use super::draft::{Draft, Label, Next, Node};

/// A run of instructions without a jump into or out of its middle.
#[derive(Default)]
pub struct Block {
    pub drafts: Vec<Draft>,
    /// The block behind it in the text, if it can run on into it.
    pub falls_to: Option<usize>,
    /// All blocks that can follow.
    pub successors: Vec<usize>,
}

/// The blocks of a kernel.
pub struct Graph {
    pub blocks: Vec<Block>,
    pub labels: HashMap<Label, usize>,
}

impl Graph {
    /// Cuts nodes into blocks. Block 0 is the entry.
    pub fn new(nodes: Vec<Node>) -> Self {
        let mut blocks = vec![Block::default()];
        let mut labels = HashMap::new();
        for node in nodes {
            match node {
                Node::Label(label) => {
                    if blocks.last().is_some_and(|block| !block.drafts.is_empty()) {
                        blocks.push(Block::default());
                    }
                    labels.insert(label, blocks.len() - 1);
                }
                Node::Inst(draft) => {
                    let ends = draft.next != Next::Straight;
                    if let Some(block) = blocks.last_mut() {
                        block.drafts.push(draft);
                    }
                    if ends {
                        blocks.push(Block::default());
                    }
                }
            }
        }
        let mut graph = Self { blocks, labels };
        graph.link();
        graph
    }

    fn link(&mut self) {
        let count = self.blocks.len();
        for at in 0..count {
            let behind = Some(at + 1).filter(|&next| next < count);
            let target = |label: &Label| self.labels.get(label).copied();
            let (falls_to, mut successors) = match self.blocks[at].drafts.last() {
                Some(Draft { next: Next::Jump(label), guard, .. }) => {
                    (behind.filter(|_| guard.is_some()), target(label).into_iter().collect())
                }
                Some(Draft { next: Next::Indexed(labels), guard, .. }) => {
                    (behind.filter(|_| guard.is_some()), labels.iter().filter_map(target).collect())
                }
                Some(Draft { next: Next::End, guard, .. }) => {
                    (behind.filter(|_| guard.is_some()), vec![])
                }
                _ => (behind, Vec::new()),
            };
            successors.extend(falls_to);
            successors.sort_unstable();
            successors.dedup();
            self.blocks[at].falls_to = falls_to;
            self.blocks[at].successors = successors;
        }
    }

    /// The blocks that can be reached, in the order of the layout.
    pub fn order(&self) -> Vec<usize> {
        let depths = self.loop_depths(&self.reverse_postorder(&vec![0; self.blocks.len()]));
        self.reverse_postorder(&depths)
    }

    /// Reverse postorder from the entry, visiting successors with less loop depth first, which puts them
    /// behind the others; among equals the later one in the text, which keeps the text's order.
    fn reverse_postorder(&self, depths: &[u32]) -> Vec<usize> {
        let ranked = |at: usize| {
            let mut successors = self.blocks[at].successors.clone();
            successors.sort_by_key(|&next| (depths[next], std::cmp::Reverse(next)));
            successors.into_iter()
        };
        let mut seen = vec![false; self.blocks.len()];
        let mut order = Vec::new();
        let mut stack = vec![(0, ranked(0))];
        seen[0] = true;
        while let Some((at, successors)) = stack.last_mut() {
            match successors.next() {
                Some(next) if !seen[next] => {
                    seen[next] = true;
                    stack.push((next, ranked(next)));
                }
                Some(_) => {}
                None => {
                    order.push(*at);
                    stack.pop();
                }
            }
        }
        order.reverse();
        order
    }

    /// How many natural loops each block lies in (Aho et al., Compilers, 9.6).
    fn loop_depths(&self, order: &[usize]) -> Vec<u32> {
        let count = self.blocks.len();
        let mut predecessors = vec![Vec::new(); count];
        for &at in order {
            for &next in &self.blocks[at].successors {
                predecessors[next].push(at);
            }
        }
        let dominators = dominators(order, &predecessors);
        let dominates = |a: usize, mut b: usize| loop {
            if a == b {
                return true;
            }
            if b == 0 || dominators[b] == b {
                return false;
            }
            b = dominators[b];
        };
        // Back edges to one header form one loop.
        let mut loops: HashMap<usize, Vec<bool>> = HashMap::new();
        for &tail in order {
            for &header in &self.blocks[tail].successors {
                if !dominates(header, tail) {
                    continue;
                }
                let body = loops.entry(header).or_insert_with(|| vec![false; count]);
                body[header] = true;
                let mut todo = vec![tail];
                while let Some(at) = todo.pop() {
                    if !std::mem::replace(&mut body[at], true) {
                        todo.extend(&predecessors[at]);
                    }
                }
            }
        }
        let depth = |at: usize| loops.values().filter(|body| body[at]).count() as u32;
        (0..count).map(depth).collect()
    }
}

/// Immediate dominators (Cooper, Harvey, Kennedy 2001); the entry is its own.
fn dominators(order: &[usize], predecessors: &[Vec<usize>]) -> Vec<usize> {
    let mut rank = vec![usize::MAX; predecessors.len()];
    for (position, &at) in order.iter().enumerate() {
        rank[at] = position;
    }
    let mut dominator = vec![usize::MAX; predecessors.len()];
    dominator[0] = 0;
    let mut changed = true;
    while changed {
        changed = false;
        for &at in order.iter().skip(1) {
            let known = predecessors[at].iter().copied().filter(|&p| dominator[p] != usize::MAX);
            let new = known.reduce(|mut a, mut b| {
                while a != b {
                    while rank[a] > rank[b] {
                        a = dominator[a];
                    }
                    while rank[b] > rank[a] {
                        b = dominator[b];
                    }
                }
                a
            });
            if let Some(new) = new
                && dominator[at] != new
            {
                dominator[at] = new;
                changed = true;
            }
        }
    }
    dominator
}
