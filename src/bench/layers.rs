//! Every convolution of both networks, pass by pass.

use super::harness::{Clock, Spread};
use super::machine::Machine;
use super::pointwise::{self, Movement};
use super::report::{Report, Subject, milliseconds, percent, table};
use super::roofline::{gflops, pass_flop};
use super::{Setup, wrong};
use crate::backend::block::{Block, Direction, convolve, convolve_backward};
use crate::backend::cpu::{Buffer, Convolutions};
use crate::backend::{Backend, Cpu};
use crate::error::Result;
use crate::model::{discriminator, generator};
use crate::rng::{Sequence, Stream};
use crate::shape::TensorShape;
use serde::Serialize;
use std::fmt;

/// Largest distance ‖a − b‖/‖b‖ (Frobenius) of a result from that of the direct algorithm: some tens of
/// roundings of f32.
const TOLERANCE: f64 = 1e-5;

/// Every op of a training step on its own.
#[derive(Debug, Serialize)]
pub struct Ops {
    pub convolutions: Vec<Convolution>,
    pub pointwise: Vec<Movement>,
}

/// A pass through a block's convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    Forward,
    DataGradient,
    WeightGradient,
}

/// One pass of one layer.
#[derive(Debug, Serialize)]
pub struct Convolution {
    /// `G1` is the generator's first.
    pub layer: String,
    /// What the layer reads and writes, and its filter.
    pub geometry: String,
    pub pass: Pass,
    pub algorithm: String,
    pub seconds: Spread,
    /// Direct-equivalent GFLOP/s.
    pub gflops: f64,
    /// Of the peak; above 1 where an algorithm saves multiplications.
    pub share_of_peak: f64,
    /// Distance from the result of the direct algorithm, relative, in the Frobenius norm.
    pub error: f64,
}

/// Checks every pass of every convolution against the direct algorithm and times it; then times what
/// moves data. The gradient of the latents, which no training step computes, is left out.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if a result is wrong or memory runs out.
pub fn run(setup: &Setup, command: String) -> Result<Report<Ops>> {
    let (cpu, direct) = (setup.backend()?, setup.backend_with(Convolutions::Direct)?);
    let mut clock = Clock::new(setup.backend()?, setup.runs);
    let (model, n) = (setup.hyper.model, setup.hyper.batch_size);
    let mut convolutions = Vec::new();
    for (network, blocks) in
        [("G", generator::blocks(&model, n)?), ("D", discriminator::blocks(&model, n)?)]
    {
        for (index, block) in blocks.into_iter().enumerate() {
            let mut layer = Layer::new(&cpu, block)?;
            for pass in [Pass::Forward, Pass::DataGradient, Pass::WeightGradient] {
                if (network, index, pass) == ("G", 0, Pass::DataGradient) {
                    continue;
                }
                let error = layer.check(&cpu, &direct, pass)?;
                let seconds = clock.time(|| layer.run(&cpu, pass))?;
                convolutions.push(Convolution {
                    layer: format!("{network}{}", index + 1),
                    geometry: geometry(&block),
                    pass,
                    algorithm: cpu.algorithm(block.geometry).to_string(),
                    seconds,
                    gflops: gflops(pass_flop(block.geometry), seconds),
                    // Set below: the peak is measured all along.
                    share_of_peak: 0.0,
                    error,
                });
            }
        }
    }
    let pointwise = pointwise::measure(&cpu, &setup.hyper, &mut clock)?;
    let peak = clock.peak();
    for row in &mut convolutions {
        row.share_of_peak = row.gflops / peak.median;
    }
    Ok(Report {
        machine: Machine::now(cpu.describe(), command),
        subject: Subject::of(setup),
        peak_gflops: peak,
        results: Ops { convolutions, pointwise },
    })
}

/// A tensor of numbers in [−1, 1), another one for every `index`.
pub(super) fn random(cpu: &Cpu, shape: TensorShape, index: u32) -> Result<Buffer> {
    let mut numbers = Sequence::new(1, Stream::Init, u32::MAX, index);
    let values: Vec<f32> = (0..shape.len()).map(|_| numbers.range(-1.0, 1.0) as f32).collect();
    let mut buffer = cpu.alloc(shape)?;
    cpu.upload(&mut buffer, &values)?;
    Ok(buffer)
}

/// A layer and what its passes read and write.
struct Layer {
    block: Block,
    x: Buffer,
    dy: Buffer,
    w: Buffer,
    y: Buffer,
    dx: Buffer,
    dw: Buffer,
}

impl Layer {
    fn new(cpu: &Cpu, block: Block) -> Result<Self> {
        let input = TensorShape::Image(block.input());
        let output = TensorShape::Image(block.output());
        let filter = block.geometry.filter();
        Ok(Self {
            block,
            x: random(cpu, input, 1)?,
            dy: random(cpu, output, 2)?,
            w: random(cpu, filter, 3)?,
            y: cpu.alloc(output)?,
            dx: cpu.alloc(input)?,
            dw: cpu.alloc(filter)?,
        })
    }

    fn run(&mut self, cpu: &Cpu, pass: Pass) -> Result<()> {
        let Self { block, x, dy, w, y, dx, dw } = self;
        match pass {
            Pass::Forward => convolve(cpu, block, y, x, w),
            Pass::DataGradient => convolve_backward(cpu, block, Some(dx), None, x, dy, w),
            Pass::WeightGradient => convolve_backward(cpu, block, None, Some(dw), x, dy, w),
        }
    }

