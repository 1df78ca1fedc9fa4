use super::*;
use crate::backend::cpu::simd::Isa;
use crate::shape::{ConvGeometry, Nchw};

/// Strides, paddings and sizes of every kind: whole networks' layers in small, the ends of a DCGAN,
/// rectangles, gaps between the taps' positions, images larger than one scatter step.
fn geometries() -> Vec<ConvGeometry> {
    let conv = |x: [usize; 4], o, k, s, p| {
        ConvGeometry::conv(Nchw::new(x[0], x[1], x[2], x[3]), o, k, s, p).expect("a geometry")
    };
    let grown = |y: [usize; 4], c, k, s, p, out| {
        ConvGeometry::conv_transpose(Nchw::new(y[0], y[1], y[2], y[3]), c, k, s, p, out)
            .expect("a geometry")
    };
    vec![
        conv([2, 3, 8, 8], 17, [4, 4], [2, 2], [1, 1]),
        conv([5, 17, 8, 8], 3, [4, 4], [2, 2], [1, 1]),
        conv([1, 1, 5, 7], 1, [3, 3], [1, 1], [1, 1]),
        conv([2, 3, 9, 7], 5, [3, 2], [2, 3], [0, 1]),
        conv([1, 17, 6, 5], 3, [1, 1], [1, 1], [0, 0]),
        conv([2, 3, 7, 6], 4, [1, 1], [2, 2], [0, 0]),
        conv([2, 3, 5, 5], 4, [1, 1], [1, 1], [1, 1]),
        conv([5, 17, 4, 4], 1, [4, 4], [1, 1], [0, 0]),
        conv([3, 2, 3, 5], 7, [3, 5], [1, 1], [0, 0]),
        conv([1, 3, 1, 9], 17, [3, 5], [1, 2], [2, 3]),
        conv([2, 130, 6, 6], 20, [3, 3], [1, 1], [1, 1]),
        conv([1, 600, 4, 4], 8, [2, 2], [1, 1], [0, 0]),
        conv([2, 4, 6, 6], 600, [4, 4], [2, 2], [1, 1]),
        conv([2, 200, 8, 8], 136, [4, 4], [2, 2], [1, 1]),
        conv([1, 1, 70, 66], 3, [4, 4], [2, 2], [1, 1]),
        conv([2, 2, 45, 40], 3, [3, 3], [1, 1], [1, 1]),
        grown([2, 17, 4, 3], 3, [4, 4], [2, 2], [1, 1], [0, 0]),
        grown([1, 24, 1, 1], 5, [4, 4], [1, 1], [0, 0], [0, 0]),
        grown([5, 3, 2, 2], 2, [2, 3], [4, 3], [0, 0], [2, 1]),
        grown([3, 1, 5, 4], 17, [3, 3], [2, 2], [1, 1], [1, 1]),
        grown([2, 6, 3, 3], 1, [5, 5], [3, 2], [2, 1], [2, 0]),
    ]
}

/// Images of one or three channels and whole panels of features, whose columns are read in place: several
/// bands of rows, maps narrower than a tile, rectangles, more images than segments.
fn thin_geometries() -> Vec<ConvGeometry> {
    [
        ([1, 1], [4, 4], 16),
        ([2, 3], [8, 8], 48),
        ([1, 3], [64, 64], 64),
        ([2, 1], [34, 30], 32),
        ([3, 3], [36, 50], 16),
        ([19, 1], [6, 10], 80),
    ]
    .map(|([n, c], [h, w], o)| {
        ConvGeometry::conv(Nchw::new(n, c, h, w), o, [4, 4], [2, 2], [1, 1]).expect("a geometry")
    })
    .into()
}

/// f32 sums of products lose about √depth·2⁻²⁴; the deepest here has 2,400 terms.
const BOUND: f64 = 1e-6;

#[test]
fn all_three_passes_match_the_reference() {
    passes_match_the_reference(&cpu(), &geometries());
}

#[test]
fn thin_layers_match_the_reference_on_every_instruction_set() {
    for isa in Isa::all() {
        let backend = Cpu { engine: Engine::new(Some(3), isa).unwrap(), ..cpu() };
        passes_match_the_reference(&backend, &thin_geometries());
    }
}

