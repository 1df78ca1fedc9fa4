//! Central differences of each op's forward pass, in f64.
//!
//! For a scalar L = ⟨c, f(x)⟩ with fixed random `c`, the backward pass with dy = c must give ∂L/∂x.
//! Each partial derivative is compared with (L(x + h) − L(x − h))/2h; with h = 1e-5 the truncation
//! error is of order 1e-10 and the rounding error of order 1e-11.

use crate::tensors::{buffer, dot, poisoned, random, read};
use dermaglyph::backend::block::NormStats;
use dermaglyph::backend::ops::{Activation, BatchNorm, Bce};
use dermaglyph::backend::reference::Buffer;
use dermaglyph::backend::{Backend, NormSaved, Reference};
use dermaglyph::shape::{ConvGeometry, Nchw, TensorShape};

const B: Reference = Reference;
const H: f64 = 1e-5;

/// Compares `gradient` with the differences of `loss` around `at`.
fn check(name: &str, at: &[f64], gradient: &[f64], tolerance: f64, loss: impl Fn(&[f64]) -> f64) {
    assert_eq!(at.len(), gradient.len(), "{name}");
    let scale = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
    assert!(scale > 0.0, "{name}: a gradient that is zero everywhere checks nothing");
    let mut moved = at.to_vec();
    for i in 0..at.len() {
        moved[i] = at[i] + H;
        let up = loss(&moved);
        moved[i] = at[i] - H;
        let down = loss(&moved);
        moved[i] = at[i];
        let difference = (up - down) / (2.0 * H);
        assert!(
            (difference - gradient[i]).abs() <= tolerance * scale,
            "{name}[{i}]: backward {}, differences {difference}",
            gradient[i]
        );
    }
}

fn conv(g: ConvGeometry, x: &[f64], w: &[f64]) -> Vec<f64> {
    let (x, w) = (buffer(&B, TensorShape::Image(g.x), x), buffer(&B, g.filter(), w));
    let mut y = poisoned(&B, TensorShape::Image(g.y));
    B.conv_forward(g, &mut y, &x, &w).unwrap();
    read(&B, &y)
}

fn conv_transpose(g: ConvGeometry, x: &[f64], w: &[f64]) -> Vec<f64> {
    let (x, w) = (buffer(&B, TensorShape::Image(g.y), x), buffer(&B, g.filter(), w));
    let mut y = poisoned(&B, TensorShape::Image(g.x));
    B.conv_transpose_forward(g, &mut y, &x, &w).unwrap();
    read(&B, &y)
}

#[test]
fn convolution() {
    let g = ConvGeometry::conv(Nchw::new(2, 3, 6, 5), 2, [4, 3], [2, 1], [1, 1]).unwrap();
    let (x, w, c) = (random(1, g.x.len()), random(2, g.filter().len()), random(3, g.y.len()));
    let (xb, wb) = (buffer(&B, TensorShape::Image(g.x), &x), buffer(&B, g.filter(), &w));
    let dy = buffer(&B, TensorShape::Image(g.y), &c);
    let (mut dx, mut dw) = (poisoned(&B, TensorShape::Image(g.x)), B.alloc(g.filter()).unwrap());
    B.conv_backward_data(g, &mut dx, &dy, &wb).unwrap();
    B.conv_backward_weights(g, &mut dw, &xb, &dy).unwrap();
    check("conv dx", &x, &read(&B, &dx), 1e-9, |x| dot(&c, &conv(g, x, &w)));
    check("conv dw", &w, &read(&B, &dw), 1e-9, |w| dot(&c, &conv(g, &x, w)));
}

#[test]
fn transposed_convolution() {
    let y = Nchw::new(2, 3, 3, 2);
    let g = ConvGeometry::conv_transpose(y, 2, [4, 3], [2, 3], [1, 0], [1, 2]).unwrap();
    let (x, w, c) = (random(1, g.y.len()), random(2, g.filter().len()), random(3, g.x.len()));
    let (xb, wb) = (buffer(&B, TensorShape::Image(g.y), &x), buffer(&B, g.filter(), &w));
    let dy = buffer(&B, TensorShape::Image(g.x), &c);
    let (mut dx, mut dw) = (poisoned(&B, TensorShape::Image(g.y)), B.alloc(g.filter()).unwrap());
    B.conv_transpose_backward_data(g, &mut dx, &dy, &wb).unwrap();
    B.conv_transpose_backward_weights(g, &mut dw, &xb, &dy).unwrap();
    check("convT dx", &x, &read(&B, &dx), 1e-9, |x| dot(&c, &conv_transpose(g, x, &w)));
    check("convT dw", &w, &read(&B, &dw), 1e-9, |w| dot(&c, &conv_transpose(g, &x, w)));
}

/// Batch norm's tensors on the reference.
struct Norm {
    p: BatchNorm,
    running_mean: Vec<f64>,
    running_var: Vec<f64>,
}

impl Norm {
    fn vector(&self, data: &[f64]) -> Buffer {
        buffer(&B, TensorShape::Vector(self.p.shape.c as usize), data)
    }

