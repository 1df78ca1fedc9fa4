//! The ops whose time is that of moving data.
//!
//! Bytes are those of the tensors that an op reads and writes, each as often as it must: a batch norm reads
//! its input twice, once for the statistics.

use super::harness::{Clock, Spread};
use super::layers::random;
use super::report::{milliseconds, table};
use super::wrong;
use crate::backend::block::NormStats;
use crate::backend::ops::{Activation, BatchNorm, Gather};
use crate::backend::{Backend, Cpu, NormSaved};
use crate::error::Result;
use crate::model::{Network, discriminator, generator};
use crate::shape::{Nchw, TensorShape};
use crate::train::Hyper;
use serde::Serialize;
use std::fmt;

/// Images of the set that batches are gathered from.
const SET: usize = 256;

/// One op.
#[derive(Debug, Serialize)]
pub struct Movement {
    pub op: String,
    /// The tensor, or how many numbers there are.
    pub size: String,
    pub seconds: Spread,
    pub gigabytes_per_second: f64,
}

impl Movement {
    fn new(op: impl Into<String>, size: impl fmt::Display, seconds: Spread, bytes: usize) -> Self {
        Self {
            op: op.into(),
            size: size.to_string(),
            seconds,
            gigabytes_per_second: bytes as f64 / seconds.median / 1e9,
        }
    }
}

/// Times batch norm and activations on every feature map, the optimiser on both networks, and the
/// gathering of a batch.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if a result is not finite or memory runs out.
pub fn measure(cpu: &Cpu, hyper: &Hyper, clock: &mut Clock) -> Result<Vec<Movement>> {
    let mut rows = Vec::new();
    let g = generator::blocks(&hyper.model, hyper.batch_size)?;
    let d = discriminator::blocks(&hyper.model, hyper.batch_size)?;
    let mut norms: Vec<Nchw> = Vec::new();
    let mut activations: Vec<(Activation, Nchw)> = Vec::new();
    for block in g.iter().chain(&d) {
        let output = block.output();
        if block.norm && !norms.contains(&output) {
            norms.push(output);
        }
        let pair = (block.activation, output);
        if block.activation != Activation::Identity && !activations.contains(&pair) {
            activations.push(pair);
        }
    }
    for shape in norms {
        rows.extend(batch_norm(cpu, clock, shape)?);
    }
    for (f, shape) in activations {
        rows.extend(activation(cpu, clock, f, shape)?);
    }
    rows.extend(optimiser(cpu, clock, hyper)?);
    rows.push(gather(cpu, clock, d[0].input())?);
    Ok(rows)
}

/// Bytes of `tensors` tensors of `numbers` f32.
fn bytes(tensors: usize, numbers: usize) -> usize {
    tensors * numbers * size_of::<f32>()
}

fn expect_finite(cpu: &Cpu, op: &str, result: &<Cpu as Backend>::Buffer) -> Result<()> {
    match cpu.count_non_finite(result)? {
        0 => Ok(()),
        count => Err(wrong(format_args!("{op}: {count} numbers are not finite"))),
    }
}

fn batch_norm(cpu: &Cpu, clock: &mut Clock, shape: Nchw) -> Result<[Movement; 3]> {
    let p = BatchNorm::new(shape);
    let (image, channels) = (TensorShape::Image(shape), TensorShape::Vector(shape.c as usize));
    let (x, mut y) = (random(cpu, image, 1)?, random(cpu, image, 2)?);
    let (gamma, beta) = (random(cpu, channels, 3)?, random(cpu, channels, 4)?);
    let (mut dgamma, mut dbeta) = (cpu.alloc(channels)?, cpu.alloc(channels)?);
    let mut running = NormStats::new(cpu, shape.c as usize)?;
    let mut saved = NormSaved { mean: cpu.alloc(channels)?, inv_std: cpu.alloc(channels)? };
    let mut forward =
        || cpu.batch_norm_forward(p, &mut y, &mut saved, &mut running, &x, &gamma, &beta);
    forward()?;
    let training = clock.time(forward)?;
    expect_finite(cpu, "batch norm", &y)?;
    let mut evaluate = || cpu.batch_norm_eval_forward(p, &mut y, &running, &x, &gamma, &beta);
    evaluate()?;
    let evaluation = clock.time(evaluate)?;
    let mut back = || {
        let grads = Some((&mut dgamma, &mut dbeta));
        cpu.batch_norm_backward(p, &mut y, grads, &x, &gamma, &saved)
    };
    back()?;
    let backward = clock.time(back)?;
    expect_finite(cpu, "batch norm, backward", &y)?;
    let row =
        |op: &str, seconds, tensors| Movement::new(op, image, seconds, bytes(tensors, shape.len()));
    Ok([
        row("batch norm, training", training, 3),
        row("batch norm, evaluation", evaluation, 2),
        row("batch norm, backward", backward, 5),
    ])
}

