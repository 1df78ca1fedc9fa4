//! What the CUDA engine promises beyond the ops themselves.

use crate::compare::random;
use crate::device::cuda;
use dermaglyph::backend::cuda::{Bytes, Kernel, Rung, Tiles};
use dermaglyph::backend::ops::Gather;
use dermaglyph::backend::{Backend, Cuda};
use dermaglyph::model::ModelConfig;
use dermaglyph::shape::{ConvGeometry, Nchw, TensorShape};
use dermaglyph::train::{Gan, Hyper};
use softgpu::client::Scope;

fn tensor(b: &Cuda, shape: TensorShape, seed: u64) -> <Cuda as Backend>::Buffer {
    let mut buffer = b.alloc(shape).unwrap();
    b.upload(&mut buffer, &random(shape.len(), seed)).unwrap();
    buffer
}

fn bits(b: &Cuda, buffer: &<Cuda as Backend>::Buffer) -> Vec<u64> {
    b.snapshot(buffer).unwrap().to_f64().into_iter().map(f64::to_bits).collect()
}

#[test]
fn images_in_the_hosts_memory_make_the_same_batch() {
    let b = cuda();
    let shape = Nchw::new(5, 3, 6, 7);
    let bytes: Vec<u8> = (0..11 * shape.image_len()).map(|i| (i * 37 % 251) as u8).collect();
    let indices = [10, 0, 7, 7, 3];
    let mut batches = [Bytes::Host(bytes.clone()), b.upload_bytes(&bytes).unwrap()].map(|set| {
        let mut y = b.alloc(TensorShape::Image(shape)).unwrap();
        b.fill(&mut y, f32::NAN).unwrap();
        b.gather(Gather { shape }, &mut y, &set, &indices).unwrap();
        bits(&b, &y)
    });
    assert!(!batches[0].iter().any(|&v| f64::from_bits(v).is_nan()));
    let host = std::mem::take(&mut batches[0]);
    assert_eq!(host, batches[1]);
}

/// A sum of eleven thousand positions is cut into parts; how often it runs must not matter.
#[test]
fn a_split_weight_gradient_has_the_same_bits_every_time() {
    let b = cuda();
    for channels in [8, 3] {
        let g = ConvGeometry::conv(Nchw::new(11, channels, 64, 64), 12, [4; 2], [2; 2], [1; 2])
            .unwrap();
        let (x, dy) =
            (tensor(&b, TensorShape::Image(g.x), 1), tensor(&b, TensorShape::Image(g.y), 2));
        let run = || {
            let mut dw = tensor(&b, g.filter(), 3);
            b.conv_backward_weights(g, &mut dw, &x, &dy).unwrap();
            bits(&b, &dw)
        };
        let first = run();
        assert!((0..3).all(|_| run() == first), "{g}");
    }
}

#[test]
fn a_step_after_the_first_allocates_nothing() {
    let hyper = Hyper {
        model: ModelConfig { image_size: 32, channels: 1, nz: 8, ngf: 8, ndf: 8 },
        batch_size: 5,
        adam: dermaglyph::backend::ops::Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 },
        ema: dermaglyph::backend::ops::Ema { decay: 0.99 },
        seed: 3,
        check_every_pass: false,
    };
    for rung in [Rung::Plain, Rung::Tiled] {
        let mut gan = Gan::new(cuda().with_rung(rung), hyper).unwrap();
        gan.upload_reals(&random(5 * 32 * 32, 1)).unwrap();
        gan.step().unwrap();
        let allocations = gan.backend.allocations();
        for _ in 0..3 {
            gan.step().unwrap();
        }
        assert_eq!(gan.backend.allocations(), allocations, "{rung:?}");
        assert!(allocations > 50, "the network's tensors were counted");
    }
}

/// Large tiles on small shapes: their edges lie inside the result, where a full-size layer has none.
#[test]
fn large_tiles_at_their_edges() {
    crate::ops::convolutions(&cuda().with_tiles(Tiles::Large), 1e-6);
}

/// What docs/cuda.md says of the layout in shared memory. Only the software device counts conflicts.
#[test]
fn large_tiles_have_no_bank_conflicts() {
    let b = cuda().with_tiles(Tiles::Large);
    let Some(device) = b.software_device().copied() else { return };
    let mut seen = std::collections::BTreeSet::new();
    for (x_channels, y_channels) in [(64, 128), (128, 64)] {
        let image = Nchw::new(2, x_channels, 16, 16);
        let g = ConvGeometry::conv(image, y_channels, [4; 2], [2; 2], [1; 2]).unwrap();
        let (mut x, mut y) =
            (tensor(&b, TensorShape::Image(g.x), 1), tensor(&b, TensorShape::Image(g.y), 2));
        let mut w = tensor(&b, g.filter(), 3);
        let collection = device.collect(Scope::Thread).unwrap();
        b.conv_forward(g, &mut y, &x, &w).unwrap();
        b.conv_backward_weights(g, &mut w, &x, &y).unwrap();
        b.conv_backward_data(g, &mut x, &y, &w).unwrap();
        for launch in collection.reports().unwrap() {
            if launch.kernel.ends_with("_wide") || launch.kernel.ends_with("_tall") {
                let c = &launch.counters;
                let conflicts = c.shared_loads.conflicts + c.shared_stores.conflicts;
                assert_eq!(
                    conflicts, 0,
                    "{}: {:?}, {:?}",
                    launch.kernel, c.shared_loads, c.shared_stores
                );
                seen.insert(launch.kernel);
            }
        }
    }
    assert_eq!(seen.len(), 6, "three passes, two tiles: {seen:?}");
}

/// What is never launched is never compared: the shapes of these tests reach every kernel.
#[test]
fn every_kernel_is_launched_by_the_table_of_shapes() {
    let mut launched = std::collections::BTreeSet::new();
    for (rung, tiles) in
        [(Rung::Plain, Tiles::ByShape), (Rung::Tiled, Tiles::ByShape), (Rung::Tiled, Tiles::Large)]
    {
        let b = cuda().with_rung(rung).with_tiles(tiles);
        b.start_timing();
        crate::ops::convolutions(&b, 1e-6);
        if tiles == Tiles::ByShape {
            crate::ops::batch_norm(&b, 1e-6);
            crate::ops::activations(&b, 1e-6);
            crate::ops::losses(&b, 1e-6);
            crate::ops::optimiser(&b, 1e-6);
            crate::ops::input(&b, 1e-6);
            crate::ops::storage(&b);
        }
        launched.extend(b.stop_timing().unwrap().into_iter().map(|(kernel, _)| kernel));
    }
    let forgotten: Vec<_> = Kernel::ALL.iter().filter(|k| !launched.contains(k)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}