    /// The result of a pass. What is overwritten starts as NaN, what is added to as zero.
    fn result(&mut self, cpu: &Cpu, pass: Pass) -> Result<Vec<f32>> {
        match pass {
            Pass::Forward => cpu.fill(&mut self.y, f32::NAN)?,
            Pass::DataGradient => cpu.fill(&mut self.dx, f32::NAN)?,
            Pass::WeightGradient => cpu.fill(&mut self.dw, 0.0)?,
        }
        self.run(cpu, pass)?;
        let buffer = match pass {
            Pass::Forward => &self.y,
            Pass::DataGradient => &self.dx,
            Pass::WeightGradient => &self.dw,
        };
        let mut numbers = vec![0.0; cpu.shape(buffer).len()];
        cpu.download(&mut numbers, buffer)?;
        Ok(numbers)
    }

    /// The distance of a pass's result from the direct algorithm's.
    fn check(&mut self, cpu: &Cpu, direct: &Cpu, pass: Pass) -> Result<f64> {
        let expected = self.result(direct, pass)?;
        let error = distance(&self.result(cpu, pass)?, &expected);
        if error.is_nan() || error > TOLERANCE {
            return Err(wrong(format_args!(
                "{pass} of {} is off by {error:.1e} of the direct algorithm's, more than {TOLERANCE:e}",
                self.block.geometry
            )));
        }
        Ok(error)
    }
}

/// ‖a − b‖/‖b‖ in the Frobenius norm.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let differences = squares(&mut a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    (differences / squares(&mut b.iter().map(|&b| f64::from(b)))).sqrt()
}

/// A block's convolution in one line: `64×32×32 → 128×16×16, 4×4 s2 p1`.
fn geometry(block: &Block) -> String {
    let (x, y) = (block.input(), block.output());
    let g = block.geometry;
    let arrow = if block.direction == Direction::Conv { "→" } else { "⇒" };
    format!(
        "{}×{}×{} {arrow} {}×{}×{}, {}×{} s{} p{}",
        x.c, x.h, x.w, y.c, y.h, y.w, g.kernel[0], g.kernel[1], g.stride[0], g.padding[0]
    )
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Forward => "forward",
            Self::DataGradient => "data gradient",
            Self::WeightGradient => "weight gradient",
        })
    }
}

impl fmt::Display for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "layer",
            "channels×height×width",
            "pass",
            "algorithm",
            "ms",
            "min to max",
            "GFLOP/s",
            "of peak",
            "error",
        ];
        let row = |c: &Convolution| {
            let [median, range] = milliseconds(c.seconds);
            vec![
                c.layer.clone(),
                c.geometry.clone(),
                c.pass.to_string(),
                c.algorithm.clone(),
                median,
                range,
                format!("{:.1}", c.gflops),
                percent(c.share_of_peak),
                format!("{:.1e}", c.error),
            ]
        };
        let rows: Vec<_> = self.convolutions.iter().map(row).collect();
        let runs = self.convolutions.first().map_or(0, |c| c.seconds.runs);
        writeln!(f, "{}\n", table(4, &header, &rows))?;
        writeln!(
            f,
            "Median of {runs} runs. → convolution, ⇒ transposed convolution; error: distance from the direct \
             algorithm's result.\n"
        )?;
        write!(f, "{}", pointwise::Table(&self.pointwise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;

    #[test]
    fn a_distance_is_relative_and_sees_nan() {
        assert_eq!(distance(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert_eq!(distance(&[3.0, 9.0], &[3.0, 4.0]), 1.0);
        assert!(distance(&[f32::NAN, 4.0], &[3.0, 4.0]).is_nan());
    }

    #[test]
    fn layers_are_named_by_what_they_read_and_write() {
        let model = ModelConfig { image_size: 64, channels: 3, nz: 100, ngf: 64, ndf: 64 };
        let g = generator::blocks(&model, 2).unwrap();
        let d = discriminator::blocks(&model, 2).unwrap();
        assert_eq!(geometry(&g[0]), "100×1×1 ⇒ 512×4×4, 4×4 s1 p0");
        assert_eq!(geometry(&d[1]), "64×32×32 → 128×16×16, 4×4 s2 p1");
    }

    /// A backend whose results are taken for another layer's must be caught.
    #[test]
    fn a_wrong_pass_is_an_error_that_names_it() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let model = ModelConfig { image_size: 32, channels: 1, nz: 4, ngf: 8, ndf: 8 };
        let block = discriminator::blocks(&model, 2).unwrap()[1];
        let mut layer = Layer::new(&cpu, block).unwrap();
        for pass in [Pass::Forward, Pass::DataGradient, Pass::WeightGradient] {
            assert_eq!(layer.check(&cpu, &cpu, pass).unwrap(), 0.0, "{pass}");
        }
        cpu.fill(&mut layer.w, f32::NAN).unwrap();
        let message = layer.check(&cpu, &cpu, Pass::DataGradient).unwrap_err().to_string();
        assert!(message.contains("data gradient of [2, 8, 16, 16]"), "{message}");
    }
}
