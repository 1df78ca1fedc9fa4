//! One GAN step, the loop around it, and its logs.