fn passes_match_the_reference(backend: &Cpu, geometries: &[ConvGeometry]) {
    for &g in geometries {
        let (x, y) = (TensorShape::Image(g.x), TensorShape::Image(g.y));
        let (a, b, w) = (Pair::random(1, x), Pair::random(2, y), Pair::random(3, g.filter()));

        let mut out = Pair::poisoned(y);
        backend.conv_forward(g, &mut out.cpu, &a.cpu, &w.cpu).unwrap();
        Reference.conv_forward(g, &mut out.reference, &a.reference, &w.reference).unwrap();
        out.assert_close(&format!("forward {g:?}"), BOUND);

        let mut dx = Pair::poisoned(x);
        backend.conv_backward_data(g, &mut dx.cpu, &b.cpu, &w.cpu).unwrap();
        Reference.conv_backward_data(g, &mut dx.reference, &b.reference, &w.reference).unwrap();
        dx.assert_close(&format!("data gradient {g:?}"), BOUND);

        // Weight gradients add to what is there.
        let mut dw = Pair::random(4, g.filter());
        backend.conv_backward_weights(g, &mut dw.cpu, &a.cpu, &b.cpu).unwrap();
        Reference.conv_backward_weights(g, &mut dw.reference, &a.reference, &b.reference).unwrap();
        dw.assert_close(&format!("weight gradient {g:?}"), BOUND);
    }
}

/// Deep enough for the batch to be summed in segments, and small enough for the reference.
#[test]
fn a_segmented_weight_gradient_matches_the_reference() {
    let g = ConvGeometry::conv(Nchw::new(3, 3, 64, 62), 17, [4, 4], [2, 2], [1, 1]).unwrap();
    assert!(g.y.n as usize * g.y.area() > 2 * 1024);
    let (x, dy) =
        (Pair::random(1, TensorShape::Image(g.x)), Pair::random(2, TensorShape::Image(g.y)));
    let mut dw = Pair::random(3, g.filter());
    for _ in 0..2 {
        cpu().conv_backward_weights(g, &mut dw.cpu, &x.cpu, &dy.cpu).unwrap();
        Reference.conv_backward_weights(g, &mut dw.reference, &x.reference, &dy.reference).unwrap();
    }
    dw.assert_close("weight gradient", BOUND);
}

/// A kept partial sum of an earlier, larger call must not leak into a later one.
#[test]
fn a_weight_gradient_does_not_depend_on_earlier_calls() {
    let conv =
        |n, c| ConvGeometry::conv(Nchw::new(n, c, 64, 64), 16, [4, 4], [2, 2], [1, 1]).unwrap();
    let run = |backend: &Cpu, g: ConvGeometry, scale: f32| {
        let x: Vec<f32> = normals(1, g.x.len()).iter().map(|v| v * scale).collect();
        let x = tensor(backend, TensorShape::Image(g.x), &x);
        let dy = tensor(backend, TensorShape::Image(g.y), &normals(2, g.y.len()));
        let mut dw = backend.alloc(g.filter()).unwrap();
        backend.conv_backward_weights(g, &mut dw, &x, &dy).unwrap();
        bits(&dw)
    };
    let (fresh, used) = (cpu(), cpu());
    run(&used, conv(4, 20), f32::INFINITY);
    assert_eq!(run(&used, conv(2, 3), 1.0), run(&fresh, conv(2, 3), 1.0));
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let shapes = [(16, 3, 32, 24), (5, 130, 8, 140), (3, 1, 70, 17), (40, 64, 4, 1)];
    for (n, c, size, o) in shapes {
        let g = ConvGeometry::conv(Nchw::new(n, c, size, size), o, [4, 4], [2, 2], [1, 1]).unwrap();
        let run = |threads| {
            let backend = Cpu::new(Some(threads)).unwrap();
            let x = tensor(&backend, TensorShape::Image(g.x), &normals(1, g.x.len()));
            let dy = tensor(&backend, TensorShape::Image(g.y), &normals(2, g.y.len()));
            let w = tensor(&backend, g.filter(), &normals(3, g.filter().len()));
            let mut y = poisoned(&backend, TensorShape::Image(g.y));
            let mut dx = poisoned(&backend, TensorShape::Image(g.x));
            let mut dw = tensor(&backend, g.filter(), &normals(4, g.filter().len()));
            backend.conv_forward(g, &mut y, &x, &w).unwrap();
            backend.conv_backward_data(g, &mut dx, &dy, &w).unwrap();
            backend.conv_backward_weights(g, &mut dw, &x, &dy).unwrap();
            [bits(&y), bits(&dx), bits(&dw)]
        };
        let one = run(1);
        for threads in [2, 3, 7] {
            assert!(run(threads) == one, "{g:?} on {threads} threads");
        }
    }
}

