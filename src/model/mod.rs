//! The generator and the discriminator: lists of blocks over one [`Backend`](crate::backend::Backend).
