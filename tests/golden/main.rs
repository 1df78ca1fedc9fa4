//! Every op and ten whole training steps against PyTorch's numbers. See README.md in this folder.

mod dcgan;
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
        crate::ops::bce_with_logits(&Reference, "f64", EXACT);
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
