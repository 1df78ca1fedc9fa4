//! A list of blocks: its parameters, its forward and its backward pass.

use super::init;
use crate::backend::block::{Block, BlockActs, BlockParams, Mode, NormStats};
use crate::backend::{Backend, HostTensor};
use crate::error::Result;
use crate::shape::{Nchw, TensorShape};

/// A tensor on its way to or from a file: PyTorch's name, shape and order.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// `main.3.weight`, with whatever prefix the file needs.
    pub name: String,
    pub shape: TensorShape,
    pub data: HostTensor,
}

/// Where a network's blocks stand in PyTorch's `nn.Sequential`.
pub type Indexing = fn(usize) -> usize;

/// Weights and running statistics of a list of blocks, for any batch size.
pub struct Network<B: Backend> {
    blocks: Vec<Block>,
    index: Indexing,
    /// What is learned, block by block.
    pub params: Vec<BlockParams<B>>,
    /// Running statistics, for the blocks with batch norm.
    pub stats: Vec<Option<NormStats<B>>>,
}

/// The buffers of one forward and one backward pass for one batch size.
pub struct Activations<B: Backend> {
    /// The blocks for this batch size.
    blocks: Vec<Block>,
    /// What each block's forward pass left.
    pub acts: Vec<BlockActs<B>>,
    /// The loss's gradient with respect to each block's output; empty without a backward pass.
    pub grads: Vec<B::Buffer>,
}

impl<B: Backend> Network<B> {
    /// A network with zero weights, γ = β = 0 and fresh running statistics.
    pub fn zeros(backend: &B, blocks: Vec<Block>, index: Indexing) -> Result<Self> {
        let params = Self::zero_params(backend, &blocks)?;
        let stats = blocks
            .iter()
            .map(|b| b.norm.then(|| NormStats::new(backend, b.output().c as usize)).transpose())
            .collect::<Result<_>>()?;
        Ok(Self { blocks, index, params, stats })
    }

    /// A network with [`init`]'s weights. `first_tensor` numbers its first tensor within the model.
    pub fn initialised(
        backend: &B,
        blocks: Vec<Block>,
        index: Indexing,
        seed: u64,
        first_tensor: u32,
    ) -> Result<Self> {
        let mut network = Self::zeros(backend, blocks, index)?;
        let mut tensor = first_tensor;
        let mut draw = |buffer: &mut B::Buffer, mean: f64| {
            let values = init::normal(seed, tensor, mean, backend.shape(buffer).len());
            tensor += 1;
            backend.upload(buffer, &values)
        };
        for params in &mut network.params {
            draw(&mut params.weight, 0.0)?;
            if let Some(norm) = &mut params.norm {
                draw(&mut norm.gamma, 1.0)?;
            }
        }
        Ok(network)
    }

    /// Zeros of the parameters' shapes: gradients, Adam's moments.
    pub fn zero_params(backend: &B, blocks: &[Block]) -> Result<Vec<BlockParams<B>>> {
        blocks.iter().map(|b| BlockParams::zeros(backend, b)).collect()
    }

    /// The blocks, for the batch size the network was made with.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Index of block `block`'s convolution in PyTorch's `main`.
    pub fn conv_index(&self, block: usize) -> usize {
        (self.index)(block)
    }

    /// Number of learned numbers.
    pub fn parameter_count(&self, backend: &B) -> usize {
        let tensors = self.params.iter().flat_map(BlockParams::tensors);
        tensors.map(|t| backend.shape(t).len()).sum()
    }

    /// Runs the blocks in order. The result is [`Activations::output`].
    pub fn forward(
        &mut self,
        backend: &B,
        mode: Mode,
        acts: &mut Activations<B>,
        x: &B::Buffer,
    ) -> Result<()> {
        for i in 0..self.blocks.len() {
            let (before, here) = acts.acts.split_at_mut(i);
            let input = before.last().map_or(x, |a| &a.y);
            let (block, stats) = (&acts.blocks[i], &mut self.stats[i]);
            backend.block_forward(block, mode, &mut here[0], stats, &self.params[i], input)?;
        }
        Ok(())
    }

