//! A NaN is shown, never hidden: it is how a run that has gone bad is noticed.

use crate::compare::random;
use dermaglyph::backend::Backend;
use dermaglyph::backend::ops::{Activation, Bce};
use dermaglyph::shape::{Nchw, TensorShape};

fn upload<B: Backend>(b: &B, shape: TensorShape, numbers: &[f32]) -> B::Buffer {
    let mut buffer = b.alloc(shape).unwrap();
    b.upload(&mut buffer, numbers).unwrap();
    buffer
}

/// Which of the numbers are NaN.
fn broken<B: Backend>(b: &B, buffer: &B::Buffer) -> Vec<usize> {
    let numbers = b.snapshot(buffer).unwrap().to_f64();
    (0..numbers.len()).filter(|&i| numbers[i].is_nan()).collect()
}

pub fn activations<B: Backend>(b: &B) {
    let shape = TensorShape::Vector(7);
    let mut numbers = random(7, 1);
    (numbers[1], numbers[6]) = (f32::NAN, f32::NAN);
    for f in [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Tanh,
        Activation::Sigmoid,
    ] {
        let mut y = upload(b, shape, &numbers);
        b.activation_forward(f, &mut y).unwrap();
        assert_eq!(broken(b, &y), [1, 6], "{f:?}");
        let (ones, mut d) = (upload(b, shape, &[1.0; 7]), upload(b, shape, &numbers));
        b.activation_backward(f, &mut d, &ones).unwrap();
        assert_eq!(broken(b, &d), [1, 6], "{f:?} backward");
    }
}

pub fn losses<B: Backend>(b: &B) {
    let shape = TensorShape::Image(Nchw::new(5, 1, 1, 1));
    let numbers = [0.5, 0.25, f32::NAN, 0.75, 0.5];
    let input = upload(b, shape, &numbers);
    for target in [0.0, 0.9, 1.0] {
        let p = Bce { n: 5, target, slot: 0 };
        let (mut d, mut stats) =
            (upload(b, shape, &[0.0; 5]), upload(b, TensorShape::Vector(2), &[0.0; 2]));
        b.bce_with_logits(p, &mut d, &mut stats, &input).unwrap();
        assert_eq!((broken(b, &d), broken(b, &stats)), (vec![2], vec![0, 1]), "from logits");
        b.fill(&mut stats, 0.0).unwrap();
        b.bce(p, &mut d, &mut stats, &input).unwrap();
        assert_eq!((broken(b, &d), broken(b, &stats)), (vec![2], vec![0, 1]), "{target}");
    }
}