    fn stats(&self) -> NormStats<Reference> {
        NormStats { mean: self.vector(&self.running_mean), var: self.vector(&self.running_var) }
    }

    /// `y` and the statistics it was made with.
    fn forward(
        &self,
        train: bool,
        x: &[f64],
        gamma: &[f64],
        beta: &[f64],
    ) -> (Vec<f64>, NormSaved<Reference>) {
        let image = TensorShape::Image(self.p.shape);
        let (x, mut y) = (buffer(&B, image, x), poisoned(&B, image));
        let (gamma, beta) = (self.vector(gamma), self.vector(beta));
        let channels = TensorShape::Vector(self.p.shape.c as usize);
        let mut saved = NormSaved { mean: poisoned(&B, channels), inv_std: poisoned(&B, channels) };
        let mut stats = self.stats();
        if train {
            B.batch_norm_forward(self.p, &mut y, &mut saved, &mut stats, &x, &gamma, &beta)
                .unwrap();
        } else {
            B.batch_norm_eval_forward(self.p, &mut y, &stats, &x, &gamma, &beta).unwrap();
        }
        (read(&B, &y), saved)
    }
}

#[test]
fn batch_norm() {
    let p = BatchNorm::new(Nchw::new(3, 4, 2, 3));
    let c = p.shape.c as usize;
    let norm = Norm {
        p,
        running_mean: random(6, c),
        running_var: random(7, c).iter().map(|v| v * v + 0.1).collect(),
    };
    let image = TensorShape::Image(p.shape);
    let (x, gamma, beta, weights) =
        (random(1, p.shape.len()), random(2, c), random(3, c), random(4, p.shape.len()));
    for train in [true, false] {
        let (_, saved) = norm.forward(train, &x, &gamma, &beta);
        let (mut d, xb, gb) =
            (buffer(&B, image, &weights), buffer(&B, image, &x), norm.vector(&gamma));
        let vector = TensorShape::Vector(c);
        let (mut dgamma, mut dbeta) = (B.alloc(vector).unwrap(), B.alloc(vector).unwrap());
        let grads = Some((&mut dgamma, &mut dbeta));
        if train {
            B.batch_norm_backward(p, &mut d, grads, &xb, &gb, &saved).unwrap();
        } else {
            B.batch_norm_eval_backward(p, &mut d, grads, &xb, &gb, &norm.stats()).unwrap();
        }
        let loss = |x: &[f64], gamma: &[f64], beta: &[f64]| {
            dot(&weights, &norm.forward(train, x, gamma, beta).0)
        };
        let name = if train { "train" } else { "eval" };
        check(&format!("{name} dx"), &x, &read(&B, &d), 1e-8, |x| loss(x, &gamma, &beta));
        check(&format!("{name} dgamma"), &gamma, &read(&B, &dgamma), 1e-8, |gamma| {
            loss(&x, gamma, &beta)
        });
        check(&format!("{name} dbeta"), &beta, &read(&B, &dbeta), 1e-8, |beta| {
            loss(&x, &gamma, beta)
        });
    }
}

#[test]
fn activations() {
    // Away from 0, where ReLU has a corner and differences straddle it.
    let x: Vec<f64> = random(5, 60).into_iter().filter(|v| v.abs() > 10.0 * H).collect();
    let c = random(6, x.len());
    let shape = TensorShape::Vector(x.len());
    let table = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Tanh,
        Activation::Sigmoid,
    ];
    for f in table {
        let apply = |x: &[f64]| {
            let mut y = buffer(&B, shape, x);
            B.activation_forward(f, &mut y).unwrap();
            y
        };
        let mut d = buffer(&B, shape, &c);
        B.activation_backward(f, &mut d, &apply(&x)).unwrap();
        check(&format!("{f:?}"), &x, &read(&B, &d), 1e-8, |x| dot(&c, &read(&B, &apply(x))));
    }
}

#[test]
fn losses() {
    let logits: Vec<f64> = random(8, 9).iter().map(|v| 2.0 * v).collect();
    let probabilities: Vec<f64> = logits.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect();
    let shape = TensorShape::Vector(logits.len());
    for target in [0.0, 1.0, 0.9] {
        let p = Bce { n: logits.len(), target, slot: 0 };
        let run = |with_logits: bool, values: &[f64]| {
            let (input, mut d) = (buffer(&B, shape, values), poisoned(&B, shape));
            let mut stats = poisoned(&B, TensorShape::Vector(2));
            if with_logits {
                B.bce_with_logits(p, &mut d, &mut stats, &input).unwrap();
            } else {
                B.bce(p, &mut d, &mut stats, &input).unwrap();
            }
            (read(&B, &stats)[0], read(&B, &d))
        };
        check("bce_with_logits", &logits, &run(true, &logits).1, 1e-8, |z| run(true, z).0);
        check("bce", &probabilities, &run(false, &probabilities).1, 1e-7, |p| run(false, p).0);
        // The two forms are the same loss.
        let (a, b) = (run(true, &logits).0, run(false, &probabilities).0);
        approx::assert_abs_diff_eq!(a, b, epsilon = 1e-12);
    }
}
