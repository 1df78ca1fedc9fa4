//! The oracle: f64, one thread, plain loops in PyTorch's memory order.
//!
//! Written to be read beside a textbook and to be compared with, not to be fast. Each op's
//! mathematics stands in [`conv`], [`batch_norm`] and [`pointwise`]; this file only checks shapes and
//! hands over slices.

pub mod batch_norm;
pub mod conv;
pub mod pointwise;

use super::block::NormStats;
use super::check::{
    Shaped, expect, expect_adam, expect_channels, expect_conv, expect_len, expect_loss,
    expect_noise, expect_norm, expect_norm_forward,
};
use super::ops::{Activation, Adam, BatchNorm, Bce, Ema, Gather, Noise};
use super::{Backend, HostTensor, NormSaved, zeros};
use crate::error::{Error, Result};
use crate::rng::Philox;
use crate::shape::{ConvGeometry, TensorShape};
use batch_norm::{Statistics, StatisticsAre};

/// The reference backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

/// A tensor in PyTorch's order.
#[derive(Clone, Debug)]
pub struct Buffer {
    shape: TensorShape,
    data: Vec<f64>,
}

impl Shaped for Buffer {
    fn shape(&self) -> TensorShape {
        self.shape
    }
}

/// Writes the mean loss and the mean probability, the gradient in `gradient`'s order of elements.
fn mean_loss(
    op: &'static str,
    p: Bce,
    gradient: &mut Buffer,
    stats: &mut Buffer,
    input: &Buffer,
    loss: impl Fn(f64) -> (f64, f64),
    probability: impl Fn(f64) -> f64,
) -> Result<()> {
    expect_loss(op, p, gradient, stats, input)?;
    let (mut total, mut probabilities) = (0.0, 0.0);
    for (d, &value) in gradient.data.iter_mut().zip(&input.data) {
        let (l, dl) = loss(value);
        *d = dl;
        total += l;
        probabilities += probability(value);
    }
    stats.data[p.slot] = total / p.n as f64;
    stats.data[p.slot + 1] = probabilities / p.n as f64;
    Ok(())
}

impl Backend for Reference {
    type Buffer = Buffer;
    type Bytes = Vec<u8>;

    fn describe(&self) -> String {
        "reference, f64 loops on one thread".into()
    }

    fn alloc(&self, shape: TensorShape) -> Result<Buffer> {
        Ok(Buffer { shape, data: zeros("reference", shape)? })
    }

    fn shape(&self, buffer: &Buffer) -> TensorShape {
        buffer.shape
    }

    fn upload(&self, dst: &mut Buffer, src: &[f32]) -> Result<()> {
        expect_len("upload", "the source", src.len(), dst.data.len())?;
        dst.data.iter_mut().zip(src).for_each(|(d, &s)| *d = f64::from(s));
        Ok(())
    }

    fn download(&self, dst: &mut [f32], src: &Buffer) -> Result<()> {
        expect_len("download", "the destination", dst.len(), src.data.len())?;
        dst.iter_mut().zip(&src.data).for_each(|(d, &s)| *d = s as f32);
        Ok(())
    }

    fn snapshot(&self, src: &Buffer) -> Result<HostTensor> {
        Ok(HostTensor::F64(src.data.clone()))
    }

    fn restore(&self, dst: &mut Buffer, src: &HostTensor) -> Result<()> {
        expect_len("restore", "the source", src.len(), dst.data.len())?;
        dst.data = src.to_f64();
        Ok(())
    }

    fn fill(&self, dst: &mut Buffer, value: f32) -> Result<()> {
        dst.data.fill(f64::from(value));
        Ok(())
    }

    fn copy(&self, dst: &mut Buffer, src: &Buffer) -> Result<()> {
        expect("copy", "the source", src, dst.shape)?;
        dst.data.copy_from_slice(&src.data);
        Ok(())
    }

    fn upload_bytes(&self, images: &[u8]) -> Result<Vec<u8>> {
        Ok(images.to_vec())
    }

    fn count_non_finite(&self, x: &Buffer) -> Result<usize> {
        Ok(x.data.iter().filter(|v| !v.is_finite()).count())
    }

