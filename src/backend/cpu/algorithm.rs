//! Which algorithm computes a convolution, and the calls of it.

use super::conv::{self, Gradient};
use super::simd::Isa;
use super::winograd::{self, Call};
use super::{Buffer, Cpu};
use crate::backend::ops::Activation;
use crate::error::{Error, Result};
use crate::shape::ConvGeometry;

/// Names an instruction set to use in place of the best: `avx512`, `avx2`, `neon`, `portable`.
pub const ISA_VARIABLE: &str = "DERMAGLYPH_CPU_ISA";

/// The instruction set of that name, or the best.
pub(super) fn chosen_isa(name: Option<String>) -> Result<Isa> {
    let Some(name) = name else { return Ok(Isa::detect()) };
    let all = Isa::all();
    all.iter().copied().find(|isa| isa.key() == name).ok_or_else(|| {
        let keys: Vec<_> = all.iter().map(|isa| isa.key()).collect();
        Error::Config(format!("{ISA_VARIABLE}={name}: this machine has {}", keys.join(", ")))
    })
}

/// How convolutions are computed.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Convolutions {
    /// The faster of the two for each layer, by its shape.
    #[default]
    Auto,
    /// As a matrix product of the definition's multiplications.
    Direct,
}

/// The algorithm of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// A matrix product with the columns of the image.
    Direct,
    /// Split by parity, then Winograd in tiles of this side.
    Winograd(usize),
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Winograd(n) => write!(f, "F({n},2)"),
        }
    }
}

impl Cpu {
    /// The algorithm that computes a layer of this geometry. It depends on the shape of an image but not
    /// on the batch, so an image's numbers do not depend on its batch.
    pub fn algorithm(&self, g: ConvGeometry) -> Algorithm {
        match self.convolutions {
            Convolutions::Auto => {
                winograd::supports(g).map_or(Algorithm::Direct, Algorithm::Winograd)
            }
            Convolutions::Direct => Algorithm::Direct,
        }
    }

    /// `y = conv(x, w)`; the buffers have the geometry's shapes.
    pub(super) fn forward(
        &self,
        g: ConvGeometry,
        y: &mut Buffer,
        x: &Buffer,
        w: &Buffer,
    ) -> Result<()> {
        let engine = &self.engine;
        let algorithm = self.algorithm(g);
        self.run(|| match algorithm {
            Algorithm::Winograd(n) => {
                let (x, y_out) = (Some(x.data[..].into()), Some(&mut y.data[..]));
                winograd::run(engine, g, n, Call { x, w: &w.data, y_out, ..Call::default() })
            }
            Algorithm::Direct => {
                conv::forward(engine, g, Activation::Identity, &mut y.data, &x.data, &w.data)
            }
        })
    }

    /// The data gradient, likewise.
    pub(super) fn backward_data(
        &self,
        g: ConvGeometry,
        dx: &mut Buffer,
        dy: &Buffer,
        w: &Buffer,
    ) -> Result<()> {
        let engine = &self.engine;
        let algorithm = self.algorithm(g);
        self.run(|| match algorithm {
            Algorithm::Winograd(n) => {
                let (y, x_out) = (Some(dy.data[..].into()), Some(&mut dx.data[..]));
                winograd::run(engine, g, n, Call { y, w: &w.data, x_out, ..Call::default() })
            }
            Algorithm::Direct => {
                let (f, dy) = (Activation::Identity, Gradient::plain(&dy.data));
                conv::backward_data(engine, g, f, &mut dx.data, dy, &w.data)
            }
        })
    }

    /// What the weight gradient adds to `dw`, likewise.
    pub(super) fn backward_weights(
        &self,
        g: ConvGeometry,
        dw: &mut Buffer,
        x: &Buffer,
        dy: &Buffer,
    ) -> Result<()> {
        let engine = &self.engine;
        let algorithm = self.algorithm(g);
        self.run(|| match algorithm {
            Algorithm::Winograd(n) => {
                let [x, y] = [x, dy].map(|side| Some(side.data[..].into()));
                let dw = Some(&mut dw.data[..]);
                winograd::run(engine, g, n, Call { x, y, dw, ..Call::default() })
            }
            Algorithm::Direct => {
                let dy = Gradient::plain(&dy.data);
                conv::backward_weights(engine, g, &mut dw.data, &x.data, dy)
            }
        })
    }
}
