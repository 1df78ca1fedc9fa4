//! Every op of every fast backend against the f64 reference, over a table of shapes.
//!
//! The bodies are generic: a new backend adds one `suite!` below. Outputs are poisoned with
//! NaN before each call, inputs are asymmetric, and both the relative error of the whole tensor and
//! the largest single error are bounded; a NaN anywhere fails.

mod blocks;
mod compare;
mod cuda;
#[path = "../support/cuda.rs"]
mod device;
mod nan;
mod ops;

use dermaglyph::backend::cpu::Convolutions;

/// Every body on one backend. The bounds are a small multiple of what f32 rounding makes of sums this long.
macro_rules! suite {
    ($name:ident, $backend:expr, convolutions: $convolutions:expr) => {
        mod $name {
            #[test]
            fn convolutions() {
                crate::ops::convolutions(&$backend, $convolutions);
            }

            #[test]
            fn batch_norm() {
                crate::ops::batch_norm(&$backend, 1e-6);
            }

            #[test]
            fn activations() {
                crate::ops::activations(&$backend, 1e-6);
            }

            #[test]
            fn losses() {
                crate::ops::losses(&$backend, 1e-6);
            }

            #[test]
            fn optimiser() {
                crate::ops::optimiser(&$backend, 1e-6);
            }

            #[test]
            fn input() {
                crate::ops::input(&$backend, 1e-6);
            }

            #[test]
            fn storage() {
                crate::ops::storage(&$backend);
            }

            #[test]
            fn nan_is_not_hidden() {
                crate::nan::activations(&$backend);
                crate::nan::losses(&$backend);
            }

            #[test]
            fn fused_blocks_are_the_unfused_ones() {
                crate::blocks::fused_against_unfused(&$backend, crate::blocks::SMALL, 3, 1e-5);
            }

            #[test]
            fn mismatched_shapes_are_errors() {
                crate::ops::mismatched_shapes(&$backend);
            }

            #[test]
            fn block_buffers_that_do_not_belong_together_are_errors() {
                crate::blocks::buffers_that_do_not_belong_together(&$backend);
            }
        }
    };
}

// Winograd's convolutions round more than the definition's; 2e-6 is what they may lose.
suite!(cpu, dermaglyph::backend::Cpu::new(Some(2)).unwrap(), convolutions: 2e-6);
suite!(cuda_plain, crate::device::cuda().with_rung(dermaglyph::backend::cuda::Rung::Plain), convolutions: 1e-6);
suite!(cuda_tiled, crate::device::cuda().with_rung(dermaglyph::backend::cuda::Rung::Tiled), convolutions: 1e-6);

#[test]
fn direct_convolutions_of_the_cpu() {
    let backend = dermaglyph::backend::Cpu::new(Some(2)).unwrap();
    ops::convolutions(&backend.with_convolutions(Convolutions::Direct), 1e-6);
}

/// Batches of more than one chunk of tiles.
#[test]
fn blocks_in_tiles_are_the_unfused_ones() {
    let backend = dermaglyph::backend::Cpu::new(Some(2)).unwrap();
    blocks::fused_against_unfused(&backend, blocks::IN_TILES, 131, 1e-5);
}

mod reference {
    use dermaglyph::backend::Reference;

    #[test]
    fn storage() {
        crate::ops::storage(&Reference);
    }

    #[test]
    fn mismatched_shapes_are_errors() {
        crate::ops::mismatched_shapes(&Reference);
    }

    #[test]
    fn block_buffers_that_do_not_belong_together_are_errors() {
        crate::blocks::buffers_that_do_not_belong_together(&Reference);
    }
}
