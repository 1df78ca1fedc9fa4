//! 4×4 convolutions of stride 2 and padding 1 with fewer multiplications.
//!
//! **Split by parity.** With x̃ the image with its border of zeros, and (p, q) the parity of a row and a
//! column, let `P_pq[u, v] = x̃[2u+p, 2v+q]` and `w_pq[j, l] = w[2j+p, 2l+q]`. Then
//!
//! ```text
//! y[i, j] = Σ_pq Σ_{a,b ∈ {0,1}} w_pq[a, b] · P_pq[i+a, j+b]
//! ```
//!
//! is four 2×2 convolutions of stride 1 that are summed: one with four times the channels.
//!
//! **Winograd.** In tiles of n×n outputs each 2×2 convolution needs (n+1)² multiplications in place of 4n²
//! ([`tile`] has the matrices). For each of the (n+1)² points ξ, summed over input channels and parities,
//!
//! ```text
//! forward          V = Bᵀ P B     U = G w Gᵀ     M_ξ = V_ξ·U_ξ        y = Aᵀ M A
//! data gradient    Z = A dy Aᵀ    U              M_ξ = Z_ξ·U_ξᵀ       dP += B M Bᵀ
//! weight gradient  V, Z                          dU_ξ = V_ξᵀ·Z_ξ      dw += Gᵀ dU G
//! ```
//!
//! The second and third line are the first one's exact transposes, so one set of transforms serves all
//! three, and a transposed convolution is the second line. F(4, 2) needs 2.56 times fewer multiplications
//! than the definition, F(2, 2) 1.78 times.
//!
//! **Blocks.** Tiles are taken some images at a time (a *chunk* of about 128 tiles), channels 128 products
//! deep (a *group*), outputs a few panels at a time, and U and dU a row of points at a time, so that what a
//! task works on stays in its L2 cache: V or Z of a whole batch is never in memory, U and dU never leave the
//! task that needs them.
//!
//! | file | what |
//! |---|---|
//! | `tile.rs` | the matrices |
//! | `layer.rs` | sizes and blocks of a layer |
//! | `image.rs` | transforms of images: V, Z, y, dx |
//! | `filter.rs` | transforms of filters: U and dw |
//! | `passes.rs` | the three passes, cut into tasks |
//! | `tasks.rs` | what a thread computes at a time |
//! | `resident.rs` | the same for layers of few channels, whose transforms stay in one core's cache |

// Squares are walked by their indices, as in the formulas; and an iterator's closure would not be compiled
// for the instruction set.
#![allow(clippy::needless_range_loop)]

mod filter;
mod image;
mod layer;
mod passes;
mod resident;
mod tasks;
mod tile;

pub use image::{NormGradient, Source};
pub use layer::supports;
pub use passes::{Call, Then, run};
