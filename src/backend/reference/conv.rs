//! Convolution as its definition: one multiplication for every filter tap at every position.
//!
//! All three passes visit the same terms `w[o,c,k,l] · x[n,c,r,s] · y[n,o,i,j]`, where
//! `r = i·stride + k − pad`, and differ only in which of the three factors they sum for. So they
//! share one loop nest, `for_each_term`.

use crate::shape::ConvGeometry;

/// Flat indices of one term: into `w`, `x` and `y`.
struct Term {
    w: usize,
    x: usize,
    y: usize,
}

fn for_each_term(g: ConvGeometry, mut visit: impl FnMut(Term)) {
    let size = |v: u32| v as usize;
    let [kh, kw] = g.kernel.map(size);
    let (xc, xh, xw) = (size(g.x.c), size(g.x.h), size(g.x.w));
    let (yc, yh, yw) = (size(g.y.c), size(g.y.h), size(g.y.w));
    for n in 0..size(g.x.n) {
        for o in 0..yc {
            for i in 0..yh {
                for j in 0..yw {
                    let y = ((n * yc + o) * yh + i) * yw + j;
                    for c in 0..xc {
                        for k in 0..kh {
                            let Some(row) = g.source(0, i, k) else { continue };
                            for l in 0..kw {
                                let Some(column) = g.source(1, j, l) else { continue };
                                visit(Term {
                                    w: ((o * xc + c) * kh + k) * kw + l,
                                    x: ((n * xc + c) * xh + row) * xw + column,
                                    y,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `y = w ⋆ x` (cross-correlation, as every deep-learning library means by convolution).
pub fn forward(g: ConvGeometry, y: &mut [f64], x: &[f64], w: &[f64]) {
    y.fill(0.0);
    for_each_term(g, |t| y[t.y] += w[t.w] * x[t.x]);
}

/// `∂L/∂x = Σ ∂L/∂y · ∂y/∂x`: each `dy` flows back along the taps that read `x`.
pub fn backward_data(g: ConvGeometry, dx: &mut [f64], dy: &[f64], w: &[f64]) {
    dx.fill(0.0);
    for_each_term(g, |t| dx[t.x] += w[t.w] * dy[t.y]);
}

/// `∂L/∂w`, added to what is there.
pub fn backward_weights(g: ConvGeometry, dw: &mut [f64], x: &[f64], dy: &[f64]) {
    for_each_term(g, |t| dw[t.w] += x[t.x] * dy[t.y]);
}
