//! Shape checks for every backend's ops, so that a wrong tensor is an error that names it and never a
//! wrong read.

use super::block::NormStats;
use super::ops::{BatchNorm, Bce, Noise};
use super::{Backend, NormSaved};
use crate::error::{Error, Result};
use crate::shape::{ConvGeometry, TensorShape};

/// A backend's tensor, as far as its shape goes.
pub trait Shaped {
    /// The shape it was made with.
    fn shape(&self) -> TensorShape;
}

/// Refuses a tensor whose shape is not the one the op needs.
pub fn expect(
    op: &'static str,
    name: &str,
    buffer: &impl Shaped,
    wanted: TensorShape,
) -> Result<()> {
    if buffer.shape() == wanted {
        return Ok(());
    }
    Err(Error::shape(op, format!("{name} has shape {}, expected {wanted}", buffer.shape())))
}

/// Refuses host data of the wrong length.
pub fn expect_len(op: &'static str, what: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::shape(op, format!("{what} holds {found} numbers, expected {wanted}")))
}

/// The three tensors of a convolution, each with its name in the op at hand.
pub fn expect_conv(
    op: &'static str,
    g: ConvGeometry,
    [x, y, w]: [(&str, &impl Shaped); 3],
) -> Result<()> {
    expect(op, x.0, x.1, TensorShape::Image(g.x))?;
    expect(op, y.0, y.1, TensorShape::Image(g.y))?;
    expect(op, w.0, w.1, g.filter())?;
    if g.x.n != g.y.n || g.x.is_empty() || g.y.is_empty() || g.filter().is_empty() {
        return Err(Error::shape(
            op,
            format!("no convolution joins {} to {} with filter {}", g.x, g.y, g.filter()),
        ));
    }
    Ok(())
}

/// Vectors with one number per channel.
pub fn expect_channels(
    op: &'static str,
    p: BatchNorm,
    vectors: &[(&str, &impl Shaped)],
) -> Result<()> {
    let wanted = TensorShape::Vector(p.shape.c as usize);
    vectors.iter().try_for_each(|&(name, buffer)| expect(op, name, buffer, wanted))
}

/// The tensors of a batch normalisation; training needs two values per channel.
pub fn expect_norm(
    op: &'static str,
    p: BatchNorm,
    images: [(&str, &impl Shaped); 2],
    least_count: usize,
) -> Result<()> {
    for (name, buffer) in images {
        expect(op, name, buffer, TensorShape::Image(p.shape))?;
    }
    if p.shape.c > 0 && p.count() >= least_count {
        return Ok(());
    }
    Err(Error::shape(
        op,
        format!(
            "{} has {} values per channel, at least {least_count} are needed",
            p.shape,
            p.count()
        ),
    ))
}

/// The tensors of a batch normalisation forwards: with `saved` in training mode, else in evaluation.
pub fn expect_norm_forward<B: Backend<Buffer: Shaped>>(
    op: &'static str,
    p: BatchNorm,
    [y, x]: [&B::Buffer; 2],
    [gamma, beta]: [&B::Buffer; 2],
    saved: Option<&NormSaved<B>>,
    running: &NormStats<B>,
) -> Result<()> {
    expect_norm(op, p, [("x", x), ("y", y)], if saved.is_some() { 2 } else { 1 })?;
    expect_channels(op, p, &[("gamma", gamma), ("beta", beta)])?;
    expect_channels(op, p, &[("running mean", &running.mean), ("running var", &running.var)])?;
    let Some(NormSaved { mean, inv_std }) = saved else { return Ok(()) };
    expect_channels(op, p, &[("mean", mean), ("inv_std", inv_std)])
}

/// The parameter gradients of a batch normalisation, where they are wanted.
pub fn expect_norm_gradients<T: Shaped>(
    op: &'static str,
    p: BatchNorm,
    grads: &Option<(&mut T, &mut T)>,
) -> Result<()> {
    let Some((dgamma, dbeta)) = grads else { return Ok(()) };
    expect_channels(op, p, &[("dgamma", &**dgamma), ("dbeta", &**dbeta)])
}

/// The tensors of an Adam update.
pub fn expect_adam<T: Shaped>(param: &T, m: &T, v: &T, grad: &T) -> Result<()> {
    let tensors = [("m", m), ("v", v), ("grad", grad)];
    tensors.into_iter().try_for_each(|(name, buffer)| expect("adam", name, buffer, param.shape()))
}

/// The tensors of noise: rows of numbers, one row an image.
pub fn expect_noise<T: Shaped>(p: Noise, z: &T, step: &T) -> Result<()> {
    expect_len("noise", "z", z.shape().len(), p.n * p.len)?;
    expect("noise", "step", step, TensorShape::Vector(1))?;
    match z.shape() {
        TensorShape::Image(s) if s.area() > 1 => {
            Err(Error::shape("noise", format!("z has shape {s}, expected [n, nz, 1, 1]")))
        }
        _ => Ok(()),
    }
}

/// The tensors of a loss.
pub fn expect_loss(
    op: &'static str,
    p: Bce,
    gradient: &impl Shaped,
    stats: &impl Shaped,
    input: &impl Shaped,
) -> Result<()> {
    expect_len(op, "the input", input.shape().len(), p.n)?;
    expect(op, "the gradient", gradient, input.shape())?;
    if p.n > 0 && p.slot.saturating_add(2) <= stats.shape().len() {
        return Ok(());
    }
    Err(Error::shape(
        op,
        format!(
            "a batch of {} with slot {} does not fit statistics of shape {}",
            p.n,
            p.slot,
            stats.shape()
        ),
    ))
}
