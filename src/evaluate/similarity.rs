//! MS-SSIM, the multi-scale structural similarity of two images (Wang, Simoncelli & Bovik, "Multiscale
//! structural similarity for image quality assessment", Asilomar 2003).
//!
//! The mean over random pairs of a set says how varied it is (Odena, Olah & Shlens, "Conditional image
//! synthesis with auxiliary classifier GANs", ICML 2017, section 4.2): high where images repeat each other. It
//! compares pixels in place, so a shifted copy looks new; the matcher sees that.

use image::{GrayImage, imageops};

/// Exponents of the scales, finest first. Images too small for all five use the first few, made to the same sum.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Taps and standard deviation of the Gaussian window.
const TAPS: usize = 11;
const SIGMA: f64 = 1.5;
/// (0.01 · 255)² and (0.03 · 255)².
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// An image with what does not depend on its partner: its scales, filtered.
#[derive(Clone, Debug)]
pub struct Scales(Vec<Scale>);

#[derive(Clone, Debug)]
struct Scale {
    side: usize,
    pixels: Vec<f64>,
    /// Gaussian means of the pixels and of their squares, where the window fits: side − 10 each way.
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Scales {
    /// Prepares a square image: as many of the five scales as leave room for the window of 11 pixels; none for
    /// a side below 11.
    pub fn new(image: &GrayImage) -> Self {
        let side = image.width().min(image.height());
        let image = imageops::crop_imm(image, 0, 0, side, side).to_image();
        let mut pixels: Vec<f64> = image.as_raw().iter().map(|&v| f64::from(v)).collect();
        let mut side = side as usize;
        let mut scales = Vec::new();
        while side >= TAPS && scales.len() < WEIGHTS.len() {
            let squares: Vec<f64> = pixels.iter().map(|v| v * v).collect();
            let (mean, square) = (blurred(&pixels, side), blurred(&squares, side));
            let half = halved(&pixels, side);
            scales.push(Scale { side, pixels, mean, square });
            (pixels, side) = (half, side / 2);
        }
        Self(scales)
    }

    /// How alike two images of equal size are: 1 for the same image, 0 and more otherwise; `None` for images
    /// smaller than the window or of different sizes.
    ///
    /// The product over the scales of (mean contrast and structure)^weight, with the luminance at the coarsest;
    /// means below 0, as of a negative, count as 0.
    pub fn similarity(&self, other: &Self) -> Option<f64> {
        let same = self.0.len() == other.0.len() && self.0.first()?.side == other.0.first()?.side;
        if !same {
            return None;
        }
        let sum = |weights: &[f64]| weights.iter().sum::<f64>();
        let used = sum(&WEIGHTS[..self.0.len()]) / sum(&WEIGHTS);
        let mut product = 1.0;
        for (at, (a, b)) in self.0.iter().zip(&other.0).enumerate() {
            let (full, structure) = a.compared(b);
            let value = if at + 1 == self.0.len() { full } else { structure };
            product *= value.max(0.0).powf(WEIGHTS[at] / used);
        }
        Some(product)
    }
}

impl Scale {
    /// The mean of SSIM, and that of its contrast-structure part alone (Wang et al. 2004, eq. 12 and 13).
    fn compared(&self, other: &Self) -> (f64, f64) {
        let products: Vec<f64> =
            self.pixels.iter().zip(&other.pixels).map(|(a, b)| a * b).collect();
        let cross = blurred(&products, self.side);
        let (mut full, mut structure) = (0.0, 0.0);
        for (at, cross) in cross.iter().enumerate() {
            let (a, b) = (self.mean[at], other.mean[at]);
            let (va, vb) = (self.square[at] - a * a, other.square[at] - b * b);
            let part = (2.0 * (cross - a * b) + C2) / (va + vb + C2);
            structure += part;
            full += part * (2.0 * a * b + C1) / (a * a + b * b + C1);
        }
        let count = cross.len() as f64;
        (full / count, structure / count)
    }
}

/// Gaussian means where the window fits: from `side`² values (side − 10)².
fn blurred(pixels: &[f64], side: usize) -> Vec<f64> {
    let centre = (TAPS / 2) as f64;
    let mut window: [f64; TAPS] =
        std::array::from_fn(|i| (-(i as f64 - centre).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = window.iter().sum();
    window.iter_mut().for_each(|w| *w /= sum);
    let out = side + 1 - TAPS;
    let mut rows = vec![0.0; side * out];
    for (row, line) in rows.chunks_exact_mut(out).zip(pixels.chunks_exact(side)) {
        for (shift, weight) in window.iter().enumerate() {
            row.iter_mut().zip(&line[shift..]).for_each(|(sum, v)| *sum += weight * v);
        }
    }
    let mut means = vec![0.0; out * out];
    for (y, row) in means.chunks_exact_mut(out).enumerate() {
        for (line, weight) in rows[y * out..].chunks_exact(out).zip(&window) {
            row.iter_mut().zip(line).for_each(|(sum, v)| *sum += weight * v);
        }
    }
    means
}

/// Means of two by two pixels; an odd last row and column are left out.
fn halved(pixels: &[f64], side: usize) -> Vec<f64> {
    let half = side / 2;
    let at = |x: usize, y: usize| pixels[y * side + x];
    (0..half * half)
        .map(|i| (2 * (i % half), 2 * (i / half)))
        .map(|(x, y)| 0.25 * (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    fn image(side: u32, kind: u32) -> Scales {
        Scales::new(&GrayImage::from_fn(side, side, |x, y| {
            let wave = (3 * x + y * y / 7) % 256;
            Luma([match kind {
                0 => wave,
                1 => (3 * x + y * y / 7 + 20 + (5 * x * y) % 31) % 256,
                2 => 255 - wave,
                _ => wave / 2 + 40,
            } as u8])
        }))
    }

    /// pytorch-msssim 1.0.0 in float64, given the window in float64: five scales at 176 pixels, and SSIM alone
    /// at 64.
    #[test]
    fn the_values_of_another_implementation_are_met() {
        for (kind, wanted) in [(0, 1.0), (1, 0.5467515859784567), (2, 0.0), (3, 0.8194136141870528)]
        {
            let found = image(176, 0).similarity(&image(176, kind)).unwrap();
            assert!((found - wanted).abs() < 1e-12, "{kind}: {found} {wanted}");
        }
        for (kind, wanted) in
            [(1, 0.42068519086192685), (2, -0.46645388296482404), (3, 0.8132875810066709)]
        {
            let (a, b) = (image(64, 0), image(64, kind));
            let found = a.0[0].compared(&b.0[0]).0;
            assert!((found - wanted).abs() < 1e-12, "{kind}: {found} {wanted}");
        }
    }

    #[test]
    fn small_images_have_fewer_scales_and_tiny_ones_none() {
        for (side, scales) in [(10, 0), (11, 1), (21, 1), (22, 2), (64, 3), (96, 4), (400, 5)] {
            assert_eq!(image(side, 0).0.len(), scales, "{side}");
        }
        assert_eq!(image(10, 0).similarity(&image(10, 0)), None);
        assert_eq!(image(64, 0).similarity(&image(65, 0)), None);
        let (a, b) = (image(75, 0), image(75, 1));
        assert_eq!(a.similarity(&b), b.similarity(&a));
        assert!((a.similarity(&a).unwrap() - 1.0).abs() < 1e-12);
        assert!((0.0..0.9).contains(&a.similarity(&b).unwrap()));
    }
}