    fn gather(&self, p: Gather, y: &mut Buffer, set: &Vec<u8>, indices: &[u32]) -> Result<()> {
        expect("gather", "y", y, TensorShape::Image(p.shape))?;
        expect_len("gather", "the index list", indices.len(), p.shape.n as usize)?;
        let (len, area, channels) = (p.shape.image_len(), p.shape.area(), p.shape.c as usize);
        for (image, &index) in y.data.chunks_exact_mut(len).zip(indices) {
            let start = index as usize * len;
            let pixels = set.get(start..start + len).ok_or_else(|| {
                Error::shape(
                    "gather",
                    format!("image {index} is not among the {} of the set", set.len() / len),
                )
            })?;
            for (at, &byte) in pixels.iter().enumerate() {
                let (pixel, c) = (at / channels, at % channels);
                image[c * area + pixel] = f64::from(byte) / 127.5 - 1.0;
            }
        }
        Ok(())
    }

    fn noise(&self, p: Noise, z: &mut Buffer, step: &Buffer) -> Result<()> {
        expect_noise(p, z, step)?;
        let philox = Philox::new(p.seed);
        for (row, z) in z.data.chunks_exact_mut(p.len).enumerate() {
            philox.fill_normal(p.stream, step.data[0] as u32, row as u32, z);
        }
        Ok(())
    }

    fn conv_forward(&self, g: ConvGeometry, y: &mut Buffer, x: &Buffer, w: &Buffer) -> Result<()> {
        expect_conv("conv_forward", g, [("x", x), ("y", y), ("w", w)])?;
        conv::forward(g, &mut y.data, &x.data, &w.data);
        Ok(())
    }

    fn conv_backward_data(
        &self,
        g: ConvGeometry,
        dx: &mut Buffer,
        dy: &Buffer,
        w: &Buffer,
    ) -> Result<()> {
        expect_conv("conv_backward_data", g, [("dx", dx), ("dy", dy), ("w", w)])?;
        conv::backward_data(g, &mut dx.data, &dy.data, &w.data);
        Ok(())
    }

    fn conv_backward_weights(
        &self,
        g: ConvGeometry,
        dw: &mut Buffer,
        x: &Buffer,
        dy: &Buffer,
    ) -> Result<()> {
        expect_conv("conv_backward_weights", g, [("x", x), ("dy", dy), ("dw", dw)])?;
        conv::backward_weights(g, &mut dw.data, &x.data, &dy.data);
        Ok(())
    }

    fn batch_norm_forward(
        &self,
        p: BatchNorm,
        y: &mut Buffer,
        saved: &mut NormSaved<Self>,
        running: &mut NormStats<Self>,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) -> Result<()> {
        expect_norm_forward("batch_norm_forward", p, [y, x], [gamma, beta], Some(saved), running)?;
        let statistics = Statistics {
            mean: &mut saved.mean.data,
            inv_std: &mut saved.inv_std.data,
            running_mean: &mut running.mean.data,
            running_var: &mut running.var.data,
        };
        batch_norm::forward(p, &mut y.data, statistics, &x.data, &gamma.data, &beta.data);
        Ok(())
    }

    fn batch_norm_backward(
        &self,
        p: BatchNorm,
        dy_dx: &mut Buffer,
        grads: Option<(&mut Buffer, &mut Buffer)>,
        x: &Buffer,
        gamma: &Buffer,
        saved: &NormSaved<Self>,
    ) -> Result<()> {
        let (mean, inv_std) = (&saved.mean.data, &saved.inv_std.data);
        norm_backward(
            "batch_norm_backward",
            p,
            StatisticsAre::OfTheBatch,
            dy_dx,
            grads,
            x,
            gamma,
            mean,
            inv_std,
        )
    }

    fn batch_norm_eval_forward(
        &self,
        p: BatchNorm,
        y: &mut Buffer,
        running: &NormStats<Self>,
        x: &Buffer,
        gamma: &Buffer,
        beta: &Buffer,
    ) -> Result<()> {
        expect_norm_forward("batch_norm_eval_forward", p, [y, x], [gamma, beta], None, running)?;
        let inv_std = batch_norm::inverse_deviation(p, &running.var.data);
        batch_norm::normalise(
            p,
            &mut y.data,
            &running.mean.data,
            &inv_std,
            &x.data,
            &gamma.data,
            &beta.data,
        );
        Ok(())
    }

