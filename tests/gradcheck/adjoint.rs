//! ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩ and its relatives, over odd shapes.
//!
//! A convolution is linear in `x` and in `w`. Whatever computes it, its data gradient must be the
//! transpose of the map x ↦ y, and its weight gradient the transpose of w ↦ y. No second
//! implementation is needed to check that.

use crate::tensors::{buffer, dot, poisoned, random_buffer, read};
use dermaglyph::backend::{Backend, Cpu, Reference};
use dermaglyph::shape::{ConvGeometry, Nchw, TensorShape};

/// x, out channels, kernel, stride, padding.
type Case = ([usize; 4], usize, [u32; 2], [u32; 2], [u32; 2]);

const CASES: [Case; 13] = [
    ([1, 1, 1, 1], 1, [1, 1], [1, 1], [0, 0]),
    ([2, 3, 8, 8], 5, [4, 4], [2, 2], [1, 1]),
    ([1, 17, 9, 6], 3, [4, 4], [2, 2], [1, 1]),
    ([5, 2, 7, 11], 1, [3, 5], [2, 1], [1, 2]),
    ([3, 1, 5, 4], 17, [4, 4], [1, 1], [0, 0]),
    ([2, 4, 6, 6], 1, [6, 6], [1, 1], [0, 0]),
    ([2, 3, 13, 10], 4, [2, 3], [3, 4], [0, 1]),
    ([1, 2, 4, 4], 3, [1, 1], [2, 2], [0, 0]),
    ([2, 1, 3, 3], 2, [5, 5], [1, 1], [2, 2]),
    ([1, 3, 10, 3], 2, [7, 2], [5, 1], [3, 0]),
    ([7, 1, 16, 16], 8, [4, 4], [2, 2], [1, 1]),
    ([2, 5, 12, 12], 7, [4, 4], [2, 2], [1, 1]),
    ([1, 1, 3, 4], 1, [3, 4], [9, 9], [0, 0]),
];

/// Σ|w·x·y| over all terms: what the rounding of either side is relative to.
fn magnitude(g: ConvGeometry, [x, y, w]: [&[f64]; 3]) -> f64 {
    let absolute = |shape, data: &[f64]| {
        buffer(&Reference, shape, &data.iter().map(|v| v.abs()).collect::<Vec<_>>())
    };
    let (x, w) = (absolute(TensorShape::Image(g.x), x), absolute(g.filter(), w));
    let mut conv_x = poisoned(&Reference, TensorShape::Image(g.y));
    Reference.conv_forward(g, &mut conv_x, &x, &w).unwrap();
    let y: Vec<f64> = y.iter().map(|v| v.abs()).collect();
    dot(&read(&Reference, &conv_x), &y)
}

/// The two sides of each identity, which must agree.
fn identities<B: Backend>(b: &B, g: ConvGeometry, seed: u64) -> Vec<(&'static str, f64, f64, f64)> {
    let (xs, ys) = (TensorShape::Image(g.x), TensorShape::Image(g.y));
    let (x, y, w) = (
        random_buffer(b, xs, seed),
        random_buffer(b, ys, seed + 1),
        random_buffer(b, g.filter(), seed + 2),
    );
    let mut conv_x = poisoned(b, ys);
    b.conv_forward(g, &mut conv_x, &x, &w).unwrap();
    let mut transposed_y = poisoned(b, xs);
    b.conv_transpose_forward(g, &mut transposed_y, &y, &w).unwrap();
    let mut data_gradient = poisoned(b, xs);
    b.conv_backward_data(g, &mut data_gradient, &y, &w).unwrap();
    let mut weight_gradient = b.alloc(g.filter()).unwrap();
    b.conv_backward_weights(g, &mut weight_gradient, &x, &y).unwrap();
    let mut transposed_gradient = b.alloc(g.filter()).unwrap();
    b.conv_transpose_backward_weights(g, &mut transposed_gradient, &y, &x).unwrap();
    let (xv, yv, wv, cv) = (read(b, &x), read(b, &y), read(b, &w), read(b, &conv_x));
    let left = dot(&cv, &yv);
    let scale = magnitude(g, [&xv, &yv, &wv]);
    vec![
        ("<conv x, y> = <x, convT y>", left, dot(&xv, &read(b, &transposed_y)), scale),
        ("<conv x, y> = <x, dx>", left, dot(&xv, &read(b, &data_gradient)), scale),
        ("<conv x, y> = <w, dw>", left, dot(&wv, &read(b, &weight_gradient)), scale),
        ("<x, convT y> = <w, dw of convT>", left, dot(&wv, &read(b, &transposed_gradient)), scale),
    ]
}

fn check<B: Backend>(b: &B, tolerance: f64) {
    for (i, (x, out, kernel, stride, padding)) in CASES.into_iter().enumerate() {
        let x = Nchw::new(x[0], x[1], x[2], x[3]);
        let g = ConvGeometry::conv(x, out, kernel, stride, padding).unwrap();
        for (name, left, right, scale) in identities(b, g, 10 * i as u64) {
            assert!(
                (left - right).abs() <= tolerance * scale,
                "{name} for {g:?}: {left} and {right}, of magnitude {scale}"
            );
        }
    }
}

#[test]
fn reference() {
    check(&Reference, 1e-13);
}

/// In f32 every product and every sum is rounded to within 6e-8.
#[test]
fn cpu() {
    check(&Cpu::new(Some(2)).unwrap(), 1e-6);
}

/// The two geometries undo each other's sizes.
#[test]
fn transposed_geometry_restores_the_size() {
    for (x, out, kernel, stride, padding) in CASES {
        let x = Nchw::new(x[0], x[1], x[2], x[3]);
        let g = ConvGeometry::conv(x, out, kernel, stride, padding).unwrap();
        // What the stride leaves over at the lower and right edge is the output padding.
        let left_over = [
            (x.h + 2 * padding[0] - kernel[0]) % stride[0],
            (x.w + 2 * padding[1] - kernel[1]) % stride[1],
        ];
        let back =
            ConvGeometry::conv_transpose(g.y, x.c as usize, kernel, stride, padding, left_over);
        assert_eq!(back.unwrap(), g);
    }
}
