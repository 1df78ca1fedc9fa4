//! Every op and ten whole training steps against PyTorch's numbers. See README.md in this folder.

#[path = "../support/buffers.rs"]
mod buffers;
mod dcgan;
#[path = "../support/cuda.rs"]
mod device;
mod fixtures;
mod ops;

/// The f64 backend against PyTorch's float64 run.
mod reference {
    use dermaglyph::backend::Reference;

    const EXACT: f64 = 1e-10;

    #[test]
    fn conv() {
        crate::ops::conv(&Reference, "f64", EXACT);
    }

    #[test]
    fn conv_transpose() {
        crate::ops::conv_transpose(&Reference, "f64", EXACT);
    }

    #[test]
    fn batch_norm() {
        crate::ops::batch_norm(&Reference, EXACT, None);
    }

    #[test]
    fn activations() {
        crate::ops::activations(&Reference, "f64", EXACT, 0.0);
    }

    #[test]
    fn bce() {
        crate::ops::bce(&Reference, "f64", EXACT);
    }

    #[test]
    fn bce_with_logits() {
        crate::ops::bce_with_logits(&Reference, "f64", EXACT, true);
    }

    #[test]
    fn saturated_sigmoids_keep_their_gradient() {
        crate::ops::saturation(&Reference);
    }

    #[test]
    fn adam() {
        crate::ops::adam(&Reference, "f64", EXACT, EXACT);
    }

    #[test]
    fn ten_steps_of_a_colour_dcgan() {
        crate::dcgan::ten_steps(Reference, 3, "f64", &crate::dcgan::Tolerances::uniform(EXACT));
    }

    #[test]
    fn ten_steps_of_a_grey_dcgan() {
        crate::dcgan::ten_steps(Reference, 1, "f64", &crate::dcgan::Tolerances::uniform(EXACT));
    }

    #[test]
    fn discriminator_passes() {
        for nc in [1, 3] {
            crate::dcgan::discriminator_passes(
                &Reference,
                nc,
                "f64",
                &crate::dcgan::Tolerances::uniform(EXACT),
            );
        }
    }
}

/// The f32 backends. Operators are held to PyTorch's float64 run; whole networks to its float32 run, a
/// small factor above that run's own distance from float64 (in the comments: the larger of nc1 and
/// nc3).
const NETWORK: dcgan::Tolerances = dcgan::Tolerances {
    activations: 1.2e-5, // 3.1e-6
    gradients: 8e-6,     // 1.9e-6
    statistics: 7e-7,    // 1.8e-7
    weights: 9e-6,       // 2.2e-6
    losses: 1.2e-6,      // 3.0e-7
    images: 1e-6,        // 2.5e-7
};

macro_rules! suite {
    ($name:ident, exact $exact:literal, ulps $ulps:literal, $backend:expr) => {
        mod $name {
            #[test]
            fn conv() {
                crate::ops::conv(&$backend, "f64", 1e-6);
            }

            #[test]
            fn conv_transpose() {
                crate::ops::conv_transpose(&$backend, "f64", 1e-6);
            }

            #[test]
            fn batch_norm() {
                crate::ops::batch_norm(&$backend, 1e-6, Some($ulps));
            }

            #[test]
            fn activations() {
                // Below f32's smallest normal number only the absolute distance counts. (PyTorch's
                // float32 sigmoid is 0 at -88.5 and below, where the true value is still a float.)
                crate::ops::activations(&$backend, "f64", 1e-6, 1.2e-38);
            }

            #[test]
            fn bce() {
                crate::ops::bce(&$backend, "f32", 1e-6);
            }

            #[test]
            fn bce_with_logits() {
                crate::ops::bce_with_logits(&$backend, "f64", 1e-6, $exact);
            }

            #[test]
            fn saturated_sigmoids_keep_their_gradient() {
                crate::ops::saturation(&$backend);
            }

            #[test]
            fn adam() {
                crate::ops::adam(&$backend, "f32", 1e-6, 1e-6);
            }

            #[test]
            fn ten_steps_of_a_colour_dcgan() {
                crate::dcgan::ten_steps($backend, 3, "f32", &crate::NETWORK);
            }

            #[test]
            fn ten_steps_of_a_grey_dcgan() {
                crate::dcgan::ten_steps($backend, 1, "f32", &crate::NETWORK);
            }

            #[test]
            fn discriminator_passes() {
                for nc in [1, 3] {
                    crate::dcgan::discriminator_passes(&$backend, nc, "f32", &crate::NETWORK);
                }
            }
        }
    };
}

suite!(cpu, exact true, ulps 0.0, dermaglyph::backend::Cpu::new(Some(2)).unwrap());
suite!(
    cuda_plain,
    exact false,
    ulps 0.0,
    crate::device::cuda().with_rung(dermaglyph::backend::cuda::Rung::Plain)
);
// Its batch norm sums in f32 where the others do in f64.
suite!(
    cuda_tiled,
    exact false,
    ulps 4.0,
    crate::device::cuda().with_rung(dermaglyph::backend::cuda::Rung::Tiled)
);
