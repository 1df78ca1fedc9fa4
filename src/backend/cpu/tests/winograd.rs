//! The fast convolution against the reference, on every instruction set of this machine.

use super::*;
use crate::backend::cpu::simd::Isa;
use crate::backend::cpu::{Algorithm, Convolutions};
use crate::shape::{ConvGeometry, Nchw};

fn layer(n: usize, c: usize, [h, w]: [usize; 2], o: usize) -> ConvGeometry {
    ConvGeometry::conv(Nchw::new(n, c, h, w), o, [4, 4], [2, 2], [1, 1]).expect("a geometry")
}

/// One and several tiles a side, chunks, super-blocks, groups and tasks, whole and partial; rectangles.
fn layers() -> Vec<(ConvGeometry, usize)> {
    vec![
        (layer(1, 16, [8, 8], 16), 4),
        (layer(3, 32, [8, 24], 48), 4),
        (layer(2, 80, [16, 8], 16), 4),
        (layer(33, 16, [16, 16], 32), 4),
        (layer(2, 16, [32, 32], 80), 4),
        (layer(3, 144, [8, 8], 272), 4),
        (layer(2, 48, [4, 12], 32), 2),
        (layer(5, 32, [12, 12], 80), 2),
        (layer(17, 16, [20, 12], 16), 2),
        // Whose transforms stay with a task: a group and part, several of both, groups of the small side.
        (layer(16, 16, [64, 64], 32), 4),
        (layer(17, 48, [56, 56], 80), 4),
        (layer(16, 16, [56, 56], 144), 4),
    ]
}