    /// Runs the blocks in reverse. On entry the last of `acts.grads` is the loss's gradient with
    /// respect to the output; every element of `acts.grads` is overwritten. Parameter gradients are
    /// added to `grads`; the input's gradient overwrites `dx`. Either may be left out.
    pub fn backward(
        &self,
        backend: &B,
        acts: &mut Activations<B>,
        mut dx: Option<&mut B::Buffer>,
        mut grads: Option<&mut Vec<BlockParams<B>>>,
        x: &B::Buffer,
    ) -> Result<()> {
        for i in (0..self.blocks.len()).rev() {
            let (before, here) = acts.grads.split_at_mut(i);
            let input = if i == 0 { x } else { &acts.acts[i - 1].y };
            let dinput = if i == 0 { dx.take() } else { before.last_mut() };
            let dparams = grads.as_mut().map(|g| &mut g[i]);
            let (block, params) = (&acts.blocks[i], &self.params[i]);
            backend.block_backward(
                block,
                dinput,
                dparams,
                &mut here[0],
                &acts.acts[i],
                params,
                input,
            )?;
        }
        Ok(())
    }

    /// PyTorch's names for the learned tensors, in the order of [`BlockParams::tensors`].
    pub fn param_names(&self) -> Vec<String> {
        let index = self.index;
        let names = self.blocks.iter().enumerate().flat_map(|(i, block)| {
            let conv = std::iter::once(format!("main.{}.weight", index(i)));
            let norm = ["weight", "bias"].map(|n| format!("main.{}.{n}", index(i) + 1));
            conv.chain(norm.into_iter().filter(|_| block.norm))
        });
        names.collect()
    }

    /// PyTorch's names for the whole state dict: the learned tensors, then the running statistics.
    /// The order is that of [`tensors`](Self::tensors).
    pub fn names(&self) -> Vec<String> {
        let mut names = self.param_names();
        for (i, _) in self.stats.iter().enumerate().filter(|(_, stats)| stats.is_some()) {
            names.extend(
                ["running_mean", "running_var"]
                    .map(|n| format!("main.{}.{n}", (self.index)(i) + 1)),
            );
        }
        names
    }

    /// The tensors of the whole state.
    pub fn tensors(&self) -> impl Iterator<Item = &B::Buffer> {
        let stats = self.stats.iter().flatten().flat_map(|s| [&s.mean, &s.var]);
        self.params.iter().flat_map(BlockParams::tensors).chain(stats)
    }

    /// The tensors of the whole state, to be written to.
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut B::Buffer> {
        let stats = self.stats.iter_mut().flatten().flat_map(|s| [&mut s.mean, &mut s.var]);
        self.params.iter_mut().flat_map(BlockParams::tensors_mut).chain(stats)
    }
}

impl<B: Backend> Activations<B> {
    /// Buffers for a batch of `n`, with or without room for a backward pass.
    pub fn new(backend: &B, blocks: &[Block], n: usize, backward: bool) -> Result<Self> {
        let blocks: Vec<Block> = blocks.iter().map(|b| b.with_batch(n)).collect();
        let acts = blocks.iter().map(|b| BlockActs::new(backend, b)).collect::<Result<_>>()?;
        let grads = blocks
            .iter()
            .filter(|_| backward)
            .map(|b| backend.alloc(TensorShape::Image(b.output())))
            .collect::<Result<_>>()?;
        Ok(Self { blocks, acts, grads })
    }

    /// The shape of the network's input.
    pub fn input_shape(&self) -> Nchw {
        self.blocks.first().expect("a network has at least two blocks").input()
    }

    /// The shape of the network's output.
    pub fn output_shape(&self) -> Nchw {
        self.blocks.last().expect("a network has at least two blocks").output()
    }

    /// The network's output.
    pub fn output(&self) -> &B::Buffer {
        &self.acts.last().expect("a network has at least two blocks").y
    }

    /// The output and the buffer for the loss's gradient with respect to it.
    pub fn output_and_gradient(&mut self) -> (&B::Buffer, &mut B::Buffer) {
        let output = &self.acts.last().expect("a network has at least two blocks").y;
        (output, self.grads.last_mut().expect("made with room for a backward pass"))
    }
}
