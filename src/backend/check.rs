//! Shape checks for every backend's ops, so that a wrong tensor is an error that names it and never a
//! wrong read.

use super::ops::{BatchNorm, Bce};
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