/// ‖a − b‖/‖b‖
fn relative(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |v: f64| v * v;
    let error: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (error / b.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
}

/// What the three passes may lose, ‖error‖/‖result‖.
const BOUND: f64 = 2e-6;

#[test]
fn all_three_passes_match_the_reference_on_every_instruction_set() {
    for (g, tile) in layers() {
        passes_match_the_reference(g, tile, &Isa::all());
    }
}

/// The longest sums of a DCGAN at its usual width: 1,024 terms a point forwards, 512 backwards.
#[test]
fn the_deepest_layer_of_a_dcgan_matches_the_reference() {
    passes_match_the_reference(layer(4, 256, [8, 8], 512), 4, &[Isa::detect()]);
}

fn passes_match_the_reference(g: ConvGeometry, tile: usize, isas: &[Isa]) {
    let (xs, ys) = (TensorShape::Image(g.x), TensorShape::Image(g.y));
    let numbers = [xs, ys, g.filter(), g.filter()].map(|s| normals(s.len() as u64, s.len()));
    let [x, y, w, dw] = &numbers;
    let expected = passes(&Reference, g, [x, y, w, dw]);
    for &isa in isas {
        let backend = Cpu { engine: Engine::new(Some(3), isa).unwrap(), ..cpu() };
        assert_eq!(backend.algorithm(g), Algorithm::Winograd(tile), "{g}");
        let results = passes(&backend, g, [x, y, w, dw]);
        for ((name, result), expected) in
            ["forward", "data gradient", "weight gradient"].iter().zip(results).zip(&expected)
        {
            let error = relative(&result, expected);
            assert!(error <= BOUND, "{name}, {g}, {}: {error:e}", isa.name());
        }
    }
}

/// y, dx and dw of a layer; dw starts from what is there.
fn passes<B: Backend>(
    backend: &B,
    g: ConvGeometry,
    [x, dy, w, dw]: [&Vec<f32>; 4],
) -> [Vec<f64>; 3] {
    let (xs, ys) = (TensorShape::Image(g.x), TensorShape::Image(g.y));
    let (x, dy, w) =
        (tensor(backend, xs, x), tensor(backend, ys, dy), tensor(backend, g.filter(), w));
    let (mut y, mut dx) = (poisoned(backend, ys), poisoned(backend, xs));
    let mut dw = tensor(backend, g.filter(), dw);
    backend.conv_forward(g, &mut y, &x, &w).unwrap();
    backend.conv_backward_data(g, &mut dx, &dy, &w).unwrap();
    backend.conv_backward_weights(g, &mut dw, &x, &dy).unwrap();
    [&y, &dx, &dw].map(|buffer| values(backend, buffer))
}

/// A sum is one chain of multiply-adds whatever the tile of the product, so the instruction sets that
/// round a multiply-add once agree to the bit, and so do any numbers of threads.
#[test]
fn the_bits_depend_neither_on_the_instruction_set_nor_on_the_threads() {
    for (g, _) in layers() {
        let sizes = [g.x.len(), g.y.len(), g.filter().len(), g.filter().len()];
        let numbers = sizes.map(|len| normals(len as u64, len));
        let run = |isa, threads| {
            let backend = Cpu { engine: Engine::new(Some(threads), isa).unwrap(), ..cpu() };
            let [x, y, w, dw] = &numbers;
            passes(&backend, g, [x, y, w, dw])
        };
        let fused: Vec<Isa> = Isa::all().into_iter().filter(|isa| *isa != Isa::Portable).collect();
        let Some(&best) = fused.first() else { return };
        let expected = run(best, 1);
        for isa in fused {
            for threads in [1, 2, 5] {
                assert!(run(isa, threads) == expected, "{g}, {}, {threads} threads", isa.name());
            }
        }
    }
}

/// The choice must not change an image that is computed alone.
#[test]
fn an_image_does_not_depend_on_its_batch_in_tiles() {
    let backend = cpu();
    for (g, _) in layers() {
        let (one, many) = (g.with_batch(1), g.with_batch(35));
        let w = tensor(&backend, g.filter(), &normals(1, g.filter().len()));
        let image = normals(2, one.x.len());
        let mut batch = normals(3, many.x.len());
        batch[34 * image.len()..].copy_from_slice(&image);
        let forward = |g: ConvGeometry, x: &[f32]| {
            let x = tensor(&backend, TensorShape::Image(g.x), x);
            let mut y = poisoned(&backend, TensorShape::Image(g.y));
            backend.conv_forward(g, &mut y, &x, &w).unwrap();
            y.data.to_vec()
        };
        let (alone, among) = (forward(one, &image), forward(many, &batch));
        assert!(alone == among[34 * alone.len()..], "forward, {g}");
        let dy = normals(4, one.y.len());
        let mut batch = normals(5, many.y.len());
        batch[17 * dy.len()..18 * dy.len()].copy_from_slice(&dy);
        let backward = |g: ConvGeometry, dy: &[f32]| {
            let dy = tensor(&backend, TensorShape::Image(g.y), dy);
            let mut dx = poisoned(&backend, TensorShape::Image(g.x));
            backend.conv_backward_data(g, &mut dx, &dy, &w).unwrap();
            dx.data.to_vec()
        };
        let (alone, among) = (backward(one, &dy), backward(many, &batch));
        assert!(alone == among[17 * alone.len()..][..alone.len()], "data gradient, {g}");
    }
}

#[test]
fn other_shapes_and_a_request_are_computed_directly() {
    let odd = [
        layer(2, 3, [64, 64], 64),
        layer(2, 24, [8, 8], 16),
        layer(2, 16, [9, 8], 16),
        layer(2, 16, [10, 10], 16),
        ConvGeometry::conv(Nchw::new(2, 16, 8, 8), 16, [4, 4], [1, 1], [0, 0]).unwrap(),
    ];
    for g in odd {
        assert_eq!(cpu().algorithm(g), Algorithm::Direct, "{g}");
    }
    let direct = cpu().with_convolutions(Convolutions::Direct);
    assert_eq!(direct.algorithm(layer(2, 64, [32, 32], 128)), Algorithm::Direct);
}