    fn batch_norm_eval_backward(
        &self,
        p: BatchNorm,
        dy_dx: &mut Buffer,
        grads: Option<(&mut Buffer, &mut Buffer)>,
        x: &Buffer,
        gamma: &Buffer,
        running: &NormStats<Self>,
    ) -> Result<()> {
        let inv_std = batch_norm::inverse_deviation(p, &running.var.data);
        norm_backward(
            "batch_norm_eval_backward",
            p,
            StatisticsAre::Constant,
            dy_dx,
            grads,
            x,
            gamma,
            &running.mean.data,
            &inv_std,
        )
    }

    fn activation_forward(&self, f: Activation, x_y: &mut Buffer) -> Result<()> {
        x_y.data.iter_mut().for_each(|v| *v = pointwise::activate(f, *v));
        Ok(())
    }

    fn activation_backward(&self, f: Activation, dy_dx: &mut Buffer, y: &Buffer) -> Result<()> {
        expect("activation_backward", "y", y, dy_dx.shape)?;
        dy_dx.data.iter_mut().zip(&y.data).for_each(|(d, &y)| *d *= pointwise::derivative(f, y));
        Ok(())
    }

    fn bce(&self, p: Bce, dp: &mut Buffer, stats: &mut Buffer, prob: &Buffer) -> Result<()> {
        mean_loss("bce", p, dp, stats, prob, |v| pointwise::bce(p, v), |v| v)
    }

    fn bce_with_logits(
        &self,
        p: Bce,
        dz: &mut Buffer,
        stats: &mut Buffer,
        logit: &Buffer,
    ) -> Result<()> {
        mean_loss(
            "bce_with_logits",
            p,
            dz,
            stats,
            logit,
            |z| pointwise::bce_with_logits(p, z),
            pointwise::sigmoid,
        )
    }

    fn adam(
        &self,
        p: Adam,
        param: &mut Buffer,
        m: &mut Buffer,
        v: &mut Buffer,
        grad: &Buffer,
        step: &Buffer,
    ) -> Result<()> {
        expect_adam(param, m, v, grad)?;
        expect("adam", "step", step, TensorShape::Vector(1))?;
        let t = step.data[0] + 1.0;
        let moments = m.data.iter_mut().zip(&mut v.data);
        for ((param, (m, v)), &grad) in param.data.iter_mut().zip(moments).zip(&grad.data) {
            pointwise::adam(p, t, param, m, v, grad);
        }
        Ok(())
    }

    fn ema(&self, p: Ema, avg: &mut Buffer, x: &Buffer, step: &Buffer) -> Result<()> {
        expect("ema", "x", x, avg.shape)?;
        expect("ema", "step", step, TensorShape::Vector(1))?;
        let decay = p.decay_at(step.data[0]);
        avg.data.iter_mut().zip(&x.data).for_each(|(a, &x)| *a = decay * *a + (1.0 - decay) * x);
        Ok(())
    }

    fn advance(&self, step: &mut Buffer) -> Result<()> {
        expect("advance", "step", step, TensorShape::Vector(1))?;
        step.data[0] += 1.0;
        Ok(())
    }
}

fn norm_backward(
    op: &'static str,
    p: BatchNorm,
    statistics: StatisticsAre,
    dy_dx: &mut Buffer,
    grads: Option<(&mut Buffer, &mut Buffer)>,
    x: &Buffer,
    gamma: &Buffer,
    mean: &[f64],
    inv_std: &[f64],
) -> Result<()> {
    let least_count = if statistics == StatisticsAre::OfTheBatch { 2 } else { 1 };
    expect_norm(op, p, [("x", x), ("dy", dy_dx)], least_count)?;
    expect_channels(op, p, &[("gamma", gamma)])?;
    if let Some((dgamma, dbeta)) = &grads {
        expect_channels(op, p, &[("dgamma", &**dgamma), ("dbeta", &**dbeta)])?;
    }
    expect_len(op, "the mean", mean.len(), p.shape.c as usize)?;
    expect_len(op, "the inverse deviation", inv_std.len(), p.shape.c as usize)?;
    let grads = grads.map(|(dgamma, dbeta)| (&mut dgamma.data[..], &mut dbeta.data[..]));
    batch_norm::backward(
        p,
        statistics,
        &mut dy_dx.data,
        grads,
        &x.data,
        &gamma.data,
        mean,
        inv_std,
    );
    Ok(())
}