/// What makes a print depend on its own latent only: an image's bits are the same alone, with other
/// images beside it, and at another place in the batch.
#[test]
fn an_image_does_not_depend_on_its_batch() {
    let backend = cpu();
    for g in geometries().into_iter().chain(thin_geometries()) {
        let (one, three) = (g.with_batch(1), g.with_batch(3));
        let w = tensor(&backend, g.filter(), &normals(1, g.filter().len()));
        let batch_of = |image: &[f32], others: u64, at: usize| {
            let mut batch = normals(others, 3 * image.len());
            batch[at * image.len()..][..image.len()].copy_from_slice(image);
            batch
        };
        let forward = |g: ConvGeometry, x: &[f32]| {
            let x = tensor(&backend, TensorShape::Image(g.x), x);
            let mut y = poisoned(&backend, TensorShape::Image(g.y));
            backend.conv_forward(g, &mut y, &x, &w).unwrap();
            bits(&y)
        };
        let backward = |g: ConvGeometry, dy: &[f32]| {
            let dy = tensor(&backend, TensorShape::Image(g.y), dy);
            let mut dx = poisoned(&backend, TensorShape::Image(g.x));
            backend.conv_backward_data(g, &mut dx, &dy, &w).unwrap();
            bits(&dx)
        };
        let (x, dy) = (normals(2, one.x.len()), normals(3, one.y.len()));
        let (y_alone, dx_alone) = (forward(one, &x), backward(one, &dy));
        for at in 0..3 {
            let y = forward(three, &batch_of(&x, 4, at));
            assert!(y[at * y_alone.len()..][..y_alone.len()] == y_alone, "forward {g:?} at {at}");
            let dx = backward(three, &batch_of(&dy, 5, at));
            assert!(dx[at * dx_alone.len()..][..dx_alone.len()] == dx_alone, "data {g:?} at {at}");
        }
    }
}

#[test]
fn shape_mismatches_are_errors_that_name_the_tensor() {
    let backend = cpu();
    let g = ConvGeometry::conv(Nchw::new(2, 3, 8, 8), 5, [4, 4], [2, 2], [1, 1]).unwrap();
    let alloc = |shape| backend.alloc(shape).unwrap();
    let (mut x, mut y) = (alloc(TensorShape::Image(g.x)), alloc(TensorShape::Image(g.y)));
    let mut w = alloc(g.filter());
    let mut turned = alloc(TensorShape::Filter([3, 5, 4, 4]));
    let small = alloc(TensorShape::Image(g.x.with_batch(1)));

    let error = backend.conv_forward(g, &mut y, &small, &w).unwrap_err().to_string();
    assert_eq!(error, "conv_forward: x has shape [1, 3, 8, 8], expected [2, 3, 8, 8]");
    let error = backend.conv_backward_data(g, &mut x, &y, &turned).unwrap_err().to_string();
    assert_eq!(error, "conv_backward_data: w has shape [3, 5, 4, 4], expected [5, 3, 4, 4]");
    let error = backend.conv_backward_weights(g, &mut turned, &x, &y).unwrap_err().to_string();
    assert_eq!(error, "conv_backward_weights: dw has shape [3, 5, 4, 4], expected [5, 3, 4, 4]");

    let torn = ConvGeometry { y: g.y.with_batch(3), ..g };
    let wrong_batch = alloc(TensorShape::Image(torn.y));
    assert!(backend.conv_backward_weights(torn, &mut w, &x, &wrong_batch).is_err());
}