fn activation(cpu: &Cpu, clock: &mut Clock, f: Activation, shape: Nchw) -> Result<[Movement; 2]> {
    let image = TensorShape::Image(shape);
    let (mut y, mut dy) = (random(cpu, image, 1)?, random(cpu, image, 2)?);
    cpu.activation_forward(f, &mut y)?;
    let forward = clock.time(|| cpu.activation_forward(f, &mut y))?;
    cpu.activation_backward(f, &mut dy, &y)?;
    let backward = clock.time(|| cpu.activation_backward(f, &mut dy, &y))?;
    expect_finite(cpu, "activation", &dy)?;
    let name = match f {
        Activation::Identity => "identity",
        Activation::Relu => "ReLU",
        Activation::LeakyRelu { .. } => "LeakyReLU",
        Activation::Tanh => "tanh",
        Activation::Sigmoid => "sigmoid",
    };
    let len = shape.len();
    Ok([
        Movement::new(format!("{name}, forward"), image, forward, bytes(2, len)),
        Movement::new(format!("{name}, backward"), image, backward, bytes(3, len)),
    ])
}

/// Adam on each network, and the generator's moving average.
fn optimiser(cpu: &Cpu, clock: &mut Clock, hyper: &Hyper) -> Result<Vec<Movement>> {
    let step = cpu.alloc(TensorShape::Vector(1))?;
    let networks = [
        ("G", generator::blocks(&hyper.model, 1)?, generator::index as fn(usize) -> usize),
        ("D", discriminator::blocks(&hyper.model, 1)?, discriminator::index),
    ];
    let mut rows = Vec::new();
    for (name, blocks, index) in networks {
        let zeros = || Network::zero_params(cpu, &blocks);
        let (mut m, mut v, grads) = (zeros()?, zeros()?, zeros()?);
        let mut network = Network::initialised(cpu, blocks.clone(), index, hyper.seed, 0)?;
        let count = network.parameter_count(cpu);
        let size = format!("{name}, {count} parameters");
        let mut adam =
            || cpu.adam_all(hyper.adam, &mut network.params, &mut m, &mut v, &grads, &step);
        adam()?;
        let seconds = clock.time(adam)?;
        rows.push(Movement::new("Adam", &size, seconds, bytes(7, count)));
        if name == "G" {
            let mut average = Network::zeros(cpu, blocks.clone(), index)?;
            let mut move_average = || -> Result<()> {
                let mut pairs = average.tensors_mut().zip(network.tensors());
                pairs.try_for_each(|(avg, x)| cpu.ema(hyper.ema, avg, x, &step))
            };
            move_average()?;
            let seconds = clock.time(move_average)?;
            rows.push(Movement::new("moving average", &size, seconds, bytes(3, count)));
        }
    }
    Ok(rows)
}

/// A batch from bytes: four written for each one read.
fn gather(cpu: &Cpu, clock: &mut Clock, shape: Nchw) -> Result<Movement> {
    let set = cpu.upload_bytes(&vec![200; SET * shape.image_len()])?;
    let indices: Vec<u32> = (0..shape.n).map(|i| i.wrapping_mul(37) % SET as u32).collect();
    let mut y = cpu.alloc(TensorShape::Image(shape))?;
    let mut gather = || cpu.gather(Gather { shape }, &mut y, &set, &indices);
    gather()?;
    let seconds = clock.time(gather)?;
    let image = TensorShape::Image(shape);
    Ok(Movement::new("gather", image, seconds, bytes(1, shape.len()) + shape.len()))
}

/// The rows as a table.
pub struct Table<'a>(pub &'a [Movement]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |m: &Movement| {
            let [median, range] = milliseconds(m.seconds);
            let rate = format!("{:.1}", m.gigabytes_per_second);
            vec![m.op.clone(), m.size.clone(), median, range, rate]
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        f.write_str(&table(2, &["op", "size", "ms", "min to max", "GB/s"], &rows))
    }
}
